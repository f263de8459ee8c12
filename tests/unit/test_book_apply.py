"""What each event does to the book: positions, cash, budget, counts, states; worked by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from kobe81.core import events as e
from kobe81.core.decisions import Decision
from kobe81.core.orders import State
from tests.engine_fixtures import (
    DAY,
    FRIDAY,
    LIVE,
    MINUTE,
    NOON,
    SECOND,
    TODAY,
    Journal,
    intent,
    opened,
    usd,
)

SENT, UNKNOWN, FILLED, PARTIAL = State.SENT, State.UNKNOWN, State.FILLED, State.PARTIAL
ENDS = [State.CANCELLED, State.EXPIRED, State.REJECTED]


def decision(scan: str, *intents) -> Decision:
    return Decision(session=TODAY, scan=scan, inputs="sha256:0", considered=(), intents=intents)


# fills


def test_a_trade_from_entry_to_exit():
    """70 at 10.00 and 30 at 10.10 bought, 60 at 10.50 and 40 at 9.90 sold for 3 cents: 34 won on the first 60, 100 x
    cost 1,003; the last 40 are 10 of the first lot (lose 1.00) and 30 of the second (lose 6.00)."""
    journal = opened(5_000)
    entry = journal.order("ACME", 100, *LIVE, target=usd(12))
    journal.fill(entry, 70, "10.00")
    assert journal.book.orders[entry.id].state is PARTIAL
    journal.fill(entry, 30, "10.10")
    order, held = journal.book.orders[entry.id], journal.book.positions["ACME"]
    assert (order.state, order.filled, order.value) == (FILLED, 100, usd("1003"))
    assert (held.qty, held.value, held.entry, held.entered) == (100, usd("1003"), entry.id, TODAY)
    assert (held.protect, held.target, held.hold, held.signalled, held.score) == (usd("9.50"), 12, 5, FRIDAY, 1.5)
    journal.sell(qty=60, price="10.50", leg="target", fee="0.02")
    assert journal.book.positions["ACME"].qty == 40
    assert journal.book.closed == ()
    journal.sell(qty=40, price="9.90", leg="stop", fee="0.01")
    (trade,) = journal.book.closed
    assert (trade.gross, trade.fees, trade.net) == (usd("23.00"), usd("0.03"), usd("22.97"))
    assert (trade.qty, trade.entry_price, trade.exit_price) == (100, usd("10.03"), usd("10.26"))
    assert (trade.leg, trade.left, trade.strategy, trade.signalled) == ("stop", TODAY, "donchian", FRIDAY)
    assert (journal.book.positions, journal.book.left) == ({}, {"ACME": TODAY})
    assert journal.book.cash == usd("5022.97")


@pytest.mark.parametrize("state", [*ENDS, FILLED])
def test_a_late_fill_halts(state):
    """It is a fact and is counted, but an order that had ended cannot have traded."""
    journal = opened()
    entry = journal.order("ACME", 7, SENT, *([] if state is State.REJECTED else [State.ACCEPTED]), state)
    journal.fill(entry, 7, 10)
    assert journal.book.halted == f"ACME: order {entry.id} was {state}, and then traded 7 shares"
    assert journal.book.positions["ACME"].qty == 7
    assert journal.book.orders[entry.id].state is state


def test_an_overfill_halts():
    """Eight shares of an order for seven: all eight are held, and nobody trades on."""
    journal = opened()
    entry = journal.order("ACME", 7, *LIVE)
    journal.fill(entry, 5, 10)
    assert not journal.book.halted
    journal.fill(entry, 3, 10)
    assert journal.book.halted == f"ACME: order {entry.id} filled 8 of 7 shares"
    assert (journal.book.positions["ACME"].qty, journal.book.orders[entry.id].state) == (8, FILLED)


def test_a_fill_of_an_unknown_order_halts():
    """Shares are held that nobody decided on, without a plan for them; the first reason to halt stays."""
    journal = opened()
    journal.fill(intent("BETA", 3, number=99), 3, 20)
    halted = "BETA: 3 shares traded by an order we do not know (k1-99)"
    assert (journal.book.halted, journal.book.cash) == (halted, 99_940)
    held = journal.book.positions["BETA"]
    assert (held.qty, held.strategy, held.protect, held.hold) == (3, "", None, 0)
    journal(e.OrderAdopted(broker="b9", client="", symbol="CEDE", side="buy", qty=usd(1), note=""))
    journal.fill(intent("DELL", 1, number=98), 1, 20)
    assert (journal.book.halted, journal.book.foreign) == (halted, {"b9": "CEDE"})


def test_an_order_found_by_its_fill():
    """UNKNOWN, then shares: it arrived, and the rest of it may still trade."""
    journal = opened()
    entry = journal.order("ACME", 7, SENT, UNKNOWN)
    journal.fill(entry, 2, 10)
    assert (journal.book.orders[entry.id].state, journal.book.halted) == (PARTIAL, "")


def test_cash_nobody_knows_stays_unknown():
    """Before an account was opened there is nothing to count from."""
    journal = Journal()
    journal.buy()
    journal(e.CashMoved(activity="a", activity_type="DIV", amount=usd(5), at=NOON))
    assert journal.book.cash is None


@pytest.mark.parametrize(("qty", "other", "gross"), [(5, "sell", "5"), (-5, "buy", "-5")])
def test_a_person_adjusts_a_position(qty, other, gross):
    """The shares and their price are as given, long or short, and what is done with them later counts from there."""
    journal = opened()
    journal.buy(qty=7)
    journal(e.Adjusted(what="ACME", qty=usd(qty), price=usd(20), person="ann", reason="split"))
    assert (journal.book.positions["ACME"].qty, journal.book.positions["ACME"].protect) == (qty, usd("9.50"))
    journal.fill(journal.order("ACME", 5, *LIVE, side=other, leg="time"), 5, 21)
    (trade,) = journal.book.closed
    assert (trade.qty, trade.gross) == (5, usd(gross))


def test_a_person_adjusts_what_is_left():
    """No shares: no position. Cash: the amount as given. Shares nobody knew: a position without a plan."""
    journal = opened()
    journal.buy()
    journal(e.Adjusted(what="ACME", qty=usd(0), price=usd(0), person="ann", reason="gone"),
            e.Adjusted(what="cash", qty=usd("12.34"), price=usd(0), person="ann", reason="fee"),
            e.Adjusted(what="BETA", qty=usd(2), price=usd(3), person="ann", reason="gift"))
    assert (list(journal.book.positions), journal.book.cash) == (["BETA"], usd("12.34"))
    assert (journal.book.positions["BETA"].value, journal.book.positions["BETA"].entered) == (6, TODAY)


# the day's budget and counts


@pytest.mark.parametrize(("states", "filled", "reserved", "trades"), [
    ([], 0, "73.50", 1), ([SENT], 0, "73.50", 1), ([SENT, UNKNOWN], 0, "73.50", 1), ([*LIVE], 0, "73.50", 1),
    ([*LIVE], 3, "73.50", 1),                            # four may still fill
    ([*LIVE], 7, "70.00", 1),                            # filled: what it came to
    ([SENT, UNKNOWN, State.EXPIRED], 0, "0", 0),         # a session later
    ([*LIVE, State.CANCELLED], 0, "0", 0), ([SENT, State.REJECTED], 0, "0", 0), ([State.EXPIRED], 0, "0", 0),
])  # fmt: skip
def test_what_an_entry_holds_of_the_budget(states, filled, reserved, trades):
    """Sent + unknown + filled: seven shares at up to 10.50, bought at 10.00 where they were."""
    journal = opened()
    entry = journal.order("ACME", 7, *states)
    if filled:
        journal.fill(entry, filled, 10)
    assert (journal.book.reserved, journal.book.trades_today) == (usd(reserved), trades)


def test_a_partial_fill_frees_what_was_cancelled():
    """Three of seven at 10.00: 30 of the 73.50 stay in use, and it was a trade."""
    journal = opened()
    entry = journal.order("ACME", 7, *LIVE)
    journal.fill(entry, 3, 10)
    journal(e.OrderMoved(order=entry.id, state=State.CANCELLED))
    assert (journal.book.reserved, journal.book.trades_today) == (usd(30), 1)


def test_exits_use_no_budget():
    """Nor do they count as trades."""
    journal = opened()
    journal.order("ACME", 7, *LIVE, side="sell", leg="stop")
    assert (journal.book.reserved, journal.book.trades_today) == (0, 0)


def test_a_session_begins_anew():
    """Budget, counts, jobs, scans, stood-down strategies and finished trades are the day's; open orders, positions, the
    run of losses, the breaker and the highest equity are not."""
    journal = opened()
    journal.buy("BETA", 2, 10)
    journal.sell("BETA", 2, 9)
    journal.buy()
    stop = journal.order("ACME", 7, *LIVE, side="sell", leg="stop", tif="gtc")
    journal(e.JobDone(session=TODAY, job="scan-1", outcome="done"), e.Decided(decision=decision("1")),
            e.StoodDown(session=TODAY, strategy="donchian", reason="junk"), e.Tripped(reason="loss"),
            e.Valued(session=TODAY, equity=usd(101_000)), e.Valued(session=TODAY, equity=usd(99_000)))
    assert (journal.book.day_gain, journal.book.reserved) == (-1_000, 90)
    book = journal.session(TODAY + DAY, 99_500)
    assert (book.reserved, book.trades_today, book.jobs, book.scans, book.stood_down, book.closed) == (
        0, 0, {}, {}, {}, ())
    assert (list(book.orders), list(book.positions), book.tripped_at) == ([stop.id], ["ACME"], NOON)
    assert (book.equity, book.start_equity, book.peak, book.day_gain) == (99_500, 99_500, 101_000, 0)


def test_a_stop_of_the_night_before_counts():
    """One decided for a session before it opened is the session's, though it was refused: its name is used up."""
    journal = opened()
    refused = journal.order("ACME", 7, SENT, State.REJECTED, side="sell", leg="stop", session=TODAY + DAY)
    journal.order("ACME", 7, SENT, State.REJECTED, side="sell", leg="stop")
    assert list(journal.session(TODAY + DAY).orders) == [refused.id]


