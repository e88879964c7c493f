"""A batch of trained trials as Parquet bytes.

The episodes file is put together by `hq_ray.parquet_file` from what is known of each column; the
other two have few rows and are left to pyarrow.
"""

from collections.abc import Sequence
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from hq_ray import schema
from hq_ray.episode_log import Trained
from hq_ray.parquet_columns import (
    Chunk,
    constant_chunk,
    counter_chunk,
    flag_chunk,
    number_chunk,
)
from hq_ray.parquet_file import parquet_file
from hq_ray.trial import TRIAL_FIELDS, Trial

ROW_GROUP_ROWS = 262_144
LOG_TYPES = {
    "episode_return": np.float64,
    "steps": np.int32,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "success": np.bool_,
}
CONSTANT = [f for f in schema.EPISODES if f.name != "episode" and f.name not in LOG_TYPES]
# Statistics let a reader skip row groups; on the others they would only cost time.
FILTERED = ("env", "variant", "seed", "alpha", "eps_shift", "gamma")


def encode_episodes(batch: Sequence[Trained]) -> pa.Buffer:
    """The episodes file of a batch, trials in the order given, each whole in one row group.

    Raises:
        ValueError: a log is not of its trial's length.
    """
    groups = [_column_chunks(group) for group in _row_groups(batch)]
    return pa.py_buffer(parquet_file(schema.EPISODES, groups))


def warm_up() -> None:
    """Compiles, or loads from the disk cache, what encoding calls."""
    number_chunk(np.zeros(2))


def encode_trials(rows: Sequence[dict]) -> pa.Buffer:
    """The trials file of a batch from one dict per trial; what a row lacks is null."""
    # A batch of one trial is written in a quarter of the time that zstd and dictionaries take.
    table = pa.Table.from_pylist(list(rows), schema=schema.TRIALS)
    return _whole(table, compression="lz4", use_dictionary=False)


def encode_q_values(batch: Sequence[Trained]) -> pa.Buffer:
    """The final Q tables of a batch, one row per (trial, state, action).

    States and actions have the numbers of their environment; see `spaces.Numbering`.
    """
    sizes = [done.log.q_values.size for done in batch]
    states, actions = [], []
    for log in (done.log for done in batch):
        n_states, n_actions = log.q_values.shape
        states.append(log.first_state + np.repeat(np.arange(n_states), n_actions))
        actions.append(log.first_action + np.tile(np.arange(n_actions), n_states))
    columns = {
        "trial_id": _labels([done.trial.trial_id for done in batch], sizes),
        "state": pa.array(np.concatenate(states).astype(np.int32)),
        "action": pa.array(np.concatenate(actions).astype(np.int32)),
        "q_value": pa.array(np.concatenate([done.log.q_values.ravel() for done in batch])),
    }
    return _whole(pa.table(columns, schema=schema.Q_VALUES), compression="zstd")


def encode_csv(column: str, values: np.ndarray) -> bytes:
    """A CSV of two columns, `episode` counted from 0 and `column`."""
    table = pa.table({"episode": np.arange(len(values), dtype=np.int32), column: values})
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(include_header=False))
    return f"episode,{column}\n".encode() + sink.getvalue().to_pybytes()


def _whole(table: pa.Table, **options: object) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _row_groups(batch: Sequence[Trained]) -> list[list[Trained]]:
    groups: list[list[Trained]] = []
    rows = ROW_GROUP_ROWS
    for done in batch:
        if rows + done.trial.episodes > ROW_GROUP_ROWS:
            groups.append([])
            rows = 0
        groups[-1].append(done)
        rows += done.trial.episodes
    return groups


def _column_chunks(group: Sequence[Trained]) -> list[Chunk]:
    """A row group, column by column in the order of the schema."""
    lengths = [done.trial.episodes for done in group]
    of_trials = attrgetter(*(field.name for field in CONSTANT))
    values = zip(*[of_trials(done.trial) for done in group], strict=True)
    constant = {
        field.name: constant_chunk(column, lengths, field, field.name in FILTERED)
        for field, column in zip(CONSTANT, values, strict=True)
    }
    measured = {
        "episode": counter_chunk(lengths),
        "episode_return": number_chunk(_logged(group, "episode_return")),
        "steps": number_chunk(_logged(group, "steps")),
        "terminated": flag_chunk(_logged(group, "terminated")),
        "truncated": flag_chunk(_logged(group, "truncated")),
        "success": _success_chunk(group),
    }
    chunks = constant | measured
    return [chunks[name] for name in schema.EPISODES.names]


def _success_chunk(group: Sequence[Trained]) -> Chunk:
    known = [(int(done.log.success is not None), done.trial.episodes) for done in group]
    told = [done for done in group if done.log.success is not None]
    return flag_chunk(_logged(told, "success") if told else np.empty(0, np.bool_), known)


def _logged(group: Sequence[Trained], name: str) -> np.ndarray:
    """One column of the trials' logs, end to end."""
    logs = [getattr(done.log, name) for done in group]
    for done, log in zip(group, logs, strict=True):
        if len(log) != done.trial.episodes:
            raise ValueError(
                f"{name} of {done.trial.trial_id} must have {done.trial.episodes} entries, "
                f"got {len(log)}"
            )
    return np.concatenate(logs, dtype=LOG_TYPES[name])


def _labels(values: Sequence[str | None], lengths: Sequence[int]) -> pa.DictionaryArray:
    """Each label repeated over its trial's rows, as indices into the distinct labels."""
    names = list(dict.fromkeys(value for value in values if value is not None))
    if len(names) == 1 and None not in values:
        indices = pa.array(np.zeros(sum(lengths), np.int32))
    else:
        number = {name: index for index, name in enumerate(names)}
        index = np.array([number.get(value, 0) for value in values], np.int32)
        missing = [value is None for value in values]
        mask = np.repeat(missing, lengths) if any(missing) else None
        indices = pa.array(np.repeat(index, lengths), mask=mask)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def trial_columns(trial: Trial) -> dict:
    """The identity columns of a trial's row."""
    return {"trial_id": trial.trial_id} | {name: getattr(trial, name) for name in TRIAL_FIELDS}
