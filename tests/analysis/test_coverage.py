"""How often intervals hold the truth and tests reject what is true, by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.aggregates import performance_profile, profile_band
from hq_ray.analysis.statistics.intervals import (
    guaranteed_content,
    mean_interval,
    proportion_interval,
    simultaneous_band,
    tolerance_interval,
    welch_interval,
)
from hq_ray.analysis.statistics.means import se_coverage
from hq_ray.analysis.statistics.paired import sign_flip_test
from hq_ray.analysis.statistics.resampling import bootstrap


def covered(interval, truth):
    return ((interval.low <= truth) & (truth <= interval.high)).mean()


@pytest.mark.parametrize("n", [3, 5, 30])
def test_t_interval(n):
    values = np.random.default_rng(n).normal(-13, 4, (40_000, n))
    assert covered(mean_interval(values), -13) == pytest.approx(0.95, abs=0.01)
    assert covered(mean_interval(values, kind="se"), -13) == pytest.approx(se_coverage(n), abs=0.01)


def test_welch_interval_with_unequal_variances():
    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 1, (20_000, 5)), rng.normal(0, 6, (20_000, 12))
    assert covered(welch_interval(a, b), 1) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_of_the_iqm_at_thirty_seeds(method):
    values = np.random.default_rng(0).normal(size=(1_000, 30))
    resamples = 4_000 if method == "percentile" else 500
    assert covered(bootstrap(values, "iqm", resamples, method=method), 0) >= 0.92


@pytest.mark.parametrize("n", [5, 6, 7, 8])
def test_size_of_the_sign_flip_test(n):
    differences = np.random.default_rng(n).normal(size=(20_000, n))
    p_value, _ = sign_flip_test(differences)
    size = (p_value <= 0.05).mean()
    largest = math.floor(0.05 * 2 ** (n - 1)) / 2 ** (n - 1)
    assert size <= 0.05
    assert size == pytest.approx(largest, abs=0.006)


def test_size_of_the_drawn_sign_flip_test():
    differences = np.random.default_rng(0).standard_t(3, size=(4_000, 20))
    p_value, method = sign_flip_test(differences, 999)
    assert method == "monte carlo"
    assert (p_value <= 0.05).mean() == pytest.approx(0.05, abs=0.012)


def test_tolerance_limits_hold_what_the_note_says():
    rng = np.random.default_rng(0)
    for n, content in ((10, guaranteed_content(10)), (60, 0.9)):
        intervals = [tolerance_interval(rng.normal(size=n)) for _ in range(800)]
        held = [stats.norm.cdf(i.high) - stats.norm.cdf(i.low) for i in intervals]
        assert np.mean(np.array(held) >= content) >= 0.93


@pytest.mark.parametrize("rate", [0.9, 0.999])
def test_proportions_near_one(rate):
    per_seed = np.random.default_rng(0).binomial(100, rate, (5_000, 10)) / 100
    assert covered(proportion_interval(per_seed), rate) >= 0.93


def test_simultaneous_band_holds_the_whole_curve():
    rng = np.random.default_rng(0)
    bands = [simultaneous_band(rng.normal(size=(30, 50)), 500, seed=i) for i in range(300)]
    whole = np.mean([(np.abs(band.mean) <= band.factor * band.se).all() for band in bands])
    plain = np.mean(
        [(np.abs(band.mean) <= band.resampled_factor * band.se).all() for band in bands]
    )
    assert whole == pytest.approx(0.95, abs=0.03)
    assert plain < whole


def test_dkw_band_holds_the_whole_profile():
    scores = np.random.default_rng(0).uniform(size=(4_000, 30))
    taus = np.linspace(0, 1, 101)[1:-1]
    band = profile_band(scores, taus)
    assert ((band.low <= 1 - taus) & (1 - taus <= band.high)).all(axis=1).mean() >= 0.95
    assert performance_profile(scores, taus).mean(axis=0) == pytest.approx(1 - taus, abs=0.02)
