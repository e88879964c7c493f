"""A small sweep to be disturbed: run as a program, killed, resumed, and compared byte for byte.

python torture.py FOLDER OPTIONS, those of `RunOptions` as JSON
"""

import io
import json
import subprocess
import sys

import pandas as pd

from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.api import run_missing
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.spec import Sweep

COLUMNS = ["trial_id", "episode", "episode_return", "steps", "terminated", "truncated", "success"]
# On the Gymnasium loop, so that there is time to disturb it.
SLOWLY = {"engine": "gymnasium"}


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


def start(place, streams=None, **options):
    """Starts a driver of its own that runs what is missing."""
    command = [sys.executable, __file__, str(place), json.dumps(options)]
    return subprocess.Popen(command, start_new_session=True, **streams or {})


def rows(place, kind, columns):
    """What plain pandas sees of the files of a folder or prefix."""
    files = Location.of(place).child(kind)
    contents = [io.BytesIO(files.read(name)) for name in files.files()]
    return pd.concat(pd.read_parquet(content, columns=columns) for content in contents)


def content(place):
    """Every column of the episodes that an undisturbed run fixes, in one order."""
    episodes = rows(place, "episodes", COLUMNS)
    episodes["trial_id"] = episodes["trial_id"].astype(str)
    return episodes.sort_values(["trial_id", "episode"]).reset_index(drop=True)


def assert_complete(place, expected):
    """A folder or prefix holds each trial once, with the bytes of the undisturbed run."""
    published = Results.at(place).published()
    assert published == dict.fromkeys(trials().ids(), "done")
    found = rows(place, "trials", ["trial_id", "status"])
    assert sorted(found["trial_id"]) == sorted(published), "each trial is published once"
    pd.testing.assert_frame_equal(content(place), expected)


if __name__ == "__main__":
    sys.exit(130 if run(sys.argv[1], **json.loads(sys.argv[2])).interrupted else 0)
