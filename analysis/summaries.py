"""Trials with every metric of `analysis.metrics` as a column."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from hq_ray.analysis.metrics import METRICS
from hq_ray.errors import some_of
from hq_ray.store import DONE, FAILED
from hq_ray.trial import trials_text

# What decides the references of a trial.
REFERENCE_KEY = ["env", "env_args", "fingerprint", "gamma", "max_steps"]
# The columns that References fill; optimal_value is there from training.
REFERENCE_COLUMNS = ("optimal_return", "optimal_steps", "failure_terminates")
# Gymnasium's own ids; an environment of another module with this name may have other rewards.
CLIFF_WALKING = r"(gymnasium:)?CliffWalking(Slippery)?-v\d+"


def summarise_trials(
    trials: pd.DataFrame, with_references: bool = True
) -> tuple[pd.DataFrame, list[str]]:
    """The trials with a column for each metric, NaN where unknown, in the order given; and a
    sentence for each reason why some are left out or null.

        return_per_step = sum R / sum L        regret = sum_t (J* - R_t)
        policy_gap = V* - V^pi                 start_bias = max_a Q(s0, a) - V^pi

    `falls` is their number. The REFERENCE_COLUMNS, and what is made of them, are NaN where there
    are no references; see `hq_ray.planning.references_of`. A done trial with a return or value that
    is no finite number gets the status of a failed one, as it would have today.

    Args:
        trials: as `hq_ray.load.load_trials` gives it.
        with_references: make environments for their references; else those are NaN.
    """
    measured = [name for name in ("start_value", *METRICS) if name in trials]
    values = trials[measured].to_numpy(dtype=float, na_value=np.nan)
    unsound = np.isinf(values).any(axis=1)
    unsound |= trials[["mean_return", "final_return"]].isna().any(axis=1).to_numpy()
    unsound &= (trials["status"] == DONE).to_numpy()
    lost = trials[unsound].itertuples()
    names = [f"{t.trial_id} ({t.variant}, seed {t.seed}, {t.env})" for t in lost]
    notes = []
    if names:
        text = f"{trials_text(len(names))} with a return or value that is NaN or infinite left out"
        notes.append(f"{text}: {some_of(names, 5)}")
    frame = trials.assign(status=trials["status"].mask(unsound, FAILED)).reset_index(drop=True)
    frame.loc[unsound, measured] = np.nan
    frame = frame.assign(**dict.fromkeys(REFERENCE_COLUMNS, np.nan))
    if with_references:
        missing = _add_references(frame)
        notes += [f"regret is null for {trials_text(n)}: {reason}" for reason, n in missing.items()]
    falls = _falls(frame)
    going_wrong = 1 - frame["truncation_rate"] - frame["success_rate"]
    # A share of whole episodes, so that rounding leaves no -1e-17.
    failure_rate = (going_wrong * frame["episodes"]).round() / frame["episodes"]
    frame = frame.assign(
        return_per_step=frame["mean_return"] / frame["mean_steps"],
        regret=frame["episodes"] * (frame["optimal_return"] - frame["mean_return"]),
        failure_rate=failure_rate.where(frame["failure_terminates"] != 0),
        policy_gap=frame["optimal_value"] - frame["policy_value"],
        start_bias=frame["start_value"] - frame["policy_value"],
        falls=falls,
        falls_per_episode=falls / frame["episodes"],
        falls_per_1000_steps=1000 * falls / frame["total_steps"],
    )
    return frame, notes


def _add_references(frame: pd.DataFrame) -> Counter:
    """Fills the REFERENCE_COLUMNS, each key computed once; counts what is missing by reason."""
    # Imported here since it imports Numba, which `compare` has no need of.
    from hq_ray.planning import NoReferences, references_of

    missing: Counter = Counter()
    for key, part in frame[frame["status"] == DONE].groupby(REFERENCE_KEY, dropna=False):
        known: list[Any] = [None if pd.isna(value) else value for value in key]
        try:
            found = references_of(*known)
        except NoReferences as problem:
            missing[str(problem)] += len(part)
            continue
        frame.loc[part.index, REFERENCE_COLUMNS] = [
            float(getattr(found, name)) for name in REFERENCE_COLUMNS
        ]
    return missing


def _falls(frame: pd.DataFrame) -> pd.Series:
    """Number of falls of each CliffWalking trial, NaN elsewhere.

    A step costs 1 and one that falls 100, without ending the episode, so over all episodes

        falls = -(sum R + sum L) / 99
    """
    total_return = frame["mean_return"] * frame["episodes"]
    # The mean is rounded, so its multiple need not be whole.
    falls = (-(total_return + frame["total_steps"].astype(float)) / 99).round() + 0.0
    return falls.where(frame["env"].astype(str).str.fullmatch(CLIFF_WALKING))
