"""Gates: what every order must pass. A gate is a pure question over plain facts, and one that cannot answer denies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from kobe81.core.orders import Leg, Side
from kobe81.core.params import check_bounds

ENTRY: frozenset[Leg] = frozenset({"entry"})
EXIT: frozenset[Leg] = frozenset({"stop", "time", "target"})
EVERY = ENTRY | EXIT


class Verdict(Struct, frozen=True):
    """What a gate says. The reason carries what it saw and its limit, allowed or not."""

    gate: str
    allowed: bool
    reason: str


class Proposal(Struct, frozen=True, kw_only=True):
    """The order as it would be sent: whole shares, the worst price it may trade at (None for a stop order, which trades
    at the market), and the dollars that comes to."""

    symbol: str
    strategy: str
    side: Side
    leg: Leg
    qty: int
    limit: Decimal | None
    notional: Decimal


class Prohibition(Struct, frozen=True, kw_only=True):
    """A symbol nobody may buy, from..until (both included; until None: for good). reason: earnings, news, volatility,
    liquidity, regulatory or manual."""

    symbol: str
    reason: str
    start: datetime
    until: datetime | None = None


class Circumstances(Struct, frozen=True, kw_only=True):
    """Everything a gate may look at. None means that nobody knows, and a gate that needs it denies.

    Money in dollars (Decimal), statistics as float. at: now. opens, closes: today's session, None where there is none.
    quote_at: when bid, ask and last were true. adv: mean dollars traded a day over 20 days. volatility: standard
    deviation of daily returns over 20 days. held_value: dollars of this symbol held already. reserved: the day's entry
    budget in use (sent + unknown + filled). trades_today: entries since the session began. orders_last_minute: orders
    of all kinds. losses_in_row, errors, api_failures: the latter two in the last 15 minutes. tripped_at: when the
    circuit breaker last opened; probes: entries approved since then. opposite_open: we have an open order in this
    symbol on the other side. day_trades: in the last five sessions. bought_today: this symbol was bought in this
    session. prohibitions: the list in force, None where it cannot be read. killed: the switch exists.
    """

    at: datetime | None = None
    session: date | None = None
    opens: datetime | None = None
    closes: datetime | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    quote_at: datetime | None = None
    adv: float | None = None
    volatility: float | None = None
    confidence: float | None = None
    equity: Decimal | None = None
    day_start_equity: Decimal | None = None
    peak_equity: Decimal | None = None
    buying_power: Decimal | None = None
    held_value: Decimal | None = None
    reserved: Decimal | None = None
    trades_today: int | None = None
    orders_last_minute: int | None = None
    losses_in_row: int | None = None
    errors: int | None = None
    api_failures: int | None = None
    tripped_at: datetime | None = None
    probes: int | None = None
    opposite_open: bool | None = None
    day_trades: int | None = None
    bought_today: bool | None = None
    prohibitions: tuple[Prohibition, ...] | None = None
    killed: bool | None = None
    reduce_only: bool = False


@dataclass(frozen=True)
class Gate(ABC):
    """A question every order of its legs is asked.

    A subclass is a frozen dataclass; its limits are its fields (core.params.param). reads: the circumstances it cannot
    answer without. stricter: for each limit, +1 where a larger value allows less and -1 where a smaller one does.
    since, until: the dates it is in force, both included, where it is a dated rule.
    """

    legs: ClassVar[frozenset[Leg]] = ENTRY
    reads: ClassVar[tuple[str, ...]] = ()
    stricter: ClassVar[dict[str, int]] = {}
    since: ClassVar[date | None] = None
    until: ClassVar[date | None] = None

    def __post_init__(self) -> None:
        check_bounds(self)

    @property
    def name(self) -> str:
        """The name it is registered under: its module's."""
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        """Whether the order may pass, and why. Compare so that NaN denies."""

    def allow(self, reason: str) -> Verdict:
        """It may pass."""
        return Verdict(self.name, True, reason)

    def deny(self, reason: str) -> Verdict:
        """It may not."""
        return Verdict(self.name, False, reason)


def ask(gate: Gate, order: Proposal, seen: Circumstances) -> Verdict:
    """The gate's verdict; a denial where something it reads is missing, where it fails or answers anything else."""
    missing = [name for name in gate.reads if getattr(seen, name) is None]
    if missing:
        return gate.deny(f"{', '.join(missing)} not known")
    try:
        verdict = gate.judge(order, seen)
    except Exception as error:  # noqa: BLE001  (whatever went wrong, a gate that cannot answer denies)
        return gate.deny(f"could not answer: {type(error).__name__}: {error}")
    return verdict if isinstance(verdict, Verdict) else gate.deny(f"answered {verdict!r}, which is no verdict")


def ask_all(gates: Sequence[Gate], order: Proposal, seen: Circumstances) -> tuple[Verdict, ...]:
    """The verdicts of all gates for this kind of order, refusals or not, so that everything can be told."""
    return tuple(ask(gate, order, seen) for gate in gates if order.leg in gate.legs)
