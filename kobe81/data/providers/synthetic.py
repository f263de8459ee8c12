"""A made-up stock market of any size, for scale tests and demonstrations; one seed, the same numbers everywhere.

What is in it: one market factor whose volatility changes by regime, stocks with their own beta, volatility regimes and
jumps, opening gaps, volume that rises with the size of the move, late listings, early delistings and missing sessions.
What is not in it: an edge. Every price is a martingale (its expected next value is its present one, whatever happened
before), so a strategy earns nothing on average and loses its costs; whoever finds a profit here has found a bug.

Within a session the log price is a Brownian bridge from open to close. The high and the low are drawn from the exact
law of that bridge's extremes, each by itself, so ranges, stops and breakouts behave as on a continuous path.

Sessions are plain weekdays, holidays included. Bytes repeat because the random bits are Philox's raw output, whose
stream NumPy never changes (the streams of its distributions may), the normals are sums of integers, and prices are
rounded to ticks, which hides the last bits in which exp and log differ between machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kobe81.core.bars import FIELDS, Bars, Floats, Mask, Origin
from kobe81.core.errors import UsageError

FIRST_DAY = date(2015, 1, 5).toordinal() - date(1970, 1, 1).toordinal()
"""A Monday."""

MARKET_VOLATILITY = 0.008
"""Standard deviation of the market's daily log return in its middle regime."""
GAP_SHARE = 0.25
"""Part of a day's variance that falls between the sessions."""
REGIMES = np.array([0.6, 0.8, 1.0, 1.3, 2.2])
"""Multiples of normal volatility; a regime change draws one of them."""
JUMP_CHANCE, JUMP_SIZE = 1 / 80, 3.5
"""How often a stock's overnight news is this many times as large as usual."""
MISSING_CHANCE = 0.0005
"""How often a listed stock has no bar in a session."""
DELISTED_BELOW = 0.5
"""Dollars; the first close below ends a listing."""
BYTES = np.uint64(0x00FF_00FF_00FF_00FF)
"""Every second byte of a 64-bit word."""

NOTE = ("No real prices: simulated, with listings and delistings, so free of survivorship, and without an edge: "
        "strategies earn nothing on average before costs.")

Bits = NDArray[np.uint64]


@dataclass(frozen=True)
class _Market:
    """What all stocks share, one value per session: the factor's daily volatility and its standardised moves."""

    volatility: Floats
    gap: Floats
    day: Floats


class _Traits(NamedTuple):
    """What makes one stock differ from another; each uniform on (0, 1)."""

    beta: float
    volatility: float
    price: float
    turnover: float
    listing: float
    life: float


def synthetic_bars(symbols: int = 120, sessions: int = 2520, seed: int = 16) -> Bars:
    """A synthetic market of `symbols` stocks over `sessions` weekdays from 2015-01-05, the same for the same arguments.

    Stock k (SYN001, SYN002, ...) is the same in a market of more stocks; another number of sessions is another market.
    Every symbol has at least one bar and every bar is valid. UsageError where a number is out of range.
    """
    if not (symbols >= 1 and sessions >= 1 and 0 <= seed < 2**63):
        raise UsageError(f"cannot make a synthetic market of {symbols} symbols, {sessions} sessions and seed {seed}; "
                         "symbols and sessions start at 1, seeds at 0")
    market = _market(seed, sessions)
    stocks = [_stock(seed, k, market) for k in range(1, symbols + 1)]
    offsets = np.cumsum([0, *(stock.shape[1] for stock in stocks)], dtype=np.int64)
    day, *fields = np.concatenate(stocks, axis=1)
    width = max(3, len(str(symbols)))
    names = [f"SYN{k:0{width}d}" for k in range(1, symbols + 1)]
    return Bars.of(names, offsets, day.astype(np.int32), dict(zip(FIELDS, fields, strict=True)),
                   Origin(f"synthetic market, seed {seed}", synthetic=True, note=NOTE))


def _market(seed: int, sessions: int) -> _Market:
    change, regime, gap, day = _bits(seed, 0, 4, sessions)
    return _Market(MARKET_VOLATILITY * _regimes(change, regime, 1 / 60), _normal(gap), _normal(day))


def _stock(seed: int, k: int, market: _Market) -> Floats:
    """Stock k's bars: day, open, high, low, close, volume as float64 [6, bars]."""
    sessions = len(market.day)
    change, regime, jump, gap, day, up, down, noise, missing = _bits(seed, 2 * k, 9, sessions)
    traits = _Traits(*_uniform(_bits(seed, 2 * k + 1, len(_Traits._fields), 1)[:, 0]))

    volatility = _volatility(traits, market) * _regimes(change, regime, 1 / 90)
    jumps = np.where(_uniform(jump) < JUMP_CHANCE, JUMP_SIZE, 1.0)
    beta = 0.5 + traits.beta
    overnight, _ = _move(GAP_SHARE, beta, market.volatility, market.gap, volatility * jumps, _normal(gap))
    daytime, variance = _move(1 - GAP_SHARE, beta, market.volatility, market.day, volatility, _normal(day))
    first, last = _life(traits, sessions)
    close = np.cumsum(overnight + daytime)
    close += np.log(4 + 120 * traits.price**2) - close[first]
    high, low = _extremes(daytime, variance, _uniform(up), _uniform(down))
    prices = [_to_tick(np.exp(close - daytime + move)) for move in (np.zeros(sessions), high, low, daytime)]
    volume = _volume(traits, (overnight + daytime) / np.sqrt(variance), _normal(noise))
    listed = _listed(prices[-1], first, last, _uniform(missing))
    return np.stack([_weekdays(sessions), *prices, volume])[:, listed]


