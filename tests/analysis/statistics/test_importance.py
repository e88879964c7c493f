import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.analysis.statistics.importance import importance, importance_over_seeds
from hq_ray.errors import InputError

NAN = math.nan
NAMES = ("alpha", "shift", "decay")


def exact(value):
    return pytest.approx(value, rel=1e-10, abs=1e-10)


def grid(*sizes):
    return pd.DataFrame(list(itertools.product(*map(range, sizes))), columns=NAMES[: len(sizes)])


def naive_variances(means, settings, order):
    """Variance of each effect by loops over cells, from the definition with inclusion-exclusion."""
    rows = settings.to_dict("records")

    def conditional(names, row):
        alike = [m for m, r in zip(means, rows, strict=True) if all(r[n] == row[n] for n in names)]
        return sum(alike) / len(alike)

    def effect(names, row):
        return sum(
            (-1) ** (len(names) - size) * conditional(part, row)
            for size in range(len(names) + 1)
            for part in itertools.combinations(names, size)
        )

    names = [n for n in settings.columns if len(set(settings[n])) > 1]
    sets = [s for size in range(1, order + 1) for s in itertools.combinations(names, size)]
    return {one: sum(effect(one, row) ** 2 for row in rows) / len(rows) for one in sets}


def naive_noise(se2, settings, names):
    """E of the variance of an effect of pure noise: se2 times the squares of its projection."""
    n = len(settings)
    return sum(
        se2[i] * naive_variances(np.eye(n)[i].tolist(), settings, len(names))[names]
        for i in range(n)
    )


@pytest.mark.parametrize("sizes", [(4,), (3, 2), (5, 4), (2, 3, 4), (1, 3, 2)])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_equals_plain_loops(sizes, order):
    settings = grid(*sizes)
    means = np.random.default_rng(0).normal(-1000, 5, len(settings))
    expected = naive_variances(means.tolist(), settings, order)
    found = importance(means, settings, order=order)
    assert found.shares == exact({s: v / means.var() for s, v in expected.items()})
    assert (found.complete, found.note, found.clipped) == (True, "", ())
    assert found.n_used == found.n_configs == len(settings)
    if order >= len(sizes):
        assert sum(found.shares.values()) == exact(1)


def test_noise_is_subtracted_by_degrees_of_freedom():
    settings = grid(3, 2, 4)
    rng = np.random.default_rng(1)
    means = rng.normal(0, 3, len(settings)) + settings.to_numpy() @ [5.0, -8.0, 3.0]
    se2 = rng.uniform(0, 2, len(settings))
    expected = {
        names: variance - naive_noise(se2, settings, names)
        for names, variance in naive_variances(means.tolist(), settings, 2).items()
    }
    whole = means.var() - se2.mean() * 23 / 24
    found = importance(means, settings, se2)
    assert found.clipped == ()
    assert found.shares == exact({names: value / whole for names, value in expected.items()})


def test_an_additive_function_has_no_interaction():
    settings = grid(3, 4)
    means = 2.0 * settings["alpha"] + np.array([0.0, 5.0, 1.0, 1.0])[settings["shift"]]
    alpha, shift = 4 * 2 / 3, np.var([0.0, 5.0, 1.0, 1.0])
    found = importance(means, settings)
    expected = {("alpha",): alpha / (alpha + shift), ("shift",): shift / (alpha + shift)}
    assert found.shares == exact(expected | {("alpha", "shift"): 0})
    assert found.clipped == ()


def test_exclusive_or_is_all_interaction():
    found = importance([0.0, 1.0, 1.0, 0.0], grid(2, 2))
    assert found.shares == exact({("alpha",): 0, ("shift",): 0, ("alpha", "shift"): 1})


def test_noise_alone_has_no_share_on_average():
    rng = np.random.default_rng(2)
    settings = grid(4, 5)
    effect = 1.5 * (settings["alpha"].to_numpy() == 0)
    shares = []
    for _ in range(300):
        scores = effect[:, None] + rng.normal(size=(20, 8)) + 20 * rng.normal(size=8)
        shares.append(importance_over_seeds(scores, settings).shares)
    assert np.mean([one["shift",] for one in shares]) < 0.03
    assert np.mean([one["alpha",] for one in shares]) == pytest.approx(0.95, abs=0.04)


def test_shared_luck_of_seeds_changes_nothing():
    rng = np.random.default_rng(3)
    settings, scores = grid(3, 4), rng.normal(size=(12, 6))
    lucky = scores + 100 * rng.normal(size=6)
    again = importance_over_seeds(lucky, settings)
    assert again.shares == exact(importance_over_seeds(scores, settings).shares)
    # Taken for independent noise, that luck would swallow everything.
    se2 = lucky.var(axis=1, ddof=1) / 6
    assert set(importance(lucky.mean(axis=1), settings, se2).shares.values()) == {0.0}


