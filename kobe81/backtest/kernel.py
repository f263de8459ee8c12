"""The compiled heart of the backtest, in three steps that each read the bars once.

`outcomes` follows every signal to its exit as if it were the only one; that needs nothing but the symbol's own bars.
`select_independent` and `select_portfolio` then decide which signals become trades, and of what size. `mark` turns
trades into daily profit. A walk-forward runs the first step once and the others once per window.

Rows are positions in the bars; sessions are positions in the union of all dates. Source: spec.md, Fills in a backtest.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numba import njit

STOP, TARGET, TIME, END = 0, 1, 2, 3
"""Why a trade left; positions in results.EXIT_REASONS."""

OPEN, NO_NEXT_BAR, GAPPED, BUSY, NO_SLOT, NO_CASH, TOO_DEAR = 0, 1, 2, 3, 4, 5, 6
REFUSALS: Final = {
    NO_NEXT_BAR: "no next bar to enter on",
    GAPPED: "gapped through the stop",
    BUSY: "already in a position",
    NO_SLOT: "no free slot",
    NO_CASH: "not enough cash",
    TOO_DEAR: "one share costs more than the order",
}
NOTIONAL, FRACTION, RISK, VOLATILITY = 0, 1, 2, 3
"""Sizing: dollars, fraction of equity, fraction of equity at risk to the stop, annual volatility to carry."""

CASH, EQUITY = 0, 1
"""Positions in the purse of a shared account."""

compiled: Any = njit(nogil=True, cache=True, error_model="numpy")


@compiled
def outcomes(bar: Any, side: Any, stop: Any, target: Any, offsets: Any, session: Any, open_: Any, high: Any, low: Any,
             close: Any, hold: int, slippage: float, sessions: int) -> Any:
    """Follow each signal to its exit. Arrays per signal, ordered by bar; `slippage` is a fraction, for every fill.

    Returns (symbol, own session, entry session, refusal, exit row, reason, at_open, fill, exit fill). The entry session
    is `sessions` where there is no next bar; at_open: whether the exit was a gap, before that session's entries.
    """
    n, s = len(bar), 0
    symbol, own, enters = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    refusal, reason, at_open = np.zeros(n, np.int8), np.zeros(n, np.int8), np.zeros(n, np.bool_)
    exit_row, fill, exit_fill = bar.copy(), np.full(n, np.nan), np.full(n, np.nan)
    for k in range(n):
        while bar[k] >= offsets[s + 1]:
            s += 1
        entry, last = bar[k] + 1, offsets[s + 1] - 1
        symbol[k], own[k], enters[k] = s, session[bar[k]], sessions
        if entry > last:
            refusal[k] = NO_NEXT_BAR
            continue
        up, worse = side[k] > 0, 1.0 + side[k] * slippage
        enters[k], fill[k] = session[entry], open_[entry] * worse
        if not (open_[entry] > stop[k] if up else open_[entry] < stop[k]):
            refusal[k] = GAPPED
            continue
        final = min(entry + hold - 1, last)
        reason[k], exit_row[k], price = TIME if final == entry + hold - 1 else END, final, close[final]
        for i in range(entry, final + 1):
            gapped = i > entry and (open_[i] <= stop[k] if up else open_[i] >= stop[k])
            if gapped or (low[i] <= stop[k] if up else high[i] >= stop[k]):
                reason[k], exit_row[k], at_open[k] = STOP, i, gapped
                price = open_[i] if gapped else stop[k]
                break
            if high[i] >= target[k] if up else low[i] <= target[k]:
                reason[k], exit_row[k] = TARGET, i
                price = max(open_[i], target[k]) if up else min(open_[i], target[k])
                break
        exit_fill[k] = price * (2.0 - worse)
    return symbol, own, enters, refusal, exit_row, reason, at_open, fill, exit_fill


@compiled
def select_independent(starts: Any, ends: Any, bar: Any, symbol: Any, own: Any, refusal: Any, exit_row: Any,
                       quantity: Any, counts: Any) -> Any:
    """The signals each symbol trades on its own, window by window.

    starts, ends: sessions of the windows, ascending; a signal belongs to a window by its own session. bar and symbol
    are ordered by symbol, then bar. counts [windows, refusals] is added to, unless it has no columns. Returns (signal,
    window, quantity).
    """
    chosen, windows = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    n, begin = len(bar), 0
    while begin < n:
        end = begin
        while end < n and symbol[end] == symbol[begin]:
            end += 1
        first = begin
        for w in range(len(starts)):
            while first < end and own[first] < starts[w]:
                first += 1
            free_from, k = np.int64(-1), first
            while k < end and own[k] < ends[w]:
                why = BUSY if bar[k] < free_from else refusal[k]
                if why == OPEN and not (quantity[k] >= 1.0):
                    why = TOO_DEAR
                if why == OPEN:
                    chosen.append(np.int64(k))
                    windows.append(np.int64(w))
                    free_from = exit_row[k]
                if counts.shape[1] > 0:
                    counts[w, why] += 1
                k += 1
        begin = end
    signal = np.array(chosen, np.int64)
    return signal, np.array(windows, np.int64), quantity[signal]


@compiled
def by_session(key: Any, sessions: int) -> Any:
    """A stable counting sort by session: (order, first position of each session). Keys >= sessions come last."""
    first = np.zeros(sessions + 2, np.int64)
    for d in key:
        first[min(d, sessions) + 1] += 1
    for d in range(sessions + 1):
        first[d + 1] += first[d]
    place, order = first.copy(), np.empty(len(key), np.int64)
    for k in range(len(key)):
        d = min(key[k], sessions)
        order[place[d]] = k
        place[d] += 1
    return order, first


@compiled
def last_entries(own: Any, enters: Any, sessions: int) -> Any:
    """The latest entry session of the signals given on each session; -1 where none is given that can enter."""
    latest = np.full(sessions, -1, np.int64)
    for k in range(len(own)):
        if enters[k] < sessions:
            latest[own[k]] = max(latest[own[k]], enters[k])
    return latest


@compiled
def shares(sizing: int, size: float, equity: float, fill: float, stop: float, volatility: float) -> float:
    """Whole shares for an order: floor(budget / what one share uses of it); 0 where that is undefined."""
    if sizing == NOTIONAL:
        return float(math.floor(size / fill))
    uses = fill
    if sizing == RISK:
        uses = abs(fill - stop)
    elif sizing == VOLATILITY:
        uses = fill * volatility
    return float(math.floor(size * equity / uses)) if uses > 0.0 and equity > 0.0 else 0.0


@compiled
def quantities(sizing: int, size: float, equity: float, fill: Any, stop: Any, volatility: Any) -> Any:
    """`shares` for each signal at one equity."""
    out = np.empty(len(fill))
    for k in range(len(fill)):
        out[k] = shares(sizing, size, equity, fill[k], stop[k], volatility[k])
    return out


@compiled
def sell_fee(session: int, qty: float, price: float, fees: Any) -> Any:
    """Fees of selling on a session; fees [3, sessions]: rate per dollar, dollars per share, cap of the latter."""
    return fees[0, session] * qty * price + min(fees[1, session] * qty, fees[2, session])


@compiled
def trade_fees(side: Any, qty: Any, fill: Any, exit_fill: Any, entry_session: Any, exit_session: Any, fees: Any) -> Any:
    """Fees of each trade: a long sells at its exit, a short at its entry."""
    paid = np.zeros(len(qty))
    for k in range(len(qty)):
        if side[k] > 0:
            paid[k] = sell_fee(exit_session[k], qty[k], exit_fill[k], fees)
        else:
            paid[k] = sell_fee(entry_session[k], qty[k], fill[k], fees)
    return paid


@compiled
def _leave(day: int, gapped: bool, held: int, slot: Any, qty: Any, row: Any, leaves: Any, gaps: Any, purse: Any,
           side: Any, fill: Any, exit_fill: Any, fees: Any) -> int:
    """Close the positions that leave on `day`, at the open or after it; returns how many are still held."""
    p = 0
    while p < held:
        if leaves[p] != day or gaps[p] != gapped:
            p += 1
            continue
        k = slot[p]
        if side[k] > 0:
            purse[CASH] += qty[p] * exit_fill[k] - sell_fee(day, qty[p], exit_fill[k], fees)
        else:
            purse[CASH] += qty[p] * (2.0 * fill[k] - exit_fill[k])
        held -= 1
        slot[p], qty[p], row[p] = slot[held], qty[held], row[held]
        leaves[p], gaps[p] = leaves[held], gaps[held]
    return held


@compiled
def _best(waiting: Any, n: int, score: Any, symbol: Any) -> int:
    """The position in waiting[:n] with the highest score; of equals the first symbol."""
    best = 0
    for j in range(1, n):
        a, b = waiting[j], waiting[best]
        if score[a] > score[b] or (score[a] == score[b] and symbol[a] < symbol[b]):
            best = j
    return best


@compiled
def _equity(day: int, held: int, slot: Any, qty: Any, row: Any, cash: float, side: Any, fill: Any, exit_row: Any,
            session: Any, close: Any) -> float:
    """Cash and positions at the close of `day`; moves each position's row to its last bar until then."""
    equity = cash
    for p in range(held):
        k = slot[p]
        while row[p] < exit_row[k] and session[row[p] + 1] <= day:
            row[p] += 1
        equity += qty[p] * (close[row[p]] if side[k] > 0 else 2.0 * fill[k] - close[row[p]])
    return equity


