import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.analysis.statistics.adkins import (
    effective_dimensionality,
    hyperparameter_sensitivity,
    sensitivity_interval,
    tuned_score,
    tuned_score_by_dimension,
)
from hq_ray.errors import InputError

NAN = math.nan
TWO = pd.DataFrame(list(itertools.product([1, 2], ["a", "b"])), columns=["alpha", "kind"])
NAMES = ("alpha", "kind", "shift")


def exact(value):
    return pytest.approx(value, rel=1e-10, abs=1e-10, nan_ok=True)


def grid(*sizes):
    return pd.DataFrame(list(itertools.product(*map(range, sizes))), columns=NAMES[: len(sizes)])


def naive_sensitivity(G):
    n_envs, n_configs = G.shape
    each = sum(max(G[e, h] for h in range(n_configs)) for e in range(n_envs)) / n_envs
    across = max(sum(G[e, h] for e in range(n_envs)) / n_envs for h in range(n_configs))
    return each - across


def naive_scores_of_sets(G, settings):
    """Tuned score of every set of hyperparameters; settings without missing values."""
    n_envs, rows = len(G), settings.to_dict("records")
    means = [sum(column) / n_envs for column in G.T.tolist()]
    best = rows[max(range(len(rows)), key=means.__getitem__)]
    scores = {}
    for size in range(len(settings.columns) + 1):
        for chosen in itertools.combinations(settings.columns, size):
            fixed = [name for name in settings.columns if name not in chosen]
            allowed = [i for i, row in enumerate(rows) if all(row[n] == best[n] for n in fixed)]
            scores[chosen] = sum(max(env[i] for i in allowed) for env in G.tolist()) / n_envs
    return scores


def test_sensitivity_by_hand():
    G = [[1.0, 0.0, 0.8], [0.0, 0.6, 0.5]]
    assert tuned_score(G) == exact(0.8)
    assert hyperparameter_sensitivity(G) == exact(0.8 - 0.65)
    assert hyperparameter_sensitivity([[0.3, 0.9]]) == 0
    assert hyperparameter_sensitivity(np.full((3, 4), 0.1)) == 0


def test_configurations_without_a_score_somewhere_take_no_part():
    G = [[1.0, 0.0, NAN], [0.0, 0.6, 5.0]]
    assert hyperparameter_sensitivity(G) == exact(0.8 - 0.5)
    assert math.isnan(hyperparameter_sensitivity([[NAN, 1.0], [1.0, NAN]]))
    assert math.isnan(tuned_score([[NAN]]))


@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 1000))
def test_sensitivity_equals_a_plain_loop_and_is_never_negative(n_envs, n_configs, seed):
    G = np.random.default_rng(seed).normal(size=(n_envs, n_configs)).round(1)
    assert hyperparameter_sensitivity(G) == exact(naive_sensitivity(G))
    assert hyperparameter_sensitivity(G) >= 0


def test_dimensionality_by_hand():
    # The best across environments is (1, a); kind must change on the second one.
    G = [[1.0, 0.2, 0.1, 0.0], [0.4, 0.9, 0.3, 1.0]]
    scores, subsets = tuned_score_by_dimension(G, TWO)
    assert scores == exact((0.7, 0.95, 1.0))
    assert subsets == ((), ("kind",), ("alpha", "kind"))
    found = effective_dimensionality(G, TWO)
    assert (found.d, found.subset) == (1, ("kind",))
    assert found.threshold == exact(0.95)
    assert effective_dimensionality(G, TWO, share=0.7).d == 0
    assert effective_dimensionality(G, TWO, share=1).subset == ("alpha", "kind")


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 10_000)
)
def test_dimensionality_equals_a_search_over_all_sets(sizes, n_envs, seed):
    rng = np.random.default_rng(seed)
    settings = grid(*sizes)
    rows = np.sort(rng.permutation(len(settings))[: rng.integers(1, len(settings) + 1)])
    settings = settings.iloc[rows]
    G = rng.normal(0.3, 1, size=(n_envs, len(rows)))
    expected = naive_scores_of_sets(G, settings)
    scores, subsets = tuned_score_by_dimension(G, settings)
    for size, (score, subset) in enumerate(zip(scores, subsets, strict=True)):
        assert len(subset) == size
        assert score == exact(expected[subset])
        assert score == exact(max(expected[one] for one in expected if len(one) == size))
    assert scores[-1] == exact(tuned_score(G))
    assert scores[-1] - scores[0] == exact(hyperparameter_sensitivity(G))
    for share in (0.3, 0.95, 1):
        found = effective_dimensionality(G, settings, share)
        enough = scores[-1] - (1 - share) * abs(scores[-1]) - 1e-12
        assert found.d == min(len(one) for one in expected if expected[one] >= enough)


