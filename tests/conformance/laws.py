"""The laws every strategy obeys, whoever wrote it. Each takes a strategy and raises AssertionError where it is broken.

A strategy from another package is held to them as soon as it is installed beside kobe81: `pytest tests/conformance`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from kobe81.core.bars import FIELDS, Bars
from kobe81.core.errors import UsageError
from kobe81.core.params import parameters, with_values
from kobe81.core.signals import LONG, Signals
from kobe81.strategies import Strategy

CUTS = 50
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.(\d+))?")


def walk(rng: np.random.Generator, length: int, first: float) -> dict[str, Any]:
    """Plausible prices of one symbol: a random walk with drifts that change, and bars around it."""
    drift = np.repeat(rng.normal(0, 0.004, length // 40 + 1), 40)[:length]
    close = first * np.exp(np.cumsum(drift + rng.normal(0, 0.015, length)))
    start = close * np.exp(rng.normal(0, 0.008, length))
    spread = np.abs(rng.normal(0, 0.01, (2, length)))
    return {"open": start, "high": np.maximum(start, close) * (1 + spread[0]),
            "low": np.minimum(start, close) * (1 - spread[1]), "close": close,
            "volume": rng.integers(1, 1_000_000, length).astype(np.float64)}


def bars_of(symbols: Mapping[str, tuple[int, Mapping[str, Any]]]) -> Bars:
    """Bars from symbol: (first day, values by field)."""
    names = sorted(symbols)
    lengths = [len(symbols[name][1]["close"]) for name in names]
    days = [symbols[name][0] + np.arange(n, dtype=np.int32) for name, n in zip(names, lengths, strict=True)]
    values = {f: np.concatenate([np.asarray(symbols[name][1][f], np.float64) for name in names] or [np.empty(0)])
              for f in FIELDS}
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Bars.of(names, offsets, np.concatenate([*days, np.empty(0, np.int32)]).astype(np.int32), values)


@cache
def market(seed: int = 81) -> Bars:
    """24 symbols of up to 700 bars, from pennies to hundreds of dollars, listed and delisted at different times."""
    rng = np.random.default_rng(seed)
    symbols = {}
    for i in range(24):
        first_day = int(rng.integers(0, 120))
        symbols[f"S{i:02d}"] = (first_day, walk(rng, int(rng.integers(260, 700)), float(rng.choice([3, 20, 90, 400]))))
    return bars_of(symbols)


def taken_apart(bars: Bars) -> dict[str, tuple[int, dict[str, Any]]]:
    """The inverse of `bars_of`."""
    parts = {}
    for s, name in enumerate(bars.symbols):
        rows = slice(int(bars.offsets[s]), int(bars.offsets[s + 1]))
        parts[name] = (int(bars.date[rows][0]), {f: np.array(getattr(bars, f)[rows]) for f in FIELDS})
    return parts


def answer(strategy: Strategy, bars: Bars) -> dict[tuple[str, int, int], tuple[float, ...]]:
    """The signals as (symbol, day, side): entry, stop, take_profit, score and facts."""
    signals = strategy.generate_signals(bars)
    numbers = np.column_stack([*prices(signals).values(), *signals.facts.values()])
    keys = zip(bars.symbol_index[signals.bar], bars.date[signals.bar], signals.side, strict=True)
    return {(bars.symbols[s], int(day), int(side)): tuple(row.tolist())
            for (s, day, side), row in zip(keys, numbers, strict=True)}


def prices(signals: Signals) -> dict[str, Any]:
    return {name: getattr(signals, name) for name in ("entry", "stop", "take_profit", "score")}


def same(one: dict[Any, tuple[float, ...]], other: dict[Any, tuple[float, ...]]) -> bool:
    """Whether two answers are the same to the last bit (NaN is NaN)."""
    return one.keys() == other.keys() and all(
        np.array_equal(np.array(one[key]), np.array(other[key]), equal_nan=True) for key in one)


def difference(one: dict[Any, tuple[float, ...]], other: dict[Any, tuple[float, ...]]) -> str:
    keys = sorted(k for k in one.keys() | other.keys() if not same({k: one.get(k, ())}, {k: other.get(k, ())}))
    return f"{len(keys)} signals differ, first {keys[0]}: {one.get(keys[0])} and {other.get(keys[0])}"


def cuts_do_not_matter(strategy: Strategy) -> None:
    """On bars cut after 50 random dates, the signals are those of all bars up to that date: no look into the future."""
    bars = market()
    whole = answer(strategy, bars)
    for cut in np.random.default_rng(1).choice(bars.sessions[1:], CUTS, replace=False):
        short = answer(strategy, bars.between(int(bars.sessions[0]), int(cut)))
        expected = {key: numbers for key, numbers in whole.items() if key[1] <= cut}
        assert same(short, expected), f"known only after day {cut}: {difference(short, expected)}"


def other_symbols_do_not_matter(strategy: Strategy) -> None:
    """A symbol gets the same signals alone, among others, in any order and in any block."""
    bars = market()
    whole, parts = answer(strategy, bars), taken_apart(bars)
    for name in bars.symbols:
        alone = answer(strategy, bars_of({name: parts[name]}))
        expected = {key: numbers for key, numbers in whole.items() if key[0] == name}
        assert same(alone, expected), f"{name} alone and among others: {difference(alone, expected)}"
    turned = dict(zip(bars.symbols, reversed(bars.symbols), strict=True))
    backwards = answer(strategy, bars_of({turned[name]: part for name, part in parts.items()}))
    restored = {(turned[s], day, side): v for (s, day, side), v in backwards.items()}
    assert same(restored, whole), f"symbols in another order: {difference(restored, whole)}"
    blocks: dict[Any, tuple[float, ...]] = {}
    for _, block in bars.blocks(rows=2_000):
        blocks |= answer(strategy, block)
    assert same(blocks, whole), f"block by block: {difference(blocks, whole)}"


def nothing_is_changed(strategy: Strategy) -> None:
    """The same bars give the same signals again, because nothing is remembered and no bar is written to."""
    bars = market()
    before = taken_apart(bars)
    first, second = answer(strategy, bars), answer(strategy, bars)
    assert same(first, second), f"asked twice: {difference(first, second)}"
    assert all(np.array_equal(before[s][1][f], part[f]) for s, (_, part) in taken_apart(bars).items() for f in FIELDS)


def awkward_bars() -> Iterator[tuple[str, Bars]]:
    """Bars that are short, constant, holed or absurd."""
    rng = np.random.default_rng(3)
    good = walk(rng, 500, 50.0)
    flat = {f: np.full(500, 50.0) for f in FIELDS}
    yield "no bars", bars_of({})
    yield "one bar", bars_of({"A": (0, {f: v[:1] for f, v in good.items()})})
    yield "two symbols of one bar", bars_of({s: (0, {f: v[:1] for f, v in good.items()}) for s in "AB"})
    yield "ten bars", bars_of({"A": (0, {f: v[:10] for f, v in good.items()})})
    yield "constant", bars_of({"A": (0, flat), "B": (3, good)})
    yield "no prices", bars_of({"A": (0, {f: np.full(500, np.nan) for f in FIELDS}), "B": (3, good)})
    for name, bad in (("NaN", np.nan), ("zero", 0.0), ("a price error", 1e6)):
        for field in FIELDS:
            yield f"{name} in {field}", bars_of({s: (0, _with_holes(rng, good, field, bad)) for s in "AB"})
    yield "a hole as the first bar", bars_of({"A": (0, good | {"close": np.r_[np.nan, good["close"][1:]]})})


def _with_holes(rng: np.random.Generator, good: Mapping[str, Any], field: str, bad: float) -> dict[str, Any]:
    holes = good[field].copy()
    holes[rng.choice(len(holes), 6, replace=False)] = bad
    return {**good, field: holes}


def awkward_bars_do_no_harm(strategy: Strategy) -> None:
    """Holed, short, constant, absurd and no bars raise nothing, and no signal stands on an undefined number."""
    for name, bars in awkward_bars():
        with np.errstate(all="ignore"):
            signals = strategy.generate_signals(bars)
        _check_defined(signals, name)


def _check_defined(signals: Signals, where: str) -> None:
    for name, numbers in {**prices(signals), **signals.facts}.items():
        sound = np.isfinite(numbers) | (np.isnan(numbers) if name == "take_profit" else False)
        assert np.all(sound), f"{where}: a signal's {name} is {numbers[~sound][0]}"


def signals_are_well_formed(strategy: Strategy) -> None:
    """Ordered by bar, at most one a side and bar, entry at the close, the stop and the target on their sides of it."""
    for name, bars in [("the market", market()), *awkward_bars()]:
        with np.errstate(all="ignore"):
            signals = strategy.generate_signals(bars)
        assert np.all(np.isin(signals.side, (-1, 1))), f"{name}: a side is neither +1 nor -1"
        steps = np.diff(signals.bar)
        assert np.all(steps >= 0), f"{name}: signals are not ordered by bar"
        assert np.all((steps > 0) | (np.diff(signals.side) != 0)), f"{name}: two signals on one side of one bar"
        assert np.array_equal(signals.entry, bars.close[signals.bar]), f"{name}: an entry is not its bar's close"
        _check_sides(signals, name)


def _check_sides(signals: Signals, where: str) -> None:
    risk = signals.side * (signals.entry - signals.stop)
    assert np.all(risk > 0), f"{where}: a stop is on the wrong side of its entry"
    gain = signals.side * (signals.take_profit - signals.entry)
    assert np.all((gain > 0) | np.isnan(signals.take_profit)), f"{where}: a target is on the wrong side of its entry"


def reasons_carry_the_numbers(strategy: Strategy) -> None:
    """The reason is a sentence that names the entry to the cent, and every number in it is one of the signal's own."""
    signals = strategy.generate_signals(market())
    own = [v for f in fields(strategy) if isinstance(v := getattr(strategy, f.name), int | float)]
    for i in range(len(signals)):
        reason = signals.reason(i)
        numbers = [float(v[i]) for v in (*prices(signals).values(), *signals.facts.values())]
        assert f"{signals.entry[i]:.2f}" in reason.replace(",", ""), f"no entry {signals.entry[i]:.2f} in: {reason}"
        for found in NUMBER.finditer(reason):
            shown, places = float(found[0].rstrip(",").replace(",", "")), len(found[1] or "")
            assert any(round(abs(n), places) == abs(shown) for n in (*numbers, *own)), f"whose is {found[0]}? {reason}"