@compiled
def _arrivals(start: int, end: int, queue: Any, own: Any, bar: Any, symbol: Any, refusal: Any, free_from: Any,
              waiting: Any, count: Any) -> int:
    """How many of one session's signals may enter; they are written to `waiting`."""
    n = 0
    for k in queue:
        if not (start <= own[k] < end):
            continue
        why = BUSY if bar[k] < free_from[symbol[k]] else refusal[k]
        if why == OPEN:
            waiting[n] = k
            n += 1
        else:
            count[why] += 1
    return n


@compiled
def select_portfolio(starts: Any, ends: Any, order: Any, first: Any, last_entry: Any, bar: Any, symbol: Any, own: Any,
                     session: Any, close: Any, side: Any, score: Any, stop: Any, volatility: Any, refusal: Any,
                     fill: Any, exit_row: Any, exit_fill: Any, at_open: Any, fees: Any, cash: float,
                     max_positions: int, sizing: int, size: float, symbols: int, counts: Any) -> Any:
    """The signals a shared account trades, window by window, each from flat with the full cash.

    order, first: `by_session` of the entry sessions; own: each signal's own session; last_entry [sessions]: the latest
    entry session of the signals given on each session, -1 without any. fill and exit_fill include slippage. counts
    [windows, refusals] is added to, unless it has no columns: then a full account does not look at what arrives.

    Within a session: gapped stops leave and free cash and slot; entries by score descending, then symbol; the other
    exits, whose cash is free the next session. A short posts its entry value, so it uses cash as a long does. Returns
    (signal, window, quantity).
    """
    chosen, windows = [np.int64(0) for _ in range(0)], [np.int64(0) for _ in range(0)]
    bought = [0.0 for _ in range(0)]
    slot, row = np.zeros(max_positions, np.int64), np.zeros(max_positions, np.int64)
    qty, waiting, purse = np.zeros(max_positions), np.zeros(max(len(bar), 1), np.int64), np.zeros(2)
    leaves, gaps = np.zeros(max_positions, np.int64), np.zeros(max_positions, np.bool_)
    free_from = np.zeros(symbols, np.int64)
    counted, unread = counts.shape[1] > 0, np.zeros(TOO_DEAR + 1, np.int64)
    for w in range(len(starts)):
        free_from[:] = -1
        purse[:] = cash
        count = counts[w] if counted else unread
        held, day, last = 0, starts[w], last_entry[starts[w] : ends[w]].max()
        while day <= last or held > 0:
            held = _leave(day, True, held, slot, qty, row, leaves, gaps, purse, side, fill, exit_fill, fees)
            n = 0
            if counted or held < max_positions:
                n = _arrivals(starts[w], ends[w], order[first[day] : first[day + 1]], own, bar, symbol, refusal,
                              free_from, waiting, count)
            while n > 0 and held < max_positions:
                best = _best(waiting, n, score, symbol)
                k = waiting[best]
                n -= 1
                waiting[best] = waiting[n]
                wanted = shares(sizing, size, purse[EQUITY], fill[k], stop[k], volatility[k])
                if not (wanted >= 1.0):
                    count[TOO_DEAR] += 1
                elif not (wanted * fill[k] <= purse[CASH]):
                    count[NO_CASH] += 1
                else:
                    purse[CASH] -= wanted * fill[k]
                    if side[k] < 0:
                        purse[CASH] -= sell_fee(day, wanted, fill[k], fees)
                    slot[held], qty[held], row[held] = k, wanted, bar[k] + 1
                    leaves[held], gaps[held] = session[exit_row[k]], at_open[k]
                    held += 1
                    free_from[symbol[k]] = exit_row[k]
                    chosen.append(np.int64(k))
                    windows.append(np.int64(w))
                    bought.append(wanted)
                    count[OPEN] += 1
            count[NO_SLOT] += n
            held = _leave(day, False, held, slot, qty, row, leaves, gaps, purse, side, fill, exit_fill, fees)
            if sizing != NOTIONAL:
                purse[EQUITY] = _equity(day, held, slot, qty, row, purse[CASH], side, fill, exit_row, session, close)
            day += 1
    return np.array(chosen, np.int64), np.array(windows, np.int64), np.array(bought, np.float64)


