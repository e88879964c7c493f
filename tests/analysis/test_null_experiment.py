"""Two identical variants under different names: nothing must come of it."""

import numpy as np
import pytest

from hq_ray.analysis.statistics.multiplicity import benjamini_hochberg, expected_by_chance, holm
from hq_ray.analysis.statistics.paired import (
    improvement_interval,
    paired_difference,
    probability_of_improvement,
    unpaired_difference,
)

N_EXPERIMENTS = 4_000


def excludes_zero(difference):
    return (difference.low > 0) | (difference.high < 0)


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_common_random_numbers_make_the_difference_exactly_zero(n):
    scores = np.random.default_rng(n).normal(-13, 4, (50, n))
    result = paired_difference(scores, scores.copy(), resamples=200)
    assert (result.mean == 0).all()
    assert (result.p_value == 1).all()
    assert (result.ties == n).all()
    assert not holm(result.p_value).any()
    assert (probability_of_improvement(scores, scores) == 0.5).all()
    interval = improvement_interval([scores], [scores], 200)
    assert ((interval.low <= 0.5) & (interval.high >= 0.5)).all()


@pytest.mark.parametrize("n", [10, 30])
def test_independent_seeds_are_rejected_as_often_as_promised(n):
    a, b = np.random.default_rng(n).normal(-13, 4, (2, N_EXPERIMENTS, n))
    result = paired_difference(a, b, resamples=999)
    assert (result.p_value <= 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert excludes_zero(result).mean() == pytest.approx(0.05, abs=0.012)
    welch = unpaired_difference(a, b)
    assert (welch.p_value <= 0.05).mean() == pytest.approx(0.05, abs=0.012)
    assert (excludes_zero(welch) == (welch.p_value < 0.05)).all()


@pytest.mark.parametrize("paired", [False, True])
def test_probability_of_improvement_covers_one_half(paired):
    a, b = np.random.default_rng(0).normal(size=(2, 1_000, 30))
    interval = improvement_interval([a], [b], 1_000, paired=paired)
    held = (interval.low <= 0.5) & (interval.high >= 0.5)
    assert held.mean() == pytest.approx(0.95, abs=0.025)


def test_probability_of_improvement_over_environments_covers_one_half():
    a, b = np.random.default_rng(1).normal(size=(2, 3, 1_000, 15))
    interval = improvement_interval(list(a), list(b), 1_000)
    held = (interval.low <= 0.5) & (interval.high >= 0.5)
    assert held.mean() == pytest.approx(0.95, abs=0.03)


def test_corrections_keep_their_promise_over_a_whole_sweep():
    rng = np.random.default_rng(2)
    p = unpaired_difference(*rng.normal(size=(2, 200 * 40, 10))).p_value.reshape(200, 40)
    found = (p <= 0.05).sum(axis=1)
    assert found.mean() == pytest.approx(expected_by_chance(40), abs=0.3)
    assert np.mean([holm(row).any() for row in p]) <= 0.09
    assert np.mean([benjamini_hochberg(row).any() for row in p]) <= 0.09
