"""When and at what price orders fill on the path: every answer is worked out by hand from the bars."""

from __future__ import annotations

from decimal import Decimal

import pytest
from exchange_market import PLAIN, Market

from kobe81.execution.exchange.terms import Terms


def held(now: str = "04 14:30", qty: int = 10, terms: Terms = PLAIN) -> Market:
    """A market in which ten shares of ACME were bought at the open's ask, 100.10."""
    market = Market("04 14:30", terms)
    assert market.order("buy", qty)["status"] == "filled"
    return market.at(now)


def test_a_market_order_fills_at_once_at_the_far_side_of_the_quote() -> None:
    """A purchase at the ask, a sale at the bid, at the moment it was sent."""
    market = held()
    market.at("04 16:40").order("sell", 4)
    assert market.fills() == [("2024-03-04T14:30:00Z", "buy", "10", "100.1"),
                              ("2024-03-04T16:40:00Z", "sell", "4", "89.91")]


def test_the_answer_to_a_post_comes_before_the_market() -> None:
    """As at Alpaca, the order is shown as it was taken in, not yet filled; the stream tells new, then fill."""
    market = Market()
    status, answer = market.post("buy", 1)
    assert (status, answer["status"], answer["filled_qty"]) == (200, "pending_new", "0")
    assert market.again(answer)["status"] == "filled"
    assert market.events(answer) == ["new", "fill"]


def test_a_stop_that_the_path_crosses_fills_at_the_bid_there() -> None:
    """The price is 95 at 15:35; the bid there is 94.90, and nobody need look at that moment."""
    market = held("04 14:40")
    stop = market.order("sell", 10, "stop", "gtc", stop_price="95")
    assert stop["status"] == "new"
    market.at("04 20:00")
    assert market.fills()[1] == ("2024-03-04T15:35:00Z", "sell", "10", "94.9")
    assert market.again(stop)["filled_at"] == "2024-03-04T15:35:00Z"


def test_a_stop_that_the_open_jumps_over_fills_at_the_opens_bid() -> None:
    """105 at the close, 80 at the open: 80 x 0.999 = 79.92, never the stop's 95."""
    market = held("04 20:59")
    market.order("sell", 10, "stop", "gtc", stop_price="95")
    market.at("05 15:00")
    assert market.fills()[1] == ("2024-03-05T14:30:00Z", "sell", "10", "79.92")


def test_a_buy_stop_fills_at_the_ask_where_the_path_reaches_it() -> None:
    """From 90 at 16:40 to 110 at 18:50: 105 at 18:17:30; 105 x 1.001 = 105.105, up to 105.11."""
    market = Market("04 16:40")
    market.order("buy", 1, "stop", "day", stop_price="105")
    assert market.at("04 21:00").fills() == [("2024-03-04T18:17:30Z", "buy", "1", "105.11")]


def test_a_resting_limit_fills_at_its_price_when_the_ask_comes_down_to_it() -> None:
    """The ask is 95.095 at 95, so it reaches 95.00 a little later: price 94.9051, 66.23 minutes after the open."""
    market = Market("04 14:30")
    order = market.order("buy", 1, "limit", "day", limit_price="95")
    assert order["status"] == "new"
    at, _, _, price = market.at("04 21:00").fills()[0]
    assert (at[:19], price) == ("2024-03-04T15:36:14", "95")


def test_a_marketable_limit_gets_the_better_price() -> None:
    """A limit of 101 against an ask of 100.10 pays 100.10; a sale at 90 against a bid of 99.90 gets 99.90."""
    market = Market()
    market.order("buy", 5, "limit", "day", limit_price="101")
    market.order("sell", 5, "limit", "ioc", limit_price="90")
    assert [(side, price) for _, side, _, price in market.fills()] == [("buy", "100.1"), ("sell", "99.9")]


def test_a_day_order_expires_at_the_close_and_a_gtc_order_stays() -> None:
    """Neither reaches 50; after the close one is over, the other waits on."""
    market = Market()
    day, gtc = (market.order("buy", 1, "limit", tif, limit_price="50") for tif in ("day", "gtc"))
    market.at("04 22:00")
    assert (market.again(day)["status"], market.again(day)["expired_at"]) == ("expired", "2024-03-04T21:00:00Z")
    assert market.again(gtc)["status"] == "new"


