"""Sweeps of short trials: ours against joblib and Ray Tune, in trials per second.

    python benchmarks/sweeps.py [--quick] [--rounds N] [--json FILE]

All train the same trials with the same kernel and write the same episodes, which is checked first.
joblib and Ray Tune train one trial per call, write a file for each, return its summary, and write
one table of the summaries at the end, as one does by hand. In each round every contender starts its
workers, runs all jobs and stops; the next comes after it, A B C A B C. Ratios are taken within a
round; figures are medians. What is not installed (`pip install "hq-ray[bench]"`) is left out.
"""

import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from frame import conclude, cores, grid, parse, parser
from rich.table import Table

from hq_ray import Sweep, encoding, run_sweep
from hq_ray.sweeps.api import Session
from hq_ray.sweeps.expand import expand
from hq_ray.training import train, warm_up
from hq_ray.trial import Trial

# Otherwise Tune writes three logs a trial, and its own state every few seconds.
os.environ |= {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
}
VARIANTS = ("standard", "harmonic")
ROUNDS = 3
# Ray Tune takes milliseconds a trial: fewer trials, the same rate.
AT_MOST = {"Ray Tune": 200}


@dataclass(frozen=True)
class Job:
    """Trials of one kind: `length` is what training one takes on one core, roughly."""

    length: str
    env: str
    episodes: int
    trials: int
    env_args: dict = field(default_factory=dict)

    def sweep(self, trials: int) -> Sweep:
        """Both variants, half of the trials each, epsilon falling for 7/8 of them."""
        return Sweep(
            name="benchmark",
            env={"id": self.env, **self.env_args},
            variant=list(VARIANTS),
            seeds=range(max(trials // len(VARIANTS), 1)),
            episodes=self.episodes,
            parameters={"eps_decay_episodes": max(self.episodes * 7 // 8, 1)},
        )


JOBS = (
    Job("0.1 ms", "FrozenLake-v1", 600, 10_000),
    Job("1 ms", "FrozenLake-v1", 5000, 1000),
    Job("5 ms", "CliffWalking-v1", 6000, 1000),
    Job("20 ms", "CliffWalking-v1", 5000, 1000, {"is_slippery": True}),
)
QUICK = (Job("0.1 ms", "FrozenLake-v1", 600, 60),)
CHECKED = Job("check", "FrozenLake-v1", 20, 8)


@dataclass(frozen=True)
class Outcome:
    """Trials that were run, wall time with workers already there, time in training loops."""

    trials: int
    seconds: float
    train_seconds: float


Run = Callable[[Job, int, Path], Outcome]


def load_loops() -> None:
    warm_up(trial for job in JOBS for trial in expand(job.sweep(2)).trials)


def train_one(trial: Trial, folder: Path) -> dict:
    """Trains a trial, writes its episodes as one file, returns its summary."""
    done = train(trial)
    (folder / f"{trial.trial_id}.parquet").write_bytes(encoding.encode_episodes([done]))
    return {"trial_id": trial.trial_id, **done.summary, "train_seconds": done.train_seconds}


@contextmanager
def ours() -> Iterator[Run]:
    """`run_sweep` on an embedded Ray that is there already."""
    with Session() as session:
        session.start().result()
        load_loops()

        def run(job: Job, trials: int, folder: Path) -> Outcome:
            started = time.perf_counter()
            tally = run_sweep(job.sweep(trials), folder).tally
            return Outcome(tally.done, time.perf_counter() - started, tally.train_seconds)

        run(CHECKED, 4 * cores(), Path(tempfile.mkdtemp()))
        yield run


@contextmanager
def with_joblib() -> Iterator[Run]:
    """joblib on its own processes (loky), which sets the length of its batches by itself."""
    import joblib
    from joblib.externals import loky

    def each(function: Callable, items: Iterable) -> list:
        with joblib.parallel_config(backend="loky", n_jobs=cores()):
            return joblib.Parallel()(joblib.delayed(function)(item) for item in items)

    def run(job: Job, trials: int, folder: Path) -> Outcome:
        planned = list(expand(job.sweep(trials)).trials)
        started = time.perf_counter()
        (folder / "episodes").mkdir(parents=True)
        rows = each(partial(train_one, folder=folder / "episodes"), planned)
        return summarised(rows, folder, started)

    each(warmed, range(4 * cores()))
    try:
        yield run
    finally:
        loky.get_reusable_executor().shutdown(wait=True)


def warmed(_: int) -> None:
    load_loops()
    time.sleep(0.2)  # long enough for another worker to take the next


def summarised(rows: list[dict], folder: Path, started: float) -> Outcome:
    """Writes the table of summaries and counts."""
    pq.write_table(pa.Table.from_pylist(rows), folder / "trials.parquet")
    seconds = time.perf_counter() - started
    return Outcome(len(rows), seconds, sum(row["train_seconds"] for row in rows))


@contextmanager
def with_tune() -> Iterator[Run]:
    """Ray Tune with reused actors, no loggers, few checkpoints; its actors start uncounted."""
    from ray import tune

    class TuneTrial(tune.Trainable):
        """One trial is one step; an actor trains trial after trial."""

        def setup(self, config: dict) -> None:
            load_loops()
            self.reset_config(config)

        def reset_config(self, new_config: dict) -> bool:
            self.chosen = new_config
            return True

        def step(self) -> dict:
            began = time.perf_counter()
            row = train_one(self.chosen["trials"][self.chosen["at"]], Path(self.chosen["folder"]))
            return {"row": row, "began": began, "done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None: ...

        def load_checkpoint(self, checkpoint: str) -> None: ...

    def run(job: Job, trials: int, folder: Path) -> Outcome:
        (folder / "episodes").mkdir(parents=True)
        planned = list(expand(job.sweep(trials)).trials)
        tuner = tune.Tuner(
            tune.with_resources(TuneTrial, {"cpu": 1}),
            param_space={
                "trials": planned,
                "folder": str(folder / "episodes"),
                "at": tune.grid_search(list(range(len(planned)))),
            },
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            results = tuner.fit()
        if results.num_errors:
            raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
        told = [result.metrics for result in results]
        rows = [metrics["row"] for metrics in told]
        return summarised(rows, folder, min(metrics["began"] for metrics in told))

    with Session() as session:
        session.start().result()
        yield run


OURS = "hq-ray"
CONTENDERS = {OURS: ours, "joblib": with_joblib, "Ray Tune": with_tune}


def written(run: Run) -> pd.DataFrame:
    """The episodes that a contender writes for a few trials, in one order."""
    with tempfile.TemporaryDirectory() as folder:
        run(CHECKED, CHECKED.trials, Path(folder, "run"))
        (episodes,) = Path(folder).rglob("episodes")
        columns = ["trial_id", "episode", "episode_return", "steps"]
        frame = pd.read_parquet(episodes, columns=columns).astype({"trial_id": str})
    return frame.sort_values(["trial_id", "episode"], ignore_index=True)


def measure(jobs: tuple[Job, ...], rounds: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """A row per round, contender and job; and why a contender was left out."""
    rows, skipped, expected = [], {}, None
    for number in range(rounds):
        for name, contender in CONTENDERS.items():
            if name in skipped:
                continue
            try:
                with contender() as run:
                    sample = written(run)
                    expected = sample if expected is None else expected
                    if not sample.equals(expected):
                        sys.exit(f"{name} must write the episodes that {OURS} writes")
                    rows += [{"round": number, **one(name, run, job)} for job in jobs]
            except ImportError as problem:
                skipped[name] = str(problem)
    return pd.DataFrame(rows), skipped


def one(name: str, run: Run, job: Job) -> dict:
    """A job run once."""
    with tempfile.TemporaryDirectory() as folder:
        out = run(job, min(job.trials, AT_MOST.get(name, job.trials)), Path(folder, "run"))
    return {
        "contender": name,
        "length": job.length,
        "trials": job.trials,
        "trials_per_second": out.trials / out.seconds,
        "overhead": out.seconds * cores() / out.train_seconds,
    }


def medians(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per job and contender, with `ratio`: our rate over its, within a round."""
    cell = ["length", "trials"]
    mine = rows[rows["contender"] == OURS].set_index([*cell, "round"])["trials_per_second"]
    rates = rows.join(mine.rename("ours"), on=[*cell, "round"])
    rates["ratio"] = rates["ours"] / rates["trials_per_second"]
    names = ["ratio", "trials_per_second", "overhead"]
    return rates.groupby([*cell, "contender"], sort=False)[names].median().reset_index()


def shown(found: pd.DataFrame, title: str, figure: str, digits: int) -> Table:
    """One figure of every contender, a line per job."""
    names = list(found["contender"].unique())
    lines = []
    for (length, trials), cell in found.groupby(["length", "trials"], sort=False):
        values = cell.set_index("contender")[figure]
        lines.append([length, f"{trials:,}", *(f"{values[name]:,.{digits}f}" for name in names)])
    return grid(title, ["trial", "trials", *names], lines, labels=1)


def main() -> None:
    options = parser(__doc__, "one round of one small job")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    given = parse(options)
    rows, skipped = measure(*((QUICK, 1) if given.quick else (JOBS, given.rounds)))
    found = medians(rows)
    conclude(
        given,
        [
            shown(found, "trials per second: hq-ray over each", "ratio", 2),
            shown(found, "trials per second", "trials_per_second", 0),
            shown(found, "overhead: wall time / (training time / cores)", "overhead", 2),
            *(f"{name} is left out: {reason}" for name, reason in skipped.items()),
        ],
        rows=rows.to_dict("records"),
        medians=found.to_dict("records"),
        skipped=skipped,
    )


if __name__ == "__main__":
    main()
