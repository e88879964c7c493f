"""What one task does: train each trial of a batch, publish them as one file, report in brief."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hq_ray.errors import ModelError
from hq_ray.store import Failure, Results
from hq_ray.training import Trained, train
from hq_ray.trial import Trial

TRACEBACK_CHARACTERS = 4000


@dataclass(frozen=True)
class BatchReport:
    """What travels back to the driver: counts and seconds, never episodes.

    Attributes:
        done, failed: ids of the trials published as such.
        reasons: `Type: message` of each failure, in the order of `failed`.
        steps: environment steps trained.
        train_seconds: spent in training loops.
        seconds: from start to published.
    """

    done: tuple[str, ...]
    failed: tuple[str, ...]
    reasons: tuple[str, ...]
    steps: int
    train_seconds: float
    seconds: float


def run_batch(
    trials: Sequence[Trial],
    results: Results,
    keep_q_values: bool = False,
    engine: str = "auto",
    train_one: Callable[[Trial, str], Trained] = train,
) -> BatchReport:
    """Trains and publishes a batch; a trial that raises becomes a failed row with its traceback."""
    started = time.perf_counter()
    trained: list[Trained] = []
    failures: list[Failure] = []
    for trial in trials:
        try:
            trained.append(train_one(trial, engine))
        except ModelError:
            # Not this trial's fault but this machine's: every trial here would fail like it.
            raise
        except Exception as problem:
            text = "".join(traceback.format_exception(problem))[-TRACEBACK_CHARACTERS:]
            failures.append(Failure(trial, type(problem).__name__, str(problem), text))
    results.publish(trained, failures, keep_q_values)
    return BatchReport(
        done=tuple(done.trial.trial_id for done in trained),
        failed=tuple(failure.trial.trial_id for failure in failures),
        reasons=tuple(f"{failure.error_type}: {failure.message}" for failure in failures),
        steps=sum(done.summary["total_steps"] for done in trained),
        train_seconds=sum(done.train_seconds for done in trained),
        seconds=time.perf_counter() - started,
    )
