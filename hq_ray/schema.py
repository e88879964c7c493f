"""The columns of the results, one fixed and versioned schema for every file.

The version is written into every file and into sweep.json; it rises when a column changes its
meaning, its type or its name. A new column of `trials` that may be null does not raise it: files
from before lack the column, and readers take it as null.
"""

from collections.abc import Collection, Mapping

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


def _schema(columns: Mapping[str, pa.DataType], nullable: Collection[str] = ()) -> pa.Schema:
    fields = [pa.field(name, kind, name in nullable) for name, kind in columns.items()]
    return pa.schema(fields, metadata=METADATA)


EPISODES = _schema(
    {
        **dict.fromkeys(("trial_id", "config_id", "env", "env_args", "variant"), LABEL),
        "seed": pa.int64(),
        "episode": pa.int32(),
        "episode_return": pa.float64(),
        "steps": pa.int32(),
        "terminated": pa.bool_(),
        "truncated": pa.bool_(),
        "success": pa.bool_(),
    },
    nullable={"success"},
)

SUMMARY = {
    **dict.fromkeys(("mean_return", "final_return", "mean_steps", "final_steps"), pa.float64()),
    "total_steps": pa.int64(),
    **dict.fromkeys(("success_rate", "final_success_rate", "truncation_rate"), pa.float64()),
    **dict.fromkeys(("start_value", "policy_value", "optimal_value"), pa.float64()),
    **dict.fromkeys(("q_bias", "q_rmse", "q_max_error"), pa.float64()),
}
_KINDS = {float: pa.float64(), int: pa.int32(), str: pa.string()}
_SECONDS = dict.fromkeys(("train_seconds", "evaluate_seconds"), pa.float64())
_ERROR = dict.fromkeys(("error_type", "error_message", "error_traceback"), pa.string())

TRIALS = _schema(
    {
        **dict.fromkeys(("trial_id", "config_id", "env", "env_args", "label"), pa.string()),
        **dict.fromkeys(("fingerprint", "source", "variant", "rule", "rule_args"), pa.string()),
        "seed": pa.int64(),
        **{row.name: _KINDS[row.kind] for row in HYPERPARAMETERS.values()},
        "episodes": pa.int32(),
        "max_steps": pa.int32(),
        **dict.fromkeys(("role", "status", "engine"), pa.string()),
        **SUMMARY,
        **_SECONDS,
        "finished_at": pa.timestamp("us", tz="UTC"),
        **_ERROR,
    },
    # gamma and epsilon's start are read by every trial, whatever its variant and schedules.
    nullable={
        *("label", "fingerprint", "source", "rule", "rule_args", "engine"),
        *(*SUMMARY, *_SECONDS, *_ERROR),
    }
    | HYPERPARAMETERS.keys() - {"gamma", "eps_schedule", "eps_start"},
)

# Metrics that are columns of `trials` and have a better end: 1 where more is better, else -1.
BETTER = {
    **dict.fromkeys(("mean_return", "final_return", "policy_value"), 1),
    **dict.fromkeys(("success_rate", "final_success_rate"), 1),
    **dict.fromkeys(("mean_steps", "final_steps", "truncation_rate", "q_rmse", "q_max_error"), -1),
}

Q_VALUES = _schema(
    {"trial_id": LABEL, "state": pa.int32(), "action": pa.int32(), "q_value": pa.float64()}
)

# The columns that can be had of an episode: its own, and those of its trial.
JOINED = pa.schema(
    [
        *EPISODES,
        *(
            f.with_type(LABEL) if pa.types.is_string(f.type) else f
            for f in TRIALS
            if f.name not in EPISODES.names
        ),
    ]
)

# Names of columns that the analysis adds; parameters of user-defined rules must have others.
_ADDED = """
environment configuration baseline baseline_configuration metric n mean baseline_mean sd se low high
median iqm min max worst_tenth difference p_value wins ties losses holm score x y ours theirs
seeds fresh_seeds return_per_step regret failure_rate falls falls_per_episode falls_per_1000_steps
policy_gap start_bias optimal_return optimal_steps failure_terminates
"""
OF_ANALYSIS = frozenset(_ADDED.split())


def conformed(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """The columns of `wanted` with its types; null or the default for what is not there.

    Raises:
        ValueError: a column is null, or not there, that is never null and has no default.
    """
    for field in wanted:
        if field.name not in table.column_names:
            if not field.nullable and field.name not in DEFAULTS:
                raise ValueError(f"it has no column {field.name!r}")
            value = pa.scalar(DEFAULTS.get(field.name), field.type)
            table = table.append_column(field.name, pa.repeat(value, len(table)))
    return table.select(wanted.names).cast(wanted)
