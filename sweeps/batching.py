"""How many trials go into one task."""

import math
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
# A core is worth asking an autoscaler for if it would be busy for this long; as long as no cost is
# known, at most this many cores are.
WORTHWHILE_SECONDS, UNKNOWN_COST_CORES = 60.0, 32
MOST_ROWS = 4_000_000
NEWEST_WEIGHT = 0.3


class Batcher:
    """Cuts the queue of missing trials into batches by their measured cost."""

    def __init__(self, trials: Sequence[Trial], trials_per_task: int | None = None):
        self._trials = trials
        self._next = 0
        self._fixed = trials_per_task
        self._seconds_per_row: float | None = None

    @property
    def remaining(self) -> int:
        """Number of trials in no batch yet."""
        return len(self._trials) - self._next

    def observe(self, report: BatchReport, rows: int) -> None:
        """Updates the running average of the cost of a row."""
        cost = max(report.seconds, 1e-9) / rows
        known = self._seconds_per_row
        self._seconds_per_row = cost if known is None else known + NEWEST_WEIGHT * (cost - known)

    def _seconds_ahead(self, cost: float) -> float:
        """How long one core would take for what is left."""
        return self.remaining * self._trials[self._next].episodes * cost

    def useful_cores(self) -> int:
        """How many cores are worth asking for, for the trials in no batch yet."""
        useful = UNKNOWN_COST_CORES
        if self.remaining and self._seconds_per_row is not None:
            useful = math.ceil(self._seconds_ahead(self._seconds_per_row) / WORTHWHILE_SECONDS)
        return min(self.remaining, useful)

    def next_batch(self, cores: int) -> tuple[Trial, ...]:
        """The next trials in order, for a number of cores; empty if none are left."""
        if not self.remaining:
            return ()
        cost, most_rows = self._seconds_per_row, float(MOST_ROWS)
        if self._fixed is not None:
            most, most_rows = self._fixed, math.inf
        elif len(self._trials) <= ALONE_PER_CORE * cores:
            most = 1
        elif cost is None:
            most = PROBE_TRIALS
        else:
            # Smaller towards the end, so that all cores finish at the same time.
            most = max(1, self.remaining // (2 * cores))
            seconds = max(TARGET_SECONDS, self._seconds_ahead(cost) / (cores * TASKS_AHEAD))
            most_rows = min(most_rows, min(LONGEST_SECONDS, seconds) / cost)
        batch: list[Trial] = []
        rows = 0
        while self.remaining and len(batch) < most:
            trial = self._trials[self._next]
            rows += trial.episodes
            if batch and rows > most_rows:
                break
            batch.append(trial)
            self._next += 1
        return tuple(batch)
