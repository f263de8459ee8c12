"""Anomalies: last bars that stand out from the 50 before them, and feeds that stand still.

The score is the robust z-score, (x - median) / (1.4826 MAD), of the last bar's return, volume and gap against the same
of the 50 bars before it (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993). Where more than half of those
are alike and the MAD is 0, 1.2533 times the mean absolute deviation takes its place, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from kobe81.core.bars import Bars, Floats
from kobe81.core.calendar import hours, last_complete_session
from kobe81.core.clock import utc
from kobe81.core.days import number
from kobe81.core.decisions import Quote

WINDOW = 50
"""Bars that say what is usual."""

WARN, ALERT = 3.0, 4.5
"""Scores from which a bar is worth a warning, and an alert."""

MAD_TO_SIGMA, MEAN_TO_SIGMA = 1.4826, 1.2533
"""A normal distribution's standard deviation over its MAD, and over its mean absolute deviation."""

QUOTE_SECONDS = 60.0
"""How old a quote may be during the session, as for the price collar (rules.md)."""


ROUNDING = 1e-12
"""Differences below it are those of floating point."""


class Anomaly(NamedTuple):
    """What stands out. what: return, volume, gap, quote or bars; value: the fraction, shares, seconds or days seen;
    score: its robust z-score, NaN where there is none; alert: a matter for an alert, not only for a warning."""

    symbol: str
    what: str
    value: float
    score: float
    alert: bool

    def __str__(self) -> str:
        if np.isnan(self.value):
            return f"{self.symbol}: {'no quote' if self.what == 'quote' else f'the {self.what} is no number'}"
        far = f"{abs(self.score):,.1f} deviations from the usual"
        rare = "where nothing moved before" if np.isinf(self.score) else far
        return f"{self.symbol}: {_SEEN[self.what].format(value=self.value, rare=rare)}"


_SEEN = {
    "return": "return {value:+.2%}, {rare}",
    "volume": "volume {value:,.0f}, {rare}",
    "gap": "opened {value:+.2%} from the close before, {rare}",
    "quote": "quote {value:,.0f} s old; see: kobe status",
    "bars": "last bar {value:,.0f} days before the last complete session; run: kobe data fetch",
}


class _Measure(NamedTuple):
    """A value per bar, and the number of that bar alone that it is made from."""

    values: Floats
    own: Floats


def anomalies(bars: Bars) -> list[Anomaly]:
    """What stands out in each symbol's last bar, in order of symbol; a number that is none stands out by itself.

    Symbols with fewer than 52 bars, which is what 50 returns before the last take, are asked for numbers alone.
    """
    if not len(bars):
        return []
    found = [anomaly for what, measure in _measures(bars).items() for anomaly in _outstanding(bars, what, measure)]
    return sorted(found, key=lambda a: (a.symbol, a.what))


def robust_z(values: Floats, before: Floats) -> Floats:
    """The scores of `values` [n] against the rows of `before` [n, window]; infinite where all those are alike and the
    value is not, NaN where any of them is no number."""
    before = np.where(np.isfinite(before), before, np.nan)
    middle = np.median(before, axis=1)
    deviations = _exact(np.abs(before - middle[:, None]))
    scale = MAD_TO_SIGMA * np.median(deviations, axis=1)
    scale = np.where(scale == 0, MEAN_TO_SIGMA * deviations.mean(axis=1), scale)
    distance = _exact(values - middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores: Floats = np.where((distance == 0) & (scale == 0), 0.0, distance / scale)
    return scores


def _exact(differences: Floats) -> Floats:
    exact: Floats = np.where(np.abs(differences) < ROUNDING, 0.0, differences)
    return exact


def _measures(bars: Bars) -> dict[str, _Measure]:
    """Returns and gaps, as fractions of the close before, and volumes, in shares."""
    opened, close, volume = (np.asarray(values) for values in (bars.open, bars.close, bars.volume))
    before = np.concatenate([[np.nan], close[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"return": _Measure(close / before - 1, close), "volume": _Measure(volume, volume),
                "gap": _Measure(opened / before - 1, opened)}


def _outstanding(bars: Bars, what: str, measure: _Measure) -> Iterator[Anomaly]:
    """The last bars whose score is not below the first threshold."""
    ends = bars.offsets[1:] - 1
    long = np.diff(bars.offsets) >= WINDOW + 2
    scores = np.where(np.isfinite(measure.own[ends]), 0.0, np.nan)
    scores[long] = robust_z(measure.values[ends[long]], measure.values[ends[long][:, None] + np.arange(-WINDOW, 0)])
    for i in np.flatnonzero(~(np.abs(scores) < WARN)).tolist():
        value, score = float(measure.values[ends[i]]), float(scores[i])
        yield Anomaly(bars.symbols[i], what, value if score == score else np.nan, score, not abs(score) < ALERT)


def stale_quotes(quotes: Mapping[str, Quote], symbols: Iterable[str], now: datetime, *, calendar: str = "XNYS",
                 seconds: float = QUOTE_SECONDS) -> list[Anomaly]:
    """The symbols whose quote is older than that, or missing, while the session runs; outside it none is."""
    if not _open(calendar, now):
        return []
    ages = {s: (now - quotes[s].at).total_seconds() if s in quotes else np.nan for s in symbols}
    return [Anomaly(s, "quote", age, np.nan, True) for s, age in sorted(ages.items()) if not age <= seconds]


def stale_bars(bars: Bars, now: datetime, *, calendar: str = "XNYS") -> list[Anomaly]:
    """The symbols whose last bar is older than the last complete session."""
    due = number(last_complete_session(calendar, now))
    behind = due - bars.date[bars.offsets[1:] - 1].astype(np.int64)
    return [Anomaly(bars.symbols[i], "bars", float(behind[i]), np.nan, True) for i in np.flatnonzero(behind > 0)]


def _open(calendar: str, now: datetime) -> bool:
    session = hours(calendar, utc(now).date())
    return session is not None and session[0] <= now < session[1]
