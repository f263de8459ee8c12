"""History through the decision path, no gate asked, gives the kernel's trades: the same rows, to the last bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kobe81.backtest.decided import decide_history
from kobe81.backtest.engine import Account, backtest
from kobe81.backtest.results import EXIT_REASONS, Trades
from kobe81.core.bars import FIELDS, Bars
from kobe81.core.errors import DataError, UsageError
from kobe81.core.signals import LONG, SHORT, Signals
from kobe81.data.load import load
from kobe81.data.providers.sample import sample_bars
from kobe81.engine.candidates import confidence
from kobe81.engine.rules import Rules
from kobe81.strategies import Strategy, strategy
from tests.engine_fixtures import GATES

SHARED = Path(__file__).parents[3] / "shared/data/us_eod_900.parquet"
KINDS = ("donchian", "ict_turtle_soup")
FREE = Account(slippage_bps=0.0, costs="none")
COLUMNS = tuple(Trades.__dataclass_fields__)
SIZINGS = [{}, {"sizing": "fraction", "size": 0.05}, {"sizing": "risk", "size": 0.004},
           {"sizing": "volatility", "size": 0.01}]
SCARCE = [{}, {"cash": 3_000.0}, {"max_positions": 2}, {"cash": 2_500.0, "max_positions": 3, "slippage_bps": 40.0}]


def rules(account: Account, *asked: str, **gates: object) -> Rules:
    """The account's orders; only these gates are asked."""
    trading = {name: getattr(account, name) for name in ("sizing", "notional", "size", "max_positions")}
    off = [name for name in GATES if name not in asked]
    return Rules.of({"account": "sim", "trading": trading, "gates": {**gates, "off": off}})


def assert_same(bars: Bars, rule: Strategy, account: Account) -> int:
    """Both ways give the same trades and the same equity; how many trades."""
    kernel, decided = backtest(bars, rule, account), decide_history(bars, rule, account, rules(account))
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(decided.fills, name), getattr(kernel.fills, name), name)
    for name in ("date", "equity", "cash", "exposure"):
        np.testing.assert_array_equal(getattr(decided.curve, name), getattr(kernel.curve, name), name)
    return len(kernel.fills)


@pytest.fixture(scope="module")
def sample() -> Bars:
    """Eight real stocks, four of their years."""
    return sample_bars().between(12_500, 14_000)


