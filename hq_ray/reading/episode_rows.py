"""The episodes of chosen trials as tables, without reading much of what lies between them.

What is constant within a trial is known from the trials files and need not be decoded. The others
are cut out where the trials must lie; a file in which they do not lie there is read as a whole.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hq_ray import schema
from hq_ray.decoding import conformed
from hq_ray.reading.episodes_file import EpisodesFile, Misplaced
from hq_ray.reading.published import named
from hq_ray.store import DONE, READERS, Results

CONSTANT = [name for name in schema.EPISODES.names if name in schema.TRIALS.names]
# Filtered at once, files together: each time has its price.
TASK_ROWS = 500_000


def episode_rows(
    folders: Sequence[Results],
    trials: pa.Table,
    columns: Sequence[str],
    where: pc.Expression | None = None,
) -> Iterator[pa.Table]:
    """The episodes of trials, a table for some files together, in the order of the files.

    Args:
        folders: as given to `trials_table`.
        trials: rows of `trials_table`, with `trial_id`, `status`, `episodes` and those of CONSTANT
            that are among the columns or in `where`; those that are not done are passed over.
        columns: of the episodes files.
        where: which rows.

    Raises:
        ResultsError: an episodes file is damaged, foreign or not there.
    """
    needed = list(dict.fromkeys([*columns, *named(where, schema.EPISODES)]))

    def read(files: Sequence[pa.Table]) -> pa.Table:
        table = pa.concat_tables([_of_file(folders, some, needed) for some in files])
        return (table if where is None else table.filter(where)).select(columns)

    done = trials.filter(pc.equal(trials["status"], DONE))
    keys = [(name, "ascending") for name in ("place", "batch", "first_row")]
    done = done.take(pc.sort_indices(done, sort_keys=keys)).combine_chunks()
    local = all(folder.location.is_local for folder in folders)
    with ThreadPoolExecutor(pa.cpu_count() if local else READERS) as pool:
        yield from pool.map(read, _tasks(_by_file(done)))


def _by_file(trials: pa.Table) -> list[pa.Table]:
    """Sorted trials, cut where another file begins."""
    if not len(trials):
        return []
    names = trials["batch"].combine_chunks().dictionary_encode().indices.to_numpy()
    places = trials["place"].to_numpy()
    starts = np.flatnonzero(np.diff(names) | np.diff(places)) + 1
    edges = [0, *starts.tolist(), len(trials)]
    return [trials.slice(low, high - low) for low, high in pairwise(edges)]


def _tasks(files: Sequence[pa.Table]) -> list[list[pa.Table]]:
    """Files in their order, so many together as have enough rows."""
    tasks: list[list[pa.Table]] = []
    rows = TASK_ROWS
    for trials in files:
        if rows >= TASK_ROWS:
            tasks.append([])
            rows = 0
        tasks[-1].append(trials)
        rows += pc.sum(trials["episodes"]).as_py()
    return tasks


def _of_file(folders: Sequence[Results], trials: pa.Table, columns: Sequence[str]) -> pa.Table:
    """All rows of trials that lie in one file."""
    results, name = folders[trials["place"][0].as_py()], trials["batch"][0].as_py()
    with results.naming("episodes", name), EpisodesFile(results, name) as file:
        logged = [c for c in columns if c in file.stored and c not in CONSTANT]
        try:
            arrays = file.cut_out(trials, logged)
        except Misplaced:
            return results.read("episodes", name, columns, trials["trial_id"].to_pylist())
        lengths = trials["episodes"].to_numpy()
        known = [column for column in columns if column in file.stored and column in CONSTANT]
        numbers = pa.array(np.repeat(np.arange(len(trials)), lengths)) if known else None
        arrays |= {column: _encoded(trials[column]).take(numbers) for column in known}
        wanted = pa.schema([schema.EPISODES.field(column) for column in columns])
        # With a column of its own the table knows its length.
        rows = pa.nulls(int(lengths.sum()))
        return conformed(pa.table({**arrays, "": rows}), wanted, file.stored)


def _encoded(column: pa.ChunkedArray) -> pa.Array:
    """In one piece, text as few distinct values."""
    values = column.combine_chunks()
    return values.dictionary_encode() if pa.types.is_string(values.type) else values
