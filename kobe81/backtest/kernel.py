"""The compiled heart of the backtest.

`arrive` says of every signal when it would enter, and whether it may. `select_independent` and `select_portfolio` then
decide which signals become trades, and of what size; a signal is followed to its exit only once something depends on
it, which needs nothing but the symbol's own bars. `mark` turns trades into daily profit. A walk-forward runs the first
step once and the others once per window.

Rows are positions in the bars; sessions are positions in the union of all dates.

Source: docs/spec.md, Fills in a backtest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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
    compiled,
    inlined,
)

CASH, EQUITY = 0, 1
"""Positions in the purse of a shared account."""

@compiled
def arrive(bar: Any, side: Any, stop: Any, target: Any, score: Any, volatility: Any, prices: Any, slippage: float,
           sessions: int, orders: Any) -> None:
    """Fill `orders` (ORDER [signals]) from signals ordered by row; `sessions`: how many there are."""
    s = 0
    for k in range(len(bar)):
        while bar[k] >= prices.offsets[s + 1]:
            s += 1
        order, entry = orders[k], bar[k] + 1
        order.bar, order.side, order.stop, order.target = bar[k], side[k], stop[k], target[k]
        order.score, order.volatility, order.symbol = score[k], volatility[k], s
        order.own, order.enters, order.fill, order.refusal = prices.session[bar[k]], sessions, np.nan, NO_NEXT_BAR
        if entry < prices.offsets[s + 1]:
            price = prices.open[entry]
            order.enters, order.fill = prices.session[entry], price * (1.0 + side[k] * slippage)
            order.refusal = OPEN if (price > stop[k] if side[k] > 0 else price < stop[k]) else GAPPED


@compiled
def _follow(order: Any, leave: Any, prices: Any, terms: Any) -> None:
    """Write to `leave` (an EXIT) where the order leaves."""
    stop, target, up = order.stop, order.target, order.side > 0
    entry, last = order.bar + 1, prices.offsets[order.symbol + 1] - 1
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
    leave.known, leave.row, leave.session, leave.reason = True, row, prices.session[row], reason
    leave.price, leave.at_open = price * (1.0 - order.side * terms.slippage), at_open


@inlined
def shares(terms: Any, equity: float, order: Any) -> float:
    """Whole shares for an order: floor(budget / what one share uses of it); 0 where that is undefined."""
    uses = order.fill
    if terms.sizing == RISK:
        uses = abs(order.fill - order.stop)
    elif terms.sizing == VOLATILITY:
        uses = order.fill * order.volatility
    budget = terms.size if terms.sizing == NOTIONAL else terms.size * equity
    return float(math.floor(budget / uses)) if uses > 0.0 and budget > 0.0 else 0.0


@compiled
def _most_trades(starts: Any, ends: Any, orders: Any, sessions: int) -> int:
    """Signals in all windows together: room for every trade there can be."""
    before, room = np.zeros(sessions + 1, np.int64), 0
    for k in range(len(orders)):
        before[orders[k].own + 1] += 1
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
    room = _most_trades(starts, ends, orders, sessions)
    chosen, windows, bought, trades = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room), 0
    n, begin = len(orders), 0
    while begin < n:
        end = begin
        while end < n and orders[end].symbol == orders[begin].symbol:
            end += 1
        first = begin
        for w in range(len(starts)):
            while first < end and orders[first].own < starts[w]:
                first += 1
            free_from, k = np.int64(-1), first
            while k < end and orders[k].own < ends[w]:
                order, wanted = orders[k], 0.0
                why = BUSY if order.bar < free_from else order.refusal
                if why == OPEN:
                    wanted = shares(terms, terms.cash, order)
                    why = OPEN if wanted >= 1.0 else TOO_DEAR
                if why == OPEN:
                    if not exits[k].known:
                        _follow(order, exits[k], prices, terms)
                    chosen[trades], windows[trades], bought[trades] = k, w, wanted
                    trades += 1
                    free_from = exits[k].row
                if counts.shape[1] > 0:
                    counts[w, why] += 1
                k += 1
        begin = end
    return chosen[:trades], windows[:trades], bought[:trades]


@inlined
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


@inlined
def _leave(day: int, gapped: bool, held: int, book: Any, qty: Any, purse: Any, orders: Any, exits: Any,
           fees: Any) -> int:
    """Close the positions that leave on `day`, at the open or after it; returns how many are still held.

    book [3, slots]: each position's signal, the session it leaves on, the row it was last marked at.
    """
    p = 0
    while p < held:
        if book[1, p] != day or exits[book[0, p]].at_open != gapped:
            p += 1
            continue
        order, price = orders[book[0, p]], exits[book[0, p]].price
        if order.side > 0:
            purse[CASH] += qty[p] * price - sell_fee(day, qty[p], price, fees)
        else:
            purse[CASH] += qty[p] * (2.0 * order.fill - price)
        held -= 1
        for i in range(3):
            book[i, p] = book[i, held]
        qty[p] = qty[held]
    return held


@inlined
def _equity(day: int, held: int, book: Any, qty: Any, cash: float, orders: Any, exits: Any, prices: Any) -> float:
    """Cash and positions at the close of `day`; moves each position's row to its last bar until then."""
    equity = cash
    for p in range(held):
        order, row = orders[book[0, p]], book[2, p]
        while row < exits[book[0, p]].row and prices.session[row + 1] <= day:
            row += 1
        book[2, p] = row
        equity += qty[p] * (prices.close[row] if order.side > 0 else 2.0 * order.fill - prices.close[row])
    return equity


