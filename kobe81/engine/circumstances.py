"""Circumstances: what the gates are told, read off a book and a snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from kobe81.core.decisions import Account, Facts, Quote, Snapshot
from kobe81.core.gates import Circumstances
from kobe81.core.money import ZERO
from kobe81.engine.book import FAILURES_COUNT, Book
from kobe81.engine.rules import Rules

NO_FACTS = Facts()


def of_everything(book: Book, snapshot: Snapshot, rules: Rules) -> Circumstances:
    """What holds for every symbol at the start of a scan."""
    at, account = snapshot.at, _sound(snapshot.account)
    equity = account.equity if account else None
    peak = max(p for p in (book.peak, equity) if p is not None) if equity is not None else None
    return Circumstances(
        at=at, session=snapshot.session, opens=snapshot.opens, closes=snapshot.closes, equity=equity,
        day_start_equity=book.start_equity, peak_equity=peak, buying_power=account.buying_power if account else None,
        reserved=book.reserved, trades_today=book.trades_today,
        orders_last_minute=book.orders_since(at - timedelta(minutes=1)), losses_in_row=book.losses_in_row,
        errors=book.failures_since("error", at - FAILURES_COUNT),
        api_failures=book.failures_since("api", at - FAILURES_COUNT), tripped_at=book.tripped_at, probes=book.probes,
        day_trades=len(book.day_trades), prohibitions=tuple(book.prohibitions.values()), killed=snapshot.killed,
        reduce_only=rules.reduce_only)


def of_symbol(base: Circumstances, book: Book, snapshot: Snapshot, symbol: str, side: str,
              confidence: float | None) -> Circumstances:
    """The same, with what holds for one symbol."""
    quote, facts = quoted(snapshot, symbol), snapshot.facts.get(symbol, NO_FACTS)
    position = book.positions.get(symbol)
    orders = book.open_orders(symbol)
    return replace(
        base, **_quoted(quote), adv=facts.adv, volatility=facts.volatility, confidence=confidence,
        held_value=position.value if position else ZERO,
        opposite_open=any(o.intent.side != side for o in orders),
        bought_today=position is not None and position.entered == snapshot.session)


def quoted(snapshot: Snapshot, symbol: str) -> Quote | None:
    """The symbol's quote; None where there is none, or one of its prices is no number."""
    quote = snapshot.quotes.get(symbol)
    return quote if quote and all(p.is_finite() for p in (quote.bid, quote.ask, quote.last)) else None


def _sound(account: Account | None) -> Account | None:
    """What the broker says the account is worth; None where it is no number."""
    finite = account and all(a.is_finite() for a in (account.cash, account.equity, account.buying_power))
    return account if finite else None


def _quoted(quote: Quote | None) -> dict[str, Decimal | datetime]:
    return {"bid": quote.bid, "ask": quote.ask, "last": quote.last, "quote_at": quote.at} if quote else {}
