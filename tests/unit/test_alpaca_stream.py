"""The stream of trade updates wakes the runner, and does nothing else."""

import json
import threading
from contextlib import contextmanager

import pytest
from websockets.sync.server import serve

from kobe81.core.errors import UsageError
from kobe81.core.secret import Secret
from kobe81.execution.alpaca_http import Keys
from kobe81.execution.alpaca_stream import Waker

KEYS = Keys(Secret("PKKEY"), Secret("canary-secret"))


@contextmanager
def stream(script):
    """A server of Alpaca's stream: `script` is called with each connection."""
    with serve(script, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(5)


def authorised(line):
    """Sign the client in, as Alpaca does; what it said."""
    said = json.loads(line.recv())
    granted = {"status": "authorized", "action": "authenticate"}
    line.send(json.dumps({"stream": "authorization", "data": granted}).encode())
    return said, json.loads(line.recv())


def eventually(question, seconds=5.0):
    """Whether the question is answered with yes within so long."""
    answered = threading.Event()
    for _ in range(int(seconds * 100)):
        if question():
            return True
        answered.wait(0.01)
    return False


def test_a_trade_update_wakes_once():
    """After signing in with our key and asking for trade updates, each update rings, and asking again hears nothing."""
    heard, go = [], threading.Event()

    def script(line):
        heard.extend(authorised(line))
        go.wait(5)
        line.send(json.dumps({"stream": "trade_updates", "data": {"event": "fill"}}).encode())
        threading.Event().wait(0.5)

    with stream(script) as url:
        waker = Waker(url, KEYS).start()
        assert eventually(waker.woken)  # the first look, for what happened before it listened
        assert not waker.woken()
        go.set()
        assert eventually(waker.woken)
        waker.close()
    assert heard[0] == {"action": "auth", "key": "PKKEY", "secret": "canary-secret"}
    assert heard[1] == {"action": "listen", "data": {"streams": ["trade_updates"]}}


def test_other_messages_do_not_wake():
    """Only trade updates ring: the confirmation of listening does not."""
    sent = threading.Event()

    def script(line):
        authorised(line)
        line.send(json.dumps({"stream": "listening", "data": {"streams": ["trade_updates"]}}).encode())
        sent.set()
        threading.Event().wait(0.5)

    with stream(script) as url:
        waker = Waker(url, KEYS).start()
        assert eventually(waker.woken)
        assert sent.wait(5)
        assert not eventually(waker.woken, 0.2)
        waker.close()


def test_a_lost_connection_is_taken_up_again():
    """A server that hangs up is connected to again, and listening again wakes."""
    calls = []

    def script(line):
        calls.append(1)
        authorised(line)

    with stream(script) as url:
        waker = Waker(url, KEYS).start()
        assert eventually(lambda: len(calls) >= 2, 8)
        waker.close()


def test_junk_and_refusal_wake_nobody():
    """A stream that refuses the key, or talks nonsense, neither wakes nor raises."""
    def script(line):
        line.recv()
        line.send("no json" if len(seen) else json.dumps({"data": {"status": "unauthorized"}}))
        seen.append(1)

    seen = []
    with stream(script) as url:
        waker = Waker(url, KEYS).start()
        assert eventually(lambda: seen)
        assert not eventually(waker.woken, 0.2)
        waker.close()


@pytest.mark.parametrize("base", ["http://api.alpaca.markets", "https://elsewhere.example"])
def test_addresses_are_held_to_the_list(base):
    """The key goes to Alpaca over TLS, or to this machine, and nowhere else."""
    with pytest.raises(UsageError):
        Waker(base, KEYS)
