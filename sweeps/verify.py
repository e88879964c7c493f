"""Retrains published trials and compares their logs with the stored ones, byte for byte."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
from gymnasium.error import Error as GymnasiumError

from hq_ray.errors import HqRayError, InputError, did_you_mean
from hq_ray.load import load_curves
from hq_ray.published import trials_table
from hq_ray.store import DONE, Results
from hq_ray.training import train
from hq_ray.trial import TRIAL_FIELDS, UNSEEDED, Trial

COMPARED = ("episode_return", "steps", "terminated", "truncated")


def stored_trials(results: Results) -> dict[str, Trial]:
    """Every trial published as done, by id; without source, so that edited code retrains it too."""
    table = trials_table(results)
    names = [name for name in ("trial_id", *TRIAL_FIELDS) if name != "source"]
    rows = table.filter(pc.equal(table["status"], DONE)).select(names)
    trials = {row.pop("trial_id"): Trial(**row) for row in rows.to_pylist()}
    for trial_id, trial in trials.items():
        trial.__dict__["trial_id"] = trial_id  # as stored, which an earlier meaning may have given
    return trials


def find_trial(trials: Mapping[str, Trial], trial_id: str) -> Trial:
    """The trial with that id, or with the only id that begins like this.

    Raises:
        InputError: there is none, or more than one.
    """
    matches = [known for known in trials if known.startswith(trial_id)]
    if len(matches) == 1:
        return trials[matches[0]]
    if matches:
        raise InputError(f"trial_id must name one trial, {trial_id!r} begins {len(matches)} ids")
    hint = did_you_mean(trial_id, list(trials)[:10_000])
    raise InputError(f"no finished trial {trial_id!r} among {len(trials):,}{hint}")


def draw(trials: Mapping[str, Trial], share: str, seed: int = 0) -> list[Trial]:
    """A random `1%` or `20` of the trials, at least one, in the order of their ids.

    Raises:
        InputError: the share is neither, or there is nothing to draw from.
    """
    if not trials:
        raise InputError("there are no finished trials to verify")
    is_percentage, wanted = share.endswith("%"), -1.0
    with suppress(ValueError):
        wanted = float(share[:-1]) if is_percentage else int(share)
    if not 0 < wanted <= (100 if is_percentage else len(trials)):
        raise InputError(
            f"sample must be a percentage like '1%' or a number from 1 to {len(trials)}, "
            f"got {share!r}"
        )
    number = round(len(trials) * wanted / 100) if is_percentage else int(wanted)
    chosen = random.Random(seed).sample(sorted(trials), max(1, number))
    return [trials[trial_id] for trial_id in sorted(chosen)]


def incomparable(trial: Trial) -> str | None:
    """Why the log of a stored trial cannot be compared; None where it can."""
    if trial.fingerprint == UNSEEDED:
        return "the environment is unseeded"
    if replace(trial).trial_id != trial.trial_id:
        return "trained with an earlier meaning of its hyperparameters"
    return None


def replay(
    results: Results, trials: Sequence[Trial], engine: str = "auto"
) -> Iterator[tuple[Trial, list[str]]]:
    """Retrains each trial and compares it with its stored log, reading a hundred at a time.

    Yields each trial with the columns that differ, or why it cannot be trained.
    """
    for first in range(0, len(trials), 100):
        hundred = trials[first : first + 100]
        stored = load_curves(results, hundred, COMPARED)
        for trial in hundred:
            yield trial, _differences(trial, stored[trial.trial_id], engine)


def _differences(trial: Trial, stored: Mapping[str, np.ndarray], engine: str) -> list[str]:
    try:
        log = train(trial, engine).log
    except (HqRayError, GymnasiumError) as problem:
        return [f"everything, because it cannot be retrained: {problem}"]
    return [
        name
        for name in COMPARED
        if np.ascontiguousarray(getattr(log, name)).tobytes()
        != np.ascontiguousarray(stored[name]).tobytes()
    ]
