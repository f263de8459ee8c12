"""The kill switch and the expiry, at the last step before the first byte: by what the server receives, and when."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from random import Random

import pytest

from kobe81.core.ports import Accepted, NotSent
from kobe81.execution.kill_switch import FileKillSwitch
from tests.alpaca_fixtures import NOW, ORDER, RealClock, Switch, approved, broker
from tests.alpaca_server import AlpacaServer, json_answer
from tests.soak import SOAK

ROUNDS = 1_000 if SOAK else 100
"""Rounds of a switch set while orders go out."""


@pytest.fixture
def server():
    with AlpacaServer() as running:
        running.script = lambda request: json_answer(ORDER | {"client_order_id": request.json()["client_order_id"]})
        yield running


def test_no_order_goes_out_once_the_switch_is_set(server):
    """Not one byte of it."""
    answered = broker(server.url, switch=Switch("set by test")).submit(approved())
    assert answered == NotSent("set by test")
    assert server.requests == []


def test_no_order_goes_out_after_its_time(server):
    """An order is valid until its expiry, that instant included, and not a microsecond longer."""
    late = broker(server.url).submit(approved(expires=NOW - timedelta(microseconds=1)))
    assert isinstance(late, NotSent)
    assert "expired" in late.reason
    assert isinstance(broker(server.url).submit(approved(expires=NOW)), Accepted)
    assert len(server.requests) == 1


@pytest.mark.parametrize(("leg", "passes"), [("entry", False), ("stop", True), ("time", True), ("target", True)])
def test_only_exits_pass_the_switch_and_only_when_told(server, leg, passes):
    """With reduce_only a position can still be closed; nothing can be opened."""
    killed = broker(server.url, switch=Switch("set"))
    assert isinstance(killed.submit(approved(leg=leg), reduce_only=True), Accepted if passes else NotSent)
    assert isinstance(killed.submit(approved(leg=leg)), NotSent)
    assert len(server.posts()) == passes


def test_an_expired_exit_does_not_go_out_either(server):
    """reduce_only passes the switch, not the clock."""
    gone = broker(server.url).submit(approved(leg="time", expires=NOW - timedelta(seconds=1)), reduce_only=True)
    assert isinstance(gone, NotSent)
    assert server.requests == []


def test_the_switch_is_looked_at_after_connecting(server):
    """Set while the connection is being made, it still holds: the look is the last step before the first byte."""
    class SetOnceConnected(Switch):
        def engaged(self):
            for _ in range(100):
                if server.connections:
                    return "set while connecting"
                time.sleep(0.01)
            return ""

    answered = broker(server.url, switch=SetOnceConnected()).submit(approved())
    assert (answered, server.requests) == (NotSent("set while connecting"), [])


def test_an_order_that_is_late_before_its_first_byte_is_not_sent(server):
    """Ten seconds are over before the connection is there; then nothing goes out any more."""
    class Racing(RealClock):
        def monotonic(self):
            self.slept.append(6)
            return sum(self.slept)

    late = broker(server.url, clock=Racing()).submit(approved(expires=NOW + timedelta(days=1)))
    assert late == NotSent("no whole answer within 10 s")
    assert server.requests == []


def test_no_post_starts_once_the_switch_exists(server, tmp_path):
    """Invariant I4 with the real switch: four senders, the switch set at a random moment. Every order whose sender
    began after the switch existed is stopped, and the server's count of orders is that of the senders."""
    random, names = Random(81), count()
    for _ in range(ROUNDS):
        folder = tmp_path / f"{next(names)}"
        folder.mkdir()
        _race(server, FileKillSwitch(folder / "KILL_SWITCH"), random.uniform(0, 0.004), names)


def _race(server, switch, delay, names):
    before, sender = len(server.requests), broker(server.url, switch=switch)

    def keep_sending(_):
        answers = []
        while not answers or not isinstance(answers[-1][1], NotSent):
            answers.append((time.monotonic(), sender.submit(approved(id=f"k1-{next(names)}"))))
        return answers

    with ThreadPoolExecutor(4) as senders:
        running = senders.map(keep_sending, range(4))
        time.sleep(delay)
        switch.engage("test", "race")
        engaged = time.monotonic()
        answers = [answer for each in running for answer in each]
    accepted = [began for began, answer in answers if isinstance(answer, Accepted)]
    assert len(server.requests) - before == len(accepted)
    assert all(began <= engaged for began in accepted)
