"""A process of ours: it opens the journal, recovers, and does what the two days still want of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from kobe81.core.clock import SteppedClock
from kobe81.core.decisions import Account, Snapshot
from kobe81.core.events import AnyEvent, Failed, JobDone, Killed, Resumed, SessionOpened, Started
from kobe81.core.ports import BrokerError
from kobe81.oms.ledger import Ledger
from kobe81.oms.manager import OrderManager
from kobe81.store import verification
from kobe81.store.checkpoints import Checkpoint
from kobe81.store.journal import SqliteJournal
from tests.simulation.broker import SimulatedBroker, Switch
from tests.simulation.chance import Chance
from tests.simulation.days import MONDAY, PLAN, Step, bare, killed_at, rules, snapshot
from tests.simulation.disk import Disk
from tests.simulation.world import World

T = TypeVar("T")
GRACE = timedelta(minutes=5)
PATIENCE = 30.0
"""Seconds until the next try to become ready."""
TRIES = 4


class Untrusted(Exception):  # noqa: N818  (reads as what happened)
    """The journal is not what was written: nothing may be sent."""


class Process:
    """What runs between two crashes. checkpoint: one that left the machine, where there is one."""

    def __init__(self, disk: Disk, world: World, clock: SteppedClock, checkpoint: Checkpoint | None = None) -> None:
        self.clock, self.world, self.chance, self.ready = clock, world, world.chance, False
        self.journal = SqliteJournal(disk.connect, clock)
        if checkpoint and (found := verification.verify(self.journal, [checkpoint])):
            raise Untrusted(str(found[0]))
        self.journal.term = self.journal.last_term() + 1
        self.switch = Switch(clock, killed_at(Chance(world.chance.seed)))
        broker = SimulatedBroker(world, disk, clock, self.switch)
        self.ledger = Ledger(self.journal)
        self.broker, self.manager = broker, OrderManager(self.ledger, broker, clock, rules())
        self.ledger.tell(Started(run=f"r{self.journal.term}", mode="paper", broker=broker.name, account="SIM",
                                 code="simulated", config={}, term=self.journal.term))

    def run(self) -> None:
        """The two days, from wherever they are."""
        if self.ledger.book.session:
            self.become_ready()
        for step in PLAN:
            if not self._done(step):
                self.clock.move_to(step.at)
                self._finish(step, self._do(step))

    def _done(self, step: Step) -> bool:
        session = self.ledger.book.session or MONDAY
        return step.session < session or (step.session == session and step.name in self.ledger.book.jobs)

    def _finish(self, step: Step, outcome: bool) -> None:
        done = JobDone(session=step.session, job=step.name, outcome="done" if outcome else "skipped")
        self._tell(done, f"job|{step.session}|{step.name}")

    def _do(self, step: Step) -> bool:
        if step.kind == "open":
            account = self._patiently(self.broker.account)
            if self.ledger.book.session != step.session:
                self._tell(SessionOpened(session=step.session, equity=account.equity), f"session|{step.session}")
            return self.become_ready()
        if self.clock.now() - step.at > GRACE or not self._ready():
            return False
        self.manager.scan(self._see(step))
        return True

    def _see(self, step: Step) -> Snapshot:
        at, killed = self.clock.now(), bool(self.switch.engaged())
        return snapshot(step, at, self.ledger.book, Chance(self.chance.seed), self._account(), killed)

    def _account(self) -> Account | None:
        try:
            return self.broker.account()
        except BrokerError as error:
            self._fail(error)
            return None

    def _patiently(self, question: Callable[[], T]) -> T:
        while True:
            try:
                return question()
            except BrokerError as error:
                self._fail(error)
                self.clock.sleep(PATIENCE)

    # readiness

    def _ready(self) -> bool:
        return (self.ready and not self.ledger.book.halted) or self.become_ready()

    def become_ready(self) -> bool:
        """Recover, a few times; a person lets trading go on where book and broker agree again."""
        self._note_switch()
        for _ in range(TRIES):
            try:
                self.ready = self.manager.recover(self._bare())
                if self.ready:
                    return True
                self._look_after_halt()
            except BrokerError as error:
                self._fail(error)
            self.clock.sleep(PATIENCE)
        return False

    def _bare(self) -> Snapshot:
        return bare(self.ledger.book.session or MONDAY, self.clock.now(), bool(self.switch.engaged()))

    def _look_after_halt(self) -> None:
        book = self.ledger.book
        if book.halted and book.reconciled_at == self.clock.now() and self.chance.draw("resumes", book.seq) < 0.7:
            self._tell(Resumed(person="op", reason="looked at it"))

    def _note_switch(self) -> None:
        if self.switch.engaged() and not self.ledger.book.killed:
            self._tell(Killed(by="op", reason="simulated"))

    def _fail(self, error: BrokerError) -> None:
        self._tell(Failed(source="api", note=str(error)))

    def _tell(self, event: AnyEvent, key: str | None = None) -> None:
        self.ledger.tell(event, cause=self.ledger.book.seq, keys=(key,) if key else ())


