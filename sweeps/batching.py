"""How many trials go into one task."""

from collections.abc import Sequence

from hq_ray.batch import BatchReport
from hq_ray.trial import Trial

# A Ray task costs about a millisecond, as much as a short trial, so many short trials share a task.
# Few trials get a task each: batches would gain nothing, and failures stay isolated.
TARGET_SECONDS = 1.0
# In a sweep of hours tasks grow to half a minute, while each core has at least TASKS_AHEAD of them
# left: fewer files.
LONGEST_SECONDS, TASKS_AHEAD = 30.0, 200
ALONE_PER_CORE = 32
PROBE_TRIALS = 8
MOST_ROWS = 4_000_000
NEWEST_WEIGHT = 0.3


class Batcher:
    """Cuts the queue of missing trials into batches by their measured cost."""

    def __init__(self, trials: Sequence[Trial], cores: int, trials_per_task: int | None = None):
        self._trials = trials
        self._next = 0
        self._cores = cores
        self._fixed = trials_per_task
        if trials_per_task is None and len(trials) <= ALONE_PER_CORE * cores:
            self._fixed = 1
        self._seconds_per_row: float | None = None

    @property
    def remaining(self) -> int:
        """Number of trials in no batch yet."""
        return len(self._trials) - self._next

    def observe(self, report: BatchReport, rows: int) -> None:
        """Updates the running average of the cost of a row."""
        cost = max(report.seconds, 1e-9) / max(rows, 1)
        known = self._seconds_per_row
        self._seconds_per_row = cost if known is None else known + NEWEST_WEIGHT * (cost - known)

    def next_batch(self) -> tuple[Trial, ...]:
        """The next trials in order; empty if none are left."""
        if not self.remaining:
            return ()
        most, most_rows = self._most(), self._most_rows()
        batch: list[Trial] = []
        rows = 0
        while self._next < len(self._trials) and len(batch) < most:
            trial = self._trials[self._next]
            rows += trial.episodes
            if batch and self._fixed is None and rows > most_rows:
                break
            batch.append(trial)
            self._next += 1
        return tuple(batch)

    def _most(self) -> int:
        if self._fixed is not None:
            return self._fixed
        if self._seconds_per_row is None:
            return PROBE_TRIALS
        # Smaller towards the end, so that all cores finish at the same time.
        return max(1, self.remaining // (2 * self._cores))

    def _most_rows(self) -> float:
        if self._seconds_per_row is None:
            return MOST_ROWS
        ahead = self.remaining * self._trials[self._next].episodes * self._seconds_per_row
        seconds = ahead / (self._cores * TASKS_AHEAD)
        seconds = min(LONGEST_SECONDS, max(TARGET_SECONDS, seconds))
        return min(MOST_ROWS, seconds / self._seconds_per_row)
