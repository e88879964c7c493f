"""Reads what sweeps have published: committed trials and their episodes, as frames and arrays."""

import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hq_ray import schema
from hq_ray.errors import InputError, ResultsError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.reading.episode_rows import CONSTANT, episode_rows
from hq_ray.reading.published import Place, named, opened, table_of, trials_table
from hq_ray.reading.where import Where, all_of, binds, conditions
from hq_ray.store import FAILED, Results
from hq_ray.trial import Trial

SORTED_BY = (
    *("env", "env_args", "variant", *HYPERPARAMETERS, "episodes", "max_steps"),
    *("fingerprint", "seed", "trial_id"),
)
# What `problems` looks at.
TOLD = ("status", "env", "env_args", "variant", "fingerprint")
ANY_COLUMN = pa.schema(
    [*schema.EPISODES, *(f for f in schema.TRIALS if f.name not in schema.EPISODES.names)]
)
# So many cells of a sweep are named in a sentence about what is missing.
CELLS_NAMED = 5


class ResultsWarning(UserWarning):
    """Results that can be read, but are not all that they seem to be."""


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
            `hq_ray.reading.where_text`, or a pyarrow filter or expression.
        columns: None for all.
        damaged: takes a sentence for each file that cannot be read, and the rest is read; None
            raises the first of them.
        quiet: whether the sentences of `problems` are kept back.

    Raises:
        InputError: no run or sweep wrote the results; an unknown column; a malformed `where`.
        ResultsError: a trials file is damaged or foreign.

    Warns:
        ResultsWarning: for each sentence of `problems`.
    """
    folders, names = opened(results), _known_columns(columns, schema.TRIALS)
    table = trials_table(
        folders,
        list(dict.fromkeys([*names, *TOLD])),
        damaged,
        all_of(conditions(where, schema.TRIALS)),
        order=SORTED_BY,
    )
    if not quiet:
        _warn(folders, table)
    return table.select(names).to_pandas()


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
        where: which episodes, as in `load_trials`. It may name columns of the episodes, and also
            those that only trials have, such as `final_return`; but a condition that needs both
            must be parted into conditions joined by `and`.
        columns: of the episodes; None for all. Labels are categorical, of those that occur.
        quiet: whether the sentences of `problems` are kept back.

    Raises:
        InputError: as for `load_trials`, or a condition that cannot be parted.
        ResultsError: a file is damaged, foreign or not there.

    Warns:
        ResultsWarning: for each sentence of `problems`.
    """
    folders, names = opened(results), _known_columns(columns, schema.EPISODES)
    parts = [(part, binds(part, schema.TRIALS)) for part in conditions(where, ANY_COLUMN)]
    for part, of_trials in parts:
        if not (of_trials or binds(part, schema.EPISODES)):
            raise InputError(
                "where must name columns of episodes and columns that only trials have in separate "
                f"conditions, joined by 'and'; got {str(part)!r}"
            )
    rest = all_of([part for part, of_trials in parts if not of_trials])
    needed = {*names, *named(rest, schema.EPISODES)}
    constant = [name for name in CONSTANT if name in needed]
    trials = trials_table(
        folders,
        [*dict.fromkeys(["trial_id", "episodes", *TOLD, *constant])],
        where=all_of([part for part, of_trials in parts if of_trials]),
    )
    if not quiet:
        _warn(folders, trials)
    empty = pa.schema([schema.EPISODES.field(name) for name in names]).empty_table()
    tables = [empty, *episode_rows(folders, trials, names, rest)]
    frame = pa.concat_tables(tables).unify_dictionaries().to_pandas()
    for label in frame.select_dtypes("category"):
        used = frame[label].cat.remove_unused_categories()
        frame[label] = used.cat.reorder_categories(sorted(used.cat.categories))
    return frame


def problems(results: Place | Sequence[Place], trials: pd.DataFrame) -> list[str]:
    """What a reader of these trials must know, a sentence each; none if all is well.

    Failed trials; environments whose trials were trained on different models; trials that
    sweep.json plans and that are not there.

    Args:
        results: where they were loaded from.
        trials: as `load_trials` gives them, with all columns.
    """
    return _problems(opened(results), pa.Table.from_pandas(trials[list(TOLD)]))


def _problems(folders: Sequence[Results], trials: pa.Table) -> list[str]:
    counts = _counted(trials, TOLD)
    return [*_failed(counts), *_mixed_models(counts), *_not_there(folders, counts)]


def _counted(trials: pa.Table, columns: Sequence[str]) -> list[dict]:
    """The distinct values of columns, and in `n` how many trials have them."""
    counts = trials.group_by(list(columns)).aggregate([([], "count_all")])
    return counts.rename_columns([*columns, "n"]).to_pylist()


def _warn(folders: Sequence[Results], trials: pa.Table) -> None:
    for sentence in _problems(folders, trials):
        warnings.warn(sentence, ResultsWarning, stacklevel=3)


