"""Trade updates over the websocket: the official stream hears them, strangers do not, and nobody holds up anybody."""

import asyncio
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
from exchange_fixtures import (
    ORDER,
    TinyExchange,
    TradingStream,
    asker,
    listener,
    until,
)
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from kobe81.app.clock import SystemClock
from kobe81.execution.exchange.server import serving

UPDATED = {"updated_at": "2026-01-02T15:00:00Z"}


@pytest.fixture(scope="module")
def served():
    exchange = TinyExchange()
    with serving(exchange, SystemClock()) as url:
        yield exchange, url


@pytest.fixture
def url(served):
    return served[1]


def test_the_official_stream_hears_the_fill(url):
    """alpaca-py's TradingStream signs in, listens, and reads its own model out of each update."""
    heard = []
    stream = TradingStream("key", "secret", url_override=url.replace("http", "ws", 1) + "/stream")

    async def hear(update):
        heard.append((update.event, update.order.client_order_id))
        if len(heard) == 2:
            await stream.stop_ws()

    stream.subscribe_trade_updates(hear)
    listening = threading.Thread(target=stream.run, daemon=True)
    listening.start()
    until(lambda: stream._running)
    with asker(url) as client:
        client.post("/v2/orders", json={**ORDER, "client_order_id": "streamed"})
    until(lambda: len(heard) == 2)
    assert heard == [("new", "streamed"), ("fill", "streamed")]
    asyncio.run_coroutine_threadsafe(stream.close(), stream._loop)
    listening.join(10)


def test_words_of_the_stream(url):
    """Both ways to sign in, a refusal, listening and ceasing to, as Alpaca's documentation has them; updates come in
    binary frames, as on its paper stream."""
    with connect(url.replace("http", "ws", 1) + "/stream") as ws:
        said = [
            ({"action": "listen", "data": {"streams": ["trade_updates"]}},
             {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}),
            ({"action": "authenticate", "data": {"key_id": "wrong", "secret_key": "secret"}},
             {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}),
            ({"action": "authenticate", "data": {"key_id": "key", "secret_key": "secret"}},
             {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}),
            ({"action": "listen", "data": {"streams": ["trade_updates", "moon_phases"]}},
             {"stream": "listening", "data": {"streams": ["trade_updates"]}}),
            ({"action": "listen", "data": {"streams": []}}, {"stream": "listening", "data": {"streams": []}}),
        ]
        for asked, answered in said:
            ws.send(json.dumps(asked))
            got = ws.recv(timeout=5)
            assert isinstance(got, bytes)
            assert json.loads(got) == answered


@pytest.mark.parametrize("junk", ["{", "[]", '{"action": 7}', "[" * 30_000, '{"action": "dance"}', "\udcff"])
def test_junk_is_answered_and_the_stream_goes_on(url, junk):
    with listener(url) as ws:
        ws.send(junk.encode("utf-8", "surrogateescape"))
        assert json.loads(ws.recv(timeout=5))["stream"] == "error"
        ws.send(json.dumps({"action": "listen", "data": {"streams": []}}))
        assert json.loads(ws.recv(timeout=5))["stream"] == "listening"


def test_who_has_not_signed_in_hears_nothing(served):
    """Of three listeners, the one with a wrong key and the one that never asked to listen stay without news."""
    exchange, url = served
    with listener(url, key="wrong") as stranger, listener(url, listen=False) as silent, listener(url) as ws:
        exchange.tell("fill", UPDATED)
        assert json.loads(ws.recv(timeout=5))["data"]["event"] == "fill"
        for deaf in (stranger, silent):
            with pytest.raises(TimeoutError):
                deaf.recv(timeout=0.1)


def test_a_slow_listener_is_dropped_and_holds_up_nobody(served):
    """One that never reads is cut off; the one beside it has every update, in order."""
    exchange, url = served
    parts, text = urlsplit(url), "x" * 10_000
    with listener(url) as quick, socket.create_connection((parts.hostname, parts.port)) as slow:
        slow.sendall(_handshake())
        assert slow.recv(4096).startswith(b"HTTP/1.1 101")
        slow.sendall(_frame({"action": "auth", "key": "key", "secret": "secret"}))
        slow.sendall(_frame({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        until(lambda: slow.recv(4096, socket.MSG_PEEK).count(b'"listening"'))
        for n in range(3000):
            exchange.tell("new", {**UPDATED, "n": n, "text": text})
            assert json.loads(quick.recv(timeout=5))["data"]["order"]["n"] == n
        slow.settimeout(5.0)
        assert sum(piece.count(b"trade_updates") for piece in iter(lambda: slow.recv(1 << 20), b"")) < 3000


def _handshake():
    return (b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def _frame(message):
    """A short text frame as RFC 6455 has it, under a mask of zeros."""
    text = json.dumps(message).encode()
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def test_there_is_one_stream(url):
    """Another path, another host and a web page are refused before the handshake."""
    for path, headers in (("/v2/stream", {}), ("/stream", {"Origin": "http://localhost"})):
        address = url.replace("http", "ws", 1) + path
        with pytest.raises(InvalidStatus, match="403"), connect(address, additional_headers=headers):
            pass
