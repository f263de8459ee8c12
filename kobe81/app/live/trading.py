"""Trading: the runner put together with its market, its desk and its home; the past, on paper, or at Alpaca."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta

from kobe81.app import home
from kobe81.app.clock import SystemClock
from kobe81.app.live import play
from kobe81.app.live.alpaca import address, alpaca, alpaca_feed, check_agreement, open_account
from kobe81.app.live.beside import health_beside
from kobe81.app.live.config import AlertSettings, LiveConfig
from kobe81.app.live.desk import killable, show, stoppable, watched
from kobe81.app.live.keys import alpaca_keys, key_file, required
from kobe81.app.live.paper import embedded, paper
from kobe81.app.live.readiness import fails
from kobe81.app.live.runner import Runner
from kobe81.app.live.schedule import session_at
from kobe81.app.live.station import Market, Places, station
from kobe81.app.opening import open_market
from kobe81.core.bars import Bars
from kobe81.core.clock import Clock
from kobe81.core.days import number
from kobe81.core.errors import KobeError
from kobe81.execution.alpaca_http import HttpWire, Keys
from kobe81.execution.alpaca_stream import Waker

ACCOUNT = "paper"


@dataclass(frozen=True)
class Wish:
    """What the command line asks for. health: a port, 0 for none; environment: where keys may be."""

    mode: str
    account: str | None
    reduce_only: bool
    health: int
    environment: Mapping[str, str]


def play_past(config: LiveConfig, wish: Wish, first: date, count: int, speed: float) -> None:
    """Trade sessions of the past, from wherever the journal stopped, to the evening of the last; nobody is paged."""
    bars = open_market(config.bars("sample")).bars
    days = play.played_sessions(bars, first, count)
    clock = play.play_clock(play.resumes(home.home(), first), speed)
    exchange = embedded(config, bars, home.home(), clock)
    market = paper(config, exchange, play.ACCOUNT, lambda: bars, reduce_only=wish.reduce_only)
    with closing(exchange), _working(config._replace(alerts=AlertSettings()), wish, market, clock) as runner:
        play.play(runner, clock, days, speed)


def trade_on_paper(config: LiveConfig, wish: Wish) -> None:
    """Trade with the exchange within, at the quotes of Alpaca's feed where there is a key."""
    clock, options, keys = SystemClock(), config.bars("cache"), _keys(config, wish)
    bars = open_market(options).bars
    live = alpaca_feed(config, keys, clock) if keys else None
    if not live:
        _warn_of_silence(bars, clock)
    exchange = embedded(config, bars, home.home(), clock, live)
    market = paper(config, exchange, ACCOUNT, lambda: open_market(options).bars, live, reduce_only=wish.reduce_only)
    with closing(exchange), _working(config, wish, market, clock, keys) as runner:
        runner.run()


def trade_at_alpaca(config: LiveConfig, wish: Wish) -> None:
    """Trade an account at Alpaca, after everything that must agree does."""
    clock, options = SystemClock(), config.bars("cache")
    keys = required(_keys(config, wish), key_file(config, home.home()))
    if doubt := check_agreement(config, wish.mode, keys, wish.account):
        show(f"! {doubt}")
    open_market(options)
    found = open_account(HttpWire(address(config, wish.mode), keys, clock), clock, wish.account)
    if wish.mode == "live":
        _check_readiness(config, wish, clock)
    market = alpaca(config, wish.mode, keys, clock, lambda: open_market(options).bars, found,
                    reduce_only=wish.reduce_only)
    waker = Waker(address(config, wish.mode), keys).start()
    with _working(config, wish, replace(market, woken=waker.woken), clock, keys) as runner:
        runner.run()


@contextmanager
def _working(config: LiveConfig, wish: Wish, market: Market, clock: Clock, keys: Keys | None = None
             ) -> Iterator[Runner]:
    """The runner of the home folder, watched, and obeying its signals."""
    places = Places(home.home())
    market = replace(market, acknowledge_within=timedelta(minutes=config.alerts.acknowledge_within))
    with (watched(places, clock, config.alerts.urls, keys or ()) as listeners, killable(places),
          station(places, market, clock, listeners) as runner, health_beside(wish.health), stoppable(runner)):
        yield runner


def _check_readiness(config: LiveConfig, wish: Wish, clock: Clock) -> None:
    """KobeError where the preflight of real money is not clean."""
    found = fails(wish.mode, config, Places(home.home()), wish.environment, clock, reduce_only=wish.reduce_only)
    if found:
        told = "; ".join(f"{item.name}: {item.found}" for item in found)
        raise KobeError(f"not ready for real money, nothing was started. {told}. See: kobe preflight --mode live")


def _keys(config: LiveConfig, wish: Wish) -> Keys | None:
    return alpaca_keys(wish.environment, key_file(config, home.home()))


def _warn_of_silence(bars: Bars, clock: Clock) -> None:
    today = session_at(clock.now())
    if bars.sessions[-1] < number(today):
        show(f"! nothing quotes today: the bars end before {today}, and there is no key for Alpaca's quotes, so every "
             f"entry will be refused. Set ALPACA_API_KEY and ALPACA_SECRET_KEY, or trade the past: --play DATE")
