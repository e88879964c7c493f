"""An episodes file of which few trials are wanted, or many."""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hq_ray import schema
from hq_ray.reading.page_slices import Span, UnknownPage, labels_are, numbers_in
from hq_ray.store import Results

# Of a file that this writer made the numbers of a trial's episodes are known unread.
OUR_WRITER = "hq_ray version "
# Where one row in so many is wanted, those between are worth passing over.
FEW = 8
# Decoded at once, because what comes after the last trial need not be.
STRIDE_ROWS = 16_384
FOOTERS_KEPT = 256
# What is wrong with a file pyarrow tells better: then it is left to it.
PAGE_PROBLEMS = (UnknownPage, IndexError, ValueError, KeyError, OSError)

Stamp = tuple[str, int, int, int]
"""Path, inode, size and time of change: a file that replaces another has another inode."""


Piece = tuple[str, int, list[pa.Array]]
"""Of a trial: its id, the episode that the piece begins with, and columns from there on."""


class Misplaced(Exception):
    """Trials do not lie in an episodes file as the trials file says; or another tool wrote it."""


@dataclass(frozen=True)
class Wanted:
    """Trials of one row group: its number, and where in it each of them lies."""

    group: int
    spans: Sequence[Span]
    trial_ids: Sequence[str]


@dataclass(frozen=True)
class Footer:
    """What is asked of a file's footer again and again.

    Attributes:
        metadata: all of it.
        stored: names of the columns.
        rows: of each row group.
        ours: whether this writer made the file.
    """

    metadata: pq.FileMetaData
    stored: Sequence[str]
    rows: Sequence[int]
    ours: bool

    @classmethod
    def of(cls, file: pq.ParquetFile) -> "Footer":
        """The footer of an opened file."""
        metadata = file.metadata
        rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        ours = metadata.created_by.startswith(OUR_WRITER)
        return cls(metadata, file.schema_arrow.names, rows, ours)


_footers: OrderedDict[Stamp, Footer] = OrderedDict()


