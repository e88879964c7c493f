"""The driver: submits batches, collects them as they finish, retries, and stops when it should.

It keeps a bounded window of batches in flight, and counts; episodes never pass through it. The
results on disk are consistent at any moment, so a killed driver loses only the batches in flight.
Batches run in this process (`LocalExecutor`) or on Ray (`ray_executor`).
"""

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from hq_ray.batch import BatchReport, run_batch
from hq_ray.errors import HqRayError, reason_of
from hq_ray.schema import DONE
from hq_ray.store import Results
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ownership import card_name, holds
from hq_ray.sweeps.progress import Progress
from hq_ray.trial import Failure, Trial, batch_name

WINDOW_PER_CORE = 2
# Attempts at a batch that raises: the store may be unavailable for a moment.
ERROR_ATTEMPTS = 3
# Attempts at a single trial that crashes its worker.
CRASH_ATTEMPTS = 4
# After this many failures of one kind in a row the rest would most likely fail too.
FAILURE_RUN = 20

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

    def __init__(self, results: Results, options: RunOptions, token: str):
        self._arguments = (results, options, token)
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
            return [(batch, train_batch(*self._arguments, batch))]
        except Exception as problem:
            return [(batch, Crash("error", reason_of(problem), problem))]

    def cancel(self) -> None:
        """Drops queued batches."""
        self._waiting.clear()


class SweepStopped(HqRayError):
    """The sweep stopped early; finished trials are published."""


@dataclass
class Tally:
    """What a sweep did.

    Attributes:
        done, failed: numbers of trials that it ran.
        steps, train_seconds: sums over the done ones.
        reasons: how often trials failed, by reason.
        interrupted: whether Ctrl-C ended it.
        done_before, failed_before: numbers of trials that were published before, and not run again.
        repaired: what was wrong with each batch that was set aside, by file name.
        confirmed: sentences on what was chosen and confirmed.
    """

    done: int = 0
    failed: int = 0
    steps: int = 0
    train_seconds: float = 0.0
    reasons: Counter = field(default_factory=Counter)
    interrupted: bool = False
    done_before: int = 0
    failed_before: int = 0
    repaired: Mapping[str, str] = field(default_factory=dict)
    confirmed: Sequence[str] = ()


