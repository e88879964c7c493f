from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hq_ray.parquet_pages import (
    ZSTD,
    bit_packed,
    counter_page,
    data_page,
    definition_levels,
    merged,
    rle_runs,
)


def test_runs_are_lengths_and_whole_bytes():
    assert rle_runs([(1, 3), (0, 64)], 1).hex() == "0601" + "800100"
    assert rle_runs([(300, 2)], 9).hex() == "04" + "2c01"


def test_packed_runs_are_filled_to_groups_of_eight():
    assert bit_packed(np.array([5, 6, 7], np.uint8), 3, 8) == b"\x03\x05\x06\x07" + b"\0" * 5
    assert bit_packed(np.zeros(9, np.uint8), 9, 8) == b"\x05" + b"\0" * 16


def test_levels_have_their_length_before_them():
    assert definition_levels([(1, 4), (1, 4), (0, 1)]).hex() == "04000000" + "1001" + "0200"


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4))))
def test_merged_runs_say_the_same_in_fewer(runs):
    joined = merged(runs)
    assert [n for n, length in joined for _ in range(length)] == [
        n for n, length in runs for _ in range(length)
    ]
    assert all(length for _, length in joined)
    assert all(a != b for (a, _), (b, _) in pairwise(joined))


@pytest.mark.parametrize(
    ("length", "body"),
    [
        # Block of 1,024 in one miniblock, count, first value 0; then least difference 1, no bits.
        (1, "8008" "01" "01" "00"),
        (2, "8008" "01" "02" "00" "0200"),
        (1025, "8008" "01" "8108" "00" "0200"),
        (1026, "8008" "01" "8208" "00" "02000200"),
    ],
)  # fmt: skip
def test_a_counter_is_a_few_bytes(length, body):
    assert counter_page(length).content.endswith(bytes.fromhex(body))


def test_a_page_tells_its_size_before_compression():
    body = bytes(10_000)
    page = data_page(10_000, 0, body, ZSTD)
    assert len(page.content) < 100
    header = page.uncompressed - len(body)
    assert 10 < header < 40
