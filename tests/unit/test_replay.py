"""Replaying the journal gives the live book, byte for byte (I6)."""

from __future__ import annotations

from typing import get_args

from kobe81.core import events as e
from kobe81.core.decisions import Decision, encode
from kobe81.core.events import AnyEvent
from kobe81.core.gates import Prohibition
from kobe81.core.orders import Fill
from kobe81.engine.apply import apply, replay
from kobe81.engine.book import Book
from tests.engine_fixtures import NOON, TODAY, Journal, opened, quote, snapshot, usd

BAN = Prohibition(symbol="ACME", reason="news", start=NOON)


def everything() -> Journal:
    """A journal in which every kind of event occurs."""
    journal = opened()
    entry = journal.buy()
    decided = Decision(session=TODAY, scan="1", inputs="sha256:0", considered=(), intents=(entry,))
    fill = Fill(execution="x", order="?", symbol="ZZ", side="sell", qty=usd("0.5"), price=usd("3.25"), at=NOON)
    journal(
        e.Started(run="r1", mode="paper", broker="paper", account="P1", code="c", config={"a": [1]}, term=2),
        e.NotReady(reasons=("sweep",)), e.Ready(), e.Scanned(snapshot=snapshot(quotes={"ACME": quote()})),
        e.Decided(decision=decided), e.Valued(session=TODAY, equity=usd(99_000)),
        e.JobDone(session=TODAY, job="scan", outcome="skipped"), e.Failed(source="api", note="500"),
        e.CashMoved(activity="a1", activity_type="FEE", amount=usd("-0.03"), at=NOON),
        e.Reconciled(cash=usd(1), positions={"ACME": usd(7)}), e.Tripped(reason="loss"), e.BreakerReset(reason="ok"),
        e.Killed(by="ann", reason="test"), e.Lifted(person="ann", reason="over"),
        e.Alerted(id="a", severity="critical", text="t"), e.Alerted(id="b", severity="info", text="t"),
        e.Acknowledged(id="b", person="ann"), e.ProhibitionSet(prohibition=BAN, person="ann"),
        e.ProhibitionSet(prohibition=Prohibition(symbol="BETA", reason="manual", start=NOON), person="ann"),
        e.ProhibitionLifted(symbol="BETA", person="ann"), e.StoodDown(session=TODAY, strategy="s", reason="junk"),
        e.OrderAdopted(broker="b1", client="", symbol="X", side="buy", qty=usd(1), note=""), e.Halted(reason="differs"),
        e.Resumed(person="ann", reason="ok"), e.Filled(fill=fill), e.Stopped(reason="SIGTERM"),
        e.Adjusted(what="ACME", qty=usd(8), price=usd("9.99"), person="ann", reason="split"))
    return journal


def test_every_kind_of_event_has_its_step():
    """None that the journal may hold is unknown to the book."""
    assert {type(r.event) for r in everything().records} == set(get_args(AnyEvent))


def test_replay_gives_the_live_book_byte_for_byte():
    """From the journal's text, at once or from any book on the way (I6)."""
    journal = everything()
    records = [e.decode(encode(record)) for record in journal.records]
    assert records == journal.records
    assert encode(replay(records)) == encode(journal.book)
    for cut in range(len(records)):
        assert encode(replay(records[cut:], replay(records[:cut]))) == encode(journal.book)


def test_what_the_states_come_to():
    """The book after all of it, field by field where the tests above do not look."""
    book = everything().book
    assert (book.run, book.mode, book.broker, book.account, book.term, book.started) == (
        "r1", "paper", "paper", "P1", 2, 7)
    stopped = "the runner has stopped: SIGTERM; start it: kobe run"
    assert (book.ready, book.not_ready, book.reconciled_at) == (False, (stopped,), NOON)
    assert (book.killed, list(book.alerts), book.prohibitions) == ("", ["a"], {"ACME": BAN})
    assert (book.jobs, book.stood_down, book.opened_at) == ({"scan": "skipped"}, {"s": "junk"}, NOON)


def test_apply_changes_nothing_it_was_given():
    """A book is a value: the one before the event is what it was."""
    book = Book()
    for record in everything().records:
        before = encode(book)
        after = apply(book, record)
        assert (encode(book), after.seq) == (before, record.seq)
        book = after
