"""The embedded paper broker: the adapter of the real one, in front of an exchange in the same process."""

from datetime import timedelta

import pytest

from kobe81.core.clock import SteppedClock
from kobe81.core.ports import Accepted, Lost, NotSent
from kobe81.execution.broker_alpaca import AlpacaBroker
from kobe81.execution.broker_paper import paper_broker
from kobe81.execution.exchange.wire import Response, reply
from tests.alpaca_fixtures import ACCOUNT, CLIENT_ID, NOW, ORDER, Switch, approved


class Scripted:
    """An exchange that answers by script and keeps what it was asked; each answer takes `seconds`."""

    def __init__(self, clock, *answers, seconds=0.0):
        self.requests, self._clock, self._answers, self._seconds = [], clock, answers, seconds

    def handle(self, request):
        self.requests.append(request)
        self._clock.sleep(self._seconds)
        return self._answers[min(len(self.requests), len(self._answers)) - 1]


@pytest.fixture
def clock():
    return SteppedClock(NOW)


def test_it_is_the_real_adapter(clock):
    """One wire format: what is sent and read is what Alpaca would get and give."""
    exchange = Scripted(clock, reply(200, ORDER))
    paper = paper_broker(exchange, clock, Switch())
    assert (type(paper), paper.name) == (AlpacaBroker, "paper")
    assert isinstance(paper.submit(approved()), Accepted)
    (request,) = exchange.requests
    assert (request.method, request.path) == ("POST", "/v2/orders")
    assert CLIENT_ID.encode() in request.body


def test_paths_and_queries_arrive_as_they_were_meant(clock):
    """Symbols and ids are quoted for the network and read back as they are."""
    exchange = Scripted(clock, reply(404, {"code": 40410000, "message": "asset not found"}))
    paper = paper_broker(exchange, clock, Switch())
    paper.tradable("BRK/B X")
    paper.find("a&b=c")
    assert [request.path for request in exchange.requests] == ["/v2/assets/BRK/B X", "/v2/orders:by_client_order_id"]
    assert exchange.requests[1].query == {"client_order_id": "a&b=c"}


def test_the_switch_and_the_deadline_hold_in_process_too(clock):
    """A set switch keeps the exchange from seeing the order; an answer after more than 10 s is none."""
    exchange = Scripted(clock, reply(200, ORDER), seconds=10.5)
    assert paper_broker(exchange, clock, Switch("set")).submit(approved()) == NotSent("set")
    assert exchange.requests == []
    late = paper_broker(exchange, clock, Switch()).submit(approved())
    assert late == Lost("no whole answer within 10 s")


def test_a_429_waits_on_the_simulated_clock(clock):
    """No real time passes."""
    busy = Response(429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 20)}, b"{}")
    paper = paper_broker(Scripted(clock, busy, reply(201, ORDER)), clock, Switch())
    assert isinstance(paper.submit(approved()), Accepted)
    assert clock.now() == NOW + timedelta(seconds=20)


def test_reads_go_the_same_way(clock):
    """The account, by the same reader."""
    assert paper_broker(Scripted(clock, reply(200, ACCOUNT)), clock, Switch()).account().number == "PA3ABCDEFGHI"
