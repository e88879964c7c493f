import math

import numpy as np
import pytest
from scipy import stats

from hq_ray.analysis.statistics.resampling import bootstrap, bootstrap_weights, stratified_bootstrap
from hq_ray.errors import InputError

STATISTICS = {
    "mean": np.mean,
    "median": np.median,
    "iqm": lambda x: stats.trim_mean(x, 0.25),
}


def naive_bootstrap(values, statistic, resamples, seed, level=0.95):
    """Resample the sorted seeds one by one and take percentiles."""
    ordered = np.sort(values)
    draws = [
        STATISTICS[statistic](np.repeat(ordered, counts))
        for counts in bootstrap_weights(len(values), resamples, seed).astype(int)
    ]
    return np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_percentile_limits_equal_a_plain_loop(statistic, n, kind):
    rng = np.random.default_rng(n)
    values = rng.normal(-100, 20, (3, n)) if kind == "normal" else rng.integers(-2, 3, (3, n)) * 0.1
    interval = bootstrap(values, statistic, resamples=200, seed=7, level=0.9)
    assert (interval.kind, interval.n, interval.note) == ("boot90", n, "")
    for i, row in enumerate(values):
        expected = naive_bootstrap(row, statistic, 200, 7, 0.9)
        np.testing.assert_allclose(
            [interval.low[i], interval.high[i]], expected, rtol=1e-10, atol=1e-13
        )
        assert interval.estimate[i] == pytest.approx(
            STATISTICS[statistic](row), rel=1e-10, abs=1e-14
        )


@pytest.mark.parametrize("statistic", STATISTICS)
def test_limits_agree_with_scipys_bootstrap(statistic):
    values = np.random.default_rng(0).gamma(2, size=30)
    ours = bootstrap(values, statistic, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), STATISTICS[statistic], n_resamples=5_000, method="percentile", rng=1,
        vectorized=False,
    ).confidence_interval  # fmt: skip
    assert ours.low == pytest.approx(theirs.low, abs=0.05)
    assert ours.high == pytest.approx(theirs.high, abs=0.05)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_same_bytes_whatever_the_order_of_rows_and_seeds(statistic, method):
    rng = np.random.default_rng(5)
    values = rng.normal(-13, 3, (11, 9))
    interval = bootstrap(values, statistic, 500, method=method)
    rows, seeds = rng.permutation(11), rng.permutation(9)
    shuffled = bootstrap(values[rows][:, seeds], statistic, 500, method=method)
    alone = bootstrap(values[4], statistic, 500, method=method)
    for name in ("estimate", "low", "high"):
        assert getattr(shuffled, name).tobytes() == getattr(interval, name)[rows].tobytes()
        assert getattr(alone, name) == getattr(interval, name)[4]
    assert bootstrap(values, statistic, 500, seed=1, method=method).low[0] != interval.low[0]


def test_blocks_change_nothing(monkeypatch):
    values = np.random.default_rng(5).normal(size=(2, 10, 6))
    whole = [bootstrap(values, "iqm", 300, method=method) for method in ("percentile", "bca")]
    monkeypatch.setattr("hq_ray.analysis.statistics.seed_rows.BLOCK", 1_000)
    for method, expected in zip(("percentile", "bca"), whole, strict=True):
        blocks = bootstrap(values, "iqm", 300, method=method)
        assert blocks.low.shape == (2, 10)
        assert blocks.low.tobytes() == expected.low.tobytes()
        assert blocks.high.tobytes() == expected.high.tobytes()


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 30])
def test_constant_data_have_no_width_and_no_warning(statistic, n, method):
    interval = bootstrap(np.full((2, n), 0.1), statistic, 100, method=method)
    assert interval.estimate.tolist() == [0.1, 0.1]
    if n == 1:
        assert np.isnan([interval.low, interval.high]).all()
        assert interval.note == "n = 1: no interval"
    else:
        assert interval.low.tolist() == interval.high.tolist() == [0.1, 0.1]
        undefined = "BCa undefined in 2 of 2: percentile limits there"
        assert interval.note == (undefined if method == "bca" else "")


def test_bca_is_scipys_and_falls_back_only_where_it_must():
    rng = np.random.default_rng(3)
    values = np.stack([rng.gamma(1, size=20), np.full(20, 2.0), rng.gamma(1, size=20)])
    interval = bootstrap(values, "mean", 4_000, method="bca")
    assert interval.kind == "bca95"
    assert interval.note == "BCa undefined in 1 of 3: percentile limits there"
    assert (interval.low[1], interval.high[1]) == (2.0, 2.0)
    theirs = stats.bootstrap((values[0],), np.mean, n_resamples=20_000, rng=2).confidence_interval
    assert interval.low[0] == pytest.approx(theirs.low, abs=0.03)
    assert interval.high[0] == pytest.approx(theirs.high, abs=0.03)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_stratified_limits_equal_a_plain_loop(statistic):
    rng = np.random.default_rng(0)
    scores = [rng.normal(0, 1, 5), rng.integers(0, 3, 4) / 2, rng.normal(3, 1, 7)]
    interval = stratified_bootstrap(scores, statistic, resamples=150, seed=2)
    weights = [bootstrap_weights(len(x), 150, [2, e]).astype(int) for e, x in enumerate(scores)]
    draws = [
        STATISTICS[statistic](
            np.concatenate([np.repeat(x, w[b]) for x, w in zip(scores, weights, strict=True)])
        )
        for b in range(150)
    ]
    expected = np.quantile(draws, [0.025, 0.975])
    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-10, atol=1e-13)
    assert interval.estimate == pytest.approx(STATISTICS[statistic](np.concatenate(scores)))
    assert (interval.n, interval.note) == (4, "environments weigh by their number of seeds")


def test_strata_take_no_variance_between_environments():
    rng = np.random.default_rng(0)
    scores = [rng.normal(100 * env, 1, 10) for env in range(4)]
    inside = stratified_bootstrap(scores, "mean", 2_000)
    across = bootstrap(np.concatenate(scores), "mean", 2_000)
    assert inside.note == ""
    assert inside.high - inside.low < 1.5
    assert across.high - across.low > 50


def test_strata_of_one_seed_or_none():
    single = stratified_bootstrap([[1.0], [2.0, 3.0]], "mean", 50)
    assert single.estimate == 2.0
    assert math.isnan(single.low)
    assert single.note == "n = 1 in an environment: no interval"
    constant = stratified_bootstrap([[0.1] * 3, [0.1] * 3], "iqm", 50)
    assert constant.low == constant.high == constant.estimate == 0.1
    with pytest.raises(InputError, match="at least one environment"):
        stratified_bootstrap([])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"statistic": "iqr"}, r"a statistic is one of mean, median, iqm; given 'iqr'; did you"),
        ({"method": "bc"}, r"given 'bc'; did you mean 'bca'\?"),
        ({"level": 95}, "strictly between 0 and 1"),
        ({"resamples": 0}, "resamples >= 1"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        bootstrap([1.0, 2.0, 3.0], **arguments)


def test_missing_seeds_are_refused():
    with pytest.raises(InputError, match="leave missing seeds out"):
        bootstrap([1.0, np.nan])
