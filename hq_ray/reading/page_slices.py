"""Some rows of a column chunk, when few of many are wanted: pages are unpacked there only.

Understands the pages that `hq_ray.parquet_columns` makes of what never is null, and no others. A
Parquet reader decodes a column from its first row on, hundreds of thousands for one trial's few.

Source: Apache Parquet format, Encodings.md and parquet.thrift; Thrift compact protocol.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

# Encoding, PageType and CompressionCodec in parquet.thrift.
PLAIN, RLE_DICTIONARY = 0, 8
DICTIONARY_PAGE = 2
CODECS = {"UNCOMPRESSED": None, "ZSTD": "zstd"}
# Fields of PageHeader, DataPageHeader and DictionaryPageHeader.
TYPE, UNCOMPRESSED_SIZE, COMPRESSED_SIZE, DATA_HEADER = 1, 2, 3, 5
NUM_VALUES, ENCODING = 1, 2
# Types of the compact protocol.
TRUE, FALSE, INTEGERS, STRUCT = 1, 2, (4, 5, 6), 12

Span = tuple[int, int]
"""First row and row after the last, counted in the row group."""


class UnknownPage(Exception):
    """A page of another writer."""


@dataclass(frozen=True)
class Page:
    """A page without its header; `rows` and `encoding` are None for a dictionary."""

    body: bytes
    rows: int | None
    encoding: int | None


def numbers_in(
    content: bytes, compression: str, kind: np.dtype, spans: Sequence[Span]
) -> np.ndarray:
    """The values of some rows, one span after the other.

    Args:
        content: the column chunk as it lies in the file.
        compression: as pyarrow's metadata call it.
        kind: bool, int32 or float64.
        spans: increasing, none within another.

    Raises:
        UnknownPage: a page that the writer of episodes does not make.
    """
    kind = np.dtype(kind)
    known, found, low = np.empty(0, kind), [np.empty(0, kind)], 0
    for page in _pages(content, compression):
        if page.rows is None:
            known = np.frombuffer(page.body, kind)
            continue
        high = low + page.rows
        cuts = [(max(a, low) - low, min(b, high) - low) for a, b in spans if a < high and b > low]
        found += [_values(page, kind, known, start, stop) for start, stop in cuts]
        low = high
        if low >= spans[-1][1]:
            break
    return np.concatenate(found)


def labels_are(content: bytes, spans: Sequence[Span], labels: Sequence[str]) -> bool:
    """Whether each span has one label throughout, and that which is given.

    Args:
        content: a column chunk of labels that are all of one length, uncompressed.
        spans: as above.
        labels: of the spans.

    Raises:
        UnknownPage: as above.
    """
    dictionary, *pages = _pages(content, "UNCOMPRESSED")
    if dictionary.rows is not None or any(page.encoding != RLE_DICTIONARY for page in pages):
        raise UnknownPage
    runs = (run for page in pages for run in _runs(page.body))
    low = high = index = 0
    for (start, stop), label in zip(spans, labels, strict=True):
        while high <= start:
            index, length = next(runs, (-1, 0))
            if index < 0:
                return False
            low, high = high, high + length
        plain = len(label).to_bytes(4, "little") + label.encode()
        if stop > high or start < low or not dictionary.body.startswith(plain, index * len(plain)):
            return False
    return True


def _pages(content: bytes, compression: str) -> Iterator[Page]:
    if compression not in CODECS:
        raise UnknownPage
    at = 0
    while at < len(content):
        header, at = _struct(content, at)
        body = content[at : at + header[COMPRESSED_SIZE]]
        at += len(body)
        if CODECS[compression]:
            body = _codec(CODECS[compression]).decompress(
                body, header[UNCOMPRESSED_SIZE], asbytes=True
            )
        about = header.get(DATA_HEADER)
        if about:
            yield Page(body, about[NUM_VALUES], about[ENCODING])
        elif header[TYPE] == DICTIONARY_PAGE:
            yield Page(body, None, None)
        else:
            raise UnknownPage


@lru_cache(maxsize=2)
def _codec(name: str) -> pa.Codec:
    return pa.Codec(name)


def _values(page: Page, kind: np.dtype, known: np.ndarray, start: int, stop: int) -> np.ndarray:
    if page.encoding == PLAIN and kind == np.bool_:
        return _packed(page.body, 0, 1, start, stop).astype(bool)
    if page.encoding == PLAIN:
        size = kind.itemsize
        return np.frombuffer(page.body, kind, stop - start, start * size)
    if page.encoding != RLE_DICTIONARY:
        raise UnknownPage
    head, at = _varint(page.body, 1)
    # One run of packed codes is the whole page; a run of equal ones would be even.
    if head % 2 == 0 or (head >> 1) * 8 < page.rows:
        raise UnknownPage
    return known[_packed(page.body, at, page.body[0], start, stop)]


def _packed(body: bytes, at: int, width: int, start: int, stop: int) -> np.ndarray:
    """Numbers `start` to `stop` of those packed from byte `at` on, in `width` bits each."""
    first, last = at + start * width // 8, at + -(-stop * width // 8)
    octets = np.frombuffer(body, np.uint8, last - first, first)
    if width == 8:
        return octets
    skip = start * width % 8
    bits = np.unpackbits(octets, count=skip + (stop - start) * width, bitorder="little")[skip:]
    if width == 1:
        return bits
    wide = np.zeros((stop - start, 32), np.uint8)
    wide[:, :width] = bits.reshape(-1, width)
    return np.packbits(wide, axis=1, bitorder="little").view("<u4")[:, 0]


def _runs(body: bytes) -> Iterator[tuple[int, int]]:
    """(number, length) of each run after the byte that tells the width."""
    size, at = (body[0] + 7) // 8, 1
    while at < len(body):
        head, at = _varint(body, at)
        if head % 2:
            raise UnknownPage
        yield int.from_bytes(body[at : at + size], "little"), head >> 1
        at += size


def _struct(content: bytes, at: int) -> tuple[dict, int]:
    """A struct of the compact protocol, its values by field number, and where it ends."""
    fields: dict = {}
    number = 0
    while content[at]:
        step, kind = content[at] >> 4, content[at] & 15
        number, at = number + step, at + 1
        if not step or kind not in (TRUE, FALSE, *INTEGERS, STRUCT):
            raise UnknownPage
        if kind == STRUCT:
            fields[number], at = _struct(content, at)
        elif kind in INTEGERS:
            value, at = _varint(content, at)
            fields[number] = value >> 1 ^ -(value & 1)
    return fields, at + 1


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while content[at] & 128:
        value |= (content[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | content[at] << shift, at + 1
