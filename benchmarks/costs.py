"""Measures what the cost model needs: bytes and seconds of the driver, of batches, of files."""

import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cost_model import Costs, Kind
from jobs import Job, sweep_of, trials_of
from ray import cloudpickle

from hq_ray.batch import BatchReport, run_batch
from hq_ray.store import Results
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.plan import plan
from hq_ray.sweeps.run import RunOptions, run_missing
from hq_ray.sweeps.session import Session
from hq_ray.training import warm_up

TINY = Job("tiny", "FrozenLake-v1", 2)


def median(measure: Callable[[], float], repeats: int) -> float:
    return statistics.median(measure() for _ in range(repeats))


def published(job: Job, n_trials: int) -> tuple[BatchReport, int]:
    """The report of one batch, run here, and the bytes of its files."""
    with tempfile.TemporaryDirectory() as folder:
        report = run_batch(trials_of(job, n_trials), Results.at(folder))
        files = Path(folder).rglob("*.parquet")
        return report, sum(path.stat().st_size for path in files)


def kind_of(job: Job, n_trials: int, repeats: int, batch_seconds: float) -> Kind:
    """A job's trials as the model sees them, from batches run here."""
    warm_up(trials_of(job, 2))
    runs = [published(job, n_trials) for _ in range(repeats)]
    seconds = statistics.median(report.seconds for report, _ in runs)
    each = max(seconds - batch_seconds, 1e-6) / n_trials
    return Kind(job.length, job.episodes, each, runs[0][1] / n_trials)


def batch_seconds(repeats: int) -> float:
    """A batch of one trial that is nothing, here: two files, encoded and written."""
    warm_up(trials_of(TINY, 2))
    return median(lambda: published(TINY, 1)[0].seconds, repeats)


def driver_seconds(session: Session, n_trials: int, trials_per_task: int) -> float:
    """Processor time of this process while it drives a sweep on Ray [s]."""
    missing = plan(expand(sweep_of(TINY, n_trials)).trials, {}).missing
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        run_missing(
            missing, Results.at(folder), RunOptions(trials_per_task=trials_per_task), session
        )
        return time.process_time() - started


def task_and_trial(session: Session, quick: bool) -> tuple[float, float]:
    """Processor time of the driver for a task and for a trial in it [s].

    Of two sweeps, one of many tasks and one of many trials: n d + N t in both.
    """
    alone, many, together = (40, 2_000, 500) if quick else (400, 20_000, 1_000)
    repeats = 1 if quick else 3
    first = median(lambda: driver_seconds(session, alone, 1), repeats)
    second = median(lambda: driver_seconds(session, many, together), repeats)
    return solved(first, alone, second, many, many // together)


def solved(
    alone_seconds: float, alone: int, together_seconds: float, trials: int, tasks: int
) -> tuple[float, float]:
    """d and t of `alone (d + t) = alone_seconds` and `tasks d + trials t = together_seconds`."""
    each = alone_seconds / alone
    trial = max(0.0, (together_seconds - tasks * each) / (trials - tasks))
    return each - trial, trial


def plan_seconds(n_trials: int) -> float:
    """Of expanding a sweep and planning it, per trial [s]."""
    started = time.perf_counter()
    plan(expand(sweep_of(TINY, n_trials)).trials, {})
    return (time.perf_counter() - started) / n_trials


def message_bytes() -> tuple[float, float]:
    """Bytes of a trial in a task's arguments and in its report."""
    n_trials = 1_000
    arguments = len(cloudpickle.dumps(tuple(trials_of(TINY, n_trials))))
    report = len(pickle.dumps(published(TINY, n_trials)[0]))
    return arguments / n_trials, report / n_trials


def memory_line(points: list[dict]) -> tuple[float, float]:
    """Base and slope of peak memory over trials, by least squares [bytes]."""
    trials = [point["trials"] for point in points]
    slope, base = np.polyfit(trials, [point["peak_bytes"] for point in points], 1)
    return float(base), max(float(slope), 0.0)


def measured_costs(session: Session, memory: list[dict], quick: bool) -> Costs:
    """All costs of this machine."""
    task, trial = task_and_trial(session, quick)
    base, slope = memory_line(memory)
    arguments, report = message_bytes()
    return Costs(
        batch_seconds=batch_seconds(3 if quick else 15),
        task_seconds=task,
        trial_seconds=trial,
        plan_seconds=plan_seconds(2_000 if quick else 100_000),
        base_bytes=base,
        trial_bytes=slope,
        argument_bytes=arguments,
        report_bytes=report,
    )
