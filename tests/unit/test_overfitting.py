"""Deflated Sharpe ratio and PBO: the papers' own numbers, a slow reading of the paper, another program, and limits."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from kobe81.backtest.overfitting import (
    deflated_sharpe,
    expected_maximum_sharpe,
    overfitting,
    probabilistic_sharpe,
)

YEAR = 250  # sessions, in the paper's example


def noise(seed: int, sessions: int, sets: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.01, (sessions, sets))


def test_expected_maximum_of_the_papers_example():
    """Bailey and Lopez de Prado 2014: 100 trials, of variance 1/2 a year, lead one to expect 0.1132 a day."""
    assert expected_maximum_sharpe(0.5 / YEAR, 100) == pytest.approx(0.1132, abs=5e-5)


@pytest.mark.parametrize(("trials", "skew", "kurtosis", "answer"), [
    (100, -3, 10, 0.9004), (46, -3, 10, 0.9505), (88, 0, 3, 0.9505),
])
def test_deflated_sharpe_of_the_papers_example(trials, skew, kurtosis, answer):
    """Sharpe 2.5 a year over 1,250 days: 0.9004 after 100 trials; 0.9505 after 46, or after 88 had it been normal."""
    luck = expected_maximum_sharpe(0.5 / YEAR, trials)
    made = probabilistic_sharpe(2.5 / math.sqrt(YEAR), 1250, skew, kurtosis, luck)
    assert made == pytest.approx(answer, abs=5e-5)


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_expected_maximum_is_that_of_normal_draws(trials):
    """The approximation is within 3 % of the mean maximum of that many normal variables (numerical integration)."""
    x = np.linspace(-8, 8, 200_001)
    density = trials * stats.norm.pdf(x) * stats.norm.cdf(x) ** (trials - 1)
    exact = np.trapezoid(x * density, x)
    assert expected_maximum_sharpe(4.0, trials) == pytest.approx(2 * exact, rel=0.03)


def test_one_trial_has_no_luck_to_deduct():
    """Without a choice the best is the only one, expected at 0."""
    assert expected_maximum_sharpe(0.3, 1) == 0.0


def test_probabilistic_sharpe_of_a_coin():
    """At its own benchmark the probability is one half; with normal returns of Sharpe 0 it is the t-test's."""
    assert probabilistic_sharpe(0.1, 500, -1.0, 6.0, benchmark=0.1) == 0.5
    assert probabilistic_sharpe(0.0, 101, 0.0, 3.0, benchmark=-0.1) == pytest.approx(stats.norm.cdf(1.0), rel=1e-12)


@pytest.mark.parametrize(("sharpe", "sessions"), [(0.1, 1), (math.nan, 100), (2.0, 100)])
def test_probabilistic_sharpe_is_undefined_without_a_variance(sharpe, sessions):
    """One session, a missing ratio, or (skew 1, kurtosis 2, Sharpe 2) a variance of exactly zero."""
    assert probabilistic_sharpe(sharpe, sessions, 1.0, 2.0) is None


@pytest.mark.parametrize("trials", [1, 12, 500])
def test_deflated_sharpe_equals_purgedcv(trials):
    """The same returns, the same spread of trials, in another program."""
    purgedcv = pytest.importorskip("purgedcv")
    returns = noise(5, 700, 12, 0.0004)
    daily = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    theirs = purgedcv.deflated_sharpe_ratio(returns[:, 3], trials, float(daily.var(ddof=1)))
    assert deflated_sharpe(returns[:, 3], returns, trials) == pytest.approx(theirs, abs=2e-3)


def test_deflated_sharpe_worked_from_its_parts():
    """Daily, not annual, figures go in; sets that never traded do not count towards the spread."""
    returns = np.column_stack([noise(6, 500, 5, 0.0005), np.zeros(500)])
    daily = returns[:, :5].mean(axis=0) / returns[:, :5].std(axis=0, ddof=1)
    chosen, z = returns[:, 0], stats.norm.ppf([1 - 1 / 40, 1 - 1 / (40 * math.e)])
    luck = daily.std(ddof=1) * (z[0] + np.euler_gamma * (z[1] - z[0]))
    skew, kurtosis = stats.skew(chosen), stats.kurtosis(chosen, fisher=False)
    error = math.sqrt((1 - skew * daily[0] + (kurtosis - 1) / 4 * daily[0] ** 2) / 499)
    expected = stats.norm.cdf((daily[0] - luck) / error)
    assert deflated_sharpe(chosen, returns, 40) == pytest.approx(expected, rel=1e-9)


def test_deflated_sharpe_is_undefined_where_nothing_can_be_measured():
    """No deviation in the choice; or several trials of which one only has a Sharpe ratio. One trial needs no spread."""
    returns = noise(7, 100, 1, 0.001)
    assert deflated_sharpe(np.zeros(100), noise(7, 100, 5), 5) is None
    assert deflated_sharpe(returns[:, 0], returns, 2) is None
    assert deflated_sharpe(returns[:, 0], returns, 1) is not None


