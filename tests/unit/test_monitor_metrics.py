"""Metrics: figures worked by hand, read back by Prometheus' own parser; and the engine's book as a second opinion."""

from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kobe81.core import events as e
from kobe81.core.orders import State
from kobe81.monitor.metrics import render
from kobe81.monitor.tally import tally
from tests.monitor_fixtures import SESSION, START, D, decided, fill, intent, opened, scanned, started, story

MORNING = (started(), e.Ready(), e.AccountOpened(account="A1", cash=D(10000)), opened())


def page(*events, ready=True, head="ab" * 32):
    return render(tally(story(*events)), ready=ready, readable=True, head=head).decode()


def samples(*events, **how):
    """All samples of the page, by name and labels."""
    return {(s.name, *s.labels.values()): s.value
            for family in text_string_to_metric_families(page(*events, **how)) for s in family.samples}


def moved(state, order="k1-a", **more):
    return e.OrderMoved(order=order, state=state, **more)


def test_an_empty_journal_tells_what_it_knows_and_no_more():
    """Money nobody has counted is absent, not zero; states and severities are there with zero."""
    found = samples(ready=False, head="")
    assert found["kobe_ready",] == 0
    assert found["kobe_audit_records",] == 0
    assert [found["kobe_orders", state] for state in State] == [0] * 9
    absent = {"kobe_equity_dollars", "kobe_cash_dollars", "kobe_drawdown_ratio", "kobe_budget_left_dollars",
              "kobe_last_scan_timestamp_seconds", "kobe_audit_info"}
    assert absent.isdisjoint(name for name, *_ in found)


def test_a_morning_worked_by_hand():
    """One entry filled with two of three shares at 19.50 and 0.02 of fees, one on its way, one refused by two gates.

    Cash 10,000 - 39 - 0.02 + 1.25; the budget gives 39 for the cancelled one and 60 for the open one.
    """
    found = samples(
        *MORNING, scanned(), 1.5, decided("policy_gate", "liquidity_gate"),
        e.Intended(intent=intent()), moved(State.SENT), moved(State.ACCEPTED),
        fill(qty="2", fee="0.02"), moved(State.CANCELLED),
        e.Intended(intent=intent("k1-b", symbol="T")), moved(State.SENT, "k1-b"),
        e.CashMoved(activity="d1", activity_type="DIV", amount=D("1.25"), at=START),
        e.Valued(session=SESSION, equity=D(10200)), e.Valued(session=SESSION, equity=D(9690)))
    assert found["kobe_cash_dollars",] == 9962.23
    assert found["kobe_equity_dollars",] == 9690
    assert found["kobe_drawdown_ratio",] == pytest.approx(510 / 10200, rel=1e-12)
    assert found["kobe_budget_left_dollars",] == 1000 - 39 - 60
    assert found["kobe_positions",] == 1
    assert {labels[0]: n for (name, *labels), n in found.items() if name == "kobe_orders" and n} == {
        "sent": 1, "cancelled": 1}
    assert {labels[0]: n for (name, *labels), n in found.items() if name == "kobe_refusals_total"} == {
        "policy_gate": 1, "liquidity_gate": 1}
    assert found["kobe_last_scan_timestamp_seconds",] == START.timestamp() + 4
    assert (found["kobe_audit_records",], found["kobe_audit_info", "ab" * 32]) == (16, 1)


def test_latencies_fall_into_their_buckets():
    """A scan of 2.5 s is within the bucket of 2.5 and not that of 1; an order of 1 s likewise; sums are in seconds."""
    found = samples(*MORNING, scanned(), 1.5, decided(), e.Intended(intent=intent()), moved(State.SENT),
                    moved(State.ACCEPTED), scanned("1030"), 99, decided(scan="1030"))
    scans = {labels[0]: n for (name, *labels), n in found.items() if name == "kobe_scan_seconds_bucket"}
    assert (scans["1.0"], scans["2.5"], scans["60.0"], scans["+Inf"]) == (0, 1, 1, 2)
    assert (found["kobe_scan_seconds_count",], found["kobe_scan_seconds_sum",]) == (2, 102.5)
    orders = {labels[0]: n for (name, *labels), n in found.items() if name == "kobe_order_seconds_bucket"}
    assert (orders["0.5"], orders["1.0"], found["kobe_order_seconds_sum",]) == (0, 1, 1)


