"""Parity: what was done live against the backtest, every difference explained by what the journal has, or failing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from kobe81.app.live.parity import UNEXPLAINED, Parity, differences, parity
from kobe81.core.errors import DataError
from kobe81.core.events import AnyEvent, Filled, Record, Scanned
from kobe81.execution.exchange.misbehave import Fault, Rule
from kobe81.execution.exchange.terms import Terms
from kobe81.strategies import donchian
from tests.live_fixtures import FRIDAY, MONDAY, TUESDAY, WEDNESDAY, Home, made_bars

DAYS = [MONDAY, TUESDAY]


def played(folder: Path, days: list[date] = DAYS, **what: Any) -> Home:
    home = Home(folder, **what)
    home.play(days)
    return home


def compared(home: Home, records: list[Record] | None = None, bps: float = 5.0) -> Parity:
    return parity(records or home.records, home.bars, MONDAY, WEDNESDAY, bps)


def changed(records: list[Record], change: Callable[[AnyEvent], AnyEvent]) -> list[Record]:
    return [replace(record, event=change(record.event)) for record in records]


def why(found: Parity) -> dict[str, str]:
    return {d.what: d.why for d in found.differences}


def test_two_days_are_the_backtest_s_but_for_the_quotes(tmp_path: Path):
    """In at 52.51 live and at 52.5 plus 5 bps = 52.52625 in the backtest; out at 52.47 against 52.47375."""
    found = compared(played(tmp_path))
    assert found.holds
    assert (found.first, found.last) == (MONDAY, TUESDAY)
    assert [(d.what, d.live, d.backtest) for d in found.differences] == [
        ("entry price", "9 at 52.5100", "9 at 52.5262"), ("time price", "9 at 52.4700", "9 at 52.4738")]
    assert all(d.why.startswith("quote against bar: 52.") for d in found.differences)
    assert len(differences(found)) == 2
    for words in ("2026-11-23 ACME entry price: 9 at 52.5100 live, 9 at 52.5262 in the backtest", "quote against bar"):
        assert words in differences(found)[0]


def test_what_is_alike_to_the_cent_is_counted_so(tmp_path: Path):
    """A backtest without slippage at the very price: one deed is the same, and no difference is made of it."""
    flat = {("ACME", MONDAY): (52.5, 52.5, 52.5, 52.5)}
    home = played(tmp_path, bars=made_bars(changed=flat), terms=Terms(half_spread_bps=0, partial_fill_probability=0))
    found = compared(home, bps=0.0)
    assert found.same == 2
    assert not found.differences
    assert found.decisions > 2


def test_a_partial_fill_is_explained_by_itself(tmp_path: Path):
    """The exchange fills a part of each order; the backtest fills all."""
    found = compared(played(tmp_path, [MONDAY], terms=Terms(partial_fill_probability=1.0)))
    assert found.holds
    assert why(found)["entry shares"].startswith("partial fill: ")
    assert why(found)["entry shares"].endswith(" of 9 shares")


def test_a_live_refusal_is_explained_in_the_gate_s_words(tmp_path: Path):
    """Quotes 1.2 % apart are refused by the liquidity gate; the backtest's bar has no such spread."""
    found = compared(played(tmp_path, [MONDAY], terms=Terms(half_spread_bps=60, partial_fill_probability=0)))
    assert found.holds
    (one,) = found.differences
    assert (one.what, one.live) == ("entry not done live", "–")
    assert one.why.startswith("refused there (liquidity_gate: ")
    assert "spread" in one.why


def test_an_order_that_did_not_fill_is_explained_by_its_end(tmp_path: Path):
    """The broker rejects the order: approved, sent, and nothing filled, which is said."""
    rejected = Rule(fault=Fault.STATUS, status=403, method="POST", path="/v2/orders")
    found = compared(played(tmp_path, [MONDAY], script=(rejected,)))
    assert found.holds
    assert why(found)["entry not done live"].startswith("ordered, and nothing filled (rejected: 403")


def test_a_refusal_of_the_backtest_is_explained_too(tmp_path: Path):
    """The bar of the session opens far above what an order may cost, the quote at 09:35 does not."""
    dear = made_bars(changed={("ACME", MONDAY): (1200.0, 1200.0, 52.0, 52.5)})
    home = played(tmp_path, [MONDAY])
    found = parity(home.records, dear, MONDAY, MONDAY, 5.0)
    live_only = [d for d in found.differences if d.what == "entry live only"]
    assert live_only
    assert live_only[0].why.startswith("refused there (")


def test_a_fill_beyond_its_limit_is_unexplained(tmp_path: Path):
    """A cent above the limit of 52.57: nothing the journal has explains that price."""
    home = played(tmp_path)
    for beyond, holds in ((Decimal("52.57"), True), (Decimal("52.58"), False)):
        found = compared(home, changed(home.records, lambda e, price=beyond: _at(e, "buy", price)))  # type: ignore[misc]
        assert found.holds is holds, beyond
    assert why(found)["entry price"] == f"{UNEXPLAINED}: filled beyond its limit 52.57"


def test_a_sale_below_its_limit_is_unexplained(tmp_path: Path):
    """The exit's limit is ten basis points below the bid, 52.41; a cent less is not to be."""
    home = played(tmp_path)
    for price, holds in ((Decimal("52.41"), True), (Decimal("52.40"), False)):
        found = compared(home, changed(home.records, lambda e, p=price: _at(e, "sell", p)))  # type: ignore[misc]
        assert found.holds is holds, price


