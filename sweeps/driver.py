"""The driver: submits batches, takes them as they finish, retries, stops when it should.

It holds a bounded window of batches, counts and ids; episodes never pass through it. The state on
disk is consistent at every moment, so that killing it loses the batches in flight and no more.
"""

import signal
import threading
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
# A batch that raises is tried again this often: the store may have hiccuped.
ERROR_ATTEMPTS = 3
# A single trial that takes its worker down is given this many chances.
CRASH_ATTEMPTS = 4
# So many failures of one kind in a row, and nothing but them, mean that the rest would fail too.
FAILURE_RUN = 20


class SweepStopped(HqRayError):
    """The sweep ended early, for the reason in its message; what finished is published."""


@dataclass
class Tally:
    """What a sweep did.

    Attributes:
        done, failed: trials that it ran.
        steps, train_seconds: of the done ones.
        reasons: of failures, with their number.
        interrupted: whether Ctrl-C ended it.
        there, failed_before: trials asked for that were published when it began, and not run again.
        repaired: what was wrong with the batches that were set aside, by file name.
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
    """Runs every trial of the batcher, or as many as it is allowed to.

    Ctrl-C or SIGTERM once stops submitting and waits for what is running; twice raises
    KeyboardInterrupt.

    Args:
        batcher, executor, results, progress: what to run, where, and where it goes.
        check_held: called before each submission and each change of the results; raises when they
            are no longer this driver's.

    Raises:
        SweepStopped: failures of one kind in a row, the store refuses writes, or Ray has died.
    """
    return _Drive(batcher, executor, results, progress, check_held).run()


class _Drive:
    """The state of one call of `drive`."""

    def __init__(
        self,
        batcher: Batcher,
        executor: Executor,
        results: Results,
        progress: Progress,
        check_held: Callable[[], None],
    ):
        self.batcher, self.executor, self.results = batcher, executor, results
        self.progress, self.check_held = progress, check_held
        self.tally = Tally()
        self.again: deque[tuple[Trial, ...]] = deque()
        self.flying: dict[object, tuple[Trial, ...]] = {}
        self.attempts: Counter = Counter()
        self.failure_run: list[str] = []

    def run(self) -> Tally:
        with _interrupts() as interrupts:
            try:
                while self._step(interrupts.is_set()):
                    self.progress.show(self.tally)
            except ExecutorLost as problem:
                # A signal to every process of a group or a container ends Ray too.
                if not interrupts.is_set():
                    raise self._stopped(f"{problem}; the same command resumes") from None
                self.tally.interrupted = True
            return self.tally

    def _step(self, interrupted: bool) -> bool:
        """Submits, waits, takes what has ended; False once nothing is left to wait for."""
        if interrupted and not self.tally.interrupted:
            self.tally.interrupted = True
            self.progress.say("stopping: waiting for what is running; again stops at once")
        self._refill()
        if not self.flying:
            return False
        ended = self.executor.wait(WAIT_SECONDS)
        self._check_held()
        for ticket, outcome in ended:
            batch = self.flying.pop(ticket)
            if isinstance(outcome, Crash):
                self._crashed(batch, outcome)
            else:
                self._finished(batch, outcome)
        return True

    def _refill(self) -> None:
        while not self.tally.interrupted and (
            len(self.flying) < WINDOW_PER_CORE * self.executor.cores
        ):
            batch = self.again.popleft() if self.again else self.batcher.next_batch()
            if not batch:
                return
            self._check_held()
            self.flying[self.executor.submit(batch)] = batch

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
        self._failed(report.reasons)
        if report.done:
            self.failure_run.clear()
        else:
            self._check_failure_run(report.reasons)

    def _failed(self, reasons: tuple[str, ...]) -> None:
        self.tally.failed += len(reasons)
        self.tally.reasons.update(reasons)

    def _check_failure_run(self, reasons: tuple[str, ...]) -> None:
        for reason in reasons:
            kind = reason.partition(":")[0]
            if self.failure_run and self.failure_run[-1].partition(":")[0] != kind:
                self.failure_run.clear()
            self.failure_run.append(reason)
        if len(self.failure_run) >= FAILURE_RUN:
            self._stop(f"{len(self.failure_run)} trials in a row failed: {self.failure_run[-1]}")

    def _crashed(self, batch: tuple[Trial, ...], crash: Crash) -> None:
        """Sends a lost batch round again, in halves until the culprit stands alone."""
        if isinstance(crash.cause, HqRayError) and not isinstance(crash.cause, OSError):
            self.executor.cancel()
            raise crash.cause
        try:
            if self._committed(batch):
                return
        except OSError as problem:
            self._stop(str(problem))
        if crash.kind == "node":
            self.again.append(batch)
            return
        key = batch[0].trial_id, len(batch)
        self.attempts[key] += 1
        if crash.kind == "error":
            if self.attempts[key] >= ERROR_ATTEMPTS:
                self._stop(crash.reason)
            self.again.append(batch)
        elif len(batch) > 1:
            middle = len(batch) // 2
            self.again.extend((batch[:middle], batch[middle:]))
        elif self.attempts[key] < CRASH_ATTEMPTS:
            self.again.append(batch)
        else:
            try:
                self.results.publish([], [Failure(batch[0], "WorkerCrashed", crash.reason, "")])
            except OSError as problem:
                self._stop(str(problem))
            self._failed((f"WorkerCrashed: {crash.reason}",))
            self._check_failure_run((f"WorkerCrashed: {crash.reason}",))

    def _committed(self, batch: tuple[Trial, ...]) -> bool:
        """Whether a lost batch had been published; what there is of it otherwise is removed.

        A trials file with a failure in it may be that of an earlier attempt, so it does not count.
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
    """An event that the first Ctrl-C or SIGTERM sets; the second raises KeyboardInterrupt."""
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
