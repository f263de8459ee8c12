"""The output files of a run, as bytes by relative path: the same inputs give the same bytes.

Source: docs/spec.md, Files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kobe81.backtest.engine import Backtest
from kobe81.backtest.metrics import summary
from kobe81.backtest.results import Curve, Trades
from kobe81.backtest.walk_forward import Split, WalkForward

if TYPE_CHECKING:
    import polars as pl

Files = dict[str, bytes]


def backtest_files(result: Backtest, made_from: Mapping[str, Any]) -> Files:
    """trade_list.csv, equity_curve.csv and summary.json of a backtest."""
    return _three("", result.trades, result.curve, result.fills, made_from)


def walk_forward_files(result: WalkForward, made_from: Mapping[str, Any], verdict: Mapping[str, Any]) -> Files:
    """wf_outputs/<strategy>/: three files of every split, and the stitched out-of-sample trades, equity and summary."""
    folder = f"wf_outputs/{result.base.name}/"
    files: Files = {}
    for split in result.splits:
        trades = split.trades.to_frame(result.bars, result.base.name)
        files |= _three(f"{folder}split_{split.number:02d}/", trades, split.curve, split.trades,
                        {**split_facts(result, split), **made_from})
    files[f"{folder}oos_trades.csv"] = _csv(result.trades.to_frame(result.bars, result.base.name))
    files[f"{folder}oos_equity.csv"] = _csv(result.curve.to_frame())
    files[f"{folder}summary.json"] = as_json({**summary(result.curve, result.trades), **verdict, **made_from})
    return files


def split_facts(result: WalkForward, split: Split) -> dict[str, Any]:
    """What a split was: its windows' first and last dates, the chosen parameters, the training score."""
    day = result.bars.sessions.astype("datetime64[D]").astype(str)
    return {
        "split": split.number,
        "train_start": str(day[split.train[0]]), "train_end": str(day[split.train[1] - 1]),
        "test_start": str(day[split.test[0]]), "test_end": str(day[split.test[1] - 1]),
        "parameters": vars(split.strategy), "chosen_in_training": split.eligible and len(result.sets) > 1,
        "in_sample_sharpe": split.in_sample, "train_trades": split.train_trades,
    }


def as_json(values: Mapping[str, Any]) -> bytes:
    """Canonical JSON, one value a line; NaN and infinity are refused."""
    return (json.dumps(values, indent=2, allow_nan=False, default=str) + "\n").encode()


def _three(folder: str, trades: pl.DataFrame, curve: Curve, fills: Trades, made_from: Mapping[str, Any]) -> Files:
    return {
        f"{folder}trade_list.csv": _csv(trades),
        f"{folder}equity_curve.csv": _csv(curve.to_frame()),
        f"{folder}summary.json": as_json({**summary(curve, fills), **made_from}),
    }


def _csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv(line_terminator="\n").encode()
