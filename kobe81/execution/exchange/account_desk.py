"""The account desk: /v2/account and /v2/positions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from kobe81.core.money import CENT, ZERO
from kobe81.execution.exchange.accounts import Activity, Fill, Position
from kobe81.execution.exchange.admission import buying_power, market_value
from kobe81.execution.exchange.floor import NANO, Floor
from kobe81.execution.exchange.intake import Ask, positive
from kobe81.execution.exchange.order_desk import OrderDesk
from kobe81.execution.exchange.routes import Route, choice, flag, names, whole
from kobe81.execution.exchange.sessions import Session, session_at, session_before, sessions
from kobe81.execution.exchange.views import VENUE, View, activity_view, asset_id
from kobe81.execution.exchange.wire import (
    NEW_YORK,
    Refusal,
    Request,
    Response,
    malformed,
    not_found,
    parse_moment,
    reply,
    rounded,
    stamp,
    text,
)

PAGE = 100
PERIODS = {"D": 1, "W": 7, "M": 30, "A": 365}


class AccountDesk:
    """Shows the account, its activities and positions, and closes positions."""

    def __init__(self, floor: Floor, orders: OrderDesk) -> None:
        self._floor, self._orders = floor, orders

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2/account", self._account),
            Route("GET", "/v2/account/configurations", self._configurations),
            Route("GET", "/v2/account/portfolio/history", self._history),
            Route("GET", "/v2/account/activities", self._activities),
            Route("GET", "/v2/account/activities/{kind}", self._activities),
            Route("GET", "/v2/positions", self._positions),
            Route("DELETE", "/v2/positions", self._close_all),
            Route("GET", "/v2/positions/{symbol}", self._position),
            Route("DELETE", "/v2/positions/{symbol}", self._close),
        ]

    def _account(self, request: Request) -> Response:
        floor, invested = self._floor, market_value(self._floor)
        power, cash = text(buying_power(floor)), text(floor.account.cash)
        equity, last = text(floor.account.cash + invested), self._equity(self._last_close())
        margin = text((invested / 2 if floor.terms.multiplier > 1 else invested).quantize(CENT))
        upkeep, free = text((invested * 3 / 10).quantize(CENT)), floor.account.cash - floor.book.reserved_cash()
        return reply(200, {
            "id": floor.account_id, "admin_configurations": {}, "user_configurations": None,
            "account_number": f"PA{floor.account_id[:8].upper()}", "status": "ACTIVE", "crypto_status": "INACTIVE",
            "currency": "USD", "buying_power": power, "regt_buying_power": power, "effective_buying_power": power,
            "non_marginable_buying_power": text(free), "cash": cash, "accrued_fees": "0",
            "portfolio_value": equity, "equity": equity, "last_equity": text(last), "trading_blocked": False,
            "transfers_blocked": False, "account_blocked": False, "trade_suspended_by_user": False,
            "created_at": stamp(floor.opened_at), "multiplier": str(floor.terms.multiplier),
            "shorting_enabled": False, "long_market_value": text(invested), "short_market_value": "0",
            "position_market_value": text(invested), "initial_margin": margin, "maintenance_margin": upkeep,
            "last_maintenance_margin": "0", "sma": "0", "balance_asof": self._last_close().date().isoformat(),
        })  # fmt: skip

    def _configurations(self, request: Request) -> Response:
        return reply(200, {
            "fractional_trading": True, "max_margin_multiplier": str(self._floor.terms.multiplier),
            "no_shorting": True, "suspend_trade": False, "trade_confirm_email": "none",
            "ptp_no_exception_entry": False, "max_options_trading_level": 0,
        })  # fmt: skip

    def _activities(self, request: Request, kind: str = "") -> Response:
        kinds = names(request, "activity_types") or ([kind.upper()] if kind else [])
        found = [a for a in self._between(request) if not kinds or _kind(a) in kinds]
        category = request.query.get("category")
        if category:
            found = [a for a in found if isinstance(a, Fill) == (category == "trade_activity")]
        if choice(request, "direction", ("desc", "asc")) == "desc":
            found.reverse()
        token = request.query.get("page_token")
        if token:
            position = next((i for i, a in enumerate(found, 1) if a.id == token), None)
            if position is None:
                raise malformed(f"invalid page_token: {token[:80]!r}")
            found = found[position:]
        page = found[: whole(request, "page_size", PAGE, PAGE)]
        return reply(200, [activity_view(a, self._floor.account_id) for a in page])

    def _between(self, request: Request) -> Iterator[Activity]:
        """The activities of a New York date, or after one instant and up to another; oldest first."""
        after, until = (parse_moment(request.query[n]) if request.query.get(n) else None for n in ("after", "until"))
        day = request.query.get("date")
        if day and (after or until):
            raise malformed("date cannot be combined with after or until")
        wanted = parse_moment(day).astimezone(NEW_YORK).date() if day else None
        for activity in self._floor.account.activities:
            if wanted and activity.at.astimezone(NEW_YORK).date() != wanted:
                continue
            if not (after and activity.at <= after) and not (until and activity.at > until):
                yield activity

    def _history(self, request: Request) -> Response:
        """The equity at the end of each session of the period, and now."""
        floor = self._floor
        closed = [(session, self._equity(min(session.closes, floor.at))) for session in self._period(request)]
        base = closed[0][1] if closed else floor.account.initial
        gains = [equity - base for _, equity in closed]
        return reply(200, {
            "timestamp": [int(session.opens.timestamp()) for session, _ in closed],
            "equity": [float(equity) for _, equity in closed], "profit_loss": [float(gain) for gain in gains],
            "profit_loss_pct": [float(gain / base) if base else 0.0 for gain in gains],
            "base_value": float(base), "base_value_asof": closed[0][0].day.isoformat() if closed else None,
            "timeframe": "1D",
        })  # fmt: skip

    def _period(self, request: Request) -> list[Session]:
        """The sessions that began in the period asked for (as 1M; all: since the account was opened)."""
        now, words = self._floor.at, request.query.get("period") or "1M"
        first = self._floor.opened_at
        if words != "all":
            number, unit = words[:-1], words[-1:].upper()
            if unit not in PERIODS or not number.isdecimal() or not 1 <= int(number[:4]) <= 100:
                raise malformed(f"invalid period: {words[:20]!r}, give as 1D, 1W, 1M, 1A or all")
            first = max(first, now - timedelta(days=PERIODS[unit] * int(number)))
        return [session for session in sessions(first.date(), now.date()) if session.opens <= now]

    def _positions(self, request: Request) -> Response:
        return reply(200, [self._view(symbol) for symbol in sorted(self._floor.account.positions)])

    def _position(self, request: Request, symbol: str) -> Response:
        return reply(200, self._view(self._find(symbol)))

    def _close(self, request: Request, symbol: str) -> Response:
        return reply(200, self._orders.submit(self._sale(self._find(symbol), request)))

    def _close_all(self, request: Request) -> Response:
        if flag(request, "cancel_orders"):
            self._orders.cancel_all()
        plain = request._replace(query={})
        return reply(207, [self._closed(symbol, plain) for symbol in sorted(self._floor.account.positions)])

    def _closed(self, symbol: str, request: Request) -> View:
        try:
            body = self._orders.submit(self._sale(symbol, request))
        except Refusal as refusal:
            return {"symbol": symbol, "status": refusal.status, "body": refusal.body}
        return {"symbol": symbol, "order_id": body["id"], "status": 200, "body": body}

    def _sale(self, symbol: str, request: Request) -> Ask:
        """The order that closes a position, or the part of it that the query names."""
        qty = owned = self._floor.account.shares(symbol)
        if request.query.get("qty"):
            qty = positive("qty", request.query["qty"])
        elif request.query.get("percentage"):
            percent = positive("percentage", request.query["percentage"])
            if not (percent <= 100):
                raise malformed("percentage must be from 0 to 100")
            qty = (owned * percent / 100).quantize(NANO, ROUND_DOWN)
        if not (qty > 0):
            raise malformed("nothing to close")
        return Ask(symbol=symbol, side="sell", type="market", time_in_force="day", qty=qty)

    def _view(self, symbol: str) -> View:
        floor, held = self._floor, self._floor.account.positions[symbol]
        quote = floor.quote(symbol)
        price = quote.price if quote else held.average
        earlier = self._earlier_close(symbol, price)
        bought = self._bought_today(symbol, held)
        gain, today = held.qty * price - held.cost, held.qty * price - bought
        return {
            "asset_id": asset_id(symbol), "symbol": symbol, "exchange": VENUE, "asset_class": "us_equity",
            "asset_marginable": floor.terms.multiplier > 1, "qty": text(held.qty),
            "avg_entry_price": rounded(held.average), "side": "long", "market_value": text(held.qty * price),
            "cost_basis": text(held.cost), "unrealized_pl": text(gain), "unrealized_plpc": rounded(gain / held.cost),
            "unrealized_intraday_pl": text(today), "unrealized_intraday_plpc": rounded(today / (bought or held.cost)),
            "current_price": text(price), "lastday_price": text(earlier),
            "change_today": rounded(price / earlier - 1),
            "qty_available": text(held.qty - floor.book.held_shares(symbol)),
        }  # fmt: skip

    def _find(self, symbol: str) -> str:
        """The symbol of a position, given as such or as an asset's id."""
        for held in self._floor.account.positions:
            if symbol.upper() == held or symbol.lower() == asset_id(held):
                return held
        raise not_found("position does not exist")

    def _bought_today(self, symbol: str, held: Position) -> Decimal:
        """What the shares are measured against today: yesterday's close, or today's cost where they are new."""
        before = self._floor.account.until(self._last_close()).shares(symbol)
        kept = min(before, held.qty)
        return kept * self._earlier_close(symbol, held.average) + (held.qty - kept) * held.average

    def _earlier_close(self, symbol: str, default: Decimal) -> Decimal:
        quote = self._floor.quotes.quote(symbol, self._last_close())
        return quote.price if quote else default

    def _last_close(self) -> datetime:
        """When the session before the running one, or before the next where none runs, was over."""
        return session_before(session_at(self._floor.at).day).closes

    def _equity(self, at: datetime) -> Decimal:
        """Cash and positions as they stood at an instant."""
        account = self._floor.account.until(at)
        quotes = ((held.qty, self._floor.quotes.quote(symbol, at)) for symbol, held in account.positions.items())
        return account.cash + sum((qty * quote.price for qty, quote in quotes if quote is not None), ZERO)


def _kind(activity: Activity) -> str:
    return "FILL" if isinstance(activity, Fill) else "FEE"