def test_the_best_of_many_coins_has_no_deflated_skill():
    """The best of 50 sets without skill looks skilled alone (probability over 95 % in most histories), not deflated."""
    alone, deflated = [], []
    for seed in range(100):
        returns = noise(seed, 500, 50)
        best = returns[:, np.argmax(returns.mean(axis=0) / returns.std(axis=0))]
        alone.append(deflated_sharpe(best, returns, 1))
        deflated.append(deflated_sharpe(best, returns, 50))
    assert np.mean(np.array(alone) > 0.95) > 0.8
    assert np.mean(np.array(deflated) > 0.95) < 0.05
    assert np.mean(deflated) == pytest.approx(0.5, abs=0.1)


def by_the_paper(returns: np.ndarray, partitions: int):
    """CSCV read aloud from the paper, section 3: join half the blocks, choose, rank the choice in the other half."""
    blocks = np.array_split(np.arange(len(returns)), partitions)
    chosen = []
    for inside in combinations(range(partitions), partitions // 2):
        j = returns[np.concatenate([blocks[b] for b in inside])]
        j_bar = returns[np.concatenate([blocks[b] for b in range(partitions) if b not in inside])]
        r, r_bar = (x.mean(axis=0) / x.std(axis=0, ddof=1) * math.sqrt(252) for x in (j, j_bar))
        best = np.argmax(r)
        omega = stats.rankdata(r_bar)[best] / (returns.shape[1] + 1)
        chosen.append((math.log(omega / (1 - omega)), r[best], r_bar[best]))
    return np.array(chosen).T


@pytest.mark.parametrize(("sessions", "sets", "partitions"), [(200, 2, 4), (503, 9, 8), (1000, 24, 10), (645, 5, 6)])
def test_overfitting_equals_the_papers_procedure(sessions, sets, partitions):
    """Logits, Sharpe ratios, PBO, slope and loss of every halving, whether or not the sessions divide evenly."""
    returns = noise(sessions, sessions, sets, 0.0003)
    made = overfitting(returns, partitions)
    logits, inside, outside = by_the_paper(returns, partitions)
    np.testing.assert_allclose(made.logits, logits, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(made.in_sample, inside, rtol=1e-9)
    np.testing.assert_allclose(made.out_of_sample, outside, rtol=1e-9, atol=1e-9)
    assert made.pbo == np.mean(logits < 1e-12)
    assert made.loss == np.mean(outside < 0)
    assert made.slope == pytest.approx(stats.linregress(inside, outside).slope, rel=1e-9)


def test_overfitting_equals_purgedcv():
    """Another program's CSCV, whose PBO counts ranks strictly below the median: the same for an even number of sets."""
    purgedcv = pytest.importorskip("purgedcv")
    returns = noise(8, 755, 10, 0.0002)
    theirs = purgedcv.probability_of_backtest_overfitting(returns.T, 8)
    made = overfitting(returns, 8)
    assert (made.pbo, made.slope) == pytest.approx((theirs.pbo, theirs.slope), rel=1e-9)
    np.testing.assert_allclose(np.sort(made.logits), np.sort(theirs.logits), rtol=1e-9, atol=1e-12)


def test_noise_is_overfit_half_the_time():
    """Among 12 sets without skill the choice lands below the median as often as above."""
    assert np.mean([overfitting(noise(seed, 400, 12), 8).pbo for seed in range(60)]) == pytest.approx(0.5, abs=0.06)


def test_a_dominant_set_is_never_overfit():
    """One set that earns a deviation a week where the others earn nothing is chosen and wins in every half."""
    returns = noise(9, 1200, 20)
    returns[:, 7] += 0.003
    made = overfitting(returns)
    assert (made.pbo, made.loss, len(made.logits)) == (0.0, 0.0, 12_870)
    assert made.logits == pytest.approx(math.log(20))


def test_an_advantage_of_one_half_is_always_overfit():
    """Each set earns in one half of the history what it loses in the other: the best inside is the worst outside."""
    swing = np.where(np.arange(400) < 200, 1, -1)[:, None] * np.linspace(-0.01, 0.01, 6)
    made = overfitting(swing + noise(10, 400, 6) / 10, 2)
    assert (made.pbo, made.loss, len(made.logits)) == (1.0, 1.0, 2)
    assert made.logits == pytest.approx(math.log(1 / 6))


def test_sets_that_made_the_same_trades_share_their_rank():
    """Twins of one history are all at the median, which counts as overfit: choosing among them achieves nothing."""
    made = overfitting(np.repeat(noise(11, 300, 1), 7, axis=1), 6)
    assert made.logits == pytest.approx(0.0, abs=1e-12)
    assert made.pbo == 1.0


def test_a_set_that_never_traded_counts_as_zero():
    """Beside a set that loses in every half, the idle one is chosen, and does not lose."""
    returns = np.column_stack([np.zeros(300), noise(12, 300, 1)[:, 0] - 0.005])
    made = overfitting(returns, 6)
    assert (made.pbo, made.loss, made.slope) == (0.0, 0.0, None)
    assert not made.in_sample.any()


@pytest.mark.parametrize(("sessions", "sets", "halvings"), [
    (160, 3, 12_870), (159, 3, 3432), (45, 3, 6), (20, 3, 2), (19, 3, None), (500, 1, None), (0, 5, None),
])
def test_short_histories_are_cut_into_fewer_parts(sessions, sets, halvings):
    """Ten sessions make a part and parts are even in number: 16 parts of 160, 14 of 159, 4 of 45, none of 19."""
    made = overfitting(noise(13, sessions, sets))
    assert (None if made is None else len(made.logits)) == halvings
