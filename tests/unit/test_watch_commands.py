"""kobe status, positions, orders, pnl, risk, compliance: what the journal says, runner or no runner."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kobe81.core.events import ProhibitionLifted, ProhibitionSet
from tests.cli_fixtures import Done, folder, kobe, refused  # noqa: F401  (fixtures)
from tests.live_fixtures import MONDAY, TUESDAY, Home

Kobe = Callable[..., Done]
COMMANDS = ("status", "positions", "orders", "pnl", "risk")


@pytest.fixture
def home(folder: Path) -> Home:  # noqa: F811
    """$KOBE_HOME: Monday and Tuesday, from a purchase to the sale."""
    made = Home(folder.parent / "home")
    made.folder.mkdir()
    return made


def said(kobe: Kobe, *words: object) -> Any:  # noqa: F811
    done = kobe(*words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_journal_there_is_nothing_to_say(kobe: Kobe, command: str):  # noqa: F811
    """Exit code 2, and one line that says where it was looked for."""
    refused(kobe(command), 2, "journal.db")


@pytest.mark.parametrize("command", [*COMMANDS, "compliance"])
def test_each_is_a_table_for_people(home: Home, kobe: Kobe, command: str):  # noqa: F811
    """Exit code 0, something on the one stream, nothing on the other."""
    home.play([MONDAY, TUESDAY])
    done = kobe(*command.split(), *(["show"] if command == "compliance" else []))
    assert (done.code, done.err) == (0, "")
    assert done.out.strip()


def test_status_with_and_without_a_runner(home: Home, kobe: Kobe):  # noqa: F811
    """Ready is true only while somebody leads; the day's jobs stand as they are."""
    with home.runner() as (runner, _):
        home.step(runner, "23 08:00", "23 09:35")
        now = said(kobe, "status")
        assert now["runner"].startswith("process ")
        assert now["ready"] == "yes"
        assert now["jobs"] == "morning done, scan-1 done, scan-2 to come, scan-3 to come, eod to come"
        assert (now["positions"], now["open orders"], now["session"]) == (1, 1, "2026-11-23")
        assert now["last scan"].startswith("2026-11-23 09:35:00")
    now = said(kobe, "status")
    assert now["runner"] == "none is running"
    assert now["ready"].startswith("no: ")
    assert now["mode"].startswith("paper, broker paper, account ")


def test_positions_and_orders(home: Home, kobe: Kobe):  # noqa: F811
    """Nine shares at 52.51 with their stop at the signal's stop, 50.50."""
    home.play([MONDAY])
    (position,) = said(kobe, "positions")
    assert {name: position[name] for name in ("symbol", "shares", "stop", "entered", "hold", "strategy")} == {
        "symbol": "ACME", "shares": "9", "stop": "50.5", "entered": "2026-11-23", "hold": 2, "strategy": "donchian"}
    assert Decimal(position["price"]) == Decimal("52.51")
    assert [(o["leg"], o["state"], o["shares"], o["filled"]) for o in said(kobe, "orders")] == [
        ("entry", "filled", 9, "9"), ("stop", "accepted", 9, "0")]
    assert "k1-" not in kobe("orders").out, "ids are for machines"
    assert "Positions: none" not in kobe("positions").out


def test_profit_is_that_of_the_fills(home: Home, kobe: Kobe):  # noqa: F811
    """Nine shares, in at 52.51 and out at 52.47: 36 cents lost before fees."""
    home.play([MONDAY])
    assert said(kobe, "pnl") == []
    home.play([TUESDAY])
    (day,) = said(kobe, "pnl")
    assert (day["session"], day["trades"], day["won"], Decimal(day["gross"])) == (
        "2026-11-24", 1, 0, Decimal("-0.36"))
    assert Decimal(day["net"]) == Decimal(day["gross"]) - Decimal(day["fees"])
    assert "Total: -0." in kobe("pnl").out


def test_risk_says_limits_and_use(home: Home, kobe: Kobe):  # noqa: F811
    """The limits are the runner's; the budget in use is what was bought, $472.59."""
    home.play([MONDAY])
    found = said(kobe, "risk")
    limits = {(row["gate"], row["limit"]): row["value"] for row in found["limits"]}
    assert limits["policy_gate", "max_order"] == "600"
    assert limits["policy_gate", "max_day"] == "1000"
    assert found["used"]["budget in use"] == "$472.59"
    assert found["used"]["trades today"] == 1
    assert found["used"]["circuit breaker"] == "closed"


def test_a_prohibited_symbol_is_refused_until_it_is_allowed(home: Home, kobe: Kobe):  # noqa: F811
    """Put on the list by a person, not bought on Monday; taken off, and the list is empty."""
    assert kobe("compliance", "prohibit", "acme", "--reason", "earnings", "--person", "ann").code == 0
    (row,) = said(kobe, "compliance", "show")["prohibited"]
    assert (row["symbol"], row["reason"], row["until"]) == ("ACME", "earnings", None)
    home.play([MONDAY])
    assert not home.traded
    assert "prohibited_list" in home.refusals
    assert kobe("compliance", "allow", "ACME", "--person", "bob").code == 0
    assert said(kobe, "compliance", "show")["prohibited"] == []
    (put,), (lifted,) = home.events(ProhibitionSet), home.events(ProhibitionLifted)
    assert (put.person, lifted.symbol, lifted.person) == ("ann", "ACME", "bob")


def test_a_prohibition_ends_at_midnight_in_new_york(home: Home, kobe: Kobe):  # noqa: F811
    """--until names the first day on which it may be bought again."""
    day = date.today() + timedelta(days=30)
    assert kobe("compliance", "prohibit", "ACME", "--reason", "news", "--until", day, "--person", "ann").code == 0
    (event,) = home.events(ProhibitionSet)
    end = event.prohibition.until
    assert end is not None
    assert end.isoformat() in {f"{day}T04:00:00+00:00", f"{day}T05:00:00+00:00"}


def test_who_is_not_on_the_list_cannot_be_taken_off(home: Home, kobe: Kobe):  # noqa: F811
    """The near name is proposed; nothing is written."""
    assert kobe("compliance", "prohibit", "ACME", "--reason", "manual", "--person", "ann").code == 0
    refused(kobe("compliance", "allow", "ACMF", "--person", "ann"), 2, "ACMF", "ACME")
    refused(kobe("compliance", "prohibit", "../x", "--reason", "manual"), 2, "../x")
    assert len(home.records) == 1


def test_compliance_without_a_journal_shows_the_defaults(kobe: Kobe):  # noqa: F811
    """Nothing has been traded yet: the rules in force are those of the standard profile."""
    found = said(kobe, "compliance", "show")
    limits = {(row["gate"], row["limit"]): row["value"] for row in found["rules"]}
    assert limits["penny_stocks", "min_price"] == "5"
    assert limits["trades_per_day", "max_trades"] == 50
