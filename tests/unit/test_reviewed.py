"""What a hostile reading found once, and must not find again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from kobe81.backtest.engine import Account, backtest, compute_signals
from kobe81.backtest.metrics import summary
from kobe81.backtest.walk_forward import Plan, annual_sharpe, walk_forward
from kobe81.core.bars import Bars, Column
from kobe81.core.errors import UsageError
from kobe81.core.symbols import parse_symbol
from kobe81.data.load import load
from kobe81.data.providers.synthetic import synthetic_bars
from kobe81.indicators import prior_high
from kobe81.indicators.columns import beside, remembered
from kobe81.strategies import strategy
from kobe81.strategies.base import AtrStopStrategy, Setup


@dataclass(frozen=True)
class Peeking(AtrStopStrategy):
    """A rule that looks at how the position will be left."""

    sentence: ClassVar[tuple[str, str]] = ("", "")

    def setup(self, bars: Bars) -> Setup:
        level = prior_high(bars.high, 20)
        return Setup((bars.close - level > 0) & (np.asarray(bars.close) > 3 * self.stop_atr), level, bars.close)


def test_a_rule_that_reads_its_exits_gives_no_signal_rather_than_anothers() -> None:
    """Computed together or alone, the answer is the same."""
    bars = synthetic_bars(5, 400, 2)
    rules = [Peeking(trend=20, stop_atr=1.0), Peeking(trend=20, stop_atr=4.0)]
    together = [len(s) for s in compute_signals(bars, rules)]
    assert together == [len(compute_signals(bars, [rule])[0]) for rule in rules] == [0, 0]


def test_two_indicators_of_one_name_do_not_share_a_memory() -> None:
    """A plugin may well call its average sma, too."""
    def double(x: Column) -> Column:
        return beside(x, np.asarray(x) * 2)

    def triple(x: Column) -> Column:
        return beside(x, np.asarray(x) * 3)

    double.__name__ = triple.__name__ = "same"
    block = next(synthetic_bars(2, 50, 1).blocks())[1]
    assert remembered(double)(block.close)[0] != remembered(triple)(block.close)[0]


def test_a_ruined_account_has_no_sharpe() -> None:
    """Returns on nothing, or on less, are undefined: not large, and above all not positive."""
    bars = synthetic_bars(6, 400, 4)
    result = backtest(bars, strategy("donchian", {"trend": 20}), Account(mode="independent", cash=1.0, notional=1e6))
    assert result.curve.equity.min() < 0
    figures = summary(result.curve, result.fills)
    assert (figures["sharpe"], figures["volatility"], figures["cvar_95"], figures["exposure"]) == (None,) * 4
    assert result.equity["return"].null_count() > 0
    assert np.isnan(annual_sharpe(np.full((1, 50), -10.0) + np.arange(50) % 2, 100.0))[0]


def test_a_panel_belongs_to_the_code_that_judged_its_bars(tmp_path: Path) -> None:
    """Other code, other panel; the same code, the same."""
    path = tmp_path / "bars.parquet"
    synthetic_bars(2, 60, 1).to_frame().write_parquet(path)
    first = load(path, cache_dir=tmp_path, made_by="one")
    assert first.panel is not None
    written = first.panel.stat().st_ino
    assert load(path, cache_dir=tmp_path, made_by="one").panel.stat().st_ino == written  # type: ignore[union-attr]
    assert load(path, cache_dir=tmp_path, made_by="two").panel.stat().st_ino != written  # type: ignore[union-attr]


def test_a_grid_needs_only_the_bars_of_its_shortest_set() -> None:
    """The strategy's own 200-bar trend is none of the grid's business."""
    bars = synthetic_bars(4, 150, 3)
    made = walk_forward(bars, strategy("donchian"), {"trend": [20, 30]}, Account(), Plan(train=60, test=20))
    assert len(made.splits) == 4


WRONG = [("allow_short", "false"), ("hold", 2.5), ("hold", True), ("lookback", "20")]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_parameter_of_another_type_is_refused_by_name(name: str, value: object) -> None:
    """Text that reads like a parameter is only read where text is expected."""
    with pytest.raises(UsageError, match=f"{name} = "):
        replace(strategy("donchian"), **{name: value})


@pytest.mark.parametrize("text", ["SYM_001", "^GSPC", "EURUSD=X", "BRK.B", "A" * 32])
def test_symbols_with_marks_are_symbols(text: str) -> None:
    """As vendors write them."""
    assert parse_symbol(text.lower()) == text


@pytest.mark.parametrize("text", ["", "../X", "A/B", "A B", "=1+1", "A" * 33, ".A"])
def test_what_could_leave_its_folder_or_its_cell_is_none(text: str) -> None:
    """No slash, no blank, nothing a spreadsheet would run."""
    with pytest.raises(UsageError):
        parse_symbol(text)
