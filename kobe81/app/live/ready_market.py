"""Readiness of what is traded with: account, bars, budgets, book and broker, and whom to tell."""

from __future__ import annotations

import os

import numpy as np

from kobe81.app.live.alpaca import alpaca_feed
from kobe81.app.live.inspection import Inspection, Said, fail, fine, warn
from kobe81.app.live.reconciling import agrees, last_look, moment
from kobe81.app.live.schedule import EXCHANGE
from kobe81.app.live.watchlist import STALE
from kobe81.core.calendar import last_complete_session, sessions
from kobe81.core.days import day
from kobe81.core.events import AccountOpened, Halted
from kobe81.core.gates import dollars
from kobe81.core.money import ZERO
from kobe81.monitor.alerts import Apprise, open_alerts, overdue
from kobe81.preflight.data_quality import SHORT_HISTORY
from kobe81.risk.policy_gate import PolicyGate


def account(look: Inspection) -> Said:
    """The broker answers, and its account is the journal's, active and with money."""
    if look.broker is None:
        return fine("the exchange within; the runner has it open")
    found = look.broker.account()
    opened = [r.event.account for r in look.journal.of(AccountOpened) if isinstance(r.event, AccountOpened)
              ] if look.journal else []
    if opened and opened[-1] != found.number:
        return fail(f"the journal is of account {opened[-1]}, and the broker's is {found.number}",
                    "give each account a home of its own (KOBE_HOME)")
    if found.status != "ACTIVE":
        return fail(f"account {found.number} is {found.status}", "see the broker's page of that account")
    if not (found.buying_power > 0):
        return warn(f"account {found.number} has no buying power", "pay in; until then nothing can be bought")
    return fine(f"{found.number}, equity {dollars(found.equity)}, cash {dollars(found.cash)}")


def freshness(look: Inspection) -> Said:
    """The bars reach to the last complete session, and something quotes today."""
    ends, clock = day(look.market.bars.sessions[-1]), look.past.clock if look.past.played else look.clock
    due = last_complete_session(EXCHANGE, clock.now())
    behind = [session for session in sessions(EXCHANGE, ends, due) if session > ends] if ends < due else []
    if look.past.played:
        return fine(f"a play of the past, on bars that end on {ends}")
    if len(behind) > 1:
        return fail(f"the bars end on {ends}, {len(behind):,} sessions before {due}", "fetch: kobe data fetch")
    if look.keys is None:
        return warn(f"bars to {ends}; nothing quotes today, so every entry will be refused",
                    "set ALPACA_API_KEY and ALPACA_SECRET_KEY")
    alpaca_feed(look.config, look.keys, look.clock).quotes([look.market.bars.symbols[0]])
    if behind:
        return warn(f"the bars end on {ends}, and the session of {due} is over", "fetch: kobe data fetch")
    return fine(f"bars to {ends}; {look.config.broker.feed} quotes")


def universe(look: Inspection) -> Said:
    """There are symbols, their bars are sound, and a real market made them."""
    bars = look.market.bars
    told = f"{len(bars.symbols):,} symbols, {len(bars):,} bars ({bars.origin.source})"
    if bars.origin.synthetic:
        return (fail if look.mode == "live" else warn)(f"{told}: no real market made them", "use real bars: [data]")
    last, lengths = bars.session[bars.offsets[1:] - 1], np.diff(bars.offsets)
    stale, short = int((last < len(bars.sessions) - STALE).sum()), int((lengths < SHORT_HISTORY).sum())
    if stale == len(bars.symbols) or short == len(bars.symbols):
        return fail(f"{told}: none has {SHORT_HISTORY} bars up to these days", "fetch more: kobe data fetch")
    found = [*look.market.warnings, *([f"{stale:,} end early"] if stale else []),
             *([f"{short:,} have fewer than {SHORT_HISTORY} bars"] if short else [])]
    if found:
        return warn(f"{told}: {'; '.join(found)}", "look: kobe data check")
    return fine(f"{told}, nothing wrong found")


