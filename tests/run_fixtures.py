"""A runner to stage things with: a day that trades, the exchange it trades at, what was sent there, and commands."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cli_fixtures import Done, finished, surroundings

from kobe81.app.live.config import read_config
from kobe81.app.live.paper import Embedded, paper
from kobe81.app.live.runner import Runner
from kobe81.app.live.schedule import jobs
from kobe81.app.live.station import Places, station
from kobe81.core.bars import Bars
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Decision
from kobe81.core.events import Decided, Record
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.execution.exchange.exchange import Exchange
from kobe81.execution.exchange.quotes import BarQuotes
from kobe81.execution.exchange.server import serving
from kobe81.execution.exchange.terms import Terms
from kobe81.execution.exchange.wire import Request, Response, reply

DAY = date(2016, 10, 10)
BOUGHT = {"SYN014", "SYN019", "SYN022", "SYN034"}
"""What the first scan of that day buys; read off a run, and held against the exchange's file by the tests of kills."""
TRADES = """
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
partial_fill_probability = 0
"""
PLAY = ("run", "--mode", "paper", "--play", str(DAY), "--config")
AT_ALPACA = '[data]\ndata = "synthetic:2x260:1"\n[broker]\nname = "alpaca"\nurl = "{}"\n'
MISSING = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY")


@cache
def market() -> Bars:
    """The bars of TRADES."""
    return synthetic_bars(40, 520, seed=7)


class Watched(Embedded):
    """The exchange within, and what it was sent. closed: its clock says that the market is shut."""

    closed = False

    @property
    def posts(self) -> list[dict[str, Any]]:
        """Every order that arrived."""
        return vars(self).setdefault("_posts", [])

    def handle(self, request: Request) -> Response:
        if request.method == "POST":
            self.posts.append(json.loads(request.body))
        if request.path == "/v2/clock" and self.closed:
            answer = json.loads(super().handle(request).body)
            return reply(200, {**answer, "is_open": False})
        return super().handle(request)


class JumpyClock(SteppedClock):
    """A stepped clock whose wall time somebody may set."""

    def jump(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class Stage:
    """A runner on DAY, at its first scan four entries; quoted: the symbols that the exchange knows."""

    def __init__(self, folder: Path, quoted: Bars | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.places, self.clock, self.records = Places(folder), JumpyClock(jobs(DAY)[0].at), list[Record]()
        self.exchange = Watched(BarQuotes(quoted or market()), Terms(partial_fill_probability=0.0), self.clock,
                                folder / "exchange.db")
        (folder / "day.toml").write_text(TRADES)
        self._market = paper(read_config(folder / "day.toml", folder), self.exchange, "play", market)

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """Started at eight in the morning."""
        try:
            with station(self.places, self._market, self.clock, [self.records.append]) as runner:
                yield runner
        finally:
            self.exchange.close()

    def until(self, runner: Runner, job: str, *, before: float = 0.0) -> None:
        """Step through the day's jobs to that one, or to so many seconds before it."""
        for due in jobs(DAY):
            self.clock.move_to(due.at - timedelta(seconds=before if due.name == job else 0.0))
            runner.step()
            if due.name == job:
                return

    @property
    def entries(self) -> set[str]:
        """The symbols that an order to buy arrived for."""
        return {post["symbol"] for post in self.exchange.posts if post["side"] == "buy"}

    def decision(self, scan: str) -> Decision:
        """What that scan decided."""
        return next(r.event.decision for r in self.records
                    if isinstance(r.event, Decided) and r.event.decision.scan == scan)

    def refused(self, symbol: str) -> str:
        """Why the first scan did not buy it."""
        found = next(c for c in self.decision("1").considered if c.symbol == symbol)
        return "; ".join(f"{v.gate}: {v.reason}" for v in found.refusals)


def process(*words: object, home: Path, **environment: str) -> Done:
    """A command in a process of its own, to its end."""
    return finished(started(*words, home=home, **environment))


def started(*words: object, home: Path, **environment: str) -> subprocess.Popen[str]:
    """A command in a process of its own, without any key but those given."""
    around = {k: v for k, v in surroundings({"KOBE_HOME": str(home), **environment}).items()
              if k not in MISSING or k in environment}
    return subprocess.Popen([sys.executable, "-m", "kobe81", *map(str, words)], env=around, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class RealTime:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        import time

        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@contextmanager
def served(key: str, secret: str = "right") -> Iterator[str]:
    """The address of a local exchange with an account for this key."""
    clock = RealTime()
    exchange = Exchange(BarQuotes(synthetic_bars(2, 260, seed=1)), clock.now, keys=(key, secret))
    with serving(exchange, clock) as url:
        yield url
    exchange.close()


def received(url: str) -> list[tuple[str, str]]:
    """Method and path of everything that arrived, in order."""
    with urllib.request.urlopen(f"{url}/_log") as answer:
        return [(entry["method"], entry["path"]) for entry in json.load(answer) if not entry["path"].startswith("/_")]


def account_number(url: str, key: str, secret: str = "right") -> str:
    """The number of the account, by the exchange."""
    asked = urllib.request.Request(f"{url}/v2/account", headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
    with urllib.request.urlopen(asked) as answer:
        return str(json.load(answer)["account_number"])


def configured(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "given.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path
