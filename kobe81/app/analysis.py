"""What a result comes to: its figures, what stands beside it, and what must be said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kobe81.app.market import Market
from kobe81.backtest.benchmark import benchmark, buy_and_hold
from kobe81.backtest.bootstrap import Interval, intervals
from kobe81.backtest.engine import Account, Backtest
from kobe81.backtest.metrics import summary
from kobe81.backtest.overfitting import deflated_sharpe, overfitting
from kobe81.backtest.results import Curve, Trades
from kobe81.backtest.statistics import Statistic, statistics
from kobe81.backtest.walk_forward import WalkForward
from kobe81.core.days import day
from kobe81.core.symbols import parse_symbol
from kobe81.strategies import Strategy

if TYPE_CHECKING:
    import polars as pl

    from kobe81.engine.rules import Rules

HOLD = "Buy and hold, equal parts"
IN_SAMPLE = ("Not out of sample: these parameters were known when the history was. "
             "For a verdict, judge them with: kobe wf")


@dataclass(frozen=True, eq=False)
class Analysis:
    """A backtest or a walk-forward with everything shown beside it."""

    market: Market
    result: Backtest | WalkForward
    seed: int
    benchmark_symbol: str | None = None
    rules: Rules | None = None

    @property
    def strategy(self) -> Strategy:
        """The strategy as it was asked for."""
        return self.result.strategy if isinstance(self.result, Backtest) else self.result.base

    @property
    def account(self) -> Account:
        """Who traded."""
        return self.result.account

    @property
    def curve(self) -> Curve:
        """The equity judged: of the whole span, or out of sample only."""
        return self.result.curve

    @property
    def fills(self) -> Trades:
        """The trades judged."""
        return self.result.fills if isinstance(self.result, Backtest) else self.result.trades

    @cached_property
    def trades(self) -> pl.DataFrame:
        """The trades judged, one row each, with their targets and excursions."""
        import polars as pl

        frame = self.fills.to_frame(self.market.bars, self.strategy.name)
        target = pl.Series("target", self.fills.target, dtype=pl.Float64).fill_nan(None)
        return frame.with_columns(target, pl.Series("mae", self.fills.mae), pl.Series("mfe", self.fills.mfe))

    @cached_property
    def benchmarks(self) -> dict[str, Curve]:
        """What holding would have earned over the same sessions, by name."""
        bars = self.market.bars
        first = int(bars.sessions.searchsorted(self.curve.date[0]))
        curves = {HOLD: buy_and_hold(bars, self.account.cash, first)}
        if self.benchmark_symbol:
            symbol = parse_symbol(self.benchmark_symbol)
            curves[symbol] = benchmark(bars, symbol, self.account.cash, first)
        return {name: _until(curve, len(self.curve)) for name, curve in curves.items()}

    @cached_property
    def figures(self) -> dict[str, Any]:
        """The figures of summary.json."""
        return {**summary(self.curve, self.fills), **self.verdict}

    @cached_property
    def statistics(self) -> dict[str, Statistic]:
        """All statistics, against the named benchmark or, without one, against holding everything."""
        return statistics(self.curve, self.fills, list(self.benchmarks.values())[-1])

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Bootstrap intervals of sharpe, max_drawdown and profit_factor."""
        return intervals(self.curve.returns, self.fills.net_pnl, self.seed)

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """Of a walk-forward: how much of it choosing among many sets could have made by luck. Undefined is None."""
        if isinstance(self.result, Backtest):
            return {}
        returns, trials = self.result.returns, len(self.result.sets)
        chosen = overfitting(returns)
        return {"splits": len(self.result.splits), "trials": trials,
                "deflated_sharpe": deflated_sharpe(self.curve.returns[: len(returns)], returns, trials),
                "pbo": chosen.pbo if chosen else None}

    @cached_property
    def caveats(self) -> list[str]:
        """What must be said wherever these numbers appear."""
        origin = self.market.bars.origin
        said = [IN_SAMPLE] if isinstance(self.result, Backtest) else []
        if origin.synthetic:
            said.insert(0, "SYNTHETIC: a seeded random market made these prices; they say nothing about a real one.")
        if self.rules:
            said.append(_gated(self.rules))
        return [*said, *([_sentence(origin.note)] if origin.note else []), *map(_sentence, self.market.warnings)]

    @property
    def span(self) -> str:
        """First to last date judged."""
        return f"{day(self.curve.date[0])} to {day(self.curve.date[-1])}"


@dataclass(frozen=True)
class Setup:
    """What a run is to do: the strategy, the account, how the time is cut (walk-forward), what to try; rules: what the
    decision path goes by, None where the kernel trades."""

    strategy: Strategy
    account: Account
    plan: Mapping[str, Any] | None = None
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    rules: Rules | None = None

    @property
    def config(self) -> dict[str, Any]:
        """As plain values, for the registry."""
        decided = {"engine": "decide", "rules": self.rules.values} if self.rules else {}
        return {"strategy": vars(self.strategy), "account": vars(self.account), "plan": self.plan,
                "grid": {k: list(v) for k, v in self.grid.items()}, **decided}


def _until(curve: Curve, sessions: int) -> Curve:
    return Curve(curve.date[:sessions], curve.equity[:sessions], curve.cash[:sessions], curve.exposure[:sessions],
                 curve.initial)


def _gated(rules: Rules) -> str:
    """Which gates every order had to pass, and which were not asked."""
    asked = ", ".join(sorted(gate.name for gate in rules.gates)) or "none"
    return f"Traded by the decision path, gates on: {asked}; off: {', '.join(rules.off) or 'none'}."


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
