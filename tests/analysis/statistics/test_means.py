import math

import numpy as np
import pytest

from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.statistics.means import mean_and_se, seed_means
from hq_ray.errors import InputError


def naive_se(values):
    mean = sum(values) / len(values)
    return math.sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1) / len(values))


def test_hand_worked_values():
    result = mean_and_se([[1.0, 0.0], [3.0, 0.0], [5.0, 6.0]])
    assert result.n == 3
    assert result.mean.tolist() == [3.0, 2.0]
    np.testing.assert_allclose(result.se, [2 / math.sqrt(3), 2.0], rtol=1e-15)


@pytest.mark.parametrize("n_seeds", range(2, 41))
def test_equals_a_plain_loop(n_seeds):
    values = np.random.default_rng(n_seeds).normal(-1e4, 30, (n_seeds, 4))
    result = mean_and_se(values)
    expected = [naive_se(column) for column in values.T.tolist()]
    np.testing.assert_allclose(result.se, expected, rtol=1e-12)
    np.testing.assert_allclose(result.mean, values.mean(axis=0), rtol=1e-13)


def test_one_seed_has_a_mean_and_no_interval():
    result = mean_and_se([[1.5, -2.0]])
    assert (result.n, result.se) == (1, None)
    assert result.mean.tolist() == [1.5, -2.0]


def test_equal_seeds_have_an_error_of_exactly_zero():
    result = mean_and_se(np.full((7, 3), 0.1))
    assert (result.se == 0).all()
    assert (result.mean == 0.1).all()


def test_the_error_is_that_of_smoothed_seeds_not_a_smoothed_error():
    values = np.random.default_rng(0).normal(size=(6, 300))
    error = mean_and_se(trailing_mean(values, 20)).se
    smoothed = np.array([trailing_mean(seed, 20) for seed in values])
    np.testing.assert_allclose(error, smoothed.std(axis=0, ddof=1) / math.sqrt(6), rtol=1e-12)
    smoothed_error = trailing_mean(mean_and_se(values).se, 20)
    assert (smoothed_error[20:] > 1.5 * error[20:]).mean() > 0.9


@pytest.mark.parametrize("values", [[], np.empty((0, 4)), np.empty((4, 0)), [1.0, 2.0], 3.0])
def test_empty_or_wrongly_shaped_input_is_refused(values):
    with pytest.raises(InputError, match=r"\(n_seeds, n_points\) with at least one of each"):
        mean_and_se(values)


def test_missing_values_are_refused_and_located():
    with pytest.raises(InputError, match="in 1 of 3 seeds, the first in row 1"):
        mean_and_se([[1.0, 2.0], [np.nan, 2.0], [1.0, 2.0]])


def test_missing_scores_are_in_no_mean():
    found = seed_means(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]))
    assert found[0] == 2
    assert np.isnan(found[1])
