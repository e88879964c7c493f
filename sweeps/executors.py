"""Executors: where batches run, in this process or on Ray (`ray_executor`)."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hq_ray.batch import BatchReport, run_batch
from hq_ray.errors import HqRayError, reason_of
from hq_ray.store import Results
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ownership import card_name, holds
from hq_ray.trial import Trial

Batch = tuple[Trial, ...]


def train_batch(results: Results, options: RunOptions, token: str, batch: Batch) -> BatchReport:
    """Runs a batch; commits it if the driver of the token still holds the results."""
    may_commit = partial(holds, results.location, token, card_name(options.part))
    return run_batch(batch, results, options.keep_q_values, options.engine, may_commit)


class ExecutorLost(HqRayError):
    """The executor is gone, with the batches that were running."""


@dataclass(frozen=True)
class Crash:
    """A batch that ended without a report.

    Attributes:
        kind: `worker` (the process died), `node` (its machine was lost) or `error` (the task raised
            because of the store or the code; a failed trial never raises).
        reason: `Type: message`.
        cause: the exception itself, if it can be raised.
    """

    kind: str
    reason: str
    cause: BaseException | None = None


class Executor(Protocol):
    """What the driver needs to run batches."""

    @property
    def cores(self) -> int:
        """How many batches can run at once, now; 0 while a cluster has no workers."""

    def ask_for(self, cores: int) -> None:
        """Tells a cluster's autoscaler how many cores the remaining work could use."""

    def submit(self, batch: Batch) -> None:
        """Queues a batch."""

    def wait(self) -> list[tuple[Batch, BatchReport | Crash]]:
        """Batches that ended and their outcomes; none after a moment.

        Raises:
            ExecutorLost: no running batch will ever end.
        """

    def cancel(self) -> None:
        """Stops running batches at once."""


class LocalExecutor:
    """Runs batches one after another in this process, inside `wait`."""

    cores = 1

    def __init__(self, run: Callable[[Batch], BatchReport]):
        self._run = run
        self._waiting: deque[Batch] = deque()

    def ask_for(self, cores: int) -> None:
        """Does nothing: there is this process."""

    def submit(self, batch: Batch) -> None:
        """Queues a batch."""
        self._waiting.append(batch)

    def wait(self) -> list[tuple[Batch, BatchReport | Crash]]:
        """Runs the oldest queued batch."""
        batch = self._waiting.popleft()
        try:
            return [(batch, self._run(batch))]
        except Exception as problem:
            return [(batch, Crash("error", reason_of(problem), problem))]

    def cancel(self) -> None:
        """Drops queued batches."""
        self._waiting.clear()
