"""Decide is a pure function: the same inputs give the same bytes, and every input is in the digest."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from kobe81.core.decisions import Account, Decision, Facts, Snapshot, digest, encode
from kobe81.core.gates import Prohibition
from kobe81.core.orders import State
from kobe81.engine.book import Alert, Book, ClosedTrade, Order
from kobe81.engine.decide import decide, inputs_digest
from kobe81.engine.rules import Rules
from tests.engine_fixtures import DAY, MINUTE, NOON, TODAY, candidate, intent, opened, quote, rules, snapshot, usd

SEEN = snapshot(candidate("B"), candidate("A"), held={"ACME": 6})
WORTH = Account(number="P1", status="ACTIVE", cash=usd(1), equity=usd(1), buying_power=usd(1))
OTHER_SNAPSHOT = {
    "session": TODAY + DAY, "scan": "3", "at": NOON + MINUTE, "entries": False, "exits": True, "opens": None,
    "closes": NOON, "bars": "sha256:1", "candidates": (candidate("B"),), "quotes": {"ACME": quote(last="10.50")},
    "facts": {"ACME": Facts(adv=1.0)}, "held": {"ACME": 5}, "account": WORTH, "killed": True, "ending": ("ACME",),
    "untradable": {"B": "halted"}, "missing": ("B",)}


def book() -> Book:
    journal = opened()
    journal.buy()
    return journal.book


TRADE = ClosedTrade(symbol="A", strategy="s", signalled=None, entered=TODAY, left=TODAY, qty=usd(1), entry_price=usd(1),
                    exit_price=usd(2), stop=None, target=None, score=0.0, gross=usd(1), fees=usd(0), leg="time")
OTHER_BOOK = {
    "seq": 99, "run": "r", "mode": "live", "broker": "b", "account": "P2", "term": 9, "started": 9, "ready": True,
    "not_ready": ("x",), "cash": usd(5), "opened_at": NOON - DAY, "before": ("a",), "reconciled_at": NOON,
    "session": TODAY - DAY, "sessions": (), "start_equity": usd(1), "equity": usd(1), "peak": usd(1),
    "orders": {"x": Order(intent=intent(number=9), state=State.UNKNOWN)}, "positions": {}, "foreign": {"b": "A"},
    "left": {"A": TODAY}, "closed": (TRADE,), "losses_in_row": 4, "failures": ((NOON, "api"),),
    "day_trades": ((TODAY, "A"),), "tripped_at": NOON, "probes": 1, "halted": "h", "killed": "k",
    "jobs": {"scan": "done"}, "scans": {"1": 4}, "stood_down": {"donchian": "x"},
    "alerts": {"a": Alert(at=NOON, severity="info", text="t")},
    "prohibitions": {"A": Prohibition(symbol="A", reason="news", start=NOON)}}


def test_the_same_inputs_give_the_same_bytes():
    """Twice, and once more from what the journal's text says they were; nothing that was handed in has changed."""
    held, before = book(), (encode(book()), encode(SEEN), rules().digest)
    first = encode(decide(held, SEEN, rules()))
    seen, again = (msgspec.json.decode(encode(v), type=type(v)) for v in (SEEN, held))
    assert encode(decide(again, seen, Rules.of(rules().values))) == first
    assert (encode(held), encode(SEEN), rules().digest) == before
    assert encode(msgspec.json.decode(first, type=Decision)) == first
    assert len(msgspec.json.decode(first, type=Decision).intents) == 3


def test_the_order_of_tables_says_nothing():
    """Quotes, facts and positions are looked up by name; in another order they give the same decision."""
    turned = replace(SEEN, quotes=dict(reversed(SEEN.quotes.items())), facts=dict(reversed(SEEN.facts.items())))
    assert digest(decide(book(), turned, rules())) == digest(decide(book(), SEEN, rules()))


@pytest.mark.parametrize("name", Snapshot.__struct_fields__)
def test_every_part_of_the_snapshot_is_in_the_digest(name):
    """Whatever a scan saw otherwise is another input."""
    other = replace(SEEN, **{name: OTHER_SNAPSHOT[name]})
    assert decide(book(), other, rules()).inputs != decide(book(), SEEN, rules()).inputs


@pytest.mark.parametrize("name", Book.__struct_fields__)
def test_every_part_of_the_book_is_in_the_digest(name):
    """Whatever had happened otherwise is another input."""
    held = book()
    other = replace(held, **{name: OTHER_BOOK[name]})
    assert inputs_digest(other, SEEN, rules()) != inputs_digest(held, SEEN, rules())


@pytest.mark.parametrize("by", [
    rules(off=("wash_trade",)), rules(trading={"reach_bps": 11}), rules(policy_gate={"max_order": "75.01"}),
    Rules.of({"account": "P2"}), Rules.of({"account": "P1", "reduce_only": True}),
])  # fmt: skip
def test_the_rules_are_in_the_digest(by):
    """Account, gates and trading: what was decided by is an input too."""
    assert inputs_digest(book(), SEEN, by) != inputs_digest(book(), SEEN, rules())


@pytest.mark.parametrize("name", ["seq", "run", "mode", "broker", "account", "term", "started", "ready", "not_ready",
                                  "before", "opened_at", "reconciled_at", "foreign", "jobs", "scans", "alerts"])
def test_a_decision_does_not_ask_where_it_is_made(name):
    """Mode, broker, run and readiness change no order and no verdict, only the digest of what was there."""
    held = book()
    decisions = [decide(b, SEEN, rules()) for b in (held, replace(held, **{name: OTHER_BOOK[name]}))]
    first, second = (replace(d, inputs="") for d in decisions)
    assert first == second
