import math

import numpy as np
import pytest

from hq_ray.analysis.statistics.seed_rows import (
    bootstrap_weights,
    like_leading,
    percentile_limits,
    row_blocks,
    seed_rows,
    weighted_sums,
)
from hq_ray.errors import InputError


def test_leading_axes_become_rows_and_come_back():
    values = np.arange(24).reshape(2, 3, 4)
    rows = seed_rows(values)
    assert rows.shape == (6, 4)
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(like_leading(rows[:, 0], values), values[..., 0])
    assert like_leading(rows, values).shape == (2, 3, 4)
    assert isinstance(like_leading(seed_rows([1, 2])[:, 0], [1, 2]), float)


def test_rows_are_contiguous_copies_whatever_the_layout():
    values = np.asfortranarray(np.random.default_rng(0).normal(size=(5, 7)))
    rows = seed_rows(values)
    assert rows.flags.c_contiguous
    assert not np.shares_memory(rows, values)
    assert not np.shares_memory(seed_rows(rows), rows)


@pytest.mark.parametrize("values", [3.0, [], np.empty((3, 0)), np.empty((0, 3))])
def test_nothing_is_refused(values):
    with pytest.raises(InputError, match=r"an array \(\.\.\., n_seeds\)"):
        seed_rows(values)


def test_missing_seeds_are_refused_and_located():
    with pytest.raises(InputError, match="in 1 of 2 rows, the first in row 1: leave missing seeds"):
        seed_rows([[1.0, 2.0], [np.nan, 3.0]])


def test_counts_sum_to_n_and_are_fair():
    counts = bootstrap_weights(5, 20_000, 3)
    assert counts.shape == (20_000, 5)
    assert (counts.sum(axis=1) == 5).all()
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), 4 / 5, atol=0.03)
    np.testing.assert_array_equal(counts, bootstrap_weights(5, 20_000, 3))
    assert (counts != bootstrap_weights(5, 20_000, 4)).any()


@pytest.mark.parametrize(("n", "resamples"), [(0, 10), (3, 0)])
def test_counts_of_nothing_are_refused(n, resamples):
    with pytest.raises(InputError, match="needs n >= 1 seeds and resamples >= 1"):
        bootstrap_weights(n, resamples)


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e5, 1e300])
def test_weighted_sums_equal_a_plain_loop(scale):
    rows = scale * np.random.default_rng(1).normal(size=(4, 30))
    weights = bootstrap_weights(30, 50, 0)
    sums = weighted_sums(rows, weights)
    for i, row in enumerate(rows.tolist()):
        for j, weight in enumerate(weights.tolist()):
            exact = math.fsum(w * x for w, x in zip(weight, row, strict=True))
            assert abs(sums[i, j] - exact) <= 1e-12 * scale


def test_weighted_sums_know_no_order_and_no_neighbours():
    rows = np.random.default_rng(2).normal(-13, 5, size=(37, 30))
    weights = bootstrap_weights(30, 101, 0)
    sums = weighted_sums(rows, weights)
    order = np.random.default_rng(3).permutation(30)
    np.testing.assert_array_equal(weighted_sums(rows[:, order], weights[:, order]), sums)
    np.testing.assert_array_equal(weighted_sums(rows[::-1], weights), sums[::-1])
    for i in (0, 17, 36):
        np.testing.assert_array_equal(weighted_sums(rows[i : i + 1], weights)[0], sums[i])


def test_blocks_cover_every_row_once():
    for n_rows, width in ((1, 10), (9, 1_500_000), (3, 10**8)):
        covered = np.zeros(n_rows, int)
        for block in row_blocks(n_rows, width):
            covered[block] += 1
        assert (covered == 1).all()


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan")])
def test_a_level_is_a_share(level):
    with pytest.raises(InputError, match="strictly between 0 and 1"):
        percentile_limits(np.zeros((1, 3)), level)
