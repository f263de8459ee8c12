"""The circuit breaker: what opens it, what it lets pass while it is not closed, and what closes it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from kobe81 import risk
from kobe81.core.gates import Circumstances, Proposal, ask

TRIPPED = datetime(2026, 6, 8, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BREAKER = risk.gate("circuit_breaker")
ORDER = Proposal(symbol="ACME", strategy="donchian", side="buy", leg="entry", qty=7, limit=Decimal("10.50"),
                 notional=Decimal("73.50"))
FINE = Circumstances(at=TRIPPED, equity=Decimal(100_000), day_start_equity=Decimal(100_000),
                     peak_equity=Decimal(100_000), losses_in_row=0, errors=0, api_failures=0, probes=0)


def seen(**changes):
    return replace(FINE, **{k: Decimal(v) if isinstance(v, str) else v for k, v in changes.items()})


def later(minutes, probes=0, **changes):
    """So many minutes after it opened."""
    return seen(at=TRIPPED + minutes * MINUTE, tripped_at=TRIPPED, probes=probes, **changes)


def allowed(facts):
    return ask(BREAKER, ORDER, facts).allowed


@pytest.mark.parametrize(("facts", "limit"), [
    (seen(), None),
    (seen(equity="99000.01"), None),
    (seen(equity="99000"), "day's loss $1,000.00 reached $1,000.00"),
    (seen(equity="9800.01", day_start_equity="10000", peak_equity="10000"), None),
    (seen(equity="9800", day_start_equity="10000", peak_equity="10000"), "day's loss 2.00% reached 2.00%"),
    (seen(equity="90000.01", day_start_equity="90000"), None),
    (seen(equity="90000", day_start_equity="90000"), "drawdown 10.00% reached 10.00%"),
    (seen(losses_in_row=4, errors=9, api_failures=4), None),
    (seen(losses_in_row=5), "losses in a row 5 reached 5"),
    (seen(errors=10), "errors in 15 minutes 10 reached 10"),
    (seen(api_failures=5), "API failures in 15 minutes 5 reached 5"),
    (seen(errors=11, api_failures=6), "errors in 15 minutes 11 reached 10; API failures in 15 minutes 6 reached 5"),
    (seen(equity="0", day_start_equity="0"), "day's loss 100.00% reached 2.00%; drawdown 100.00% reached 10.00%"),
])
def test_what_opens_it(facts, limit):
    """Each limit by itself, from the number named on; entries are refused at once, before it is recorded."""
    assert BREAKER.trips(facts) == limit
    assert allowed(facts) is (limit is None)
    assert BREAKER.resets(facts) is None


def test_open_for_thirty_minutes():
    """No entry and no second trip until the thirtieth minute is full, whatever the facts are by then."""
    for minutes in (-5, 0, 1, 29.99):
        assert BREAKER.state(later(minutes)) == "open"
        assert not allowed(later(minutes))
        assert BREAKER.trips(later(minutes, errors=50)) is None
        assert BREAKER.resets(later(minutes, probes=3)) is None
    assert ask(BREAKER, ORDER, later(1)).reason == (
        "open since 2026-06-08 14:00:00+00:00 until 2026-06-08 14:30:00+00:00 (30 minutes)")
    assert BREAKER.state(later(30)) == "half-open"


def test_half_open_lets_three_probes_pass():
    """The fourth is refused until it closes, or opens again."""
    assert [allowed(later(30, probes)) for probes in range(5)] == [True, True, True, False, False]


def test_it_closes_after_three_probes_where_no_limit_is_reached():
    """Not before the third, not while a limit still is."""
    assert [BREAKER.resets(later(40, probes)) for probes in range(3)] == [None, None, None]
    assert BREAKER.resets(later(40, 3)) == "3 of 3 probes used, no limit reached"
    assert BREAKER.resets(later(40, 3, losses_in_row=5)) is None
    assert BREAKER.trips(later(40, 3)) is None


def test_new_failures_open_it_again_at_once():
    """What is counted in the last 15 minutes happened after the pause of 30 began: at 30 minutes it is all new."""
    for facts in (later(30, errors=10), later(31, 1, api_failures=5)):
        assert not allowed(facts)
        assert BREAKER.trips(facts)


@pytest.mark.parametrize(("loss", "probe"), [("1000", True), ("1999.99", True), ("2000", False), ("5000", False)])
def test_a_loss_that_stands_leaves_room_for_probes_and_no_more(loss, probe):
    """The day's loss that opened it does not go away in half an hour, so probes pass up to twice the limit; past it
    nothing does, pause after pause."""
    equity = str(100_000 - Decimal(loss))
    for minutes in (30, 90, 300):
        assert allowed(later(minutes, equity=equity)) is probe
        assert BREAKER.trips(later(minutes, equity=equity)) is None


@pytest.mark.parametrize(("facts", "probe"), [
    ({"losses_in_row": 9}, True), ({"losses_in_row": 10}, False),
    ({"equity": "80000.01", "day_start_equity": "80000"}, True),
    ({"equity": "80000", "day_start_equity": "80000"}, False),
    ({"equity": "9600.01", "day_start_equity": "10000", "peak_equity": "10000"}, True),
    ({"equity": "9600", "day_start_equity": "10000", "peak_equity": "10000"}, False),
])  # fmt: skip
def test_every_loss_limit_has_its_hard_stop(facts, probe):
    """Ten losses in a row, 20 % under the highest equity, 4 % on the day: no probes from there on."""
    assert allowed(later(60, **facts)) is probe


def test_probes_used_and_still_over_a_limit_open_it_again():
    """For another pause, with as many probes: three entries a pause at most, until the facts get better or hard."""
    assert BREAKER.trips(later(45, 2, equity="98900")) is None
    assert BREAKER.trips(later(45, 3, equity="98900")) == "day's loss $1,100.00 reached $1,000.00"
    assert BREAKER.resets(later(45, 3, equity="98900")) is None


def test_a_next_session_begins_with_its_own_loss():
    """Yesterday's loss is not counted against day_start_equity of today: three probes, and it closes."""
    facts = later(24 * 60, 3, equity="98900", day_start_equity="98900")
    assert BREAKER.resets(facts) == "3 of 3 probes used, no limit reached"


def test_what_is_not_known_neither_opens_nor_closes_it():
    """Nobody can judge, so its state stays and every entry is refused."""
    for name in BREAKER.reads:
        for facts in (later(45, 3, equity="98900"), later(45, 3)):
            unsure = replace(facts, **{name: None})
            assert (BREAKER.trips(unsure), BREAKER.resets(unsure), allowed(unsure)) == (None, None, False)


def test_losses_over_a_day_without_end_are_bounded():
    """However often it half-opens, if each probe loses all its $75 the day's loss never passes the hard stop by more
    than one round of entries."""
    equity, tripped_at, probes, at = Decimal(100_000), None, 0, TRIPPED
    for _ in range(2_000):
        at += MINUTE
        facts = seen(at=at, equity=str(equity), tripped_at=tripped_at, probes=probes)
        if BREAKER.trips(facts):
            tripped_at, probes = at, 0
        elif BREAKER.resets(facts):
            tripped_at, probes = None, 0
        elif allowed(facts):
            equity, probes = equity - 75, probes + 1
    assert 2_000 <= 100_000 - equity < 2_000 + 75