def parameters_are_bounded(strategy: Strategy) -> None:
    """Every field is a parameter with a meaning; a number has bounds, its default lies inside, what lies outside and
    NaN are refused."""
    assert is_dataclass(strategy)
    assert strategy.__dataclass_params__.frozen, "the dataclass is not frozen"  # type: ignore[attr-defined]
    known = parameters(strategy)
    assert set(known) == {f.name for f in fields(strategy)}, "a field is no parameter: use param(...)"
    for name, spec in known.items():
        low, high, default = spec.metadata["low"], spec.metadata["high"], spec.default
        assert spec.metadata["meaning"].strip(), f"{name} has no meaning"
        if isinstance(default, bool | str):
            continue
        assert low is not None, f"{name} has no lower bound"
        assert high is not None, f"{name} has no upper bound"
        assert default is None or low <= default <= high, f"the default of {name} is outside its bounds"
        for outside in (low - 1, high + 1, np.nan, np.inf, -np.inf):
            assert _refused(strategy, name, outside), f"{name} = {outside} is not refused"


def _refused(strategy: Strategy, name: str, value: float) -> bool:
    """Refused when set by Python and when set from text."""
    try:
        replace(strategy, **{name: value})  # type: ignore[arg-type]
    except UsageError:
        pass
    else:
        return False
    try:
        with_values(strategy, {name: str(value)})
    except UsageError:
        return True
    return False


