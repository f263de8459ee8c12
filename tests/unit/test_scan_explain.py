"""kobe scan --explain: what a runner would send at the next open, and why not."""

import json
from decimal import ROUND_CEILING, Decimal

import polars as pl
import pytest
from cli_fixtures import folder, kobe, refused  # noqa: F401  (fixtures)
from engine_fixtures import GATES
from readiness_fixtures import journal_of, rehearsed

from kobe81.core.events import ProhibitionSet
from kobe81.core.gates import Prohibition
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.execution.kill_switch import FileKillSwitch

BARS = "synthetic"
"""Of its 120 symbols three closed above their channel on the last day, 2024-08-30 (a Friday before Labor Day)."""


@pytest.fixture
def home(folder, tmp_path):  # noqa: F811
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made


def explained(kobe, *words):  # noqa: F811
    done = kobe("scan", "--explain", "--json", "--data", BARS, *words)
    assert done.code == 0, done
    return {found["symbol"]: found for found in json.loads(done.out)}


def verdicts(found):
    return {v["gate"]: v["allowed"] for v in found["verdicts"]}


def close_of(symbol):
    frame = synthetic_bars(120, 2520, 16).to_frame().filter(pl.col("symbol") == symbol)
    return Decimal(repr(frame["close"][-1]))


def cents(amount):
    return amount.quantize(Decimal("0.01"), ROUND_CEILING)


def test_the_candidates_are_those_of_the_scan(kobe, home):  # noqa: F811
    """Every signal of the last bar, and no other, is judged."""
    signals = json.loads(kobe("scan", "--json", "--data", BARS).out)
    assert {s["symbol"] for s in signals} == set(explained(kobe))


def test_every_gate_in_force_answers_for_every_candidate(kobe, home):  # noqa: F811
    """All registered gates but the margin rule of other days (2024 is before 2026-06-04), with words each."""
    for found in explained(kobe).values():
        asked = {v["gate"] for v in found["verdicts"]}
        assert set(GATES) - asked == {"intraday_margin"}
        assert all(v["reason"] for v in found["verdicts"])


def test_quantity_and_limit_are_those_of_the_last_close(kobe, home):  # noqa: F811
    """Ask: half a spread of 5 bp above the close. Limit: 10 bp above the ask, to the cent. Shares: $75 at the limit."""
    for symbol, found in explained(kobe).items():
        limit = cents(close_of(symbol) * Decimal("1.0005") * Decimal("1.001"))
        assert (Decimal(found["limit"]), found["qty"]) == (limit, max(int(75 / limit), 1))


def test_an_order_is_shown_where_nothing_refuses(kobe, home):  # noqa: F811
    """With the confidence gate off the best goes through; the home's kobe.toml is what decides."""
    (home / "kobe.toml").write_text('[gates]\noff = ["confidence_gate"]\n')
    found = explained(kobe)
    assert any(c["intent"] for c in found.values())
    assert all(bool(c["intent"]) == all(verdicts(c).values()) for c in found.values())


def test_the_switch_refuses_all(kobe, home):  # noqa: F811
    """What is looked at is this home's own."""
    FileKillSwitch(home / "KILL_SWITCH").engage("ann", "enough")
    assert {verdicts(found)["kill_switch"] for found in explained(kobe).values()} == {False}


def test_the_journals_book_decides(kobe, home):  # noqa: F811
    """A symbol that a person prohibited is refused by name, the others are not."""
    symbol = next(iter(explained(kobe)))
    journal = journal_of(home)
    journal.append(ProhibitionSet(person="ann", prohibition=Prohibition(
        symbol=symbol, reason="news", start=journal._clock.now(), until=None)))
    journal.close()
    barred = {name: verdicts(found)["prohibited_list"] for name, found in explained(kobe).items()}
    assert {name for name, allowed in barred.items() if not allowed} == {symbol}


def test_the_account_is_the_journals(kobe, home):  # noqa: F811
    """After a day that spent $781.32 the cash is what is left; a new session has its whole budget again."""
    rehearsed(home)
    for found in explained(kobe).values():
        told = {v["gate"]: v["reason"] for v in found["verdicts"]}
        assert "$99,218.68 cash" in told["cash"]
        order = cents(Decimal(found["limit"]) * found["qty"])
        assert f"the day with it ${order} within $1,000.00" in told["policy_gate"]


def test_refusals_stand_first_in_the_table(kobe, home):  # noqa: F811
    """NO before ok, for each candidate, and the session is the one after Labor Day."""
    out = kobe("scan", "--explain", "--data", BARS).out
    assert "the first scan of 2024-09-03 would decide" in out
    for part in out.split("(donchian, entry)")[1:]:
        marks = [word for line in part.splitlines() for word in line.split()[1:2] if word in {"NO", "ok"}]
        assert marks == sorted(marks)
        assert marks.count("NO") >= 1


def test_one_symbol_alone(kobe, home):  # noqa: F811
    """--symbol, in any case; one that is no candidate is refused with those that are."""
    symbol = next(iter(explained(kobe)))
    assert list(explained(kobe, "--symbol", symbol.lower())) == [symbol]
    refused(kobe("scan", "--explain", "--data", BARS, "--symbol", "NOPE"), 2, "NOPE", symbol)


def test_what_has_no_part_in_it_is_refused(kobe, home):  # noqa: F811
    """A runner takes no --set."""
    refused(kobe("scan", "--explain", "--data", BARS, "--set", "lookback=10"), 2, "kobe.toml")


def test_it_leaves_no_trace(kobe, home):  # noqa: F811
    """No journal, no exchange, no lock."""
    explained(kobe)
    assert not [p.name for p in home.iterdir() if p.name != "cache"]
