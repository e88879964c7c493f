"""Frames of trials as `load_trials` gives them, with scores that a test chooses."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hq_ray import schema
from hq_ray.analysis.cells import cells_by_problem
from hq_ray.analysis.families import compare_all
from hq_ray.analysis.metrics import METRICS
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import DONE, FAILED
from hq_ray.trial import CONFIRMATION, EXPLORATION, FIRST_FRESH_SEED, TRIAL_FIELDS, Trial

NOW = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def trials_of(variant, levels, seeds, scores, env="Table-v0", metric="final_return", **columns):
    """Trials of one variant: a configuration per mapping of `levels`, its scores per row.

    A NaN score means that the trial is not there, an infinite one that it failed. `columns` are of
    all trials; `episodes`, `max_steps` and `fingerprint` may also be among the levels.
    """
    rows = []
    for given, of_seeds in zip(levels, np.asarray(scores, dtype=float), strict=True):
        identity = {"env_args": "{}", "fingerprint": None, "episodes": 100, "max_steps": 50}
        identity = {**identity, **columns}
        identity |= {name: given[name] for name in identity if name in given}
        hyperparameters = {name: level for name, level in given.items() if name not in identity}
        used = used_hyperparameters(variant, hyperparameters)
        for seed, score in zip(seeds, of_seeds, strict=True):
            if not np.isnan(score):
                role = CONFIRMATION if seed >= FIRST_FRESH_SEED else EXPLORATION
                given = {**identity, **used, "role": role}
                trial = Trial(env=env, variant=variant, seed=int(seed), **given)
                names = (*TRIAL_FIELDS, "trial_id", "config_id")
                row = {name: getattr(trial, name) for name in names}
                failed = np.isinf(score)
                row |= {"status": FAILED if failed else DONE, "finished_at": NOW}
                rows.append(row | {metric: None if failed else float(score)})
    return pa.Table.from_pylist(rows, schema=schema.TRIALS).to_pandas()


def table_of(*frames):
    """Cells by problem and variant of these trials."""
    return cells_by_problem(pd.concat(frames, ignore_index=True))


def alphas(n):
    """n configurations that differ in alpha."""
    return [{"alpha": (number + 1) / (n + 1)} for number in range(n)]


def compared(
    ours, base, *, seeds=None, base_seeds=None, metric="final_return", rope=None, **columns
):
    """Harmonic against standard with these scores, of seeds or of configurations by seeds."""
    frames = []
    for variant, scores, of in (("harmonic", ours, seeds), ("standard", base, base_seeds)):
        scores = np.atleast_2d(np.asarray(scores, float))
        of = range(scores.shape[1]) if of is None else of
        frames.append(trials_of(variant, alphas(len(scores)), of, scores, metric=metric, **columns))
    (found,) = compare_all(table_of(*frames), METRICS[metric], rope)
    return found


def exact(value):
    """Equal but for rounding; what is not known equals what is not."""
    return pytest.approx(value, rel=1e-10, abs=1e-10, nan_ok=True)
