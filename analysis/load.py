"""Reads what sweeps have published: committed trials and their episodes, as frames and arrays."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hq_ray import schema
from hq_ray.errors import ResultsError
from hq_ray.store import DONE, READERS, Results
from hq_ray.trial import Trial


def load_trials(results: Results, damaged: list[str] | None = None) -> pd.DataFrame:
    """One row per committed trial; a trial published as failed and later as done counts once.

    Args:
        results: what to read.
        damaged: takes a sentence for each file that cannot be read, and the rest is read; None
            raises the first of them.

    Raises:
        ResultsError: a trials file is damaged or foreign.
    """
    return trials_table(results, damaged=damaged).drop(["batch"]).to_pandas()


def trials_table(
    results: Results,
    columns: Sequence[str] = schema.TRIALS.names,
    damaged: list[str] | None = None,
) -> pa.Table:
    """The rows of `load_trials` with the batch file that each trial lies in.

    `trial_id` and `status` must be among the columns.
    """

    def read(name: str) -> pa.Table | None:
        try:
            table = results.read("trials", name, columns)
        except ResultsError as problem:
            if damaged is None:
                raise
            damaged.append(str(problem))
            return None
        return table.append_column("batch", pa.array([name] * len(table), pa.string()))

    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(read, results.location.child("trials").files(".parquet"))
        tables = [table for table in found if table is not None]
    if not tables:
        fields = [schema.TRIALS.field(name) for name in columns]
        return pa.schema([*fields, pa.field("batch", pa.string())]).empty_table()
    table = pa.concat_tables(tables)
    # A retry that succeeded replaces the failure it retried.
    order = pc.sort_indices(
        table.append_column("rank", pc.if_else(pc.equal(table["status"], DONE), 0, 1)),
        sort_keys=[("rank", "ascending"), ("batch", "ascending")],
    )
    _, first = np.unique(table["trial_id"].take(order).to_numpy(), return_index=True)
    return table.take(order.take(pa.array(np.sort(first))))


def episodes_table(
    results: Results, trial_ids: Collection[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """The episodes of the given trials, in the order trial, episode within each file."""
    return _rows(results, "episodes", trial_ids, columns)


def _rows(
    results: Results, kind: str, trial_ids: Collection[str], columns: Sequence[str] | None
) -> pa.Table:
    trials = trials_table(results, ["trial_id", "status"])
    mine = trials.filter(
        pc.is_in(trials["trial_id"], pa.array(list(trial_ids), pa.string()))
    ).filter(pc.field("status") == DONE)
    # A trial that two batches hold is read from the one that `trials_table` chose.
    wanted: dict[str, list[str]] = {}
    pairs = zip(mine["batch"].to_pylist(), mine["trial_id"].to_pylist(), strict=True)
    for batch, trial_id in sorted(pairs):
        wanted.setdefault(batch, []).append(trial_id)
    present = set(results.location.child(kind).files(".parquet"))
    full = {"episodes": schema.EPISODES, "q_values": schema.Q_VALUES}[kind]
    # Labels as plain strings, since each file has a dictionary of its own.
    plain = pa.schema(
        [
            pa.field(name, pa.string() if pa.types.is_dictionary(kind) else kind)
            for name, kind in zip(full.names, full.types, strict=True)
            if columns is None or name in columns
        ]
    )
    with ThreadPoolExecutor(READERS) as pool:
        tables = pool.map(
            lambda batch: results.read(kind, batch, plain.names, wanted[batch]).cast(plain),
            [batch for batch in wanted if batch in present],
        )
        return pa.concat_tables([plain.empty_table(), *tables])


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
    table = _rows(results, "q_values", [t.trial_id for t in trials], None)
    table = table.sort_by([(name, "ascending") for name in ("trial_id", "state", "action")])
    ids, first = np.unique(table["trial_id"].to_numpy(), return_index=True)
    edges = [*first.tolist(), len(table)]
    tables = {}
    for trial_id, low, high in zip(ids, edges[:-1], edges[1:], strict=True):
        rows = table.slice(low, high - low)
        n_actions = int(pc.max(rows["action"]).as_py()) + 1
        tables[str(trial_id)] = rows["q_value"].to_numpy().reshape(-1, n_actions)
    return tables