def _at(event: AnyEvent, side: str, price: Decimal) -> AnyEvent:
    if isinstance(event, Filled) and event.fill.side == side:
        return replace(event, fill=replace(event.fill, price=price))
    return event


def test_one_of_two_fills_beyond_the_limit_is_unexplained_though_their_mean_is_not(tmp_path: Path):
    """Eight shares at 52.40 and one at 52.60: the mean is within the limit, the one is not."""
    records: list[Record] = []
    home = played(tmp_path)
    for record in home.records:
        event = record.event
        if isinstance(event, Filled) and event.fill.side == "buy":
            for qty, price in ((Decimal(8), Decimal("52.40")), (Decimal(1), Decimal("52.60"))):
                records.append(replace(record, event=Filled(fill=replace(event.fill, qty=qty, price=price))))
        else:
            records.append(record)
    assert not compared(home, records).holds


def test_more_shares_than_ordered_are_unexplained(tmp_path: Path):
    """Ten of nine."""
    home = played(tmp_path)
    found = compared(home, changed(home.records, lambda e: replace(e, fill=replace(e.fill, qty=Decimal(10)))
                                   if isinstance(e, Filled) and e.fill.side == "buy" else e))
    assert why(found)["entry shares"].startswith(UNEXPLAINED)


def test_a_trade_that_nobody_considered_is_unexplained(tmp_path: Path):
    """A fill in a symbol that no strategy names: the backtest has nothing to say to it."""
    home = played(tmp_path)
    found = compared(home, changed(home.records, lambda e: replace(e, fill=replace(e.fill, symbol="NEVER"))
                                   if isinstance(e, Filled) and e.fill.side == "buy" else e))
    assert not found.holds
    assert any(d.symbol == "NEVER" and UNEXPLAINED in d.why for d in found.differences)


def test_a_shifted_indicator_is_unexplained_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The channel, one bar too new, holds the breakout's own high: the signal is gone, and its symbol is named."""
    home = played(tmp_path)
    assert compared(home).holds
    shift(monkeypatch)
    found = compared(home)
    assert not found.holds
    signals = [d for d in found.differences if d.what == "signals"]
    assert {d.symbol for d in signals} == {"ACME"}
    assert signals[0].why == f"{UNEXPLAINED}: ACME (donchian) is gone; the strategies answer otherwise"


def shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look ahead, or behind: the channel includes the bar itself."""
    from kobe81.indicators import rolling_max

    monkeypatch.setattr(donchian, "prior_high", rolling_max)


def test_other_bars_are_named_as_such(tmp_path: Path):
    """A vendor corrects Friday's close: the candidate's numbers are others, because the bars are."""
    home = played(tmp_path)
    other = made_bars(changed={("ACME", FRIDAY): (50.0, 52.4, 50.0, 52.4)})
    found = parity(home.records, other, MONDAY, WEDNESDAY, 5.0)
    assert next(d.why for d in found.differences if d.what == "signals") == (
        f"{UNEXPLAINED}: ACME (donchian) has other numbers; the bars are others now")


def test_the_position_of_a_stop_that_filled_is_explained(tmp_path: Path):
    """Tuesday falls through 50.50: both sides leave by the stop, at their own prices."""
    falls = made_bars(changed={("ACME", TUESDAY): (52.5, 52.6, 49.0, 49.0)})
    found = compared(played(tmp_path, bars=falls))
    assert found.holds
    assert why(found).get("stop price", "stop at 50.5").startswith("stop at 50.5")
    assert [leg for _, leg, *_ in Home(tmp_path, bars=falls).traded] == ["entry", "stop"]


def test_an_account_that_did_not_begin_flat_is_refused(tmp_path: Path):
    """From Tuesday on there is a position that the backtest cannot know."""
    home = played(tmp_path)
    with pytest.raises(DataError, match=r"the account held ACME when 2026-11-24 began; compare from a session that"):
        parity(home.records, home.bars, TUESDAY, TUESDAY, 5.0)


def test_nothing_to_compare_is_refused(tmp_path: Path):
    """No decision in these days, or none at all."""
    home = played(tmp_path)
    with pytest.raises(DataError, match="the journal has no decision from 2026-12-01 to 2026-12-02"):
        parity(home.records, home.bars, date(2026, 12, 1), date(2026, 12, 2), 5.0)
    with pytest.raises(DataError, match="no decision"):
        parity([], home.bars, MONDAY, TUESDAY, 5.0)


def test_a_decision_without_its_snapshot_is_refused(tmp_path: Path):
    """What was seen is missing from the journal: nothing is compared with nothing."""
    home = played(tmp_path)
    with pytest.raises(DataError, match="the snapshot of this decision is not in the journal"):
        compared(home, [r for r in home.records if not isinstance(r.event, Scanned)])


def test_days_outside_are_not_compared(tmp_path: Path):
    """Monday alone: the exit of Tuesday is nobody's difference."""
    home = played(tmp_path)
    found = parity(home.records, home.bars, MONDAY, MONDAY, 5.0)
    assert [d.what for d in found.differences] == ["entry price"]
    assert found.last == MONDAY
