"""The driver: submits batches, collects them as they finish, retries, and stops when it should.

It keeps a bounded window of batches in flight, and counts; episodes never pass through it. The
results on disk are consistent at any moment, so a killed driver loses only the batches in flight.
"""

import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from hq_ray.batch import BatchReport
from hq_ray.errors import HqRayError
from hq_ray.store import DONE, Failure, Results, batch_name
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.executors import Crash, Executor, ExecutorLost
from hq_ray.sweeps.progress import Progress
from hq_ray.trial import Trial

WINDOW_PER_CORE = 2
WAIT_SECONDS = 0.2
# Attempts at a batch that raises: the store may be unavailable for a moment.
ERROR_ATTEMPTS = 3
# Attempts at a single trial that crashes its worker.
CRASH_ATTEMPTS = 4
# After this many failures of one kind in a row the rest would most likely fail too.
FAILURE_RUN = 20


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
        there, failed_before: numbers of trials that were published before, and not run again.
        repaired: what was wrong with each batch that was set aside, by file name.
        confirmed: sentences on what was chosen and confirmed.
    """

    done: int = 0
    failed: int = 0
    steps: int = 0
    train_seconds: float = 0.0
    reasons: Counter = field(default_factory=Counter)
    interrupted: bool = False
    there: int = 0
    failed_before: int = 0
    repaired: Mapping[str, str] = field(default_factory=dict)
    confirmed: Sequence[str] = ()

    def add(self, other: "Tally") -> None:
        """Counts the trials of another one here, too."""
        self.done += other.done
        self.failed += other.failed
        self.steps += other.steps
        self.train_seconds += other.train_seconds
        self.reasons += other.reasons
        self.interrupted = self.interrupted or other.interrupted
        self.there += other.there
        self.failed_before += other.failed_before


def drive(
    batcher: Batcher,
    executor: Executor,
    results: Results,
    progress: Progress,
    check_held: Callable[[], None] = lambda: None,
) -> Tally:
    """Runs every trial of the batcher.

    The first Ctrl-C or SIGTERM stops submitting and waits for what is running; the second raises
    KeyboardInterrupt.

    Args:
        batcher, executor, results, progress: what to run, where, and where it goes.
        check_held: called before each submission and each change of the results; raises if they
            are no longer this driver's.

    Raises:
        SweepStopped: failures of one kind in a row, a store that refuses writes, or a dead Ray.
    """
    return _Drive(batcher, executor, results, progress, check_held).run()


@dataclass
class _Drive:
    """The state of one call of `drive`."""

    batcher: Batcher
    executor: Executor
    results: Results
    progress: Progress
    check_held: Callable[[], None]
    tally: Tally = field(default_factory=Tally)
    retries: deque[tuple[Trial, ...]] = field(default_factory=deque)
    running: dict[object, tuple[Trial, ...]] = field(default_factory=dict)
    attempts: Counter = field(default_factory=Counter)
    failure_run: list[str] = field(default_factory=list)

    def run(self) -> Tally:
        total, started = self.batcher.remaining, time.monotonic()
        with _interrupts() as interrupts:
            try:
                while self._step(interrupts.is_set()):
                    done, failed = self.tally.done, self.tally.failed
                    rate = self.tally.steps / max(time.monotonic() - started, 1e-9)
                    note = f"{failed:,} failed, {rate:,.0f} steps/s, cores: {self.executor.cores}"
                    self.progress.show("training", done + failed, total, note)
            except ExecutorLost as problem:
                # A signal to all processes of a group or a container ends Ray as well.
                if not interrupts.is_set():
                    raise self._stopped(f"{problem}; the same command resumes") from None
                self.tally.interrupted = True
            return self.tally

    def _step(self, interrupted: bool) -> bool:
        """Submits, waits and collects; False once nothing is running."""
        if interrupted and not self.tally.interrupted:
            self.tally.interrupted = True
            self.progress.say("stopping: waiting for what is running; again stops at once")
        self._submit()
        if not self.running:
            return False
        ended = self.executor.wait(WAIT_SECONDS)
        self._check_held()
        for ticket, outcome in ended:
            batch = self.running.pop(ticket)
            if isinstance(outcome, Crash):
                self._crashed(batch, outcome)
            else:
                self._finished(batch, outcome)
        return True

    def _submit(self) -> None:
        while not self.tally.interrupted:
            if len(self.running) >= WINDOW_PER_CORE * self.executor.cores:
                return
            batch = self.retries.popleft() if self.retries else self.batcher.next_batch()
            if not batch:
                return
            self._check_held()
            self.running[self.executor.submit(batch)] = batch

    def _check_held(self) -> None:
        try:
            self.check_held()
        except HqRayError:
            self.executor.cancel()
            raise

    def _finished(self, batch: tuple[Trial, ...], report: BatchReport) -> None:
        self.batcher.observe(report, sum(trial.episodes for trial in batch))
        tally = self.tally
        tally.done += len(report.done)
        tally.steps += report.steps
        tally.train_seconds += report.train_seconds
        if report.done:
            self.failure_run.clear()
            tally.failed += len(report.reasons)
            tally.reasons.update(report.reasons)
        else:
            self._failed(report.reasons)

    def _failed(self, reasons: tuple[str, ...]) -> None:
        """Counts a batch without a success."""
        self.tally.failed += len(reasons)
        self.tally.reasons.update(reasons)
        for reason in reasons:
            kind = reason.partition(":")[0]
            if self.failure_run and self.failure_run[-1].partition(":")[0] != kind:
                self.failure_run.clear()
            self.failure_run.append(reason)
        if len(self.failure_run) >= FAILURE_RUN:
            self._stop(f"{len(self.failure_run)} trials in a row failed: {self.failure_run[-1]}")

    def _crashed(self, batch: tuple[Trial, ...], crash: Crash) -> None:
        """Retries a lost batch, in halves until the trial that crashes its worker is alone."""
        if isinstance(crash.cause, HqRayError) and not isinstance(crash.cause, OSError):
            self.executor.cancel()
            raise crash.cause
        try:
            if not self._is_committed(batch):
                self._retry(batch, crash)
        except OSError as problem:
            self._stop(str(problem))

    def _retry(self, batch: tuple[Trial, ...], crash: Crash) -> None:
        if crash.kind == "node":
            self.retries.append(batch)
            return
        key = batch[0].trial_id, len(batch)
        self.attempts[key] += 1
        if crash.kind == "error":
            if self.attempts[key] >= ERROR_ATTEMPTS:
                self._stop(crash.reason)
            self.retries.append(batch)
        elif len(batch) > 1:
            middle = len(batch) // 2
            self.retries.extend((batch[:middle], batch[middle:]))
        elif self.attempts[key] < CRASH_ATTEMPTS:
            self.retries.append(batch)
        else:
            self.results.publish([], [Failure(batch[0], "WorkerCrashed", crash.reason, "")])
            self._failed((f"WorkerCrashed: {crash.reason}",))

    def _is_committed(self, batch: tuple[Trial, ...]) -> bool:
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
            self.results.delete(kind, name)
        return False

    def _stop(self, reason: str) -> None:
        self.executor.cancel()
        raise self._stopped(reason)

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
