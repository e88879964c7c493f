import math

import numpy as np
import pandas as pd
import pytest

from hq_ray.analysis.statistics.grid import best_by_level, levels_of

NAN = math.nan


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


def test_the_best_at_each_level_is_chosen_by_the_first_seeds():
    scores = np.array([[1.0, 9, 0], [2, 0, 9], [5, NAN, 1], [1, 1, 1], [1, 1, 1]])
    assert best_by_level(scores, np.array([0, 0, 0, 1, 1]), 1).tolist() == [1, 3]
    assert best_by_level(scores, np.array([0, 0, 0, 1, 1]), 2).tolist() == [0, 3]
    # A configuration that lacks a seed is not eligible.
    assert best_by_level(scores, np.array([0, 0, 1, 0, 0]), 3).tolist() == [1, -1]