def warmup_is_honest(strategy: Strategy) -> None:
    """A symbol has no signal before it has `warmup` bars, the signal's bar included."""
    bars = market()
    signals = strategy.generate_signals(bars)
    position = signals.bar - bars.offsets[bars.symbol_index[signals.bar]] + 1
    early = position[position < strategy.warmup]
    assert not len(early), f"a signal on bar {min(early, default=0)} of its symbol; warmup says {strategy.warmup}"


def holding_does_not_matter(strategy: Strategy) -> None:
    """The signals do not depend on `hold`: a walk-forward computes them once for all the times to hold."""
    bars, first = market(), None
    for hold in (1, strategy.hold, 250):
        found = answer(replace(strategy, hold=hold), bars)
        first = found if first is None else first
        assert same(first, found), f"with hold = {hold}: {difference(first, found)}"


LAWS = (cuts_do_not_matter, other_symbols_do_not_matter, nothing_is_changed, awkward_bars_do_no_harm,
        signals_are_well_formed, reasons_carry_the_numbers, parameters_are_bounded, warmup_is_honest,
        holding_does_not_matter)


LEAST = "least windows"
"""The variant in which a rule may contradict itself and never signal."""


def variants(strategy: Strategy) -> Sequence[tuple[str, Strategy]]:
    """The strategy as it comes, with targets and shorts where it has them, with short and with least windows."""
    known = parameters(strategy)
    shorts = {"allow_short": True} if "allow_short" in known else {}
    targets = {"r_multiple": 2.0} if "r_multiple" in known else {}
    least = {n: f.metadata["low"] for n, f in known.items() if type(f.default) is int}
    short = {n: max(low, known[n].default // 4) for n, low in least.items()}
    made = {"defaults": {}, "shorts and targets": shorts | targets, "short windows": short | shorts,
            LEAST: least | shorts}
    return [(name, with_values(strategy, values)) for name, values in made.items()]


def has_both_sides(strategy: Strategy) -> bool:
    """Whether the market makes the strategy give longs, and shorts where it may."""
    sides = set(strategy.generate_signals(market()).side.tolist())
    return LONG in sides and (-LONG in sides) == bool(getattr(strategy, "allow_short", False))
