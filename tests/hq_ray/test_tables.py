from fractions import Fraction

import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hq_ray.gymnasium_loop import choose_action
from hq_ray.model import model_from_table
from hq_ray.schedules import Schedule
from hq_ray.tables import draw_threshold, explore_table, kernel_tables

TABLE = {
    0: {0: [(0.5, 1, -1, False), (0.5, 0, 3, True)], 1: [(1.0, 1, -1, False)]},
    1: {0: [(0.25, 0, 3, True), (0.75, 1, -1, False)], 1: [(1.0, 0, 3, False)]},
}


def test_packing_by_hand():
    tables = kernel_tables(model_from_table(TABLE, [0.0, 1.0]))
    assert (tables.n_actions, tables.n_outcomes, tables.draws) == (2, 2, True)
    ends = dict(enumerate(zip(tables.code_reward, tables.code_future == 0, strict=True)))
    assert list(tables.code_future) == sorted(tables.code_future, reverse=True)
    step, goal, bonus = (
        next(code for code, kind in ends.items() if kind == wanted)
        for wanted in ((-1.0, False), (3.0, True), (3.0, False))
    )
    # Next row * 256 + code, a row being the next state times two actions. Padding repeats nothing
    # that could be drawn; the last outcome repeats the first.
    pairs = tables.transition.reshape(3, 4)
    first = [2 * 256 + step, 2 * 256 + step, 0 * 256 + goal, 0 * 256 + bonus]
    assert pairs[0].tolist() == first
    assert pairs[2].tolist() == first
    assert (pairs[1, 0], pairs[1, 2]) == (0 * 256 + goal, 2 * 256 + step)
    one = 2**53
    assert tables.threshold.reshape(2, 4).tolist() == [
        [one // 2, one, one // 4, one],
        [one, one, one, one],
    ]
    assert tables.start_row.tolist() == [2]
    assert tables.start_threshold.tolist() == [one]
    assert [tables.code_success[code] for code in (step, goal, bonus)] == [False, True, False]


@pytest.mark.parametrize(
    ("outcomes", "start", "draws"),
    [
        ([(1.0, 0, 0, True)], [1.0, 0.0], False),
        ([(1.0, 0, 0, True)], [0.0, 1.0], False),
        ([(1.0, 0, 0, True)], [0.5, 0.5], True),
        ([(1.0, 0, 0, True), (0.0, 1, 0, True)], [1.0, 0.0], True),
    ],
)
def test_draws_where_a_random_number_can_matter(outcomes, start, draws):
    model = model_from_table({0: {0: outcomes}, 1: {0: [(1.0, 0, 0, True)]}}, start)
    assert kernel_tables(model).draws == draws


@pytest.mark.parametrize(("n_rewards", "code_bits"), [(256, 8), (257, 32)])
def test_any_number_of_kinds_of_reward(n_rewards, code_bits):
    table = {state: {0: [(1.0, 0, state, False)]} for state in range(n_rewards)}
    model = model_from_table(table, np.eye(n_rewards)[0])
    tables = kernel_tables(model)
    assert tables.code_bits == code_bits
    codes = tables.transition[:n_rewards] & tables.transition.dtype.type(2**code_bits - 1)
    assert tables.code_reward[codes].tolist() == list(range(n_rewards))


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


def test_explore_table_by_hand():
    # Epsilon 1, 0.5, 0 with four actions: explore below epsilon, the actions in equal shares.
    table = explore_table(Schedule("linear", 1.0, 0.0, 2), 3, 4)
    one = 2**53
    assert table[0].tolist() == [one, one // 4, one // 2, 3 * one // 4]
    assert table[1].tolist() == [one // 2, one // 8, one // 4, 3 * one // 8]
    assert table[2, 0] == 0


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
