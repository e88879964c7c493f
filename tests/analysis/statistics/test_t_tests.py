import math

import numpy as np
import pytest
from scipy import stats
from trial_frames import exact

from hq_ray.analysis.statistics.t_tests import (
    detectable_difference,
    difference_of_means,
    holm_adjusted,
    tied_to_zero,
)

NAN = float("nan")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(-13, 4, size=shape)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (8, 5), (3, 40)])
def test_unpaired_equals_welch_in_scipy_and_by_hand(n, m):
    a, b = noise(4, n), 3 * noise(4, m, seed=1)
    found = difference_of_means(a, b, paired=False)
    expected = stats.ttest_ind(a, b, axis=-1, equal_var=False)
    limits = expected.confidence_interval(0.95)
    assert found.p_value == exact(expected.pvalue)
    assert (found.low, found.high) == (exact(limits.low), exact(limits.high))
    squares = a.var(axis=1, ddof=1) / n, b.var(axis=1, ddof=1) / m
    freedom = sum(squares) ** 2 / (squares[0] ** 2 / (n - 1) + squares[1] ** 2 / (m - 1))
    assert found.se == exact(np.sqrt(sum(squares)))
    assert found.freedom == exact(freedom)
    assert (found.n, found.m) == (n, m)


@pytest.mark.parametrize("paired", [True, False])
def test_what_is_the_same_on_every_seed_needs_no_test(paired):
    scores = np.full(5, -13.0) if not paired else noise(5)
    nudged = scores + 1e-10 * np.arange(5)
    for same in (scores, nudged):
        found = difference_of_means(same, scores, paired)
        assert (found.identical, found.mean, found.low) == (True, 0, 0)
        assert np.isnan(found.p_value)
    found = difference_of_means(nudged - 2.5, scores, paired)
    assert (found.identical, found.constant, found.p_value) == (False, True, 0)
    assert (found.mean, found.low, found.high) == exact((-2.5, -2.5, -2.5))


@pytest.mark.parametrize("paired", [True, False])
def test_one_seed_has_a_difference_and_nothing_else(paired):
    found = difference_of_means([3.0], [1.0], paired)
    assert found.mean == 2
    assert np.isnan([found.se, found.low, found.high, found.p_value]).all()


def test_ties_are_relative_to_the_scores():
    a, b = np.array([1e6, 1.0, 0.0]), np.array([1e6 + 5e-4, 1 + 5e-10, 2e-9])
    assert tied_to_zero(a, b).tolist() == [0, 0, -2e-9]


def test_holm_by_hand():
    p = [0.01, NAN, 0.04, 0.03, 0.005]
    assert holm_adjusted(p) == exact([0.03, NAN, 0.06, 0.06, 0.02])
    assert holm_adjusted([0.4, 0.9]).tolist() == [0.8, 0.9]
    assert holm_adjusted([]).tolist() == []


@pytest.mark.parametrize("level", [0.05, 0.05 / 12])
@pytest.mark.parametrize("n", [3, 10])
def test_the_detectable_difference_is_found_in_four_of_five_cases(n, level):
    size = detectable_difference(1 / math.sqrt(n), n - 1, level)
    scores = np.random.default_rng(n).normal(size, 1, (20_000, n))
    found = stats.ttest_1samp(scores, 0, axis=1).pvalue < level
    assert found.mean() == pytest.approx(0.8, abs=0.01)
    assert detectable_difference(2 / math.sqrt(n), n - 1, level) == exact(2 * size)
