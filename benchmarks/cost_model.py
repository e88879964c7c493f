"""What a sweep of any size would need, from costs measured on a small machine: arithmetic only.

A task takes B trials, as many as make a second: B = min(T / w, R / e), where w is a worker's time
for a trial, e its episodes, T and R the driver's target [s] and most rows; `trials_per_task` sets B
by hand. N trials on C cores are

    tasks          n = N / B
    workers' time  W = (N w + n b) / C          b: a batch beside its trials, two files
    driver's time  D = n d + N t                d: a task, t: a trial, both on the driver's core
    wall time      max(W, D)                    beside N p of planning, before anything runs
    memory         m0 + N m                     ids, of the driver
    under way      2 C B a                      arguments of tasks that wait, in its node's store
    files          2 n                          at 2 n / max(W, D) a second
"""

import math
from dataclasses import dataclass

from hq_ray.store import READERS
from hq_ray.sweeps.batching import MOST_ROWS, TARGET_SECONDS
from hq_ray.sweeps.driver import WINDOW_PER_CORE


@dataclass(frozen=True)
class Costs:
    """What hq-ray costs beside training.

    Attributes:
        batch_seconds: b, of a worker [s].
        task_seconds, trial_seconds: d and t, processor time of the driver [s].
        plan_seconds: p, of expanding and planning a trial [s].
        base_bytes, trial_bytes: m0 and m [bytes].
        argument_bytes, report_bytes: of a trial on its way to a worker and back [bytes].
    """

    batch_seconds: float
    task_seconds: float
    trial_seconds: float
    plan_seconds: float
    base_bytes: float
    trial_bytes: float
    argument_bytes: float
    report_bytes: float


@dataclass(frozen=True)
class Kind:
    """A kind of trial.

    Attributes:
        length: its name in tables.
        episodes: e.
        worker_seconds: w; training, evaluation and writing on one core [s].
        disk_bytes: of its rows in files [bytes].
    """

    length: str
    episodes: int
    worker_seconds: float
    disk_bytes: float


@dataclass(frozen=True)
class Limits:
    """What one machine and one object store give.

    Attributes:
        driver_bytes: memory of the driver's node.
        store_bytes: Ray's object store on it, 30 percent of that.
        puts_per_second: of one prefix; Amazon names 3,500 for S3.
        footer_seconds: of a request for one small file.
        resume_seconds: that a resumed sweep may take to see what is published.
    """

    driver_bytes: float = 64e9
    store_bytes: float = 19.2e9
    puts_per_second: float = 3500.0
    footer_seconds: float = 0.075
    resume_seconds: float = 600.0


@dataclass(frozen=True)
class Needs:
    """What a sweep needs of each of its drivers; seconds and bytes, if not said otherwise."""

    trials_per_task: int
    tasks: int
    workers_seconds: float
    driver_seconds: float
    plan_seconds: float
    driver_bytes: float
    under_way_bytes: float
    report_bytes: float
    files: int
    disk_bytes: float

    @property
    def seconds(self) -> float:
        """Wall time, planning not included."""
        return max(self.workers_seconds, self.driver_seconds)


def needs(
    costs: Costs, kind: Kind, cores: float, trials: int, task_seconds: float = TARGET_SECONDS
) -> Needs:
    """What a sweep of `trials` on `cores` needs, by the equations above, T being `task_seconds`."""
    by_rows = MOST_ROWS / kind.episodes
    per_task = max(1, int(min(task_seconds / kind.worker_seconds, by_rows)))
    tasks = math.ceil(trials / per_task)
    return Needs(
        trials_per_task=per_task,
        tasks=tasks,
        workers_seconds=(trials * kind.worker_seconds + tasks * costs.batch_seconds) / cores,
        driver_seconds=tasks * costs.task_seconds + trials * costs.trial_seconds,
        plan_seconds=trials * costs.plan_seconds,
        driver_bytes=costs.base_bytes + trials * costs.trial_bytes,
        under_way_bytes=WINDOW_PER_CORE * cores * per_task * costs.argument_bytes,
        report_bytes=per_task * costs.report_bytes,
        files=2 * tasks,
        disk_bytes=trials * kind.disk_bytes,
    )


def shares(need: Needs, limits: Limits) -> dict[str, float]:
    """Need over limit, by what is limited; above 1 it does not fit one driver."""
    resume = need.tasks * limits.footer_seconds / READERS
    return {
        "driver's core": need.driver_seconds / need.workers_seconds,
        "driver's memory": need.driver_bytes / limits.driver_bytes,
        "object store": need.under_way_bytes / limits.store_bytes,
        "files a second": need.files / need.seconds / limits.puts_per_second,
        "files to resume": resume / limits.resume_seconds,
    }


def first_full(need: Needs, limits: Limits) -> tuple[str, float]:
    """The limit that is reached first, and how far along it the sweep is."""
    return max(shares(need, limits).items(), key=lambda item: item[1])


def drivers(
    costs: Costs,
    kind: Kind,
    cores: int,
    trials: int,
    limits: Limits,
    task_seconds: float = TARGET_SECONDS,
) -> int | None:
    """The least number of drivers, each with its part of seeds and cores, that all limits allow.

    Drivers write below prefixes of their own, so that the store's limit is each one's too. None
    where a driver per core would not be enough.
    """
    for number in range(1, cores + 1):
        need = needs(costs, kind, cores / number, math.ceil(trials / number), task_seconds)
        if first_full(need, limits)[1] <= 1.0:
            return number
    return None


def cores_fed(costs: Costs, kind: Kind) -> float:
    """Cores that one driver keeps at work before its own is full: W C / D."""
    need = needs(costs, kind, 1.0, 10**6)
    return need.workers_seconds / need.driver_seconds


def rate_beside_driver(costs: Costs, kind: Kind, cores: int) -> float:
    """Trials per second where the driver takes its time from the same cores."""
    need = needs(costs, kind, cores, 10**6)
    return 10**6 / (need.workers_seconds + need.driver_seconds / cores)
