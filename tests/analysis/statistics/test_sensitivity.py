import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.analysis.statistics.sensitivity import (
    hyperparameters_of,
    levels_of,
    marginal_scores,
    profile_scores,
    slice_scores,
)
from hq_ray.errors import InputError

NAN = math.nan
GRID = pd.DataFrame(
    list(itertools.product([0.4, 0.1, 0.2], ["linear", "constant"])), columns=["alpha", "schedule"]
)
SCORES = np.arange(24.0).reshape(6, 4) % 7
NESTED = pd.DataFrame(
    [
        (alpha, schedule, decay)
        for alpha in (0.1, 0.2)
        for schedule, decay in (("constant", None), ("linear", 1000), ("linear", 3500))
    ],
    columns=["alpha", "schedule", "decay"],
)


def exact(values):
    return pytest.approx(values, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("values", "levels", "codes"),
    [
        ([10, 9, 100, 9], (9, 10, 100), [1, 0, 2, 0]),
        (["b", None, "a"], ("a", "b", None), [1, 2, 0]),
        ([2.0, NAN, 1.0], (1.0, 2.0, None), [1, 2, 0]),
        (["word", 2, None, 0.5, "a"], (0.5, 2, "a", "word", None), [3, 1, 4, 0, 2]),
        ([True, False], (False, True), [1, 0]),
        ([None, NAN], (None,), [0, 0]),
        (pd.array([3, None, 1], dtype="Int64"), (1, 3, None), [1, 2, 0]),
        (pd.array(["b", None], dtype="string"), ("b", None), [0, 1]),
        (pd.Categorical(["x", "a"]), ("a", "x"), [1, 0]),
    ],
)
def test_levels_in_order(values, levels, codes):
    found, numbers = levels_of(values)
    assert found == levels
    assert [type(one) for one in found] == [type(one) for one in levels]
    assert numbers.tolist() == codes


def test_hyperparameters_are_those_that_vary():
    frame = GRID.assign(gamma=0.99, decay=[None, 1, 1, 1, 1, 1], nothing=None)
    assert hyperparameters_of(frame) == ["alpha", "schedule", "decay"]
    assert hyperparameters_of(frame[["gamma"]]) == []


def test_slice_by_hand():
    found = slice_scores(SCORES, GRID, "alpha", at=1)
    assert (found.name, found.kind, found.cross_fitted) == ("alpha", "slice", False)
    assert found.levels == (0.1, 0.2, 0.4)
    assert found.scores.tolist() == SCORES[[3, 5, 1]].tolist()
    found = slice_scores(SCORES, GRID, "schedule", at=4)
    assert found.levels == ("constant", "linear")
    assert found.scores.tolist() == SCORES[[5, 4]].tolist()


def test_slice_leaves_out_what_was_not_run():
    rows = [0, 1, 2, 5]
    found = slice_scores(SCORES[rows], GRID.iloc[rows], "alpha", at=0)
    assert found.scores[[0, 2]].tolist() == SCORES[[2, 0]].tolist()
    assert np.isnan(found.scores[1]).all()


def test_slice_steps_over_hyperparameters_that_are_not_read():
    scores = np.arange(6.0)[:, None]
    found = slice_scores(scores, NESTED, "schedule", at=2)
    assert found.scores[:, 0].tolist() == [0.0, 2.0]
    # From the constant schedule there are two linear ones, neither nearer than the other.
    found = slice_scores(scores, NESTED, "schedule", at=0)
    assert found.scores[:, 0].tolist() == exact([0.0, NAN])
    assert slice_scores(scores, NESTED, "alpha", at=0).scores[:, 0].tolist() == [0.0, 3.0]
    found = slice_scores(scores, NESTED, "decay", at=4)
    assert found.levels == (1000, 3500, None)
    assert found.scores[:, 0].tolist() == exact([4.0, 5.0, NAN])


def test_marginal_and_profile_by_hand():
    scores = SCORES.copy()
    scores[2, 0], scores[4:, 1] = NAN, NAN
    found = marginal_scores(scores, GRID, "alpha")
    assert found.levels == (0.1, 0.2, 0.4)
    assert found.scores[0].tolist() == [scores[3, 0], *((scores[2] + scores[3]) / 2)[1:]]
    assert found.scores[1].tolist() == exact(((scores[4] + scores[5]) / 2).tolist())
    found = profile_scores(SCORES, GRID, "schedule")
    assert (found.kind, found.cross_fitted) == ("profile", True)
    linear = SCORES[[0, 2, 4]]
    odd, even = linear[:, 1::2].mean(axis=1).argmax(), linear[:, ::2].mean(axis=1).argmax()
    expected = [linear[odd, 0], linear[even, 1], linear[odd, 2], linear[even, 3]]
    assert found.scores[1].tolist() == expected


def test_a_profile_over_one_seed_is_flagged():
    found = profile_scores(SCORES[:, :1], GRID, "alpha")
    assert not found.cross_fitted
    assert found.scores[:, 0].tolist() == [
        max(SCORES[2:4, 0]),
        max(SCORES[4:, 0]),
        max(SCORES[:2, 0]),
    ]


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, None]), st.sampled_from("abc")), min_size=1))
def test_marginal_equals_a_plain_loop(rows):
    settings = pd.DataFrame(rows, columns=["alpha", "kind"])
    scores = np.random.default_rng(len(rows)).normal(size=(len(rows), 3))
    scores[scores > 1] = NAN
    found = marginal_scores(scores, settings, "alpha")
    for level, per_seed in zip(found.levels, found.scores, strict=True):
        for seed in range(3):
            values = [scores[i, seed] for i, row in enumerate(rows) if row[0] == level]
            there = [one for one in values if not math.isnan(one)]
            assert per_seed[seed] == exact(sum(there) / len(there) if there else NAN)


def test_one_configuration_and_no_scores():
    settings = pd.DataFrame({"alpha": [0.1]})
    for function in (marginal_scores, profile_scores):
        assert function([[2.0]], settings, "alpha").scores.tolist() == [[2.0]]
        assert np.isnan(function([[NAN, NAN]], settings, "alpha").scores).all()
    assert slice_scores([[2.0]], settings, "alpha", 0).scores.tolist() == [[2.0]]


def test_refuses_misuse():
    with pytest.raises(InputError, match="given 'alhpa'; did you mean 'alpha'"):
        marginal_scores(SCORES, GRID, "alhpa")
    with pytest.raises(InputError, match="given 5 rows for 6 configurations"):
        profile_scores(SCORES, GRID[:5], "alpha")
    with pytest.raises(InputError, match="row from 0 to 5; given 6"):
        slice_scores(SCORES, GRID, "alpha", 6)
    twice = GRID.iloc[[0, 1, 2, 3, 1, 5]]
    with pytest.raises(InputError, match="rows 1 and 4 with the same settings"):
        slice_scores(SCORES, twice, "alpha", 0)
