"""PaperBroker: AlpacaBroker in front of an exchange in the same process. One adapter, one wire format, no network."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import unquote

from kobe81.core.clock import Clock
from kobe81.core.ports import KillSwitch
from kobe81.execution.alpaca_call import DEADLINE, Call, Gate, Reply, Unheard, go
from kobe81.execution.broker_alpaca import AlpacaBroker
from kobe81.execution.exchange.wire import Request, Response

_HEADERS = {"apca-api-key-id": "paper", "apca-api-secret-key": "paper"}
"""The exchange within has one account, whatever the key."""


class Handles(Protocol):
    """An exchange: requests in, answers out."""

    def handle(self, request: Request) -> Response: ...


class InProcess:
    """The way to an exchange in this process, under the same deadline as the network."""

    def __init__(self, exchange: Handles, clock: Clock) -> None:
        self._exchange, self._clock = exchange, clock

    def send(self, call: Call, gate: Gate = go) -> Reply | Unheard:
        """One call. Unheard where the gate says no, or more time has passed than a call has."""
        begun = self._clock.monotonic()
        if reason := gate():
            return Unheard(reason, sent=False)
        answer = self._exchange.handle(
            Request(call.method, unquote(call.path), dict(call.query), call.body, _HEADERS))
        if not (self._clock.monotonic() - begun <= DEADLINE):
            return Unheard(f"no whole answer within {DEADLINE:g} s", sent=True)
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body)


def paper_broker(exchange: Handles, clock: Clock, switch: KillSwitch) -> AlpacaBroker:
    """The embedded default: it needs no account and no network."""
    return AlpacaBroker(InProcess(exchange, clock), clock, switch, name="paper")
