import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.aggregates import (
    iqm,
    normalise,
    performance_profile,
    profile_band,
    worst_mean,
)
from hq_ray.analysis.statistics.seed_rows import bootstrap_weights
from hq_ray.errors import InputError

SIZES = [1, 2, 3, 4, 5, 7, 8, 30, 101]


def data(n, kind):
    rng = np.random.default_rng(n)
    return rng.normal(-1e4, 300, (4, n)) if kind == "normal" else rng.integers(0, 3, (4, n)) / 10


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_iqm_equals_a_plain_loop_and_scipy(n, kind):
    values = data(n, kind)
    result = iqm(values)
    np.testing.assert_allclose(result, stats.trim_mean(values, 0.25, axis=1), rtol=1e-10)
    for row, value in zip(values.tolist(), result, strict=True):
        kept = sorted(row)[n // 4 : n - n // 4]
        assert value == pytest.approx(math.fsum(kept) / len(kept), rel=1e-10)
    assert iqm(values[0]) == result[0]


def test_iqm_of_equal_values_is_exact():
    assert (iqm(np.full((2, 3, 7), 0.1)) == 0.1).all()
    assert iqm([5.0, 1.0, 3.0, -900.0]) == 2.0


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 1.0])
def test_worst_runs_equal_a_plain_loop(n, share):
    values = data(n, "normal")
    worst = min(k for k in range(1, n + 1) if k >= share * n - 1e-9)
    expected = [math.fsum(sorted(row)[:worst]) / worst for row in values.tolist()]
    np.testing.assert_allclose(worst_mean(values, share), expected, rtol=1e-10)


def test_worst_share_is_not_fooled_by_rounding():
    assert 0.07 * 100 > 7
    assert worst_mean(np.arange(100.0), 0.07) == 3.0
    for share in (0, 1.5, math.nan):
        with pytest.raises(InputError, match=r"lies in \(0, 1\]"):
            worst_mean([1.0, 2.0], share)


def test_normalising():
    scores = np.array([[-13.0, -100.0], [np.nan, -56.5]])
    np.testing.assert_allclose(normalise(scores, -100, -13), [[1, 0], [np.nan, 0.5]])
    by_env = normalise([[-13.0, 5.0]], [[-100.0, 0.0]], [[-13.0, 10.0]])
    np.testing.assert_allclose(by_env, [[1.0, 0.5]])
    assert normalise(5.0, 0.0, 10.0) == 0.5


@pytest.mark.parametrize(("random", "optimal"), [(1, 1), (2, 1), (np.nan, 1), (0, np.inf)])
def test_normalising_needs_an_optimum_above_random(random, optimal):
    with pytest.raises(InputError, match="finite references with optimal > random"):
        normalise([1.0], [0, random], [1, optimal])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_profile_equals_a_plain_loop(n, kind):
    values = data(n, kind)
    taus = np.unique(np.concatenate([values[0], values[0] + 1e-3, [values.min() - 1, 1e9]]))
    profile = performance_profile(values, taus)
    for row, shares in zip(values.tolist(), profile, strict=True):
        assert shares.tolist() == [sum(x > tau for x in row) / n for tau in taus]
    np.testing.assert_array_equal(performance_profile(values[1], taus), profile[1])
    assert performance_profile(values.reshape(2, 2, n), taus).shape == (2, 2, len(taus))


def test_dkw_band():
    scores = np.random.default_rng(0).normal(size=(3, 30))
    band = profile_band(scores, [-9.0, 0.0, 9.0])
    half = math.sqrt(math.log(2 / 0.05) / 60)
    assert (band.kind, band.n) == ("dkw95", 30)
    assert band.low[:, 0] == pytest.approx([1 - half] * 3)
    assert band.high[:, 2] == pytest.approx([half] * 3)
    np.testing.assert_allclose(band.high[:, 1] - band.estimate[:, 1], half, rtol=1e-12)
    assert (band.high[:, 0] == 1).all()
    assert (band.low[:, 2] == 0).all()


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_the_bootstrap_band_is_the_law_of_the_resampled_share(n):
    scores = np.sort(np.random.default_rng(n).normal(size=n))
    taus = np.concatenate([scores - 1e-6, [9.0]])
    band = profile_band(scores, taus, "bootstrap", level=0.9)
    counts = bootstrap_weights(n, 20_000, 1)
    draws = np.stack([counts[:, scores > tau].sum(axis=1) / n for tau in taus])
    for limit, q in ((band.low, 0.05), (band.high, 0.95)):
        assert ((draws <= limit[:, None] + 1e-12).mean(axis=1) >= q - 0.01).all()
        assert ((draws < limit[:, None] - 1e-12).mean(axis=1) <= q + 0.01).all()
    assert (band.low[-1], band.high[-1], band.kind) == (0.0, 0.0, "boot90")
    assert (band.low[0], band.high[0]) == (1.0, 1.0)


def test_profiles_refuse_what_they_cannot_use():
    with pytest.raises(InputError, match=r"did you mean 'bootstrap'\?"):
        profile_band([1.0, 2.0], [0.0], "bootstap")
    with pytest.raises(InputError, match=r"a list \(K,\) without NaN"):
        performance_profile([1.0, 2.0], [np.nan])
    with pytest.raises(InputError, match="finite values"):
        profile_band([1.0, np.nan], [0.0])
    with pytest.raises(InputError, match="n_seeds"):
        profile_band([], [0.0])
