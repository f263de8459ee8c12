"""The way to Alpaca: one deadline for everything, addresses that keys may go to, and keys that nothing shows."""

import io
import json
import logging
import socket
import ssl
import time
import traceback
from datetime import datetime
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kobe81.core.errors import UsageError
from kobe81.core.ports import Accepted, BrokerError, Lost, NotSent
from kobe81.core.secret import Secret
from kobe81.execution.alpaca_call import Call, Reply, Unheard
from kobe81.execution.alpaca_http import DATA, LIVE, PAPER, HttpWire, Keys, check_address, check_pairing
from kobe81.execution.broker_alpaca import AlpacaBroker
from tests.alpaca_fixtures import (
    ACCOUNT,
    CLIENT_ID,
    KEY_ID,
    KEY_SECRET,
    KEYS,
    ORDER,
    RealClock,
    Switch,
    approved,
    broker,
)
from tests.alpaca_server import HTML, AlpacaServer, Answer, answer, json_answer, refusal

BODY = json.dumps(ORDER).encode()
ENDLESS_HEAD = Answer(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000, drip=0.01)
ENDLESS_CHUNKS = Answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 10_000, drip=0.01)
CONTINUE = Answer(b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, drip=0.001)


@pytest.fixture
def server():
    with AlpacaServer() as running:
        yield running


# ------------------------------------------------------------------------------------------------ the deadline

@pytest.mark.parametrize("slow", [
    Answer(b"", hang=True), answer(BODY, drip=0.01), ENDLESS_HEAD, ENDLESS_CHUNKS, CONTINUE,
    answer(BODY, length=5000, hang=True), Answer(b"HTTP/1.1 200 OK\r\n", hang=True),
], ids=["never", "drip", "head", "chunks", "continue", "rest missing", "head missing"])
def test_no_answer_lasts_longer_than_the_deadline(server, slow):
    """However slowly bytes come, an order is Lost when its deadline is over, and not before; it is sent once."""
    server.script = [slow]
    begun = time.monotonic()
    assert broker(server.url, deadline=0.25).submit(approved()) == Lost("no whole answer within 0.25 s")
    assert 0.25 <= time.monotonic() - begun < 2
    assert len(server.requests) == 1


def test_the_deadline_is_ten_seconds_by_the_clock_handed_in(server):
    """A clock that shows 9.9 s more once the answer is on its way lets it come; one that shows 10 does not."""
    def clock(step):
        class Stepped(RealClock):
            def monotonic(self):
                return step if server.requests else 0.0
        return Stepped()

    server.script = [json_answer({})]
    call = Call("GET", "/v2/clock")
    assert isinstance(HttpWire(server.url, KEYS, clock(9.9)).send(call), Reply)
    server.requests.clear()
    server.script = [answer(b"{}", length=3, hang=True)]
    assert HttpWire(server.url, KEYS, clock(10.0)).send(call) == Unheard("no whole answer within 10 s", sent=True)


def test_each_call_has_a_connection_of_its_own(server):
    """No connection is used twice, so that none can have gone stale: an order on it would be lost, or sent again."""
    server.script = [json_answer(ORDER, headers={"Connection": "keep-alive"})]
    trading = broker(server.url)
    for _ in range(3):
        trading.submit(approved())
    assert (len(server.requests), server.connections) == (3, 3)
    assert {request.headers["connection"] for request in server.requests} == {"close"}


def test_the_next_address_of_a_host_is_tried(server, monkeypatch):
    """A host may have several addresses; one that refuses does not stand for the others."""
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **named):
        hosts = ("127.0.0.2", "127.0.0.1") if host == "localhost" else (host,)
        return [found for address in hosts for found in real(address, port, *rest, **named)]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    server.script = [json_answer(ORDER)]
    assert isinstance(broker(server.url.replace("127.0.0.1", "localhost")).submit(approved()), Accepted)
    assert server.connections == 1


def test_a_name_nobody_knows_means_not_sent(monkeypatch):
    """Without an address there is no connection, and without a connection no byte."""
    def unknown(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    assert isinstance(broker(PAPER).submit(approved()), NotSent)


# ------------------------------------------------------------------------------------------------ https

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a certificate that 127.0.0.1 has given itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    signed = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
              .serial_number(1).not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2120, 1, 1))
              .add_extension(address, critical=False).sign(key, hashes.SHA256()))
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return path


