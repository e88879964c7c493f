"""Finished trials with every metric of `analysis.metrics` as a column."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hq_ray.analysis.metrics import METRICS
from hq_ray.errors import ResultsError
from hq_ray.planning import NoReferences, references_of
from hq_ray.store import DONE

# What decides the references of a trial.
REFERENCE_KEY = ("env", "env_args", "fingerprint", "gamma", "max_steps")
# The columns that References fill; optimal_value is there from training.
REFERENCE_COLUMNS = ("optimal_return", "optimal_steps", "failure_terminates")
# Gymnasium's own ids; what another module registers under such a name has rewards of its own.
CLIFF_WALKING = re.compile(r"(gymnasium:)?CliffWalking(Slippery)?-v\d+")
STEP_REWARD, FALL_REWARD = -1, -100
# So many trials are named in a sentence about those that are left out.
TRIALS_NAMED = 5


@dataclass(frozen=True, eq=False)
class Summaries:
    """Trials with derived columns.

    Attributes:
        frame: one row per done trial with finite scores: the columns of `trials`, `falls` (their
            number), the REFERENCE_COLUMNS as float64, and a column per metric, NaN where unknown.
        notes: one sentence for each reason why trials are left out or columns are null.
    """

    frame: pd.DataFrame
    notes: list[str]


def summarise_trials(trials: pd.DataFrame, with_references: bool = True) -> Summaries:
    """The done trials with a column for each metric, in the order given.

    A trial whose returns or values are no finite numbers is left out, and named in a note.

        return_per_step = sum R / sum L        regret = sum_t (J* - R_t)
        policy_gap = V* - V^pi                 start_bias = max_a Q(s0, a) - V^pi

    What needs references is NaN where there are none; see `references_of`.

    Args:
        trials: as `hq_ray.load.load_trials` gives it; columns of metrics may be missing.
        with_references: make environments for their references; else those are NaN.

    Raises:
        ResultsError: a CliffWalking log whose falls are no whole number.
    """
    frame, left_out = _finite(trials[trials["status"] == DONE])
    measured = [name for name in ("start_value", "optimal_value", *METRICS) if name not in frame]
    frame = frame.assign(**dict.fromkeys(measured, np.nan))
    unknown = dict.fromkeys(REFERENCE_COLUMNS, np.nan)
    found, notes = _reference_columns(frame) if with_references else (unknown, [])
    frame = frame.assign(**found)
    frame = frame.assign(falls=_falls(frame), **_derived(frame))
    frame["falls_per_episode"] = frame["falls"] / frame["episodes"]
    frame["falls_per_1000_steps"] = 1000 * frame["falls"] / frame["total_steps"]
    return Summaries(frame, left_out + notes)


def _finite(done: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The trials whose returns and values are finite, and a note on the others.

    None of them would be done today: a value that is not finite fails its trial.
    """
    measured = [name for name in ("start_value", *METRICS) if name in done]
    values = done[measured].to_numpy(dtype=float, na_value=np.nan)
    sound = ~np.isinf(values).any(axis=1)
    sound &= done[["mean_return", "final_return"]].notna().all(axis=1).to_numpy()
    if sound.all():
        return done.reset_index(drop=True), []
    lost = done[~sound]
    names = [
        f"{one.trial_id} ({one.variant}, seed {one.seed}, {one.env})" for one in lost.itertuples()
    ]
    more = f" and {len(lost) - TRIALS_NAMED:,} more" if len(lost) > TRIALS_NAMED else ""
    note = (
        f"{_trials(len(lost))} with a return or value that is NaN or infinite left out: "
        f"{', '.join(names[:TRIALS_NAMED])}{more}"
    )
    return done[sound].reset_index(drop=True), [note]


def _derived(frame: pd.DataFrame) -> dict[str, pd.Series]:
    going_wrong = 1 - frame["truncation_rate"] - frame["success_rate"]
    # A share of whole episodes, so that rounding leaves no -1e-17.
    failure_rate = (going_wrong * frame["episodes"]).round() / frame["episodes"]
    return {
        "return_per_step": frame["mean_return"] / frame["mean_steps"],
        "regret": frame["episodes"] * (frame["optimal_return"] - frame["mean_return"]),
        "failure_rate": failure_rate.where(frame["failure_terminates"] != 0),
        "policy_gap": frame["optimal_value"] - frame["policy_value"],
        "start_bias": frame["start_value"] - frame["policy_value"],
    }


def _reference_columns(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], list[str]]:
    """References by column, each computed once per distinct key, and what is missing and why."""
    keys = frame[list(REFERENCE_KEY)]
    number = keys.groupby(list(REFERENCE_KEY), dropna=False, sort=False).ngroup().to_numpy()
    _, first, counts = np.unique(number, return_index=True, return_counts=True)
    rows, missing = [], {}
    for key, count in zip(keys.iloc[first].itertuples(index=False), counts, strict=True):
        known = [None if pd.isna(value) else value for value in key]
        try:
            rows.append(vars(references_of(*known)))
        except NoReferences as problem:
            rows.append({})
            missing[str(problem)] = missing.get(str(problem), 0) + int(count)
    columns = {
        name: np.array([row.get(name, np.nan) for row in rows], np.float64)[number]
        for name in REFERENCE_COLUMNS
    }
    return columns, _missing_notes(missing)


def _missing_notes(missing: Mapping[str, int]) -> list[str]:
    return [f"regret is null for {_trials(count)}: {reason}" for reason, count in missing.items()]


def _trials(count: int) -> str:
    return f"{count:,} trial{'' if count == 1 else 's'}"


def falls_of(returns: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Falls from a cliff that does not end the episode, `-(R + L) / 99`, of episodes or of sums."""
    return (STEP_REWARD * steps - returns) / (STEP_REWARD - FALL_REWARD)


def _falls(frame: pd.DataFrame) -> np.ndarray:
    """Number of falls of each CliffWalking trial, NaN elsewhere.

    A step costs 1 and one that falls 100, without ending the episode, so over all episodes

        falls = -(sum R + sum L) / 99
    """
    falls = np.full(len(frame), np.nan)
    cliffs = [env for env in frame["env"].unique() if CLIFF_WALKING.fullmatch(env)]
    walks = np.flatnonzero(frame["env"].isin(cliffs) & frame["mean_return"].notna())
    if not walks.size:
        return falls
    trials = frame.iloc[walks]
    total_return = (trials["mean_return"] * trials["episodes"]).to_numpy(np.float64)
    total_steps = trials["total_steps"].to_numpy(np.float64)
    found = falls_of(total_return, total_steps)
    whole = np.rint(found) + 0.0
    # The mean is rounded, so its multiple is off by a few units in the last place.
    tolerance = 1e-6 + 8 * np.finfo(np.float64).eps * np.abs(total_return)
    sound = (np.abs(found - whole) <= tolerance) & (whole >= 0) & (whole <= total_steps)
    if not sound.all():
        worst = int(np.flatnonzero(~sound)[0])
        trial = trials.iloc[worst]
        raise ResultsError(
            f"the log of trial {trial['trial_id']} ({trial['env']} {trial['env_args']}) must come "
            f"from rewards of {STEP_REWARD} a step and {FALL_REWARD} a fall, which make "
            "-(return + steps)/99 the whole number of falls, but it gives "
            f"{found[worst]:,.3f} in {total_steps[worst]:,.0f} steps"
        )
    falls[walks] = whole
    return falls
