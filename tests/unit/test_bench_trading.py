"""The benchmark of a trading day does what it says it times, in small; nothing is timed here."""

from __future__ import annotations

import copy
import datetime as dt
import json
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as program
from bench.data import Source
from bench.days import EVENTS, day, rows, trading_days
from bench.load import whole
from bench.measure import spread
from bench.orders import TURNS, order_path
from bench.restart import make_home, restart, restart_process, runner_at
from bench.scan import scan, scans
from bench.table import markdown, trading_checks
from bench.trading import Sizes, audits, crash_pace
from kobe81.app.live.schedule import jobs
from kobe81.app.live.station import Places
from kobe81.core.clock import SteppedClock
from kobe81.core.days import day as calendar_day
from kobe81.core.errors import Damaged
from kobe81.core.events import Decided, Intended, OrderMoved, Record, Scanned
from kobe81.core.orders import TERMINAL, State
from kobe81.data.panel import write_panel
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.engine.apply import replay
from kobe81.engine.book import Book
from kobe81.store.journal import open_journal
from tests.simulation import soak

HOLIDAY_WEEK = dt.date(2023, 7, 3)
START = dt.datetime(2023, 7, 3, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Forty synthetic symbols in a panel."""
    panel = tmp_path_factory.mktemp("panel") / "bars.panel"
    write_panel(panel, synthetic_bars(40, 300, 7), {})
    return Source("synthetic", Path(), panel)


def records(folder: Path) -> list[Record]:
    journal = open_journal(Places(folder).journal, SteppedClock(START))
    try:
        return list(journal.since(0))
    finally:
        journal.close()


def test_days_are_those_on_which_the_exchange_trades() -> None:
    """On 2023-07-04, a Tuesday, it is closed."""
    assert trading_days(HOLIDAY_WEEK, 3) == [dt.date(2023, 7, 3), dt.date(2023, 7, 5), dt.date(2023, 7, 6)]


def test_a_day_is_a_legal_story_that_ends_as_it_began() -> None:
    """20 entries, 20 stops and 20 exits, every step allowed, nothing held, no dollar gained or lost."""
    events = list(day(HOLIDAY_WEEK))
    book = replay((Record(seq=i, time=START, cause=0, event=e) for i, e in enumerate(events, 1)),
                  Book(cash=Decimal(100_000)))
    assert len(events) == EVENTS
    assert (book.cash, dict(book.positions), book.halted) == (Decimal(100_000), {}, "")
    assert Counter(o.intent.leg for o in book.orders.values()) == {"entry": 20, "stop": 20, "time": 20}
    assert {o.state for o in book.orders.values()} <= TERMINAL
    assert len(book.closed) == 20


def test_a_restart_is_ready_on_a_journal_of_exactly_that_length(source: Source, tmp_path: Path) -> None:
    """In this process and in a new one; each leaves its own records behind."""
    home = make_home(tmp_path / "home", source.bars(), 1_100)
    assert len(records(home)) == 1_100
    assert len(Places(home).checkpoints.read_text().splitlines()) == 2
    took, known = restart(home, source.bars())
    assert took > 0
    assert known == 1_100
    before = len(records(home))
    assert restart_process(source, home) > 0
    assert [type(r.event).__name__ for r in records(home)[before:]] == ["Started", "Valued", "Reconciled", "Ready"]


def test_a_restart_looks_at_every_record(source: Source, tmp_path: Path) -> None:
    """One word changed deep in the journal, and there is no READY."""
    home = make_home(tmp_path / "home", source.bars(), 1_100)
    with closing(sqlite3.connect(Places(home).journal, isolation_level=None)) as hand:
        guards = hand.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            hand.execute(f"DROP TRIGGER {name}")
        (body,) = hand.execute("SELECT body FROM records WHERE seq = 700").fetchone()
        assert b'"state":"sent"' in body
        hand.execute("UPDATE records SET body = ? WHERE seq = 700", (body.replace(b"sent", b"gone"),))
        for _, sql in guards:
            hand.execute(sql)
    with pytest.raises(Damaged, match="record 700"):
        restart(home, source.bars())


def test_every_scan_is_decided_and_in_the_journal(source: Source, tmp_path: Path) -> None:
    """One more scan than is told, for the first compiles; each decision comes from what its scan saw."""
    assert len(scans(source, tmp_path / "scan", 3)) == 3
    found = records(tmp_path / "scan")
    decided = [r for r in found if isinstance(r.event, Decided) and r.event.decision.scan == "1"]
    seen = [r for r in found if isinstance(r.event, Scanned) and r.event.snapshot.scan == "1"]
    assert [r.event.decision.session for r in decided] == [r.event.snapshot.session for r in seen]
    assert len(decided) == 4
    assert any(r.event.snapshot.candidates for r in seen)
    assert [r.cause for r in decided] == [r.seq for r in seen]


def test_a_scan_that_was_decided_before_is_not_timed(source: Source, tmp_path: Path) -> None:
    """It would be quick, and prove nothing."""
    session = calendar_day(source.bars().sessions[-1])
    morning, first, *_ = jobs(session)
    (tmp_path / "scan").mkdir()
    clock = SteppedClock(morning.at)
    with runner_at(tmp_path / "scan", source.bars, clock) as runner:
        runner.step()
        clock.move_to(first.at)
        scan(runner, session, first)
        with pytest.raises(SystemExit, match="nothing was written"):
            scan(runner, session, first)


def test_each_order_is_durable_then_sent_then_accepted(tmp_path: Path) -> None:
    """By a real exchange over HTTP, in quiet and while /metrics is asked for by somebody else."""
    found = order_path(tmp_path / "orders", 2 * TURNS)
    assert (len(found["quiet"]), len(found["loaded"]), len(found["pace"])) == (2 * TURNS, 2 * TURNS, TURNS)
    assert all(pace > 0 for pace in found["pace"])
    story: dict[str, list[str]] = {}
    for record in records(tmp_path / "orders"):
        if isinstance(record.event, Intended):
            story[record.event.intent.id] = ["intended"]
        elif isinstance(record.event, OrderMoved):
            story[record.event.order].append(record.event.state)
    assert len(story) == 20 + 4 * TURNS
    assert all(s == ["intended", State.SENT, State.ACCEPTED, State.CANCELLED] for s in story.values())


@pytest.mark.parametrize(("received", "length"), [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", 43), (b"HTTP/1.1 200 OK\r\ncontent-le", float("inf"))])
def test_an_answer_counts_when_it_is_whole(received: bytes, length: float) -> None:
    """17 + 19 + 2 bytes of head, and then five."""
    assert whole(bytearray(received)) == length


def test_an_error_page_does_not_count() -> None:
    """A quick 503 is no answer."""
    with pytest.raises(SystemExit, match="503"):
        whole(bytearray(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"))


def test_an_audit_that_does_not_verify_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,200 entries verify; with one left out they do not."""
    sizes = Sizes(entries=1_200, audits=2)
    assert len(audits(tmp_path / "audit.jsonl", sizes)) == 2
    assert (tmp_path / "audit.jsonl").read_bytes().count(b"\n") == 1_200
    monkeypatch.setattr("bench.trading.rows", lambda first, count: [r for r in rows(first, count) if r.seq != 600])
    with pytest.raises(SystemExit, match="nothing was written"):
        audits(tmp_path / "torn.jsonl", sizes)


def test_crash_points_are_simulated() -> None:
    """A handful, at some pace."""
    assert crash_pace(20) > 0


def test_a_pace_at_which_orders_are_lost_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """One violation, and nothing is written."""
    wrong = soak.Tally(20, 1, [(1, 7, "commit", "I1 an order was sent twice")])
    monkeypatch.setattr(soak, "crash", lambda points, seed: wrong)
    with pytest.raises(SystemExit, match="I1 an order was sent twice"):
        crash_pace(20)


def test_percentiles_are_measured_values() -> None:
    """Nearest rank: of 1 to 200 they are 100, 180 and 198; of 1 to 7, 4, 7 and 7; of one value, that value."""
    assert spread(range(200, 0, -1)) == {"rounds": 200, "p50": 100, "p90": 180, "p99": 198}
    assert spread(range(1, 8)) == {"rounds": 7, "p50": 4, "p90": 7, "p99": 7}
    assert spread([0.25]) == {"rounds": 1, "p50": 0.25, "p90": 0.25, "p99": 0.25}


def written() -> dict[str, Any]:
    """A trading part in which everything is reached, the order's p99 exactly."""
    seconds = {"restart": 1.5, "restart_process": 3.0, "scan": 0.75, "order": 0.025, "order_loaded": 0.05,
               "audit": 9.0, "decide": 30.0, "metrics": 9_000.0, "metrics_loaded": 5_900.0, "simulation": 300.0}
    measured = {n: {"rounds": 7, "p50": v if n != "order" else 0.004, "p90": v, "p99": v} for n, v in seconds.items()}
    return {"date": "2026-11-22", "load": 0.25, "measured": measured,
            "machine": {"processor": "Abacus", "cores": 2, "python": "3.11"},
            "sizes": {"events": 100_000, "entries": 1_000_000},
            "data": {"name": "bars", "symbols": 900, "bars": 2_266_132}}


@pytest.mark.parametrize(("name", "percentile", "value"), [
    ("restart", "p50", 2.01), ("scan", "p50", 1.01), ("order", "p99", 0.0251), ("audit", "p50", 10.1),
    ("decide", "p50", 60.1), ("metrics", "p50", 4_999.0), ("metrics_loaded", "p50", 4_999.0),
    ("simulation", "p50", 299.0), ("order_loaded", "p99", 0.0501)])
def test_each_target_can_be_missed(name: str, percentile: str, value: float) -> None:
    """The issue's limits: all are reached at the limit itself, and just beyond it one is missed."""
    trading = written()
    assert all(check.met for check in trading_checks(trading))
    trading["measured"][name][percentile] = value
    assert sum(not check.met for check in trading_checks(trading)) == 1


def test_the_table_shows_targets_beside_what_was_measured() -> None:
    """Percentiles, machine, date and load, under the table of the backtests."""
    results = json.loads(program.RESULTS.read_text(encoding="utf-8")) | {"trading": written()}
    text = markdown(results)
    assert "| Restart to READY, 100,000 events in the journal | ≤ 2 s | **1.5 s** | 1.5 s | 1.5 s | 7 |" in text
    assert "| Decide, journal, POST, answer journaled | ≤ 25.0 ms | 4.0 ms | 25.0 ms | **25.0 ms** | 7 |" in text
    assert "| /metrics answered, a second | ≥ 5,000 | **9,000** | 9,000 | 9,000 | 7 |" in text
    assert "Abacus, 2 cores, Python 3.11; measured on 2026-11-22 at a load of 0.25" in text
    assert "2.00 times as long" in text
    assert text.index("backtesting.py") < text.index("| Trading |")


def test_one_part_is_measured_and_the_other_kept(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    """--only trading changes nothing of the backtests."""
    out, before = tmp_path / "results.json", json.loads(program.RESULTS.read_text(encoding="utf-8"))
    before.pop("trading", None)
    out.write_text(json.dumps(before), encoding="utf-8")
    trading = {name: value for name, value in written().items() if name != "date"}
    monkeypatch.setattr(program, "prepare", lambda folder: source)
    monkeypatch.setattr(program, "measure_trading", lambda source, folder: copy.deepcopy(trading))
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "trading", "--date", "2027-01-04", "--out", str(out)])
    program.main()
    assert json.loads(out.read_text(encoding="utf-8")) == before | {"trading": {**trading, "date": "2027-01-04"}}
    assert "reached" in capsys.readouterr().out
