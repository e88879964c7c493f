import itertools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hq_ray.analysis.statistics.tuning import (
    budget_curve,
    budget_weights,
    cross_fitted_budget_curve,
    cross_fitted_scores,
    optimism,
    seed_means,
    selection_shares,
    top_configurations,
)
from hq_ray.errors import InputError

NAN = math.nan
MISSING = np.full((3, 4), NAN)


def exact(value):
    return pytest.approx(value, rel=1e-10, abs=1e-10, nan_ok=True)


def mean(values):
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else NAN


def naive_expected_best(selection, fresh, k):
    """Over all subsets of k: the fresh score of the best, ties shared; averaged where it is."""
    weights = [0.0] * len(selection)
    subsets = list(itertools.combinations(range(len(selection)), k))
    for subset in subsets:
        best = max(selection[i] for i in subset)
        tied = [i for i in subset if selection[i] == best]
        for i in tied:
            weights[i] += 1 / len(tied) / len(subsets)
    there = [i for i in range(len(fresh)) if not math.isnan(fresh[i])]
    mass = sum(weights[i] for i in there)
    return sum(weights[i] * fresh[i] for i in there) / mass if mass else NAN


def naive_cross_fit(scores, k):
    n_seeds = len(scores[0])
    halves = [range(0, n_seeds, 2), range(1, n_seeds, 2)] if n_seeds > 1 else [range(1)] * 2
    taking_part = [
        row
        for row in scores
        if all(any(not math.isnan(row[seed]) for seed in half) for half in halves)
    ]
    per_seed = [NAN] * n_seeds
    if taking_part:
        for half, others in (halves, halves[::-1]):
            means = [mean([row[seed] for seed in others]) for row in taking_part]
            for seed in half:
                column = [row[seed] for row in taking_part]
                per_seed[seed] = naive_expected_best(means, column, min(k, len(means)))
    return per_seed


def few_scores(max_configs=5, max_seeds=5):
    # Quarters add up without rounding, so ties are ties.
    quarters = st.integers(-8, 8).map(lambda number: number / 4) | st.just(NAN)
    shape = st.tuples(st.integers(1, max_configs), st.integers(1, max_seeds))
    return shape.flatmap(lambda one: arrays(float, one, elements=quarters))


@pytest.mark.parametrize("n_configs", range(1, 9))
def test_weights_are_shares_of_all_subsets(n_configs):
    for k in range(1, n_configs + 1):
        subsets = list(itertools.combinations(range(n_configs), k))
        expected = [sum(min(s) == i for s in subsets) / len(subsets) for i in range(n_configs)]
        assert budget_weights(n_configs, k).tolist() == exact(expected)


def test_weights_of_many_configurations():
    n, k = 100_000, 137
    weights = budget_weights(n, k)
    assert weights.sum() == exact(1)
    for i in (1, 2, 500, 20_000, n - k + 1):
        expected = math.comb(n - i, k - 1) / math.comb(n, k)
        assert weights[i - 1] == pytest.approx(expected, rel=1e-10)
    assert budget_weights(n, 1).tolist() == exact([1 / n] * n)
    assert budget_weights(n, n).tolist() == [1.0] + [0.0] * (n - 1)


@pytest.mark.parametrize("k", [0, 4, -1, 1.5, True, None])
def test_refuses_a_budget_that_cannot_be(k):
    with pytest.raises(InputError, match=r"tuning budget must be .* given"):
        budget_weights(3, k)


def test_budget_curve_by_hand():
    curve = budget_curve([1.0, 3.0, 2.0], [[10.0, 1.0], [30.0, 5.0], [20.0, 3.0]], [1, 2, 3, 4])
    expected = [[20, 3], [(2 * 30 + 20) / 3, 13 / 3], [30, 5], [NAN, NAN]]
    np.testing.assert_allclose(curve, expected, rtol=1e-14)


def test_budget_curve_shares_ties():
    curve = budget_curve([2.0, 2.0, 1.0], [[0.0], [6.0], [9.0]], [1, 2, 3])
    np.testing.assert_allclose(curve[:, 0], [5.0, (3 + 0 + 6) / 3, 3.0], rtol=1e-14)


def test_budget_curve_ignores_configurations_without_scores():
    curve = budget_curve([5.0, NAN, 2.0, 1.0], [[NAN], [3.0], [4.0], [6.0]], [1, 2, 3])
    assert curve[:, 0].tolist() == exact([5.0, 4.0, NAN])


def test_budget_curve_equals_monte_carlo():
    rng = np.random.default_rng(0)
    fresh = rng.normal(size=50)
    selection = fresh + rng.normal(size=50)
    draws = np.argsort(rng.random((40_000, 50)), axis=1)[:, :7]
    winners = draws[np.arange(40_000), selection[draws].argmax(axis=1)]
    curve = budget_curve(selection, fresh[:, None], [7])
    assert curve[0, 0] == pytest.approx(fresh[winners].mean(), abs=0.02)


