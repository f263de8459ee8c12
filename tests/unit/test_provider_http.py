"""How every vendor is asked: the deadline, the size limit, the quota, the ways of trying again."""

import time

import httpx2
import pytest

from kobe81.core.errors import Refused, Unavailable, UsageError
from kobe81.data.providers import Exhausted, Manners
from kobe81.data.providers.http import Channel, Reply, check_address, cut_after, excerpt, throttle
from tests.vendor_server import Answer, VendorServer, html

QUICK = Manners(deadline=10.0, attempts=3, wait=0.001, longest_wait=1.0, body_cap=1000, period=0.02)


@pytest.fixture
def server():
    with VendorServer() as running:
        yield running


def body(reply: Reply) -> bytes:
    return reply.body


def ask(server, manners=QUICK, path="/bars", calls=None):
    return Channel("vendor", server.url, calls, manners).ask("AAPL", path, body)


@pytest.mark.parametrize("where", ["head", "body"])
@pytest.mark.parametrize("length", [True, False])
def test_an_answer_that_drips_is_cut_at_the_deadline(server, where, length):
    """Each byte comes well within a read timeout; the whole would take 20 s. Without an announced length the cut
    looks to the HTTP library like the end of the body, and must not to us."""
    server.answers = [Answer(b"x" * 1000, drip=0.02, drip_from=where, length=length)]
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"vendor AAPL: no whole answer within 0\.25 s"):
        ask(server, Manners(deadline=0.25, attempts=1))
    assert 0.2 < time.monotonic() - started < 5


def test_a_connection_made_after_the_deadline_is_cut_at_once(server):
    """Looking up the name, or a busy machine, may use the time up before there is a socket to shut."""
    server.answers = [Answer(b"x" * 1000, drip=0.02)]
    with cut_after(0.001) as (extensions, expired), httpx2.Client() as client:
        assert expired.wait(5)
        started = time.monotonic()
        with pytest.raises(httpx2.HTTPError):
            client.get(server.url, extensions=extensions)
    assert time.monotonic() - started < 5


def test_a_body_over_the_limit_is_refused_and_not_asked_for_again(server):
    server.answers = [Answer(b"x" * 1001)]
    with pytest.raises(Refused, match="more than 1,000 bytes"):
        ask(server)
    assert len(server.requests) == 1


def test_a_body_at_the_limit_is_taken(server):
    server.answers = [Answer(b"x" * 1000)]
    assert len(ask(server)) == 1000


def test_a_small_file_that_decompresses_to_a_large_one_counts_as_large(server):
    """10 kB of zeros are 45 bytes of gzip."""
    import gzip

    server.answers = [Answer(gzip.compress(bytes(10_000)), headers={"Content-Encoding": "gzip"})]
    with pytest.raises(Refused, match="more than 1,000 bytes"):
        ask(server)


def test_a_redirect_is_not_followed(server):
    """It might lead a key to another host."""
    server.answers = [Answer(b"", 302, {"Location": "https://elsewhere.example/login"})]
    with pytest.raises(Unavailable, match=r"redirected to elsewhere\.example, which is not followed"):
        ask(server, Manners(attempts=1))
    assert len(server.requests) == 1


def test_another_host_is_not_asked(server):
    with pytest.raises(Unavailable, match=r"another host \(elsewhere\.example\)"):
        ask(server, Manners(attempts=1), path="https://elsewhere.example/page2")


@pytest.mark.parametrize("base", ["http://stooq.com", "ftp://stooq.com", "stooq.com", "http://127.0.0.1.example.com"])
def test_an_address_must_be_https_or_this_machine(base):
    with pytest.raises(UsageError, match="neither https nor on this machine"):
        check_address(base)


def test_https_and_loopback_are_addresses():
    for base in ("https://stooq.com", "http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:1"):
        assert check_address(base) == base


def test_a_server_error_is_tried_again(server):
    server.answers = [Answer(status=500), Answer(status=503), Answer(b"bars")]
    assert ask(server) == b"bars"
    assert len(server.requests) == 3


def test_trying_again_has_an_end(server):
    server.answers = [Answer(b"down for maintenance", status=503)]
    with pytest.raises(Unavailable, match="HTTP 503: 'down for maintenance'"):
        ask(server)
    assert len(server.requests) == 3


def test_a_body_cut_short_is_tried_again(server):
    """The server announces the whole length and hangs up after half."""
    server.answers = [Answer(b"bars" * 10, cut=True), Answer(b"bars" * 10)]
    assert ask(server) == b"bars" * 10


def test_no_server_at_all_is_unavailable():
    with VendorServer() as closed:
        pass
    with pytest.raises(Unavailable, match=r"vendor AAPL: no answer .* check the network"):
        ask(closed)


def test_429_waits_as_long_as_it_says(server):
    server.answers = [Answer(status=429, headers={"Retry-After": "0.2"}), Answer(b"bars")]
    assert ask(server) == b"bars"
    first, second = server.requests
    assert second.at - first.at >= 0.2


def test_429_that_does_not_say_waits_half_the_quotas_period(server):
    server.answers = [Answer(status=429), Answer(b"bars")]
    assert ask(server, Manners(attempts=2, wait=0.0, period=0.3)) == b"bars"
    first, second = server.requests
    assert second.at - first.at >= 0.15


def test_429_that_stays_exhausts_the_source(server):
    server.answers = [Answer(status=429, headers={"Retry-After": "0"})]
    with pytest.raises(Exhausted, match="too many requests; still so after 3 attempts"):
        ask(server)
    assert len(server.requests) == 3


@pytest.mark.parametrize("after", ["3600", "nan", "inf"])
def test_429_with_an_absurd_wait_is_not_waited_for(server, after):
    server.answers = [Answer(status=429, headers={"Retry-After": after})]
    with pytest.raises(Exhausted, match="to be asked again in"):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 418, 451])
def test_a_refusal_of_the_caller_exhausts_the_source(server, status):
    server.answers = [Answer(b"Unknown API Key", status)]
    with pytest.raises(Exhausted, match=f"HTTP {status}: 'Unknown API Key'"):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_of_the_request_is_for_this_symbol_only(server, status):
    server.answers = [Answer(b"no such symbol", status)]
    with pytest.raises(Refused, match="no such symbol") as caught:
        ask(server)
    assert not isinstance(caught.value, Exhausted)
    assert len(server.requests) == 1


def test_the_quota_holds_over_a_sliding_window():
    """Of 5 calls at 2 per 0.1 s, each but the first two waits for the call two before it to be 0.1 s old."""
    take = throttle(2, 0.1)
    times = [(take(), time.monotonic())[1] for _ in range(5)]
    assert all(later - earlier >= 0.098 for earlier, later in zip(times, times[2:], strict=False))


def test_every_try_takes_its_place_in_the_quota(server):
    """Two tries at one call per 0.2 s are at least that far apart, whatever the wait between tries."""
    server.answers = [Answer(status=500), Answer(b"bars")]
    started = time.monotonic()
    ask(server, Manners(attempts=2, wait=0.0, period=0.2), calls=1)
    assert server.requests[1].at - started >= 0.2


def test_an_excerpt_holds_words_and_no_markup():
    page = html("<script>alert(1)</script><h1>Get your\x07 apikey</h1>").body
    assert excerpt(page) == "'Get your apikey'"
    assert excerpt(b"") == "nothing"
    assert len(excerpt(b"y" * 10_000)) == 122


