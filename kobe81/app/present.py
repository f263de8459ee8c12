"""Runs as people see them: the terminal, JSON, and the HTML report."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kobe81.app import home
from kobe81.app.analysis import HOLD, Analysis
from kobe81.app.runs import Run
from kobe81.backtest.engine import Backtest
from kobe81.backtest.statistics import monthly_returns
from kobe81.backtest.walk_forward import WalkForward
from kobe81.reports import terminal
from kobe81.reports.html import Report, RunSection, render

if TYPE_CHECKING:
    import polars as pl

HEADLINE = ("Return", "Annual return", "Sharpe", "Maximum drawdown", "Profit factor", "Trades", "Win rate", "Exposure")
GROUPS = {"Start": "Span", "Initial equity": "Return", "Annual volatility": "Risk", "Benchmark return": "Benchmark",
          "Trades": "Trades"}
"""The figure that begins each group of the statistics."""
DATES = ("train_start", "train_end", "test_start", "test_end")
UNITS = {"sharpe": "ratio", "max_drawdown": "%", "profit_factor": "ratio"}
NAMES = {"sharpe": "Sharpe", "max_drawdown": "Maximum drawdown", "profit_factor": "Profit factor"}


def show(runs: Sequence[Run], as_json: bool, brief: bool = False) -> None:
    """Print the runs: one table, a column each, what stands beside them, and what must be said; `brief`: no splits."""
    if as_json:
        sys.stdout.write(json.dumps([as_values(run) for run in runs], indent=2, allow_nan=False, default=str) + "\n")
        return
    for market in dict.fromkeys(run.analysis.market for run in runs):
        _show_market([run for run in runs if run.analysis.market is market], brief)


def as_values(run: Run) -> dict[str, Any]:
    """A run for machines: figures, intervals, benchmarks, refusals, caveats, origins."""
    analysis = run.analysis
    return {
        "run": run.inputs.run_id, "kind": run.inputs.kind, "strategy": run.inputs.strategy,
        "source": analysis.market.bars.origin.source, "synthetic": analysis.market.bars.origin.synthetic,
        "symbols": len(analysis.market.bars.symbols), "span": analysis.span, "config": run.inputs.config,
        "summary": analysis.figures,
        "intervals_95": {name: list(found) for name, found in analysis.intervals.items()},
        "benchmarks": {name: float(c.equity[-1] / c.initial - 1.0) for name, c in analysis.benchmarks.items()},
        "refusals": refusals(analysis), "caveats": analysis.caveats, **run.inputs.made_from,
    }


def refusals(analysis: Analysis) -> dict[str, int]:
    """How often each reason kept a signal from becoming a trade; a walk-forward does not count them."""
    return analysis.result.refusals if isinstance(analysis.result, Backtest) else {}


def _show_market(runs: Sequence[Run], brief: bool) -> None:
    first = runs[0].analysis
    bars = first.market.bars
    title = f"{bars.origin.label}\n{len(bars.symbols)} symbols, {first.span}, {_kind(first)}"
    walked = [] if brief else [r for r in runs if isinstance(r.analysis.result, WalkForward)]
    terminal.show(
        terminal.table(title, ["", *(r.inputs.strategy for r in runs), *map(_short, first.benchmarks)], _figures(runs)),
        terminal.pairs({r.inputs.strategy: terminal.sparkline(r.analysis.curve.equity.tolist(), 50) for r in runs}),
        *map(_splits, walked),
        *map(_gates, [r for r in runs if r.analysis.rules]),
        terminal.notes(first.caveats),
    )


def _kind(analysis: Analysis) -> str:
    if isinstance(analysis.result, WalkForward):
        return "out of sample"
    return f"{analysis.account.mode}, gates on" if analysis.rules else analysis.account.mode


def _gates(run: Run) -> Any:
    """How many candidates and exits each gate refused; one may be refused by several."""
    rows = [[name, terminal.say(count, "count")] for name, count in refusals(run.analysis).items()]
    return terminal.table(f"{run.inputs.strategy}: refusals by gate", ["gate", "refused"], rows)


def _short(name: str) -> str:
    return "buy & hold" if name == HOLD else name


def _figures(runs: Sequence[Run]) -> list[list[str]]:
    """One row per figure; the intervals stand in brackets under theirs."""
    from kobe81.backtest.metrics import cagr, max_drawdown, sharpe

    rows = []
    held = runs[0].analysis.benchmarks.values()
    known = {"Return": ("%", [c.equity[-1] / c.initial - 1.0 for c in held]),
             "Annual return": ("%", [cagr(c) for c in held]),
             "Sharpe": ("ratio", [sharpe(c.returns) for c in held]),
             "Maximum drawdown": ("%", [max_drawdown(c) for c in held])}
    for name in HEADLINE:
        found = [run.analysis.statistics[name] for run in runs]
        unit, values = known.get(name, ("%", []))
        rows.append([name, *(terminal.say(s.value, s.unit) for s in found),
                     *(terminal.say(v, unit) for v in values or [None] * len(held))])
        for key, title in NAMES.items():
            if title == name:
                rows.append(["  95 %", *(terminal.interval(*run.analysis.intervals[key], UNITS[key])
                                                   for run in runs), *[""] * len(held)])
    for key, title in (("deflated_sharpe", "Deflated Sharpe"), ("pbo", "Overfitting (PBO)"), ("trials", "Sets tried")):
        if key in runs[0].analysis.verdict:
            unit = "count" if key == "trials" else "ratio"
            rows.append([title, *(terminal.say(run.analysis.verdict[key], unit) for run in runs), *[""] * len(held)])
    walked = isinstance(runs[0].analysis.result, WalkForward)
    return rows + (_stability(runs, [""] * len(held)) if walked else [])


def _stability(runs: Sequence[Run], blank: Sequence[str]) -> list[list[str]]:
    """In sample against out of sample, split by split, and the parameter values chosen most often."""
    frames = [splits_frame(run.analysis.result) for run in runs]
    rows = [["Splits", *(terminal.say(f.height, "count") for f in frames)],
            ["  that earned", *(terminal.say(f.filter(f["net_pnl"] > 0).height / f.height, "%") for f in frames)],
            ["  Sharpe in sample", *(terminal.say(f["in_sample"].mean(), "ratio") for f in frames)],
            ["  out of sample", *(terminal.say(f["out_of_sample"].mean(), "ratio") for f in frames)]]
    for name in dict.fromkeys(n for run in runs for n in _varied(run.analysis.result)):
        rows.append([f"  {name} chosen", *(_favourite(f, name) for f in frames)])
    return [[*row, *blank] for row in rows]


def _favourite(frame: pl.DataFrame, name: str) -> str:
    """The value chosen in most splits, and in how many."""
    if name not in frame.columns:
        return "–"
    value, count = frame[name].value_counts().sort(["count", name], descending=[True, False]).row(0)
    return f"{_bare(value)} in {count}"


def _bare(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _varied(result: Any) -> list[str]:
    """The parameters the grid varied."""
    return [k for k in vars(result.base) if len({vars(s)[k] for s in result.sets}) > 1]


def _splits(run: Run) -> Any:
    """The splits, at most twelve of them, with the chosen values of the varied parameters."""
    frame, varied = splits_frame(run.analysis.result), _varied(run.analysis.result)
    step = max(1, -(-frame.height // 12))
    rows = [[str(r["split"]), str(r["test_start"]), *(_bare(r[k]) for k in varied),
             terminal.say(r["in_sample"], "ratio"), terminal.say(r["out_of_sample"], "ratio"),
             terminal.say(r["trades"], "count"), terminal.say(r["net_pnl"], "$")]
            for r in frame.iter_rows(named=True) if r["split"] % step == 0]
    title = f"{run.inputs.strategy}: {frame.height} splits" + (f", one in {step} shown" if step > 1 else "")
    return terminal.table(title, ["#", "tested from", *varied, "in", "out", "trades", "P&L $"], rows, left=2)


def splits_frame(result: Any) -> pl.DataFrame:
    """One row per split: dates, the chosen parameters, Sharpe in and out of sample, trades, profit."""
    import polars as pl

    from kobe81.backtest.files import split_facts
    from kobe81.backtest.metrics import sharpe

    varied = _varied(result)
    rows = []
    for split in result.splits:
        facts = split_facts(result, split)
        chosen = {k: vars(split.strategy)[k] for k in varied}
        rows.append({"split": split.number, **{k: facts[k] for k in DATES},
                     "parameters": ", ".join(f"{k} {_bare(v)}" for k, v in chosen.items()) or "defaults",
                     **chosen, "in_sample": split.in_sample, "out_of_sample": sharpe(split.curve.returns),
                     "trades": len(split.trades), "net_pnl": float(split.trades.net_pnl.sum())})
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col(d).str.to_date() for d in DATES)


def report(runs: Sequence[Run], title: str, command: str) -> bytes:
    """The HTML report of the runs, one section each."""
    sections = [_section(run) for run in runs]
    facts = [{"run": r.inputs.run_id, "source": r.analysis.market.bars.origin.label, "span": r.analysis.span,
              **r.inputs.made_from} for r in runs]
    provenance = {key: ", ".join(dict.fromkeys(str(f[key]) for f in facts)) for key in facts[0]}
    page = Report(title, command, provenance, sections, _comparison(runs) if len(runs) > 1 else None)
    return render(page).encode()


def _comparison(runs: Sequence[Run]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame([
        {"strategy": _title(run), **{n: terminal.say(*run.analysis.statistics[n]) for n in HEADLINE}} for run in runs])


def _title(run: Run) -> str:
    origin = run.analysis.market.bars.origin
    return f"{run.inputs.strategy} on {'SYNTHETIC market' if origin.synthetic else origin.source}"


def _section(run: Run) -> RunSection:
    analysis, result = run.analysis, run.analysis.result
    bars, walked = analysis.market.bars, isinstance(result, WalkForward)
    return RunSection(
        title=_title(run) if bars.origin.synthetic else run.inputs.strategy,
        subtitle=f"{len(bars.symbols)} symbols, {analysis.span}, {_kind(analysis)}",
        label=bars.origin.label,
        parameters={**vars(analysis.strategy), **_gridded(result), **vars(analysis.account)},
        equity=analysis.curve.to_frame(),
        benchmarks={name: curve.to_frame().select("date", "equity") for name, curve in analysis.benchmarks.items()},
        trades=analysis.trades,
        bars=bars,
        statistics=_statistics(analysis),
        monthly=_monthly(analysis),
        splits=splits_frame(result) if walked else None,
        deflated_sharpe=analysis.verdict.get("deflated_sharpe"), pbo=analysis.verdict.get("pbo"),
        trials=analysis.verdict.get("trials"), refusals=refusals(analysis), caveats=analysis.caveats)


def _gridded(result: Any) -> dict[str, str]:
    """The values a walk-forward chose from, split by split."""
    if not isinstance(result, WalkForward):
        return {}
    return {name: "from the grid: " + ", ".join(dict.fromkeys(_bare(vars(s)[name]) for s in result.sets))
            for name in _varied(result)}


def _statistics(analysis: Analysis) -> list[tuple[str, str, str, str]]:
    found = analysis.statistics
    between = {NAMES[k]: terminal.interval(*bounds, UNITS[k]) for k, bounds in analysis.intervals.items()}
    rows = [("Headline", name, terminal.say(*found[name]), between.get(name, "")) for name in HEADLINE]
    group = ""
    for name, figure in found.items():
        group = GROUPS.get(name, group)
        rows.append((group, name, terminal.say(*figure), between.get(name, "")))
    return rows


def _monthly(analysis: Analysis) -> pl.DataFrame:
    frame = monthly_returns(analysis.curve)
    return frame.rename(dict(zip(frame.columns[1:13], map(str, range(1, 13)), strict=True)) |
                        {frame.columns[13]: "total", frame.columns[0]: "year"})


def register_line(runs: Sequence[Run], written: Sequence[str]) -> None:
    """Where the results are."""
    kept = ", ".join(r.experiment.run_id for r in runs if r.experiment)
    lines = {"registered": f"{kept} in {home.runs()}"} if kept else {}
    terminal.show(terminal.pairs({**lines, **({"written": ", ".join(written)} if written else {})}))
