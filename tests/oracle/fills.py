"""Fills, exits and costs of the specification, and its independent mode."""

from __future__ import annotations

import datetime as dt
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.oracle.rules import Bar, Bars, Params, Signal, signals, with_defaults

Trade = dict[str, Any]
Fee = Callable[[dt.date, int, float], float]
Exit = tuple[float, str]

class Terms(NamedTuple):
    """What a backtest trades on. hold: bars, the entry bar counted. fee: dollars on a sale of (date, shares, dollars);
    None is "costs none"."""

    hold: int = 5
    notional: float = 1000.0
    slippage_bps: float = 5.0
    fee: Fee | None = None
    cash: float = 100_000.0
    max_positions: int = 20


class Position(NamedTuple):
    """An open trade. entry: the bar of the fill. price: the fill. fee: what the opening sale of a short cost."""

    signal: Signal
    entry: int
    price: float
    qty: int
    fee: float

    @property
    def long(self) -> bool:
        return bool(self.signal["side"] == "long")

    @property
    def cost(self) -> float:
        """What it takes from the cash. Chosen: a short posts its entry value as collateral."""
        return self.qty * self.price

    def profit(self, price: float) -> float:
        """Gross P&L at this price."""
        return self.qty * (price - self.price if self.long else self.price - price)


def place(series: Sequence[Bar], day: dt.date) -> int:
    """Which bar is dated this day, or the next after it where none is."""
    return bisect_left(series, day, key=lambda bar: bar.date)


def bought(price: float, terms: Terms) -> float:
    """"Slippage s worsens every fill, entries and exits: buys x (1+s)"."""
    return price * (1 + terms.slippage_bps / 10_000)


def sold(price: float, terms: Terms) -> float:
    """"sells x (1-s)"."""
    return price * (1 - terms.slippage_bps / 10_000)


def sale_fee(date: dt.date, qty: int, price: float, terms: Terms) -> float:
    """"on sells the SEC Section 31 fee and the FINRA TAF". Chosen: a short sells at its entry, a long at its exit."""
    return terms.fee(date, qty, qty * price) if terms.fee else 0.0


def open_position(series: Sequence[Bar], signal: Signal, terms: Terms) -> Position | None:
    """"A signal at t is filled at the open of the symbol's next bar e = t+1. If open[e] <= stop the order is not
    sent"; "qty = floor(notional / fill)". None without a next bar, past the stop, or below one share."""
    e, long = signal["index"] + 1, signal["side"] == "long"
    if e >= len(series):
        return None
    opening, stop = series[e].open, signal["stop"]
    if opening <= stop if long else opening >= stop:
        return None
    fill = bought(opening, terms) if long else sold(opening, terms)
    qty = math.floor(terms.notional / fill)
    fee = 0.0 if long else sale_fee(series[e].date, qty, fill, terms)
    return Position(signal, e, fill, qty, fee) if qty > 0 else None


def exit_at_open(series: Sequence[Bar], held: Position, i: int) -> Exit | None:
    """"(1) i > e and open[i] <= stop: at open[i]"."""
    opening, stop = series[i].open, held.signal["stop"]
    through = opening <= stop if held.long else opening >= stop
    return (opening, "stop") if i > held.entry and through else None


def exit_during_bar(series: Sequence[Bar], held: Position, i: int, terms: Terms) -> Exit | None:
    """"(2) low[i] <= stop: at the stop; (3) take_profit set and high[i] >= take_profit: at max(open[i], take_profit);
    (4) i = e + 4, the fifth bar held: at close[i]; (5) the symbol's last bar: at close[i]"."""
    bar, stop, target = series[i], held.signal["stop"], held.signal["take_profit"]
    if bar.low <= stop if held.long else bar.high >= stop:
        return stop, "stop"
    if target is not None and (bar.high >= target if held.long else bar.low <= target):
        return (max if held.long else min)(bar.open, target), "target"
    if i == held.entry + terms.hold - 1:
        return bar.close, "time"
    return (bar.close, "end") if i == len(series) - 1 else None