@compiled
def mark(place: Any, base: Any, until: int, pick: Any, qty: Any, entry: Any, exit_: Any, side: Any, fill: Any,
         exit_fill: Any, fees: Any, session: Any, close: Any, daily: Any) -> Any:
    """Add each picked trade's changes to daily [4, places, sessions]: profit, gross value, capital tied up, positions.

    With daily [1, places, sessions], the profit alone. place: which curve a trade belongs to; base: the session each
    curve begins at. pick: the trade's position in the arrays from `entry` on; qty goes with pick. A trade that has not
    left within `until` sessions of its curve is left out. A session without a bar of the symbol changes nothing, so
    the last known close stands. Returns how many trades each curve counts.
    """
    counts = np.zeros(len(base), np.int64)
    for t in range(len(pick)):
        c, k = place[t], pick[t]
        first, last = session[entry[k]] - base[c], session[exit_[k]] - base[c]
        if last >= until:
            continue
        counts[c] += 1
        profit, units, before = daily[0, c], side[k] * qty[t], fill[k]
        for i in range(entry[k], exit_[k]):
            profit[session[i] - base[c]] += units * (close[i] - before)
            before = close[i]
        profit[last] += units * (exit_fill[k] - before)
        if side[k] > 0:
            profit[last] -= sell_fee(last + base[c], qty[t], exit_fill[k], fees)
        else:
            profit[first] -= sell_fee(first + base[c], qty[t], fill[k], fees)
        if len(daily) > 1:
            _mark_value(daily[1, c], daily[2, c], daily[3, c], base[c], entry[k], exit_[k], units, fill[k], session,
                        close)
    return counts


