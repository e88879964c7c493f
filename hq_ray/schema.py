"""The columns of the results, one fixed and versioned schema for every file.

The version is written into every file and into sweep.json; it rises when a column changes its
meaning, its type or its name. A new column of `trials` that may be null does not raise it: files
from before lack the column, and readers take it as null.
"""

from collections.abc import Iterable

import pyarrow as pa

from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.trial import EXPLORATION

DONE, FAILED = "done", "failed"
SCHEMA_VERSION = 2
METADATA_KEY = b"hq_ray.schema_version"
METADATA = {METADATA_KEY: str(SCHEMA_VERSION).encode()}

# What a file that lacks the column means.
DEFAULTS = {"role": EXPLORATION}

# Few distinct strings over many rows: pandas reads these as categoricals.
LABEL = pa.dictionary(pa.int32(), pa.string())


def _field(name: str, kind: pa.DataType, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable)


def _hyperparameters() -> list[pa.Field]:
    # gamma and epsilon's start are read by every trial, whatever its variant and schedules.
    always = {"gamma", "eps_schedule", "eps_start"}
    kinds = {float: pa.float64(), int: pa.int32(), str: pa.string()}
    return [
        _field(row.name, kinds[row.kind], nullable=row.name not in always)
        for row in HYPERPARAMETERS.values()
    ]


def _schema(fields: Iterable[pa.Field]) -> pa.Schema:
    return pa.schema(list(fields), metadata=METADATA)


EPISODES = _schema(
    [
        _field("trial_id", LABEL),
        _field("config_id", LABEL),
        _field("env", LABEL),
        _field("env_args", LABEL),
        _field("variant", LABEL),
        _field("seed", pa.int64()),
        _field("episode", pa.int32()),
        _field("episode_return", pa.float64()),
        _field("steps", pa.int32()),
        _field("terminated", pa.bool_()),
        _field("truncated", pa.bool_()),
        _field("success", pa.bool_(), nullable=True),
    ]
)

SUMMARY_FIELDS = [
    _field("mean_return", pa.float64(), nullable=True),
    _field("final_return", pa.float64(), nullable=True),
    _field("mean_steps", pa.float64(), nullable=True),
    _field("final_steps", pa.float64(), nullable=True),
    _field("total_steps", pa.int64(), nullable=True),
    _field("success_rate", pa.float64(), nullable=True),
    _field("final_success_rate", pa.float64(), nullable=True),
    _field("truncation_rate", pa.float64(), nullable=True),
    _field("start_value", pa.float64(), nullable=True),
    _field("policy_value", pa.float64(), nullable=True),
    _field("optimal_value", pa.float64(), nullable=True),
    _field("q_bias", pa.float64(), nullable=True),
    _field("q_rmse", pa.float64(), nullable=True),
    _field("q_max_error", pa.float64(), nullable=True),
]

# Metrics that are columns of `trials` and have a better end: 1 where more is better, else -1.
BETTER = {
    "mean_return": 1,
    "final_return": 1,
    "mean_steps": -1,
    "final_steps": -1,
    "success_rate": 1,
    "final_success_rate": 1,
    "truncation_rate": -1,
    "policy_value": 1,
    "q_rmse": -1,
    "q_max_error": -1,
}

TRIALS = _schema(
    [
        _field("trial_id", pa.string()),
        _field("config_id", pa.string()),
        _field("env", pa.string()),
        _field("env_args", pa.string()),
        _field("label", pa.string(), nullable=True),
        _field("fingerprint", pa.string(), nullable=True),
        _field("source", pa.string(), nullable=True),
        _field("variant", pa.string()),
        _field("seed", pa.int64()),
        *_hyperparameters(),
        _field("episodes", pa.int32()),
        _field("max_steps", pa.int32()),
        _field("role", pa.string()),
        _field("status", pa.string()),
        _field("engine", pa.string(), nullable=True),
        *SUMMARY_FIELDS,
        _field("train_seconds", pa.float64(), nullable=True),
        _field("evaluate_seconds", pa.float64(), nullable=True),
        _field("finished_at", pa.timestamp("us", tz="UTC")),
        _field("error_type", pa.string(), nullable=True),
        _field("error_message", pa.string(), nullable=True),
        _field("error_traceback", pa.string(), nullable=True),
    ]
)

Q_VALUES = _schema(
    [
        _field("trial_id", LABEL),
        _field("state", pa.int32()),
        _field("action", pa.int32()),
        _field("q_value", pa.float64()),
    ]
)

# What a row of episodes can be told with: its own columns, and those of its trial.
JOINED = pa.schema(
    [
        *EPISODES,
        *(
            _field(f.name, LABEL if pa.types.is_string(f.type) else f.type, f.nullable)
            for f in TRIALS
            if f.name not in EPISODES.names
        ),
    ]
)


def conformed(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The columns of `wanted` with its types; null or the default for what is not there.

    Raises:
        pyarrow.ArrowInvalid: a column is not there that is never null and has no default.
    """
    columns = []
    for field in wanted:
        if field.name in table.column_names:
            columns.append(_as_type(table[field.name], field.type))
        elif field.nullable or field.name in DEFAULTS:
            value = pa.scalar(DEFAULTS.get(field.name), field.type)
            columns.append(pa.repeat(value, len(table)))
        else:
            raise pa.ArrowInvalid(f"it has no column {field.name!r}")
    return pa.table(columns, schema=wanted)


def _as_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
        column = column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)
