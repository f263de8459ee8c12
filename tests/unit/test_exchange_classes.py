"""Complex orders, replacements and cancellations: who lives, who waits, who dies with whom."""

from __future__ import annotations

from typing import Any

import pytest
from exchange_market import PLAIN, Market

from kobe81.execution.exchange.terms import Terms

EXITS = {"take_profit": {"limit_price": "108"}, "stop_loss": {"stop_price": "92"}}


def bracket(market: Market, qty: int = 10, tif: str = "gtc", **fields: Any) -> tuple[dict[str, Any], ...]:
    """A bracket on ACME: the entry and its legs as they stand, by the order Alpaca lists them."""
    entry = market.order("buy", qty, tif=tif, order_class="bracket", **{**EXITS, **fields})
    return (entry, *entry["legs"])


def states(market: Market, *orders: dict[str, Any]) -> list[str]:
    return [market.again(order)["status"] for order in orders]


def test_the_legs_of_a_bracket_are_held_until_the_entry_fills() -> None:
    """Before: held, and no shares are reserved. After: a limit and a stop in the market, of which one can fill."""
    market = Market("04 14:31")
    entry, target, stop = bracket(market, kind="limit", limit_price="95")
    assert states(market, entry, target, stop) == ["new", "held", "held"]
    assert (target["side"], target["type"], stop["type"]) == ("sell", "limit", "stop")
    market.at("04 16:00")
    assert states(market, entry, target, stop) == ["filled", "new", "new"]
    assert market.get("/v2/positions/ACME")["qty_available"] == "0"


def test_the_stop_of_a_bracket_fills_and_cancels_the_target() -> None:
    """Bought at 100.10, the price is 92 at 16:14; the bid there is 91.908, down to 91.90."""
    market = Market()
    entry, target, stop = bracket(market)
    market.at("04 21:00")
    assert market.fills()[1] == ("2024-03-04T16:14:00Z", "sell", "10", "91.9")
    assert states(market, entry, target, stop) == ["filled", "canceled", "filled"]
    assert market.get("/v2/positions") == []


def test_the_target_of_a_bracket_fills_and_cancels_the_stop() -> None:
    """With the stop below the day's low, the target of 108 is met on the way up, at its own price."""
    market = Market()
    _, target, stop = bracket(market, stop_loss={"stop_price": "89"})
    at, _, _, price = market.at("04 21:00").fills()[1]
    assert (at[:13], price) == ("2024-03-04T18", "108")
    assert states(market, target, stop) == ["filled", "canceled"]


def test_a_day_with_stop_and_target_takes_the_stop() -> None:
    """The path goes low first, as the backtest takes stops before targets: here both 92 and 108 lie in the bar."""
    market = Market()
    bracket(market)
    market.at("07 21:00")
    assert [price for _, side, _, price in market.fills() if side == "sell"] == ["91.9"]


def test_canceling_an_entry_cancels_its_legs_and_canceling_a_leg_cancels_the_other() -> None:
    """If any part is canceled, so is whatever is left; each is told once."""
    market = Market("04 14:31")
    parts = bracket(market, kind="limit", limit_price="95")
    assert market.call("DELETE", f"/v2/orders/{parts[0]['id']}") == (204, None)
    assert states(market, *parts) == ["canceled"] * 3
    assert [event for part in parts for event in market.events(part)].count("canceled") == 3
    entry, target, stop = bracket(market)
    assert market.call("DELETE", f"/v2/orders/{stop['id']}")[0] == 204
    assert states(market, entry, target, stop) == ["filled", "canceled", "canceled"]
    assert market.get("/v2/positions/ACME")["qty_available"] == "10"


def test_a_day_bracket_ends_whole_at_the_close() -> None:
    """The entry filled; both exits expire with the session."""
    market = Market()
    _, target, stop = bracket(market, tif="day", take_profit={"limit_price": "150"}, stop_loss={"stop_price": "50"})
    market.at("04 21:00")
    assert states(market, target, stop) == ["expired", "expired"]


def test_a_target_that_fills_in_part_leaves_its_stop_the_rest() -> None:
    """The legs never cover more than is left of the position."""
    market = Market("04 14:30", Terms(half_spread_bps=10.0, partial_fill_probability=1.0))
    _, target, stop = bracket(market, qty=40, take_profit={"limit_price": "102"}, stop_loss={"stop_price": "50"})
    moment = next(m for m in range(50 * 60) if _partly(market, target, m))
    left = 40 - int(market.again(target)["filled_qty"])
    assert 0 < left < 40
    assert (market.again(stop)["qty"], market.get("/v2/positions/ACME")["qty"]) == (str(left), str(left))
    assert moment >= 0
    market.at("04 21:00")
    assert states(market, target, stop) == ["filled", "canceled"]


def _partly(market: Market, order: dict[str, Any], second: int) -> bool:
    """Whether the order stands partly filled so many seconds after 17:30."""
    market.at(f"04 17:{30 + second // 60:02d}:{second % 60:02d}" if second < 1800 else
              f"04 18:{(second - 1800) // 60:02d}:{second % 60:02d}")
    return bool(market.again(order)["status"] == "partially_filled")


def test_shares_that_half_an_entry_bought_belong_to_its_legs() -> None:
    """While the rest of the entry is open, they cannot be sold twice."""
    market = Market("04 14:30", Terms(half_spread_bps=10.0, partial_fill_probability=1.0))
    entry, *_ = bracket(market, qty=40, kind="limit", limit_price="100.20")
    assert entry["status"] == "partially_filled"
    status, answer = market.post("sell", 1)
    assert (status, answer["available"], answer["held_for_orders"]) == (403, "0", entry["filled_qty"])