def _failed(counts: Sequence[dict]) -> Iterator[str]:
    number = sum(row["n"] for row in counts if row["status"] == FAILED)
    if number:
        trials = sum(row["n"] for row in counts)
        yield f"{number:,} of {trials:,} trials failed and enter no curve and no average"


def _mixed_models(counts: Sequence[dict]) -> Iterator[str]:
    models: dict[str, Counter] = {}
    for row in counts:
        prints = models.setdefault(f"{row['env']} {row['env_args']}", Counter())
        prints[row["fingerprint"] or "none"] += row["n"]
    for env, prints in sorted(models.items()):
        if len(prints) > 1:
            shown = ", ".join(f"{mark[:8]}: {n:,} trials" for mark, n in sorted(prints.items()))
            yield (
                f"trials of {env} were trained on {len(prints)} different models of it and "
                f"must not be compared ({shown})"
            )


def _cells(counts: Sequence[dict]) -> Counter:
    """(`env args`, variant) -> number of trials."""
    there: Counter = Counter()
    for row in counts:
        there[f"{row['env']} {row['env_args']}", row["variant"]] += row["n"]
    return there


def _not_there(folders: Sequence[Results], counts: Sequence[dict]) -> Iterator[str]:
    plans = [_planned(folder) for folder in folders]
    there = _cells(counts)
    if all(there[cell] >= number for plan in plans for cell, number in plan.items()):
        return
    # Perhaps they are there and only not among these.
    for folder, plan in zip(folders, plans, strict=True):
        columns = ["env", "env_args", "variant"]
        there = _cells(_counted(trials_table(folder, columns), columns))
        short = {cell: plan[cell] - there[cell] for cell in plan if there[cell] < plan[cell]}
        if short:
            cells = [f"{plan[c] - n:,} of {plan[c]:,} {c[1]} on {c[0]}" for c, n in short.items()]
            more = f" and {len(cells) - CELLS_NAMED} more" if len(cells) > CELLS_NAMED else ""
            yield (
                f"{sum(short.values()):,} of {sum(plan.values()):,} planned trials are not in "
                f"{folder.location.text}: there are {', '.join(cells[:CELLS_NAMED])}{more}"
            )


def _planned(folder: Results) -> dict[tuple[str, str], int]:
    """(`env args`, variant) -> number of trials; empty where sweep.json does not say."""
    planned = folder.description().get("planned", {})
    return {(env, variant): n for env, cells in planned.items() for variant, n in cells.items()}


def _known_columns(columns: Sequence[str] | None, known: pa.Schema) -> list[str]:
    if isinstance(columns, str):
        raise InputError(f"columns must be a list of names, got {columns!r}")
    names = known.names if columns is None else list(dict.fromkeys(columns))
    for name in names:
        if name not in known.names:
            raise InputError(f"unknown column {name!r} in columns{near_miss(name, known.names)}")
    return names


def episodes_table(
    results: Results, trial_ids: Collection[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """The episodes of the given trials, in the order trial, episode within each file."""
    return table_of(results, "episodes", trial_ids, columns)


def load_curves(
    results: Results, trials: Sequence[Trial], quantities: Sequence[str]
) -> dict[str, dict[str, np.ndarray]]:
    """Per-episode values of each trial: `curves[trial_id][quantity]`, arrays of length episodes.

    Raises:
        ResultsError: a trial is not published as done.
    """
    ids = [trial.trial_id for trial in trials]
    table = episodes_table(results, ids, ["trial_id", "episode", *quantities])
    table = table.sort_by([("trial_id", "ascending"), ("episode", "ascending")])
    found = table["trial_id"].to_numpy()
    curves: dict[str, dict[str, np.ndarray]] = {}
    for trial in trials:
        low, high = np.searchsorted(found, [trial.trial_id, trial.trial_id + "~"])
        if high - low != trial.episodes:
            raise ResultsError(
                f"trial {trial.trial_id} ({trial.variant}, seed {trial.seed}) must have "
                f"{trial.episodes} episodes in {results.location.text}, found {high - low}"
            )
        curves[trial.trial_id] = {
            name: table[name].slice(low, high - low).to_numpy() for name in quantities
        }
    return curves


def load_q_values(results: Results, trials: Sequence[Trial]) -> Mapping[str, np.ndarray]:
    """Final Q tables (n_states, n_actions) by trial_id, for those trials that kept theirs."""
    table = table_of(results, "q_values", [t.trial_id for t in trials], None)
    table = table.sort_by([(name, "ascending") for name in ("trial_id", "state", "action")])
    ids, first = np.unique(table["trial_id"].to_numpy(), return_index=True)
    edges = [*first.tolist(), len(table)]
    tables = {}
    for trial_id, low, high in zip(ids, edges[:-1], edges[1:], strict=True):
        rows = table.slice(low, high - low)
        n_actions = int(pc.max(rows["action"]).as_py()) + 1
        tables[str(trial_id)] = rows["q_value"].to_numpy().reshape(-1, n_actions)
    return tables