def _volatility(traits: _Traits, market: _Market) -> Floats:
    """A stock's own daily volatility before its regimes: most calm, some wild, all sharing the market's stress."""
    own: Floats = (0.008 + 0.018 * traits.volatility**2) * np.sqrt(market.volatility / MARKET_VOLATILITY)
    return own


def _move(share: float, beta: float, market_volatility: Floats, market_move: Floats, volatility: Floats,
          move: Floats) -> tuple[Floats, Floats]:
    """Log moves over the part of the day that holds `share` of its variance, and their variance.

    Less half its variance a log move leaves the expected price where it was.
    """
    variance = share * ((beta * market_volatility) ** 2 + volatility**2)
    shock = np.sqrt(share) * (beta * market_volatility * market_move + volatility * move)
    return shock - variance / 2, variance


def _extremes(move: Floats, variance: Floats, up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Highest and lowest points of Brownian bridges from 0 to `move`; up, down: uniform on (0, 1).

    The maximum M of such a bridge exceeds m with probability exp(-2 m (m - move) / variance); solved for m.
    """
    high = (move + np.sqrt(move**2 - 2 * variance * np.log(up))) / 2
    low = (move - np.sqrt(move**2 - 2 * variance * np.log(down))) / 2
    return high, low


def _volume(traits: _Traits, move: Floats, noise: Floats) -> Floats:
    """Whole shares: lognormal around the stock's own level, more on days of large moves (in daytime deviations)."""
    level = np.log(60_000) + 5 * traits.turnover
    shares: Floats = np.rint(np.exp(level + 0.35 * noise + 0.25 * np.minimum(np.abs(move), 6.0)))
    return shares


def _life(traits: _Traits, sessions: int) -> tuple[int, int]:
    """A stock's first session and the one after its last: three in ten list late, one in five leaves early.

    None is meant to be listed for less than a quarter of the sessions.
    """
    first = int(max(traits.listing - 0.7, 0.0) * 2 * sessions)
    last = int(min(0.4 + 3 * traits.life, 1.0) * sessions)
    return first, max(last, first + sessions // 4, first + 1)


def _listed(close: Floats, first: int, last: int, missing: Floats) -> Mask:
    """bool [sessions]: the sessions first..last-1, until the price falls too low, less the missing; never all false."""
    session = np.arange(len(close))
    fallen = np.flatnonzero((close < DELISTED_BELOW) & (session >= first))
    if len(fallen):
        last = min(last, int(fallen[0]) + 1)
    listed: Mask = (session >= first) & (session < last) & ((missing > MISSING_CHANCE) | (session == first))
    return listed


def _weekdays(sessions: int) -> Floats:
    """Days since 1970-01-01 of the first `sessions` Mondays to Fridays."""
    week, weekday = np.divmod(np.arange(sessions), 5)
    return (FIRST_DAY + 7 * week + weekday).astype(np.float64)


def _regimes(change: Bits, regime: Bits, chance: float) -> Floats:
    """Volatility multiples that stay as they are until, with `chance` each session, a new one is drawn."""
    begins = np.where(_uniform(change) < chance, np.arange(len(change)), 0)
    drawn = REGIMES[(_uniform(regime) * len(REGIMES)).astype(np.intp)]
    return drawn[np.maximum.accumulate(begins)]


def _to_tick(price: Floats) -> Floats:
    """Prices in cents, below a dollar in hundredths of a cent, as US exchanges quote them."""
    return np.where(price >= 1, np.rint(price * 100) / 100, np.rint(price * 10_000) / 10_000)


def _bits(seed: int, stream: int, rows: int, columns: int) -> Bits:
    """Random uint64 [rows, columns]; streams of one seed are independent of each other."""
    raw: Bits = np.random.Philox(key=[seed, stream]).random_raw(rows * columns)
    return raw.reshape(rows, columns)


def _uniform(bits: Bits) -> Floats:
    """Uniform on the open interval (0, 1)."""
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _normal(bits: Bits) -> Floats:
    """Mean 0, variance 1, nearly normal (kurtosis 2.85): the sum of the word's eight bytes, standardised."""
    pairs = (bits & BYTES) + ((bits >> np.uint64(8)) & BYTES)
    total = (pairs * np.uint64(0x0001_0001_0001_0001)) >> np.uint64(48)
    normal: Floats = (total.astype(np.float64) - 8 * 127.5) / np.sqrt(8 * (256**2 - 1) / 12)
    return normal
