import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hq_ray.value_codes import packed, value_codes

whole = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)


def bits_of(words, width, count):
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    return bits[: count * width].reshape(count, width) @ (1 << np.arange(width, dtype=np.int64))


@given(arrays(np.int64, st.integers(0, 200), elements=whole))
def test_codes_are_places_among_the_distinct_values(values):
    distinct, codes = value_codes(values, 200)
    assert (distinct[codes] == values).all()
    assert list(distinct) == list(dict.fromkeys(values.tolist()))


@pytest.mark.parametrize("step", [1, 2**20, 2**44, 2**52])
def test_many_values_a_step_apart(step):
    values = np.tile(np.arange(1000) * step, 3)
    distinct, codes = value_codes(values, 1000)
    assert (distinct == values[:1000]).all()
    assert (codes == np.tile(np.arange(1000), 3)).all()


def test_more_than_the_limit_is_nothing():
    values = np.arange(10)
    assert len(value_codes(values, 10)[0]) == 10
    assert len(value_codes(values, 9)[0]) == 0


def test_floats_are_their_bits():
    values = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, np.nan, 0.0])
    distinct, codes = value_codes(values.view(np.int64), 7)
    assert codes.tolist() == [0, 1, 2, 3, 4, 2, 0]
    assert distinct.view(np.float64)[codes].tobytes() == values.tobytes()


def test_the_example_of_the_format():
    words = packed(np.arange(8, dtype=np.uint32), 3)
    assert words.tobytes()[:3] == bytes([0b10001000, 0b11000110, 0b11111010])


@given(st.integers(1, 32), st.integers(0, 50), st.randoms(use_true_random=False))
def test_packed_numbers_come_back(width, count, random):
    numbers = [random.randrange(2**width) for _ in range(count)]
    words = packed(np.array(numbers, np.uint32), width)
    assert len(words.tobytes()) >= -(-count // 8) * width
    assert bits_of(words, width, count).tolist() == numbers
    assert not np.unpackbits(words.view(np.uint8), bitorder="little")[count * width :].any()
