"""Trains one trial: picks the engine, checks that the environment is the planned one, evaluates."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from hq_ray.environments import load_model, load_source, made
from hq_ray.errors import InputError, ModelError, TrialError
from hq_ray.gymnasium_loop import train_on_gymnasium
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.kernel import train_on_kernel
from hq_ray.model import Model
from hq_ray.planning import greedy_start_value, optimal_start_value, optimal_values
from hq_ray.schema import SUMMARY
from hq_ray.tables import KernelTables, kernel_tables
from hq_ray.trial import EpisodeLog, Trained, Trial, environment_key
from hq_ray.updates import uncompilable, variant_of

ENGINES = ("auto", "kernel", "gymnasium")
# What trials of one compiled loop have in common, and what trials trained together have.
LOOP = ("env", "env_args", "fingerprint", "variant", "rule", "by_visits")
loop_key, group_key = attrgetter(*LOOP), attrgetter(*LOOP, "episodes", "max_steps")


def train(trial: Trial, engine: str = "auto") -> Trained:
    """Trains a trial and evaluates its greedy policy exactly where there is a model.

    The engine is `kernel`, `gymnasium`, or `auto` for the kernel where it can serve. All log alike.

    Raises:
        InputError: the kernel is asked for, and cannot serve.
        ModelError: the environment here is not the one that the trial was planned with.
        TrialError: what the environment gave, or a Q value, cannot be learned from.
    """
    return train_together([trial], engine)[0]


def kernel_lacks(trial: Trial) -> str | None:
    """What the kernel needs to train a trial, and why it is not there; None where it can."""
    if not trial.has_model:
        return f"a transition table, and {trial.env} has none to use"
    if uncompilable(trial.variant) is not None:
        return f"a rule that numba can compile, and {trial.variant} has none"
    return None


def train_together(trials: Sequence[Trial], engine: str = "auto") -> list[Trained]:
    """Trains trials of one group, on the kernel several at a time; see `train` and `group_key`."""
    first = trials[0]
    model, lacks = _planned_model(first), kernel_lacks(first)
    if engine == "kernel" and lacks is not None:
        raise InputError(f"the kernel needs {lacks}")
    if model is not None and lacks is None and engine != "gymnasium":
        tables = kernel_tables(model)
        _load_loop(tables, first.variant, first.by_visits)
        engine, started = "kernel", time.perf_counter()
        logs = train_on_kernel(trials, tables)
        _check_finite(trials, logs, model)
    else:
        engine, started = "gymnasium", time.perf_counter()
        logs = [_train_on_gymnasium(trial, model) for trial in trials]
    seconds = time.perf_counter() - started
    total_steps = sum(int(log.steps.sum(dtype=np.int64)) for log in logs)
    trained = []
    for trial, log in zip(trials, logs, strict=True):
        started = time.perf_counter()
        summary = summarise(trial, log, model)
        # Trials in flight together share the time; steps are what it went into.
        share = seconds * summary["total_steps"] / total_steps
        trained.append(Trained(trial, log, engine, summary, share, time.perf_counter() - started))
    return trained


@lru_cache(maxsize=256)
def _load_loop(tables: KernelTables, variant: str, by_visits: bool) -> None:
    """Compiles a loop or loads it from disk, so that no trial's time includes that."""
    plain = used_hyperparameters(variant, {"alpha_schedule": "visits"} if by_visits else {})
    trial = Trial("", "{}", None, variant, seed=0, episodes=1, max_steps=1, **plain)
    train_on_kernel([trial], tables)


def _train_on_gymnasium(trial: Trial, model: Model | None) -> EpisodeLog:
    successes = model.successes if model is not None else None
    with made(trial.env, trial.env_args, trial.max_steps) as environment:
        return train_on_gymnasium(trial, environment, successes)


