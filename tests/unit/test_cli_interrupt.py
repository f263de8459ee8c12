"""Ctrl-C in real processes: exit code 130, nothing half-written, and the same command goes on from there."""

import os
import re
import signal
import time
from datetime import date

import pytest

from kobe81.app import compute
from kobe81.app.cli import main
from kobe81.backtest import walk_forward
from tests import cli_fixtures
from tests.cli_fixtures import QUICK, Done, files, finished, start, surroundings
from tests.vendor_server import VendorServer, stooq_market, weekdays

folder, kobe = cli_fixtures.folder, cli_fixtures.kobe
GRID = ["wf", "--data", "bars.parquet", "--strategy", "donchian", "--grid", "lookback=5,6,7,8,9,10,11,12,13,14,15",
        "--grid", "stop_atr=1,2,3,4", "--train", "150", *QUICK, "--out", "out"]
SLOWLY = """
import time
from kobe81.app import compute
from kobe81.app.cli import main
from kobe81.backtest import walk_forward
walk_forward.BATCH_SIGNALS, compute.PROCESSES_FROM = 1, 1000
quick = walk_forward.run_batch
def slow(*args, **more):
    time.sleep(0.1)
    return quick(*args, **more)
walk_forward.run_batch = slow
main({words})
"""
"""The real program with a set to each batch and a pause before each, so that there is time to interrupt it."""


def until(condition, seconds=40.0):
    """Waits for the condition; fails where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def python(code):
    """A program in a process of its own."""
    words = [cli_fixtures.sys.executable, "-c", code]
    pipe = cli_fixtures.subprocess.PIPE
    return cli_fixtures.subprocess.Popen(words, text=True, stdout=pipe, stderr=pipe, start_new_session=True,
                                         env=surroundings({}))


def test_an_interrupted_walk_forward_goes_on_and_ends_as_if_it_had_not_been(folder, kobe, monkeypatch):
    """Of 44 batches some are kept; the second run computes only the others, gives the same bytes, and cleans up."""
    store = folder.parent / "home/cache/walk_forward"
    process = python(SLOWLY.format(words=GRID))
    until(lambda: len(list(store.glob("*/*.npz"))) >= 3 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert (done.code, done.out) == (130, "")
    assert re.fullmatch(r"kobe: interrupted.*\n", done.err)
    kept = len(list(store.glob("*/*.npz")))
    assert 3 <= kept < 44
    assert not list(store.glob("*/*.part"))
    assert not (folder / "out").exists()
    assert not list((folder.parent / "home").glob("runs/*"))

    asked = []
    quick = walk_forward.run_batch
    monkeypatch.setattr(walk_forward, "run_batch", lambda batch, **m: asked.append(batch) or quick(batch, **m))
    monkeypatch.setattr(walk_forward, "BATCH_SIGNALS", 1)
    monkeypatch.setattr(compute, "PROCESSES_FROM", 1000)
    assert kobe(*GRID).code == 0
    assert sum(1 for batch in asked if batch[0][0] >= 0) == 44 - kept
    assert not store.exists() or not list(store.iterdir())
    resumed = files(folder / "out")
    monkeypatch.undo()
    monkeypatch.setenv("KOBE_HOME", str(folder.parent / "other"))
    monkeypatch.chdir(folder)
    assert kobe(*GRID).code == 0
    assert files(folder / "out") == resumed


def test_ctrl_c_reaches_the_local_processes_too(folder):
    """A terminal sends it to the whole group; the workers leave without a word."""
    store = folder.parent / "home/cache/walk_forward"
    many = [w.replace("stop_atr=1,2,3,4", f"stop_atr={','.join(map(str, range(1, 19)))}") for w in GRID]
    process = start(*many, "--grid", "atr=5,6,7,8,9,10,11,12,13,14")
    until(lambda: list(store.glob("*/*.npz")) or process.poll() is not None)
    os.killpg(process.pid, signal.SIGINT)
    done = finished(process)
    assert (done.code, done.out) == (130, "")
    assert re.fullmatch(r"kobe: interrupted.*\n", done.err)
    assert not (folder / "out").exists()


@pytest.fixture
def vendor(monkeypatch):
    """A Stooq on the loopback with four symbols; the third answers only when it is told to."""
    bars = {s: weekdays(date(2024, 1, 1), 30) for s in ("AAPL", "IBM", "MSFT", "T")}
    with VendorServer() as server:
        honest = stooq_market(bars)
        server.ready = False

        def answer(request):
            while "msft" in request.query["s"] and not server.ready:
                time.sleep(0.01)
            return honest(request)

        server.answers = answer
        monkeypatch.setenv("KOBE_STOOQ_URL", server.url)
        yield server
        server.ready = True


FETCH = ("data", "fetch", "AAPL", "IBM", "MSFT", "T", "--source", "stooq", "--start", "2024-01-01", "--end",
         "2024-12-31")


def test_an_interrupted_fetch_goes_on_without_asking_again(folder, kobe, vendor):
    """Two of four symbols are kept whole; the second run asks for the other two only."""
    process = start(*FETCH)
    until(lambda: len(vendor.requests) == 3)
    process.send_signal(signal.SIGINT)
    done = finished(process)
    assert (done.code, done.out) == (130, "")
    assert re.fullmatch(r"kobe: interrupted.*\n", done.err)
    cache = folder.parent / "home/cache/bars/stooq"
    assert sorted(files(cache)) == ["AAPL.json", "AAPL.parquet", "IBM.json", "IBM.parquet"]

    vendor.ready = True
    vendor.requests.clear()
    done = kobe(*FETCH)
    assert done.code == 0
    assert [r.query["s"] for r in vendor.requests] == ["msft.us", "t.us"]
    assert re.findall(r"(?m)^ (\w+) +(\w+) +stooq", done.out) == [
        ("AAPL", "fresh"), ("IBM", "fresh"), ("MSFT", "fetched"), ("T", "fetched")]


def test_main_says_the_same_of_an_interrupt_in_this_process(folder, monkeypatch, capfd):
    """130, as shells have it: 128 and the number of the signal."""
    from kobe81.app import cli

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "build", lambda: interrupt)
    with pytest.raises(SystemExit) as left:
        main([])
    assert Done(left.value.code, *capfd.readouterr())[0] == 128 + signal.SIGINT
