"""Two drivers of one folder, in every order: no trial is published twice, no episode written twice.

Each order with trials in the driver's process, and on a cluster.
"""

import contextlib
import signal
import subprocess
import sys
import time
from functools import partial

import elsewhere
import pandas as pd
import pytest
import torture

from hq_ray.cli import run_command_line
from hq_ray.location import Location
from hq_ray.sweeps import run as run_module
from hq_ray.sweeps.ownership import Held, Ownership, read_owner

SPEC = """
name: lakes
env: FrozenLake-v1
variant: [standard, harmonic]
seeds: 0-11
episodes: 150
parameters: {gamma: [0.9, 0.95]}
"""
N_TRIALS = 48
LIMIT_SECONDS = 100
WAYS = ["local", pytest.param("cluster", marks=pytest.mark.ray)]


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    yield cluster
    cluster.shutdown()


@pytest.fixture
def way(request):
    """Options of `torture.run` for one of WAYS."""
    if request.param == "local":
        return {"local": True}
    return {"address": request.getfixturevalue("cluster").address}


@pytest.fixture
def between(monkeypatch):
    """Has something happen between a driver's first look at the folder and its holding it."""

    def happen(what):
        class Late(Ownership):
            def __enter__(self):
                monkeypatch.undo()
                what()
                return super().__enter__()

        monkeypatch.setattr(run_module, "Ownership", Late)

    return happen


@pytest.mark.parametrize("way", WAYS, indirect=True)
@pytest.mark.parametrize("seeds", ["0-1", "0-3"])
def test_a_driver_that_plans_while_another_finishes(tmp_path, undisturbed, between, way, seeds):
    folder = tmp_path / "results"
    between(lambda: torture.run(folder, seeds, local=True))
    tally = torture.run(folder, **way)
    part = {"0-1": 24, "0-3": 48}[seeds]
    assert (tally.done, tally.there) == (48 - part, part)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_a_driver_that_starts_while_another_runs(tmp_path, undisturbed, way):
    folder = tmp_path / "results"
    with (
        Ownership(Location.of(folder)),
        pytest.raises(Held, match="must have one driver at a time, but process"),
    ):
        torture.run(folder, **way)
    assert not (folder / "trials").exists()
    torture.run(folder, **way)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.parametrize(
    ("line", "second"),
    [
        ("sweep lakes.yaml --local", "All 48 trials are done in results/lakes; nothing to run.\n"),
        (
            "run --env FrozenLake-v1 --episodes 20 --task train --tag t --local",
            "All 10 trials are done in results/t; nothing to run.\n",
        ),
    ],
)
def test_what_is_said_is_what_was_found_once_the_folder_was_held(
    tmp_path, between, capsys, line, second
):
    (tmp_path / "lakes.yaml").write_text(SPEC)
    with contextlib.chdir(tmp_path):
        between(lambda: run_command_line(line.split()))
        assert run_command_line(line.split()) == 0
    assert second in capsys.readouterr().out


def call(host, folder, *flags):
    command = [sys.executable, elsewhere.__file__, host, "sweep", str(folder / "lakes.yaml")]
    return subprocess.Popen(
        [*command, "--results", str(folder), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize(
    ("way", "woken"),
    [
        ("local", "afterwards"),
        pytest.param("cluster", "while the other runs", marks=pytest.mark.ray),
    ],
    indirect=["way"],
)
def test_a_driver_that_sleeps_and_is_taken_over(tmp_path, way, woken):
    (tmp_path / "lakes.yaml").write_text(SPEC)
    flags = ["--engine", "gymnasium", "--trials_per_task", "2"]
    where = [f"--{name}" + (f"={way[name]}" if name != "local" else "") for name in way]
    sleeper = call("one", tmp_path, *flags, *where)
    trials = tmp_path / "lakes" / "trials"
    wait_for(lambda: len(list(trials.glob("*.parquet"))) >= 2 or sleeper.poll() is not None)
    sleeper.send_signal(signal.SIGSTOP)
    try:
        other = taken_over(tmp_path, flags, woken)
    finally:
        sleeper.send_signal(signal.SIGCONT)
    said, _ = sleeper.communicate(timeout=LIMIT_SECONDS)
    assert sleeper.returncode == 1, said
    assert f"Error: another driver has taken over the results at {tmp_path}/lakes, or" in said
    assert "Traceback" not in said
    told, _ = other.communicate(timeout=LIMIT_SECONDS)
    assert other.returncode == 0, told
    rows = pd.read_parquet(trials, columns=["trial_id"])
    assert rows["trial_id"].nunique() == len(rows) == N_TRIALS
    episodes = pd.read_parquet(trials.parent / "episodes", columns=["trial_id", "episode"])
    assert len(episodes) == 150 * N_TRIALS
    assert not episodes.duplicated().any()


def taken_over(folder, flags, woken):
    """Another driver, which is at work on what the sleeping one held, or done with it."""
    for _ in range(LIMIT_SECONDS):
        other = call("two", folder, "--local", *flags)
        wait_for(partial(has_taken_over, other, folder / "lakes", woken))
        if other.returncode != 2:
            return other
        assert "must have one driver at a time, but process" in other.communicate()[0]
    raise AssertionError("nobody took over")


def has_taken_over(other, folder, woken):
    named = woken == "while the other runs" and read_owner(Location.of(folder)).get("host")
    return other.poll() is not None or named == "two"


def wait_for(condition):
    before = time.monotonic()
    while not condition():
        assert time.monotonic() - before < LIMIT_SECONDS
        time.sleep(0.02)
