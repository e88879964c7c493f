"""What one task does: train each trial of a batch, publish them as one file, report in brief."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hq_ray.errors import ModelError
from hq_ray.store import Results
from hq_ray.training import group_key, kernel_lacks, train_together
from hq_ray.trial import Failure, Trained, Trial

# Trials in one call of the kernel: enough to keep its lanes full, few enough to stay in the cache.
TOGETHER = 32
# With --local, its handler of Ctrl-C raises inside whichever trial is training.
DRIVER = "hq_ray.sweeps.driver"


@dataclass(frozen=True)
class BatchReport:
    """What travels back to the driver: counts and seconds, never episodes.

    Attributes:
        done: ids of the trials published as such.
        reasons: `Type: message` of each failure.
        steps: environment steps trained.
        train_seconds: spent in training loops.
        seconds: from start to published.
    """

    done: tuple[str, ...]
    reasons: tuple[str, ...]
    steps: int
    train_seconds: float
    seconds: float


def run_batch(
    trials: Sequence[Trial],
    results: Results,
    keep_q_values: bool = False,
    engine: str = "auto",
    may_commit: Callable[[], bool] = lambda: True,
) -> BatchReport:
    """Trains and publishes a batch; a trial that raises becomes a failed row with its traceback.

    `may_commit` is asked right before the batch counts as published.

    Raises:
        ModelError: the environment here is not the planned one.
        Superseded: `may_commit` said no.
        OSError: the results cannot be written.
    """
    started = time.perf_counter()
    ended = [result for group in groups(trials, engine) for result in _train_group(group, engine)]
    trained = [result for result in ended if isinstance(result, Trained)]
    failures = [result for result in ended if isinstance(result, Failure)]
    results.publish(trained, failures, keep_q_values, may_commit)
    return BatchReport(
        done=tuple(done.trial.trial_id for done in trained),
        reasons=tuple(f"{failure.error_type}: {failure.error_message}" for failure in failures),
        steps=sum(done.summary["total_steps"] for done in trained),
        train_seconds=sum(done.train_seconds for done in trained),
        seconds=time.perf_counter() - started,
    )


def groups(trials: Sequence[Trial], engine: str = "auto") -> Iterator[list[Trial]]:
    """Trials that gain by being trained together; those of the Gymnasium loop stand alone."""
    alike: dict[tuple, list[Trial]] = {}
    for trial in trials:
        alike.setdefault(group_key(trial), []).append(trial)
    for group in alike.values():
        together = 1 if engine == "gymnasium" or kernel_lacks(group[0]) else TOGETHER
        for start in range(0, len(group), together):
            yield group[start : start + together]


def _train_group(group: list[Trial], engine: str) -> Sequence[Trained | Failure]:
    try:
        return train_together(group, engine)
    except ModelError:
        # Not this trial's fault but this machine's: every trial here would fail like it.
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as problem:
        if not isinstance(problem, Exception) and _told_to_stop(problem):
            raise
        if len(group) > 1:
            return [result for trial in group for result in _train_group([trial], engine)]
        return [_failure(group[0], problem)]


def _told_to_stop(problem: BaseException) -> bool:
    """Whether a signal handler of Ray or the driver raised it, so that the trial has not failed."""
    frames = (frame for frame, _ in traceback.walk_tb(problem.__traceback__))
    modules = [frame.f_globals.get("__name__", "") for frame in frames]
    return any(name.split(".")[0] == "ray" or name == DRIVER for name in modules)


def _failure(trial: Trial, problem: BaseException) -> Failure:
    """The problem as text that can be stored, whatever the exception is like."""
    try:
        message = str(problem)
        trace = "".join(traceback.format_exception(problem))
    except Exception as another:
        message = trace = f"its message cannot be read: {type(another).__name__}"
    shown = [text.encode("utf-8", "replace").decode() for text in (message[:500], trace[-4000:])]
    return Failure(trial, type(problem).__name__, *shown)
