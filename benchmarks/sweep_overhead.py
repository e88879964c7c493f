"""Sweeps on Ray: wall time after Ray's start over training time divided by cores.

    python benchmarks/sweep_overhead.py [--quick] [--json FILE]

Each row is one sweep of standard and harmonic trials into a temporary folder, on all cores.
"""

import tempfile
import time

import ray
from contenders import settle, worker_ready
from frame import conclude, grid, named, parse, parser
from kernel_speed import trial
from machine import cores

from hq_ray.environments import resolve
from hq_ray.store import Results
from hq_ray.sweeps.plan import TrialSet, plan
from hq_ray.sweeps.run import RunOptions, run_missing
from hq_ray.sweeps.session import Session

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
    return {
        "env": env,
        "env_args": args,
        "episodes": episodes,
        "trials": tally.done,
        "seconds": seconds,
        "trial_milliseconds": tally.train_seconds / tally.done * 1e3,
        "trials_per_second": tally.done / seconds,
        "million_steps_per_second": tally.steps / seconds / 1e6,
        "overhead": seconds / (tally.train_seconds / cores()),
    }


def main() -> None:
    given = parse(parser(__doc__, "a hundredth of the trials of two sweeps"))
    sweeps = [SWEEPS[0], SWEEPS[-1]] if given.quick else SWEEPS
    with Session() as session:
        session.wait()
        task = ray.remote(worker_ready)
        settle(lambda n: ray.get([task.remote() for _ in range(n)]))
        rows = [
            measure(session, env, args, episodes, n // 100 if given.quick else n)
            for env, args, episodes, n in sweeps
        ]
    lines = [
        [
            named(row["env"], row["env_args"]),
            f"{row['overhead']:.2f}",
            f"{row['episodes']:,}",
            f"{row['trials']:,}",
            f"{row['trial_milliseconds']:.2f}",
            f"{row['trials_per_second']:,.0f}",
            f"{row['million_steps_per_second']:,.0f}",
        ]
        for row in rows
    ]
    headings = [
        *("env", "wall / (training / cores)", "episodes", "trials", "training a trial [ms]"),
        *("trials/s", "M steps/s"),
    ]
    table = grid("sweeps on Ray, wall time after its start", headings, lines, labels=1)
    conclude(given, [table], rows=rows)


if __name__ == "__main__":
    main()
