"""Two trading days of three symbols: what the market shows, what the strategies want, and the rules they trade by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Literal, NamedTuple

from kobe81.core.decisions import Account, Candidate, Facts, Quote, Snapshot
from kobe81.core.orders import Intent
from kobe81.engine.book import Book
from kobe81.engine.rules import Rules
from tests.simulation.chance import Chance

MONDAY, TUESDAY = date(2026, 6, 8), date(2026, 6, 9)
SIGNALLED = {MONDAY: date(2026, 6, 5), TUESDAY: MONDAY}
PRICES = {"ABC": Decimal("10.40"), "DEF": Decimal("20.70"), "GHI": Decimal("36.20")}
FACTS = {symbol: Facts(adv=5e7, volatility=0.02, close=price) for symbol, price in PRICES.items()}
MAX_DAY = Decimal(160)
HOLD = 2
CASH = Decimal("20000.00")


class Step(NamedTuple):
    """Something the runner has to do once in a session."""

    session: date
    name: str
    at: datetime
    kind: Literal["open", "scan"]
    exits: bool = False


def _at(session: date, clock: str) -> datetime:
    return datetime.fromisoformat(f"{session}T{clock}:00+00:00")


PLAN = (
    Step(MONDAY, "open", _at(MONDAY, "13:30"), "open"),
    Step(MONDAY, "1000", _at(MONDAY, "14:00"), "scan"),
    Step(MONDAY, "1430", _at(MONDAY, "18:30"), "scan"),
    Step(TUESDAY, "open", _at(TUESDAY, "13:30"), "open"),
    Step(TUESDAY, "1555", _at(TUESDAY, "19:55"), "scan", exits=True),
)
START, END = _at(MONDAY, "13:00"), _at(TUESDAY, "20:40")


@cache
def rules() -> Rules:
    """All gates, with a budget for two entries of the three that are wanted."""
    return Rules.of({
        "account": "SIM", "trading": {"notional": 74.0, "max_positions": 3},
        "gates": {"policy_gate": {"max_day": MAX_DAY}}})


def opened(session: date) -> datetime:
    """When the exchange opens."""
    return _at(session, "13:30")


def snapshot(step: Step, at: datetime, book: Book, chance: Chance, account: Account | None, killed: bool) -> Snapshot:
    """What a scan sees."""
    held = {symbol: 1 + (step.session > p.entered) for symbol, p in book.positions.items()}
    return Snapshot(
        session=step.session, scan=step.name, at=at, entries=True, exits=step.exits, opens=opened(step.session),
        closes=_at(step.session, "20:00"), bars="sha256:simulated", candidates=_wanted(step, chance),
        quotes={symbol: _quote(symbol, step, at, chance) for symbol in PRICES}, facts=FACTS, held=held,
        account=account, killed=killed)


def bare(session: date, at: datetime, killed: bool) -> Snapshot:
    """What a runner that recovers sees: no candidates, no quotes."""
    return Snapshot(
        session=session, scan="recover", at=at, entries=False, exits=False, opens=None, closes=None, bars="",
        candidates=(), quotes={}, facts={}, held={}, account=None, killed=killed)


def _wanted(step: Step, chance: Chance) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(symbol=symbol, strategy="donchian", side="long", session=SIGNALLED[step.session], entry=price,
                  stop=price * Decimal("0.95"), target=price * Decimal("1.04"), hold=HOLD, reason="a new high",
                  score=1 + chance.draw("score", symbol, step.session), confidence=0.7)
        for symbol, price in PRICES.items())


def _quote(symbol: str, step: Step, at: datetime, chance: Chance) -> Quote:
    """Now and then a price has gone up to the target of a position."""
    up = chance.draw("up", symbol, step.session, step.name) < 0.15
    last = (PRICES[symbol] * (Decimal("1.05") if up else 1)).quantize(Decimal("0.01"))
    return Quote(bid=last - Decimal("0.01"), ask=last + Decimal("0.01"), last=last, at=at)


def killed_at(chance: Chance) -> datetime | None:
    """When somebody sets the kill switch, on one day in four: just after a scan began."""
    scans = [step.at for step in PLAN if step.kind == "scan"]
    if chance.draw("killed") < 0.75:
        return None
    return scans[chance.whole(0, len(scans) - 1, "killed in")] + chance.seconds(0, 4, "killed after")


def worst(intent: Intent) -> Decimal:
    """Dollars that an order comes to at most."""
    return intent.qty * (intent.limit or Decimal(0))


RESTART = ((0.5, timedelta(seconds=2)), (0.2, timedelta(seconds=75)), (0.2, timedelta(minutes=4)),
           (0.1, timedelta(minutes=40)))
"""How long it takes until a new process runs: in time, after orders have expired, after the grace of a scan."""