def test_an_order_sent_at_night_waits_for_the_open() -> None:
    """It is accepted, told so, and fills at the open's ask: 80 x 1.001 = 80.08."""
    market = Market("04 23:00")
    order = market.order("buy", 2)
    assert (order["status"], order["expires_at"]) == ("accepted", "2024-03-05T21:00:00Z")
    assert market.at("05 14:30").fills() == [("2024-03-05T14:30:00Z", "buy", "2", "80.08")]
    assert market.events(order) == ["accepted", "new", "fill"]


@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_what_cannot_be_done_at_once_is_canceled(tif: str) -> None:
    """A limit below the ask, and any such order while the market is closed: no fill, and no error."""
    market = Market()
    assert market.order("buy", 1, "limit", tif, limit_price="100.09")["status"] == "canceled"
    market.at("04 22:00")
    assert market.order("buy", 1, "limit", tif, limit_price="200")["status"] == "canceled"
    assert market.fills() == []


def test_a_stop_limit_becomes_a_limit_order_where_its_stop_is() -> None:
    """Stop 95, limit 94.95: at 15:35 the bid is 94.90, too low. On the way up it is 94.95 when the price is 95.0450...,
    which is after 17:12."""
    market = held()
    order = market.order("sell", 10, "stop_limit", "day", stop_price="95", limit_price="94.95")
    assert market.at("04 16:40").again(order)["status"] == "new"
    at, _, _, price = market.at("04 21:00").fills()[1]
    assert (at[:16], price) == ("2024-03-04T17:12", "94.95")


def test_a_trailing_stop_follows_the_price_and_never_goes_back() -> None:
    """Placed at the low of 90 with a trail of 3: the high is 110 at 18:50, so it stands at 107 and is reached between
    110 and 105 (130 minutes), after 78 of them; the bid there is 107 x 0.999 = 106.893, down to 106.89."""
    market = held("04 16:40")
    order = market.order("sell", 10, "trailing_stop", "day", trail_price="3")
    assert (order["hwm"], order["stop_price"]) == ("90", "87")
    seen = market.at("04 17:45").again(order)
    assert (seen["hwm"], seen["stop_price"]) == ("100", "97")
    assert market.at("04 21:00").fills()[1] == ("2024-03-04T20:08:00Z", "sell", "10", "106.89")


def test_a_trailing_stop_in_per_cent() -> None:
    """2 per cent below 110 is 107.80, reached 57.2 minutes after the high."""
    market = held("04 16:40")
    market.order("sell", 10, "trailing_stop", "day", trail_percent="2")
    assert market.at("04 21:00").fills()[1] == ("2024-03-04T19:47:12Z", "sell", "10", "107.69")


def test_how_often_one_looks_changes_nothing() -> None:
    """A market seen every seven minutes and one seen once a day tell the same fills, to the microsecond."""
    def run(looks: list[str]) -> list[tuple[str, str, str, str]]:
        market = held("04 14:31", qty=40)
        market.order("sell", 10, "trailing_stop", "gtc", trail_price="2.5")
        market.order("sell", 10, "stop", "gtc", stop_price="97.13")
        market.order("sell", 10, "limit", "gtc", limit_price="108.37")
        market.order("sell", 10, "stop_limit", "gtc", stop_price="91.11", limit_price="91.05")
        for look in looks:
            market.at(look)
        return market.at("07 21:00").fills()

    often = [f"{day} {hour:02d}:{minute:02d}" for day in ("04", "05", "06") for hour in range(15, 21)
             for minute in range(0, 60, 7)]
    assert run(often) == run([])
    assert len(run([])) == 5


def test_auction_orders_fill_at_the_open_and_the_close_only() -> None:
    """Sent before the open: one at the open's ask 80.08, one at the close's, 82 x 1.001 = 82.082, up to 82.09."""
    market = Market("05 14:00")
    market.order("buy", 1, tif="opg")
    market.order("buy", 1, tif="cls")
    late = market.order("buy", 1, "limit", "cls", limit_price="70")
    market.at("05 21:30")
    assert market.fills() == [("2024-03-05T14:30:00Z", "buy", "1", "80.08"),
                              ("2024-03-05T21:00:00Z", "buy", "1", "82.09")]
    assert market.again(late)["status"] == "canceled"


@pytest.mark.parametrize(("now", "tif", "status"), [
    ("04 14:28", "opg", 200), ("04 14:29", "opg", 422), ("04 20:50", "cls", 200), ("04 20:51", "cls", 422),
    ("04 23:59", "opg", 422), ("05 00:00", "opg", 200),      # 19:00 in New York is midnight UTC
])  # fmt: skip
def test_auctions_have_their_deadlines(now: str, tif: str, status: int) -> None:
    """Two minutes before the open, ten before the close; from 19:00 for the next session."""
    assert Market(now).post("buy", 1, tif=tif)[0] == status


