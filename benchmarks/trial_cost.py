"""What a trial costs outside its training: exact evaluation, encoding, writing.

    python benchmarks/trial_cost.py [--quick] [--json FILE]

Trains and publishes batches of 4,000-episode trials in this process, with each station timed apart.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from kernel_speed import ENVIRONMENTS, EPISODES, trial
from machine import facts
from rich.console import Console
from rich.table import Table

from hq_ray import encoding
from hq_ray.batch import groups
from hq_ray.environments import resolve
from hq_ray.store import Results
from hq_ray.training import train_together

TRIALS = 200


def _trained(trials: list) -> list:
    return [done for group in groups(trials) for done in train_together(group)]


def measure(env: str, args: dict, n_trials: int) -> dict[str, float]:
    """Microseconds per trial of each station, over one batch of standard and harmonic trials."""
    environment = resolve(env, args)
    kinds = [trial(environment, variant, EPISODES) for variant in ("standard", "harmonic")]
    trials = [
        type(kind)(**{**kind.identity, "seed": seed})
        for seed in range(n_trials // 2)
        for kind in kinds
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = Results.at(folder)
        results.publish(_trained(trials[:2]))
        started = time.perf_counter()
        trained = _trained(trials)
        train_end = time.perf_counter()
        encoding.encode_episodes(trained)
        encode_end = time.perf_counter()
        results.publish(trained)
        publish_end = time.perf_counter()
    training = sum(done.train_seconds for done in trained)
    total = (train_end - started) + (publish_end - encode_end)
    return {
        "train": training / n_trials * 1e6,
        "evaluate": sum(done.evaluate_seconds for done in trained) / n_trials * 1e6,
        "encode": (encode_end - train_end) / n_trials * 1e6,
        "publish": (publish_end - encode_end) / n_trials * 1e6,
        "outside": (total - training) / training,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small batch each")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    rows = []
    for env, args in ENVIRONMENTS:
        runs = [
            measure(env, args, 20 if options.quick else TRIALS)
            for _ in range(1 if options.quick else 5)
        ]
        medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        rows.append({"env": env, "env_args": args, **medians})
    table = Table(title="one 4,000-episode trial in a batch [microseconds]")
    table.add_column("env")
    for heading in ("train", "evaluate", "encode episodes", "publish in all", "outside / train"):
        table.add_column(heading, justify="right")
    for row in rows:
        name = row["env"] + "".join(f" {k}={v}" for k, v in row["env_args"].items())
        stations = [f"{row[key]:.0f}" for key in ("train", "evaluate", "encode", "publish")]
        table.add_row(name, *stations, f"{row['outside']:.2f}")
    console = Console()
    console.print(table)
    console.print(facts())
    if options.json:
        options.json.write_text(json.dumps({"machine": facts(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
