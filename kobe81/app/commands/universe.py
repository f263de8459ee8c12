"""kobe universe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kobe81.app.options import DATA, DataOptions, Whole
from kobe81.core.errors import UsageError


def build(out: Annotated[Path, Parameter(name=["out", "--out"])] = Path("universe.csv"),
          *, data: DataOptions = DATA, candidates: Path | None = None,
          keep: Whole = 900, years: Whole = 10, json: bool = False) -> None:
    """Keep the most traded candidates with a long history, and say why the others were left out.

    Parameters
    ----------
    out
        The universe file: symbol, median_dollar_volume, first, last, bars.
    candidates
        A file of symbols; without it, every symbol of the data.
    keep
        Symbols kept at most.
    years
        Years of history needed.
    json
        Print JSON.
    """
    from kobe81.app.opening import open_market
    from kobe81.data.universe import COLUMNS, read_universe
    from kobe81.data.universe import build as build_
    from kobe81.experiments.registry import write_files
    from kobe81.reports import terminal

    if keep < 1 or years < 0:
        raise UsageError(f"--keep {keep} is not at least 1" if keep < 1 else f"--years {years} is not at least 0")
    market = open_market(data.over({"data": "cache"}))
    made = build_(market.bars.to_frame(), read_universe(candidates) if candidates else None, keep=keep, years=years)
    left = out.with_name(f"{out.stem}_left_out.csv")
    write_files(out.parent, {out.name: made.kept.select(COLUMNS).write_csv().encode(),
                             left.name: made.left_out.write_csv().encode()})
    if json:
        sys.stdout.write(made.kept.write_json() + "\n")
        return
    top = [[str(r["rank"]), r["symbol"], f"{r['median_dollar_volume']:,.0f}", str(r["first"]), str(r["last"]),
            f"{r['bars']:,}"] for r in made.kept.head(10).iter_rows(named=True)]
    out_rows = [[r["symbol"], r["reason"]] for r in made.left_out.head(10).iter_rows(named=True)]
    terminal.show(
        terminal.table(f"{made.kept.height:,} kept, the most traded first; all in {out}",
                       ["rank", "symbol", "median $ a day", "first", "last", "bars"], top, left=2),
        terminal.table(f"{made.left_out.height:,} left out; all in {left}", ["symbol", "why"], out_rows, left=2),
        terminal.notes([market.bars.origin.note]))
