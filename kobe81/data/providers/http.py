"""HTTP as every vendor is asked: one deadline, one size limit, one quota, one way of trying again."""

from __future__ import annotations

import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import urljoin, urlsplit

from kobe81.core.errors import Refused, Unavailable, UsageError
from kobe81.data.providers import Exhausted, Manners

if TYPE_CHECKING:
    from ssl import SSLContext

T = TypeVar("T")

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_FOR_EVERY_SYMBOL = {401, 402, 403, 418, 451}
"""No key, no plan, not allowed, banned (Binance's 418), not from this country."""


class Reply(NamedTuple):
    """An answer with status 200; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes


class Busy(Unavailable):
    """The vendor asks to be left alone for a while: `after` seconds, where it says how many."""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Channel:
    """The way to one vendor: `ask` sends a GET and has the answer parsed, trying again while that may help."""

    def __init__(self, vendor: str, base: str, calls_per_minute: int | None, manners: Manners) -> None:
        self.vendor, self.base, self.manners = vendor, check_address(base), manners
        self.throttle = throttle(calls_per_minute, manners.period)
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # below that it logs addresses, and keys stand in some

    def ask(self, symbol: str, path: str, parse: Callable[[Reply], T], *,
            params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> T:
        """What `parse` makes of the answer. An Unavailable, raised by `parse` or on the way, is tried again."""
        about = f"{self.vendor} {symbol}"

        def attempt() -> T:
            self.throttle()
            return parse(self._get(about, urljoin(self.base, path), params or {}, headers or {}))

        return persist(attempt, self.manners)

    def _get(self, about: str, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        import httpx2

        if urlsplit(url).netloc != urlsplit(self.base).netloc:
            raise Unavailable(f"{about}: its next page lies on another host ({urlsplit(url).netloc}); not followed")
        try:
            with cut_after(self.manners.deadline) as (extensions, expired):
                status, answer, body = _read(url, params, headers, self.manners, extensions)
        except httpx2.InvalidURL as error:
            raise Unavailable(f"{about}: cannot be asked ({error}); check the address {self.base}") from error
        except httpx2.HTTPError as error:
            raise Unavailable(_unheard(about, self.manners, error, expired)) from error
        if expired.is_set():  # shutting the socket may look like a body that has ended
            raise Unavailable(_unheard(about, self.manners, None, expired))
        if len(body) > self.manners.body_cap:
            raise Refused(f"{about}: answered with more than {self.manners.body_cap:,} bytes; use another source")
        if status != 200:
            refuse(about, status, answer, excerpt(body), self.manners)
        return Reply(answer, body)


def _read(url: str, params: Mapping[str, str], headers: Mapping[str, str], manners: Manners,
          extensions: dict[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body; of a body over the cap only as much as shows that it is."""
    import httpx2

    body = bytearray()
    with (httpx2.Client(timeout=manners.deadline, verify=_certificates()) as client,  # its one connection is cut
          client.stream("GET", url, params=params or None, headers=headers, extensions=extensions) as response):
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > manners.body_cap:
                break
        return response.status_code, dict(response.headers), bytes(body)


@cache
def _certificates() -> SSLContext:
    """The trusted authorities, which take longer to read than a page of bars."""
    import httpx2

    return httpx2.create_ssl_context()


