"""Results for a terminal: compact tables that fit eighty columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

UNITS = {"%": "{:,.1%}", "$": "{:,.0f}", "ratio": "{:.2f}", "days": "{:,.0f}", "bars": "{:.1f}", "count": "{:,}"}


def say(value: Any, unit: str) -> str:
    """A figure as people read it; an undefined one as a dash."""
    if value is None:
        return "–"
    if unit == "date":
        return str(value)
    return UNITS[unit].format(value).replace("-", "\N{MINUS SIGN}")


def interval(low: float | None, high: float | None, unit: str) -> str:
    """A 95 % interval."""
    return f"{say(low, unit)} to {say(high, unit)}"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> RenderableType:
    """A plain table: `left` columns to the left, the figures to the right; the title's second line is dimmed."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for i, name in enumerate(columns):
        made.add_column(name, justify="left" if i < left else "right", no_wrap=i >= left or i == 0,
                        overflow="ellipsis" if i == 0 else "fold")
    for row in rows:
        made.add_row(*row)
    first, _, rest = title.partition("\n")
    return Group(Text(first, style="bold"), *([Text(rest, style="dim")] if rest else []), made)


def notes(lines: Sequence[str]) -> RenderableType:
    """Caveats, one a line; a synthetic market's loudest."""
    return Group(*(Text(f"! {line}", style="bold yellow" if "SYNTHETIC" in line else "yellow") for line in lines))


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A curve in one line of block characters."""
    blocks = "▁▂▃▄▅▆▇█"
    if len(values) < 2:
        return ""
    picked = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(picked), max(picked)
    spread = (high - low) or 1.0
    return "".join(blocks[min(7, int(8 * (v - low) / spread))] for v in picked)


def show(*parts: RenderableType, width: int | None = None) -> None:
    """Print to the terminal, or plainly to a pipe."""
    console = Console(width=width, highlight=False, soft_wrap=False)
    for part in parts:
        console.print(part)


def pairs(items: Mapping[str, str]) -> Table:
    """Names and values in two columns, without a frame."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column()
    for name, value in items.items():
        made.add_row(name, value)
    return made
