"""Metrics: the tally in Prometheus' text format, written by its own client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import accumulate
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from kobe81.monitor.tally import Histogram, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The text format's, which every Prometheus reads."""

SEVERITIES = ("warning", "critical")
"""Those that ask for an acknowledgement."""


def render(tally: Tally, *, ready: bool, readable: bool, head: str) -> bytes:
    """The page. readable: the journal could be read to its end just now; head: the audit's hash, "" where unknown."""
    return generate_latest(_Page(tally, ready, readable, head))


class _Page(Collector):
    """What is told: a figure nobody knows yet is absent, never zero."""

    def __init__(self, tally: Tally, ready: bool, readable: bool, head: str) -> None:
        self.tally, self.ready, self.readable, self.head = tally, ready, readable, head

    def collect(self) -> Iterable[Metric]:
        yield from self._state()
        yield from self._money()
        yield from self._counts()
        yield _histogram("kobe_scan_seconds", "From a scan's snapshot to its decision.", self.tally.scans)
        yield _histogram("kobe_order_seconds", "From an order's sending to the broker's yes.", self.tally.sends)

    def _state(self) -> Iterable[Metric]:
        t = self.tally
        yield from _gauge("kobe_ready", "Whether an order may be sent (1) or not (0).", self.ready)
        yield from _gauge("kobe_halted", "Whether trading waits for a person.", bool(t.book.halted))
        yield from _gauge("kobe_killed", "Whether the journal says that the kill switch is set.", bool(t.book.killed))
        yield from _gauge("kobe_journal_readable", "Whether the journal could be read just now.", self.readable)
        yield from _gauge("kobe_audit_records", "Records in the journal, each with its line in the audit.", t.book.seq)
        if self.head:
            yield InfoMetricFamily("kobe_audit", "The audit's head.", {"head": self.head})
        at = None if t.last_scan is None else t.last_scan.timestamp()
        yield from _gauge("kobe_last_scan_timestamp_seconds", "When the last scan was made.", at)

    def _money(self) -> Iterable[Metric]:
        t = self.tally
        yield from _gauge("kobe_equity_dollars", "What the account was last worth.", t.book.equity)
        yield from _gauge("kobe_cash_dollars", "Cash, by our own books.", t.book.cash)
        yield from _gauge("kobe_drawdown_ratio", "How far equity is below its peak (0.1: 10 %).", t.drawdown)
        yield from _gauge("kobe_budget_left_dollars", "What the day's entries may still take.", t.budget_left)
        yield from _gauge("kobe_positions", "Symbols held.", len(t.book.positions))

    def _counts(self) -> Iterable[Metric]:
        t = self.tally
        alerts = Counter[str](alert.severity for alert in t.book.alerts.values())
        yield _by("kobe_orders", "Orders in each state.", "state", t.states)
        yield _by("kobe_alerts_open", "Alerts not acknowledged.", "severity", {s: alerts[s] for s in SEVERITIES})
        yield _total("kobe_refusals", "Refusals of each gate.", "gate", t.refusals)
        failures = {source: t.failures[source] for source in ("api", "error")}
        yield _total("kobe_failures", "What went wrong: a vendor's doing (api) or our own (error).", "source", failures)


def _gauge(name: str, meaning: str, value: float | Decimal | None) -> Iterable[Metric]:
    if value is not None:
        yield GaugeMetricFamily(name, meaning, float(value))


def _by(name: str, meaning: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def _total(name: str, meaning: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _histogram(name: str, meaning: str, found: Histogram) -> Metric:
    bounds = [*(str(bound) for bound in found.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(found.counts), strict=True))
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=found.total)
