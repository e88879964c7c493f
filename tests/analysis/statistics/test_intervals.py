import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.intervals import (
    guaranteed_content,
    mean_interval,
    proportion_interval,
    simultaneous_band,
    tolerance_interval,
    welch_interval,
)
from hq_ray.analysis.statistics.seed_rows import bootstrap_weights
from hq_ray.errors import InputError


def naive_mean_se(values):
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1) / len(values))


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_t_interval_equals_a_plain_loop_and_scipy(n):
    values = np.random.default_rng(n).normal(-50, 9, (3, 2, n))
    interval = mean_interval(values)
    one_se = mean_interval(values, kind="se")
    assert (interval.kind, interval.n, interval.note, one_se.kind) == ("ci95", n, "", "se")
    for index in np.ndindex(3, 2):
        mean, se = naive_mean_se(values[index].tolist())
        low, high = stats.ttest_1samp(values[index], 0).confidence_interval(0.95)
        assert interval.estimate[index] == pytest.approx(mean, rel=1e-12)
        assert interval.low[index] == pytest.approx(low, rel=1e-10)
        assert interval.high[index] == pytest.approx(high, rel=1e-10)
        assert one_se.high[index] - mean == pytest.approx(se, rel=1e-10)


def test_a_list_of_seeds_gives_floats():
    interval = mean_interval([1.0, 3.0, 5.0], level=0.9)
    assert interval.kind == "ci90"
    assert isinstance(interval.low, float)
    half = 2.919985580353726 * 2 / math.sqrt(3)
    assert interval.high == pytest.approx(3 + half, rel=1e-12)


def test_two_seeds_have_the_whole_t_factor():
    interval = mean_interval([0.0, 2.0])
    assert interval.high == pytest.approx(1 + 12.706204736174698, rel=1e-12)


@pytest.mark.parametrize("kind", ["ci95", "se"])
def test_one_seed_has_no_interval(kind):
    interval = mean_interval([[4.0], [5.0]], kind=kind)
    assert interval.estimate.tolist() == [4.0, 5.0]
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.note == "n = 1: no interval"


def test_equal_seeds_have_exactly_no_width():
    interval = mean_interval(np.full((2, 7), 0.1))
    assert (interval.low == 0.1).all()
    assert (interval.high == 0.1).all()


def test_an_unknown_kind_has_a_near_miss():
    with pytest.raises(InputError, match=r"given 'ci59'; did you mean 'ci95'\?"):
        mean_interval([1.0, 2.0], kind="ci59")


@pytest.mark.parametrize(("n", "m"), [(2, 3), (5, 5), (30, 4)])
def test_welch_equals_scipy(n, m):
    rng = np.random.default_rng(n)
    a, b = rng.normal(0, 1, (4, n)), rng.normal(1, 5, (4, m))
    interval = welch_interval(a, b)
    expected = stats.ttest_ind(a, b, axis=1, equal_var=False).confidence_interval(0.95)
    np.testing.assert_allclose(interval.estimate, a.mean(axis=1) - b.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-10)
    assert (interval.kind, interval.n, interval.note) == ("welch95", min(n, m), "seeds not paired")


def test_welch_of_constant_groups_and_of_one_seed():
    constant = welch_interval([2.0, 2.0, 2.0], [1.0, 1.0])
    assert (constant.estimate, constant.low, constant.high) == (1.0, 1.0, 1.0)
    half_constant = welch_interval([2.0, 2.0, 2.0], [1.0, 3.0])
    assert half_constant.high == pytest.approx(12.706204736174698, rel=1e-10)
    single = welch_interval([2.0], [1.0, 3.0])
    assert single.estimate == 0
    assert math.isnan(single.low)
    assert math.isnan(single.high)
    assert single.note == "n = 1: no interval"
    with pytest.raises(InputError, match="the same leading axes"):
        welch_interval([[1.0, 2.0]], [1.0, 2.0])


def test_proportions_have_a_t_interval_over_seeds_inside_0_and_1():
    per_seed = [0.2, 0.4, 0.3, 0.35]
    interval, plain = proportion_interval(per_seed), mean_interval(per_seed)
    assert (interval.low, interval.high, interval.note) == (plain.low, plain.high, "")
    cut = proportion_interval([0.0, 0.9])
    assert (cut.low, cut.high) == (0.0, 1.0)


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_all_seeds_at_an_end_have_wilsons_interval(n):
    always, never = proportion_interval(np.ones(n)), proportion_interval(np.zeros(n))
    expected = stats.binomtest(n, n).proportion_ci(method="wilson")
    assert always.estimate == always.high == 1.0
    assert always.low == pytest.approx(expected.low, rel=1e-12)
    assert never.estimate == never.low == 0.0
    assert never.high == pytest.approx(1 - expected.low, rel=1e-12)
    assert always.note == f"all {n} seeds equal 0 or 1: Wilson interval on the number of seeds"


def test_proportions_of_many_configurations():
    rows = np.array([[1.0, 1.0, 1.0], [0.5, 0.6, 0.7], [0.0, 0.0, 0.0]])
    together = proportion_interval(rows)
    for i, row in enumerate(rows):
        alone = proportion_interval(row)
        assert (together.low[i], together.high[i]) == (alone.low, alone.high)
    assert together.note.endswith(", 2 of 3")
    with pytest.raises(InputError, match=r"\[0, 1\]; given values from 0.5 to 1.5"):
        proportion_interval([0.5, 1.5])
    assert np.isnan(proportion_interval([0.5]).low)