def close_position(series: Sequence[Bar], held: Position, i: int, leaving: Exit, terms: Terms) -> Trade:
    """The trade as a row of trade_list.csv. return: net P&L on qty x entry price (chosen)."""
    price, reason = leaving
    fill = sold(price, terms) if held.long else bought(price, terms)
    fees = sale_fee(series[i].date, held.qty, fill, terms) if held.long else held.fee
    gross = held.profit(fill)
    signal = held.signal
    return {
        "symbol": signal["symbol"], "strategy": signal["strategy"], "side": signal["side"],
        "signal_date": signal["date"], "entry_date": series[held.entry].date, "entry_price": held.price,
        "exit_date": series[i].date, "exit_price": fill, "qty": held.qty, "stop": signal["stop"],
        "score": signal["score"], "gross_pnl": gross, "fees": fees, "net_pnl": gross - fees,
        "return": (gross - fees) / held.cost, "bars_held": i - held.entry + 1, "exit_reason": reason,
    }


def in_order(trades: list[Trade]) -> list[Trade]:
    """By entry date, then symbol: the order trade lists are compared in (chosen)."""
    return sorted(trades, key=lambda trade: (trade["entry_date"], trade["symbol"]))


# ---- Independent mode: "every symbol alone, fixed notional per trade, no shared cash"


def independent(bars: Bars, strategy: str, params: Params | None = None, notional: float = 1000.0,
                slippage_bps: float = 5.0, hold: int | None = None, fee: Fee | None = None) -> list[Trade]:
    """The trade list; hold, where given, stands in for the parameter of that name."""
    terms = Terms(with_defaults(params)["hold"] if hold is None else hold, notional, slippage_bps, fee)
    return trade_alone(bars, signals(bars, strategy, params), terms)


def trade_alone(bars: Bars, found: Sequence[Signal], terms: Terms) -> list[Trade]:
    """"One position per symbol; signals at bars before the exit bar are ignored"; one at the exit bar may enter."""
    trades, exit_bar = [], dict.fromkeys(bars, 0)
    for signal in sorted(found, key=lambda s: (s["symbol"], s["index"])):
        symbol, series = signal["symbol"], bars[signal["symbol"]]
        held = open_position(series, signal, terms) if signal["index"] >= exit_bar[symbol] else None
        if held:
            exit_bar[symbol], leaving = _first_exit(series, held, terms)
            trades.append(close_position(series, held, exit_bar[symbol], leaving, terms))
    return in_order(trades)


def _first_exit(series: Sequence[Bar], held: Position, terms: Terms) -> tuple[int, Exit]:
    """"Exits, in this order, at each bar i from e on"; the last bar ends every trade."""
    for i in range(held.entry, len(series)):
        leaving = exit_at_open(series, held, i) or exit_during_bar(series, held, i, terms)
        if leaving:
            return i, leaving
    raise AssertionError("the symbol's last bar ends every trade")


def marked_equity(bars: Bars, trades: Sequence[Trade], days: Sequence[dt.date], cash: float) -> list[float]:
    """Equity at each day's close: the cash, what left trades made, and open ones at the last known close. Chosen: the
    equity of independent mode and of training windows. The days must hold every entry and exit of the trades."""
    made, floating = [0.0] * len(days), [0.0] * len(days)
    for trade in trades:
        made[bisect_left(days, trade["exit_date"])] += trade["net_pnl"]
        for k, gain in enumerate(_marks(bars[trade["symbol"]], trade, days), bisect_left(days, trade["entry_date"])):
            floating[k] += gain
    return [cash + math.fsum(made[: k + 1]) + floating[k] for k in range(len(days))]


def _marks(series: Sequence[Bar], trade: Trade, days: Sequence[dt.date]) -> list[float]:
    """The open trade's P&L at the close of each day from its entry to the day before its exit."""
    entry, leave = trade["entry_date"], trade["exit_date"]
    closes = {bar.date: bar.close for bar in series[place(series, entry) : place(series, leave)]}
    paid, marks, close = trade["fees"] if trade["side"] == "short" else 0.0, [], math.nan
    for day in days[bisect_left(days, entry) : bisect_left(days, leave)]:
        close = closes.get(day, close)
        gain = close - trade["entry_price"] if trade["side"] == "long" else trade["entry_price"] - close
        marks.append(trade["qty"] * gain - paid)
    return marks
