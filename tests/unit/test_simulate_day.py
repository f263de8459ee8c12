"""kobe simulate-day, as a process: a day with a kill in the middle, and what it proves."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli_fixtures import Done, finished, refused, start


def simulate(*words: object) -> Done:
    return finished(start("simulate-day", *words))


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A simulated day with its crash, and its folder."""
    folder = tmp_path_factory.mktemp("day") / "out"
    done = simulate("--json", "--out", folder)
    assert done.code == 0, done.err
    return json.loads(done.out), folder


def test_the_day_is_killed_and_proven(crashed: tuple[dict[str, Any], Path]):
    """The first process died; there are fills, at least two kinds of refusals, and every proof holds."""
    outcome, _ = crashed
    assert outcome["killed"] is True
    assert len(outcome["fills"]) >= 2
    assert len(outcome["refusals"]) >= 2
    assert {"policy_gate", "confidence_gate"} <= outcome["refusals"].keys()
    assert sorted(outcome["proofs"]) == ["audit", "books", "no order twice", "parity", "replay"]
    assert all(proof["holds"] for proof in outcome["proofs"].values())
    assert "0 twice" in outcome["proofs"]["no order twice"]["told"]


def test_its_books_add_up(crashed: tuple[dict[str, Any], Path]):
    """Cash is $100,000 less what the fills cost, and positions are the fills, added up here."""
    outcome, _ = crashed
    cash, shares = Decimal(100_000), Counter[str]()
    for fill in outcome["fills"]:
        way = 1 if fill["side"] == "buy" else -1
        cash -= way * Decimal(fill["qty"]) * Decimal(fill["price"]) + Decimal(fill["fee"])
        shares[fill["symbol"]] += way * int(fill["qty"])
    assert Decimal(outcome["cash"]) == cash
    assert {symbol: int(qty) for symbol, qty in outcome["positions"].items()} == {s: n for s, n in shares.items() if n}


def test_the_folder_keeps_the_proof(crashed: tuple[dict[str, Any], Path]):
    """Journal, audit, checkpoints and the exchange's own books are there to be looked at."""
    outcome, folder = crashed
    names = {path.name for path in folder.iterdir()}
    assert {"journal.db", "audit.jsonl", "checkpoints.jsonl", "audit.key", "exchange.db"} <= names
    assert outcome["checkpoint"] == (folder / "checkpoints.jsonl").read_text().splitlines()[-1]
    assert "KILL_SWITCH" not in names


def test_without_the_crash_the_fills_are_the_same(crashed: tuple[dict[str, Any], Path]):
    """What the kill cost is nothing: order ids, prices and shares are those of a process that lived."""
    outcome, _ = crashed
    calm = simulate("--json", "--no-crash")
    assert calm.code == 0
    found = json.loads(calm.out)
    assert found["killed"] is False
    for name in ("fills", "positions", "cash", "equity", "refusals"):
        assert found[name] == outcome[name], name


def test_a_week_with_exits_is_proven_too():
    """Five sessions from the same day: something is sold, and everything still holds."""
    done = simulate("--json", "--sessions", 5)
    assert done.code == 0, done.err
    outcome = json.loads(done.out)
    assert outcome["sessions"] == ["2023-02-03", "2023-02-09"]
    assert {fill["side"] for fill in outcome["fills"]} == {"buy", "sell"}
    assert all(proof["holds"] for proof in outcome["proofs"].values())


def test_people_see_the_day():
    """The lines of the day, the kill, the tables, and a check mark before each proof."""
    done = simulate()
    assert done.code == 0
    for words in ("kill -9", "bought", "Refusals by gate", "✓ parity", "✓ books"):
        assert words in done.out, words
    assert "✗" not in done.out


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path):
    """No other journal is touched."""
    (tmp_path / "journal.db").write_text("another's")
    refused(simulate("--json", "--out", tmp_path), 2, "is not empty; give a new folder")
    assert (tmp_path / "journal.db").read_text() == "another's"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("day", ["2023-02-04", "2022-12-26"])
def test_a_closed_day_is_refused(day: str):
    """A Saturday, and Christmas observed."""
    refused(simulate(day), 2, f"{day} is no session of the exchange")


def test_no_sessions_are_refused():
    """A day is one session at least."""
    assert simulate("--sessions", 0).code == 2
