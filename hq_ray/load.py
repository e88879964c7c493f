"""Reads results: trials and episodes as frames, curves and Q tables as arrays.

The trials files say which episodes file holds a trial, and its column `trial_id` says which rows:
they follow each other, in the order of the episodes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hq_ray import schema
from hq_ray.conditions import Where, all_of, conditions, named
from hq_ray.errors import InputError, ResultsError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.published import COUNTED, Place, opened, readers, trials_table, warn
from hq_ray.store import DONE, Results
from hq_ray.trial import Trial

SORTED_BY = (
    *("env", "env_args", "variant", *HYPERPARAMETERS, "episodes", "max_steps"),
    *("fingerprint", "seed", "trial_id"),
)
# `stream_curves` holds about this much; a group that needs more is held alone.
BUDGET_BYTES = 512 * 2**20
# An error message lists this many trials.
LISTED = 5

Curves = dict[str, np.ndarray]
Spot = tuple[int, str, int]
"""Of a trial: the number of its folder, the name of its files, how many episodes it has."""


class Run(NamedTuple):
    """Consecutive rows of one trial: their first episode, the first row, the row after the last."""

    trial_id: str
    episode: int
    start: int
    stop: int


def load_trials(
    results: Place | Sequence[Place],
    where: Where | None = None,
    columns: Sequence[str] | None = None,
    damaged: list[str] | None = None,
    *,
    quiet: bool = False,
) -> pd.DataFrame:
    """One row per committed trial, sorted by env, variant, hyperparameters and seed.

    Failed trials are among them: see `status`. A trial published as failed and later as done, or in
    several of the results, counts once.

    Args:
        results: a path, a URI, a `Results`, or several of these.
        where: which trials, such as "alpha == 0.2 and variant == 'harmonic'"; see
            `hq_ray.conditions`, or a pyarrow filter or expression.
        columns: None for all.
        damaged: list to append an error message to for each unreadable file; None raises the first.
        quiet: whether to leave out the warnings.

    Raises:
        InputError: no run or sweep wrote the results; an unknown column; a malformed `where`.
        ResultsError: a trials file is damaged or foreign.

    Warns:
        ResultsWarning: for each sentence of `problems`.
    """
    folders = opened(results)
    names = _checked(schema.TRIALS.names if columns is None else columns, schema.TRIALS)
    condition = all_of(conditions(where, schema.TRIALS))
    read = list(dict.fromkeys([*names, *COUNTED, *SORTED_BY]))
    table = trials_table(folders, read, damaged, condition)
    if not quiet:
        warn(folders, table)
    return table.sort_by([(name, "ascending") for name in SORTED_BY]).select(names).to_pandas()


def load_episodes(
    results: Place | Sequence[Place],
    where: Where | None = None,
    columns: Sequence[str] | None = None,
    *,
    quiet: bool = False,
) -> pd.DataFrame:
    """One row per episode of every trial that is done, each trial whole and its episodes in order.

    Args:
        results: a path, a URI, a `Results`, or several of these.
        where: which episodes, as in `load_trials`; it may name columns of episodes and of trials.
        columns: of the episodes, and columns of the trials to join, such as `alpha`; None for
            those of the episodes files. Text is categorical.
        quiet: whether to leave out the warnings.

    Raises:
        InputError: as for `load_trials`.
        ResultsError: a file is damaged, foreign or missing.

    Warns:
        ResultsWarning: for each sentence of `problems`.
    """
    folders = opened(results)
    names = _checked(schema.EPISODES.names if columns is None else columns, schema.JOINED)
    of_trials, rest = [], []
    for part in conditions(where, schema.JOINED):
        of_trial = set(named(part, schema.JOINED)) <= set(schema.TRIALS.names)
        (of_trials if of_trial else rest).append(part)
    of_rows = all_of(rest)
    needed = pa.schema(
        schema.JOINED.field(name)
        for name in dict.fromkeys([*names, *named(of_rows, schema.JOINED)])
    )
    constant = [name for name in needed.names if name in schema.TRIALS.names]
    logged = [name for name in needed.names if name not in constant]
    read = ["trial_id", "episodes", *COUNTED, *constant]
    trials = trials_table(folders, list(dict.fromkeys(read)), where=all_of(of_trials))
    if not quiet:
        warn(folders, trials)
    trials = trials.filter(pc.equal(trials["status"], DONE)).combine_chunks()
    ids, lengths = trials["trial_id"].to_pylist(), trials["episodes"].to_pylist()
    shared = schema.conformed(trials, pa.schema(needed.field(name) for name in constant))

    def rows_of_file(file: tuple[int, str], number: Mapping[str, int]) -> pa.Table:
        """The rows of one file, where the trials of these ids are."""
        wanted = {trial_id: lengths[n] for trial_id, n in number.items()}
        whole, trial = [], []
        for runs, table in _rows_of_trials(folders[file[0]], file[1], wanted, logged):
            whole += [table.slice(run.start, run.stop - run.start) for run in runs]
            trial += [np.full(run.stop - run.start, number[run.trial_id]) for run in runs]
        of_trial = shared.take(pa.array(np.concatenate(trial)))
        of_episode = pa.concat_tables(whole)
        columns = [(of_trial if n in constant else of_episode)[n] for n in needed.names]
        table = pa.table(columns, schema=needed)
        return (table if of_rows is None else table.filter(of_rows)).select(names)

    files: dict[tuple[int, str], dict[str, int]] = {}
    places = zip(trials["place"].to_pylist(), trials["batch"].to_pylist(), ids, strict=True)
    for n, (place, batch, trial_id) in enumerate(places):
        files.setdefault((place, batch), {})[trial_id] = n
    with readers(folders) as pool:
        tables = list(pool.map(rows_of_file, files.keys(), files.values()))
    frame = pa.concat_tables([needed.empty_table().select(names), *tables])
    frame = frame.unify_dictionaries().to_pandas()
    for label in frame.select_dtypes("category"):
        used = frame[label].cat.remove_unused_categories()
        frame[label] = used.cat.reorder_categories(sorted(used.cat.categories))
    return frame


def stream_curves(
    results: Place | Sequence[Place], groups: Sequence[Sequence[str]], columns: Sequence[str]
) -> Iterator[tuple[int, Curves]]:
    """The curves of each group of trials, in the order of the groups and in bounded memory.

    Args:
        results: a path, a URI, a `Results`, or several of these.
        groups: trial ids, typically the seeds of one configuration in their order.
        columns: numbers or truth values of the episodes, such as `episode_return` and `success`.

    Yields:
        Number of the group, and by column an array `(n_trials, n_episodes)`: float64
        `episode_return`, int32 `steps`, bool `terminated` and `truncated`. A column that may be
        null, `success`, is float64: 0, 1, and NaN where it is unknown.

    Raises:
        InputError: no such results, an unknown column, an empty group.
        ResultsError: a trial is not published as done; trials of one group differ in their number
            of episodes; a file is damaged, or does not hold its trials' episodes in order.
    """
    folders = opened(results)
    kinds = {name: _array_type(name) for name in columns}
    spots = _spots(folders, groups)
    lengths = [_common_length(number, group, spots) for number, group in enumerate(groups)]
    per_episode = sum(kind.itemsize for kind in kinds.values())

    def filled(some: dict[int, Curves]) -> Iterator[tuple[int, Curves]]:
        _fill(folders, groups, spots, some)
        # What is handed over is the caller's to keep or to free.
        for number in list(some):
            yield number, some.pop(number)

    def rounds() -> Iterator[tuple[int, Curves]]:
        some: dict[int, Curves] = {}
        held = 0
        for number, (group, length) in enumerate(zip(groups, lengths, strict=True)):
            size = len(group) * length * per_episode
            if some and held + size > BUDGET_BYTES:
                yield from filled(some)
                held = 0
            some[number] = {n: np.empty((len(group), length), kind) for n, kind in kinds.items()}
            held += size
        if some:
            yield from filled(some)

    return rounds()


def load_curves(
    results: Place | Sequence[Place], trials: Sequence[Trial], columns: Sequence[str]
) -> dict[str, Curves]:
    """Per-episode values of each trial: `curves[trial_id][column]`, as in `stream_curves`."""
    ids = [trial.trial_id for trial in trials]
    found = stream_curves(results, [[trial_id] for trial_id in ids], columns)
    return {ids[n]: {name: rows[0] for name, rows in curves.items()} for n, curves in found}


def load_q_values(results: Results, trials: Sequence[Trial]) -> Mapping[str, np.ndarray]:
    """Final Q tables (n_states, n_actions) by trial_id, for those trials that kept theirs."""
    kept = results.names("q_values")
    asked = {trial.trial_id for trial in trials}
    batches: dict[str, set[str]] = {}
    table = trials_table(results, ["trial_id", "status"])
    for trial_id, status, _, batch in zip(*(c.to_pylist() for c in table.columns), strict=True):
        if status == DONE and trial_id in asked and batch in kept:
            batches.setdefault(batch, set()).add(trial_id)
    tables = {}
    for batch, mine in batches.items():
        rows = results.read("q_values", batch)
        for trial_id, start, stop in _runs(rows["trial_id"]):
            if trial_id in mine:
                n_actions = len(pc.unique(rows["action"][start:stop]))
                tables[trial_id] = rows["q_value"][start:stop].to_numpy().reshape(-1, n_actions)
    return tables


def _spots(folders: Sequence[Results], groups: Sequence[Sequence[str]]) -> dict[str, Spot]:
    """The spots of the trials of the groups; refuses those that are not done."""
    wanted = {trial_id for group in groups for trial_id in group}
    columns = ("trial_id", "status", "place", "batch", "episodes")
    table = trials_table(folders, ["trial_id", "status", "episodes"])
    rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
    spots = {
        trial_id: tuple(spot)
        for trial_id, status, *spot in rows
        if status == DONE and trial_id in wanted
    }
    missing = sorted(wanted - set(spots))
    if missing:
        where = " and ".join(folder.location.text for folder in folders)
        raise ResultsError(
            f"trials must be published as done in {where}, but {len(missing):,} of "
            f"{len(wanted):,} are not: {_listed(missing)}"
        )
    return spots


def _common_length(number: int, group: Sequence[str], spots: Mapping[str, Spot]) -> int:
    if not group:
        raise InputError(f"a group must have at least one trial; group {number} has none")
    by_length: dict[int, list[str]] = {}
    for trial_id in group:
        by_length.setdefault(spots[trial_id][2], []).append(trial_id)
    if len(by_length) > 1:
        found = "; ".join(f"{n:,} episodes: {_listed(ids)}" for n, ids in sorted(by_length.items()))
        raise ResultsError(
            "trials of a group must have the same number of episodes; in group "
            f"{number} are {found}"
        )
    return next(iter(by_length))


def _listed(trial_ids: Sequence[str]) -> str:
    return ", ".join(trial_ids[:LISTED]) + (", ..." if len(trial_ids) > LISTED else "")


def _array_type(column: str) -> np.dtype:
    names = [f.name for f in schema.EPISODES if not pa.types.is_dictionary(f.type)]
    if column not in names:
        raise InputError(f"unknown column {column!r} of curves{near_miss(column, names)}")
    kind = schema.EPISODES.field(column).type
    return np.dtype(np.float64 if column == "success" else kind.to_pandas_dtype())


def _fill(
    folders: Sequence[Results],
    groups: Sequence[Sequence[str]],
    spots: Mapping[str, Spot],
    curves: Mapping[int, Curves],
) -> None:
    """Reads the trials of some groups into their arrays, file by file."""
    files: dict[tuple[int, str], dict[str, list[Curves]]] = {}
    for number, arrays in curves.items():
        for row, trial_id in enumerate(groups[number]):
            place, batch, _ = spots[trial_id]
            rows = files.setdefault((place, batch), {}).setdefault(trial_id, [])
            rows.append({name: array[row] for name, array in arrays.items()})
    names = list(next(iter(curves.values())))

    def fill(file: tuple[int, str], rows: Mapping[str, list[Curves]]) -> None:
        wanted = {trial_id: spots[trial_id][2] for trial_id in rows}
        for runs, table in _rows_of_trials(folders[file[0]], file[1], wanted, names):
            # A truth value that may be null is a number, and null is NaN.
            if "success" in names:
                known = table["success"].cast(pa.float64())
                table = table.set_column(names.index("success"), "success", known)
            arrays = {name: table[name].to_numpy() for name in names}
            for trial_id, episode, start, stop in runs:
                for row in rows[trial_id]:
                    for name, array in arrays.items():
                        row[name][episode : episode + stop - start] = array[start:stop]

    with readers(folders) as pool:
        list(pool.map(fill, files.keys(), files.values()))


def _rows_of_trials(
    results: Results, name: str, wanted: Mapping[str, int], columns: Sequence[str]
) -> Iterator[tuple[list[Run], pa.Table]]:
    """The row groups of an episodes file that hold wanted trials, and which rows are theirs.

    Args:
        results: the folder.
        name: of the file.
        wanted: trial_id -> the number of episodes that it must have, all of them in this file.
        columns: of the episodes to read.

    Raises:
        ResultsError: the file is damaged or missing, a trial has more or fewer episodes, or they
            are not in order.
    """
    read = pa.schema(schema.EPISODES.field(c) for c in dict.fromkeys(["episode", *columns]))
    found = dict.fromkeys(wanted, 0)
    with results.open("episodes", name) as file:
        for field in read:
            # Exactly: a damaged footer may say that numbers are of another type.
            if file.schema_arrow.field(field.name).type != field.type:
                raise pa.ArrowInvalid(f"its column {field.name!r} must be {field.type}")
        for group in range(file.num_row_groups):
            labels = file.read_row_group(group, ["trial_id"], use_threads=False)["trial_id"]
            runs = []
            for trial_id, start, stop in _runs(labels):
                if trial_id in found:
                    runs.append(Run(trial_id, found[trial_id], start, stop))
                    found[trial_id] += stop - start
            if not runs:
                continue
            table = file.read_row_group(group, read.names, use_threads=False)
            episodes = table["episode"].to_numpy()
            for trial_id, episode, start, stop in runs:
                last = episode + stop - start
                order = np.arange(episode, last, dtype=np.int32)
                if last > wanted[trial_id] or not np.array_equal(episodes[start:stop], order):
                    raise ResultsError(
                        f"episodes of trial {trial_id} must be 0 to {wanted[trial_id] - 1:,} in "
                        f"order in {results.location.child(f'episodes/{name}').text}"
                    )
            yield runs, table.select(columns)
    for trial_id, episodes in wanted.items():
        if found[trial_id] != episodes:
            raise ResultsError(
                f"trial {trial_id} must have {episodes:,} episodes in "
                f"{results.location.child(f'episodes/{name}').text}, found {found[trial_id]:,}"
            )


def _runs(labels: pa.ChunkedArray) -> Iterator[tuple[str, int, int]]:
    """(label, first row, row after the last) of each run of equal labels."""
    array = labels.combine_chunks()
    if len(array):
        codes = array.indices.to_numpy()
        starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist()]
        names = array.dictionary.take(pa.array(codes[starts])).to_pylist()
        yield from zip(names, starts, [*starts[1:], len(codes)], strict=True)


def _checked(columns: Sequence[str], known: pa.Schema) -> list[str]:
    """The columns asked for, each once."""
    if isinstance(columns, str):
        raise InputError(f"columns must be a list of names, got {columns!r}")
    for name in columns:
        if name not in known.names:
            raise InputError(f"unknown column {name!r} in columns{near_miss(name, known.names)}")
    return list(dict.fromkeys(columns))
