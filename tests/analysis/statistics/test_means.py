import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.statistics.means import mean_and_se, t_interval


def exact(value):
    return pytest.approx(value, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("n_seeds", [2, 10, 40])
def test_equals_a_plain_loop(n_seeds):
    values = np.random.default_rng(n_seeds).normal(-1e4, 30, (n_seeds, 4))
    means = [sum(column) / n_seeds for column in values.T]
    errors = [
        math.sqrt(sum((x - mean) ** 2 for x in column) / (n_seeds - 1) / n_seeds)
        for mean, column in zip(means, values.T, strict=True)
    ]
    mean, se = mean_and_se(values)
    np.testing.assert_allclose(se, errors, rtol=1e-12)
    np.testing.assert_allclose(mean, means, rtol=1e-13)


def test_one_seed_has_a_mean_and_no_interval():
    mean, se = mean_and_se([[1.5, -2.0]])
    assert mean.tolist() == [1.5, -2.0]
    assert np.isnan([se, *t_interval([[1.5, -2.0]], axis=0)[1:]]).all()


def test_equal_seeds_have_an_error_of_exactly_zero():
    mean, se = mean_and_se(np.full((7, 3), 0.1))
    assert (se == 0).all()
    assert (mean == 0.1).all()


def test_the_error_is_that_of_smoothed_seeds_not_a_smoothed_error():
    values = np.random.default_rng(0).normal(size=(6, 300))
    error = mean_and_se(trailing_mean(values, 20))[1]
    smoothed = np.array([trailing_mean(seed, 20) for seed in values])
    np.testing.assert_allclose(error, smoothed.std(axis=0, ddof=1) / math.sqrt(6), rtol=1e-12)
    smoothed_error = trailing_mean(mean_and_se(values)[1], 20)
    assert (smoothed_error[20:] > 1.5 * error[20:]).mean() > 0.9


@pytest.mark.parametrize("shape", [(6,), (2, 3, 5)])
def test_t_interval_equals_scipy(shape):
    values = np.random.default_rng(0).normal(size=shape)
    expected = stats.t.interval(
        0.95, shape[-1] - 1, values.mean(axis=-1), stats.sem(values, axis=-1)
    )
    mean, low, high = t_interval(values)
    assert (mean, low, high) == (exact(values.mean(axis=-1)), *map(exact, expected))
