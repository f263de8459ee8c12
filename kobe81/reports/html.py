"""The HTML report: one file that holds its data, its styles and its charts, and asks the network for nothing."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

from kobe81.core.errors import KobeError
from kobe81.reports import charts, prices, wording

if TYPE_CHECKING:
    import jinja2
    import polars as pl

    from kobe81.core.bars import Bars

LIBRARY = "lightweight-charts.js"
SCRIPTS = ("format.js", "svg.js", "plots.js", "series.js", "prices.js", "price.js", "trades.js", "report.js")
STYLES = "report.css"


class Statistic(NamedTuple):
    """One line of the statistics, as text. note: its interval, or how to read it. A plain tuple of the four will do."""

    group: str
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class RunSection:
    """What one strategy did on one set of bars. Dates are polars Dates, returns fractions, money dollars.

    label: the origin of the bars; one with SYNTHETIC in it is marked loudly. equity: date, equity, cash, exposure,
    return, drawdown. benchmarks: date, equity of each, by name; the first is the one the verdict compares with.
    trades: the columns of trade_list.csv, and target, mae and mfe where known. bars: those they were traded on.
    statistics: (group, name, value, note); those of the first group are the headline tiles, the others a table.
    monthly: year, 1 to 12, total, as fractions, null where there was no session. splits: split, test_start, test_end,
    in_sample, out_of_sample, trades, net_pnl and one column per parameter (train_start, train_end and parameters, the
    chosen set as text, are listed where given).
    deflated_sharpe, pbo: probabilities; trials: parameter sets tried. refusals: how often each reason refused a trade.
    """

    title: str
    subtitle: str
    label: str
    parameters: Mapping[str, object]
    equity: pl.DataFrame
    benchmarks: Mapping[str, pl.DataFrame]
    trades: pl.DataFrame
    bars: Bars
    statistics: Sequence[tuple[str, str, str, str]]
    monthly: pl.DataFrame
    splits: pl.DataFrame | None = None
    deflated_sharpe: float | None = None
    pbo: float | None = None
    trials: int | None = None
    refusals: Mapping[str, int] = field(default_factory=dict)
    caveats: Sequence[str] = ()

    @property
    def synthetic(self) -> bool:
        """Whether no real market made the prices."""
        return "SYNTHETIC" in self.label.upper()

    @cached_property
    def _groups(self) -> dict[str, list[Statistic]]:
        """The statistics under their groups, both in the order given."""
        groups: dict[str, list[Statistic]] = {}
        for row in self.statistics:
            groups.setdefault(row[0], []).append(Statistic(*row))
        return groups

    @property
    def headline(self) -> list[Statistic]:
        """The first group of the statistics, whatever its name."""
        return next(iter(self._groups.values()), [])

    @property
    def further_statistics(self) -> dict[str, list[Statistic]]:
        """The other groups, by name."""
        return dict(list(self._groups.items())[1:])

    @cached_property
    def largest_month(self) -> float:
        """What the shades of the monthly table are measured by."""
        return charts.largest_month(self.monthly)

    @cached_property
    def verdict(self) -> wording.Verdict:
        """What the numbers come to, in plain words."""
        growth = {name: wording.Growth.of(frame) for name, frame in self.benchmarks.items()}
        return wording.verdict(
            wording.Growth.of(self.equity), growth, self.trades.height, self.deflated_sharpe, self.pbo, self.trials
        )

    @cached_property
    def listed(self) -> pl.DataFrame:
        """The trades that the report lists, in the order given; all of them unless they are very many."""
        if self.trades.height <= charts.MOST_TRADES:
            return self.trades
        return self.trades[sorted(charts.ranked(self.trades)[: charts.MOST_TRADES])]

    @cached_property
    def packed(self) -> dict[str, Any]:
        """The prices around the listed trades, for their charts."""
        return prices.pack(self.title, self.bars, self.listed, charts.ranked(self.listed))

    @property
    def charted(self) -> int:
        """How many of the listed trades have a price chart."""
        return sum(run is not None for run in self.packed["run"])

    def payload(self) -> dict[str, Any]:
        """What the page's scripts draw, as plain JSON values."""
        return {
            "title": self.title,
            "equity": charts.equity(self.title, self.equity),
            "benchmarks": [
                {"name": name} | charts.benchmark(name, frame) for name, frame in self.benchmarks.items()
            ],
            "years": charts.years(self.monthly),
            "trades": charts.trades(self.listed),
            "histogram": charts.histogram(self.trades["return"].drop_nulls().to_list()),
            "splits": None if self.splits is None else charts.splits(self.splits),
            "prices": self.packed,
        }


@dataclass(frozen=True, eq=False)
class Report:
    """Everything one file shows. provenance: data hash, config hash, code version, seed, span, source and the like.

    comparison: one row per strategy, its first column the name; cells are text, or numbers shown to two decimals.
    """

    title: str
    command: str
    provenance: Mapping[str, object]
    sections: Sequence[RunSection]
    comparison: pl.DataFrame | None = None
    caveats: Sequence[str] = ()


def render(report: Report) -> str:
    """The page. The same report gives the same text."""
    style = _asset(STYLES)
    scripts = [_asset(LIBRARY), "\n".join(_asset(name) for name in SCRIPTS)]
    return _environment().get_template("report.html.j2").render(
        report=report,
        data={"sections": [section.payload() for section in report.sections]},
        style=style,
        scripts=scripts,
        policy=_policy(style, scripts),
    )


def write(report: Report, path: Path) -> None:
    """Render to `path`, whole or not at all: an earlier report stays until the new one is complete."""
    text = render(report)
    try:
        _replace(path, text)
    except OSError as error:
        problem = f"cannot write the report to {path}: {error.strerror}; choose another folder with --out"
        raise KobeError(problem) from error


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """A content security policy under which only our own scripts and styles run, and nothing is fetched."""
    return (
        f"default-src 'none'; script-src {' '.join(map(_hash_source, scripts))}; style-src {_hash_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash_source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kobe81.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= wording.FILTERS
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment
