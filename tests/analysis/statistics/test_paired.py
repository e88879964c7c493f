import itertools
import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.paired import (
    paired_difference,
    seeds_needed,
    sign_flip_test,
    unpaired_difference,
)
from hq_ray.errors import InputError

SHAPED = ("mean", "se", "low", "high", "p_value", "wins", "ties", "losses", "seed_correlation",
          "variance_ratio", "sd", "seeds_needed")  # fmt: skip


def data(n, kind, rows=3):
    rng = np.random.default_rng(n)
    if kind == "ties":
        return rng.integers(0, 3, (rows, n)) * 0.1, rng.integers(0, 3, (rows, n)) * 0.1
    shared = rng.normal(-100, 20, (rows, n))
    return shared + rng.normal(1, 3, (rows, n)), shared + rng.normal(0, 3, (rows, n))


def naive_sign_flip(difference):
    observed = abs(math.fsum(difference))
    sums = [
        abs(math.fsum(s * d for s, d in zip(signs, difference, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(difference))
    ]
    return sum(total >= observed - 1e-9 for total in sums) / len(sums)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_equals_plain_loops_and_scipy(n, kind):
    a, b = data(n, kind)
    result = paired_difference(a, b, resamples=500)
    for i in range(3):
        d = (a[i] - b[i]).tolist()
        mean = math.fsum(d) / n
        sd = math.sqrt(math.fsum((x - mean) ** 2 for x in d) / (n - 1))
        half = stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n)
        assert result.mean[i] == pytest.approx(mean, rel=1e-10, abs=1e-14)
        assert result.sd[i] == pytest.approx(sd, rel=1e-10, abs=1e-14)
        assert result.se[i] == pytest.approx(sd / math.sqrt(n), rel=1e-10, abs=1e-14)
        assert result.low[i] == pytest.approx(mean - half, rel=1e-10, abs=1e-13)
        assert result.high[i] == pytest.approx(mean + half, rel=1e-10, abs=1e-13)
        counts = (sum(x > 0 for x in d), sum(x == 0 for x in d), sum(x < 0 for x in d))
        assert (result.wins[i], result.ties[i], result.losses[i]) == counts
        total = np.var(a[i], ddof=1) + np.var(b[i], ddof=1)
        if total > 0:
            assert result.variance_ratio[i] == pytest.approx(sd**2 / total, rel=1e-10, abs=1e-14)
        if np.ptp(a[i]) > 0 and np.ptp(b[i]) > 0:
            expected = np.corrcoef(a[i], b[i])[0, 1]
            assert result.seed_correlation[i] == pytest.approx(expected, rel=1e-10)
    if kind == "normal":
        low, high = stats.ttest_rel(a, b, axis=1).confidence_interval(0.95)
        np.testing.assert_allclose([result.low, result.high], [low, high], rtol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 11])
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_exact_p_value_equals_all_sign_vectors(n, kind):
    a, b = data(n, kind)
    result = paired_difference(a, b)
    assert result.p_method == "exact"
    assert result.p_value.tolist() == [naive_sign_flip(d) for d in (a - b).tolist()]


def test_exact_p_value_equals_scipys_permutation_test():
    a, b = data(10, "normal")
    d = (a - b)[0] + 1
    expected = stats.permutation_test(
        (d,), lambda x: abs(x.mean()), permutation_type="samples", alternative="greater",
        n_resamples=np.inf, vectorized=False,
    )  # fmt: skip
    assert sign_flip_test(d[None])[0][0] == pytest.approx(expected.pvalue, abs=1e-15)


def test_the_least_p_value():
    for n in range(2, 17):
        p_value, method = sign_flip_test(np.arange(1.0, n + 1)[None])
        assert (p_value[0], method) == (2 / 2**n, "exact")


def test_many_seeds_draw_their_sign_vectors():
    a, b = data(17, "normal")
    result = paired_difference(a, b, resamples=4_000)
    assert result.p_method == "monte carlo"
    d = a - b
    exact = []
    for row in d:
        sums = np.array([0.0])
        for x in row:
            sums = np.concatenate([sums + x, sums - x])
        exact.append((np.abs(sums) >= abs(row.sum()) - 1e-9).mean())
    np.testing.assert_allclose(result.p_value, exact, atol=0.03)
    # Never 0: the observed signs are one of those that could be.
    assert sign_flip_test(np.ones((1, 60)), 999)[0][0] == 1 / 1000


@pytest.mark.parametrize("n", [1, 2, 3, 5, 30])
def test_identical_arrays_differ_by_exactly_nothing(n):
    values = np.random.default_rng(n).normal(size=(2, n))
    result = paired_difference(values, values)
    assert result.mean.tolist() == [0.0, 0.0]
    assert result.p_value.tolist() == [1.0, 1.0]
    assert result.ties.tolist() == [n, n]
    if n > 1:
        assert (result.low == 0).all()
        assert (result.high == 0).all()
        assert (result.variance_ratio == 0).all()
        np.testing.assert_allclose(result.seed_correlation, 1, rtol=1e-12)
        assert np.isposinf(result.seeds_needed).all()


def test_constant_data_without_warnings():
    result = paired_difference(np.full(5, 0.3), np.full(5, 0.1))
    assert result.mean == result.low == result.high == 0.3 - 0.1
    assert (result.se, result.p_value, result.wins) == (0, 2 / 32, 5)
    assert math.isnan(result.seed_correlation)
    assert math.isnan(result.variance_ratio)
    assert result.seeds_needed == 2
    one = paired_difference([1.0, 2.0, 3.0], [5.0, 5.0, 5.0])
    assert math.isnan(one.seed_correlation)
    assert one.variance_ratio == 1


def test_one_seed_has_a_difference_and_no_interval():
    result = paired_difference([3.0], [1.0])
    assert (result.n, result.mean, result.p_value, result.wins) == (1, 2.0, 1.0, 1)
    for name in ("se", "low", "high", "sd", "seed_correlation", "variance_ratio", "seeds_needed"):
        assert math.isnan(getattr(result, name)), name


@pytest.mark.parametrize("n", [5, 30])
def test_same_bytes_whatever_the_order_of_rows(n):
    a, b = data(n, "normal", rows=23)
    result = paired_difference(a, b, 300)
    order = np.random.default_rng(0).permutation(23)
    shuffled = paired_difference(a[order], b[order], 300)
    folded = paired_difference(a.reshape(23, 1, n), b.reshape(23, 1, n), 300)
    alone = paired_difference(a[7], b[7], 300)
    for name in SHAPED:
        values = getattr(result, name)
        assert getattr(shuffled, name).tobytes() == values[order].tobytes(), name
        assert getattr(folded, name).tobytes() == values.tobytes(), name
        assert getattr(folded, name).shape == (23, 1)
        assert getattr(alone, name) == values[7], name


@pytest.mark.parametrize("n", [9, 30])
def test_blocks_change_nothing(n, monkeypatch):
    a, b = data(n, "normal", rows=20)
    whole = paired_difference(a, b, 300)
    monkeypatch.setattr("hq_ray.analysis.statistics.seed_rows.BLOCK", 1_000)
    assert paired_difference(a, b, 300).p_value.tobytes() == whole.p_value.tobytes()


def test_swapping_the_variants_swaps_the_signs():
    a, b = data(12, "ties")
    forward, backward = paired_difference(a, b), paired_difference(b, a)
    np.testing.assert_array_equal(forward.mean, -backward.mean)
    np.testing.assert_array_equal(forward.low, -backward.high)
    np.testing.assert_array_equal(forward.wins, backward.losses)
    np.testing.assert_array_equal(forward.p_value, backward.p_value)


def test_seeds_needed():
    assert seeds_needed(1.0, 1.0) == 8
    assert seeds_needed(-0.1, 1.0) == math.ceil(7.848879734 * 100)
    assert seeds_needed(5.0, 0.1) == 2
    assert seeds_needed(0.0, 1.0) == math.inf
    assert seeds_needed(0.0, 0.0) == math.inf
    assert math.isnan(seeds_needed(1.0, math.nan))
    assert seeds_needed([1.0, 0.5], [1.0, 1.0]).tolist() == [8, 32]


def test_seeds_needed_give_the_power_they_promise():
    n = int(seeds_needed(0.4, 1.0))
    rng = np.random.default_rng(0)
    d = rng.normal(0.4, 1, (4_000, n))
    result = paired_difference(d, np.zeros_like(d), resamples=200)
    assert ((result.low > 0) | (result.high < 0)).mean() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("n", "m"), [(2, 3), (5, 5), (30, 4)])
def test_unpaired_equals_scipy(n, m):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0, 1, (4, n)), rng.normal(1, 5, (4, m))
    result, expected = unpaired_difference(a, b), stats.ttest_ind(a, b, axis=1, equal_var=False)
    np.testing.assert_allclose(result.p_value, expected.pvalue, rtol=1e-10)
    limits = expected.confidence_interval(0.95)
    np.testing.assert_allclose([result.low, result.high], limits, rtol=1e-10)
    assert (result.n, result.m, result.p_method) == (n, m, "welch")


def test_unpaired_constant_groups():
    same = unpaired_difference([0.1] * 3, [0.1] * 4)
    assert (same.mean, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    apart = unpaired_difference([[0.2] * 3], [[0.1] * 4])
    assert apart.p_value == pytest.approx(1 / 35)
    assert unpaired_difference([2.0] * 3, [1.0] * 3).p_value == pytest.approx(2 / 20)
    single = unpaired_difference([1.0], [1.0, 2.0])
    assert single.mean == -0.5
    assert np.isnan([single.se, single.low, single.high, single.p_value]).all()


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(InputError, match=r"one shape; given \(3,\) and \(2,\): keep the seeds"):
        paired_difference([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(InputError, match="finite values"):
        paired_difference([1.0, np.nan], [1.0, 2.0])
