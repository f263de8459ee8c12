"""Alpaca over the network: one connection a call, one total deadline, and a last look before the first byte.

The official client, alpaca-py, sends a POST again on 429 and on 504, three times, and sets no timeout at all: an order
that was accepted behind a 504 would be sent anew. httpx2 alone will not do either, because its timeouts hold for one
step of many, so that a byte every second keeps an answer coming for ever. So this is httpcore2, the engine in httpx2,
with a network backend that gives every connect, handshake, write and read what is left of one deadline, by the clock
handed in. Each call has a connection of its own: no stale one can swallow a request, and none is sent again behind our
back. (Looking up the host's name is left to the system and its timeouts; a call that this made late is not sent.)
"""

from __future__ import annotations

import logging
import re
import socket
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import httpcore2

from kobe81.core.clock import Clock
from kobe81.core.errors import UsageError
from kobe81.core.secret import Secret, masked
from kobe81.execution.alpaca_call import DEADLINE, Call, Gate, Reply, Unheard, go

if TYPE_CHECKING:
    from ssl import SSLContext

PAPER, LIVE, DATA = "https://paper-api.alpaca.markets", "https://api.alpaca.markets", "https://data.alpaca.markets"
_HERE = re.compile(r"https?://(127\.0\.0\.1|localhost)(:(?P<port>[0-9]{1,5}))?")
LAST_PORT = 65535
_LIVE_KEY, _PAPER_KEY = "AK", "PK"
_FAULTS = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, OSError)
BODY_CAP = 1 << 20
SHORTEST_KEY = 16
"""Characters of a key that is taken out of answers (Alpaca's have 20 and 40). A shorter one is a word for a server on
this machine, as "key" is, and may be a part of any order's id."""


class Keys(NamedTuple):
    """The two halves of an account's key."""

    id: Secret
    secret: Secret


class _Stopped(Exception):  # noqa: N818
    """The gate said no, or the answer is over the cap."""


class HttpWire:
    """The way to one of Alpaca's hosts, or to a server on this machine that speaks its protocol."""

    def __init__(self, base: str, keys: Keys, clock: Clock, deadline: float = DEADLINE) -> None:
        self.base, self._keys, self._clock, self._deadline = check_address(base), keys, clock, deadline
        logging.getLogger("httpcore2").setLevel(logging.WARNING)  # below that it logs what a server sends back
        for half in keys:
            if not re.fullmatch(r"[!-~]{1,256}", half.reveal()):
                raise UsageError("the Alpaca key has a space, a line break or another odd character; copy it anew")

    def send(self, call: Call, gate: Gate = go) -> Reply | Unheard:
        """One attempt. Unheard where the gate says no, the deadline passes, or no whole answer comes."""
        line = _Line(self._clock, self._clock.monotonic() + self._deadline, gate)
        try:
            return self._talk(call, line)
        except httpcore2.TimeoutException:
            reason = f"no whole answer within {self._deadline:g} s"
        except _Stopped as stopped:
            reason = str(stopped)
        except _FAULTS as fault:
            reason = masked(f"no answer ({str(fault)[:200]!r})", *self._keys)
        return Unheard(reason, line.sent)

    def _talk(self, call: Call, line: _Line) -> Reply:
        url = httpcore2.URL(self.base + call.path + ("?" + urlencode(call.query) if call.query else ""))
        certificates = _certificates() if url.scheme == b"https" else None
        body = bytearray()
        with (httpcore2.HTTPConnection(url.origin, certificates, retries=0, network_backend=line) as connection,
              connection.stream(call.method, url, headers=self._headers(call), content=call.body or None) as response):
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > BODY_CAP:
                    raise _Stopped(f"an answer of more than {BODY_CAP:,} bytes")
            return Reply(response.status, {k.lower(): self._shown(v) for k, v in _pairs(response)},
                         self._shown(bytes(body)).encode("latin-1"))

    def _headers(self, call: Call) -> list[tuple[str | bytes, str | bytes]]:
        # A compressed answer could be small on the wire and endless in memory.
        fixed = [("Accept", "application/json"), ("Accept-Encoding", "identity"), ("Connection", "close")]
        typed = [("Content-Type", "application/json")] if call.body else []
        return [*fixed, *typed, ("APCA-API-KEY-ID", self._keys.id.reveal()),
                ("APCA-API-SECRET-KEY", self._keys.secret.reveal())]

    def _shown(self, content: bytes) -> str:
        """Bytes as text, one to one, without the keys: a server may send back what it was sent."""
        long = (half for half in self._keys if len(half.reveal()) >= SHORTEST_KEY)
        return masked(content.decode("latin-1"), *long)


