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
        (Schedule("linear", 0.0, 1.0, 2), [0.0, 0.5, 1.0, 1.0, 1.0, 1.0]),
        (Schedule("linear", 1.0, 0.25, 1), [1.0, 0.25, 0.25, 0.25, 0.25, 0.25]),
        (Schedule("exponential", 1.0, 0.0625, 4), [1.0, 0.5, 0.25, 0.125, 0.0625, 0.0625]),
        (Schedule("inverse", 1.0, 0.5, 1), [1.0, 0.75, 2 / 3, 0.625, 0.6, 0.5 + 0.5 / 6]),
        (Schedule("inverse", 1.0, 0.0, 2), [1.0, 2 / 3, 0.5, 0.4, 1 / 3, 2 / 7]),
    ],
)
def test_values_by_hand(schedule, expected):
    np.testing.assert_allclose(schedule.values(6), expected, rtol=1e-15)


@pytest.mark.parametrize("kind", SCHEDULE_KINDS)
def test_an_array_of_the_asked_length_that_nobody_can_change(kind):
    values = Schedule(kind, 0.9, 0.1, 10).values(7)
    assert values.shape == (7,)
    assert values.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 0.0


@given(
    st.sampled_from(SCHEDULE_KINDS),
    st.floats(1e-6, 1.0),
    st.floats(1e-6, 1.0),
    st.integers(1, 10_000),
)
def test_values_are_the_naive_ones_bit_for_bit(kind, start, end, decay_episodes):
    values = Schedule(kind, start, end, decay_episodes).values(40)
    expected = [naive.schedule(kind, start, end, decay_episodes, e) for e in range(40)]
    assert values.tolist() == expected
