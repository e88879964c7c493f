"""How many trials travel in one task."""

from collections.abc import Sequence

from hq_ray.batch import BatchReport
from hq_ray.trial import Trial

# A Ray task costs about a millisecond, as much as a short trial, so long queues of short trials
# travel together; few trials travel alone, where nothing is gained and failures are isolated.
TARGET_SECONDS = 1.0
# A sweep of hours needs no file a second and core: its tasks grow to half a minute, while at least
# TASKS_AHEAD of them are left for each core. That divides the files of a resumed sweep by 30.
LONGEST_SECONDS, TASKS_AHEAD = 30.0, 200
ALONE_PER_CORE = 32
PROBE_TRIALS = 8
MOST_ROWS = 4_000_000
NEWEST_WEIGHT = 0.3


class Batcher:
    """Cuts the queue of missing trials into batches, learning what a trial costs as it goes."""

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
        """Trials that are in no batch yet."""
        return len(self._trials) - self._next

    def observe(self, report: BatchReport, rows: int) -> None:
        """Learns from a finished batch; a running average follows changes of environment."""
        cost = max(report.seconds, 1e-9) / max(rows, 1)
        known = self._seconds_per_row
        self._seconds_per_row = cost if known is None else known + NEWEST_WEIGHT * (cost - known)

    def next_batch(self) -> tuple[Trial, ...]:
        """The next trials in order; empty when none is left."""
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
        # Smaller towards the end, so that the cores finish together.
        return max(1, self.remaining // (2 * self._cores))

    def _most_rows(self) -> float:
        if self._seconds_per_row is None:
            return MOST_ROWS
        ahead = self.remaining * self._trials[self._next].episodes * self._seconds_per_row
        seconds = ahead / (self._cores * TASKS_AHEAD)
        seconds = min(LONGEST_SECONDS, max(TARGET_SECONDS, seconds))
        return min(MOST_ROWS, seconds / self._seconds_per_row)
