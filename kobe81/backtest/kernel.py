"""The compiled heart of the backtest.

`arrive` says of every signal when it would enter, and whether it may. `select_independent` and `select_portfolio` then
decide which signals become trades, and of what size; a signal is followed to its exit only once something depends on
it, which needs nothing but the symbol's own bars. `mark` turns trades into daily profit. A walk-forward runs the first
step once and the others once per window.

Rows are positions in the bars; sessions are positions in the union of all dates. Source: spec.md, Fills in a backtest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from kobe81.backtest.orders import (
    BUSY,
    END,
    GAPPED,
    NO_CASH,
    NO_NEXT_BAR,
    NO_SLOT,
    NOTIONAL,
    OPEN,
    RISK,
    STOP,
    TARGET,
    TIME,
    TOO_DEAR,
    VOLATILITY,
)

CASH, EQUITY = 0, 1
"""Positions in the purse of a shared account."""

compiled: Any = njit(nogil=True, cache=True, error_model="numpy")


@compiled
def arrive(bar: Any, side: Any, stop: Any, prices: Any, slippage: float, sessions: int) -> Any:
    """The last five fields of Orders, for signals ordered by row; `sessions`: how many there are."""
    n, s = len(bar), 0
    symbol, own, enters = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    refusal, fill = np.zeros(n, np.int8), np.empty(n)
    for k in range(n):
        while bar[k] >= prices.offsets[s + 1]:
            s += 1
        symbol[k], own[k], enters[k], fill[k] = s, prices.session[bar[k]], sessions, np.nan
        entry = bar[k] + 1
        if entry == prices.offsets[s + 1]:
            refusal[k] = NO_NEXT_BAR
            continue
        price = prices.open[entry]
        enters[k], fill[k] = prices.session[entry], price * (1.0 + side[k] * slippage)
        if not (price > stop[k] if side[k] > 0 else price < stop[k]):
            refusal[k] = GAPPED
    return symbol, own, enters, refusal, fill


@compiled
def _follow(k: int, orders: Any, exits: Any, prices: Any, terms: Any) -> None:
    """Write where signal k leaves, if that is not known yet."""
    if exits.known[k]:
        return
    stop, target, up = orders.stop[k], orders.target[k], orders.side[k] > 0
    entry, last = orders.bar[k] + 1, prices.offsets[orders.symbol[k] + 1] - 1
    final = min(entry + terms.hold - 1, last)
    row, price, at_open = final, prices.close[final], False
    reason = TIME if final == entry + terms.hold - 1 else END
    for i in range(entry, final + 1):
        at_open = i > entry and (prices.open[i] <= stop if up else prices.open[i] >= stop)
        if at_open or (prices.low[i] <= stop if up else prices.high[i] >= stop):
            row, price, reason = i, prices.open[i] if at_open else stop, STOP
            break
        if prices.high[i] >= target if up else prices.low[i] <= target:
            row, reason = i, TARGET
            price = max(prices.open[i], target) if up else min(prices.open[i], target)
            break
    exits.known[k], exits.row[k], exits.session[k] = True, row, prices.session[row]
    exits.price[k], exits.reason[k] = price * (1.0 - orders.side[k] * terms.slippage), reason
    exits.at_open[k] = at_open


@compiled
def shares(terms: Any, equity: float, fill: float, stop: float, volatility: float) -> float:
    """Whole shares for an order: floor(budget / what one share uses of it); 0 where that is undefined."""
    if terms.sizing == NOTIONAL:
        return float(math.floor(terms.size / fill))
    uses = fill
    if terms.sizing == RISK:
        uses = abs(fill - stop)
    elif terms.sizing == VOLATILITY:
        uses = fill * volatility
    return float(math.floor(terms.size * equity / uses)) if uses > 0.0 and equity > 0.0 else 0.0


@compiled
def _most_trades(starts: Any, ends: Any, own: Any, sessions: int) -> int:
    """Signals in all windows together: room for every trade there can be."""
    before, room = np.zeros(sessions + 1, np.int64), 0
    for d in own:
        before[d + 1] += 1
    before = np.cumsum(before)
    for w in range(len(starts)):
        room += before[ends[w]] - before[starts[w]]
    return room


@compiled
def select_independent(starts: Any, ends: Any, orders: Any, exits: Any, prices: Any, terms: Any, sessions: int,
                       counts: Any) -> Any:
    """The signals each symbol trades on its own, window by window.

    starts, ends: sessions of the windows, ascending; a signal belongs to a window by its own session. counts
    [windows, refusals] is added to, unless it has no columns. Returns (signal, window, shares).
    """
    room = _most_trades(starts, ends, orders.own, sessions)
    chosen, windows, bought, trades = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room), 0
    n, begin = len(orders.bar), 0
    while begin < n:
        end = begin
        while end < n and orders.symbol[end] == orders.symbol[begin]:
            end += 1
        first = begin
        for w in range(len(starts)):
            while first < end and orders.own[first] < starts[w]:
                first += 1
            free_from, k = np.int64(-1), first
            while k < end and orders.own[k] < ends[w]:
                why, wanted = BUSY if orders.bar[k] < free_from else orders.refusal[k], 0.0
                if why == OPEN:
                    wanted = shares(terms, terms.cash, orders.fill[k], orders.stop[k], orders.volatility[k])
                    why = OPEN if wanted >= 1.0 else TOO_DEAR
                if why == OPEN:
                    _follow(k, orders, exits, prices, terms)
                    chosen[trades], windows[trades], bought[trades] = k, w, wanted
                    trades += 1
                    free_from = exits.row[k]
                if counts.shape[1] > 0:
                    counts[w, why] += 1
                k += 1
        begin = end
    return chosen[:trades], windows[:trades], bought[:trades]


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
def _leave(day: int, gapped: bool, held: int, book: Any, qty: Any, purse: Any, orders: Any, exits: Any,
           fees: Any) -> int:
    """Close the positions that leave on `day`, at the open or after it; returns how many are still held.

    book [3, slots]: each position's signal, the session it leaves on, the row it was last marked at.
    """
    p = 0
    while p < held:
        k = book[0, p]
        if book[1, p] != day or exits.at_open[k] != gapped:
            p += 1
            continue
        if orders.side[k] > 0:
            purse[CASH] += qty[p] * exits.price[k] - sell_fee(day, qty[p], exits.price[k], fees)
        else:
            purse[CASH] += qty[p] * (2.0 * orders.fill[k] - exits.price[k])
        held -= 1
        book[:, p], qty[p] = book[:, held], qty[held]
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
def _equity(day: int, held: int, book: Any, qty: Any, cash: float, orders: Any, exits: Any, prices: Any) -> float:
    """Cash and positions at the close of `day`; moves each position's row to its last bar until then."""
    equity = cash
    for p in range(held):
        k, row = book[0, p], book[2, p]
        while row < exits.row[k] and prices.session[row + 1] <= day:
            row += 1
        book[2, p] = row
        equity += qty[p] * (prices.close[row] if orders.side[k] > 0 else 2.0 * orders.fill[k] - prices.close[row])
    return equity