def _pairs(response: httpcore2.Response) -> list[tuple[str, bytes]]:
    return [(name.decode("latin-1"), value) for name, value in response.headers]


class _Line(httpcore2.NetworkBackend):
    """A connection whose every step has what is left of one deadline, and that asks the gate before the first write.

    sent: whether a byte of the request has been handed to the socket.
    """

    def __init__(self, clock: Clock, ends: float, gate: Gate) -> None:
        self._clock, self._ends, self._gate = clock, ends, gate
        self.sent = False

    def left(self) -> float:
        """Seconds; TimeoutException where there are none."""
        seconds = self._ends - self._clock.monotonic()
        if not seconds > 0:
            raise httpcore2.TimeoutException("the deadline is over")
        return seconds

    def open_gate(self) -> None:
        """Before the first write: the last look."""
        if not self.sent and (reason := self._gate()):
            raise _Stopped(reason)
        self.sent = True

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                    socket_options: Any = None) -> httpcore2.NetworkStream:
        """Connect to the first address that answers, each having its share of what is left."""
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for more, (*_, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                return _Stream(httpcore2.SyncBackend().connect_tcp(str(address[0]), port, self.left() / more), self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if more == 1:
                    raise
        raise httpcore2.ConnectError(f"{host} has no address")


class _Stream(httpcore2.NetworkStream):
    """A stream under a line's deadline, whatever timeouts it is asked for."""

    def __init__(self, inner: httpcore2.NetworkStream, line: _Line) -> None:
        self._inner, self._line = inner, line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._line.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        seconds = self._line.left()
        self._line.open_gate()
        self._inner.write(buffer, seconds)

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: SSLContext, server_hostname: str | None = None,
                  timeout: float | None = None) -> httpcore2.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._line.left()), self._line)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@cache
def _certificates() -> SSLContext:
    """The trusted authorities, the same ones that vendors are judged by."""
    import httpx2

    return httpx2.create_ssl_context()


def check_address(base: str) -> str:
    """The address without a slash at its end; UsageError for any but Alpaca's hosts over https, and this machine.

    Keys are sent there, so a slip of the pen must not send them elsewhere.
    """
    address = base.removesuffix("/")
    here = _HERE.fullmatch(address)
    if address in {PAPER, LIVE, DATA} or (here and int(here["port"] or 0) <= LAST_PORT):
        return address
    raise UsageError(f"{base!r} is not an address of Alpaca's; give {PAPER}, {LIVE}, {DATA}, "
                     "or http://127.0.0.1:PORT for `kobe exchange`")


def check_pairing(mode: str, url: str, key_id: Secret) -> str:
    """UsageError where mode, address and key do not belong together; otherwise "", or what could not be told.

    Alpaca's live keys begin with AK and its paper keys with PK (observed, not promised, so that another beginning is
    only worth a warning). A server on this machine may stand for either.
    """
    other_url, other_key = (PAPER, _PAPER_KEY) if mode == "live" else (LIVE, _LIVE_KEY)
    own_url, own_key = (LIVE, _LIVE_KEY) if mode == "live" else (PAPER, _PAPER_KEY)
    base = check_address(url)
    if base in {other_url, DATA}:
        raise UsageError(f"--mode {mode} and the address {base} do not belong together; {mode} trades at {own_url}")
    beginning = key_id.reveal()[:2]
    if beginning == other_key:
        raise UsageError(f"--mode {mode} and a key that begins with {beginning} do not belong together: keys of a "
                         f"{mode} account begin with {own_key}; make one on Alpaca's page of that account")
    return "" if beginning == own_key else f"the key does not begin with {own_key}; is it that of a {mode} account?"
