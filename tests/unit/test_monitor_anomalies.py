"""Anomalies: scores of scipy and of numbers worked by hand, and feeds that stand still."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from kobe81.core.bars import Bars
from kobe81.core.decisions import Quote
from kobe81.monitor.anomaly_detector import anomalies, robust_z, stale_bars, stale_quotes

NAN, INF = float("nan"), float("inf")
FIRST = (date(2026, 1, 5) - date(1970, 1, 1)).days


def bars(last_day=FIRST + 200, **symbols):
    """Bars of these symbols, each a dict of open, close and volume; all end on the same day."""
    names = sorted(symbols)
    lengths = [len(symbols[n]["close"]) for n in names]
    fields = {f: np.concatenate([np.asarray(symbols[n][f], float) for n in names]) for f in ("open", "close", "volume")}
    fields |= {"high": fields["close"], "low": fields["close"]}
    days = np.concatenate([np.arange(last_day - n + 1, last_day + 1) for n in lengths]).astype(np.int32)
    return Bars.of(names, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), days, fields)


def calm(n=80, seed=1):
    """A stock that moves by about one per cent a day."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, n)))
    return {"open": np.concatenate([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.003, n)), "close": close,
            "volume": rng.uniform(0.9e6, 1.1e6, n)}


def series(stock):
    """Returns, volumes and gaps of a stock, by the words of rules.md."""
    close, opened = stock["close"], stock["open"]
    return {"return": close[1:] / close[:-1] - 1, "gap": opened[1:] / close[:-1] - 1, "volume": stock["volume"]}


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_scipys(seed):
    """Whatever is found on a disturbed last bar has the score that scipy's MAD of the 50 before gives, and all that
    scores 3 or more is found."""
    stock = calm(60 + seed, seed)
    rng = np.random.default_rng(seed)
    stock["close"][-1] *= 1 + rng.normal(0, 0.05)
    stock["open"][-1] *= 1 + rng.normal(0, 0.02)
    stock["volume"][-1] *= rng.uniform(0.5, 1.6)
    expected = {}
    for what, values in series(stock).items():
        before = values[-51:-1]
        expected[what] = (values[-1] - np.median(before)) / median_abs_deviation(before, scale=1 / 1.4826)
    found = anomalies(bars(X=stock, A=calm(90, 7), Z=calm(52, 8)))
    ours = {a.what: a for a in found if a.symbol == "X"}
    assert set(ours) == {what for what, score in expected.items() if abs(score) >= 3}
    for what, anomaly in ours.items():
        assert anomaly.score == pytest.approx(expected[what], rel=1e-9)
        assert anomaly.value == pytest.approx(series(stock)[what][-1], rel=1e-12)
        assert anomaly.alert == (abs(expected[what]) >= 4.5)


def test_a_score_worked_by_hand():
    """Of 1, 2, 3, 4, 100 the median is 3 and the MAD 1: 9 scores 6 / 1.4826 = 4.0469..., 0 scores -2.0234..."""
    before = np.array([[1, 2, 3, 4, 100.0]] * 2)
    assert robust_z(np.array([9.0, 0.0]), before) == pytest.approx([4.046944556859571, -2.0234722784297854], rel=1e-12)


def test_where_most_are_alike_the_mean_deviation_stands_in():
    """Of 5, 5, 5, 5, 10 the MAD is 0 and the mean absolute deviation 1: 10 scores 5 / 1.2533 = 3.989..."""
    assert robust_z(np.array([10.0]), np.array([[5, 5, 5, 5, 10.0]])) == pytest.approx([5 / 1.2533], rel=1e-12)


def test_where_all_are_alike_anything_else_is_infinitely_far():
    """And the same again is nothing."""
    same = np.full((3, 50), 7.0)
    assert robust_z(np.array([7.0, 8.0, 6.0]), same).tolist() == [0, INF, -INF]


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_no_number_among_those_before_is_no_score(broken):
    """A window with a value that is none cannot say what is usual."""
    before = np.arange(50.0)[None, :].copy()
    before[0, 10] = broken
    assert np.isnan(robust_z(np.array([25.0]), before)).all()


def flat(n=60):
    return {"open": np.full(n, 10.0), "close": np.full(n, 10.0), "volume": np.full(n, 1000.0)}


def test_rounding_is_no_movement():
    """Steady growth of one per mille a day: the returns differ in the sixteenth digit, and nothing stands out."""
    close = 50 * 1.001 ** np.arange(80)
    assert anomalies(bars(X={"open": close, "close": close, "volume": np.full(80, 5.0)})) == []


def test_a_stock_that_stood_still_and_moves_stands_out():
    """No price or volume moved for 60 bars; a cent more is infinitely far from the usual."""
    stock = flat()
    stock["close"][-1] = 10.01
    assert [(a.what, a.score, a.alert) for a in anomalies(bars(X=stock))] == [("return", INF, True)]


