"""kobe exchange."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kobe81.app.options import DATA, DataOptions, Whole
from kobe81.core.errors import UsageError

if TYPE_CHECKING:
    from kobe81.core.bars import Bars
    from kobe81.execution.exchange.terms import Terms

SESSIONS = 20
"""Sessions that lie ahead where nobody says when to begin."""
FASTEST = 100_000.0
REAL = "real"


def exchange(*, port: Whole = 8081, data: DataOptions = DATA, now: str | None = None, speed: float = 1.0,
             cash: float = 100_000.0, partial: float = 0.1, script: Path | None = None, seed: Whole = 0,
             quota: Whole = 200, fresh: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Serve a local exchange that speaks Alpaca's protocol, on prices made from daily bars, until Ctrl-C.

    Parameters
    ----------
    port
        The port on 127.0.0.1; 0 takes a free one.
    now
        The instant at which its clock begins, as 2023-09-01T14:00Z, or 'real' for the real time. Without it, the last
        event of the account, or 20 sessions before the end of the bars.
    speed
        How many times as fast as ours its clock runs.
    cash
        Dollars in a new account.
    partial
        How often a limit order fills only in part at first.
    script
        TOML or JSON file of faults: answers that come late, twice, cut or not at all.
    seed
        Seed of the partial fills and of the ids.
    quota
        Requests a minute for each key, beyond which the answer is 429, as Alpaca has it; 0 for any number.
    fresh
        A new account, kept in memory; the one on disk is left as it is.
    """
    from kobe81.app import home
    from kobe81.app.clock import SystemClock
    from kobe81.app.opening import open_market
    from kobe81.app.waiting import waiting
    from kobe81.execution.exchange.application import Limits
    from kobe81.execution.exchange.exchange import Exchange
    from kobe81.execution.exchange.misbehave import Script, read_script
    from kobe81.execution.exchange.quotes import BarQuotes
    from kobe81.execution.exchange.server import ExchangeServer
    from kobe81.execution.exchange.terms import Terms

    faults, terms = read_script(script) if script else Script(), Terms(cash=cash, partial_fill_probability=partial)
    if quota < 0:
        raise UsageError(f"--quota {quota} is not at least 0")
    with waiting("Reading the bars"):
        bars = open_market(data).bars
    store = None if fresh else home.home() / "exchange.db"
    last = _last_event(store)
    clock = _Running(_beginning(now, bars, last), _checked(speed))
    account = f"as of its last event, {_said(last)}" if last else f"new, ${cash:,.2f}"
    lines = {
        "clock": f"{_said(clock.begins)}, and {f'{speed:g} seconds' if speed != 1.0 else 'a second'} for each of ours",
        "bars": _about(bars), "account": f"{account}; {f'kept in {store}' if store else 'forgotten at the end'}",
        "faults": f"{len(faults.rules)} rules of {script}" if script else "none; they can be set by POST /_script"}
    with (suppress(KeyboardInterrupt),
          closing(Exchange(BarQuotes(bars), clock, store=store, terms=terms, seed=seed)) as made,
          ExchangeServer(made, SystemClock(), port=port, script=faults, limits=Limits(quota or None)) as server):
        _show(server.url, terms, lines)
        server.wait()


class _Running:
    """A clock that began at an instant and runs so many times as fast as ours."""

    def __init__(self, begins: datetime, speed: float) -> None:
        from kobe81.app.clock import SystemClock

        self.begins, self._speed, self._ours = begins, speed, SystemClock()
        self._zero = self._ours.monotonic()

    def __call__(self) -> datetime:
        return self.begins + timedelta(seconds=(self._ours.monotonic() - self._zero) * self._speed)


def _checked(speed: float) -> float:
    if not 0.0 < speed <= FASTEST:
        raise UsageError(f"--speed {speed} is not over 0 and at most {FASTEST:,.0f}")
    return speed


def _last_event(store: Path | None) -> datetime | None:
    """The last event of the account that is kept there; None where there is none. Makes the folder."""
    from kobe81.execution.exchange.store import Store

    if store is None:
        return None
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = Store(store)
    known = kept.load()
    kept.close()
    return known.at if known else None


def _beginning(now: str | None, bars: Bars, last: datetime | None) -> datetime:
    """When the exchange's clock begins; UsageError for what is no instant, or one before the account's last event."""
    from kobe81.app import home

    if now is None:
        return last or _open_before_the_end(bars)
    begins = home.now() if now == REAL else _instant(now)
    if last and begins < last:
        raise UsageError(f"--now {now} is before {_said(last)}, the account's last event; time does not go back: "
                         "give a later instant, or --fresh for a new account")
    return begins


def _instant(text: str) -> datetime:
    from kobe81.core.clock import utc

    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        raise UsageError(f"--now {text} is no instant; write it as 2023-09-01T14:00Z, or real") from None


def _open_before_the_end(bars: Bars) -> datetime:
    """The open of the session after which SESSIONS - 1 more have bars; of the first, where there are fewer."""
    from kobe81.core.calendar import hours
    from kobe81.core.days import day

    days = [day(number) for number in bars.sessions[-2 * SESSIONS :]]
    traded = [found for found in (hours("XNYS", each) for each in days) if found]
    if not traded:
        raise UsageError(f"{bars.origin.source}: its last bars are of no session of the New York Stock Exchange; "
                         "give --now, or other bars")
    return traded[-SESSIONS:][0][0]


def _about(bars: Bars) -> str:
    from kobe81.core.days import day

    return f"{bars.origin.label}: {len(bars.symbols):,} symbols, to {day(bars.sessions[-1])}"


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _show(url: str, terms: Terms, lines: dict[str, str]) -> None:
    from kobe81.reports import terminal

    stream = url.replace("http", "ws", 1) + "/stream"
    clients = {"alpaca-py": f'TradingClient("key", "secret", url_override="{url}")',
               "its stream": f'TradingStream("key", "secret", url_override="{stream}")',
               "kobe": f'kobe run --mode paper, with [broker] name = "alpaca", url = "{url}" in kobe.toml'}
    simulated = (f"fills at quotes {terms.half_spread_bps:g} bps on each side of a path through each day's open, low, "
                 f"high and close; {terms.partial_fill_probability:.0%} of limit orders fill in part at first; sales "
                 "pay the SEC's fee and the TAF. Orders do not move prices, and there is no money in it.")
    terminal.show(f"Exchange on {url}, until Ctrl-C", terminal.pairs({**lines, **clients, "simulated": simulated}))
    sys.stdout.flush()