def test_an_oco_is_two_exits_for_one_position() -> None:
    """Both are in the market, the shares are reserved once, and the one that fills cancels the other."""
    market = Market()
    market.order("buy", 10)
    head = market.order("sell", 10, "limit", "gtc", order_class="oco", **EXITS)
    (stop,) = head["legs"]
    assert (head["status"], head["limit_price"], stop["status"], stop["stop_price"]) == ("new", "108", "new", "92")
    assert market.post("sell", 1)[1]["held_for_orders"] == "10"
    market.at("04 21:00")
    assert states(market, head, stop) == ["canceled", "filled"]


def test_an_oto_has_one_leg() -> None:
    """A stop that is held until its entry fills."""
    market = Market()
    entry = market.order("buy", 10, tif="gtc", order_class="oto", stop_loss={"stop_price": "95", "limit_price": "94"})
    (stop,) = entry["legs"]
    assert (stop["type"], stop["stop_price"], stop["limit_price"], stop["status"]) == ("stop_limit", "95", "94", "new")


def test_a_list_of_orders_shows_legs_under_their_head_or_beside_it() -> None:
    """Nested, a filled bracket with open legs is one open order; flat, its two legs are."""
    market = Market()
    entry, target, stop = bracket(market)
    (nested,) = market.get("/v2/orders", nested="true")
    assert (nested["id"], [leg["id"] for leg in nested["legs"]]) == (entry["id"], [target["id"], stop["id"]])
    flat = market.get("/v2/orders", direction="asc")
    assert [(order["id"], order["legs"]) for order in flat] == [(target["id"], None), (stop["id"], None)]


def test_a_replacement_is_a_new_order_that_names_the_old() -> None:
    """The old one is over for good; the new one has its own id, the new price, and what was not changed."""
    market = Market()
    old = market.order("buy", 10, "limit", "day", limit_price="95")
    status, new = market.call("PATCH", f"/v2/orders/{old['id']}", {"limit_price": "96", "client_order_id": "mine"})
    assert (status, new["replaces"], new["limit_price"], new["qty"]) == (200, old["id"], "96", "10")
    gone = market.again(old)
    assert (gone["status"], gone["replaced_by"], gone["replaced_at"]) == ("replaced", new["id"],
                                                                         "2024-03-04T14:30:00Z")
    assert market.events(old) == ["new", "replaced"]
    assert market.get("/v2/orders:by_client_order_id", client_order_id="mine")["id"] == new["id"]
    assert market.at("04 16:00").fills()[0][3] == "96"


def test_a_replaced_leg_stays_in_its_bracket() -> None:
    """The stop is moved up to 95, fills there, and cancels the target."""
    market = Market()
    entry, target, stop = bracket(market)
    moved = market.call("PATCH", f"/v2/orders/{stop['id']}", {"stop_price": "95"})[1]
    assert [leg["id"] for leg in market.again(entry)["legs"]] == [target["id"], moved["id"]]
    assert market.at("04 21:00").fills()[1][3] == "94.9"
    assert states(market, target, stop, moved) == ["canceled", "replaced", "filled"]


def test_a_replaced_stop_still_holds_its_shares_once() -> None:
    """Ten shares, ten in the stop: it can be replaced, although nothing is available."""
    market = Market()
    market.order("buy", 10)
    stop = market.order("sell", 10, "stop", "gtc", stop_price="92")
    status, moved = market.call("PATCH", f"/v2/orders/{stop['id']}", {"stop_price": "93"})
    assert status == 200
    assert market.call("PATCH", f"/v2/orders/{moved['id']}", {"qty": "11"})[1]["available"] == "10"


@pytest.mark.parametrize(("change", "message"), [
    ({"limit_price": "95.001"}, "sub-penny"), ({"stop_price": "95"}, "limit orders have no stop price"),
    ({"trail": "1"}, "limit orders have no trail"), ({"qty": "0"}, "qty must be > 0"),
    ({"client_order_id": "taken"}, "client_order_id must be unique"), ({"qty": "2.5"}, "fraction"),
    ({"time_in_force": "ioc"}, "cannot be replaced from day to ioc"), ({"qty": "5000"}, "insufficient buying power"),
])  # fmt: skip
def test_a_replacement_is_checked_like_an_order(change: dict[str, str], message: str) -> None:
    """And where it is refused, the old order stands as it was."""
    market = Market()
    order = market.order("buy", 10, "limit", "day", limit_price="95", client_order_id="taken")
    status, answer = market.call("PATCH", f"/v2/orders/{order['id']}", change)
    assert status in {403, 422}
    assert message in answer["message"]
    assert market.again(order) == order


def test_what_is_over_can_be_neither_canceled_nor_replaced() -> None:
    """422, with the state in the words that Alpaca uses."""
    market = Market()
    done = market.order("buy", 1)
    assert market.call("DELETE", f"/v2/orders/{done['id']}") == (
        422, {"code": 42210000, "message": 'order is already in "filled" state'})
    assert market.call("PATCH", f"/v2/orders/{done['id']}", {"qty": "2"})[0] == 422


def test_all_orders_are_canceled_with_a_status_each() -> None:
    """207, one entry an order, legs included."""
    market = Market("04 14:31", PLAIN)
    parts = bracket(market, kind="limit", limit_price="95")
    status, answer = market.call("DELETE", "/v2/orders")
    assert (status, [(entry["id"], entry["status"]) for entry in answer]) == (207, [(p["id"], 200) for p in parts])
    assert market.get("/v2/orders") == []
