"""Sweeps of short trials: ours against a Pool, joblib and Ray Tune, in trials per second.

    python benchmarks/sweep_against_others.py [--quick] [--rounds N] [--long] [--json FILE]

All train the same trials with the same kernel and write the same rows, which is checked first. In
each round every contender starts its workers, runs all jobs, and stops; the next comes after it,
A B C A B C. Starting is reported apart. Ratios are taken within a round; figures are medians.
joblib and Ray Tune are extras, `pip install "hq-ray[bench]"`; what is not installed is left out.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from contenders import AT_MOST, CONTENDERS, OURS, Run
from frame import conclude, grid, parse, parser
from jobs import LENGTHS, Job
from rich.table import Table

ROUNDS = 3
CELLS = [(job, 1000) for job in LENGTHS] + [(job, 10_000) for job in LENGTHS[:2]]
LONG_CELLS = [(job, 10_000) for job in LENGTHS[2:]]
QUICK_CELLS = [(LENGTHS[0], 60)]
CHECKED = Job("check", "FrozenLake-v1", 20)


def written(run: Run) -> pd.DataFrame:
    """The episodes that a contender writes for a few trials, in one order."""
    with tempfile.TemporaryDirectory() as folder:
        run(CHECKED, 8, Path(folder, "run"))
        (episodes,) = Path(folder).rglob("episodes")
        frame = pd.read_parquet(episodes)
    labels = frame.select_dtypes("category").columns
    frame = frame.astype(dict.fromkeys(labels, str))
    return frame.sort_values(["trial_id", "episode"], ignore_index=True)


def measure_one(name: str, cells: list[tuple[Job, int]]) -> tuple[float, pd.DataFrame, list[dict]]:
    """Seconds until its workers were there, what it writes, and a row for each job."""
    rows = []
    started = time.perf_counter()
    with CONTENDERS[name]() as run:
        start = time.perf_counter() - started
        sample = written(run)
        for job, n_trials in cells:
            n = min(n_trials, AT_MOST.get(name, n_trials))
            if n_trials > 1000 and n < n_trials:
                continue  # the smaller size has shown the rate
            with tempfile.TemporaryDirectory() as folder:
                out = run(job, n, Path(folder, "run"))
            rows.append(
                {
                    "contender": name,
                    "length": job.length,
                    "trials": n_trials,
                    "run": out.trials,
                    "seconds": out.seconds,
                    "trials_per_second": out.rate,
                    "overhead": out.overhead,
                    "train_milliseconds": out.train_seconds / out.trials * 1e3,
                }
            )
    return start, sample, rows


def measure(cells: list[tuple[Job, int]], rounds: int) -> tuple[pd.DataFrame, dict, dict]:
    """(rows of all rounds, seconds of starting by contender, why one was left out)."""
    rows, starts, skipped, expected = [], {}, {}, None
    for number in range(rounds):
        for name in CONTENDERS:
            if name in skipped:
                continue
            try:
                start, sample, found = measure_one(name, cells)
            except ImportError as problem:
                skipped[name] = str(problem)
                continue
            expected = sample if expected is None else expected
            if not sample.equals(expected):
                sys.exit(f"{name} must write the episodes that {OURS} writes, but they differ")
            starts.setdefault(name, []).append(start)
            rows += [{"round": number, **row} for row in found]
    return pd.DataFrame(rows), starts, skipped


def medians(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per job and contender, with `ratio`: our rate over its, within a round."""
    cell = ["length", "trials"]
    ours = rows[rows["contender"] == OURS].set_index([*cell, "round"])["trials_per_second"]
    rates = rows.join(ours.rename("ours"), on=[*cell, "round"])
    rates["ratio"] = rates["ours"] / rates["trials_per_second"]
    names = ["ratio", "trials_per_second", "overhead", "train_milliseconds", "run"]
    return rates.groupby([*cell, "contender"], sort=False)[names].median().reset_index()


def shown(found: pd.DataFrame, title: str, figure: str, digits: int, without: str = "") -> Table:
    """One figure of every contender, a line per job."""
    names = [name for name in found["contender"].unique() if name != without]
    lines = []
    for (length, trials), cell in found.groupby(["length", "trials"], sort=False):
        values = cell.set_index("contender")[figure].to_dict()
        figures = [f"{values[n]:,.{digits}f}" if n in values else "" for n in names]
        lines.append([length, f"{trials:,}", *figures])
    return grid(title, ["trial", "trials", *names], lines, labels=1)


def starting(starts: dict[str, list[float]]) -> Table:
    lines = [[name, f"{statistics.median(seconds):.1f}"] for name, seconds in starts.items()]
    title = "until every worker is there, its imports and loops loaded"
    return grid(title, ["", "seconds"], lines, labels=1)


def sentences(skipped: dict[str, str], cells: list[tuple[Job, int]]) -> list[str]:
    fewer = [name for name, most in AT_MOST.items() if name not in skipped and most < cells[0][1]]
    return [
        *(f"{name} ran {AT_MOST[name]} trials of each job; rates are compared" for name in fewer),
        *(f"{name} is left out: {reason}" for name, reason in skipped.items()),
    ]


def main() -> None:
    options = parser(__doc__, "one round of one small job")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    options.add_argument("--long", action="store_true", help="10,000 trials of every length")
    given = parse(options)
    cells = QUICK_CELLS if given.quick else CELLS + (LONG_CELLS if given.long else [])
    rows, starts, skipped = measure(cells, 1 if given.quick else given.rounds)
    found = medians(rows)
    conclude(
        given,
        [
            shown(found, "trials per second: hq-ray over the others", "ratio", 2, without=OURS),
            shown(found, "trials per second", "trials_per_second", 0),
            shown(found, "overhead: wall time / (training time / cores)", "overhead", 2),
            shown(found, "training a trial [ms]", "train_milliseconds", 2),
            starting(starts),
            *sentences(skipped, cells),
        ],
        rows=rows.to_dict("records"),
        medians=found.to_dict("records"),
        starts=starts,
        skipped=skipped,
    )


if __name__ == "__main__":
    main()