def brute_force_rank(n, content, confidence):
    """Largest r with P(share between r-th smallest and r-th largest >= content) >= confidence."""
    best = 0
    for r in range(1, n // 2 + 1):
        kept = sum(
            math.comb(n, k) * content**k * (1 - content) ** (n - k) for k in range(n - 2 * r + 1)
        )
        best = r if kept >= confidence else best
    return best


@pytest.mark.parametrize("n", [46, 47, 93, 150, 400])
def test_tolerance_limits_are_the_innermost_order_statistics(n):
    values = np.random.default_rng(n).permutation(n).astype(float)
    rank = brute_force_rank(n, 0.9, 0.95)
    interval = tolerance_interval(values)
    assert rank >= 1
    assert (interval.low, interval.high) == (rank - 1, n - rank)
    assert interval.estimate == np.median(values)
    assert interval.note == "at least 90 % of runs with 95 % confidence"


def test_forty_six_runs_are_needed():
    assert (brute_force_rank(45, 0.9, 0.95), brute_force_rank(46, 0.9, 0.95)) == (0, 1)
    assert tolerance_interval(np.arange(45.0)).note.startswith("n = 45 is too few for 90 %")
    assert guaranteed_content(45) < 0.9 < guaranteed_content(46)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_few_runs_show_min_to_max_and_what_it_holds(n):
    values = np.random.default_rng(n).normal(size=n)
    interval = tolerance_interval(values)
    assert (interval.low, interval.high) == (values.min(), values.max())
    share = guaranteed_content(n)
    # P(Beta(n - 1, 2) >= c) = 1 - n c^(n-1) + (n - 1) c^n
    assert 1 - n * share ** (n - 1) + (n - 1) * share**n == pytest.approx(0.95, abs=1e-12)
    assert f"min to max, {100 * share:.3g} % of runs with 95 % confidence" in interval.note


def test_one_run_has_no_tolerance_interval():
    interval = tolerance_interval([3.0])
    assert (interval.estimate, interval.note) == (3.0, "n = 1: no interval")
    assert math.isnan(interval.low)
    assert guaranteed_content(1) == 0.0


def naive_factor(curves, resamples, seed, level):
    n, n_points = curves.shape
    mean, se = curves.mean(axis=0), curves.std(axis=0, ddof=1) / math.sqrt(n)
    largest = []
    for counts in bootstrap_weights(n, resamples, seed).astype(int):
        sample = np.repeat(curves, counts, axis=0)
        points = [t for t in range(n_points) if np.ptp(curves[:, t]) > 0]
        largest.append(max(abs(sample[:, t].mean() - mean[t]) / se[t] for t in points))
    return np.quantile(largest, level)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_band_factor_equals_a_plain_loop(n):
    curves = np.random.default_rng(n).normal(-13, 2, (n, 6))
    curves[:, 2] = 0.1
    band = simultaneous_band(curves, resamples=200, seed=4, level=0.9, correction="none")
    expected = naive_factor(curves, 200, 4, 0.9)
    assert band.factor == band.resampled_factor == pytest.approx(expected, rel=1e-10)
    assert band.low[2] == band.high[2] == 0.1
    np.testing.assert_allclose(band.high - band.mean, band.factor * band.se, rtol=1e-12)


def test_the_correction_gives_students_factor_at_one_point():
    values = np.random.default_rng(0).normal(size=(30, 1))
    band = simultaneous_band(values, resamples=50_000)
    assert band.factor == pytest.approx(stats.t.ppf(0.975, 29), rel=0.03)
    assert band.resampled_factor < band.factor


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_band_is_never_narrower_than_the_pointwise_interval(n):
    curves = np.random.default_rng(n).normal(size=(n, 40))
    band, pointwise = simultaneous_band(curves, resamples=300), mean_interval(curves.T)
    assert (band.low <= pointwise.low + 1e-12).all()
    assert (band.high >= pointwise.high - 1e-12).all()
    assert band.note == (f"n = {n}: covers less than 95 %" if n < 10 else "")


def test_the_band_of_one_seed_and_of_equal_seeds():
    single = simultaneous_band([[1.0, 2.0]])
    assert single.mean.tolist() == [1.0, 2.0]
    assert np.isnan([single.low, single.high]).all()
    assert single.note == "n = 1: no band"
    constant = simultaneous_band(np.full((4, 3), 0.1))
    assert constant.low.tolist() == constant.high.tolist() == [0.1] * 3
    assert constant.factor == 0


def test_the_band_is_the_same_in_blocks(monkeypatch):
    curves = np.random.default_rng(0).normal(size=(8, 500)).cumsum(axis=1)
    whole = simultaneous_band(curves, resamples=100)
    monkeypatch.setattr("hq_ray.analysis.statistics.seed_rows.BLOCK", 10_000)
    assert simultaneous_band(curves, resamples=100).factor == whole.factor


def test_a_wrong_correction_is_refused():
    with pytest.raises(InputError, match="'t' or 'none'; given 'z'"):
        simultaneous_band(np.zeros((3, 3)), correction="z")