@pytest.mark.parametrize(("field", "what"), [("close", {"return"}), ("open", {"gap"}), ("volume", {"volume"})])
@pytest.mark.parametrize("n", [1, 2, 51, 52, 80])
@pytest.mark.parametrize("broken", [NAN, INF])
def test_a_last_bar_without_a_number_is_an_anomaly(field, what, n, broken):
    """Of young symbols and old ones, for what is made from it and nothing else."""
    stock = calm(n)
    stock[field][-1] = broken
    found = anomalies(bars(A=calm(80, 5), X=stock, Y=calm(80, 6)))
    assert {a.what for a in found if a.symbol == "X"} == what
    assert all(a.alert for a in found if a.symbol == "X")


@pytest.mark.parametrize("ago", [1, 2, 50])
def test_a_number_missing_within_the_window_is_an_anomaly(ago):
    """Volume is judged by 50 bars before the last, of which each must be a number."""
    stock = calm()
    stock["volume"][-1 - ago] = NAN
    assert [a.what for a in anomalies(bars(X=stock))] == ["volume"]


def test_what_is_older_than_the_window_does_not_count():
    """The 51st bar before the last says nothing of volume any more."""
    stock = calm()
    stock["volume"][-52] = NAN
    stock["close"][-53] = NAN
    assert anomalies(bars(X=stock)) == []


def test_young_symbols_are_not_judged():
    """51 bars give 49 returns before the last; 52 give the 50 that are asked for."""
    for n, expected in ((51, []), (52, ["return", "volume"])):
        stock = calm(n)
        stock["close"][-1] *= 2
        stock["volume"][-1] *= 100
        assert [a.what for a in anomalies(bars(X=stock))] == expected


def test_each_symbol_is_judged_by_its_own_bars():
    """A wild neighbour before and after in the arrays changes nothing; the order is that of the symbols."""
    moved = calm(60, 2)
    moved["volume"][-1] *= 50
    wild = {k: v * np.random.default_rng(3).uniform(0.2, 5, len(v)) for k, v in calm(80, 4).items()}
    alone = anomalies(bars(M=moved))
    assert [a for a in anomalies(bars(A=wild, M=moved, Z=wild)) if a.symbol == "M"] == alone
    assert [a.symbol for a in anomalies(bars(B=moved, A=moved))] == ["A", "B"]


def test_no_bars_no_anomalies():
    """An empty set of bars is nothing to warn of."""
    empty = bars(X=calm()).keep(np.zeros(80, bool))
    assert anomalies(empty) == []
    assert stale_bars(empty, NOON) == []


def test_a_sentence_tells_the_numbers():
    """What was seen, in its unit, and how unusual it is; what is no number says so."""
    stock = flat()
    stock["close"][-1], stock["open"][-1], stock["volume"][-2:] = 8.0, NAN, [2000, 26066]
    assert list(map(str, anomalies(bars(X=stock)))) == [
        "X: the gap is no number", "X: return -20.00%, where nothing moved before",
        "X: volume 26,066, 1,000.0 deviations from the usual"]


NOON = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)  # a Friday; New York trades from 14:30 to 21:00 UTC


def quote(age):
    return Quote(bid=Decimal(1), ask=Decimal(1), last=Decimal(1), at=NOON - timedelta(seconds=age))


def test_quotes_older_than_a_minute_are_stale_while_the_session_runs():
    """A missing one is as well; one of just 60 s is not."""
    quotes = {"A": quote(60), "B": quote(60.1), "C": quote(0)}
    found = stale_quotes(quotes, ["D", "C", "B", "A"], NOON)
    assert [(a.symbol, a.what, a.alert) for a in found] == [("B", "quote", True), ("D", "quote", True)]
    assert [str(a) for a in found] == ["B: quote 60 s old; see: kobe status", "D: no quote"]


@pytest.mark.parametrize(("now", "open_"), [
    (datetime(2026, 3, 6, 14, 29, 59, tzinfo=UTC), False), (datetime(2026, 3, 6, 14, 30, tzinfo=UTC), True),
    (datetime(2026, 3, 6, 20, 59, 59, tzinfo=UTC), True), (datetime(2026, 3, 6, 21, 0, tzinfo=UTC), False),
    (datetime(2026, 3, 7, 17, 0, tzinfo=UTC), False), (datetime(2026, 11, 27, 17, 59, tzinfo=UTC), True),
    (datetime(2026, 11, 27, 18, 0, tzinfo=UTC), False),
    (datetime.fromisoformat("2026-03-07T00:30:00+09:00"), True)])
def test_outside_the_session_no_quote_is_stale(now, open_):
    """From the open to the close, half-days too; Tokyo's Saturday morning is New York's Friday."""
    assert bool(stale_quotes({}, ["A"], now)) == open_


def test_the_last_bar_is_due_when_its_session_is_over():
    """Friday's bar is due at 21:00 UTC; until then Thursday's is good, and over the weekend Friday's."""
    thursday = (date(2026, 3, 5) - date(1970, 1, 1)).days
    old, fresh = bars(thursday, X=calm()), bars(thursday + 1, X=calm())
    assert stale_bars(old, NOON) == []
    monday_morning = datetime(2026, 3, 9, 13, 0, tzinfo=UTC)
    for now in (datetime(2026, 3, 6, 21, 0, tzinfo=UTC), monday_morning):
        assert [(a.symbol, a.what, a.value) for a in stale_bars(old, now)] == [("X", "bars", 1.0)]
        assert stale_bars(fresh, now) == []
