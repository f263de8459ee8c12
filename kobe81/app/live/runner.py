"""The runner: one account, day after day. Starting, recovering and going on are the same steps.

It may be killed anywhere: what it knows is in the journal, what it decided is never decided again, and what it may have
sent is looked for before anything else is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from kobe81.app.live.schedule import EXCHANGE, Job, jobs, session_at
from kobe81.app.live.snapshots import Sight
from kobe81.app.live.watchlist import Watchlist
from kobe81.core.calendar import sessions
from kobe81.core.clock import Clock
from kobe81.core.decisions import Decision
from kobe81.core.events import (
    Alerted,
    AnyEvent,
    Failed,
    JobDone,
    Killed,
    NotReady,
    Ready,
    Record,
    SessionOpened,
    Started,
    StoodDown,
    Stopped,
)
from kobe81.core.ports import AlreadyThere, BrokerError
from kobe81.engine.book import Book
from kobe81.oms.ledger import Ledger
from kobe81.oms.manager import OrderManager

SWEEP_EVERY = timedelta(minutes=3)
ASK_AGAIN = timedelta(seconds=30)
"""How long to wait before a broker that did not answer is asked again."""
JUMP = 2.0
"""Seconds by which the wall clock may leave the monotonic one between two looks."""
ACKNOWLEDGE_WITHIN = timedelta(minutes=30)
"""How long a critical alert may stand before it trips the switch."""
NAP = 1.0
"""Seconds between two looks at the clock."""


@dataclass
class Crew:
    """What a runner works with.

    watch: the candidates of a session. listen: told of every new record. notarise: called after each batch of orders
    and at the end of the day, returns the line of the checkpoint. beat: says that we live. woken: whether the
    broker hinted that something happened. acknowledge_within: how long a critical alert may stand before it trips the
    switch.
    """

    ledger: Ledger
    manager: OrderManager
    sight: Sight
    clock: Clock
    watch: Callable[[date], Watchlist]
    listen: Callable[[Record], None] = lambda record: None
    notarise: Callable[[], str] = lambda: ""
    beat: Callable[[], None] = lambda: None
    acknowledge_within: timedelta = ACKNOWLEDGE_WITHIN
    woken: Callable[[], bool] = lambda: False


@dataclass
class Runner:
    """Runs the day's jobs, each once, and keeps book and broker together in between."""

    crew: Crew
    stopping: str = ""
    _watched: Watchlist | None = None
    _heard: int = 0
    _swept: datetime | None = None
    _agreed: bool = False
    _last_look: tuple[datetime, float] | None = field(default=None)

    @property
    def book(self) -> Book:
        """The book as it stands."""
        return self.crew.ledger.book

    def start(self, started: Started) -> None:
        """Take the lead in the journal, then whatever a restart has to do."""
        self._heard = self.book.seq
        self._tell(started)
        self._make_ready()

    def stop(self, reason: str) -> None:
        """Leave in order; the positions' stops stay at the broker."""
        self._tell(Stopped(reason=reason))
        self._pass_on()
        self.crew.notarise()

    def run(self, until: datetime | None = None) -> None:
        """Work until told to stop, or until an instant."""
        while not self.stopping and (until is None or self.crew.clock.now() < until):
            self.step()
            self.crew.clock.sleep(NAP)
        if self.stopping:
            self.stop(self.stopping)

    def step(self) -> None:
        """Whatever is due now."""
        now, elapsed = self.crew.clock.now(), self.crew.clock.monotonic()
        self.crew.beat()
        self.crew.ledger.catch_up()
        self._mind_the_clock(now, elapsed)
        self._mind_the_switch()
        self._mind_the_alerts(now)
        due = [job for job in jobs(session_at(now)) if job.at <= now]
        if due and self._is_new(session_at(now)) and self._may_ask(now):
            self._make_ready()
        for job in due:
            if self.book.session == session_at(now) and job.name not in self.book.jobs:
                self._do(job, session_at(now))
        if self._sweep_is_due(now, jobs(session_at(now))):
            self._make_ready()
        self._pass_on()

    # readiness

    def _make_ready(self) -> None:
        """Open the session where one has begun, sweep, reconcile; only then, and while nothing forbids it, ready."""
        self._swept, self._agreed = self.crew.clock.now(), False
        try:
            self._open_session()
            self._agreed = self.crew.manager.recover(self.crew.sight.bare(self.book, session_at(self._swept)))
        except BrokerError as error:
            self._tell(Failed(source="api", note=str(error)))
            return self._say_ready([f"the broker does not answer: {error}"])
        return self._say_ready(self._forbidden() or ([] if self._agreed else ["book and broker disagree"]))

    def _forbidden(self) -> list[str]:
        """Why no order may be sent, by the book."""
        halted = [f"trading is halted: {self.book.halted}"] if self.book.halted else []
        return halted + ([f"killed: {self.book.killed}"] if self.book.killed else [])

    def _say_ready(self, reasons: Sequence[str]) -> None:
        if reasons and (self.book.ready or self.book.not_ready != tuple(reasons)):
            self._tell(NotReady(reasons=tuple(reasons)))
        elif not reasons and not self.book.ready:
            self._tell(Ready())
        self._pass_on()

    def _open_session(self) -> None:
        session = session_at(self.crew.clock.now())
        due = [job for job in jobs(session) if job.at <= self.crew.clock.now()]
        if due and self._is_new(session):
            self.crew.manager.reconciler.open_account()
            equity = self.crew.sight.broker.account().equity
            self._tell_of_missed(session)
            self._once(SessionOpened(session=session, equity=equity), f"session|{session}")

    def _tell_of_missed(self, session: date) -> None:
        """Somebody is to know of the jobs that nobody ran since the journal's last session."""
        last = self.book.session or session
        missed = [f"{job.name} of {day}" for day in sessions(EXCHANGE, last, session) if day < session
                  for job in jobs(day) if day > last or job.name not in self.book.jobs]
        if missed:
            more = f" and {len(missed) - 5} more" if missed[5:] else ""
            self._alert("warning", f"nobody ran, and nobody will: {', '.join(missed[:5])}{more}")

    def _is_new(self, session: date) -> bool:
        return self.book.session is None or self.book.session < session

    def _may_ask(self, now: datetime) -> bool:
        """A broker that did not answer is left alone for a while."""
        return self.book.ready or self._swept is None or now - self._swept >= ASK_AGAIN

    def _sweep_is_due(self, now: datetime, today: Sequence[Job]) -> bool:
        if self._swept is None or (not self.book.ready and self._may_ask(now)):
            return True
        if self.crew.woken():
            return True
        during = bool(today) and today[0].at <= now <= today[-1].at
        return during and now - self._swept >= SWEEP_EVERY

    def _mind_the_clock(self, now: datetime, elapsed: float) -> None:
        """A wall clock that jumps is not believed until everything has been looked at again."""
        before = self._last_look
        self._last_look = (now, elapsed)
        if before and abs((now - before[0]).total_seconds() - (elapsed - before[1])) > JUMP:
            self._alert("warning", f"the clock jumped from {before[0]:%H:%M:%S} to {now:%H:%M:%S} UTC")
            self._say_ready([f"the clock jumped to {now:%Y-%m-%d %H:%M:%S} UTC"])
            self._swept, self._agreed = now, False

    def _mind_the_switch(self) -> None:
        why = self.crew.sight.switch.engaged()
        if why and not self.book.killed:
            self._tell(Killed(by="switch", reason=why))
            self._alert("critical", f"no order is sent any more: {why}")
        if self.book.ready and (forbidden := self._forbidden()):
            self._say_ready(forbidden)

    def _mind_the_alerts(self, now: datetime) -> None:
        """A critical alert that nobody acknowledges stops trading."""
        limit = self.crew.acknowledge_within
        late = [a for a in self.book.alerts.values() if a.severity == "critical" and now - a.at >= limit]
        if late and not self.book.killed:
            self.crew.sight.switch.engage("runner", f"nobody acknowledged: {late[0].text}")

    # jobs

    def _do(self, job: Job, session: date) -> None:
        now = self.crew.clock.now()
        if job.until is not None and now > job.until and job.scan not in self.book.scans:
            note = f"due at {job.at:%H:%M:%S} UTC, noticed at {now:%H:%M:%S} UTC"
            self._alert("warning", f"{job.name} of {session} was missed and is skipped: {note}")
            self._finish(job, session, "skipped", note)
        elif not job.is_scan:
            note = self._morning(session) if job.name == "morning" else self._end_of_day(session)
            self._finish(job, session, "done", note)
        else:
            if self._swept != now and self._may_ask(now):
                self._make_ready()
            if self._agreed:  # where the switch alone forbids, the scan is decided, and the switch denies its orders
                self._scan(job, session)

    def _finish(self, job: Job, session: date, outcome: str, note: str) -> None:
        self._once(JobDone(session=session, job=job.name, outcome=outcome, note=note),  # type: ignore[arg-type]
                   f"job|{session}|{job.name}")

    def _morning(self, session: date) -> str:
        watch = self._watch(session)
        for doubt in watch.doubts:
            self._alert("warning", doubt)
        return f"{len(watch.candidates)} candidates from bars {watch.bars[:14]}"

    def _scan(self, job: Job, session: date) -> None:
        decision: Decision | None = None
        if job.scan not in self.book.scans:
            snapshot = self.crew.sight.snapshot(self.book, self._watch(session), job)
            for note in snapshot.missing:
                self._tell(Failed(source="api", note=note))
            decision = self.crew.manager.scan(snapshot)
            if decision and decision.kill:
                self.crew.sight.switch.engage("circuit breaker", decision.kill)
        orders = len(decision.intents) if decision else 0
        looked = len(decision.considered) if decision else 0
        self._finish(job, session, "done", f"{looked} considered, {orders} orders" if decision else
                     "decided before a restart")
        self.crew.notarise()

    def _end_of_day(self, session: date) -> str:
        self._make_ready()
        book = self.book
        agreed = "book and broker agree" if self._agreed else "; ".join(book.not_ready)
        note = f"{len(book.closed)} trades closed, day {book.day_gain:+,.2f}, {agreed}"
        checkpoint = self.crew.notarise()
        self._alert("info", f"end of {session}: {note}. {checkpoint}".strip())
        return note

    def _watch(self, session: date) -> Watchlist:
        if self._watched is None or self._watched.session != session:
            self._watched = self.crew.watch(session)
            for strategy, reason in self._watched.failed.items():
                if strategy not in self.book.stood_down:
                    self._tell(StoodDown(session=session, strategy=strategy, reason=reason))
                    self._alert("warning", f"{strategy} stands down for the session: {reason}")
        return self._watched

    # telling

    def _tell(self, *events: AnyEvent) -> None:
        self.crew.ledger.tell(*events, cause=self.book.seq)

    def _once(self, event: AnyEvent, key: str) -> None:
        try:
            self.crew.ledger.tell(event, cause=self.book.seq, keys=(key,))
        except AlreadyThere:
            self.crew.ledger.catch_up()

    def _alert(self, severity: str, text: str) -> None:
        name = f"{severity}-{self.book.seq + 1}"
        self._tell(Alerted(id=name, severity=severity, text=text))  # type: ignore[arg-type]

    def _pass_on(self) -> None:
        """Tell whoever listens what is new."""
        for record in self.crew.ledger.journal.since(self._heard):
            self._heard = record.seq
            self.crew.listen(record)