def model(look: Inspection) -> Said:
    """There is none whose hash and calibration could be checked; the scores pass the confidence gate meanwhile."""
    told = "no model: the strategies' own scores stand in"
    if "confidence_gate" in look.config.rules("").off:
        return warn(f"{told}, and the confidence gate is off", "take it out of off under [gates]")
    return fine(told)


def prohibited(look: Inspection) -> Said:
    """The list can be read and is asked."""
    if "prohibited_list" in look.config.rules("").off:
        return warn("the list is not asked: its gate is off", "take prohibited_list out of off under [gates]")
    now = look.clock.now()
    barred = sum(p.start <= now and (p.until is None or now < p.until) for p in look.book.prohibitions.values())
    return fine(f"{barred} symbols may not be bought now")


def budgets(look: Inspection) -> Said:
    """An order and a day have a limit that the account can pay, and that buys a share of something."""
    policy = next((g for g in look.config.rules("").gates if isinstance(g, PolicyGate)), None)
    if policy is None:
        return warn("policy_gate is off: neither an order nor a day has a limit", "take it out of off under [gates]")
    used = look.book.reserved if look.book.session == look.today else ZERO
    told = f"{dollars(policy.max_order)} an order, {dollars(policy.max_day)} a day, {dollars(used)} of it used"
    cash = look.broker.account().cash if look.broker else look.book.cash
    if cash is not None and not (cash >= policy.max_order):
        return warn(f"{told}; the account has {dollars(cash)}", "pay in, or lower policy_gate.max_order")
    bars = look.market.bars
    closes = bars.close[bars.offsets[1:] - 1]
    most = float(min(policy.max_order, policy.max_price))
    within = int(((closes >= float(policy.min_price)) & (closes <= most)).sum())
    if not within:
        return warn(f"{told}; not one of {len(closes):,} symbols costs so little", "raise policy_gate.max_order")
    return fine(f"{told}; {within:,} of {len(closes):,} symbols can be bought")


def reconciliation(look: Inspection) -> Said:
    """Book and broker agree, or will after a start has taken in what happened since."""
    if look.journal is None:
        return fine("nothing to compare yet: the first start opens the account")
    if look.book.halted:
        return fail(f"halted: {look.book.halted}", "kobe reconcile, then kobe resume --reason TEXT")
    if look.table is None:
        last = last_look(list(look.journal.since(0)))
        if last is None or isinstance(last.event, Halted):
            return warn("the runner has not found agreement yet", "see: kobe status")
        return fine(f"the runner found agreement at {moment(last.time)}")
    lines = look.table.sweep()
    wrong = [f"{x.what}: book {x.book}, broker {x.broker}" for x in lines if not agrees(x)]
    if why := "; ".join(wrong) or look.table.ledger.book.halted:
        return fail(why, "find out why: kobe reconcile")
    return fine(f"the cash and {len(lines) - 1} positions agree")


def alert_channel(look: Inspection) -> Said:
    """People can be told, and know of what they were told already."""
    for url in look.config.alerts.urls:
        Apprise(url.reveal())
    kept = look.places.folder / "alerts.log"
    if kept.exists() and not (kept.is_file() and os.access(kept, os.W_OK)):
        return fail(f"{kept} cannot be written", "make it a file of yours, or remove it")
    waiting = open_alerts(look.journal.since(0)) if look.journal else {}
    if late := overdue(waiting, look.clock.now()):
        return fail(f"nobody acknowledged: {late.text}", f"kobe alerts ack {late.id}; otherwise it stops trading")
    if not look.config.alerts.urls:
        return warn("only the terminal and alerts.log", "name a service: urls under [alerts]")
    return fine(f"{', '.join(look.config.alerts.shown['urls'])}; not tried, so that nobody is called")