@pytest.mark.parametrize("terms", [{**size, **scarce} for size in SIZINGS for scarce in SCARCE], ids=str)
@pytest.mark.parametrize("values", [{}, {"r_multiple": 1.5, "stop_atr": 1.0}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_trades_on_real_stocks(sample, kind, values, terms):
    """Both strategies, with and without targets, all sizings, ample and scarce slots and cash."""
    assert assert_same(sample, strategy(kind, values), Account(**terms)) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_trades_on_nine_hundred_stocks(kind, tmp_path):
    """Ten years of them, 126,000 signals for 20 slots."""
    if not SHARED.exists():
        pytest.skip("needs the 900-stock file")
    assert assert_same(load(SHARED, cache_dir=tmp_path).bars, strategy(kind), Account()) > 5_000


NEIGHBOURS = (1.900000000000008, 1.9000000000000081)
"""One float and the next, of which s / (1 + s) makes the lower one the larger."""

# small markets in whole dollars, where everything ties


@dataclass(frozen=True)
class Given(Strategy):
    """Long signals at these rows, with these stops, targets and scores."""

    rows: tuple[int, ...] = ()
    stops: tuple[float, ...] = ()
    targets: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    side: int = LONG

    @property
    def warmup(self) -> int:
        return 1

    def generate_signals(self, bars: Bars) -> Signals:
        at = np.array(self.rows, np.int64)
        return Signals(at, np.full(len(at), self.side, np.int8), bars.close[at], np.array(self.stops, float),
                       np.array(self.targets, float), np.array(self.scores, float), "given")


def market(*symbols: dict[int, tuple[float, float, float, float]]) -> Bars:
    """Bars of A, B, ... by day number: open, high, low, close."""
    offsets = np.cumsum([0, *map(len, symbols)]).astype(np.int64)
    date = np.array([d for s in symbols for d in sorted(s)], np.int32)
    table = np.array([s[d] for s in symbols for d in sorted(s)], float)
    fields = {name: table[:, i].copy() for i, name in enumerate(FIELDS[:4])}
    return Bars.of("ABCDE"[: len(symbols)], offsets, date, {**fields, "volume": np.full(len(date), 1e6)})


@st.composite
def markets(draw: st.DrawFn) -> tuple[Bars, Given]:
    """Up to five symbols over up to twelve days of 2020, each with days missing and an end of its own; signals on any
    of their bars, at whole-dollar stops and targets, with few scores, some of them a last bit apart."""
    price, symbols = st.integers(2, 9), []
    for _ in range(draw(st.integers(1, 5))):
        days = draw(st.sets(st.integers(18_270, 18_281), min_size=2))
        prices = (sorted(draw(st.lists(price, min_size=4, max_size=4))) for _ in days)
        symbols.append({d: draw(st.sampled_from([(b, h, lo, c), (c, h, lo, b)]))
                        for d, (lo, b, c, h) in zip(days, prices, strict=True)})
    bars = market(*symbols)
    rows = sorted(draw(st.sets(st.integers(0, len(bars) - 1), min_size=1)))
    stop = st.integers(1, 5)
    target = st.sampled_from([np.nan, *range(5, 10)])
    score = st.sampled_from([0.0, 1.0, 1.5, *NEIGHBOURS, -1.0])
    columns = [tuple(draw(st.lists(kind, min_size=len(rows), max_size=len(rows)))) for kind in (stop, target, score)]
    return bars, Given(draw(st.integers(1, 4)), tuple(rows), *columns)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(markets(), st.sampled_from([{"notional": 100.0}, {"notional": 30.0, "cash": 60.0}, {"max_positions": 1},
                                   {"max_positions": 2, "slippage_bps": 500.0}, {"cash": 1_500.0}]),
       st.sampled_from([{}, {"sizing": "fraction", "size": 0.25}, {"sizing": "risk", "size": 0.125}]))
def test_where_everything_ties(case, terms, sizing):
    """Whole dollars: opens at the stop, highs at the target, equal scores, cash that fits to the cent."""
    bars, rule = case
    assert_same(bars, rule, Account(**{"slippage_bps": 0.0, "costs": "none", **terms, **sizing}))


OVER = {0: (4.0, 4.0, 4.0, 4.0), 1: (4.0, 4.0, 4.0, 4.0)}
"""A day to be signalled on and a day to enter at 4."""
STILL = dict.fromkeys(range(5), (4.0, 4.0, 4.0, 4.0))


@pytest.mark.parametrize(("day", "reason", "price"), [
    ((6.0, 6.0, 2.0, 3.0), "stop", 2.0),       # opens above its target, and falls to its stop: the stop comes first
    ((5.0, 5.0, 2.0, 3.0), "stop", 2.0),       # exactly at it is no different
    ((5.0, 5.0, 4.0, 4.0), "target", 5.0),
    ((6.0, 6.0, 5.0, 5.0), "target", 6.0),     # at the open, which is better than the target
    ((4.0, 5.0, 3.0, 4.0), "target", 5.0),
])  # fmt: skip
def test_a_target_reached_at_the_open(day, reason, price):
    """The order of docs/spec.md: gap, stop, target; and a slot that a target frees is free the next session, so that
    the other symbol's signal of the day before is refused, and that of the day itself is not."""
    bars = market(OVER | {2: day} | dict.fromkeys((3, 4), (4.0, 4.0, 4.0, 4.0)), STILL)
    rule = Given(9, (0, 6, 7), (2.0, 1.0, 1.0), (5.0, np.nan, np.nan), (1.0, 1.0, 1.0))
    account = replace(FREE, max_positions=1)
    assert assert_same(bars, rule, account) == 2
    fills = decide_history(bars, rule, account, rules(account)).fills
    assert (EXIT_REASONS[fills.reason[0]], fills.exit_price[0], fills.exit[0]) == (reason, price, 2)
    assert fills.entry.tolist() == [1, 8]


def test_a_position_without_a_bar_is_worth_its_last_close():
    """A quarter of $1,000 buys 62 at 4, which close at 6 and have no bar the next day: 752 + 372 = 1,124, of which a
    quarter buys 70 at 4."""
    held = {0: (4.0,) * 4, 1: (4.0, 6.0, 4.0, 6.0), 3: (4.0,) * 4, 4: (4.0,) * 4}
    rule = Given(9, (0, 6), (1.0, 1.0), (np.nan, np.nan), (1.0, 1.0))
    account = replace(FREE, cash=1_000.0, sizing="fraction", size=0.25)
    assert assert_same(market(held, STILL), rule, account) == 2
    assert decide_history(market(held, STILL), rule, account, rules(account)).fills.qty.tolist() == [62, 70]


def test_fees_of_a_large_sale():
    """500,000 shares sold for $1,000,000 in January 2020: $20.70 to the SEC, and to FINRA not 500,000 x $0.000119 =
    $59.50 but the most it took of a trade then, $5.95."""
    bars = market(dict.fromkeys(range(18_270, 18_280), (2.0,) * 4))
    rule = Given(2, (0,), (1.0,), (np.nan,), (1.0,))
    account = Account(cash=2e6, notional=1e6, slippage_bps=0.0)
    assert assert_same(bars, rule, account) == 1
    assert decide_history(bars, rule, account, rules(account)).fills.fees.tolist() == pytest.approx([26.65])


def test_an_open_at_the_stop_is_a_gap():
    """It leaves at the open and frees its slot there: the other symbol's signal of the day before enters that day."""
    bars = market(OVER | dict.fromkeys((2, 3, 4), (2.0, 4.0, 2.0, 4.0)), STILL)
    rule = Given(9, (0, 6), (2.0, 1.0), (np.nan, np.nan), (1.0, 1.0))
    account = replace(FREE, max_positions=1)
    assert assert_same(bars, rule, account) == 2
    assert decide_history(bars, rule, account, rules(account)).fills.entry.tolist() == [1, 7]


@given(st.floats(0.0, 1e6))
@example(NEIGHBOURS[0])
def test_confidence_keeps_the_order_of_the_scores(score):
    """Whoever scores a last bit higher is not less confident: the path ranks as the kernel does."""
    assert confidence(score) <= confidence(float(np.nextafter(score, np.inf)))


@pytest.mark.parametrize(("score", "expected"), [(0.0, 0.0), (1.5, 0.6), (1.0, 0.5), (9.0, 0.9), (-0.1, None),
                                                 (float("nan"), None)])
def test_confidence_of_a_score(score, expected):
    """1.5 ATR is 0.60: s / (1 + s); nobody knows where there is no score."""
    assert confidence(score) == expected


# what the path does by itself

LOSER = dict.fromkeys(range(18270, 18280), (10.0, 10.0, 10.0, 10.0)) | {18_272: (10.0, 10.0, 8.0, 8.0)}
RULE = Given(5, (0, 2, 4), (9.0, 7.0, 7.0), (np.nan,) * 3, (2.0, 2.0, 2.0))


def test_refusals_are_counted_by_gate():
    """Of three signals the second comes while the first's position is left, and all are too dear for a $9 order."""
    result = decide_history(market(LOSER), RULE, FREE, rules(FREE, "policy_gate", policy_gate={"max_order": 9}))
    assert len(result.fills) == 0
    assert result.refusals == {"size": 3, "policy_gate": 3}


def test_the_policy_limits_the_order():
    """$75 at a limit of $10.01 are seven shares, where the account alone would buy 100."""
    result = decide_history(market(LOSER), RULE, FREE, rules(FREE, "policy_gate"))
    assert result.fills.qty[0] == 7
    assert decide_history(market(LOSER), RULE, FREE, rules(FREE)).fills.qty[0] == 100


def test_the_breaker_opens_and_closes_in_history():
    """Ten signals, each of which would lose. One loss is the limit: the first trades, the second is refused and opens
    the breaker; half-open a day later it lets one probe pass, which loses, and opens again on the day after."""
    fall = dict.fromkeys(range(18_270, 18_282), (10.0, 10.0, 8.0, 10.0))
    rule = Given(1, tuple(range(10)), (9.0,) * 10, (np.nan,) * 10, (2.0,) * 10)
    limits = {"max_losses": 1, "max_probes": 1}
    result = decide_history(market(fall), rule, FREE, rules(FREE, "circuit_breaker", circuit_breaker=limits))
    assert result.fills.entry.tolist() == [1, 3, 5, 7, 9]
    assert result.refusals == {"circuit_breaker": 5}


def test_what_the_path_does_not_do_is_refused():
    """Symbols on their own, shorts, an undefined stop, too few bars: said before anything is traded."""
    bars = market(LOSER)
    both = strategy("donchian", {"allow_short": True})
    for account, rule in ((replace(FREE, mode="independent"), RULE), (FREE, both)):
        with pytest.raises(UsageError, match="--engine kernel"):
            decide_history(bars, rule, account, rules(FREE))
    with pytest.raises(DataError, match="longest symbol has 10 bars"):
        decide_history(bars, strategy("donchian"), FREE, rules(FREE))
    for undefined in (replace(RULE, stops=(9.0, np.nan, 7.0)), replace(RULE, scores=(1.0, np.nan, 1.0))):
        with pytest.raises(UsageError, match="without a finite entry, stop or score at row 2"):
            decide_history(bars, undefined, FREE, rules(FREE))


def test_shorts_of_a_strategy_of_ones_own_are_not_traded():
    """It has no allow_short to ask about; the account buys only."""
    assert len(decide_history(market(LOSER), replace(RULE, side=SHORT), FREE, rules(FREE)).fills) == 0
