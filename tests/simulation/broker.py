"""The broker as a process of ours meets it: its answers, late, lost, doubled or none, and our adapter's part of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from kobe81.core.approved import Approved
from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Account
from kobe81.core.orders import Intent
from kobe81.core.ports import (
    Accepted,
    Activities,
    Answer,
    BrokerError,
    BrokerOrder,
    BrokerPosition,
    Lost,
    NotSent,
    Rejected,
)
from tests.simulation.disk import Disk
from tests.simulation.world import Resting, World

LATENCY, TIMEOUT, RESET = 0.15, 10.0, 3.0
"""Seconds that an answer takes, that we wait for one, and after which too many requests are forgotten."""
FATES = ((0.66, "answers"), (0.05, "refuses"), (0.09, "loses the answer"), (0.07, "takes it late"),
         (0.06, "never hears"), (0.07, "too many requests"))


class Switch:
    """The kill switch, in time: set at a moment, lifted at another."""

    def __init__(self, clock: SteppedClock, at: datetime | None) -> None:
        self._clock, self.at = clock, at

    def engaged(self) -> str:
        """Why nothing may be sent, "" where it may."""
        return "KILL_SWITCH exists" if self.at is not None and self._clock.now() >= self.at else ""

    def engage(self, by: str, reason: str) -> None:
        """Set it now."""
        self.at = self._clock.now()


class SimulatedBroker:
    """The port over the truth. Every call is a crash point before it, and after its effect."""

    name = "simulated"

    def __init__(self, world: World, disk: Disk, clock: SteppedClock, switch: Switch) -> None:
        self._world, self._disk, self._clock, self._switch = world, disk, clock, switch

    # orders, with what the adapter does

    def submit(self, order: Approved[Intent], *, reduce_only: bool = False) -> Answer:
        """As AlpacaBroker: switch and expiry looked at before every POST, the same id after a 429."""
        intent, sent = order.value, False
        for attempt in range(3):
            if stopped := self._stopped(intent, reduce_only):
                return Lost(stopped) if sent else NotSent(stopped)
            fate = "answers" if self._world.healthy else self._world.chance.one_of(
                FATES, "post", intent.id, attempt, self._world.calls)
            if fate != "too many requests":
                return self._post(intent, fate)
            sent = True
            self._witness(intent)
            self._clock.sleep(RESET)
        return Lost("too many requests, for longer than an order waits")

    def _stopped(self, intent: Intent, reduce_only: bool) -> str:
        if not (self._clock.now() <= intent.expires):
            return "it expired"
        return "" if reduce_only and intent.leg != "entry" else self._switch.engaged()

    def _post(self, intent: Intent, fate: str) -> Answer:
        self._disk.hit("before POST")
        self._witness(intent)
        refusal = "the symbol is halted" if fate == "refuses" else ""
        if fate in {"answers", "loses the answer"}:
            self._world.advance(self._clock.now())
            refusal = self._world.take(intent, self._clock.now())
        elif fate == "takes it late":
            after = self._world.chance.seconds(5, 150, "arrives", intent.id, self._world.calls)
            self._world.later(self._clock.now() + after, "arrive", intent)
        self._disk.hit("after POST")
        self._passes(LATENCY if fate in {"answers", "refuses"} else TIMEOUT)
        if fate not in {"answers", "refuses"}:
            return Lost(f"no answer in {TIMEOUT:.0f} s")
        return self._answer(intent, refusal)

    def _answer(self, intent: Intent, refusal: str) -> Answer:
        found = next((o for o in reversed(self._world.orders.values()) if o.client == intent.id), None)
        return Accepted(self._shown(found)) if found else Rejected(422, 40010000, refusal)

    def _witness(self, intent: Intent) -> None:
        """What must hold whenever an order goes out."""
        problems = self._world.problems
        if not self._disk.intends(intent.id):
            problems.append(f"I3 {intent.id} was sent, and its intent is not durable")
        if self._switch.engaged():
            problems.append(f"I4 {intent.id} was sent while the kill switch existed")
        if not self._disk.reconciled():
            problems.append(f"I11 {intent.id} was sent by a process that had not reconciled")

    def cancel(self, broker_id: str) -> str:
        """Ask to cancel."""
        self._call("DELETE")
        order = self._world.orders[broker_id]
        if not order.open:
            return f"the order is {order.status}"
        self._world.cancel(order, self._clock.now())
        self._answered("DELETE")
        return ""

    # questions

    def account(self) -> Account:
        """Cash now, equity at cost."""
        self._ask("account")
        cash = self._world.cash
        return Account(number="SIM", status="ACTIVE", cash=cash, equity=Decimal("20000"), buying_power=cash)

    def positions(self) -> tuple[BrokerPosition, ...]:
        """All shares."""
        self._ask("positions")
        return tuple(BrokerPosition(symbol=s, qty=Decimal(n), price=Decimal(1)) for s, n in self._world.shares.items()
                     if n)

    def find(self, client_order_id: str) -> BrokerOrder | None:
        """None where no order of that id has arrived."""
        self._ask("find")
        orders = self._world.orders.values()
        return next((self._shown(o) for o in orders if o.client == client_order_id), None)

    def order(self, broker_id: str) -> BrokerOrder | None:
        """The order of that broker id."""
        self._ask("order")
        found = self._world.orders.get(broker_id)
        return self._shown(found) if found else None

    def orders(self, since: datetime) -> tuple[BrokerOrder, ...]:
        """All open ones, and all since then."""
        self._ask("orders")
        return tuple(self._shown(o) for o in self._world.orders.values() if o.open or o.at >= since)

    def activities(self, since: datetime) -> Activities:
        """What is told so far, sometimes in another order, and sometimes twice."""
        self._ask("activities")
        now, world = self._clock.now(), self._world
        fills = [x.fill for x in world.executions if since <= x.fill.at and x.told <= now]
        moves = tuple(m for m in world.moves if since <= m.at)
        if not world.healthy and world.chance.draw("jumbled", world.calls) < 0.25:
            fills.sort(key=lambda fill: world.chance.draw("place", fill.execution, world.calls))
            fills = [*fills, *fills[:2]]
            moves = moves * 2
        return Activities(fills=tuple(fills), moves=moves)

    def tradable(self, symbol: str) -> str:
        """Every symbol is."""
        return ""

    def market_open(self) -> bool:
        """It always is."""
        return True

    # how calls go

    def _ask(self, what: str) -> None:
        self._call(what)
        self._answered(what)

    def _call(self, what: str) -> None:
        """The call goes out; one in 25 comes to nothing."""
        self._disk.hit(f"before {what}")
        self._world.calls += 1
        if not self._world.healthy and self._world.chance.draw("fails", what, self._world.calls) < 0.03:
            self._passes(TIMEOUT)
            raise BrokerError(f"{what}: no answer in {TIMEOUT:.0f} s")
        self._world.advance(self._clock.now())

    def _answered(self, what: str) -> None:
        self._disk.hit(f"after {what}")
        self._passes(LATENCY)

    def _passes(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._world.advance(self._clock.now())

    def _shown(self, order: Resting) -> BrokerOrder:
        """An order as it is told: what it counts as filled may lag behind."""
        now = self._clock.now()
        hidden = sum((x.fill.qty for x in self._world.executions if x.fill.order == order.id and x.counted > now),
                     Decimal(0))
        return BrokerOrder(id=order.id, client=order.client, symbol=order.symbol, side=order.side,
                           qty=Decimal(order.qty), filled=order.filled - hidden,
                           status=order.status if not hidden or order.status != "filled" else "canceled")