@inlined
def _enter(k: int, day: int, held: int, book: Any, qty: Any, purse: Any, order: Any, leave: Any, prices: Any,
           terms: Any, fees: Any) -> Any:
    """Open a position of signal k if size and cash allow: (how many are held then, OPEN or the refusal)."""
    wanted = shares(terms, purse[EQUITY], order)
    if not (wanted >= 1.0):
        return held, TOO_DEAR
    if not (wanted * order.fill <= purse[CASH]):
        return held, NO_CASH
    if not leave.known:
        _follow(order, leave, prices, terms)
    purse[CASH] -= wanted * order.fill
    if order.side < 0:
        purse[CASH] -= sell_fee(day, wanted, order.fill, fees)
    book[0, held], book[1, held], book[2, held] = k, leave.session, order.bar + 1
    qty[held] = wanted
    return held + 1, OPEN


@compiled
def select_portfolio(starts: Any, ends: Any, queue: Any, orders: Any, exits: Any, prices: Any, terms: Any, fees: Any,
                     counts: Any) -> Any:
    """The signals a shared account trades, window by window, each from flat with the full cash.

    queue: `orders.by_score`, then `orders.last_entries`. counts [windows, refusals] is added to, unless it has no
    columns: then a full account does not look at what arrives.

    Within a session: gapped stops leave and free cash and slot; entries by score descending, then symbol; the other
    exits, whose cash is free the next session. A short posts its entry value, so it uses cash as a long does. Returns
    (signal, window, shares).
    """
    order, first, last_entry = queue
    counted, unread = counts.shape[1] > 0, np.zeros(TOO_DEAR + 1, np.int64)
    room = _most_trades(starts, ends, orders, len(last_entry))
    chosen, windows, bought, trades = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room), 0
    book, qty, purse = np.zeros((3, terms.max_positions), np.int64), np.zeros(terms.max_positions), np.zeros(2)
    free_from = np.zeros(len(prices.offsets) - 1, np.int64)
    for w in range(len(starts)):
        free_from[:] = -1
        purse[:] = terms.cash
        count = counts[w] if counted else unread
        held, day, last = 0, starts[w], last_entry[starts[w] : ends[w]].max()
        while day <= last or held > 0:
            held = _leave(day, True, held, book, qty, purse, orders, exits, fees)
            j, beyond = first[day], first[day + 1]
            while j < beyond and (counted or held < terms.max_positions):
                k = order[j]
                j += 1
                if not (starts[w] <= orders[k].own < ends[w]):
                    continue
                why = BUSY if orders[k].bar < free_from[orders[k].symbol] else orders[k].refusal
                if why == OPEN and held == terms.max_positions:
                    why = NO_SLOT
                if why == OPEN:
                    held, why = _enter(k, day, held, book, qty, purse, orders[k], exits[k], prices, terms, fees)
                if why == OPEN:
                    chosen[trades], windows[trades], bought[trades] = k, w, qty[held - 1]
                    free_from[orders[k].symbol] = exits[k].row
                    trades += 1
                count[why] += 1
            held = _leave(day, False, held, book, qty, purse, orders, exits, fees)
            if terms.sizing != NOTIONAL:
                purse[EQUITY] = _equity(day, held, book, qty, purse[CASH], orders, exits, prices)
            day += 1
    return chosen[:trades], windows[:trades], bought[:trades]


@compiled
def mark(place: Any, base: Any, until: int, pick: Any, qty: Any, orders: Any, exits: Any, fees: Any, session: Any,
         close: Any, daily: Any) -> Any:
    """Add each picked trade's changes to daily [4, places, sessions]: profit, gross value, capital tied up, positions.

    With daily [1, places, sessions], the profit alone. place: which curve a trade belongs to; base: the session each
    curve begins at. pick: positions in orders and exits; qty goes with pick. A trade that has not left within `until`
    sessions of its curve is left out. A session without a bar of the symbol changes nothing, so the last known close
    stands. Returns how many trades each curve counts.
    """
    counts = np.zeros(len(base), np.int64)
    for t in range(len(pick)):
        c, order, leave = place[t], orders[pick[t]], exits[pick[t]]
        entry, first, last = order.bar + 1, session[order.bar + 1] - base[c], leave.session - base[c]
        if last >= until:
            continue
        counts[c] += 1
        profit, units, before = daily[0, c], order.side * qty[t], order.fill
        for i in range(entry, leave.row):
            profit[session[i] - base[c]] += units * (close[i] - before)
            before = close[i]
        profit[last] += units * (leave.price - before)
        if order.side > 0:
            profit[last] -= sell_fee(leave.session, qty[t], leave.price, fees)
        else:
            profit[first] -= sell_fee(first + base[c], qty[t], order.fill, fees)
        if len(daily) > 1:
            _mark_value(daily[1, c], daily[2, c], daily[3, c], base[c], entry, leave.row, units, order.fill, session,
                        close)
    return counts


@inlined
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