def test_noise_over_seeds_equals_plain_loops():
    settings = grid(2, 3)
    scores = np.random.default_rng(4).normal(size=(6, 5)) + 3 * np.arange(6)[:, None]
    n = scores.shape[1]
    kept = {}
    for names in (("alpha",), ("shift",), ("alpha", "shift")):
        project = np.array(
            [[effect_at(np.eye(6)[j], settings, names, i) for j in range(6)] for i in range(6)]
        )
        per_seed = project @ scores
        noise = per_seed.var(axis=1, ddof=1).mean() / n
        kept[names] = max(np.mean(per_seed.mean(axis=1) ** 2) - noise, 0)
    found = importance_over_seeds(scores, settings)
    assert found.shares == exact({names: v / sum(kept.values()) for names, v in kept.items()})


def effect_at(means, settings, names, row):
    rows = settings.to_dict("records")

    def conditional(part):
        alike = [i for i, one in enumerate(rows) if all(one[n] == rows[row][n] for n in part)]
        return np.mean([means[i] for i in alike])

    return sum(
        (-1) ** (len(names) - size) * conditional(part)
        for size in range(len(names) + 1)
        for part in itertools.combinations(names, size)
    )


@given(st.integers(0, 10_000), st.floats(0, 3), st.integers(1, 3))
def test_shares_are_shares(seed, noise, order):
    rng = np.random.default_rng(seed)
    settings = grid(*rng.integers(1, 4, 3))
    found = importance(
        rng.normal(size=len(settings)).round(1), settings, np.full(len(settings), noise), order
    )
    assert all(0 <= share <= 1 for share in found.shares.values())
    assert sum(found.shares.values()) <= 1 + 1e-12
    assert all(found.shares[names] == 0 for names in found.clipped)


def test_clipping_is_flagged():
    settings = grid(2, 2)
    found = importance([0.0, 4.0, 0.1, 4.1], settings, np.full(4, 0.1))
    assert found.clipped == (("alpha",), ("alpha", "shift"))
    assert found.shares == exact({("alpha",): 0, ("shift",): 1, ("alpha", "shift"): 0})
    found = importance([0.0, 0.4, 0.1, 0.5], settings, np.full(4, 9.0))
    assert set(found.shares.values()) == {0.0}
    assert "no more than noise" in found.note


@pytest.mark.parametrize("value", [0.0, 0.1, -13.0, 1e9 / 3])
def test_constant_scores_have_no_shares(value):
    settings = grid(2, 3)
    scores = np.full((6, 5), value)
    scores[1, 1] = NAN
    for found in (
        importance(np.full(6, value), settings),
        importance_over_seeds(scores, settings),
        importance_over_seeds(scores[:, :1], settings),
        importance_over_seeds(np.full((6, 5), value) + np.arange(5), settings),
    ):
        assert set(found.shares.values()) == {0.0}
        assert found.clipped == ()
        assert found.complete


def test_a_hole_costs_the_level_with_the_most_of_them():
    settings = grid(4, 3)
    means = np.random.default_rng(5).normal(size=12)
    rows = [i for i in range(12) if i != 4]
    found = importance(means[rows], settings.iloc[rows])
    left = [i for i in range(12) if settings["alpha"][i] != 1]
    assert found.shares == exact(importance(means[left], settings.iloc[left]).shares)
    assert (found.complete, found.n_used, found.n_configs) == (False, 9, 11)
    assert found.note == "combinations are missing: 9 of 11 configurations used"
    means[4] = NAN
    again = importance(means, settings)
    assert again.shares == exact(found.shares)
    assert again.note.startswith("1 of 12 configurations have no score; combinations are missing")


def nested(schedules):
    rows = [(a, s, d) for a in (0.1, 0.2) for s, decays in schedules for d in decays]
    return pd.DataFrame(rows, columns=["alpha", "schedule", "decay"])


def test_what_is_not_read_is_joined_with_what_decides_it():
    settings = nested([("constant", [None]), ("linear", [1000, 3500])])
    means = np.array([0.0, 3.0, 5.0, 1.0, 4.0, 7.0])
    joined = grid(2, 3).set_axis(["alpha", "schedule + decay"], axis=1)
    found = importance(means, settings)
    assert found.shares == exact(importance(means, joined).shares)
    assert not found.complete
    assert found.n_used == 6
    assert (
        found.note == "schedule + decay taken as one, since not all configurations read all of them"
    )


