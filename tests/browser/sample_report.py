"""A made-up report of realistic size and shape: seeded random walks, and trades placed on them at random."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from kobe81.core.bars import Bars
from kobe81.reports.html import Report, RunSection

SESSIONS = 2519
PARAMETERS = {"lookback": (10, 20, 30, 55), "stop_atr": (1.5, 2.0, 3.0), "hold": (5, 10)}


def sessions(count: int = SESSIONS) -> list[date]:
    """Weekdays from 2014 on."""
    days = (date(2014, 1, 2) + timedelta(days=i) for i in range(2 * count))
    return [day for day in days if day.weekday() < 5][:count]


def walk(seed: int, drift: float = 0.0003, count: int = SESSIONS) -> pl.DataFrame:
    """The bars of one symbol."""
    chance = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(chance.normal(drift, 0.017, count)))
    open_ = close * np.exp(chance.normal(0, 0.006, count))
    spread = np.abs(chance.normal(0, 0.008, (2, count)))
    high, low = np.maximum(open_, close) * (1 + spread[0]), np.minimum(open_, close) * (1 - spread[1])
    return pl.DataFrame({"date": sessions(count), "open": open_, "high": high, "low": low, "close": close})


def market(walks: dict[str, pl.DataFrame]) -> Bars:
    """The walks as the bars of one market."""
    return Bars.from_frame(pl.concat([
        walk.with_columns(symbol=pl.lit(name), volume=pl.lit(1e6)) for name, walk in walks.items()
    ]))  # fmt: skip


def equity_curve(seed: int, drift: float, deviation: float) -> pl.DataFrame:
    """An equity curve with everything that equity_curve.csv holds."""
    chance = np.random.default_rng(seed)
    returns = chance.normal(drift, deviation, SESSIONS)
    equity = 100_000 * np.cumprod(1 + returns)
    exposure = np.clip(0.5 + np.cumsum(chance.normal(0, 0.03, SESSIONS)) % 0.5, 0, 1)
    drawdown = equity / np.maximum.accumulate(np.maximum(equity, 100_000)) - 1
    return pl.DataFrame({
        "date": sessions(), "equity": equity, "cash": equity * (1 - exposure), "exposure": exposure,
        "return": returns, "drawdown": drawdown,
    })  # fmt: skip


def trade_list(bars: dict[str, pl.DataFrame], count: int, seed: int) -> pl.DataFrame:
    """Trades that begin at random and end at their stop, or at the close of the fifth bar."""
    chance = np.random.default_rng(seed)
    starts = chance.choice(len(bars) * (SESSIONS // 8 - 2), count, replace=False).tolist()
    symbols = list(bars)
    rows = [_trade(symbols[s % len(bars)], bars[symbols[s % len(bars)]], 1 + 8 * (s // len(bars))) for s in starts]
    return pl.DataFrame(rows).sort("entry_date", "symbol")


def _trade(symbol: str, bars: pl.DataFrame, signal: int) -> dict[str, object]:
    price = bars.row(signal + 1, named=True)["open"]
    stop = 0.955 * price
    held = bars[signal + 1 : signal + 6]
    hit = (held["low"] <= stop).arg_max() if (held["low"] <= stop).any() else None
    last = 4 if hit is None else hit
    leave = held["close"][4] if hit is None else min(stop, held["open"][last])
    low, high = held["low"][: last + 1].min(), held["high"][: last + 1].max()
    qty, change = int(5000 / price), leave / price - 1
    return {
        "symbol": symbol, "strategy": "donchian", "side": "long", "signal_date": bars["date"][signal],
        "entry_date": held["date"][0], "entry_price": price, "exit_date": held["date"][last], "exit_price": leave,
        "qty": qty, "stop": stop, "score": abs(change) * 10, "gross_pnl": qty * (leave - price), "fees": 0.05,
        "net_pnl": qty * (leave - price) - 0.05, "return": change, "bars_held": last + 1,
        "exit_reason": "time" if hit is None else "stop",
        "mae": min(low, leave) / price - 1, "mfe": max(high, leave, price) / price - 1,
    }  # fmt: skip


def monthly_returns(curve: pl.DataFrame) -> pl.DataFrame:
    """year, 1 to 12, total."""
    growth = (pl.col("return") + 1).product() - 1
    year, month = pl.col("date").dt.year().alias("year"), pl.col("date").dt.month().alias("month")
    cells = curve.group_by(year, month).agg(growth).pivot("month", index="year", values="return")
    totals = curve.group_by(year).agg(growth.alias("total"))
    return cells.join(totals, on="year").select("year", *map(str, range(1, 13)), "total").sort("year")


def split_table(seed: int) -> pl.DataFrame:
    """35 splits of 252 and 63 sessions, each with parameters drawn from the grid."""
    chance, days = np.random.default_rng(seed), sessions()
    rows = []
    for k in range(35):
        chosen = {name: values[int(chance.integers(len(values)))] for name, values in PARAMETERS.items()}
        train, test, end = 63 * k, 63 * k + 252, 63 * k + 314
        rows.append({
            "split": k, "train_start": days[train], "train_end": days[test - 1], "test_start": days[test],
            "test_end": days[end], "parameters": " ".join(f"{n}={v}" for n, v in chosen.items()), **chosen,
            "trend": 200, "in_sample": chance.normal(1.4, 0.5), "out_of_sample": chance.normal(0.5, 0.9),
            "trades": int(chance.integers(20, 90)), "net_pnl": chance.normal(800, 2000),
        })  # fmt: skip
    return pl.DataFrame(rows)


def section(title: str, seed: int, *, drift: float, trades: int = 1000, synthetic: bool = False) -> RunSection:
    """A walk-forward section."""
    bars = {f"{one}{other}{'XQ'[i % 2]}": walk(seed + i) for i, (one, other) in enumerate(pairwise("ABCDEFGHIJKLM"))}
    curve, made = equity_curve(seed, drift, 0.0075), trade_list(bars, trades, seed)
    return RunSection(
        title=title,
        subtitle="Walk-forward, 35 splits of 252 and 63 sessions, 20 positions of $5,000",
        label="random walks [SYNTHETIC]" if synthetic else "made-up daily bars, 12 symbols",
        parameters={"lookback": 20, "trend": 200, "atr": 14, "stop_atr": 2.0, "hold": 5, "allow_short": False},
        equity=curve,
        benchmarks={"equal-weight buy and hold": equity_curve(seed + 50, 0.0004, 0.009).select("date", "equity")},
        trades=made,
        bars=market(bars),
        statistics=STATISTICS,
        monthly=monthly_returns(curve),
        splits=split_table(seed),
        deflated_sharpe=0.71,
        pbo=0.38,
        trials=24,
        refusals={"no free slot": 1204, "gapped through the stop": 88, "not enough cash": 41},
        caveats=["Survivorship: the list holds only stocks that still trade today, which flatters every number."],
    )


STATISTICS = [
    ("Headline", "Total return", "+82.3 %", ""), ("Headline", "CAGR", "6.2 %", ""),
    ("Headline", "Sharpe", "0.71", "90 %: 0.22 to 1.18"), ("Headline", "Max drawdown", "−18.4 %", "90 %: −31 to −12 %"),
    ("Headline", "Trades", "1,000", ""), ("Headline", "Win rate", "51.2 %", ""),
    ("Headline", "Profit factor", "1.18", "90 %: 1.02 to 1.36"),
    ("Return", "CAGR", "6.2 %", ""), ("Return", "Volatility", "11.9 %", "annual"),
    ("Return", "Alpha", "1.8 %", "annual"),
    ("Return", "Beta", "0.41", "to equal-weight buy and hold"), ("Return", "Best day", "+3.1 %", ""),
    ("Risk", "Sharpe", "0.71", "90 % by block bootstrap: 0.22 to 1.18"), ("Risk", "Sortino", "1.02", ""),
    ("Risk", "Calmar", "0.34", ""), ("Risk", "Omega", "1.13", ""), ("Risk", "Ulcer index", "6.9", ""),
    ("Risk", "Longest drawdown", "611 days", ""), ("Risk", "VaR 95", "−1.2 %", "one day"),
    ("Trades", "Expectancy", "$12.40", "per trade"), ("Trades", "SQN", "1.9", ""), ("Trades", "Kelly", "7.1 %", ""),
    ("Trades", "Longest winning streak", "9", ""), ("Trades", "Longest losing streak", "11", ""),
    ("Trades", "Average win", "+2.9 %", ""), ("Trades", "Average loss", "−2.6 %", ""),
]  # fmt: skip


def report(trades: int = 1000) -> Report:
    """Two strategies head to head, one of them on synthetic prices."""
    sections = [
        section("Donchian breakout", 3, drift=0.0003, trades=trades),
        section("ICT Turtle Soup", 40, drift=-0.00002, trades=trades, synthetic=True),
    ]
    comparison = pl.DataFrame({
        "strategy": [s.title for s in sections], "total_return": ["+82.3 %", "−4.1 %"], "sharpe": [0.71, -0.04],
        "max_drawdown": ["−18.4 %", "−27.9 %"], "trades": [trades, trades],
    })  # fmt: skip
    return Report(
        title="Walk-forward: Donchian against Turtle Soup",
        command="kobe wf --data bars.parquet --strategy donchian --grid lookback=10,20,30,55 --out wf_outputs",
        provenance={"data hash": "9f2c41d07be8", "config hash": "17ab90c2", "code version": "0.1.0", "seed": 81,
                    "span": "2014-01-02 to 2023-08-29", "source": "made up for a test"},
        sections=sections,
        comparison=comparison,
        caveats=["Prices are made up: this report exists to be looked at."],
    )  # fmt: skip
