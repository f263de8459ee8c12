"""The runner, killed at random moments through a simulated week: at the end both books agree to the cent.

`make soak` kills 500 times in each of the tests, `make test` 50 times.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from run_books import Books

from tests.soak import SOAK

WEEK = ("run", "--mode", "paper", "--play", "2016-10-10", "--sessions", "5", "--config")
KILLS = 500 if SOAK else 50
MORTAL = Path(__file__).parents[1] / "run_mortal.py"
FOREVER = ["0"]
"""A life without a last step."""
CONFIG = """
[data]
data = "synthetic:40x520:7"
[trading]
notional = 2000
[gates]
off = ["confidence_gate"]
[gates.policy_gate]
max_order = 2500
max_day = 40000
[paper]
partial_fill_probability = {partial}
"""


def lived(folder: Path, ends: list[str], partial: float = 0.0) -> int:
    """Live these lives, then one to the end of the week; how many were killed."""
    folder.mkdir(exist_ok=True)
    config = folder / "kobe.toml"
    config.write_text(CONFIG.format(partial=partial))
    environment = {**os.environ, "KOBE_HOME": str(folder), "NUMBA_THREADING_LAYER": "workqueue"}
    command = [sys.executable, str(MORTAL), ",".join(ends + FOREVER), *WEEK, str(config)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    killed, code = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    return int(killed)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The week in one life."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert lived(folder, []) == 0
    return Books.of(folder)


def test_a_week_in_one_life_is_worth_killing(undisturbed):
    """It enters, is stopped out, leaves by time, and ends with something held: every leg is walked."""
    legs = {event.intent.leg for event in undisturbed.intents}
    assert legs == {"entry", "stop", "time"}
    assert any(trade.side == "sell" for trade in undisturbed.trades)
    assert undisturbed.account.positions
    assert list(undisturbed.differences()) == []


def weeks(tmp_path, draw):
    """Weeks, each in a home of its own, until so many lives were killed."""
    killed, chance = 0, random.Random(KILLS)
    while killed < KILLS:
        folder = tmp_path / f"week-{killed}"
        killed += lived(folder, [draw(chance) for _ in range(KILLS - killed)])
        yield Books.of(folder)


def check(books, undisturbed):
    """The books agree, and where no order was cut off, what was traded is what one life trades."""
    assert list(books.differences()) == []
    more, less = books.trades - undisturbed.trades, undisturbed.trades - books.trades
    assert {trade.symbol for trade in (*more, *less)} <= books.cut_off


def test_killed_at_numbered_steps(tmp_path, undisturbed):
    """Before or after any append, any write of the exchange, any order: nothing is lost, nothing is there twice."""
    for books in weeks(tmp_path, lambda chance: str(chance.randint(1, 36))):
        check(books, undisturbed)


def test_killed_from_outside_at_random_moments(tmp_path, undisturbed):
    """Whatever it was just doing."""
    for books in weeks(tmp_path, lambda chance: f"{chance.randint(1, 250)}ms"):
        check(books, undisturbed)


def test_killed_between_the_parts_of_a_fill(tmp_path):
    """Orders that fill in part, and the rest later or never, are one ledger as well."""
    chance = random.Random(5)
    lived(tmp_path, [str(chance.randint(1, 60)) for _ in range(KILLS // 3)], partial=0.7)
    assert list(Books.of(tmp_path).differences()) == []