def _check_finite(trials: Sequence[Trial], logs: Sequence[EpisodeLog], model: Model | None) -> None:
    """The kernel does not look for overflow, but what is not finite stays so to the end."""
    for trial, log in zip(trials, logs, strict=True):
        if not (np.isfinite(log.episode_return).all() and np.isfinite(log.q_values).all()):
            if len(trials) == 1:
                _train_on_gymnasium(trial, model)  # fails alike, and knows the step
            raise TrialError("returns and Q values must be finite")


def warm_up(trials: Iterable[Trial]) -> None:
    """Compiles, or loads from the disk cache, all that training these trials will call."""
    for trial in {loop_key(trial): trial for trial in trials if trial.has_model}.values():
        try:
            train(replace(trial, episodes=1, max_steps=1))
        except Exception:
            if trial.rule is None:
                raise
            # The error of a user-defined rule is reported by its trials.


def _planned_model(trial: Trial) -> Model | None:
    """The model that the trial was planned with.

    Raises:
        ModelError: the rule, the environment's source or its model is another one here.
    """
    name, model = environment_key(trial.env, trial.env_args), None
    rule = variant_of(trial.variant).digest
    _check_planned(f"module of {trial.variant}", trial.rule, rule, "the rule's code")
    if trial.has_model:
        model = load_model(trial.env, trial.env_args)
        found = model.fingerprint if model is not None else None
        why = "the environment's code or Gymnasium's version"
        _check_planned(f"model of {name}", trial.fingerprint, found, why)
    elif trial.source is not None:
        found = load_source(trial.env, trial.env_args)
        _check_planned(f"source of {name}", trial.source, found, "the environment's code")
    return model


def _check_planned(what: str, planned: str | None, found: str | None, differs: str) -> None:
    if found != planned:
        raise ModelError(
            f"the {what} must be the planned one ({planned}), but this process has {found}: "
            f"{differs} differs from what the trial was planned with"
        )


@np.errstate(over="ignore", invalid="ignore")
def summarise(trial: Trial, log: EpisodeLog, model: Model | None) -> dict[str, Any]:
    """The scalars of a run, over all episodes and the last tenth ("final"); exact ones of a model.

    start_value is max_a Q(s0, a), policy_value the exact value of the greedy policy of the final
    Q table, optimal_value that of the best policy, each averaged over first states. q_bias, q_rmse
    and q_max_error are the errors of the final Q table against Q*, over the pairs whose value has
    moved from 0: the others say nothing of what the rule learns. What does not exist at gamma 1, as
    the value of a policy that may never end, or is too large for a float is None.
    """
    final = math.ceil(0.1 * trial.episodes)
    total_steps = int(log.steps.sum(dtype=np.int64))
    known: dict[str, Any] = {
        "mean_return": float(log.episode_return.mean()),
        "final_return": float(log.episode_return[-final:].mean()),
        "mean_steps": total_steps / trial.episodes,
        "final_steps": float(log.steps[-final:].mean()),
        "total_steps": total_steps,
        "truncation_rate": 1.0 - int(np.count_nonzero(log.terminated)) / trial.episodes,
    }
    if log.success is not None:
        known["success_rate"] = int(np.count_nonzero(log.success)) / trial.episodes
        known["final_success_rate"] = int(np.count_nonzero(log.success[-final:])) / final
    if model is not None:
        starts = np.flatnonzero(model.start_probability)
        known["start_value"] = float(
            model.start_probability[starts] @ log.q_values[starts].max(axis=1)
        )
        known["policy_value"] = greedy_start_value(model, log.q_values, trial.gamma)
        known["optimal_value"] = optimal_start_value(model, trial.gamma)
        moved = log.q_values != 0.0
        errors = log.q_values[moved] - optimal_values(model, trial.gamma)[moved]
        if errors.size and np.isfinite(errors).all():
            known["q_bias"] = float(errors.mean())
            known["q_rmse"] = math.sqrt(float(errors @ errors) / errors.size)
            known["q_max_error"] = float(np.abs(errors).max())
    return dict.fromkeys(SUMMARY) | {
        name: value for name, value in known.items() if value is not None and math.isfinite(value)
    }
