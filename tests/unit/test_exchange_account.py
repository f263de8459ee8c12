"""The account: fees, books, activities page by page, positions and what they are worth, clock, calendar, data."""

from __future__ import annotations

from decimal import Decimal

import pytest
from exchange_market import Market, fold

from kobe81.execution.exchange.terms import Terms


def test_a_sale_pays_its_fees_at_once_rounded_up_to_the_cent() -> None:
    """900 at 89.91 on 2024-03-04: the SEC takes 80,919 x $8 per million = 0.647, FINRA 900 x 0.000166 = 0.149."""
    market = Market()
    market.order("buy", 900)
    market.at("04 16:40").order("sell", 900)
    fees = market.get("/v2/account/activities", activity_types="FEE", direction="asc")
    assert [(fee["net_amount"], fee["date"], fee["status"]) for fee in fees] == [
        ("-0.65", "2024-03-04", "executed"), ("-0.15", "2024-03-04", "executed")]
    assert market.cash == Decimal("100000") - 900 * Decimal("100.10") + 900 * Decimal("89.91") - Decimal("0.80")


def test_the_activity_fee_is_capped() -> None:
    """190,000 shares would pay 31.54; FINRA takes at most 8.30 a trade in 2024."""
    market = Market()
    market.order("buy", 190_000, symbol="PENNY")
    market.order("sell", 190_000, symbol="PENNY")
    sec, taf = market.get("/v2/account/activities", activity_types="FEE", direction="asc")
    assert (sec["net_amount"], taf["net_amount"]) == ("-0.76", "-8.3")      # 94,905 x 8e-6 = 0.759


def test_fees_can_be_switched_off() -> None:
    """Then the only activities are fills."""
    market = Market(terms=Terms(half_spread_bps=10.0, fees=False))
    market.order("buy", 10)
    market.order("sell", 10)
    assert {a["activity_type"] for a in market.get("/v2/account/activities")} == {"FILL"}
    assert market.cash == Decimal("100000") - 10 * Decimal("0.20")


def test_cash_and_shares_are_the_sum_of_the_activities() -> None:
    """As a second program adds them up, to the last digit, fractions and fees included."""
    market = Market()
    market.order("buy", "3.123456789")
    market.order("buy", None, notional="250.00")
    market.at("04 16:40").order("sell", "1.5")
    market.at("05 15:00").order("sell", 2)
    cash, shares = fold(market.get("/v2/account/activities"))
    assert market.cash == cash
    assert {p["symbol"]: Decimal(p["qty"]) for p in market.get("/v2/positions")} == shares


def test_a_notional_order_buys_for_no_more_than_it_says() -> None:
    """250 dollars at 100.10 are 2.497502497 shares, the rest of the last nanoshare stays."""
    order = Market().order("buy", None, notional="250.00")
    assert (order["qty"], order["notional"], order["filled_qty"]) == (None, "250", "2.497502497")


def test_a_notional_sale_sells_no_more_than_there_is() -> None:
    """Ten shares were worth 1,000 at night; at the open of 80 it takes all ten, and no more."""
    market = Market()
    market.order("buy", 10)
    order = market.at("04 22:00").order("sell", None, notional="1000.00")
    assert market.at("05 15:00").again(order)["filled_qty"] == "10"
    assert market.get("/v2/positions") == []


def test_activities_come_in_pages_that_miss_none_and_repeat_none() -> None:
    """Page by page with the last id as token, both ways; the newest first unless told otherwise."""
    market = Market()
    for _ in range(7):
        market.order("buy", 1)
        market.order("sell", 1)
    for direction in ("asc", "desc"):
        whole = market.get("/v2/account/activities", direction=direction)
        assert market.activities(direction=direction, page_size="4") == whole
        assert len(whole) == 28                        # fourteen fills, two fees a sale
    assert market.get("/v2/account/activities") == whole
    assert market.call("GET", "/v2/account/activities", page_token="nonsense")[0] == 422


def test_activities_can_be_asked_for_by_time_and_date() -> None:
    """after is exclusive, until inclusive; a date is one of New York. Ids begin with New York time."""
    market = Market()
    for now in ("04 14:30", "04 15:00", "05 15:00"):
        market.at(now).order("buy", 1)
    fills = "/v2/account/activities/FILL"
    assert [f["id"][:17] for f in market.get(fills, direction="asc")] == [
        "20240304093000000", "20240304100000000", "20240305100000000"]
    assert len(market.get(fills, after="2024-03-04T14:30:00Z")) == 2
    assert len(market.get(fills, until="2024-03-04T15:00:00Z")) == 2
    assert len(market.get(fills, date="2024-03-04")) == 2
    assert market.get("/v2/account/activities", category="non_trade_activity") == []


def test_a_position_says_what_it_cost_and_what_it_is_worth() -> None:
    """10 at 100.10 and 10 at 90.09 average 95.095; at 100 they are worth 2,000; yesterday's close was 100."""
    market = Market()
    market.order("buy", 10)
    market.at("04 16:40").order("buy", 10)
    market.at("04 17:45").order("sell", 5, "limit", limit_price="200")
    position = market.get("/v2/positions/ACME")
    expected = {"qty": "20", "qty_available": "15", "avg_entry_price": "95.095", "cost_basis": "1901.9",
                "market_value": "2000", "unrealized_pl": "98.1", "current_price": "100", "lastday_price": "100",
                "change_today": "0", "side": "long", "unrealized_intraday_pl": "98.1"}
    assert {name: position[name] for name in expected} == expected


def test_the_average_price_stays_when_a_part_is_sold() -> None:
    """Average cost: the rest of the shares cost what they cost."""
    market = Market()
    market.order("buy", 10)
    market.at("04 16:40").order("buy", 10)
    market.order("sell", 7)
    assert market.get("/v2/positions/ACME")["avg_entry_price"] == "95.095"


