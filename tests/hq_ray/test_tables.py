"""Random numbers against probabilities and epsilons: the tables decide as the definitions do."""

from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hq_ray.gymnasium_loop import choose_action
from hq_ray.schedules import Schedule
from hq_ray.tables import draw_threshold, explore_table


@given(st.floats(0.0, 1.0), st.integers(0, 2**53 - 1))
@example(probability=0.0, bits=0)
@example(probability=1.0, bits=2**53 - 1)
@example(probability=5e-324, bits=0)
@example(probability=1 - 2**-53, bits=2**53 - 1)
def test_a_threshold_decides_as_the_probability_does(probability, bits):
    below = Fraction(bits, 2**53) < Fraction(probability)
    assert (bits < int(draw_threshold(np.array(probability)))) == below
    for near in (int(probability * 2.0**53) + d for d in (-1, 0, 1)):
        assert (near < int(draw_threshold(np.array(probability)))) == (near / 2**53 < probability)


@pytest.mark.parametrize(
    ("q_row", "epsilon", "uniform", "action"),
    [
        ([0.0, 2.0, 1.0, 2.0], 0.1, 0.1, 1),
        ([-3.0, -2.0, -1.0, -4.0], 0.5, 0.9, 2),
        ([9.0, 0.0, 0.0, 0.0], 1.0, 0.25, 1),
        ([9.0, 0.0, 0.0, 0.0], 1.0, 1 - 2**-53, 3),
        ([9.0, 0.0, 0.0, 0.0], 0.5, 0.25, 2),
    ],
)
def test_choose_action_by_hand(q_row, epsilon, uniform, action):
    assert choose_action(np.array(q_row), epsilon, uniform) == action


@given(st.floats(0.0, 1.0), st.integers(1, 18), st.integers(0, 2**53 - 1))
@example(epsilon=0.1, n_actions=6, bits=0)
@example(epsilon=1 / 3, n_actions=9, bits=0)
@example(epsilon=1e-300, n_actions=4, bits=0)
@example(epsilon=5e-324, n_actions=4, bits=0)
@example(epsilon=2.0**-53, n_actions=5, bits=0)
@example(epsilon=1 - 2**-53, n_actions=5, bits=2**53 - 1)
def test_the_explore_table_decides_as_the_contract_does(epsilon, n_actions, bits):
    explore_below, *starts = map(int, explore_table(Schedule("constant", epsilon), 1, n_actions)[0])
    edges = [edge + d for edge in (explore_below, *starts) for d in (-2, -1, 0, 1)]
    for k in (bits, *(edge for edge in edges if 0 <= edge < 2**53)):
        explores = k / 2**53 < epsilon
        assert (k < explore_below) == explores
        expected = naive.choose([0.0] * n_actions, epsilon, k / 2**53)
        assert choose_action(np.zeros(n_actions), epsilon, k / 2**53) == expected
        if explores:
            assert sum(k >= start for start in starts) == expected
