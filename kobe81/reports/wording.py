"""Numbers as people read them, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

DAYS_PER_YEAR = 365.25
LIKELY = 0.95
"""The deflated Sharpe ratio from which luck is no longer a good explanation (Bailey and Lopez de Prado 2014)."""
OVERFIT = 0.5
"""The probability of backtest overfitting from which choosing parameters was no better than drawing lots."""


def number(value: object) -> str:
    """A cell: text as it is, whole numbers with separators, others to two decimals, the undefined as a dash."""
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, int):
        return _minus(f"{value:,}")
    if isinstance(value, float):
        return _minus(f"{value:,.2f}") if isfinite(value) else "–"
    return "–" if value is None else str(value)


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction in signed percent; what rounds to zero has no sign."""
    if value is None or not isfinite(value):
        return "–"
    text = f"{value:+,.{digits}%}"
    return _minus(text if any(digit in text for digit in "123456789") else text[1:])


def dollars(value: float) -> str:
    """Whole dollars."""
    return _minus(f"{'-' if value < 0 else ''}${abs(value):,.0f}")


def shade(value: float | None, largest: float) -> str:
    """The class of a month's cell: p or n for its sign, and 1 to 5 for its size in fifths of the largest month."""
    if value is None or not isfinite(value) or value == 0:
        return ""
    return f"{'p' if value > 0 else 'n'}{max(ceil(5 * abs(value) / largest - 1e-9), 1)}"


def plain(mapping: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values as text, in the order given."""
    return [(name.replace("_", " "), _setting(value)) for name, value in mapping.items()]


def _setting(value: object) -> str:
    """A parameter's value: without separators or padding, as one would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _minus(text: str) -> str:
    return text.replace("-", "−")


FILTERS: dict[str, Callable[..., object]] = {"number": number, "percent": percent, "plain": plain, "shade": shade}


@dataclass(frozen=True)
class Growth:
    """Money at the beginning and at the end, and the years between."""

    first: float
    last: float
    years: float

    @classmethod
    def of(cls, equity: pl.DataFrame) -> Growth | None:
        """From an equity curve; its first `return`, where it has one, tells the money before the first session."""
        if equity.height == 0:
            return None
        first, last = equity.row(0, named=True), equity.row(-1, named=True)
        years = (last["date"] - first["date"]).days / DAYS_PER_YEAR
        return cls(first["equity"] / (1 + (first.get("return") or 0.0)), last["equity"], years)

    @property
    def total(self) -> float:
        """The whole return, as a fraction."""
        return self.last / self.first - 1


@dataclass(frozen=True)
class Verdict:
    """tone: good, mixed or poor. headline: a few words. sentences: what they rest on."""

    tone: str
    headline: str
    sentences: tuple[str, ...]


def verdict(
    growth: Growth | None,
    benchmarks: Mapping[str, Growth | None],
    trades: int,
    deflated_sharpe: float | None,
    pbo: float | None,
    trials: int | None,
) -> Verdict:
    """What a careful reader would say. Whatever is undefined counts against the strategy."""
    if growth is None or trades == 0:
        return Verdict("poor", "No trades", ("There is nothing to judge: no signal led to a trade in this period.",))
    tone, headline = _judgement(growth, deflated_sharpe, pbo)
    sentences = [_growth_sentence(growth, trades), *_benchmark_sentences(growth, benchmarks)]
    return Verdict(tone, headline, (*sentences, *_luck_sentences(deflated_sharpe, pbo, trials)))


def _judgement(growth: Growth, deflated_sharpe: float | None, pbo: float | None) -> tuple[str, str]:
    if not growth.total > 0:
        return "poor", "Lost money"
    if deflated_sharpe is None:
        return "mixed", "Made money on the past; not tested for luck"
    if not deflated_sharpe >= LIKELY:
        return "mixed", "Made money, but luck explains it as well"
    if pbo is not None and not pbo < OVERFIT:
        return "mixed", "Made money, but choosing its parameters did not help"
    return "good", "Held up out of sample"


def _growth_sentence(growth: Growth, trades: int) -> str:
    count = "1 trade" if trades == 1 else f"{trades:,} trades"
    return (
        f"{count} turned {dollars(growth.first)} into {dollars(growth.last)} ({percent(growth.total)}) "
        f"in {growth.years:.1f} years."
    )


def _benchmark_sentences(growth: Growth, benchmarks: Mapping[str, Growth | None]) -> list[str]:
    for name, other in benchmarks.items():
        if other is not None:
            side = "ahead of" if growth.total > other.total else "behind"
            return [f"That is {side} {name}, which made {percent(other.total)}."]
    return []


def _luck_sentences(deflated_sharpe: float | None, pbo: float | None, trials: int | None) -> list[str]:
    sentences = []
    if deflated_sharpe is not None:
        tried = "" if trials is None else f", allowing for the {trials} parameter set{'s' * (trials != 1)} tried"
        sentences.append(
            f"Deflated Sharpe ratio {deflated_sharpe:.2f}: the probability that the true Sharpe ratio is above "
            f"zero{tried}. Below {LIKELY:.2f}, luck is not ruled out."
        )
    if pbo is not None:
        sentences.append(
            f"Probability of backtest overfitting {pbo:.0%}: how often the best set of one half of the data fell "
            f"below the median in the other half."
        )
    return sentences