def test_the_account_adds_up() -> None:
    """Equity is cash and market value; last_equity is yesterday's at the close; open orders take buying power."""
    market = Market()
    market.order("buy", 10)
    market.at("05 15:35").order("buy", 3, "limit", limit_price="70")
    account = market.get("/v2/account")
    cash, price = Decimal("98999"), Decimal(79)                       # half way from 80 to 78
    expected = {"cash": cash, "long_market_value": 10 * price, "equity": cash + 10 * price,
                "last_equity": cash + 10 * 105, "buying_power": cash - 210}
    assert {name: Decimal(account[name]) for name in expected} == expected
    removed = {"pattern_day_trader", "daytrade_count", "daytrading_buying_power"}
    assert not removed & set(account)


def test_a_position_is_closed_whole_or_in_part() -> None:
    """By quantity, by percentage, and all of it; what another order holds cannot be."""
    market = Market()
    market.order("buy", 20)
    assert market.call("DELETE", "/v2/positions/ACME", qty="5")[1]["qty"] == "5"
    assert market.call("DELETE", "/v2/positions/ACME", percentage="20")[1]["qty"] == "3"
    market.order("sell", 2, "stop", "gtc", stop_price="92")
    assert market.call("DELETE", "/v2/positions/ACME")[1]["available"] == "10"
    status, answer = market.call("DELETE", "/v2/positions")
    assert (status, answer[0]["status"], answer[0]["body"]["held_for_orders"]) == (207, 403, "2")
    status, answer = market.call("DELETE", "/v2/positions", cancel_orders="true")
    assert (status, answer[0]["status"], answer[0]["body"]["qty"]) == (207, 200, "12")
    assert market.get("/v2/positions") == []


def test_the_portfolio_history_is_the_equity_at_each_close() -> None:
    """Bought ten at 100.10 on the 4th; closes of 105, 82, 82.5, and 118 on the 7th."""
    market = Market()
    market.order("buy", 10)
    history = market.at("07 22:00").get("/v2/account/portfolio/history", period="1W")
    assert history["equity"] == [98_999 + 10 * close for close in (105, 82, 82.5, 118)]
    assert history["profit_loss"] == [10 * (close - 105) for close in (105, 82, 82.5, 118)]


@pytest.mark.parametrize(("now", "is_open", "opens", "closes"), [
    ("04 14:29", False, "2024-03-04T09:30:00-05:00", "2024-03-04T16:00:00-05:00"),
    ("04 14:30", True, "2024-03-05T09:30:00-05:00", "2024-03-04T16:00:00-05:00"),
    ("04 21:00", False, "2024-03-05T09:30:00-05:00", "2024-03-05T16:00:00-05:00"),
    ("08 21:00", False, "2024-03-11T09:30:00-04:00", "2024-03-11T16:00:00-04:00"),      # summer time began on the 10th
])  # fmt: skip
def test_the_clock_tells_new_york_time(now: str, is_open: bool, opens: str, closes: str) -> None:
    """With the next open and the next close."""
    clock = Market(now).get("/v2/clock")
    assert (clock["is_open"], clock["next_open"], clock["next_close"]) == (is_open, opens, closes)


def test_the_calendar_knows_half_days_and_holidays() -> None:
    """2024-07-03 closed at 13:00, the 4th all day."""
    days = Market().get("/v2/calendar", start="2024-07-02", end="2024-07-05")
    assert [(day["date"], day["open"], day["close"]) for day in days] == [
        ("2024-07-02", "09:30", "16:00"), ("2024-07-03", "09:30", "13:00"), ("2024-07-05", "09:30", "16:00")]


def test_market_data_knows_nothing_of_the_future() -> None:
    """At 15:35 of the 4th: a quote at 95, the day's bar so far, yesterday's bar; unknown symbols are left out."""
    market = Market("04 15:35")
    assert market.get("/v2/stocks/quotes/latest", symbols="ACME,NONE")["quotes"]["ACME"]["bp"] == 94.9
    snapshot = market.get("/v2/stocks/snapshots", symbols="acme")["ACME"]
    assert (snapshot["dailyBar"]["h"], snapshot["dailyBar"]["c"], snapshot["prevDailyBar"]["c"]) == (100, 95, 100)
    assert snapshot["dailyBar"]["t"] == "2024-03-04T05:00:00Z"
    found = market.get("/v2/stocks/bars", symbols="ACME,BETA", timeframe="1Day", start="2024-03-01", end="2024-03-31")
    assert {symbol: [bar["c"] for bar in rows] for symbol, rows in found["bars"].items()} == {
        "ACME": [100, 95], "BETA": [9.75]}


def test_bars_come_in_pages() -> None:
    """A token leads from page to page, over the border between symbols."""
    market, token, rows = Market("07 22:00"), "0", list[tuple[str, float]]()
    while token is not None:
        page = market.get("/v2/stocks/bars", symbols="ACME,BETA", timeframe="1Day", start="2024-03-01", limit="2",
                          page_token=token)
        rows += [(symbol, bar["o"]) for symbol, bars in page["bars"].items() for bar in bars]
        token = page["next_page_token"]
    assert rows == [*(("ACME", price) for price in (99, 100, 80, 82, 100)), ("BETA", 10), ("BETA", 10)]
    assert market.call("GET", "/v2/stocks/ACME/bars", timeframe="1Min")[0] == 400


def test_ids_look_like_uuid4_and_follow_from_the_seed() -> None:
    """The same seed and requests give the same ids, another seed others."""
    import uuid

    ids = [Market(seed=seed).order("buy", 1)["id"] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    assert {uuid.UUID(name).version for name in ids} == {4}
