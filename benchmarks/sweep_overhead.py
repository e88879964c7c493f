"""Sweeps on Ray: wall time after Ray's start over training time divided by cores.

    python benchmarks/sweep_overhead.py [--quick] [--json FILE]

Each row is one sweep of standard and harmonic trials into a temporary folder, on all cores.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from kernel_speed import trial
from machine import facts
from rich.console import Console
from rich.table import Table

from hq_ray.environments import resolve
from hq_ray.store import Results
from sweeps.plan import TrialSet, plan
from sweeps.run import RunOptions, run_missing
from sweeps.session import Session

# (environment, arguments, episodes, trials)
SWEEPS = (
    ("CliffWalking-v1", {"is_slippery": True}, 4000, 2000),
    ("CliffWalking-v1", {}, 4000, 2000),
    ("Taxi-v4", {}, 4000, 2000),
    ("VelocityGrid-v0", {}, 4000, 2000),
    ("FrozenLake-v1", {}, 4000, 2000),
    ("FrozenLake-v1", {}, 600, 10_000),
)


def measure(session: Session, env: str, args: dict, episodes: int, n_trials: int) -> dict:
    """One sweep: seconds, trials per second, overhead."""
    environment = resolve(env, args)
    kinds = [trial(environment, variant, episodes) for variant in ("standard", "harmonic")]
    trials = TrialSet(kinds, range(n_trials // 2))
    with tempfile.TemporaryDirectory() as folder:
        results = Results.at(folder)
        missing = plan(trials, {}).missing
        started = time.perf_counter()
        tally = run_missing(missing, results, RunOptions(), session)
        seconds = time.perf_counter() - started
    cores = facts()["cores"]
    return {
        "env": env,
        "env_args": args,
        "episodes": episodes,
        "trials": tally.done,
        "seconds": seconds,
        "trial_milliseconds": tally.train_seconds / tally.done * 1e3,
        "trials_per_second": tally.done / seconds,
        "million_steps_per_second": tally.steps / seconds / 1e6,
        "overhead": seconds / (tally.train_seconds / cores),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the trials")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    with Session() as session:
        session.wait()
        time.sleep(3)  # the workers' own start belongs to Ray's
        rows = [
            measure(session, env, args, episodes, n // 100 if options.quick else n)
            for env, args, episodes, n in SWEEPS
        ]
    table = Table(title="sweeps on Ray, wall time after its start")
    for heading in ("env", "episodes", "trials", "ms of training a trial"):
        table.add_column(heading, justify="left" if heading == "env" else "right")
    for heading in ("trials/s", "M steps/s", "wall / (training / cores)"):
        table.add_column(heading, justify="right")
    for row in rows:
        name = row["env"] + "".join(f" {k}={v}" for k, v in row["env_args"].items())
        table.add_row(
            name,
            f"{row['episodes']:,}",
            f"{row['trials']:,}",
            f"{row['trial_milliseconds']:.2f}",
            f"{row['trials_per_second']:,.0f}",
            f"{row['million_steps_per_second']:,.0f}",
            f"{row['overhead']:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(facts())
    if options.json:
        options.json.write_text(json.dumps({"machine": facts(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