@pytest.fixture
def secured(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with AlpacaServer(context) as running:
        running.script = [json_answer(ORDER)]
        yield running


def test_orders_go_out_over_https(secured, certificate, monkeypatch):
    """To a server whose certificate is trusted and made out to its address."""
    monkeypatch.setattr("kobe81.execution.alpaca_http._certificates", lambda: ssl.create_default_context(
        cafile=str(certificate)))
    assert isinstance(broker(secured.url).submit(approved()), Accepted)


def test_a_server_without_a_trusted_certificate_gets_nothing(secured):
    """One that cannot prove to be Alpaca's sees neither key nor order."""
    refused = broker(secured.url).submit(approved())
    assert isinstance(refused, NotSent)
    assert "certificate" in refused.reason.lower()
    assert secured.requests == []


def test_a_handshake_that_never_ends_means_not_sent(server):
    """The deadline holds for the handshake too, and before its end not a byte of the order goes out."""
    slow = broker(server.url.replace("http:", "https:"), deadline=0.25).submit(approved())
    assert slow == NotSent("no whole answer within 0.25 s")
    assert server.requests == []


# ------------------------------------------------------------------------------------------------ addresses

@pytest.mark.parametrize("base", [PAPER, LIVE, DATA, f"{PAPER}/", "http://127.0.0.1:8081", "http://localhost:1/"])
def test_alpacas_hosts_and_this_machine_may_be_asked(base):
    """Over https, or without leaving the machine."""
    assert check_address(base) == base.rstrip("/")


@pytest.mark.parametrize("base", [
    "http://api.alpaca.markets", "https://api.alpaca.markets.evil.example", "https://evil.example/api.alpaca.markets",
    "https://api.alpaca.markets@evil.example", "https://evil.example#api.alpaca.markets", "https://api.alpaca.markets:444",
    "https://API.alpaca.markets", "ftp://127.0.0.1", "http://127.0.0.1.evil.example", "http://127.0.0.1:80@evil.example",
    "http://0.0.0.0:80", "http://169.254.169.254", "https://paper-api.alpaca.markets/v2", "", "api.alpaca.markets",
    "http://127.0.0.1:99999", "http://user:word@127.0.0.1:80", "https://api.alpaca.markets?x=1", "http://127.0.0.1:",
    "http://[::1", "http://localhost:80\r\nX: y",
])  # fmt: skip
def test_keys_go_nowhere_else(base):
    """Other hosts, other schemes, tricks with @, # and subdomains are refused before any connection."""
    with pytest.raises(UsageError, match="not an address"):
        check_address(base)


@pytest.mark.parametrize(("mode", "url", "key"), [
    ("paper", PAPER, "AKLIVE"), ("live", LIVE, "PKPAPER"), ("live", PAPER, "AKLIVE"), ("paper", LIVE, "PKPAPER"),
    ("paper", LIVE, "AKLIVE"), ("live", PAPER, "PKPAPER"), ("live", DATA, "AKLIVE"), ("paper", DATA, "PKPAPER"),
    ("paper", "http://127.0.0.1:1", "AKLIVE"), ("live", "http://127.0.0.1:1", "PKPAPER"),
])
def test_mode_address_and_key_have_to_agree(mode, url, key):
    """A live key with the paper address, the reverse, and every other mixture is refused, and the key not shown."""
    with pytest.raises(UsageError, match="do not belong together") as refused:
        check_pairing(mode, url, Secret(key))
    assert key not in str(refused.value)


@pytest.mark.parametrize(("mode", "url", "key", "warned"), [
    ("paper", PAPER, "PKPAPER", False), ("live", LIVE, "AKLIVE", False), ("paper", "http://127.0.0.1:1", "PKX", False),
    ("paper", PAPER, "ZZTOP", True), ("live", LIVE, "ZZTOP", True),
])
def test_agreement_is_silent_and_what_cannot_be_told_is_said(mode, url, key, warned):
    """A key of another beginning may be a new kind: it is let through with a warning."""
    assert bool(check_pairing(mode, url, Secret(key))) is warned


# ------------------------------------------------------------------------------------------------ keys

@pytest.mark.parametrize("half", ["PK 1", "PK1\n", "PK1\r\nX-Evil: 1", "PKé", "PK\0", "x" * 257])
def test_odd_keys_are_refused_without_showing_them(half):
    """A key copied with a line break would be a header of its own."""
    with pytest.raises(UsageError, match="copy it anew") as refused:
        HttpWire(PAPER, Keys(Secret("PK1"), Secret(half)), RealClock())
    assert half not in str(refused.value)


def test_a_short_key_takes_nothing_out_of_an_order(server):
    """"key" and "secret" do for a server on this machine; an order whose id happens to spell one is still ours."""
    spelt = CLIENT_ID[:-3] + "key"
    server.script = [json_answer(ORDER | {"client_order_id": spelt})]
    wire = HttpWire(server.url, Keys(Secret("key"), Secret("secret")), RealClock())
    said = AlpacaBroker(wire, RealClock(), Switch()).submit(approved(id=spelt))
    assert isinstance(said, Accepted)
    assert said.order.client == spelt


ECHO = f"{KEY_ID} {KEY_SECRET}"


@pytest.mark.parametrize("said", [
    refusal(403, 40310000, f"not with {ECHO}"), refusal(422, 42210000, ECHO), json_answer({"message": ECHO}, 404),
    answer(HTML, 403, {"X-Request-ID": KEY_SECRET}), json_answer({"error": ECHO}), answer(b"", 500),
    Answer(b"", reset=True),
    json_answer(ACCOUNT | {"status": KEY_SECRET}), json_answer(ORDER | {"client_order_id": KEY_SECRET}),
    Answer(f"HTTP/1.1 200 OK\r\n{KEY_SECRET}\r\n\r\n".encode()), Answer(f"{KEY_ID} {KEY_SECRET}\r\n\r\n".encode()),
])
def test_no_error_log_or_traceback_shows_a_key(server, said):
    """Not even where the server sends the keys back: in messages, in logs at DEBUG, in tracebacks with all locals."""
    server.script, stream, shown = [said], io.StringIO(), []
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        trading = broker(server.url)
        shown += [repr(trading), repr(vars(trading)), repr(KEYS), repr(trading.submit(approved()))]
        for read in (trading.account, lambda: trading.find(CLIENT_ID), lambda: trading.cancel("x")):
            try:
                shown.append(repr(read()))
            except BrokerError as error:
                ours = error.__traceback__.tb_next  # below this test, whose own names hold the keys
                told = traceback.StackSummary.extract(traceback.walk_tb(ours), capture_locals=True)
                shown += [str(error), *told.format(), repr(error.__context__), repr(error.__cause__)]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    logged = "\n".join([stream.getvalue(), *shown])
    assert KEY_ID not in logged
    assert KEY_SECRET not in logged
    assert server.requests[0].headers["apca-api-key-id"] == KEY_ID
    assert server.requests[0].headers["apca-api-secret-key"] == KEY_SECRET
