import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.schedules import SCHEDULE_KINDS, Schedule


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
    assert (values.dtype, values.flags.writeable) == (np.float64, False)