@dataclass
class Driver:
    """Runs every trial of a batcher.

    Attributes:
        batcher, executor, results, progress: what to run, where, and where it goes.
        check_held: called before each submission and each change of the results; raises if they
            are no longer this driver's.
        tally: counts what is done.
    """

    batcher: Batcher
    executor: Executor
    results: Results
    progress: Progress
    check_held: Callable[[], None] = lambda: None
    tally: Tally = field(default_factory=Tally)
    _retries: deque[Batch] = field(default_factory=deque)
    _running: int = 0
    _without_cores: bool = False
    _attempts: Counter = field(default_factory=Counter)
    _failed_kind: str = ""
    _failed_in_a_row: int = 0

    def run(self) -> Tally:
        """Runs until nothing is left; returns the tally.

        The first Ctrl-C or SIGTERM stops submitting and waits for what is running; the second
        raises KeyboardInterrupt.

        Raises:
            SweepStopped: failures of one kind in a row, a store that refuses writes, or a dead Ray.
        """
        tally, started = self.tally, time.monotonic()
        total = self.batcher.remaining + tally.done + tally.failed
        with _interrupts() as interrupted:
            try:
                while self._step(interrupted.is_set()):
                    rate = tally.steps / max(time.monotonic() - started, 1e-9)
                    note = f"{tally.failed:,} failed, {rate:,.0f} steps/s"
                    note += f", cores: {self.executor.cores}"
                    self.progress.show("training", tally.done + tally.failed, total, note)
            except ExecutorLost as problem:
                # A signal to all processes of a group or a container ends Ray as well.
                if not interrupted.is_set():
                    raise self._stopped(f"{problem}; the same command resumes") from None
                tally.interrupted = True
            except (HqRayError, OSError) as problem:
                self.executor.cancel()
                if isinstance(problem, OSError):
                    raise self._stopped(str(problem)) from None
                raise
            finally:
                self.executor.ask_for(0)
            return tally

    def _step(self, interrupted: bool) -> bool:
        """Submits, waits and collects; False once nothing is running or to be run."""
        if interrupted and not self.tally.interrupted:
            self.tally.interrupted = True
            self.progress.say("stopping once the running batches are done; Ctrl-C again stops now")
        self.executor.ask_for(0 if interrupted else self.batcher.useful_cores())
        cores = self.executor.cores
        if not interrupted:
            self._submit(cores)
        left = not interrupted and (self._retries or self.batcher.remaining)
        if not self._running and not left:
            return False
        if cores == 0 and interrupted:
            self.executor.cancel()
            return False
        if cores == 0 and not self._without_cores:
            self.progress.say("waiting for nodes to join: the cluster has no cores at present")
        self._without_cores = cores == 0
        ended = self.executor.wait()
        self.check_held()
        self._running -= len(ended)
        for batch, outcome in ended:
            if isinstance(outcome, Crash):
                self._crashed(batch, outcome)
            else:
                self._finished(batch, outcome)
        return True

    def _submit(self, cores: int) -> None:
        while self._running < WINDOW_PER_CORE * cores:
            batch = self._retries.popleft() if self._retries else self.batcher.next_batch(cores)
            if not batch:
                return
            self.check_held()
            self.executor.submit(batch)
            self._running += 1

    def _finished(self, batch: Batch, report: BatchReport) -> None:
        self.batcher.observe(report, sum(trial.episodes for trial in batch))
        self.tally.done += len(report.done)
        self.tally.steps += report.steps
        self.tally.train_seconds += report.train_seconds
        self._failed(report.reasons, alone=not report.done)

    def _failed(self, reasons: Sequence[str], alone: bool) -> None:
        """Counts failures; those of batches without a success may be a run of one kind."""
        self.tally.failed += len(reasons)
        self.tally.reasons.update(reasons)
        if not alone:
            self._failed_in_a_row = 0
            return
        for kind in (reason.partition(":")[0] for reason in reasons):
            if kind != self._failed_kind:
                self._failed_kind, self._failed_in_a_row = kind, 0
            self._failed_in_a_row += 1
        if self._failed_in_a_row >= FAILURE_RUN:
            raise self._stopped(f"{self._failed_in_a_row} trials in a row failed: {reasons[-1]}")

    def _crashed(self, batch: Batch, crash: Crash) -> None:
        """Retries a lost batch, in halves until the trial that crashes its worker is alone."""
        if isinstance(crash.cause, HqRayError) and not isinstance(crash.cause, OSError):
            raise crash.cause
        if self._is_committed(batch):
            return
        key = batch[0].trial_id, len(batch)
        self._attempts[key] += crash.kind != "node"
        if crash.kind == "worker" and len(batch) > 1:
            middle = len(batch) // 2
            self._retries.extend((batch[:middle], batch[middle:]))
        elif self._attempts[key] < (ERROR_ATTEMPTS if crash.kind == "error" else CRASH_ATTEMPTS):
            self._retries.append(batch)
        elif crash.kind == "error":
            raise self._stopped(crash.reason)
        else:
            self.results.publish([], [Failure(batch[0], "WorkerCrashed", crash.reason, "")])
            self._failed((f"WorkerCrashed: {crash.reason}",), alone=True)

    def _is_committed(self, batch: Batch) -> bool:
        """Whether a lost batch was published; otherwise removes its files.

        A trials file with a failure does not count: it may be that of an earlier attempt.
        """
        name = f"{batch_name(batch)}.parquet"
        if self.results.location.child(f"trials/{name}").exists():
            rows = self.results.read("trials", name, ["status", "total_steps"])
            if set(rows["status"].to_pylist()) == {DONE}:
                self.tally.done += len(rows)
                self.tally.steps += sum(rows["total_steps"].to_pylist())
                return True
        for kind in ("trials", "episodes", "q_values"):
            self.results.location.delete(f"{kind}/{name}")
        return False

    def _stopped(self, reason: str) -> SweepStopped:
        done = self.tally.done
        return SweepStopped(f"the sweep stopped early, with {done} trials done: {reason}")


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event set by the first Ctrl-C or SIGTERM; the second raises KeyboardInterrupt."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def handle(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: not set from Python