def test_latency_delays_the_match() -> None:
    """With 60 s on the way, an order of 14:30 meets the price of 14:31: 100 - 10 / 130 = 99.923, ask 100.03."""
    market = Market("04 14:30", Terms(half_spread_bps=10.0, partial_fill_probability=0.0, latency_ms=60_000))
    order = market.order("buy", 1)
    assert order["status"] == "pending_new"
    assert market.at("04 14:32").fills() == [("2024-03-04T14:31:00Z", "buy", "1", "100.03")]


def test_a_symbol_without_a_bar_fills_nothing_that_day() -> None:
    """BETA does not trade on the 5th: a day order expires, a GTC order fills on the 6th at 10 x 1.001 = 10.01."""
    market = Market("05 14:30")
    day, gtc = (market.order("buy", 1, tif=tif, symbol="BETA") for tif in ("day", "gtc"))
    market.at("06 15:00")
    assert (market.again(day)["status"], market.again(gtc)["filled_avg_price"]) == ("expired", "10.01")


def test_in_a_halt_orders_rest_and_the_quote_grows_old() -> None:
    """Halted from 15:00 to 19:00, the stop at 95 is passed over unseen; the price is then above 109, so it rests on."""
    market = held("04 15:00")
    stop = market.order("sell", 10, "stop", "day", stop_price="95")
    market.exchange.halt("ACME")
    market.at("04 18:00")
    assert market.get("/v2/stocks/ACME/quotes/latest")["quote"]["t"] == "2024-03-04T15:00:00Z"
    market.at("04 19:00").exchange.halt("ACME", halted=False)
    assert market.at("04 20:00").again(stop)["status"] == "new"


def test_a_part_fills_first_and_the_rest_a_second_later() -> None:
    """With every draw partial, a limit order of 40 fills in parts, each leaving less, a second apart, until it is done;
    the parts, their cumulative quantity and what they leave add up."""
    market = Market(terms=Terms(half_spread_bps=10.0, partial_fill_probability=1.0))
    order = market.order("buy", 40, "limit", "day", limit_price="150")
    assert order["status"] == "partially_filled"
    market.at("04 14:40")
    fills = market.get("/v2/account/activities/FILL", direction="asc")
    done = market.again(order)
    total = Decimal(0)
    for second, fill in enumerate(fills):
        total += Decimal(fill["qty"])
        assert Decimal(fill["cum_qty"]) == total == 40 - Decimal(fill["leaves_qty"])
        assert fill["transaction_time"] == f"2024-03-04T14:30:{second:02d}Z"
        last = second == len(fills) - 1
        assert (fill["type"], fill["order_status"]) == (("fill", "filled") if last else
                                                        ("partial_fill", "partially_filled"))
    assert (done["status"], done["filled_qty"], total) == ("filled", "40", 40)
    spent = sum(Decimal(fill["qty"]) * Decimal(fill["price"]) for fill in fills)
    assert abs(Decimal(done["filled_avg_price"]) - spent / 40) <= Decimal("0.0000005")
    assert market.events(order) == ["new", *["partial_fill"] * (len(fills) - 1), "fill"]


def test_an_ioc_order_that_fills_in_part_loses_the_rest() -> None:
    """And a fill-or-kill order fills nothing at all."""
    market = Market(terms=Terms(partial_fill_probability=1.0))
    ioc = market.order("buy", 40, "limit", "ioc", limit_price="150")
    assert (ioc["status"], 0 < Decimal(ioc["filled_qty"]) < 40) == ("canceled", True)
    assert market.events(ioc) == ["new", "partial_fill", "canceled"]
    fok = market.order("buy", 40, "limit", "fok", limit_price="150")
    assert (fok["status"], fok["filled_qty"]) == ("canceled", "0")


def test_about_one_in_ten_fills_only_in_part() -> None:
    """1,000 IOC orders at the default probability: 100 partial on average, standard deviation 9.5."""
    market = Market(terms=Terms(cash=1e9, half_spread_bps=10.0))
    partial = sum(market.order("buy", 10, "limit", "ioc", limit_price="150")["status"] == "canceled"
                  for _ in range(1000))
    assert 60 < partial < 140
