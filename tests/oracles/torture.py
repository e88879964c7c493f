"""A small sweep to be disturbed: run as a program, killed, resumed, and compared byte for byte.

python torture.py FOLDER [--local] [--cores N] [--trials_per_task N] [--address A] [--shard K/N]
    [--slow]
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from hq_ray.store import Results
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.run import run_missing
from hq_ray.sweeps.spec import Sweep

COLUMNS = ["trial_id", "episode", "episode_return", "steps", "terminated", "truncated", "success"]


def sweep(seeds="0-3"):
    """48 trials of two environments, three variants and four seeds, all of one length."""
    return Sweep(
        name="results",
        env=["FrozenLake-v1", "CliffWalking-v1"],
        variant=["standard", "harmonic", "minimum"],
        seeds=seeds,
        episodes=150,
        max_steps=60,
        parameters={"gamma": [0.9, 0.95], "eps_decay_episodes": 100},
    )


def trials():
    """Its trials."""
    return expand(sweep()).trials


def run(folder, seeds="0-3", **options):
    """Runs what is missing in the folder, of all seeds or some; returns the tally."""
    wanted = sweep(seeds)
    return run_missing(wanted, Results.at(folder), expand(wanted), RunOptions(**options))


def content(folder):
    """What plain pandas sees: every column that an undisturbed run fixes, in one order."""
    episodes = pd.read_parquet(Path(folder) / "episodes", columns=COLUMNS)
    episodes["trial_id"] = episodes["trial_id"].astype(str)
    return episodes.sort_values(["trial_id", "episode"]).reset_index(drop=True)


def assert_complete(folder, expected):
    """The folder holds each trial once, with the bytes of the undisturbed run."""
    published = Results.at(folder).published()
    assert published == dict.fromkeys(trials().ids(), "done")
    rows = pd.read_parquet(Path(folder) / "trials", columns=["trial_id", "status"])
    assert sorted(rows["trial_id"]) == sorted(published), "each trial is published once"
    pd.testing.assert_frame_equal(content(folder), expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--local", action="store_true")
    parser.add_argument("--address")
    parser.add_argument("--cores", type=int)
    parser.add_argument("--trials_per_task", type=int)
    parser.add_argument("--shard")
    parser.add_argument("--slow", action="store_true", help="train on the Gymnasium loop")
    given = vars(parser.parse_args())
    engine = "gymnasium" if given.pop("slow") else "auto"
    tally = run(given.pop("folder"), engine=engine, **given)
    sys.exit(130 if tally.interrupted else 0)


if __name__ == "__main__":
    main()
