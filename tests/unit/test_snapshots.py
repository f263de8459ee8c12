"""Snapshots: what a scan sees; what cannot be had is missing, told, and never made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kobe81.app.live.schedule import jobs
from kobe81.app.live.snapshots import Sight
from kobe81.app.live.watchlist import Watchlist, watchlist
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Account, Quote, Snapshot
from kobe81.core.ports import BrokerError
from kobe81.engine.book import Book, Position
from tests.live_fixtures import DONCHIAN, HALF_DAY, MONDAY, TUESDAY, at, made_bars

WORTH = Account(number="P1", status="ACTIVE", cash=Decimal(1), equity=Decimal(2), buying_power=Decimal(3))
HELD = Position(symbol="HELD", strategy="donchian", entered=MONDAY, entry="k1", lots=())


def silent(*words: Any) -> Any:
    raise BrokerError("no answer in 10 s")


@dataclass
class World:
    """A broker, a feed and a switch that say what they are told to."""

    name: str = "world"
    account: Callable[[], Account] = lambda: WORTH
    market_open: Callable[[], bool] = lambda: True
    tradable: Callable[[str], str] = lambda symbol: ""
    why: str = ""
    quoted: Callable[[], bool] = lambda: True
    asked: list[str] = field(default_factory=list)

    def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        self.asked += symbols
        one = Quote(bid=Decimal(1), ask=Decimal(2), last=Decimal(1), at=at("23 09:35"))
        return dict.fromkeys(symbols, one) if self.quoted() else {}

    def engaged(self) -> str:
        return self.why

    def sees(self, scan: int = 1, now: str = "23 09:35", book: Book | None = None, watch: Watchlist | None = None,
             session: Any = MONDAY) -> Snapshot:
        sight = Sight(self, self, self, SteppedClock(at(now)))  # type: ignore[arg-type]
        found = watch or watchlist(made_bars(), [DONCHIAN], session)
        return sight.snapshot(book or Book(), found, jobs(session)[scan])


def test_a_scan_sees_its_candidates_quotes_facts_account_and_hours():
    """ACME on Monday at 09:35, between 09:30 and 16:00."""
    world = World()
    seen = world.sees(book=Book(positions={"HELD": HELD}))
    assert [c.symbol for c in seen.candidates] == ["ACME"]
    assert sorted(seen.quotes) == world.asked == ["ACME", "HELD"]
    assert list(seen.facts) == ["ACME"], "HELD has no bars"
    assert (seen.account, seen.killed, seen.missing, seen.untradable) == (WORTH, False, (), {})
    assert (seen.at, seen.opens, seen.closes) == (at("23 09:35"), at("23 09:30"), at("23 16:00"))
    assert (seen.scan, seen.entries, seen.exits) == ("1", True, False)
    assert seen.bars.startswith("sha256:")


def test_the_last_scan_sees_positions_alone():
    """It opens nothing, so candidates are not even quoted; on a half-day its hours end at 13:00."""
    world = World()
    seen = world.sees(3, "27 12:55", Book(positions={"HELD": HELD}), session=HALF_DAY)
    assert (seen.candidates, world.asked) == ((), ["HELD"])
    assert (seen.scan, seen.entries, seen.exits, seen.closes) == ("3", False, True, at("27 13:00"))


def test_bars_held_count_today_only_where_it_is_quoted():
    """ACME, bought on Monday, on Tuesday: two bars; one, where it does not trade today."""
    book = Book(positions={"ACME": HELD})
    watch = watchlist(made_bars(), [DONCHIAN], TUESDAY)
    assert World().sees(3, "24 15:55", book, watch, TUESDAY).held == {"ACME": 2}
    assert World(quoted=lambda: False).sees(3, "24 15:55", book, watch, TUESDAY).held == {"ACME": 1}


@pytest.mark.parametrize(("world", "field", "value"), [
    (World(account=silent), "account", None), (World(quoted=silent), "quotes", {}),
    (World(market_open=silent), "opens", None), (World(tradable=silent), "untradable", {
        "ACME": "the broker does not say"})])
def test_what_nobody_answers_is_left_out_and_told(world: World, field: str, value: Any):
    """No account, no quotes, no hours; a symbol nobody vouches for is not tradable. The reason is for people."""
    seen = world.sees()
    assert getattr(seen, field) == value
    assert "no answer in 10 s" in seen.missing


def test_a_market_closed_by_surprise_has_no_hours():
    """The calendar says open, the broker closed: the broker is believed, and it is told."""
    seen = World(market_open=lambda: False).sees()
    assert (seen.opens, seen.closes) == (None, None)
    assert seen.missing == ("the broker's market is closed although the calendar says that it is open",)
    early = World(market_open=lambda: False).sees(now="23 09:29:59")
    assert (early.opens, early.missing) == (None, ()), "before the open that is no surprise"


def test_a_symbol_the_broker_does_not_trade_is_barred_by_its_words():
    """Unknown or halted: the reason is the broker's; only what is quoted is asked about."""
    world = World(tradable=lambda symbol: "halted")
    assert world.sees().untradable == {"ACME": "halted"}
    world.quoted = lambda: False
    assert world.sees().untradable == {}


def test_the_switch_is_seen():
    """Whatever it says, that it is engaged counts; and so does that it was, until a person lifts it."""
    assert World(why="kill switch set").sees().killed
    assert World().sees(book=Book(killed="ann: enough")).killed
    assert not World().sees().killed


def test_a_restart_sees_enough_for_stops_and_nothing_to_open():
    """The account, the hours and the switch; on a closed day no hours."""
    world = World(account=silent, why="set")
    clock = SteppedClock(at("23 12:00"))
    bare = Sight(world, world, world, clock).bare(Book(), MONDAY)  # type: ignore[arg-type]
    assert (bare.candidates, bare.quotes, bare.entries, bare.exits, bare.killed) == ((), {}, False, False, True)
    assert (bare.account, bare.missing, bare.opens) == (None, ("no answer in 10 s",), at("23 09:30"))
    closed = Sight(world, world, world, clock).bare(Book(), MONDAY - timedelta(days=1))  # type: ignore[arg-type]
    assert (closed.opens, closed.closes) == (None, None)