def test_several_that_are_not_read_are_joined_by_who_decides():
    rows = [
        (alpha, end, schedule, decay, shift)
        for alpha, end in (("constant", None), ("linear", 0.1), ("linear", 0.2))
        for schedule, decay in (("constant", None), ("linear", 1000), ("inverse", 1000))
        for shift in (1, 2)
    ]
    columns = ["alpha_schedule", "alpha_end", "eps_schedule", "eps_decay", "eps_shift"]
    settings = pd.DataFrame(rows, columns=columns)
    found = importance(np.random.default_rng(6).normal(size=18), settings, order=1)
    names = ["alpha_schedule + alpha_end", "eps_schedule + eps_decay", "eps_shift"]
    assert list(found.shares) == [(name,) for name in names]
    assert found.n_used == 18


def test_missing_as_a_level_like_any_other():
    settings = pd.DataFrame(
        list(itertools.product([0.1, 0.2], [None, 10, 20])), columns=["alpha", "max_steps"]
    )
    means = np.random.default_rng(7).normal(size=6)
    found = importance(means, settings)
    assert found.complete
    assert list(found.shares.values()) == exact(list(importance(means, grid(2, 3)).shares.values()))


def test_a_random_search_is_no_factorial():
    rng = np.random.default_rng(8)
    settings = pd.DataFrame(rng.random((300, 4)), columns=list("abcd"))
    found = importance(rng.normal(size=300), settings)
    assert (found.shares, found.complete, found.n_used) == ({}, False, 0)
    assert "nothing varies within a full factorial" in found.note
    found = importance(rng.normal(size=30), settings.iloc[:30, :2])
    assert found.shares == {}
    assert not found.complete


def test_without_scores_and_with_one_configuration():
    settings = grid(2, 2)
    for found in (
        importance(np.full(4, NAN), settings),
        importance_over_seeds(np.full((4, 3), NAN), settings),
        importance([1.0], settings[:1]),
        importance([1.0], pd.DataFrame(index=[0])),
        importance_over_seeds([[1.0]], settings[:1]),
    ):
        assert found.shares == {}
        assert "nothing varies" in found.note


def test_unknown_noise_is_said():
    settings, means = grid(2, 2), [0.0, 1.0, 2.0, 4.0]
    found = importance_over_seeds(np.array(means)[:, None], settings)
    assert "noise is not known" in found.note
    assert found.shares == exact(importance(means, settings).shares)
    some = importance(means, settings, [0.1, NAN, 0.3, NAN])
    assert some.shares == exact(importance(means, settings, np.full(4, 0.2)).shares)


def test_seeds_that_some_lack():
    settings = grid(2, 2)
    scores = np.random.default_rng(9).normal(size=(4, 6)) + 3 * np.arange(4)[:, None]
    scores[2, 1] = NAN
    found = importance_over_seeds(scores, settings)
    assert found.shares == exact(
        importance_over_seeds(np.delete(scores, 1, axis=1), settings).shares
    )
    assert found.note == "1 of 6 seeds left out, which some configurations lack"
    disjoint = np.where(np.arange(6) // 3 == np.arange(4)[:, None] % 2, scores, NAN)
    counts = np.sum(~np.isnan(disjoint), axis=1)
    se2 = np.nanvar(disjoint, axis=1, ddof=1) / counts
    expected = importance(np.nanmean(disjoint, axis=1), settings, se2)
    assert importance_over_seeds(disjoint, settings).shares == exact(expected.shares)


def test_the_order_of_rows_does_not_matter():
    settings = grid(3, 4)
    means = np.random.default_rng(10).normal(size=12)
    order = np.random.default_rng(11).permutation(12)
    again = importance(means[order], settings.iloc[order])
    assert again.shares == exact(importance(means, settings).shares)


def test_refuses_misuse():
    settings = grid(2, 2)
    with pytest.raises(InputError, match=r"as many variances .* shapes \(4,\) and \(3,\)"):
        importance(np.zeros(4), settings, np.zeros(3))
    with pytest.raises(InputError, match=r"least variance -1"):
        importance(np.zeros(4), settings, np.array([0, 0, -1, 0]))
    with pytest.raises(InputError, match="given 4 rows for 5 configurations"):
        importance(np.zeros(5), settings)
    with pytest.raises(InputError, match="rows 0 and 4 with the same settings"):
        importance(np.zeros(5), settings.iloc[[0, 1, 2, 3, 0]])
    with pytest.raises(InputError, match="order must be a whole number >= 1; given 0"):
        importance(np.zeros(4), settings, order=0)
