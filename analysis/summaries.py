"""Finished trials with every metric of `analysis.metrics` as a column, and times to a threshold."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from hq_ray.analysis.metrics import METRICS
from hq_ray.errors import InputError, ResultsError
from hq_ray.references import NoReferences, References, references_of
from hq_ray.store import DONE

# What decides the references of a trial.
REFERENCE_KEY = ("env", "env_args", "fingerprint", "gamma", "max_steps")
# The columns that References fill; optimal_value is there from training.
REFERENCE_COLUMNS = tuple(
    field.name for field in fields(References) if field.name not in ("optimal_value",)
)
# Gymnasium's own ids; what another module registers under such a name has rewards of its own.
CLIFF_WALKING = re.compile(r"(gymnasium:)?CliffWalking(Slippery)?-v\d+")
STEP_REWARD, FALL_REWARD = -1, -100
# So many trials are named in a sentence about those that are left out.
TRIALS_NAMED = 5
# The optimum must exceed the random policy by more than this share of either to normalise by it.
SPAN_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Summaries:
    """Trials with derived columns.

    Attributes:
        frame: one row per done trial of finite returns and values: the columns of `trials`, `falls`
            (their number), the attributes of References as float64, and a column per metric, NaN
            where unknown.
        notes: one sentence for each reason why trials are left out or columns are null.
    """

    frame: pd.DataFrame
    notes: list[str]


def summarise_trials(trials: pd.DataFrame) -> Summaries:
    """The done trials with a column for each metric, in the order given.

        return_per_step = sum R / sum L        regret = sum_t (J* - R_t)
        policy_gap = V* - V^pi                 start_bias = max_a Q(s0, a) - V^pi
        normalised_policy_gap = (V* - V^pi) / (V* - V^random)
        normalised_return = (F - J_random) / (J* - J_random)

    `episodes_to_threshold` and `steps_to_threshold` come from curves and are NaN unless the frame
    has them. What needs references is NaN where there are none; see `references_of`.

    Args:
        trials: as `hq_ray.load.load_trials` gives it; columns of metrics may be missing.

    Raises:
        ResultsError: a CliffWalking log whose falls are no whole number.
    """
    frame, left_out = _finite(trials[trials["status"] == DONE])
    measured = [name for name in ("start_value", "optimal_value", *METRICS) if name not in frame]
    frame = frame.assign(**dict.fromkeys(measured, np.nan))
    found, notes = _reference_columns(frame)
    frame = frame.assign(**found)
    frame = frame.assign(falls=_falls(frame), **_from_returns(frame), **_from_values(frame))
    frame["falls_per_episode"] = frame["falls"] / frame["episodes"]
    frame["falls_per_1000_steps"] = 1000 * frame["falls"] / frame["total_steps"]
    return Summaries(frame, left_out + notes + _span_notes(frame))


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


def _from_returns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    above_random = _span(frame["optimal_return"], frame["random_return"])
    going_wrong = 1 - frame["truncation_rate"] - frame["success_rate"]
    # A share of whole episodes, so that rounding leaves no -1e-17.
    failure_rate = (going_wrong * frame["episodes"]).round() / frame["episodes"]
    return {
        "return_per_step": frame["mean_return"] / frame["mean_steps"],
        "regret": frame["episodes"] * (frame["optimal_return"] - frame["mean_return"]),
        "normalised_return": (frame["final_return"] - frame["random_return"]) / above_random,
        "failure_rate": failure_rate.where(frame["failure_terminates"] != 0),
    }


def _from_values(frame: pd.DataFrame) -> dict[str, pd.Series]:
    gap = frame["optimal_value"] - frame["policy_value"]
    return {
        "policy_gap": gap,
        "normalised_policy_gap": gap / _span(frame["optimal_value"], frame["random_value"]),
        "start_bias": frame["start_value"] - frame["policy_value"],
    }


def _span(best: pd.Series, random: pd.Series) -> pd.Series:
    """best - random, NaN where the best is not better than random."""
    span = best - random
    return span.where(span > SPAN_TOLERANCE * np.maximum(best.abs(), random.abs()))


def _span_notes(frame: pd.DataFrame) -> list[str]:
    notes = []
    for name, best, random in (
        ("normalised_return", "optimal_return", "random_return"),
        ("normalised_policy_gap", "optimal_value", "random_value"),
    ):
        known = frame[best].notna() & frame[random].notna()
        flat = known & _span(frame[best], frame[random]).isna()
        if flat.any():
            names = ", ".join(sorted(set(frame["env"][flat])))
            notes.append(
                f"{name} is null for {_trials(int(flat.sum()))} of {names}: the gamma-optimal "
                "policy does not exceed the random one there"
            )
    return notes


def _reference_columns(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], list[str]]:
    """References by column, each computed once per distinct key, and what is missing and why."""
    keys = frame[list(REFERENCE_KEY)]
    number = keys.groupby(list(REFERENCE_KEY), dropna=False, sort=False).ngroup().to_numpy()
    _, first, counts = np.unique(number, return_index=True, return_counts=True)
    rows, missing = [], {}
    for key, count in zip(keys.iloc[first].itertuples(index=False), counts, strict=True):
        known = [None if pd.isna(value) else value for value in key]
        try:
            rows.append(asdict(references_of(*known)))
        except NoReferences as problem:
            rows.append({})
            missing[str(problem)] = missing.get(str(problem), 0) + int(count)
    columns = {
        name: np.array([row.get(name, np.nan) for row in rows], np.float64)[number]
        for name in REFERENCE_COLUMNS
    }
    return columns, _missing_notes(missing)


def _missing_notes(missing: Mapping[str, int]) -> list[str]:
    return [
        f"regret, normalised_return and normalised_policy_gap are null for {_trials(count)}: "
        f"{reason}"
        for reason, count in missing.items()
    ]


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


@dataclass(frozen=True)
class TimeToThreshold:
    """Times of n runs to a threshold, without the bias of a mean over those that reached it.

    Attributes:
        share_reached: of the runs, by the horizon.
        restricted_mean: E[min(tau, T)], in the unit of the times.
        n: number of runs.
    """

    share_reached: float
    restricted_mean: float
    n: int


def censored_mean(times: Sequence[float] | np.ndarray, horizon: float) -> TimeToThreshold:
    """Share of runs that reach a threshold by the horizon T, and E[min(tau, T)].

    Irwin 1949, "The standard error of an estimate of expectation of life", Journal of Hygiene 47.

    Args:
        times: (n,), tau of each run in episodes or steps; -1 for a run that never reached it.
        horizon: T, which every run was watched for.

    Raises:
        InputError: no times, times that are neither -1 nor >= 0, or a horizon not above 0.
    """
    taken = np.asarray(times, dtype=np.float64)
    if taken.ndim != 1 or not taken.size:
        raise InputError(f"times must be an array (n,) with n >= 1, got shape {taken.shape}")
    sound = np.isfinite(taken) & ((taken >= 0) | (taken == -1))
    if not sound.all():
        raise InputError(
            f"times must be finite and >= 0, or -1 for never, got {taken[~sound][0]:g}"
        )
    if not (np.isfinite(horizon) and horizon > 0):
        raise InputError(f"horizon must be a finite number > 0, got {horizon}")
    reached = (taken >= 0) & (taken <= horizon)
    limited = np.where(reached, taken, horizon)
    return TimeToThreshold(float(reached.mean()), float(limited.mean()), taken.size)


def default_threshold(references: References, share: float = 0.1) -> float:
    """J* - share * (J* - J_random), the return that counts as learned [return].

    Raises:
        InputError: the share lies outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError(f"share must lie in [0, 1], got {share}")
    return references.optimal_return - share * (
        references.optimal_return - references.random_return
    )
