"""One call to Alpaca and what comes of it, whichever way it goes: over the network, or to the exchange within.

A way to Alpaca never raises: what went wrong is a value, so that no traceback holds a request with keys in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from kobe81.core.clock import Clock
from kobe81.core.ports import BrokerError
from kobe81.execution.alpaca_wire import Unreadable, refusal

T = TypeVar("T")

Gate = Callable[[], str]
"""Asked at the last step before the first byte: "" lets the call go, anything else is why it must not."""

DEADLINE = 10.0
"""Seconds that one call may take from its first step to the last byte of its answer."""
TRIES = 3
LONGEST_PAUSE, LONGEST_WAIT = 30.0, 60.0
"""Seconds that one 429, and all of one order or question together, are waited for."""


class Call(NamedTuple):
    """What is asked. path: as '/v2/orders', each part quoted; body: JSON, or nothing."""

    method: str
    path: str
    query: Mapping[str, str] = {}
    body: bytes = b""


class Reply(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unheard(NamedTuple):
    """No whole answer came. sent: whether a byte of the call may have left; False only where that is certain."""

    reason: str
    sent: bool


class Wire(Protocol):
    """A way to Alpaca: one attempt, one total deadline, no redirect followed, nothing sent twice."""

    def send(self, call: Call, gate: Gate = ...) -> Reply | Unheard:
        """Send it, where the gate lets it go; Unheard(sent=False) where not."""


def go() -> str:
    """The gate of what may always be asked."""
    return ""


class Patience:
    """Waiting after a 429: until its reset, doubling from 1 s where it names none in the future, at most 30 s at once
    and 60 s in all."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._left, self._backoff = clock, LONGEST_WAIT, 1.0

    def wait(self, answer: Reply | Unheard) -> bool:
        """Wait; False, at once, where that would be longer than is left."""
        pause = min(self._until_reset(answer) or self._backoff, LONGEST_PAUSE)
        self._backoff *= 2
        if not pause <= self._left:
            return False
        self._left -= pause
        self._clock.sleep(pause)
        return True

    def _until_reset(self, answer: Reply | Unheard) -> float:
        """Seconds to the epoch second in X-RateLimit-Reset; 0 where it is absent, past or nonsense."""
        reset = answer.headers.get("x-ratelimit-reset", "") if isinstance(answer, Reply) else ""
        try:
            seconds = float(reset) - self._clock.now().timestamp()
        except ValueError:
            return 0.0
        return seconds if seconds > 0 else 0.0


def ask(wire: Wire, clock: Clock, call: Call) -> Reply:
    """The answer to what may be asked twice: reads and cancels. BrokerError where none comes.

    No answer and 5xx are tried three times, 429 for as long as patience lasts. (The retries of `data` wait on the
    system's clock; here the clock is handed in, and may be a simulated one.)
    """
    patience, failures = Patience(clock), 0
    while True:
        answer = wire.send(call)
        if isinstance(answer, Reply) and answer.status < 500 and answer.status != 429:
            return answer
        failures += not _busy(answer)
        if failures == TRIES or not patience.wait(answer):
            raise failed(call, answer, "")


def _busy(answer: Reply | Unheard) -> bool:
    return isinstance(answer, Reply) and answer.status == 429


def read(wire: Wire, clock: Clock, call: Call, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of the answer; BrokerError for any other than 200."""
    reply = ask(wire, clock, call)
    if reply.status != 200:
        raise refused(call, reply)
    return readable(call, reply, parse)


def lookup(wire: Wire, clock: Clock, call: Call, parse: Callable[[bytes], T]) -> T | None:
    """As `read`; None where Alpaca says, in its format, that there is no such thing."""
    reply = ask(wire, clock, call)
    if reply.status == 404:
        readable(call, reply, refusal)
        return None
    if reply.status != 200:
        raise refused(call, reply)
    return readable(call, reply, parse)


def readable(call: Call, reply: Reply, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of the body; BrokerError where it can make nothing of it."""
    try:
        return parse(reply.body)
    except Unreadable as error:
        raise failed(call, reply, str(error)) from None


def refused(call: Call, reply: Reply) -> BrokerError:
    """What to raise for an answer that says no, in Alpaca's words where they can be read."""
    try:
        code, message = refusal(reply.body)
    except Unreadable as error:
        return failed(call, reply, str(error))
    return failed(call, reply, f"{message!r} (code {code})")


def failed(call: Call, answer: Reply | Unheard, words: str) -> BrokerError:
    """What to raise for an answer that is of no use, and why it is not."""
    about = f"{call.method} {call.path}"
    if isinstance(answer, Unheard):
        return BrokerError(f"{about}: {answer.reason}; check the network and https://status.alpaca.markets")
    named = f" (request id {answer.headers['x-request-id'][:64]!r})" if "x-request-id" in answer.headers else ""
    return BrokerError(f"{about}: HTTP {answer.status}{named}{': ' if words else ''}{words}{_advice(answer.status)}",
                       answer.status)


def _advice(status: int) -> str:
    if status in {401, 403}:
        return "; check that the key is right, belongs to this address and may do this"
    if status == 429:
        return "; too many requests, also from other programs with this key; wait a minute"
    return "; see https://status.alpaca.markets" if status >= 500 else ""
