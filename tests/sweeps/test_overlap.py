"""Two drivers of one folder, in every order: no trial is published twice, no episode written twice.

Each order with trials in the driver's process, and on a cluster.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time
from functools import partial

import elsewhere
import pytest
import torture

from hq_ray.cli import run_command_line
from hq_ray.location import Location
from hq_ray.sweeps import api
from hq_ray.sweeps.ownership import Held, Ownership, read_owner

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

        monkeypatch.setattr(api, "Ownership", Late)

    return happen


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_a_driver_beside_another_is_refused_and_plans_anew_once_it_has_ended(
    tmp_path, undisturbed, between, way
):
    folder, other = tmp_path / "results", tmp_path / "other"
    with (
        Ownership(Location.of(folder)),
        pytest.raises(Held, match="must have one driver at a time, but process"),
    ):
        torture.run(folder, **way)
    assert not (folder / "trials").exists()
    for place, seeds, there in ((folder, "0-1", 24), (other, "0-3", 48)):
        between(partial(torture.run, place, seeds, local=True))
        tally = torture.run(place, **way)
        assert (tally.done, tally.done_before) == (48 - there, there)
        torture.assert_complete(place, undisturbed)


@pytest.fixture
def spec(tmp_path):
    """A file of the sweep of `torture`."""
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(torture.sweep().to_dict()))
    return path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("sweep spec.yaml --local", "48 trials are done in results/results"),
        (
            "run --env FrozenLake-v1 --episodes 20 --task train --tag t --local",
            "10 trials are done in results/t",
        ),
    ],
)
def test_what_is_said_is_what_was_found_once_the_folder_was_held(
    spec, between, capsys, line, found
):
    with contextlib.chdir(spec.parent):
        between(lambda: run_command_line(line.split()))
        assert run_command_line(line.split()) == 0
    assert f"All {found}; nothing to run.\n" in capsys.readouterr().out


def call(host, spec, *flags):
    command = [sys.executable, elsewhere.__file__, host, "sweep", str(spec), *flags]
    command += ["--results", str(spec.parent), "--engine", "gymnasium", "--trials_per_task", "2"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, **streams)


def wait_for(condition):
    before = time.monotonic()
    while not condition():
        assert time.monotonic() - before < LIMIT_SECONDS
        time.sleep(0.02)


def taken_over(spec, folder, woken):
    """Another driver, which is at work on what the sleeping one held, or done with it."""
    host = "two" if woken == "while the other runs" else "nobody"
    for _ in range(LIMIT_SECONDS):
        other = call("two", spec, "--local")
        wait_for(lambda one=other: one.poll() is not None or read_owner(folder).get("host") == host)
        if other.returncode != 2:
            return other
        assert "must have one driver at a time, but process" in other.communicate()[0]
    raise AssertionError("nobody took over")


@pytest.mark.parametrize(
    ("way", "woken"),
    [
        ("local", "afterwards"),
        pytest.param("cluster", "while the other runs", marks=pytest.mark.ray),
    ],
    indirect=["way"],
)
def test_a_driver_that_sleeps_and_is_taken_over(spec, undisturbed, way, woken):
    folder = spec.parent / "results"
    where = f"--address={way['address']}" if "address" in way else "--local"
    sleeper = call("one", spec, where)
    trials = folder / "trials"
    wait_for(lambda: len(list(trials.glob("*.parquet"))) >= 2 or sleeper.poll() is not None)
    sleeper.send_signal(signal.SIGSTOP)
    try:
        other = taken_over(spec, Location.of(folder), woken)
    finally:
        sleeper.send_signal(signal.SIGCONT)
    said, _ = sleeper.communicate(timeout=LIMIT_SECONDS)
    assert sleeper.returncode == 1, said
    assert f"Error: another driver has taken over the results at {folder}, or" in said
    assert "Traceback" not in said
    told, _ = other.communicate(timeout=LIMIT_SECONDS)
    assert other.returncode == 0, told
    torture.assert_complete(folder, undisturbed)
