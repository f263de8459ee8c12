"""Gates: what every order must pass. A gate is a pure question over plain facts, and one that cannot answer denies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, ClassVar, Literal, TypeVar

from msgspec import Struct

from kobe81.core.errors import KobeError
from kobe81.core.orders import Leg, Side
from kobe81.core.params import check_bounds

T = TypeVar("T")
G = TypeVar("G", bound="Gate")
_NUMBERS = (Decimal, float)
_INFINITY = Decimal("Infinity")
Ground = Literal["earnings", "news", "volatility", "liquidity", "regulatory", "manual"]

ENTRY: frozenset[Leg] = frozenset({"entry"})
EXIT: frozenset[Leg] = frozenset({"stop", "time", "target", "end"})
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

    @property
    def price(self) -> Decimal:
        """The limit; KobeError where there is none."""
        return known(self.limit)


class Prohibition(Struct, frozen=True, kw_only=True):
    """A symbol nobody may buy while start <= now < until; until None: for good."""

    symbol: str
    reason: Ground
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

    A subclass is a frozen dataclass; its limits are its fields (core.params.param). name: the one it is registered
    under, its module's. reads: the circumstances it cannot answer without. optional: those it looks at as well, where
    None says something of its own. stricter: for each limit, +1 where a larger value allows less and -1 where a smaller
    one does. since, until: the dates it is in force, both included, where it is a dated rule.
    """

    name: ClassVar[str]
    legs: ClassVar[frozenset[Leg]] = ENTRY
    reads: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    stricter: ClassVar[dict[str, int]] = {}
    since: ClassVar[date | None] = None
    until: ClassVar[date | None] = None

    def __init_subclass__(cls) -> None:
        cls.name = cls.__module__.rpartition(".")[2]

    def __post_init__(self) -> None:
        check_bounds(self)

    @abstractmethod
    def judge(self, order: Proposal, seen: Circumstances) -> Verdict:
        """Whether the order may pass, and why. Compare so that NaN denies."""

    def allow(self, reason: str) -> Verdict:
        """It may pass."""
        return Verdict(self.name, True, reason)

    def deny(self, reason: str) -> Verdict:
        """It may not."""
        return Verdict(self.name, False, reason)

    def all_of(self, *checks: Check) -> Verdict:
        """It may pass where every check holds; the reason tells all of them, or those that do not hold."""
        failed = [told for holds, told in checks if not holds]
        return self.deny("; ".join(failed)) if failed else self.allow("; ".join([told for _, told in checks]))


Check = tuple[bool, str]
"""Whether something holds, and a clause that says what was seen and its limit."""


def at_most(what: str, saw: Any, limit: Any, show: Callable[[Any], str] = str) -> Check:
    """saw <= limit."""
    holds = saw <= limit
    return holds, f"{what} {show(saw)} {'within' if holds else 'is over'} {show(limit)}"


def at_least(what: str, saw: Any, limit: Any, show: Callable[[Any], str] = str) -> Check:
    """saw >= limit."""
    holds = saw >= limit
    return holds, f"{what} {show(saw)} {'at least' if holds else 'is below'} {show(limit)}"


def under(what: str, saw: Any, limit: Any, show: Callable[[Any], str] = str) -> Check:
    """saw < limit: reaching it is too much."""
    holds = saw < limit
    return holds, f"{what} {show(saw)} {'under' if holds else 'reached'} {show(limit)}"


def between(what: str, saw: Any, low: Any, high: Any, show: Callable[[Any], str] = str) -> Check:
    """low <= saw <= high."""
    holds = low <= saw <= high
    return holds, f"{what} {show(saw)} {'within' if holds else 'is outside'} {show(low)} to {show(high)}"


def dollars(amount: Decimal) -> str:
    """$1,234.50, -$0.07."""
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def percent(share: Decimal | float) -> str:
    """0.0123 as 1.23%."""
    return f"{share:.2%}"


def moment(at: datetime) -> str:
    """2026-06-08 19:55:00+00:00."""
    return at.isoformat(" ", "seconds")


def known(value: T | None) -> T:
    """The value; KobeError where nobody knows it."""
    if value is None:
        raise KobeError("a gate looked at what is not known; name it in the gate's `reads`")
    return value


def unknown(gate: Gate, seen: Circumstances) -> list[str]:
    """What the gate reads and nobody knows: missing, or no finite number."""
    return [name for name in gate.reads if (value := getattr(seen, name)) is None
            or (isinstance(value, _NUMBERS) and not isfinite(value))]


def flaw(order: Proposal) -> str:
    """Why no gate can judge this order, empty where one can: its numbers are none, or its notional hides dollars."""
    qty, limit, notional = order.qty, order.limit, order.notional
    if not (qty >= 1 and 0 <= notional < _INFINITY):
        return f"{qty} shares for ${notional} are no order"
    if limit is None:
        return "an entry needs a limit price" if order.leg in ENTRY else ""
    if not (0 < limit < _INFINITY):
        return f"${limit} is no limit price"
    hidden = order.leg in ENTRY and notional < qty * limit
    return f"{qty} shares at ${limit} are more than ${notional}" if hidden else ""


def ask(gate: Gate, order: Proposal, seen: Circumstances) -> Verdict:
    """The gate's verdict; a denial where the order is none, where something the gate reads is not known, where it
    fails, or answers with anything else."""
    try:
        if wrong := flaw(order):
            return gate.deny(wrong)
        if missing := unknown(gate, seen):
            return gate.deny(f"{', '.join(missing)} not known")
        verdict: object = gate.judge(order, seen)
    except Exception as error:  # noqa: BLE001  (whatever went wrong, a gate that cannot answer denies)
        return gate.deny(f"could not answer: {' '.join(f'{type(error).__name__}: {error}'.split())}")
    if isinstance(verdict, Verdict) and isinstance(verdict.allowed, bool):
        return verdict
    return gate.deny(f"answered with a {type(verdict).__name__}, which is no verdict")


def ask_all(gates: Sequence[Gate], order: Proposal, seen: Circumstances) -> tuple[Verdict, ...]:
    """The verdicts of all gates for this kind of order, refusals or not, so that everything can be told."""
    return tuple(ask(gate, order, seen) for gate in gates if order.leg in gate.legs)


def in_force(gates: Iterable[G], session: date) -> list[G]:
    """The gates whose dates include the session; one without dates is always in force."""
    return [g for g in gates if (g.since or session) <= session <= (g.until or session)]