def test_losses_in_a_row():
    """A trade that loses after fees counts; one that does not ends the row, the breaker that opens too."""
    journal, rows = opened(), []
    for price, fee in ((9, 0), (10, "0.01"), (10, 0), (9, 0), (9, 0), (11, 0), (9, 0)):
        journal.buy()
        journal.sell(price=price, fee=fee)
        rows.append(journal.book.losses_in_row)
    assert rows == [1, 2, 0, 1, 2, 0, 1]
    assert journal(e.Tripped(reason="x")).losses_in_row == 0


def test_failures_count_for_fifteen_minutes():
    """By source; the one exactly as old still counts."""
    journal, kept = opened(), []
    for minutes, source in ((0, "api"), (5, "error"), (14, "api"), (15, "error"), (16, "api")):
        kept.append(len(journal(e.Failed(source=source, note=""), at=NOON + minutes * MINUTE).failures))
    book = journal.book
    assert kept == [1, 2, 3, 4, 4]
    assert [at for at, _ in book.failures] == [NOON + m * MINUTE for m in (5, 14, 15, 16)]
    assert [book.failures_since(s, NOON + 5 * MINUTE) for s in ("api", "error")] == [2, 2]
    assert book.failures_since("error", NOON + 5 * MINUTE + SECOND) == 1