def test_a_negative_tuned_score_can_be_reached():
    G = [[-1.0, -3.0, -9.0, -9.0], [-3.0, -1.0, -9.0, -9.0]]
    found = effective_dimensionality(G, TWO)
    assert found.threshold == exact(-1.05)
    assert (found.d, found.subset) == (1, ("kind",))
    assert effective_dimensionality(np.zeros((2, 4)), TWO).d == 0


def test_the_order_of_rows_does_not_matter_even_for_ties():
    G = np.array([[1.0, 1.0, 0.0, 2.0], [1.0, 1.0, 0.0, 0.0]])
    found = [
        effective_dimensionality(G[:, list(order)], TWO.iloc[list(order)])
        for order in itertools.permutations(range(4))
    ]
    assert all(one == found[0] for one in found)


def test_what_is_not_read_needs_no_tuning():
    settings = pd.DataFrame(
        [("linear", 1000), ("linear", 3500), ("constant", None)], columns=["schedule", "decay"]
    )
    found = effective_dimensionality([[1.0, 0.0, 0.0], [0.5, 0.0, 1.0]], settings)
    assert (found.d, found.subset) == (1, ("schedule",))
    # From the constant schedule, a linear one needs its decay.
    found = effective_dimensionality([[0.5, 0.0, 1.0], [1.0, 0.0, 0.6]], settings)
    assert (found.d, found.subset) == (2, ("schedule", "decay"))
    # A default that is not written still is a value of its own.
    settings = pd.DataFrame({"alpha_end": [0.1, None]})
    assert effective_dimensionality([[1.0, 0.5], [0.0, 0.9]], settings).d == 1


def test_dimensionality_without_scores_and_without_hyperparameters():
    found = effective_dimensionality([[NAN, 1.0, NAN, NAN], [1.0, NAN, NAN, NAN]], TWO)
    assert (found.d, found.scores, found.n_ignored) == (None, (), 4)
    found = effective_dimensionality([[0.5], [0.7]], pd.DataFrame(index=[0]))
    assert (found.d, found.subset, found.scores) == (0, (), exact((0.6,)))


def naive_planes(scores, resamples, seed):
    n_envs, n_configs, n_seeds = scores.shape
    keys = np.random.SeedSequence(seed).spawn(n_envs)
    drawn = [
        np.random.Generator(np.random.PCG64(key)).integers(n_seeds, size=(resamples, n_seeds))
        for key in keys
    ]
    planes = []
    for b in range(resamples):
        G = np.full((n_envs, n_configs), NAN)
        for e, h in itertools.product(range(n_envs), range(n_configs)):
            values = [scores[e, h, s] for s in drawn[e][b] if not math.isnan(scores[e, h, s])]
            G[e, h] = sum(values) / len(values) if values else NAN
        G = G[:, ~np.isnan(G).any(axis=0)]
        if G.size:
            planes.append((naive_sensitivity(G), np.mean(G.max(axis=1))))
    return np.array(planes).T


