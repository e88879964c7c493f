"""Rows cut out of pages are those that pyarrow decodes."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hq_ray import parquet_columns
from hq_ray.parquet_columns import constant_chunk, flag_chunk, number_chunk
from hq_ray.reading.page_slices import UnknownPage, labels_are, numbers_in

LABEL = pa.field("trial_id", pa.dictionary(pa.int32(), pa.string()), nullable=False)


def content(chunk):
    return b"".join(page.content for page in chunk.pages)


def compression(chunk):
    return "ZSTD" if chunk.codec else "UNCOMPRESSED"


def cut(values, spans):
    return np.concatenate([values[start:stop] for start, stop in spans])


@st.composite
def rows_and_spans(draw):
    n_rows = draw(st.integers(1, 3000))
    edges = sorted(draw(st.sets(st.integers(0, n_rows), min_size=2, max_size=8)))
    spans = list(pairwise(edges))[:: draw(st.integers(1, 2))]
    return n_rows, spans


@pytest.mark.parametrize("page_rows", [262_144, 500])
@pytest.mark.parametrize("distinct", [1, 2, 5, 200, 256, 257, 700, 10**6])
@pytest.mark.parametrize("kind", [np.float64, np.int32])
@settings(max_examples=10)
@given(asked=rows_and_spans(), seed=st.integers(0, 99))
def test_numbers(asked, seed, kind, distinct, page_rows):
    n_rows, spans = asked
    values = np.random.default_rng(seed).integers(0, distinct, n_rows).astype(kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_columns, "PAGE_ROWS", page_rows)
        chunk = number_chunk(values)
    found = numbers_in(content(chunk), compression(chunk), kind, spans)
    assert found.dtype == kind
    assert found.tobytes() == cut(values, spans).tobytes()


@pytest.mark.parametrize("page_rows", [262_144, 500])
@given(asked=rows_and_spans(), seed=st.integers(0, 99))
def test_flags(asked, seed, page_rows):
    n_rows, spans = asked
    values = np.random.default_rng(seed).random(n_rows) < 0.5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet_columns, "PAGE_ROWS", page_rows)
        chunk = flag_chunk(values)
    found = numbers_in(content(chunk), compression(chunk), np.bool_, spans)
    assert found.dtype == np.bool_
    assert found.tolist() == cut(values, spans).tolist()


def test_labels():
    names = [f"{number:016x}" for number in range(300)]
    chunk = constant_chunk(names, [30] * 300, LABEL, False)
    spans = [(30 * number, 30 * number + 30) for number in range(300)]
    assert labels_are(content(chunk), spans, names)
    assert labels_are(content(chunk), spans[7:280:3], names[7:280:3])
    assert not labels_are(content(chunk), spans[:2], names[1:3])
    assert not labels_are(content(chunk), [(29, 59)], names[:1])
    assert not labels_are(content(chunk), [(30, 61)], names[1:2])
    assert not labels_are(content(chunk), [(9000, 9030)], names[:1])


def test_pages_of_other_writers_are_left_alone(tmp_path):
    values = pa.array(np.repeat(np.arange(4.0), 100))
    table = pa.table({"value": values}, schema=pa.schema([pa.field("value", pa.float64(), False)]))
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    about = pq.read_metadata(tmp_path / "a.parquet").row_group(0).column(0)
    start = about.dictionary_page_offset
    chunk = (tmp_path / "a.parquet").read_bytes()[start : start + about.total_compressed_size]
    with pytest.raises(UnknownPage):
        numbers_in(chunk, "ZSTD", np.float64, [(0, 150)])
    with pytest.raises(UnknownPage):
        numbers_in(chunk, "SNAPPY", np.float64, [(0, 150)])
