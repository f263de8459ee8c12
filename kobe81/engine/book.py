"""The book: what the journal comes to. Positions, cash, budgets, counts and states are here and nowhere else."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from kobe81.core.gates import Prohibition
from kobe81.core.money import ZERO
from kobe81.core.orders import OPEN, TERMINAL, Intent, State
from kobe81.engine.fills import Lot

FAILURES_COUNT = timedelta(minutes=15)
"""How long an error or a failed call to a vendor counts (rules.md, circuit breaker)."""

MOST_FAILURES = 100
"""Failures that are remembered: more than any limit on them, so that a storm of them costs nothing."""

DAY_TRADE_SESSIONS = 5
"""Sessions over which day trades are counted (FINRA 4210(f)(8)(B), until it ends)."""


class Order(Struct, frozen=True, kw_only=True):
    """An order of ours. filled: shares; value: dollars those came to; broker: the broker's id, once known."""

    intent: Intent
    state: State = State.INTENT
    broker: str = ""
    filled: Decimal = ZERO
    value: Decimal = ZERO
    sent_at: datetime | None = None
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether it may still trade."""
        return self.state in OPEN


class Position(Struct, frozen=True, kw_only=True):
    """Shares held, why, and how they will be left. entered: the session of the first fill; entry: its order.

    bought, cost, sold, proceeds, gained, fees: running totals of the trade that this position is, in shares and
    dollars. protect, target: prices; hold: bars to the time exit.
    """

    symbol: str
    strategy: str
    entered: date
    entry: str
    lots: tuple[Lot, ...]
    protect: Decimal | None = None
    target: Decimal | None = None
    hold: int = 0
    signalled: date | None = None
    score: float = 0.0
    bought: Decimal = ZERO
    cost: Decimal = ZERO
    sold: Decimal = ZERO
    proceeds: Decimal = ZERO
    gained: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def qty(self) -> Decimal:
        """Shares held now; negative where short."""
        return sum((lot.qty for lot in self.lots), ZERO)

    @property
    def value(self) -> Decimal:
        """What the shares held now cost, in dollars."""
        return sum((lot.qty * lot.price for lot in self.lots), ZERO)


class ClosedTrade(Struct, frozen=True, kw_only=True):
    """A position that was left. Prices are means over its fills; leg: what closed it."""

    symbol: str
    strategy: str
    signalled: date | None
    entered: date
    left: date
    qty: Decimal
    entry_price: Decimal
    exit_price: Decimal
    stop: Decimal | None
    target: Decimal | None
    score: float
    gross: Decimal
    fees: Decimal
    leg: str

    @property
    def net(self) -> Decimal:
        """Dollars after fees."""
        return self.gross - self.fees


class Alert(Struct, frozen=True, kw_only=True):
    """A warning or worse that nobody has acknowledged yet."""

    at: datetime
    severity: str
    text: str


class Book(Struct, frozen=True, kw_only=True):
    """The fold of the journal up to `seq`.

    cash: None until an account was opened, at opened_at; before: activities and orders older than that. reconciled_at:
    when book and broker last agreed. session: the latest opened. orders: the open ones, and all of this session, by
    client order id. foreign: open orders at the broker that are not ours, by the broker's id. left: the session in
    which each symbol was last left. closed: this session's finished trades. start_equity: the session's; peak: the
    highest equity seen. failures: (when, source) of the last 15 minutes, the
    latest hundred. day_trades: (session, symbol) of the last
    five sessions. tripped_at, probes: the circuit breaker; losses_in_row
    begins anew when it opens. halted, killed: why, "" where not. jobs: this session's,
    with their outcomes. scans: the seq of each scan's decision.
    """

    seq: int = 0
    run: str = ""
    mode: str = ""
    broker: str = ""
    account: str = ""
    term: int = 0
    started: int = 0
    ready: bool = False
    not_ready: tuple[str, ...] = ("no runner has started; start one: kobe run",)
    cash: Decimal | None = None
    opened_at: datetime | None = None
    before: tuple[str, ...] = ()
    reconciled_at: datetime | None = None
    session: date | None = None
    sessions: tuple[date, ...] = ()
    start_equity: Decimal | None = None
    equity: Decimal | None = None
    peak: Decimal | None = None
    orders: dict[str, Order] = {}
    positions: dict[str, Position] = {}
    foreign: dict[str, str] = {}
    left: dict[str, date] = {}
    closed: tuple[ClosedTrade, ...] = ()
    losses_in_row: int = 0
    failures: tuple[tuple[datetime, str], ...] = ()
    day_trades: tuple[tuple[date, str], ...] = ()
    tripped_at: datetime | None = None
    probes: int = 0
    halted: str = ""
    killed: str = ""
    jobs: dict[str, str] = {}
    scans: dict[str, int] = {}
    stood_down: dict[str, str] = {}
    alerts: dict[str, Alert] = {}
    prohibitions: dict[str, Prohibition] = {}

    @property
    def todays_entries(self) -> tuple[Order, ...]:
        """The entries decided in this session."""
        return tuple(o for o in self.orders.values() if o.intent.leg == "entry" and o.intent.session == self.session)

    @property
    def reserved(self) -> Decimal:
        """Dollars of the day's budget in use: what was filled, and the whole of what may still fill."""
        return sum((o.value if o.state in TERMINAL else max(o.intent.notional, o.value) for o in self.todays_entries),
                   ZERO)

    @property
    def trades_today(self) -> int:
        """Entries of this session that were filled, or may be."""
        return sum(o.open or o.filled > 0 for o in self.todays_entries)

    @property
    def day_gain(self) -> Decimal | None:
        """Dollars of equity since the session began; None where nobody knows."""
        return None if self.equity is None or self.start_equity is None else self.equity - self.start_equity

    def open_orders(self, symbol: str) -> tuple[Order, ...]:
        """Our open orders in a symbol."""
        return tuple(o for o in self.orders.values() if o.intent.symbol == symbol and o.open)

    def orders_since(self, moment: datetime) -> int:
        """Orders sent at or after a moment, and those about to be."""
        return sum(o.state is State.INTENT or (o.sent_at is not None and o.sent_at >= moment)
                   for o in self.orders.values())

    def failures_since(self, source: str, moment: datetime) -> int:
        """Failures of one source at or after a moment."""
        return sum(kind == source and at >= moment for at, kind in self.failures)