@given(few_scores(), st.data())
def test_budget_curve_equals_all_subsets(fresh, data):
    quarters = st.integers(-4, 4).map(lambda number: number / 4)
    selection = data.draw(arrays(float, len(fresh), elements=quarters))
    curve = budget_curve(selection, fresh, range(1, len(fresh) + 1))
    known = ~np.isnan(fresh).all(axis=1)
    for k in range(1, known.sum() + 1):
        columns = fresh[known].T.tolist()
        expected = [naive_expected_best(selection[known].tolist(), one, k) for one in columns]
        assert curve[k - 1].tolist() == exact(expected)
    assert np.isnan(curve[known.sum() :]).all()


def test_cross_fit_by_hand():
    scores = [[1.0, 9.0, 2.0, 8.0], [5.0, 0.0, 4.0, 1.0], [2.0, 3.0, 3.0, 2.0]]
    fit = cross_fitted_scores(scores)
    assert fit.per_seed.tolist() == [1.0, 0.0, 2.0, 1.0]
    assert fit.chosen == [0, 1]
    assert fit.fold_of_seed.tolist() == [0, 1, 0, 1]
    assert fit.cross_fitted
    assert fit.n_ignored == 0


def test_one_seed_is_chosen_and_scored_on_itself():
    fit = cross_fitted_scores([[1.0], [NAN], [3.0]])
    assert fit.per_seed.tolist() == [3.0]
    assert (fit.chosen, fit.cross_fitted, fit.n_ignored) == ([2], False, 1)
    assert cross_fitted_scores([[1.0], [3.0]], budget=1).per_seed.tolist() == [2.0]


def test_cross_fit_says_which_scores_are_missing():
    fit = cross_fitted_scores([[9.0, NAN, 9.0, 1.0], [0.0, 5.0, 0.0, 5.0], [NAN, 7.0, NAN, 7.0]])
    assert fit.n_ignored == 1
    assert fit.chosen == [1, 0]
    assert fit.per_seed.tolist() == exact([0.0, NAN, 0.0, 1.0])
    fit = cross_fitted_scores(MISSING)
    assert fit.chosen == [None, None]
    assert np.isnan(fit.per_seed).all()
    assert cross_fitted_scores(MISSING[:, :1]).chosen == [None]


@given(few_scores(), st.integers(1, 6))
def test_cross_fit_equals_a_plain_loop(scores, k):
    fit = cross_fitted_scores(scores, budget=k)
    assert fit.per_seed.tolist() == exact(naive_cross_fit(scores.tolist(), k))
    everything = cross_fitted_scores(scores)
    assert everything.per_seed.tolist() == exact(naive_cross_fit(scores.tolist(), len(scores)))


@given(few_scores())
def test_the_budget_curve_is_the_cross_fit_at_each_budget(scores):
    taking_part = len(scores) - cross_fitted_scores(scores).n_ignored
    curve = cross_fitted_budget_curve(scores, range(1, len(scores) + 1))
    for k in range(1, taking_part + 1):
        assert curve[k - 1].tolist() == exact(cross_fitted_scores(scores, k).per_seed.tolist())
    assert np.isnan(curve[taking_part:]).all()


@given(few_scores(), st.randoms(use_true_random=False))
def test_the_order_of_configurations_does_not_matter(scores, random):
    order = random.sample(range(len(scores)), len(scores))
    again = cross_fitted_scores(scores[order]).per_seed
    assert again.tolist() == exact(cross_fitted_scores(scores).per_seed.tolist())
    np.testing.assert_allclose(
        selection_shares(scores[order], 20), selection_shares(scores, 20)[order], atol=1e-12
    )


def test_a_tie_by_rounding_is_a_tie():
    # 0.1 over three seeds and over two: the means differ in the last digit.
    scores = np.array([[0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, NAN, NAN, 0.1, 0.1]])
    assert np.ptp(seed_means(scores[:, ::2])) > 0
    assert top_configurations(scores, 2).tolist() == [0, 1]
    assert top_configurations(scores[::-1], 2).tolist() == [0, 1]
    np.testing.assert_allclose(selection_shares(scores, 100), [0.5, 0.5], atol=0.05)


def test_the_best_of_equal_configurations_is_inflated_and_its_cross_fit_is_not():
    rng = np.random.default_rng(1)
    n_seeds, n_repeats = 10, 400
    sweeps = rng.normal(size=(n_repeats, 100, n_seeds))
    best = sweeps.mean(axis=2).max(axis=1)
    # The expected greatest of 100 standard normals is 2.508.
    assert best.mean() == pytest.approx(2.508 / math.sqrt(n_seeds), abs=0.02)
    honest = np.array([cross_fitted_scores(sweep).per_seed.mean() for sweep in sweeps])
    assert abs(honest.mean()) < 4 * honest.std() / math.sqrt(n_repeats)
    assert honest.std() < 0.5
    limited = [cross_fitted_scores(sweep, 10).per_seed.mean() for sweep in sweeps]
    assert abs(np.mean(limited)) < 0.05