@contextmanager
def cut_after(seconds: float) -> Iterator[tuple[dict[str, Any], Event]]:
    """Extensions for one request whose socket is shut after `seconds`, and the event that says so.

    A read timeout alone never ends an answer that drips one byte at a time.
    """
    streams: list[Any] = []
    expired = Event()

    def shut() -> None:
        for stream in streams:
            with suppress(OSError):  # already closed
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def cut() -> None:
        expired.set()
        shut()

    def trace(event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            streams.append(info["return_value"])
            if expired.is_set():  # connected too late for `cut` to see
                shut()

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield {"trace": trace}, expired
    finally:
        timer.cancel()


def _unheard(about: str, manners: Manners, error: Exception | None, expired: Event) -> str:
    import httpx2

    if expired.is_set() or isinstance(error, httpx2.TimeoutException):
        return f"{about}: no whole answer within {manners.deadline:g} s; try again later or use another source"
    return f"{about}: no answer ({error}); check the network or use another source"


def persist(call: Callable[[], T], manners: Manners) -> T:
    """What `call` returns, calling again after an Unavailable; a vendor that stays Busy becomes Exhausted."""
    import stamina

    def pause(error: Exception) -> bool | float:
        if isinstance(error, Busy):
            return manners.period / 2 if error.after is None else error.after
        return isinstance(error, Unavailable)

    try:
        for attempt in stamina.retry_context(pause, attempts=manners.attempts, timeout=None, wait_initial=manners.wait,
                                             wait_max=manners.longest_wait, wait_jitter=manners.wait):
            with attempt:
                return call()
    except Busy as error:
        raise Exhausted(f"{error}; still so after {manners.attempts} attempts") from error
    raise AssertionError("unreachable")  # the last attempt returns or raises


def throttle(calls: int | None, period: float) -> Callable[[], None]:
    """A function that returns as soon as one more call keeps within `calls` per `period` seconds."""
    if calls is None:
        return lambda: None
    from pyrate_limiter import InMemoryBucket, Limiter, Rate, SingleBucketFactory

    bucket = InMemoryBucket([Rate(calls, int(period * 1000))])
    limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False))

    def take() -> None:
        # Its own waiting counts the time it meant to sleep, so a call after a long sleep would come too early.
        while not limiter.try_acquire(blocking=False):
            time.sleep(period / 1000)

    return take


def check_address(base: str) -> str:
    """The address itself; UsageError where a key could be read on the way."""
    parts = urlsplit(base)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return base
    raise UsageError(f"{base} is neither https nor on this machine; give an https address")


def refuse(about: str, status: int, headers: Mapping[str, str], words: str, manners: Manners) -> NoReturn:
    """Raise what an answer other than 200 means."""
    if 300 <= status < 400:
        target = urlsplit(headers.get("location", "")).netloc or "another page"
        raise Unavailable(f"{about}: redirected to {target}, which is not followed; use another source")
    if status in _FOR_EVERY_SYMBOL:
        raise Exhausted(f"{about}: HTTP {status}: {words}; check the key and what its plan includes")
    if status == 429:
        raise busy(about, headers, manners)
    if 400 <= status < 500:
        raise Refused(f"{about}: HTTP {status}: {words}; check the symbol and the dates")
    raise Unavailable(f"{about}: HTTP {status}: {words}; try again later or use another source")


def busy(about: str, headers: Mapping[str, str], manners: Manners) -> Busy | Exhausted:
    """What HTTP 429 means: wait, or give up where the wait would be too long."""
    after = _seconds(headers.get("retry-after", ""))
    if after is not None and not after <= manners.longest_wait:
        return Exhausted(f"{about}: too many requests, to be asked again in {after:,.0f} s; run again after that")
    return Busy(f"{about}: too many requests", after)


def _seconds(text: str) -> float | None:
    try:
        return max(float(text), 0.0)
    except ValueError:  # absent, or a date, which would need the wall clock
        return None


def read_json(about: str, reply: Reply) -> Any:
    """The body as JSON; Unavailable where it is HTML, cut short or anything else."""
    try:
        return json.loads(reply.body)
    except ValueError as error:
        kind = "HTML" if is_html(reply.body) else "a body that is not whole JSON"
        raise Unavailable(f"{about}: answered with {kind}: {excerpt(reply.body)}; "
                          "try again later or use another source") from error


def is_html(body: bytes) -> bool:
    """Whether the body is a page for people, whatever its content type says."""
    return body.lstrip()[:1] == b"<"


def excerpt(body: bytes, length: int = 120) -> str:
    """The first words of a body, tags and unprintable characters left out."""
    text = re.sub(r"<(script|style).*?(</\1>|$)|<[^>]*>", " ", body[:4096].decode("utf-8", "replace"), flags=re.S)
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"{words[:length]!r}" if words else "nothing"