def test_a_storm_of_failures_is_remembered_in_part():
    """The latest hundred, which is as far as any limit on them goes."""
    journal = opened()
    for source in ["error", *["api"] * 100]:
        journal(e.Failed(source=source, note=""))
    assert [journal.book.failures_since(s, NOON) for s in ("api", "error")] == [100, 0]


def test_day_trades_over_five_sessions():
    """Bought and sold in one session, once a symbol; the sixth session forgets the first. A trade held overnight is
    none."""
    journal, counts = opened(), []
    for days in range(7):
        journal.session(TODAY + days * DAY)
        if days < 2:
            journal.buy()
            journal.sell(qty=3)
            journal.sell(qty=4)
        counts.append(len(journal.book.day_trades))
    assert counts == [1, 2, 2, 2, 2, 1, 0]
    journal.buy("BETA")
    journal.session(TODAY + 7 * DAY)
    journal.sell("BETA")
    assert journal.book.day_trades == ()


def test_orders_of_the_last_minute():
    """Those sent since, and those about to be; a moment counts itself."""
    journal = opened()
    journal.order("ACME", 7, *LIVE, at=NOON)
    journal.order("ACME", 7, *LIVE, at=NOON + MINUTE)
    journal.order("ACME", 7, State.EXPIRED)
    journal.order("ACME")
    assert [journal.book.orders_since(NOON + s * SECOND) for s in (0, 1, 60, 61)] == [3, 2, 2, 1]


