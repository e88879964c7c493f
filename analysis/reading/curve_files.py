"""Where trials lie, and their curves out of an episodes file, row group by row group.

An episodes file holds its trials one after the other, the episodes of each in order. So a trial is
a run of equal numbers in the dictionary-encoded `trial_id`, and no row needs to be looked up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hq_ray import schema
from hq_ray.decoding import conformed
from hq_ray.errors import InputError, ResultsError, near_miss
from hq_ray.reading.episodes_file import EpisodesFile, Misplaced
from hq_ray.reading.published import trials_table
from hq_ray.store import DONE, Results

# So many trials are named in a sentence.
NAMED = 5


@dataclass(frozen=True)
class Spot:
    """Where a trial lies: folder, file, its first row there if the file is as it was written,
    number of episodes, and its number among all trials.
    """

    place: int
    batch: str
    first_row: int
    episodes: int
    number: int


@dataclass(frozen=True)
class Wanted:
    """A trial that is to be read.

    Attributes:
        first_row: where its episodes begin, if the file is as it was written.
        episodes: how many it must have.
        rows: arrays `(episodes,)` by column, each of which takes the trial's curves.
    """

    first_row: int
    episodes: int
    rows: list[Mapping[str, np.ndarray]]


def located(folders: Sequence[Results], groups: Sequence[Sequence[str]]) -> dict[str, Spot]:
    """Where the trials of the groups lie; refuses those that are not done."""
    table = trials_table(folders, ["trial_id", "status", "episodes"])
    wanted = {trial_id for group in groups for trial_id in group}
    names = ("trial_id", "status", "place", "batch", "first_row", "episodes")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    spots = {
        trial_id: Spot(place, batch, first_row, episodes, number)
        for number, (trial_id, status, place, batch, first_row, episodes) in enumerate(rows)
        if status == DONE and trial_id in wanted
    }
    missing = sorted(wanted - set(spots))
    if missing:
        where = " and ".join(folder.location.text for folder in folders)
        raise ResultsError(
            f"trials must be published as done in {where}, but {len(missing):,} of "
            f"{len(wanted):,} are not: {_some(missing)}"
        )
    return spots


def common_length(number: int, group: Sequence[str], spots: Mapping[str, Spot]) -> int:
    """The number of episodes that all trials of a group have."""
    if not group:
        raise InputError(f"a group must have at least one trial; group {number} has none")
    by_length: dict[int, list[str]] = {}
    for trial_id in group:
        by_length.setdefault(spots[trial_id].episodes, []).append(trial_id)
    if len(by_length) > 1:
        found = "; ".join(f"{n:,} episodes: {_some(ids)}" for n, ids in sorted(by_length.items()))
        raise ResultsError(
            "trials of a group must have the same number of episodes; in group "
            f"{number} are {found}"
        )
    return next(iter(by_length))


def _some(trial_ids: Sequence[str]) -> str:
    return ", ".join(trial_ids[:NAMED]) + (", ..." if len(trial_ids) > NAMED else "")


def array_type(column: str) -> np.dtype:
    """What the values of an episodes column become: float64, with NaN for null, if it may be null.

    Raises:
        InputError: there is no such column, or it holds text.
    """
    names = [f.name for f in schema.EPISODES if not pa.types.is_dictionary(f.type)]
    if column not in names:
        raise InputError(f"unknown column {column!r} of curves{near_miss(column, names)}")
    field = schema.EPISODES.field(column)
    return np.dtype(np.float64 if field.nullable else field.type.to_pandas_dtype())


def read_file(results: Results, name: str, wanted: Mapping[str, Wanted]) -> None:
    """Fills the rows of the wanted trials, all of which lie in this episodes file.

    Raises:
        ResultsError: the file is damaged or not there, a trial has not as many episodes as it must,
            or they are not in order.
    """
    with results.naming("episodes", name), EpisodesFile(results, name) as file:
        columns = list(next(iter(wanted.values())).rows[0])
        if file.ours and "episode" not in columns and set(columns) <= set(file.stored):
            try:
                return _fill_pieces(file, columns, wanted)
            except Misplaced:
                pass
    _search(results, name, wanted)


def _fill_pieces(file: EpisodesFile, columns: Sequence[str], wanted: Mapping[str, Wanted]) -> None:
    """As `read_file`, where trials lie as this writer put them."""
    trials = sorted(wanted.items(), key=lambda item: item[1].first_row)
    starts = np.array([one.first_row for _, one in trials])
    lengths = np.array([one.episodes for _, one in trials])
    ids = [trial_id for trial_id, _ in trials]
    for trial_id, low, piece in file.pieces(starts, lengths, ids, columns):
        for column, values in zip(columns, piece, strict=True):
            array = _numbers(values, column)
            for row in wanted[trial_id].rows:
                row[column][low : low + len(array)] = array


def _search(results: Results, name: str, wanted: Mapping[str, Wanted]) -> None:
    """As `read_file`, wherever in the file the trials lie."""
    columns = next(iter(wanted.values())).rows[0].keys()
    found = dict.fromkeys(wanted, 0)
    file = results.open("episodes", name)
    with results.naming("episodes", name):
        for group in range(file.num_row_groups):
            runs = [run for run in _runs(file, group) if run[0] in wanted]
            arrays = _arrays(file, group, columns) if runs else {}
            for trial_id, start, stop in runs:
                low, high = found[trial_id], found[trial_id] + stop - start
                if not np.array_equal(arrays["episode"][start:stop], np.arange(low, high)):
                    raise ResultsError(
                        f"episodes must be in order in {_text(results, name)}, those of trial "
                        f"{trial_id} are not"
                    )
                found[trial_id] = high
                for row in wanted[trial_id].rows if high <= wanted[trial_id].episodes else ():
                    for column in columns:
                        row[column][low:high] = arrays[column][start:stop]
    _check_complete(results, name, wanted, found)


def _runs(file: pq.ParquetFile, group: int) -> Iterator[tuple[str, int, int]]:
    """(trial_id, first row, row after the last) of each run of rows of one trial."""
    table = file.read_row_group(group, columns=["trial_id"], use_threads=False)
    labels = table["trial_id"].combine_chunks()
    if not pa.types.is_dictionary(labels.type):
        labels = labels.dictionary_encode()
    encoded = pc.run_end_encode(labels.indices)
    stops = encoded.run_ends.to_numpy().tolist()
    names = labels.dictionary.take(encoded.values).to_pylist()
    return zip(names, [0, *stops][:-1], stops, strict=True)


def _arrays(file: pq.ParquetFile, group: int, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of a row group, `episode` among them."""
    fields = pa.schema([schema.EPISODES.field(c) for c in dict.fromkeys(["episode", *columns])])
    stored = file.schema_arrow.names
    present = [name for name in fields.names if name in stored]
    table = conformed(
        file.read_row_group(group, columns=present, use_threads=False), fields, stored
    )
    return {name: _numbers(table[name].combine_chunks(), name) for name in fields.names}


def _numbers(values: pa.Array, column: str) -> np.ndarray:
    if schema.EPISODES.field(column).nullable:
        values = values.cast(pa.float64())
    return values.to_numpy(zero_copy_only=False)


def _check_complete(
    results: Results, name: str, wanted: Mapping[str, Wanted], found: Mapping[str, int]
) -> None:
    for trial_id, one in wanted.items():
        if found[trial_id] != one.episodes:
            raise ResultsError(
                f"trial {trial_id} must have {one.episodes:,} episodes in "
                f"{_text(results, name)}, found {found[trial_id]:,}"
            )


def _text(results: Results, name: str) -> str:
    return results.location.child("episodes").child(name).text
