"""Ways to run many trials on one machine: ours, and what one writes by hand with other tools.

Each is a context manager that starts its workers and yields a function from a job to an outcome.
All use the same kernel and write the same columns by the same encoder. Pool, joblib and Ray Tune
train one trial per call, write one episodes file per trial as it is done, return its summary to the
parent, and have one table of the summaries at the end. `Pool of batches` is a Pool over our own
batches: what is left of the difference when only Ray and the driver are taken away.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from jobs import LENGTHS, Job, sweep_of, trials_of
from machine import cores

from hq_ray import encoding
from hq_ray.batch import run_batch
from hq_ray.store import Results
from hq_ray.sweeps.api import run_sweep
from hq_ray.sweeps.session import Session
from hq_ray.training import train, warm_up
from hq_ray.trial import Trial

# Long enough for another worker to take the next of the tasks that look for workers.
LOOK_SECONDS = 0.2
LOOKS = 100
# Of one message to a worker of a Pool; by hand one picks a number like it.
CHUNKS_PER_WORKER = 32
# Of a Pool of batches: some multiple of what the kernel trains together.
TRIALS_PER_BATCH = 128


@dataclass(frozen=True)
class Outcome:
    """What a run of a job took.

    Attributes:
        trials: that were run.
        seconds: wall time, workers already there.
        train_seconds: spent in training loops, over all workers.
        cores: that worked.
    """

    trials: int
    seconds: float
    train_seconds: float
    cores: int

    @property
    def rate(self) -> float:
        """Trials per second."""
        return self.trials / self.seconds

    @property
    def overhead(self) -> float:
        """Wall time over training time divided by cores."""
        return self.seconds * self.cores / self.train_seconds


Run = Callable[[Job, int, Path], Outcome]


def train_one(trial: Trial, folder: Path) -> dict:
    """Trains a trial, writes its episodes as one file, returns its summary."""
    done = train(trial)
    (folder / f"{trial.trial_id}.parquet").write_bytes(encoding.encode_episodes([done]))
    return {
        **encoding.trial_columns(trial),
        **done.summary,
        "train_seconds": done.train_seconds,
    }


def worker_ready(_: int = 0) -> int:
    """The process that this ran in, once it has loaded what trials need."""
    load_loops()
    time.sleep(LOOK_SECONDS)
    return os.getpid()


def load_loops() -> None:
    """Loads the training loops of all jobs, from the disk cache where they are in it."""
    warm_up(trial for job in LENGTHS for trial in trials_of(job, 2))


def settle(ready: Callable[[int], Iterable[int]], workers: int | None = None) -> None:
    """Waits until as many processes as there are workers, or cores, have answered."""
    workers = workers or cores()
    seen: set[int] = set()
    for _ in range(LOOKS):
        seen |= set(ready(2 * workers))
        if len(seen) >= workers:
            return
    raise RuntimeError(f"{workers} workers must be there, only {len(seen)} answered")


def by_hand(each: Callable[[Callable, list[Trial]], Iterable[dict]]) -> Run:
    """A run made of a parallel map: a file per trial, then one table of the summaries."""

    def run(job: Job, n_trials: int, folder: Path) -> Outcome:
        trials = trials_of(job, n_trials)
        started = time.perf_counter()
        episodes = folder / "episodes"
        episodes.mkdir(parents=True)
        rows = list(each(partial(train_one, folder=episodes), trials))
        write_summaries(rows, folder)
        seconds = time.perf_counter() - started
        return Outcome(len(rows), seconds, sum(row["train_seconds"] for row in rows), cores())

    return run


def write_summaries(rows: list[dict], folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows), folder / "trials.parquet")


def _our_run(local: bool) -> Run:
    def run(job: Job, n_trials: int, folder: Path) -> Outcome:
        sweep = sweep_of(job, n_trials)
        started = time.perf_counter()
        tally = run_sweep(sweep, folder, local=local).tally
        seconds = time.perf_counter() - started
        return Outcome(tally.done, seconds, tally.train_seconds, 1 if local else cores())

    return run


@contextmanager
def ours_on_ray() -> Iterator[Run]:
    """`run_sweep` on an embedded Ray that is there already."""
    with Session() as session:
        session.wait()
        import ray

        task = ray.remote(worker_ready)
        settle(lambda n: ray.get([task.remote() for _ in range(n)]))
        load_loops()
        yield _our_run(local=False)


@contextmanager
def ours_local() -> Iterator[Run]:
    """`run_sweep` in this process, on one core."""
    load_loops()
    yield _our_run(local=True)


@contextmanager
def in_pool() -> Iterator[Run]:
    """multiprocessing.Pool with imap_unordered, in chunks."""
    with multiprocessing.get_context("spawn").Pool(cores()) as pool:
        settle(lambda n: pool.imap_unordered(worker_ready, range(n)))

        def each(function: Callable, trials: list[Trial]) -> Iterable[dict]:
            chunk = max(1, len(trials) // (CHUNKS_PER_WORKER * cores()))
            return pool.imap_unordered(function, trials, chunksize=chunk)

        yield by_hand(each)


@contextmanager
def in_pool_of_batches() -> Iterator[Run]:
    """multiprocessing.Pool over batches of a length set by hand, each one file, as ours are."""
    with multiprocessing.get_context("spawn").Pool(cores()) as pool:
        settle(lambda n: pool.imap_unordered(worker_ready, range(n)))

        def run(job: Job, n_trials: int, folder: Path) -> Outcome:
            trials = trials_of(job, n_trials)
            started = time.perf_counter()
            length = max(1, min(TRIALS_PER_BATCH, n_trials // (2 * cores())))
            batches = [trials[at : at + length] for at in range(0, n_trials, length)]
            publish = partial(run_batch, results=Results.at(folder))
            reports = list(pool.imap_unordered(publish, batches))
            seconds = time.perf_counter() - started
            done = sum(len(report.done) for report in reports)
            training = sum(report.train_seconds for report in reports)
            return Outcome(done, seconds, training, cores())

        yield run


@contextmanager
def in_joblib() -> Iterator[Run]:
    """joblib on its own processes (loky), which sets the length of its batches by itself."""
    import joblib
    from joblib.externals import loky

    def each(function: Callable, items: Iterable) -> Iterable:
        with joblib.parallel_config(backend="loky", n_jobs=cores()):
            return joblib.Parallel()(joblib.delayed(function)(item) for item in items)

    settle(lambda n: each(worker_ready, range(n)))
    try:
        yield by_hand(each)
    finally:
        loky.get_reusable_executor().shutdown(wait=True)


@contextmanager
def in_tune() -> Iterator[Run]:
    """Ray Tune with reused actors; see `tune_contender`."""
    from tune_contender import tune_session

    with tune_session() as run:
        yield run


OURS, OURS_LOCAL = "hq-ray", "hq-ray local"
CONTENDERS: dict[str, Callable] = {
    OURS: ours_on_ray,
    OURS_LOCAL: ours_local,
    "Pool of batches": in_pool_of_batches,
    "Pool": in_pool,
    "joblib": in_joblib,
    "Ray Tune": in_tune,
}
# That take milliseconds a trial: fewer trials, the same rate.
AT_MOST = {"Ray Tune": 200}