def test_shares_equal_a_plain_loop():
    scores = np.random.default_rng(2).normal(size=(6, 5))
    scores[1], scores[2, 3], scores[4] = scores[0], NAN, NAN
    drawn = np.random.Generator(np.random.PCG64(7)).integers(5, size=(300, 5))
    wins = [0.0] * 6
    for seeds in drawn.tolist():
        means = [mean([row[seed] for seed in seeds]) for row in scores.tolist()]
        best = max(one for one in means if not math.isnan(one))
        tied = [i for i, one in enumerate(means) if one >= best - 1e-12]
        for i in tied:
            wins[i] += 1 / len(tied) / 300
    shares = selection_shares(scores, resamples=300, seed=7)
    assert shares.tolist() == exact(wins)
    assert shares[4] == 0


def test_shares_of_sure_winners_and_of_equals():
    sure = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert selection_shares(sure, 50).tolist() == [0.0, 1.0]
    np.testing.assert_allclose(selection_shares(np.full((7, 3), 0.1), 50), np.full(7, 1 / 7))
    assert selection_shares([[1.0]], 10).tolist() == [1.0]
    assert selection_shares(MISSING, 10).tolist() == [0.0] * 3


def test_shares_take_many_configurations_in_blocks():
    scores = np.random.default_rng(3).normal(size=(1000, 30))
    shares = selection_shares(scores, resamples=1000, seed=4)
    assert shares.sum() == exact(1)
    drawn = np.random.Generator(np.random.PCG64(4)).integers(30, size=(1000, 30))
    winners = [scores[:, seeds].mean(axis=1).argmax() for seeds in drawn]
    assert shares.tolist() == exact((np.bincount(winners, minlength=1000) / 1000).tolist())


def test_shares_are_the_same_bytes_whatever_the_number_of_threads():
    code = (
        "import numpy as np; from hq_ray.analysis.statistics.tuning import *;"
        "s = np.random.default_rng(0).normal(size=(200, 30));"
        "m = np.concatenate(list(resampled_means(s, 500, np.random.PCG64(1))));"
        "print(selection_shares(s, 500).tobytes().hex(), hash(m.tobytes()))"
    )
    threads = [{"OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n} for n in ("1", "4")]
    fixed = {"PYTHONHASHSEED": "0"}
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | fixed | one,
            check=True,
            text=True,
            capture_output=True,
        ).stdout
        for one in threads
    ]
    assert runs[0] == runs[1]


def test_top_configurations():
    scores = [[1.0, 3.0], [NAN, 5.0], [2.0, 2.0], [NAN, NAN], [0.0, 0.0]]
    assert top_configurations(scores, 3).tolist() == [1, 0, 2]
    assert top_configurations(scores, 9).tolist() == [1, 0, 2, 4]
    assert top_configurations(scores, 9, budget=99).tolist() == [1, 0, 2, 4]
    assert top_configurations(MISSING, 2).tolist() == []
    some = [tuple(top_configurations(scores, 9, 2, seed)) for seed in range(60)]
    assert set(some) == {(1, 0), (1, 2), (1, 4), (0, 2), (0, 4), (2, 4)}
    assert some == [tuple(top_configurations(scores, 9, 2, seed)) for seed in range(60)]


def test_optimism():
    assert optimism(5.0, [1.0, NAN, 3.0]) == 3.0
    assert math.isnan(optimism(5.0, []))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0], r"\(n_configs, n_seeds\) .* given shape \(2,\)"),
        (np.empty((0, 3)), r"given shape \(0, 3\)"),
        ([[1.0, math.inf]], "finite, or NaN .* given 1 infinite"),
    ],
)
def test_refuses_what_are_no_scores(scores, message):
    for function in (cross_fitted_scores, selection_shares):
        with pytest.raises(InputError, match=message):
            function(scores)
    with pytest.raises(InputError, match=message):
        top_configurations(scores, 1)


def test_refuses_other_misuse():
    with pytest.raises(InputError, match=r"one selection score for each of 3 .* shape \(2,\)"):
        budget_curve([1.0, 2.0], np.zeros((3, 2)), [1])
    with pytest.raises(InputError, match=r"number of configurations must be .* given 0"):
        top_configurations([[1.0]], 0)
    with pytest.raises(InputError, match=r"number of resamples must be .* given 0"):
        selection_shares([[1.0]], 0)
