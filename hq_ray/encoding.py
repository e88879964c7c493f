"""A batch of trained trials as Parquet bytes; every page carries its checksum."""

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from hq_ray import schema
from hq_ray.trial import TRIAL_FIELDS, Failure, Trained

ROW_GROUP_ROWS = 131_072
LABELS = [f.name for f in schema.EPISODES if pa.types.is_dictionary(f.type)]
LOGGED = ("episode_return", "steps", "terminated", "truncated", "success")
# By kind of file, options of `pyarrow.parquet.write_table`.
OPTIONS: dict[str, dict[str, Any]] = {
    # The fastest settings measured that keep files small; statistics would add a fifth to the time.
    "episodes": {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [*LABELS, "seed", "episode_return", "steps"],
        "column_encoding": {"episode": "DELTA_BINARY_PACKED"},
        "write_statistics": False,
        # One page: many are slower to read, and larger.
        "max_rows_per_page": ROW_GROUP_ROWS,
    },
    # A batch of one trial is written in a quarter of the time that zstd and dictionaries take.
    "trials": {"compression": "lz4", "use_dictionary": False},
    "q_values": {"compression": "zstd"},
}


def encode_episodes(batch: Sequence[Trained]) -> pa.Buffer:
    """The episodes file of a batch, trials in the order given, each whole."""
    lengths = [done.trial.episodes for done in batch]
    count = np.arange(max(lengths), dtype=np.int32)
    columns = {
        **{name: _labels([getattr(d.trial, name) for d in batch], lengths) for name in LABELS},
        "seed": np.repeat(np.array([done.trial.seed for done in batch], np.int64), lengths),
        "episode": np.concatenate([count[:length] for length in lengths]),
    }
    for name in LOGGED:
        kind = schema.EPISODES.field(name).type
        logs = [getattr(done.log, name) for done in batch]
        columns[name] = pa.concat_arrays(
            pa.nulls(length, kind) if log is None else pa.array(log, kind)
            for log, length in zip(logs, lengths, strict=True)
        )
    return encode_table(pa.table(columns, schema=schema.EPISODES), "episodes")


def encode_trials(trained: Sequence[Trained], failures: Sequence[Failure]) -> pa.Buffer:
    """The trials file of a batch; null is what a row lacks."""
    rows: list[dict[str, Any]] = [
        *({"status": schema.DONE, **vars(done), **done.summary} for done in trained),
        *({"status": schema.FAILED, **vars(failure)} for failure in failures),
    ]
    now = datetime.datetime.now(datetime.UTC)
    names = ("trial_id", "config_id", *TRIAL_FIELDS)
    for row in rows:
        row |= {"finished_at": now, **{name: getattr(row["trial"], name) for name in names}}
    # Entries that are no columns are passed over.
    return encode_table(pa.Table.from_pylist(rows, schema=schema.TRIALS), "trials")


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
    return encode_table(pa.table(columns, schema=schema.Q_VALUES), "q_values")


def encode_csv(column: str, values: np.ndarray) -> bytes:
    """A CSV of two columns, `episode` counted from 0 and `column`."""
    table = pa.table({"episode": np.arange(len(values), dtype=np.int32), column: values})
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink, csv.WriteOptions(quoting_header="none"))
    return sink.getvalue().to_pybytes()


def encode_table(table: pa.Table, kind: str) -> pa.Buffer:
    """A table as a file of `trials`, `episodes` or `q_values`."""
    table, sink = table.replace_schema_metadata(schema.METADATA), pa.BufferOutputStream()
    pq.write_table(
        table, sink, row_group_size=ROW_GROUP_ROWS, write_page_checksum=True, **OPTIONS[kind]
    )
    return sink.getvalue()


def _labels(values: Sequence[str], lengths: Sequence[int]) -> pa.DictionaryArray:
    """Each label repeated over its trial's rows, as indices into the distinct labels."""
    number = {name: index for index, name in enumerate(dict.fromkeys(values))}
    indices = np.repeat(np.array([number[value] for value in values], np.int32), lengths)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(number), pa.string()))