@pytest.mark.parametrize("share_missing", [0, 0.4])
def test_interval_equals_a_plain_loop(share_missing):
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(3, 4, 5))
    scores[rng.random(scores.shape) < share_missing] = NAN
    # Every seed has a score, so that the draws are over all five.
    scores[:, 0] = rng.normal(size=(3, 5))
    scores = scores[:, ~np.isnan(scores).all(axis=2).any(axis=0)]
    found = sensitivity_interval(scores, resamples=200, seed=3, coverage=0.9)
    planes = naive_planes(scores, 200, 3)
    G = np.array([[np.mean(row[~np.isnan(row)]) for row in env] for env in scores])
    for one, value, drawn in (
        (found.sensitivity, naive_sensitivity(G), planes[0]),
        (found.tuned_score, G.max(axis=1).mean(), planes[1]),
    ):
        low, high = np.quantile(drawn, [0.05, 0.95])
        expected = [value, 2 * value - drawn.mean(), 2 * value - high, 2 * value - low]
        least = 0 if one is found.sensitivity else -np.inf
        assert [one.value, one.corrected, one.low, one.high] == exact(
            [max(number, least) for number in expected]
        )


def test_intervals_of_noise_free_and_of_short_sweeps():
    rng = np.random.default_rng(0)
    G = rng.normal(size=(2, 5))
    found = sensitivity_interval(np.repeat(G[:, :, None], 4, axis=2), resamples=50)
    phi = found.sensitivity
    assert (phi.low, phi.high, phi.corrected) == exact((phi.value,) * 3)
    assert phi.value == exact(hyperparameter_sensitivity(G))
    one_seed = sensitivity_interval(G[:, :, None])
    assert one_seed.tuned_score.value == exact(tuned_score(G))
    assert math.isnan(one_seed.tuned_score.low)
    nothing = sensitivity_interval(np.full((2, 3, 4), NAN))
    assert math.isnan(nothing.sensitivity.value)
    assert nothing.n_ignored == 3
    assert sensitivity_interval([[[1.0, 1.0]]], 10).sensitivity.high == 0


def test_seeds_that_an_environment_lacks_do_not_widen_its_interval():
    scores = np.random.default_rng(1).normal(size=(2, 3, 6))
    padded = np.concatenate([scores, np.full((2, 3, 30), NAN)], axis=2)
    assert sensitivity_interval(padded, 100, 2) == sensitivity_interval(scores, 100, 2)


def test_the_interval_covers_where_the_raw_best_is_too_high():
    rng = np.random.default_rng(8)
    covered, too_high = 0, 0
    for seed in range(60):
        truth = rng.normal(0, 0.5, size=(3, 30))
        found = sensitivity_interval(truth[:, :, None] + rng.normal(size=(3, 30, 20)), 300, seed)
        covered += found.tuned_score.low <= tuned_score(truth) <= found.tuned_score.high
        too_high += found.tuned_score.value - tuned_score(truth)
    assert too_high / 60 > 0.05
    assert covered >= 50


def test_refuses_misuse():
    with pytest.raises(InputError, match=r"\(n_envs, n_configs\) .* given shape \(2,\)"):
        hyperparameter_sensitivity([1.0, 2.0])
    with pytest.raises(InputError, match=r"\(n_envs, n_configs, n_seeds\) .* shape \(1, 2\)"):
        sensitivity_interval([[1.0, 2.0]])
    with pytest.raises(InputError, match=r"coverage .* in \(0, 1\); given 95"):
        sensitivity_interval([[[1.0, 2.0]]], coverage=95)
    with pytest.raises(InputError, match=r"share .* in \(0, 1\]; given 95"):
        effective_dimensionality(np.zeros((2, 4)), TWO, share=95)
    with pytest.raises(InputError, match="given 4 rows for 3 configurations"):
        effective_dimensionality(np.zeros((2, 3)), TWO)
    many = pd.DataFrame({f"h{i}": [0, 1] for i in range(17)})
    with pytest.raises(InputError, match="at most 16; given 17"):
        effective_dimensionality(np.zeros((2, 2)), many)