class EpisodesFile:
    """An episodes file of which some trials are wanted; a context, because it is open.

    Attributes:
        stored: names of its columns.
    """

    def __init__(self, results: Results, name: str):
        """Opens it and reads its footer, unless that is remembered; a store gives it whole.

        Raises:
            OSError: it cannot be read; pyarrow.ArrowException: it is damaged.
        """
        folder = results.location.child("episodes")
        self._file: pq.ParquetFile | None = None
        stamp = None
        if results.location.is_local:
            path = f"{folder.path}/{name}"
            before = _stamp(path)
            self._source: pa.NativeFile = pa.OSFile(path, "rb")
            # If it is not the same after, one does not know which of the two was opened.
            stamp = before if before == _stamp(path) else None
        else:
            self._source = pa.BufferReader(folder.read(name))
        footer = _footers.get(stamp) if stamp else None
        if footer is None:
            footer = Footer.of(self._opened())
            _remember(stamp, footer)
        self._footer = footer
        self.stored = footer.stored

    def __enter__(self) -> "EpisodesFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._source.close()

    def _opened(self) -> pq.ParquetFile:
        if self._file is None:
            # Reading ahead pays where one waits for what one reads; this is a disk, or memory.
            self._file = pq.ParquetFile(self._source, pre_buffer=False)
        return self._file

    @property
    def ours(self) -> bool:
        """Whether this writer made the file, so that episodes are in order unseen."""
        return self._footer.ours

    def cut_out(self, trials: pa.Table, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        """Columns of trials, one trial after the other.

        Args:
            trials: all in this file, by `first_row`.
            columns: that are stored, `trial_id` not among them.

        Raises:
            Misplaced: trials do not lie where they must.
        """
        starts, lengths = trials["first_row"].to_numpy(), trials["episodes"].to_numpy()
        read = [column for column in columns if not (self.ours and column == "episode")]
        pieces = list(self.pieces(starts, lengths, trials["trial_id"].to_pylist(), read))
        arrays = {
            name: pa.chunked_array([piece[number] for _, _, piece in pieces])
            for number, name in enumerate(read)
        }
        if len(read) < len(columns):
            counted = [np.arange(length, dtype=np.int32) for length in lengths]
            arrays["episode"] = pa.chunked_array([pa.array(np.concatenate(counted))])
        return arrays

    def pieces(
        self,
        starts: np.ndarray,
        lengths: np.ndarray,
        trial_ids: Sequence[str],
        columns: Sequence[str],
    ) -> Iterator[Piece]:
        """Columns of trials, each trial in one piece or in several that follow each other.

        Args:
            starts: `first_row` of each trial, increasing.
            lengths: their numbers of episodes.
            trial_ids: of them.
            columns: that are stored, `trial_id` not among them.

        Raises:
            Misplaced: trials do not lie where they must.
        """
        for wanted in self._wanted(starts, starts + lengths, trial_ids):
            sure = self._labelled(wanted)
            arrays = self._few(wanted, columns) if sure else None
            if arrays is None:
                yield from self._decoded(wanted, columns, sure)
                continue
            at = 0
            for trial_id, (start, stop) in zip(wanted.trial_ids, wanted.spans, strict=True):
                yield trial_id, 0, [array.slice(at, stop - start) for array in arrays]
                at += stop - start

    def _wanted(
        self, starts: np.ndarray, stops: np.ndarray, trial_ids: Sequence[str]
    ) -> Iterator[Wanted]:
        """Where trials must lie, by row group; each must be whole in one."""
        low = first = 0
        for group, rows in enumerate(self._footer.rows):
            high = low + rows
            last = int(np.searchsorted(starts, high))
            if last > first:
                if stops[last - 1] > high:
                    raise Misplaced
                pairs = zip(starts[first:last] - low, stops[first:last] - low, strict=True)
                spans = [(int(start), int(stop)) for start, stop in pairs]
                yield Wanted(group, spans, trial_ids[first:last])
            low, first = high, last
        if first < len(trial_ids):
            raise Misplaced

    def _labelled(self, wanted: Wanted) -> bool:
        """Whether the rows are known to be of the trials; if not, they have to be decoded."""
        if not self.ours:
            return False
        try:
            content, _ = self._chunk(wanted.group, "trial_id")
            return labels_are(content, wanted.spans, wanted.trial_ids)
        except PAGE_PROBLEMS:
            return False

    def _few(self, wanted: Wanted, columns: Sequence[str]) -> list[pa.Array] | None:
        """Rows that are sure, without those between; None where that does not pay or cannot be."""
        fields = [schema.EPISODES.field(column) for column in columns]
        rows = sum(stop - start for start, stop in wanted.spans)
        pays = rows * FEW <= self._footer.rows[wanted.group] or not columns
        if not pays or any(field.nullable for field in fields):
            return None
        try:
            return [self._numbers(wanted, field) for field in fields]
        except PAGE_PROBLEMS:
            return None

    def _numbers(self, wanted: Wanted, field: pa.Field) -> pa.Array:
        content, compression = self._chunk(wanted.group, field.name)
        kind = np.dtype(field.type.to_pandas_dtype())
        return pa.array(numbers_in(content, compression, kind, wanted.spans))

    def _chunk(self, group: int, column: str) -> tuple[bytes, str]:
        """The bytes of a column chunk, and how its pages are compressed."""
        about = self._footer.metadata.row_group(group).column(self.stored.index(column))
        start = about.dictionary_page_offset or about.data_page_offset
        return self._source.read_at(about.total_compressed_size, start), about.compression

    def _decoded(self, wanted: Wanted, columns: Sequence[str], sure: bool) -> Iterator[Piece]:
        """Their rows, decoded from the first of the row group on."""
        at = now = 0
        spans, ids = wanted.spans, wanted.trial_ids
        names = [*columns, *([] if sure else ["trial_id"])]
        batches = self._opened().iter_batches(STRIDE_ROWS, [wanted.group], names, use_threads=False)
        for batch in batches:
            arrays = [batch.column(name) for name in names]
            end = at + len(batch)
            while now < len(spans) and spans[now][0] < end:
                start, stop = max(spans[now][0], at), min(spans[now][1], end)
                piece = [array.slice(start - at, stop - start) for array in arrays]
                if not (sure or _is_all(piece.pop(), ids[now])):
                    raise Misplaced
                yield ids[now], start - spans[now][0], piece
                if spans[now][1] > end:
                    break
                now += 1
            if now == len(spans):
                break
            at = end


def _is_all(labels: pa.Array, label: str) -> bool:
    """Whether all of these labels, of which there are some, are that label."""
    if not pa.types.is_dictionary(labels.type):
        labels = labels.dictionary_encode()
    codes = labels.indices.to_numpy()
    return labels.dictionary[int(codes[0])].as_py() == label and bool((codes == codes[0]).all())


def _stamp(path: str) -> Stamp:
    about = os.stat(path)
    return path, about.st_ino, about.st_size, about.st_mtime_ns


def _remember(stamp: Stamp | None, footer: Footer) -> None:
    if stamp:
        _footers[stamp] = footer
    while len(_footers) > FOOTERS_KEPT:
        _footers.popitem(last=False)
