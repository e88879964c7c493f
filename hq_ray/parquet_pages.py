"""The pages of a Parquet file: what runs, levels, dictionaries and counters look like in bytes.

Source: Apache Parquet format, Encodings.md, and parquet.thrift for headers and numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from hq_ray.thrift_compact import Value, i32, struct, varint, zigzag

# Encoding
PLAIN, RLE, DELTA_BINARY_PACKED, RLE_DICTIONARY = 0, 3, 5, 8
# PageType
DATA_PAGE, DICTIONARY_PAGE = 0, 2
# CompressionCodec
UNCOMPRESSED, ZSTD = 0, 6

# Level 1 is the quickest that shrinks what has no repetitions in it.
ZSTD_LEVEL = 1
DELTA_BLOCK = 1024

Run = tuple[int, int]
"""A number and how many rows it is repeated over."""


@dataclass(frozen=True)
class Page:
    """A page as it lies in the file, its header included.

    Attributes:
        content: header and body.
        uncompressed: size of both before compression [bytes].
    """

    content: bytes
    uncompressed: int


def data_page(rows: int, encoding: int, body: bytes, codec: int) -> Page:
    """A DATA_PAGE of so many rows, nulls included; `body` is its levels, then its values."""
    return _page(DATA_PAGE, body, codec, data_page_header=_data_page_header(rows, encoding))


@lru_cache(maxsize=64)
def _data_page_header(rows: int, encoding: int) -> Value:
    return struct(
        "DataPageHeader",
        num_values=i32(rows),
        encoding=i32(encoding),
        definition_level_encoding=i32(RLE),
        repetition_level_encoding=i32(RLE),
    )


def dictionary_page(count: int, body: bytes, codec: int) -> Page:
    """A DICTIONARY_PAGE; `body` is the distinct values, PLAIN."""
    header = struct("DictionaryPageHeader", num_values=i32(count), encoding=i32(PLAIN))
    return _page(DICTIONARY_PAGE, body, codec, dictionary_page_header=header)


def _page(kind: int, body: bytes, codec: int, **header: Value) -> Page:
    stored = body if codec == UNCOMPRESSED else _zstd().compress(body, asbytes=True)
    sizes = {
        "uncompressed_page_size": i32(len(body)),
        "compressed_page_size": i32(len(stored)),
    }
    _, head = struct("PageHeader", type=i32(kind), **sizes, **header)
    return Page(head + stored, len(head) + len(body))


@lru_cache(maxsize=1)
def _zstd() -> pa.Codec:
    return pa.Codec("zstd", compression_level=ZSTD_LEVEL)


def merged(runs: Iterable[Run]) -> list[Run]:
    """Runs with neighbours of the same number joined and without empty ones."""
    joined: list[Run] = []
    for number, length in runs:
        if joined and joined[-1][0] == number:
            joined[-1] = (number, joined[-1][1] + length)
        elif length:
            joined.append((number, length))
    return joined


def rle_runs(runs: Iterable[Run], width: int) -> bytes:
    """The run-length half of the hybrid encoding, numbers in whole bytes of `width` bits."""
    size = (width + 7) // 8
    return b"".join(
        [varint(length << 1) + number.to_bytes(size, "little") for number, length in runs]
    )


def bit_packed(words: np.ndarray, count: int, width: int) -> bytes:
    """The bit-packed half of the hybrid encoding, as one run over groups of 8 numbers.

    Args:
        words: the numbers packed in `width` bits each, low bits first, any integer type.
        count: how many they are.
        width: [bits].
    """
    groups = -(-count // 8)
    body = words.tobytes()[: groups * width].ljust(groups * width, b"\0")
    return varint(groups << 1 | 1) + body


def definition_levels(runs: Iterable[Run]) -> bytes:
    """The levels of a column that may be null: runs of 1 where there is a value, 0 where not."""
    body = rle_runs(merged(runs), 1)
    return len(body).to_bytes(4, "little") + body


@lru_cache(maxsize=256)
def counter_page(length: int) -> Page:
    """A page of 0, 1, 2, ..., length - 1 as packed differences (DELTA_BINARY_PACKED).

    One miniblock a block, and every difference is the block's least, 1: no bits are left over.
    """
    header = varint(DELTA_BLOCK) + varint(1) + varint(length) + varint(zigzag(0))
    block = varint(zigzag(1)) + b"\0"
    body = header + block * -(-(length - 1) // DELTA_BLOCK)
    return data_page(length, DELTA_BINARY_PACKED, body, UNCOMPRESSED)