def test_an_order_found_late_has_no_latency_of_its_sending():
    """UNKNOWN, then found: how long the sweep took is not how long the broker took."""
    found = samples(*MORNING, e.Intended(intent=intent()), moved(State.SENT), moved(State.UNKNOWN), 300,
                    moved(State.ACCEPTED))
    assert found["kobe_order_seconds_count",] == 0


def test_a_clock_set_back_makes_no_negative_latency():
    """A duration below zero counts as none, so that the sum never falls."""
    found = samples(*MORNING, scanned(), -10, decided())
    assert (found["kobe_scan_seconds_count",], found["kobe_scan_seconds_sum",]) == (1, 0)


def test_the_next_session_begins_with_the_whole_budget():
    """What was spent yesterday does not count today; yesterday's orders are still told by their state, and those that
    were open go on."""
    tomorrow = SESSION + timedelta(days=3)
    found = samples(*MORNING, e.Intended(intent=intent()), moved(State.SENT), moved(State.ACCEPTED), fill(),
                    e.Intended(intent=intent("k1-s", side="sell", leg="stop", notional="0")), moved(State.SENT, "k1-s"),
                    opened(tomorrow), moved(State.ACCEPTED, "k1-s"))
    assert found["kobe_budget_left_dollars",] == 1000
    assert {labels[0]: n for (name, *labels), n in found.items() if name == "kobe_orders" and n} == {
        "filled": 1, "accepted": 1}


def test_alerts_stay_open_until_somebody_knows():
    """Warnings and critical ones count until acknowledged; information asks for nothing."""
    told = [e.Alerted(id=i, severity=s, text="") for i, s in (("a", "info"), ("b", "warning"), ("c", "critical"))]
    before, after = samples(*told), samples(*told, e.Acknowledged(id="c", person="ann"))
    assert (before["kobe_alerts_open", "warning"], before["kobe_alerts_open", "critical"]) == (1, 1)
    assert (after["kobe_alerts_open", "warning"], after["kobe_alerts_open", "critical"]) == (1, 0)


def test_failures_are_told_by_whose_they_are():
    """A vendor's failure is api, our own is error, and both are counters."""
    found = samples(*(e.Failed(source=s, note="") for s in ("api", "api", "error")))
    assert (found["kobe_failures_total", "api"], found["kobe_failures_total", "error"]) == (2, 1)


def test_halt_and_switch_are_told_until_a_person_ends_them():
    """A new start ends neither, and to resume is not to lift the switch, nor the other way round."""
    events = (*MORNING, e.Halted(reason="cash differs"), e.Killed(by="ann", reason="test"), started(), e.Ready())
    resumed, lifted = e.Resumed(person="ann", reason=""), e.Lifted(person="ann", reason="")
    for more, expected in (((), (1, 1)), ((resumed,), (0, 1)), ((lifted,), (1, 0)), ((resumed, lifted), (0, 0))):
        found = samples(*events, *more)
        assert (found["kobe_halted",], found["kobe_killed",]) == expected


def test_a_label_from_outside_cannot_break_the_page():
    """A gate's name with quotes and line ends is a value like any other."""
    name = 'a"b\nkobe_ready 1\\'
    assert samples(decided(name), ready=False)["kobe_refusals_total", name] == 1
    assert samples(decided(name), ready=False)["kobe_ready",] == 0


@pytest.mark.parametrize("config", [{}, {"gates": {}}, {"gates": 5}, {"gates": {"policy_gate": {"max_day": "much"}}}])
def test_a_budget_nobody_set_is_not_told(config):
    """A configuration without the limit gives no figure instead of a wrong one."""
    assert ("kobe_budget_left_dollars",) not in samples(started(x=1, **config), opened())
