"""Made-up logs and failures of trials, for tests of what is stored and read."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from hq_ray.store import Results
from hq_ray.trial import EpisodeLog, Failure, Trained, Trial


def trained(trial: Trial, n_states: int = 3, n_actions: int = 2) -> Trained:
    """A log that differs from trial to trial; of success only where there is a model."""
    random = np.random.default_rng(int(trial.trial_id, 16))
    n = trial.episodes
    log = EpisodeLog(
        random.normal(size=n),
        random.integers(1, 50, n, dtype=np.int32),
        random.random(n) < 0.5,
        random.random(n) < 0.5 if trial.fingerprint else None,
        random.normal(size=(n_states, n_actions)),
    )
    summary = {"mean_return": 1.5, "total_steps": int(log.steps.sum())}
    return Trained(trial, log, "kernel", summary, 0.25, 0.5)


def failure(trial: Trial, message: str = "no") -> Failure:
    """A trial that raised."""
    return Failure(trial, "ValueError", message, "Traceback: no")


def failing_after(calls: int, function, problem: BaseException):
    """A function that is another one for so many calls, and then raises."""
    left = iter(range(calls))

    def call(*arguments):
        if next(left, None) is None:
            raise problem
        return function(*arguments)

    return call


def publish(results: Results, trials: list[Trial], n_batches: int = 1) -> Results:
    """Publishes logs of trials; every batch takes its own from all over."""
    for first in range(n_batches):
        results.publish([trained(trial) for trial in trials[first::n_batches]])
    return results


def rewrite(results: Results, kind: str, change, **options) -> None:
    """Replaces each file of `trials` or `episodes` by what a function makes of its table."""
    for file in Path(results.location.path, kind).iterdir():
        pq.write_table(change(pq.read_table(file)), file, **options)
