"""Lives: two days as a process lives them, the points at which it may die, and the lives that begin there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from kobe81.core.clock import SteppedClock
from kobe81.core.hash_chain import GENESIS, link
from kobe81.store.checkpoints import Checkpoint
from tests.simulation.chance import Chance
from tests.simulation.days import END, RESTART, START
from tests.simulation.disk import Disk
from tests.simulation.invariants import violations
from tests.simulation.process import Process, Untrusted
from tests.simulation.world import Masks, World

SETTLES = 600.0
SETTLING = 2
"""Seconds between the looks a process takes at the end, and how many, before its book is held against the truth."""
SAMPLE = 3
"""Of what crashes leave, each day takes one in so many, and other days others: more days are worth more."""
STRIDE = 4
"""One life in so many that begin with a crash crashes again, and one disk in so many comes back without its end."""
WITHIN = 250
"""The second crash comes within so many points."""


@dataclass
class Survivors:
    """What a crash leaves. number: of the first point that leaves it; points: how many leave the same."""

    number: int
    at: str
    moment: datetime
    world: World
    image: bytes | None
    older: bytes | None
    bodies: tuple[bytes, ...]
    points: int = 1

    @property
    def tearable(self) -> bool:
        """Whether the disk could come back without its last commit."""
        return self.older is not None and self.older is not self.image


class Points:
    """Counts the points of a life, and keeps what would survive: at all of them, or at one."""

    def __init__(self, life: Life, only: int | None) -> None:
        self._life, self._only, self._last = life, only, tuple[object, ...]()
        self.count, self.kept = 0, list[Survivors]()

    def hit(self, at: str) -> None:
        """The process could die here. What comes of it depends on what it leaves, so the same is kept once."""
        self.count += 1
        if self._only is None:
            mark = self._life.mark()
            if mark == self._last:
                self.kept[-1].points += 1
                return
            self._last = mark
        elif self._only != self.count:
            return
        self.kept.append(self._life.survivors(self.count, at))


class PointedClock(SteppedClock):
    """A clock on which every sleep is a point."""

    points: Points | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.points:
            self.points.hit("sleep")


class Life:
    """One life, from the beginning or from what a crash has left. only: the one point to keep, None for all."""

    def __init__(self, seed: int, masks: Masks, born: Survivors | None = None, *, only: int | None = None,
                 torn: bool = False) -> None:
        self.seed, self.masks, self.born, self.torn = seed, masks, born, torn
        self.points = Points(self, only)
        if born is None:
            self.world, moment = World(Chance(seed), masks), START
            self.disk = Disk(self.points.hit)
        else:
            salt = born.world.chance.salt * 10_007 + born.number
            self.world = born.world.survive(salt)
            moment = born.moment + Chance(seed, salt).one_of(RESTART, "restart")
            self.disk = Disk(self.points.hit, born.older if torn else born.image, born.bodies)
        self.clock = PointedClock(moment)
        self.clock.points = self.points
        self.head: bytes = GENESIS

    def live(self) -> list[str]:
        """Live it to the end; what did not hold."""
        try:
            process = Process(self.disk, self.world, self.clock, self.checkpoint())
        except Untrusted:
            return []
        try:
            if self.torn:
                return ["I7 a journal that had lost its end was trusted"]
            process.run()
            self._settle(process)
            self.head = process.journal.head()[1]
            return violations(process)
        finally:
            process.journal.close()

    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that left the machine before a torn disk came back."""
        if not self.torn:
            return None
        bodies = self.disk.bodies
        return Checkpoint(size=len(bodies), root="", head=reduce(link, bodies, GENESIS).hex(), code="", time=START)

    def mark(self) -> tuple[object, ...]:
        """Changes whenever anything that would survive does."""
        return self.clock.now(), id(self.disk.image), self.world.mark()

    def survivors(self, number: int, at: str) -> Survivors:
        """What would be left of now."""
        disk, world = self.disk, self.world
        return Survivors(number, at, self.clock.now(), world.survive(world.chance.salt), disk.image, disk.older,
                         disk.bodies)

    def _settle(self, process: Process) -> None:
        """Everything that is still to happen happens, and the process looks."""
        self.world.healthy = True
        self.clock.move_to(END)
        for _ in range(SETTLING):
            self.clock.sleep(SETTLES)
            self.world.advance(self.clock.now())
            process.become_ready()


@dataclass
class Tally:
    """What was run, and what did not hold: (seed, point, where it crashed, what is wrong)."""

    points: int
    lives: int
    wrong: list[tuple[int, int, str, str]]


def explore(seed: int, masks: Masks = Masks()) -> Iterator[Tally]:  # noqa: B008  (a constant)
    """The seed's life without a crash, and then, from its points, what a crash there leads to."""
    first = Life(seed, masks)
    yield Tally(0, 1, [(seed, 0, "no crash", text) for text in [*first.live(), *_again(first)]])
    for place, born in enumerate(first.points.kept[seed % SAMPLE::SAMPLE]):
        yield _after(seed, masks, born, again=place % STRIDE == seed % STRIDE)


def _after(seed: int, masks: Masks, born: Survivors, *, again: bool) -> Tally:
    """The lives after one crash: one, or with a second crash on its way, and one on a disk that lost its end."""
    second = Chance(seed, born.number).whole(1, WITHIN, "again") if again else 0
    lives = [life := Life(seed, masks, born, only=second)]
    wrong = life.live()
    if again and born.tearable:
        lives.append(Life(seed, masks, born, only=0, torn=True))
    lives += [Life(seed, masks, later, only=0) for later in life.points.kept]
    for other in lives[1:]:
        wrong += other.live()
    where = f"{born.at}, then {life.points.kept[0].at}" if life.points.kept else born.at
    return Tally(born.points + len(lives) - 1, len(lives), [(seed, born.number, where, text) for text in wrong])


def _again(first: Life) -> list[str]:
    """I8."""
    second = Life(first.seed, first.masks, only=0)
    second.live()
    return [] if second.head == first.head else ["I8 the same seed wrote another journal"]