def test_probes_are_counted_while_the_breaker_is_open():
    """Entries decided since it opened, exits not; opening, closing and a person begin anew."""
    journal = opened()
    buy, sell = intent(), intent(leg="time", side="sell")
    assert journal(e.Decided(decision=decision("1", buy))).probes == 0
    journal(e.Tripped(reason="loss"), at=NOON + MINUTE)
    assert journal.book.tripped_at == NOON + MINUTE
    assert journal(e.Decided(decision=decision("2", buy, sell, buy))).probes == 2
    assert journal.book.scans == {"1": 3, "2": 5}
    assert journal(e.Tripped(reason="again")).probes == 0
    journal(e.Decided(decision=decision("3", buy)), e.BreakerReset(reason="well"))
    assert (journal.book.tripped_at, journal.book.probes) == (None, 0)


def test_a_person_resumes():
    """What stopped trading is over: the halt, foreign orders, the breaker, the run of losses, the drawdown."""
    journal = opened()
    journal.buy()
    journal.sell(price=9)
    journal(e.Tripped(reason="x"), e.Halted(reason="cash differs"), e.Valued(session=TODAY, equity=usd(80_000)),
            e.OrderAdopted(broker="b1", client="", symbol="X", side="buy", qty=usd(1), note=""))
    assert journal.book.halted == "cash differs"
    book = journal(e.Resumed(person="ann", reason="mended"))
    assert (book.halted, book.foreign, book.tripped_at, book.losses_in_row, book.peak) == ("", {}, None, 0, 80_000)


def test_ready_and_killed_are_states():
    """They hold from their event until the opposite one."""
    journal = Journal()
    assert journal.book.not_ready == ("no runner has started; start one: kobe run",)
    assert journal(e.Ready()).ready
    assert journal(e.NotReady(reasons=("clock jumped",))).not_ready == ("clock jumped",)
    assert journal(e.Killed(by="SIGUSR1", reason="test")).killed == "SIGUSR1: test"
    assert journal(e.Lifted(person="ann", reason="")).killed == ""


def test_before_any_session_a_position_was_entered_when_it_filled():
    """A fill swept in before the first session opened has a date of its own."""
    journal = Journal()
    journal.buy(at=NOON + 3 * DAY)
    assert journal.book.positions["ACME"].entered == date(2026, 6, 11)
    assert journal.book.positions["ACME"].qty == Decimal(7)
