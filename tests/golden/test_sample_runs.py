"""The figures of both strategies on the embedded sample do not move unless somebody means them to.

To renew after a change that is meant: python -m tests.golden.test_sample_runs
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kobe81.backtest.engine import Account, backtest
from kobe81.backtest.metrics import summary
from kobe81.backtest.walk_forward import walk_forward
from kobe81.data.providers.sample import sample_bars
from kobe81.strategies import strategies, strategy

GOLDEN = Path(__file__).with_name("sample_runs.json")
GRID = {"lookback": [10, 55], "hold": [5, 10]}


def figures() -> dict[str, Any]:
    """summary.json of a backtest in both modes and of a walk-forward, with the sets it chose, per strategy."""
    bars, made = sample_bars(), {}
    for name in strategies.names():
        for mode in ("portfolio", "independent"):
            result = backtest(bars, strategy(name), Account(mode=mode))
            made[f"{name} {mode}"] = {**summary(result.curve, result.fills), "signals": len(result.signals)}
        walked = walk_forward(bars, strategy(name), GRID)
        chosen = [walked.sets.index(s.strategy) if s.eligible else -1 for s in walked.splits]
        made[f"{name} walk-forward"] = summary(walked.curve, walked.trades)
        made[f"{name} chosen"] = {str(k): c for k, c in enumerate(chosen)}
    return made


def test_the_sample_gives_the_recorded_figures() -> None:
    """Counts and choices exactly, figures to 1e-9."""
    expected, found = json.loads(GOLDEN.read_text()), figures()
    assert found.keys() == expected.keys()
    for run, values in expected.items():
        assert found[run] == pytest.approx(values, rel=1e-9), run


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(figures(), indent=1) + "\n")
