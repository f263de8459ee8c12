"""Bars, indicators and strategies of the specification."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Bar(NamedTuple):
    """One symbol's prices in one session."""

    date: dt.date
    open: float
    high: float
    low: float
    close: float
    volume: float


Bars = Mapping[str, Sequence[Bar]]
Params = Mapping[str, Any]
Signal = dict[str, Any]

DEFAULTS: dict[str, Any] = {
    "lookback": 20, "trend": 200, "atr": 14, "stop_atr": 2.0, "hold": 5, "min_price": 5.0, "min_age": 4,
    "r_multiple": None, "allow_short": False,
}
"""lookback 20, trend 200, atr 14, stop_atr 2.0, hold 5, min_price 5.0, min_age 4 (Turtle Soup), ...: as specified."""


def with_defaults(params: Params | None) -> dict[str, Any]:
    """All parameters; ValueError for a name the specification does not have, lest a typo pass as agreement."""
    unknown = set(params or {}) - set(DEFAULTS)
    if unknown:
        raise ValueError(f"no such parameter: {', '.join(sorted(unknown))}; known: {', '.join(DEFAULTS)}")
    return DEFAULTS | dict(params or {})


def valid(bar: Bar) -> bool:
    """Not "any field missing, NaN or infinite; a price <= 0; volume <= 0; high < low; open or close outside
    [low, high] by more than 1e-6 relative". Chosen: relative to the bound that is passed."""
    numbers = bar[1:]
    if not all(n is not None and math.isfinite(n) and n > 0 for n in numbers) or bar.high < bar.low:
        return False
    return all(bar.low * (1 - 1e-6) <= price <= bar.high * (1 + 1e-6) for price in (bar.open, bar.close))


# ---- Indicators: "over a symbol's own bars; undefined until the window is full"


def sma(closes: Sequence[float], n: int, t: int) -> float:
    """"SMA(n)[t]: mean of close[t-n+1..t]"; t >= n-1."""
    return math.fsum(closes[t - n + 1 : t + 1]) / n


def true_range(series: Sequence[Bar], t: int) -> float:
    """"TR[t] = max(high-low, |high - close[t-1]|, |low - close[t-1]|) for t >= 1"."""
    bar, before = series[t], series[t - 1].close
    return max(bar.high - bar.low, abs(bar.high - before), abs(bar.low - before))


def wilder_atr(series: Sequence[Bar], n: int) -> list[float | None]:
    """"ATR[n] = mean(TR[1..n]), ATR[t] = (ATR[t-1]*(n-1) + TR[t]) / n"; None before bar n."""
    atr: list[float | None] = [None] * len(series)
    if len(series) <= n:
        return atr
    value = math.fsum(true_range(series, t) for t in range(1, n + 1)) / n
    atr[n] = value
    for t in range(n + 1, len(series)):
        value = (value * (n - 1) + true_range(series, t)) / n
        atr[t] = value
    return atr


# ---- Strategies: each rule gets bars t-20..t-1, bar t and ATR(14)[t-1], and answers the score or None


def donchian_long(past: Sequence[Bar], bar: Bar, atr: float, min_age: int) -> float | None:
    """"channel = max(high[t-20..t-1]); signal when close[t] > channel. score = (close[t] - channel) / ATR"."""
    channel = max(b.high for b in past)
    return (bar.close - channel) / atr if bar.close > channel else None


def donchian_short(past: Sequence[Bar], bar: Bar, atr: float, min_age: int) -> float | None:
    """The mirror: the lowest low of the 20 bars before, and a close under it."""
    channel = min(b.low for b in past)
    return (channel - bar.close) / atr if bar.close < channel else None


def turtle_soup_long(past: Sequence[Bar], bar: Bar, atr: float, min_age: int) -> float | None:
    """"L = min(low[t-20..t-1]), last made at bar j (the most recent bar of the window whose low equals L); signal
    when low[t] < L and close[t] > L and t - j >= 4. score = (L - low[t]) / ATR"."""
    level = min(b.low for b in past)
    age = 1 + [b.low for b in reversed(past)].index(level)
    return (level - bar.low) / atr if bar.low < level < bar.close and age >= min_age else None


def turtle_soup_short(past: Sequence[Bar], bar: Bar, atr: float, min_age: int) -> float | None:
    """The mirror: a sweep above the highest high of the 20 bars before, and a close back under it."""
    level = max(b.high for b in past)
    age = 1 + [b.high for b in reversed(past)].index(level)
    return (bar.high - level) / atr if bar.high > level > bar.close and age >= min_age else None


RULES = {"donchian": (donchian_long, donchian_short), "ict_turtle_soup": (turtle_soup_long, turtle_soup_short)}


def signals(bars: Bars, strategy: str, params: Params | None = None) -> list[Signal]:
    """Every signal of the strategy, by symbol, then bar."""
    p = with_defaults(params)
    return [found for symbol in sorted(bars) for found in _signals_of(symbol, bars[symbol], strategy, p)]


def _signals_of(symbol: str, series: Sequence[Bar], strategy: str, p: Params) -> list[Signal]:
    """"close[t] > SMA(200)[t-1]; close[t] >= 5.00 (min_price); ATR(14)[t-1] > 0"; for shorts close < SMA, and the
    least price as it is: it is about the stock, not the direction. With close = SMA there is no side."""
    closes, atr, found = [b.close for b in series], wilder_atr(series, p["atr"]), []
    for t in range(max(p["lookback"], p["trend"], p["atr"] + 1), len(series)):
        bar, known_atr, trend = series[t], atr[t - 1], sma(closes, p["trend"], t - 1)
        if not (known_atr and known_atr > 0 and bar.close >= p["min_price"] and bar.close != trend):
            continue
        side = "long" if bar.close > trend else "short"
        if side == "short" and not p["allow_short"]:
            continue
        rule = RULES[strategy][0 if side == "long" else 1]
        score = rule(series[t - p["lookback"] : t], bar, known_atr, p["min_age"])
        if score is not None:
            found.append({"symbol": symbol, "strategy": strategy, "index": t, "date": bar.date, "side": side,
                          **_levels(bar.close, side, known_atr, p), "score": score})
    return found


def _levels(entry: float, side: str, atr: float, p: Params) -> dict[str, float | None]:
    """"stop = close[t] - 2 x ATR(14)[t-1]", above for shorts; "take_profit = entry + r x (entry - stop)", which for
    a short lies below by itself; "entry (the reference price) = close[t]"."""
    stop = entry - p["stop_atr"] * atr if side == "long" else entry + p["stop_atr"] * atr
    take_profit = None if p["r_multiple"] is None else entry + p["r_multiple"] * (entry - stop)
    return {"entry": entry, "stop": stop, "take_profit": take_profit}
