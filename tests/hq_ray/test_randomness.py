"""What a trial draws its numbers from, and what it compares them with, as the definitions say."""

from fractions import Fraction

import gymnasium
import naive
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from hq_ray.gymnasium_loop import choose_action
from hq_ray.pcg64 import agent_generator, agent_stream, environment_stream, pcg64_advance
from hq_ray.schedules import SCHEDULE_KINDS, Schedule
from hq_ray.tables import draw_threshold, explore_table

# Streams


@njit
def advance(stream, count):
    high, low = stream[0], stream[1]
    outputs = np.empty(count, np.uint64)
    for i in range(count):
        high, low, outputs[i] = pcg64_advance(high, low, stream[2], stream[3])
    return outputs


def test_one_step_by_hand():
    # 1 * multiplier + 0: high and low are the multiplier's halves, xored and rotated right by
    # the top six bits of high, 0x23 >> 2 = 8.
    mixed = 0x2360ED051FC65DA4 ^ 0x4385DF649FCCF645
    expected = mixed >> 8 | (mixed & 0xFF) << 56
    assert advance(np.array([0, 1, 0, 0], np.uint64), 1).tolist() == [expected]


@pytest.mark.parametrize("seed", [0, 42, 2**32, 2**63 - 1])
def test_streams_give_the_bits_of_numpy(seed):
    environment = gymnasium.Env()
    environment.reset(seed=seed)
    contract = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0,)))
    for stream, generator in (
        (environment_stream, environment.np_random.bit_generator),
        (agent_stream, agent_generator(seed).bit_generator),
        (agent_stream, contract),
    ):
        outputs = advance(stream(seed), 1_000)
        assert np.array_equal(outputs, generator.random_raw(1_000))
    doubles = np.random.default_rng(seed).random(1_000)
    outputs = advance(environment_stream(seed), 1_000)
    assert np.array_equal((outputs >> np.uint64(11)) * 2.0**-53, doubles)


# Schedules


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule("constant", 0.3), [0.3, 0.3, 0.3, 0.3, 0.3, 0.3]),
        (Schedule("linear", 1.0, 0.5, 4), [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]),
        (Schedule("exponential", 1.0, 0.0625, 4), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.0625]),
        (Schedule("inverse", 1.0, 0.5, 1), [1.0, 0.75, 2 / 3, 0.625, 0.6, 0.5 + 0.5 / 6]),
    ],
)
def test_values_by_hand(schedule, expected):
    np.testing.assert_allclose(schedule.values(6), expected, rtol=1e-15)


ends = st.floats(1e-6, 1.0)


@given(st.sampled_from(SCHEDULE_KINDS), ends, ends, st.integers(1, 10_000))
def test_values_are_the_naive_ones_bit_for_bit_and_fixed(kind, start, end, decay_episodes):
    values = Schedule(kind, start, end, decay_episodes).values(40)
    expected = [naive.schedule(kind, start, end, decay_episodes, e) for e in range(40)]
    assert values.tolist() == expected
    assert not values.flags.writeable


# Thresholds


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