@compiled
def _mark_value(gross: Any, tied: Any, positions: Any, base: int, entry: int, exit_: int, units: float, fill: float,
                session: Any, close: Any) -> None:
    """Add one trade's daily changes of gross value, capital tied up and open positions."""
    size, value, pledge = abs(units), 0.0, 0.0
    for i in range(entry, exit_ + 1):
        d = session[i] - base
        now = 0.0 if i == exit_ else size * close[i]
        pledged = now if units > 0 or i == exit_ else 2.0 * size * fill - now
        gross[d] += now - value
        tied[d] += pledged - pledge
        value, pledge = now, pledged
    positions[session[entry] - base] += 1.0
    positions[session[exit_] - base] -= 1.0


@compiled
def excursions(entry: Any, exit_: Any, side: Any, reason: Any, fill: Any, exit_fill: Any, high: Any, low: Any) -> Any:
    """Worst and best excursion (mae, mfe) of each trade as a fraction of its entry fill.

    Of the bar of a stop or a target only the exit itself is known to have been seen, not the rest of the bar.
    """
    mae, mfe = np.zeros(len(entry)), np.zeros(len(entry))
    for t in range(len(entry)):
        worst = best = side[t] * (exit_fill[t] / fill[t] - 1.0)
        last = exit_[t] if reason[t] == STOP or reason[t] == TARGET else exit_[t] + 1
        for i in range(entry[t], last):
            a, b = side[t] * (low[i] / fill[t] - 1.0), side[t] * (high[i] / fill[t] - 1.0)
            worst, best = min(worst, a, b), max(best, a, b)
        mae[t], mfe[t] = min(worst, 0.0), max(best, 0.0)
    return mae, mfe
