"""Column chunks of a Parquet file: a row group's share of one column, as its pages.

Each way to make one is for a kind of column of a batch: constant within each trial, measured in
each episode, true or false, or counting the episodes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

import numpy as np
import pyarrow as pa

from hq_ray.parquet_pages import (
    DELTA_BINARY_PACKED,
    PLAIN,
    RLE,
    RLE_DICTIONARY,
    UNCOMPRESSED,
    ZSTD,
    Page,
    Run,
    bit_packed,
    counter_page,
    data_page,
    definition_levels,
    dictionary_page,
    merged,
    rle_runs,
)
from hq_ray.thrift_compact import Value, binary, i64, struct

PAGE_ROWS = 262_144
MOST_DISTINCT = 65_536
# Shorter trials share a page of their episode numbers, which otherwise has a header for each.
OWN_PAGE_ROWS = 1_000

Scalar = float | int | str


@dataclass(frozen=True)
class Chunk:
    """A column chunk.

    Attributes:
        pages: in the order of the file.
        rows: nulls included.
        encodings: used in the pages.
        codec: of all pages.
        dictionary_size: of the dictionary page, which then is the first; 0 where there is none.
        statistics: Thrift's Statistics, or None.
    """

    pages: Sequence[Page]
    rows: int
    encodings: tuple[int, ...]
    codec: int
    dictionary_size: int = 0
    statistics: Value | None = None


def constant_chunk(
    values: Sequence[Scalar | None], lengths: Sequence[int], field: pa.Field, statistics: bool
) -> Chunk:
    """Each value repeated over its number of rows: a dictionary, and a run for each value.

    Args:
        values, lengths: of the trials; at least one.
        field: of the schema.
        statistics: whether the chunk has them.

    Raises:
        ValueError: a value is None and the field may not be null.
    """
    first = values[0]
    # 0.0 and -0.0 are equal and yet to be told apart.
    if first != 0 and values.count(first) == len(values):
        return _repeated(first, sum(lengths), field, statistics)
    plain = PLAIN_BYTES[field.type]
    keys = [None if value is None else plain(value) for value in values]
    return _run_chunk(list(zip(keys, values, lengths, strict=True)), field, statistics)


@lru_cache(maxsize=256)
def _repeated(value: Scalar | None, rows: int, field: pa.Field, statistics: bool) -> Chunk:
    """Kept, as the next row group has much of the same."""
    key = None if value is None else PLAIN_BYTES[field.type](value)
    return _run_chunk([(key, value, rows)], field, statistics)


def _run_chunk(
    runs: Sequence[tuple[bytes | None, Scalar | None, int]], field: pa.Field, statistics: bool
) -> Chunk:
    """A chunk of runs, each the PLAIN bytes of its value, the value, and its number of rows."""
    rows = sum([length for _, _, length in runs])
    nulls = sum([length for key, _, length in runs if key is None])
    if nulls and not field.nullable:
        raise ValueError(f"column {field.name!r} must have no nulls, got {nulls}")
    levels = b""
    if field.nullable:
        levels = definition_levels([(int(key is not None), length) for key, _, length in runs])
    # By their bytes, so that 0.0 and -0.0 stay apart.
    distinct = {key: value for key, value, _ in runs if key is not None}
    about = _statistics(list(distinct.values()), nulls, field.type) if statistics else None
    if nulls == rows:
        # An empty dictionary is more than some readers can take.
        page = data_page(rows, PLAIN, levels, UNCOMPRESSED)
        return Chunk((page,), rows, (PLAIN, RLE), UNCOMPRESSED, statistics=about)
    codes = _run_codes([(key, n) for key, _, n in runs if key is not None], list(distinct))
    first = dictionary_page(len(distinct), b"".join(distinct), UNCOMPRESSED)
    pages = (first, data_page(rows, RLE_DICTIONARY, levels + codes, UNCOMPRESSED))
    encodings = (PLAIN, RLE, RLE_DICTIONARY)
    return Chunk(pages, rows, encodings, UNCOMPRESSED, len(first.content), about)


def _run_codes(runs: Sequence[tuple[bytes, int]], distinct: Sequence[bytes]) -> bytes:
    """Dictionary indices in runs, after the byte that tells their width."""
    number = {key: index for index, key in enumerate(distinct)}
    width = max(1, (len(distinct) - 1).bit_length())
    merged_runs = merged((number[key], length) for key, length in runs)
    return bytes([width]) + rle_runs(merged_runs, width)


def number_chunk(values: np.ndarray) -> Chunk:
    """A column of numbers that are never null: a dictionary where that pays, else PLAIN.

    Args:
        values: int32 or float64 (rows,).
    """
    # numba takes a tenth of a second to import, and readers of results never come here.
    from hq_ray.value_codes import value_codes

    bits = values.view(np.int64) if values.itemsize == 8 else values
    distinct, codes = value_codes(bits, min(MOST_DISTINCT, max(1, len(values) // 2)))
    if not len(distinct):
        pages = [data_page(len(v), PLAIN, v.tobytes(), ZSTD) for v in _paged(values)]
        return Chunk(pages, len(values), (PLAIN, RLE), ZSTD)
    plain = distinct if values.itemsize == 8 else distinct.astype(np.int32)
    first = dictionary_page(len(distinct), plain.tobytes(), ZSTD)
    width = _code_width(len(distinct))
    pages = [
        data_page(len(c), RLE_DICTIONARY, bytes([width]) + _packed_codes(c, width), ZSTD)
        for c in _paged(codes)
    ]
    return Chunk(
        [first, *pages],
        len(values),
        (PLAIN, RLE, RLE_DICTIONARY),
        ZSTD,
        dictionary_size=len(first.content),
    )


def flag_chunk(values: np.ndarray, known: Sequence[Run] | None = None) -> Chunk:
    """A column of booleans, PLAIN: one bit each.

    Args:
        values: bool; those that are not null.
        known: runs of 1 where there is a value and 0 where not; None for a column that is never
            null.
    """
    pages, start = [], 0
    for runs in _paged_runs(known if known is not None else [(1, len(values))]):
        stop = start + sum(length for there, length in runs if there)
        body = definition_levels(runs) if known is not None else b""
        body += np.packbits(values[start:stop], bitorder="little").tobytes()
        pages.append(data_page(sum(length for _, length in runs), PLAIN, body, ZSTD))
        start = stop
    rows = len(values) if known is None else sum(length for _, length in known)
    return Chunk(pages, rows, (PLAIN, RLE), ZSTD)


def counter_chunk(lengths: Sequence[int]) -> Chunk:
    """A column that counts 0, 1, 2, ... anew in each trial."""
    rows = sum(lengths)
    if rows < OWN_PAGE_ROWS * len(lengths):
        starts = np.cumsum(lengths) - lengths
        return number_chunk((np.arange(rows) - np.repeat(starts, lengths)).astype(np.int32))
    pages = [counter_page(length) for length in lengths]
    return Chunk(pages, rows, (RLE, DELTA_BINARY_PACKED), UNCOMPRESSED)


def _paged(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(values), PAGE_ROWS):
        yield values[start : start + PAGE_ROWS]


def _paged_runs(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """The runs of each page, cut where a page is full."""
    page, room = [], PAGE_ROWS
    for number, length in runs:
        while length > room:
            yield [*page, (number, room)]
            length -= room
            page, room = [], PAGE_ROWS
        page.append((number, length))
        room -= length
    if page:
        yield page


def _code_width(distinct: int) -> int:
    """Bits of a code. Codes of 2 to 7 bits take whole bytes, which zstd makes shorter still."""
    width = max(1, (distinct - 1).bit_length())
    return 8 if 1 < width < 8 else width


def _packed_codes(codes: np.ndarray, width: int) -> bytes:
    from hq_ray.value_codes import packed

    words = codes.astype(np.uint8) if width == 8 else packed(codes, width)
    return bit_packed(words, len(codes), width)


def _plain_string(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(4, "little") + content


PLAIN_BYTES: Mapping[pa.DataType, Callable[[Scalar], bytes]] = {
    pa.int32(): Struct("<i").pack,
    pa.int64(): Struct("<q").pack,
    pa.float64(): Struct("<d").pack,
    pa.dictionary(pa.int32(), pa.string()): _plain_string,
}
"""The PLAIN encoding of one value of each type."""


def _statistics(distinct: Sequence[Scalar], nulls: int, kind: pa.DataType) -> Value:
    """Statistics of a chunk; NaNs are left out, and a zero is the one that is further out."""
    ordered = [value for value in distinct if value == value]
    if not ordered:
        return struct("Statistics", null_count=i64(nulls))
    least, greatest = min(ordered), max(ordered)
    if isinstance(least, str):
        bounds = greatest.encode(), least.encode()
    else:
        plain = PLAIN_BYTES[kind]
        bounds = plain(greatest or abs(greatest)), plain(least or -abs(least))
    return struct(
        "Statistics",
        null_count=i64(nulls),
        max_value=binary(bounds[0]),
        min_value=binary(bounds[1]),
    )