@compiled
def _arrivals(start: int, end: int, queue: Any, orders: Any, free_from: Any, waiting: Any, count: Any) -> int:
    """How many of one session's signals may enter; they are written to `waiting`."""
    n = 0
    for k in queue:
        if not (start <= orders.own[k] < end):
            continue
        why = BUSY if orders.bar[k] < free_from[orders.symbol[k]] else orders.refusal[k]
        if why == OPEN:
            waiting[n] = k
            n += 1
        else:
            count[why] += 1
    return n


@compiled
def _enter(k: int, day: int, held: int, book: Any, qty: Any, purse: Any, orders: Any, exits: Any, prices: Any,
           terms: Any, fees: Any) -> Any:
    """Open a position of signal k if size and cash allow: (how many are held then, OPEN or the refusal)."""
    wanted = shares(terms, purse[EQUITY], orders.fill[k], orders.stop[k], orders.volatility[k])
    if not (wanted >= 1.0):
        return held, TOO_DEAR
    if not (wanted * orders.fill[k] <= purse[CASH]):
        return held, NO_CASH
    _follow(k, orders, exits, prices, terms)
    purse[CASH] -= wanted * orders.fill[k]
    if orders.side[k] < 0:
        purse[CASH] -= sell_fee(day, wanted, orders.fill[k], fees)
    book[0, held], book[1, held], book[2, held] = k, exits.session[k], orders.bar[k] + 1
    qty[held] = wanted
    return held + 1, OPEN


@compiled
def select_portfolio(starts: Any, ends: Any, queue: Any, orders: Any, exits: Any, prices: Any, terms: Any, fees: Any,
                     counts: Any) -> Any:
    """The signals a shared account trades, window by window, each from flat with the full cash.

    queue: `by_session` of the entry sessions, then `last_entries`. counts [windows, refusals] is added to, unless it
    has no columns: then a full account does not look at what arrives.

    Within a session: gapped stops leave and free cash and slot; entries by score descending, then symbol; the other
    exits, whose cash is free the next session. A short posts its entry value, so it uses cash as a long does. Returns
    (signal, window, shares).
    """
    order, first, last_entry = queue
    counted, unread = counts.shape[1] > 0, np.zeros(TOO_DEAR + 1, np.int64)
    room = _most_trades(starts, ends, orders.own, len(last_entry))
    chosen, windows, bought, trades = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room), 0
    book, qty = np.zeros((3, terms.max_positions), np.int64), np.zeros(terms.max_positions)
    waiting, purse = np.zeros(max(len(order), 1), np.int64), np.zeros(2)
    free_from = np.zeros(len(prices.offsets) - 1, np.int64)
    for w in range(len(starts)):
        free_from[:] = -1
        purse[:] = terms.cash
        count = counts[w] if counted else unread
        held, day, last = 0, starts[w], last_entry[starts[w] : ends[w]].max()
        while day <= last or held > 0:
            held = _leave(day, True, held, book, qty, purse, orders, exits, fees)
            n = 0
            if day <= last and (counted or held < terms.max_positions):
                n = _arrivals(starts[w], ends[w], order[first[day] : first[day + 1]], orders, free_from, waiting, count)
            while n > 0 and held < terms.max_positions:
                best = _best(waiting, n, orders.score, orders.symbol)
                k, n = waiting[best], n - 1
                waiting[best] = waiting[n]
                held, why = _enter(k, day, held, book, qty, purse, orders, exits, prices, terms, fees)
                count[why] += 1
                if why == OPEN:
                    chosen[trades], windows[trades], bought[trades] = k, w, qty[held - 1]
                    free_from[orders.symbol[k]] = exits.row[k]
                    trades += 1
            count[NO_SLOT] += n
            held = _leave(day, False, held, book, qty, purse, orders, exits, fees)
            if terms.sizing != NOTIONAL:
                purse[EQUITY] = _equity(day, held, book, qty, purse[CASH], orders, exits, prices)
            day += 1
    return chosen[:trades], windows[:trades], bought[:trades]


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
