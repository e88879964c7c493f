"""Executors: where batches run. In this process, here; on Ray, in `ray_executor`."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hq_ray.batch import BatchReport, run_batch
from hq_ray.errors import HqRayError
from hq_ray.store import Results
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ownership import holds
from hq_ray.trial import Trial

RunBatch = Callable[[tuple[Trial, ...]], BatchReport]


def train_batch(
    results: Results, options: RunOptions, token: str, trials: tuple[Trial, ...]
) -> BatchReport:
    """What a task does: `run_batch`, whose trials count while the driver of the token holds the
    results.
    """
    may_commit = partial(holds, results.location, token)
    return run_batch(trials, results, options.keep_q_values, options.engine, may_commit)


class ExecutorLost(HqRayError):
    """The place where batches run is gone, and what was running there with it."""


@dataclass(frozen=True)
class Crash:
    """A batch that came to no report.

    Attributes:
        kind: `worker` (the process died), `node` (its machine went away) or `error` (the task
            raised, which a trial's own failure never does: the store or the code is at fault).
        reason: `Type: message`.
        cause: the exception itself, where there is one to raise.
    """

    kind: str
    reason: str
    cause: BaseException | None = None


class Executor(Protocol):
    """What the driver needs of a place to run batches."""

    cores: int

    def submit(self, batch: tuple[Trial, ...]) -> object:
        """Hands over a batch; returns what identifies it in `wait`."""

    def wait(self, timeout: float) -> list[tuple[object, BatchReport | Crash]]:
        """Batches that ended, in order of completion; empty after `timeout` seconds.

        Raises:
            ExecutorLost: no batch will end any more.
        """

    def cancel(self) -> None:
        """Stops what is running, at once."""


class LocalExecutor:
    """Runs batches one after the other in this process, for debugging and for tests."""

    cores = 1

    def __init__(self, run: RunBatch):
        self._run = run
        self._waiting: deque[tuple[int, tuple[Trial, ...]]] = deque()
        self._submitted = 0

    def submit(self, batch: tuple[Trial, ...]) -> int:
        """Queues a batch; it runs inside `wait`."""
        self._submitted += 1
        self._waiting.append((self._submitted, batch))
        return self._submitted

    def wait(self, timeout: float) -> list[tuple[int, BatchReport | Crash]]:
        """Runs the oldest queued batch to its end."""
        if not self._waiting:
            return []
        ticket, batch = self._waiting.popleft()
        try:
            return [(ticket, self._run(batch))]
        except Exception as problem:
            return [(ticket, Crash("error", f"{type(problem).__name__}: {problem}", problem))]

    def cancel(self) -> None:
        """Forgets what is queued."""
        self._waiting.clear()
