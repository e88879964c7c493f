"""Reads results: trials and episodes as frames, curves and Q tables as arrays; `open_results`.

The trials files say which episodes file holds a trial, and its column `trial_id` says which rows:
they follow each other, in the order of the episodes.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

import hq_ray
from hq_ray import schema
from hq_ray.conditions import Condition, Where, conditions, filtered, named
from hq_ray.errors import InputError, ResultsError, near_miss, some_of
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.published import COUNTED, Place, opened, trials_table, warn
from hq_ray.store import DONE, FAILED, READERS, Results
from hq_ray.trial import Trial

SORTED_BY = (
    *("env", "env_args", "variant", *HYPERPARAMETERS, "rule_args", "episodes", "max_steps"),
    *("fingerprint", "seed", "trial_id"),
)
# What arrays of the episodes' columns hold; success may be unknown, which is NaN.
ARRAYS = {
    field.name: np.dtype(np.float64 if field.nullable else field.type.to_pandas_dtype())
    for field in schema.EPISODES
    if not pa.types.is_dictionary(field.type)
}
# Episodes are read in parts of about this size.
BUDGET_BYTES = 512 * 2**20

Curves = dict[str, np.ndarray]
# By id of a trial that is done: number of the folder and name of the file, number of episodes.
Stored = dict[str, tuple[tuple[int, str], int]]


def load_trials(
    results: Place | Sequence[Place],
    where: Where | None = None,
    columns: Sequence[str] | None = None,
    damaged: list[str] | None = None,
    *,
    quiet: bool = False,
) -> pd.DataFrame:
    """One row per committed trial, sorted by env, variant, hyperparameters and seed.

    Failed trials are among them: see `status`. A trial published several times counts once.

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
    names = _checked(schema.TRIALS.names if columns is None else columns, schema.TRIALS.names)
    read = list(dict.fromkeys([*names, *COUNTED, *SORTED_BY]))
    table = trials_table(folders, read, damaged, conditions(where, schema.TRIALS))
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
    names = _checked(schema.EPISODES.names if columns is None else columns, schema.JOINED.names)
    of_trials: list[Condition] = []
    of_rows: list[Condition] = []
    for part in conditions(where, schema.JOINED):
        is_of_trials = set(named([part], schema.JOINED)) <= set(schema.TRIALS.names)
        (of_trials if is_of_trials else of_rows).append(part)
    needed = list(dict.fromkeys([*names, *named(of_rows, schema.JOINED)]))
    constant = [name for name in needed if name in schema.TRIALS.names]
    logged = [name for name in needed if name not in constant]
    read = list(dict.fromkeys(["trial_id", "episodes", *COUNTED, *constant]))
    trials = trials_table(folders, read, where=of_trials)
    if not quiet:
        warn(folders, trials)
    trials = trials.filter(pc.field("status") == DONE).combine_chunks()
    stored = _stored(trials)
    ids, lengths = list(stored), [n for _, n in stored.values()]
    of_trial = schema.conformed(trials, pa.schema(schema.JOINED.field(name) for name in constant))
    kinds = pa.schema(schema.JOINED.field(name) for name in needed)
    tables = [kinds.empty_table().select(names)]
    for numbers in _parts(lengths, logged):
        logs = _logs(folders, stored, [ids[n] for n in numbers], logged).values()
        rows = pa.array(np.repeat(numbers, [lengths[n] for n in numbers]))
        joined = {name: of_trial[name].take(rows) for name in constant}
        for name in logged:
            values = np.concatenate([log[name] for log in logs])
            # NaN is an unknown success.
            joined[name] = pa.array(values, from_pandas=name == "success")
        table = schema.conformed(pa.table(joined), kinds)
        tables.append(filtered(table, of_rows).select(names))
    frame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
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
        InputError: no such results, an unknown column, an empty group, or one of trials that
            differ in their number of episodes.
        ResultsError: a trial is not published as done; a file is damaged, or out of order.
    """
    folders = opened(results)
    _checked(columns, list(ARRAYS))
    done = [pc.field("status") == DONE]
    stored = _stored(trials_table(folders, ["trial_id", "episodes"], where=done))
    wanted = {trial_id for group in groups for trial_id in group}
    if missing := sorted(wanted - stored.keys()):
        where = " and ".join(folder.location.text for folder in folders)
        raise ResultsError(
            f"trials must be published as done in {where}, but {len(missing):,} of "
            f"{len(wanted):,} are not: {some_of(missing, 5)}"
        )
    sizes = []
    for number, group in enumerate(groups):
        lengths = sorted({stored[trial_id][1] for trial_id in group})
        if len(lengths) != 1:
            raise InputError(
                "a group must be trials of one number of episodes, but those of group "
                f"{number} have {' and '.join(map(str, lengths)) or 'none: it is empty'}"
            )
        sizes.append(len(group) * lengths[0])

    def parts() -> Iterator[tuple[int, Curves]]:
        for numbers in _parts(sizes, columns):
            ids = [trial_id for number in numbers for trial_id in groups[number]]
            logs = _logs(folders, stored, ids, columns)
            for number in numbers:
                stacked = {c: np.stack([logs[id_][c] for id_ in groups[number]]) for c in columns}
                yield number, stacked

    return parts()


def load_curves(
    results: Place | Sequence[Place], trials: Sequence[Trial], columns: Sequence[str]
) -> dict[str, Curves]:
    """Per-episode values of each trial: `curves[trial_id][column]`, as in `stream_curves`."""
    ids = [trial.trial_id for trial in trials]
    stream = stream_curves(results, [[trial_id] for trial_id in ids], columns)
    return {ids[number]: {c: rows[0] for c, rows in curves.items()} for number, curves in stream}


def load_q_values(results: Results, trials: Sequence[Trial]) -> dict[str, np.ndarray]:
    """Final Q tables (n_states, n_actions) by trial_id, for those trials that kept theirs."""
    wanted = {trial.trial_id for trial in trials}
    tables = {}
    for name in results.names("q_values"):
        rows = results.read("q_values", name)
        for trial_id, start, stop in _runs(rows["trial_id"]):
            if trial_id in wanted:
                n_actions = len(pc.unique(rows["action"][start:stop]))
                tables[trial_id] = rows["q_value"][start:stop].to_numpy().reshape(-1, n_actions)
    return tables


def _stored(done: pa.Table) -> Stored:
    columns = (done[name].to_pylist() for name in ("trial_id", "place", "batch", "episodes"))
    return {id_: ((place, name), n) for id_, place, name, n in zip(*columns, strict=True)}


def _parts(n_episodes: Sequence[int], columns: Sequence[str]) -> Iterator[list[int]]:
    """Numbers of what has so many episodes, in parts of about BUDGET_BYTES."""
    row_bytes = sum(ARRAYS[name].itemsize for name in columns)
    starts = (np.cumsum([0, *n_episodes[:-1]]) * row_bytes // BUDGET_BYTES).tolist()
    for _, numbers in groupby(range(len(n_episodes)), key=lambda number: starts[number]):
        yield list(numbers)


def _logs(
    folders: Sequence[Results], stored: Stored, trial_ids: Sequence[str], columns: Sequence[str]
) -> dict[str, Curves]:
    """Columns of the episodes of trials, in the order of the ids."""
    logs: dict[str, Curves] = {trial_id: {} for trial_id in trial_ids}
    files: dict[tuple[int, str], dict[str, int]] = {}
    for trial_id in logs:
        file, episodes = stored[trial_id]
        files.setdefault(file, {})[trial_id] = episodes

    def read(file: tuple[int, str]) -> None:
        logs.update(_logs_of_file(folders[file[0]], file[1], files[file], columns))

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, files))
    return logs


def _logs_of_file(
    results: Results, name: str, episodes: Mapping[str, int], columns: Sequence[str]
) -> dict[str, Curves]:
    """Columns of the episodes of some trials of a file, of which each has so many."""
    read = list(dict.fromkeys(["episode", *columns]))
    rows = {trial_id: [slice(0)] for trial_id in episodes}
    with results.open("episodes", name) as file:
        for field in (schema.EPISODES.field(column) for column in read):
            # Exactly: a damaged footer may say that numbers are of another type.
            if file.schema_arrow.field(field.name).type != field.type:
                raise pa.ArrowInvalid(f"its column {field.name!r} must be {field.type}")
        groups = []
        for group in range(file.num_row_groups):
            labels = file.read_row_group(group, ["trial_id"], use_threads=False)["trial_id"]
            if not rows.keys().isdisjoint(labels.unique().to_pylist()):
                groups.append(group)
        table = file.read_row_groups(groups, ["trial_id", *read], use_threads=False)
        values = {c: table[c].cast(pa.from_numpy_dtype(ARRAYS[c])).to_numpy() for c in read}
    for trial_id, start, stop in _runs(table["trial_id"]):
        if trial_id in rows:
            rows[trial_id].append(slice(start, stop))
    logs = {}
    for trial_id, n in episodes.items():
        log = {c: np.concatenate([values[c][part] for part in rows[trial_id]]) for c in read}
        if not np.array_equal(log["episode"], np.arange(n)):
            raise ResultsError(
                f"trial {trial_id} must have its episodes 0 to {n - 1:,} in order in "
                f"{results.location.child(f'episodes/{name}').text}, got {len(log['episode']):,}"
            )
        logs[trial_id] = {column: log[column] for column in columns}
    return logs


def _runs(labels: pa.ChunkedArray) -> Iterator[tuple[str, int, int]]:
    """(label, first row, row after the last) of each run of equal labels."""
    array = labels.combine_chunks()
    if len(array):
        codes = array.indices.to_numpy()
        starts = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist()]
        names = array.dictionary.take(pa.array(codes[starts])).to_pylist()
        yield from zip(names, starts, [*starts[1:], len(codes)], strict=True)


def _checked(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """The columns asked for, each once."""
    if isinstance(columns, str):
        raise InputError(f"columns must be a list of names, got {columns!r}")
    for name in columns:
        if name not in known:
            raise InputError(f"unknown column {name!r} in columns{near_miss(name, known)}")
    return list(dict.fromkeys(columns))


@dataclass(frozen=True)
class Handle:
    """A results folder that shows itself in a notebook, loads, compares and reports.

    It can be given where results are asked for.

    Attributes:
        results: the folder.
    """

    results: Results

    def __fspath__(self) -> str:
        return self.results.location.text

    def trials(self) -> pd.DataFrame:
        """One row per published trial."""
        return load_trials(self.results)

    def episodes(
        self, columns: Sequence[str] | None = None, where: Where | None = None
    ) -> pd.DataFrame:
        """One row per episode of the finished trials, as `load_episodes` has them."""
        return load_episodes(self.results, where, columns, quiet=True)

    def curves(self, **options: Any) -> pd.DataFrame:
        """Learning curves of the chosen configurations; options as of `hq_ray.curves`."""
        return hq_ray.curves(self.results, **options)

    def compare(self, **options: Any) -> pd.DataFrame:
        """The verdicts, one row each; options as of `hq_ray.compare`."""
        return hq_ray.compare(self.results, **options)

    def report(self, folder: str | None = None, **options: Any) -> str:
        """Writes the report and returns its path; options as of `hq_ray.report`."""
        return hq_ray.report(self.results, folder, **options)

    def _repr_html_(self) -> str:
        """A small table for a notebook: what there is of each environment and variant."""
        trials = load_trials(self.results, quiet=True)
        trials = trials.assign(environment=trials["label"].fillna(trials["env"]))
        rows = trials.assign(done=trials["status"] == DONE, failed=trials["status"] == FAILED)
        table = rows.groupby(["environment", "env_args", "variant"], as_index=False).agg(
            configurations=("config_id", "nunique"),
            seeds=("seed", "nunique"),
            done=("done", "sum"),
            failed=("failed", "sum"),
        )
        return f"<p>{self.results.location.text}</p>{table.to_html(index=False)}"


def open_results(place: Place) -> Handle:
    """A handle of results that a run or sweep wrote.

    Raises:
        InputError: there are none at that path or URI.
    """
    return Handle(opened(place)[0])
