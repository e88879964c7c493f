"""What a trial costs outside its training: exact evaluation, encoding, writing.

    python benchmarks/trial_cost.py [--quick] [--json FILE]

Trains and publishes batches of 4,000-episode trials in this process, with each station timed apart;
figures are medians over the batches.
"""

import statistics
import tempfile
import time
from dataclasses import replace
from itertools import pairwise

from frame import conclude, grid, named, parse, parser
from kernel import ENVIRONMENTS, EPISODES, trial

from hq_ray import encoding
from hq_ray.batch import groups
from hq_ray.environments import resolve
from hq_ray.store import Results
from hq_ray.training import train_together

TRIALS = 200
STATIONS = ("train", "evaluate", "encode", "publish")


def trained(trials: list) -> list:
    return [done for group in groups(trials) for done in train_together(group)]


def measure(env: str, args: dict, n_trials: int) -> dict[str, float]:
    """Microseconds per trial of each station, over one batch of standard and harmonic trials."""
    environment = resolve(env, args)
    kinds = [trial(environment, variant, EPISODES) for variant in ("standard", "harmonic")]
    trials = [replace(kind, seed=seed) for seed in range(n_trials // 2) for kind in kinds]
    with tempfile.TemporaryDirectory() as folder:
        results = Results.at(folder)
        results.publish(trained(trials[:2]))
        marks = [time.perf_counter()]
        done = trained(trials)
        marks.append(time.perf_counter())
        encoding.encode_episodes(done)
        marks.append(time.perf_counter())
        results.publish(done)
        marks.append(time.perf_counter())
    training, encode, publish = (after - before for before, after in pairwise(marks))
    train = sum(one.train_seconds for one in done)
    evaluate = sum(one.evaluate_seconds for one in done)
    each = [seconds / n_trials * 1e6 for seconds in (train, evaluate, encode, publish)]
    return dict(zip(STATIONS, each, strict=True)) | {
        "outside": (training + publish - train) / train
    }


def main() -> None:
    given = parse(parser(__doc__, "one small batch each"))
    rows = []
    for env, args in ENVIRONMENTS:
        n_trials, repeats = (20, 1) if given.quick else (TRIALS, 5)
        runs = [measure(env, args, n_trials) for _ in range(repeats)]
        medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        rows.append({"env": env, "env_args": args, **medians})
    lines = [
        [
            named(row["env"], row["env_args"]),
            *(f"{row[station]:.0f}" for station in STATIONS),
            f"{row['outside']:.2f}",
        ]
        for row in rows
    ]
    headings = ["env", "train", "evaluate", "encode episodes", "publish in all", "outside / train"]
    table = grid("a trial of 4,000 episodes in a batch [us]", headings, lines, labels=1)
    conclude(given, [table], rows=rows)


if __name__ == "__main__":
    main()
