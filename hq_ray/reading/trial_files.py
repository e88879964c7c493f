"""The trials files of one or several results folders as one table, kept from one call to the next.

Everything that reads results reads all trials first, and mostly nothing was published in between.
Hence what was read last stays in memory, and holds as long as the same files are there.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hq_ray import schema
from hq_ray.decoding import conformed
from hq_ray.errors import ResultsError
from hq_ray.store import DONE, READERS, Results

# Where a trial lies: number of the folder, name of its files, first of its rows among the episodes.
PLACED = ("place", "batch", "first_row")
# Read of every file: which of two rows of a trial counts, and where its episodes lie.
ALWAYS = ("trial_id", "status", "episodes")
KEPT_SWEEPS = 4
KEPT_BYTES = 256 * 2**20

File = tuple[int, str]


@dataclass
class TrialFiles:
    """The trials of some files, each once; a column is read when it is first asked for.

    Attributes:
        folders: results folders.
        files: of them, by number of the folder and name.
    """

    folders: Sequence[Results]
    files: Sequence[File]
    _columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    _chosen: pa.Array | None = None
    _orders: dict[tuple[str, ...], pa.Array] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def table(
        self,
        columns: Sequence[str],
        order: Sequence[str] = (),
        damaged: list[str] | None = None,
    ) -> pa.Table:
        """Columns of the trials files and those of PLACED.

        Args:
            columns: of the trials files.
            order: columns to sort by; none for the order in which trials lie in the files.
            damaged: takes a sentence for each file that cannot be read; None raises.

        Raises:
            ResultsError: a file is damaged or foreign.
        """
        with self._lock:
            missing = [name for name in (*columns, *order, *ALWAYS) if name not in self._columns]
            if missing:
                self._read(list(dict.fromkeys(missing)), damaged)
            names = [*columns, *PLACED]
            table = pa.table({name: self._columns[name] for name in names})
            return table.take(self._sorted(tuple(order))) if order else table

    @property
    def nbytes(self) -> int:
        """Of all columns read so far."""
        return sum(column.nbytes for column in list(self._columns.values()))

    def _read(self, names: list[str], damaged: list[str] | None) -> None:
        fields = [schema.TRIALS.field(name) for name in names]
        local = all(folder.location.is_local for folder in self.folders)
        # A store is waited for, a disk is not.
        with ThreadPoolExecutor(pa.cpu_count() if local else READERS) as pool:
            tables = pool.map(lambda file: self._read_file(file, names, damaged), self.files)
            found = [table for table in tables if table is not None]
        first = self._chosen is None
        places = [(pa.int32(), "place"), (pa.string(), "batch"), (pa.int64(), "first_row")]
        more = [pa.field(name, kind) for kind, name in places] if first else []
        table = pa.concat_tables([pa.schema([*fields, *more]).empty_table(), *found])
        if first:
            self._chosen = _each_once(table)
        table = table.take(self._chosen).combine_chunks()
        self._columns |= dict(zip(table.column_names, table.columns, strict=True))

    def _read_file(
        self, file: File, names: list[str], damaged: list[str] | None
    ) -> pa.Table | None:
        place, name = file
        folder = self.folders[place]
        try:
            opened = folder.open("trials", name)
            with folder.naming("trials", name):
                stored = opened.schema_arrow.names
                present = [column for column in names if column in stored]
                wanted = pa.schema([schema.TRIALS.field(column) for column in names])
                table = conformed(opened.read(present, use_threads=False), wanted, stored)
        except ResultsError as problem:
            if damaged is None:
                raise
            damaged.append(str(problem))
            return None
        return table if self._chosen is not None else _placed(table, place, name)

    def _sorted(self, order: tuple[str, ...]) -> pa.Array:
        if order not in self._orders:
            table = pa.table({name: self._columns[name] for name in order})
            keys = [(name, "ascending") for name in order]
            self._orders[order] = pc.sort_indices(table, sort_keys=keys)
        return self._orders[order]


def _placed(table: pa.Table, place: int, name: str) -> pa.Table:
    """With the columns of PLACED: episodes lie in the order of the trials, those that are done."""
    done = pc.equal(table["status"], DONE).to_numpy()
    rows = np.where(done, table["episodes"].to_numpy(), 0).astype(np.int64)
    table = table.append_column("place", pa.array(np.full(len(table), place, np.int32)))
    table = table.append_column("batch", pa.array([name] * len(table), pa.string()))
    return table.append_column("first_row", pa.array(np.cumsum(rows) - rows))


def _each_once(table: pa.Table) -> pa.Array:
    """Of the rows of a trial the one that counts: done before failed, then the first file's."""
    # A retry that succeeded replaces the failure it retried.
    order = pc.sort_indices(
        pa.table(
            {
                "rank": pc.if_else(pc.equal(table["status"], DONE), 0, 1),
                "place": table["place"],
                "batch": table["batch"],
            }
        ),
        sort_keys=[(name, "ascending") for name in ("rank", "place", "batch")],
    )
    ids = table["trial_id"].take(order).combine_chunks().dictionary_encode()
    if len(ids.dictionary) == len(ids):
        return order
    _, first = np.unique(ids.indices.to_numpy(), return_index=True)
    return order.take(pa.array(first))


_kept: dict[tuple, TrialFiles] = {}
_kept_lock = threading.Lock()


def trial_files(folders: Sequence[Results], damaged: list[str] | None = None) -> TrialFiles:
    """The trials files that are there now; the same object as before while they are the same.

    Args:
        folders: results folders.
        damaged: as will be given to `table`; with it nothing is kept, because some may be left out.
    """
    if damaged is not None or not all(folder.location.is_local for folder in folders):
        return TrialFiles(folders, _files(folders))
    stamps = tuple((f.location.path, f.location.text, *_stamps(f)) for f in folders)
    with _kept_lock:
        found = _kept.pop(stamps, None)
        if found is None:
            names = [(place, file[0]) for place, (_, _, *of) in enumerate(stamps) for file in of]
            found = TrialFiles(folders, names)
        _kept[stamps] = found
        while len(_kept) > 1 and (len(_kept) > KEPT_SWEEPS or _total() > KEPT_BYTES):
            _kept.pop(next(iter(_kept)))
    return found


def _total() -> int:
    return sum(files.nbytes for files in _kept.values())


def _files(folders: Sequence[Results]) -> list[File]:
    return [
        (place, name)
        for place, folder in enumerate(folders)
        for name in folder.location.child("trials").files(".parquet")
    ]


def _stamps(folder: Results) -> list[tuple[str, int, int, int]]:
    """Name, inode, size and time of change of each trials file; a new file has another inode."""
    try:
        entries = list(os.scandir(f"{folder.location.path}/trials"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    visible = [e for e in entries if e.name.endswith(".parquet") and e.name[0] not in "._"]
    told = [(e.name, e.stat()) for e in visible if e.is_file()]
    return sorted((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in told)
