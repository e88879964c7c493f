"""On an object store that fails, a sweep holds the same trials and bytes as on a quiet disk.

The store is moto's, in a thread here; in front of it stands what answers some requests with an
error, closes some connections before or after doing what was asked, and keeps some waiting.
"""

import io
import random
import socket
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest
import torture
from object_store import empty_store, point_at, served

from hq_ray.cli import run_command_line
from hq_ray.errors import HqRayError
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.ownership import Held

FAULTS = ("500", "503", "closed before", "closed after", "late")


class FaultyStore:
    """A store of which `choose(method, path)` says what fault, if any, each request meets."""

    def __init__(self):
        self.store = empty_store()
        self.choose = lambda method, path: None
        self.met = []

    def __call__(self, environ, start_response):
        fault = self.choose(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if fault is None:
            return self.store(environ, start_response)
        self.met.append(fault)
        if fault == "late":
            time.sleep(0.2)
            return self.store(environ, start_response)
        if fault == "closed after":
            list(self.store(environ, lambda status, headers: None))
        else:
            # Unread, the body would be taken for the next request.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault.startswith("closed"):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            fault = "500"
        start_response(f"{fault} Fault", [("Content-Length", "0")])
        return [b""]


@pytest.fixture(scope="module")
def server():
    store = FaultyStore()
    with served(store) as store.endpoint:
        yield store


@pytest.fixture
def store(server, monkeypatch):
    point_at(server.endpoint, monkeypatch, "sweeps")
    server.choose, server.met = lambda method, path: None, []
    yield server
    server.choose = lambda method, path: None


@pytest.fixture
def uri(store, request):
    return f"s3://sweeps/{request.node.name.translate(str.maketrans('[] ', '---'))}"


def rows(uri, kind, columns):
    place = Location.of(uri).child(kind)
    files = [io.BytesIO(place.read(name)) for name in place.files()]
    return pd.concat(pd.read_parquet(file, columns=columns) for file in files)


def assert_complete(uri, undisturbed):
    """The prefix holds each trial once, with the bytes of the undisturbed run."""
    assert Results.at(uri).published() == dict.fromkeys(torture.trials().ids(), "done")
    found = rows(uri, "trials", ["trial_id", "status"])
    assert sorted(found["trial_id"]) == sorted(torture.trials().ids())
    episodes = rows(uri, "episodes", torture.COLUMNS)
    episodes["trial_id"] = episodes["trial_id"].astype(str)
    episodes = episodes.sort_values(["trial_id", "episode"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(episodes, undisturbed)


def test_the_same_files_as_on_a_disk(uri, undisturbed, undisturbed_folder):
    torture.run(uri, local=True, trials_per_task=12)
    assert_complete(uri, undisturbed)
    there, here = Location.of(uri), Location.of(undisturbed_folder)
    for kind in ("episodes", "trials"):
        assert there.child(kind).files() == here.child(kind).files()
    for name in here.child("episodes").files():
        assert there.child("episodes").read(name) == here.child("episodes").read(name)


@pytest.mark.ray
def test_on_ray(uri, undisturbed):
    torture.run(uri, cores=2, trials_per_task=6)
    assert_complete(uri, undisturbed)


@pytest.mark.parametrize("seed", range(2))
def test_faults_here_and_there(store, uri, undisturbed, seed):
    """One request in seven; where that ends the sweep, the next one goes on."""
    chance = random.Random(seed)
    store.choose = lambda method, path: chance.choice(FAULTS) if chance.random() < 1 / 7 else None
    for _ in range(10):
        try:
            torture.run(uri, local=True, trials_per_task=8)
            break
        except HqRayError:
            continue
    assert store.met
    store.choose = lambda method, path: None
    assert_complete(uri, undisturbed)


def test_a_commit_whose_answer_is_lost_is_a_commit(store, uri, undisturbed):
    lost = set()

    def choose(method, path):
        if method == "PUT" and "/trials/" in path and path not in lost:
            lost.add(path)
            return "closed after"
        return None

    store.choose = choose
    tally = torture.run(uri, local=True, trials_per_task=16)
    assert (tally.done, len(lost)) == (48, 3)
    assert_complete(uri, undisturbed)


def test_a_store_that_goes_away_stops_the_sweep_and_it_resumes(
    store, uri, undisturbed, monkeypatch
):
    put = []

    def choose(method, path):
        if method == "PUT" and "/trials/" in path:
            put.append(path)
        return "503" if len(put) > 1 else None

    store.choose = choose
    with pytest.raises(HqRayError, match=r"(?s)results at s3://.*503 Service Unavailable"):
        torture.run(uri, local=True, trials_per_task=16)
    store.choose = lambda method, path: None
    assert len(Results.at(uri).published()) == 16
    torture.run(uri, local=True, trials_per_task=5)
    assert_complete(uri, undisturbed)


def test_a_driver_that_is_killed(store, uri, undisturbed):
    """At its second commit, so that a batch is half there."""
    trials = []
    killed = threading.Event()

    def choose(method, path):
        if method == "PUT" and "/trials/" in path:
            trials.append(path)
            if len(trials) == 2:
                driver.kill()
                killed.set()
                return "closed before"
        return None

    store.choose = choose
    command = [sys.executable, torture.__file__, uri, "--local", "--trials_per_task", "4"]
    driver = subprocess.Popen(command)
    assert killed.wait(60)
    assert driver.wait() == -9
    assert len(Results.at(uri).survey().stray) == 1
    torture.run(uri, local=True, trials_per_task=7)
    assert Results.at(uri).survey().stray == []
    assert_complete(uri, undisturbed)


def test_two_drivers_at_once(uri, undisturbed):
    problems = []

    def drive():
        try:
            torture.run(uri, local=True, trials_per_task=12)
        except Exception as problem:
            problems.append(type(problem))

    threads = [threading.Thread(target=drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [Held]
    assert_complete(uri, undisturbed)


SPEC = """
name: lakes
env: FrozenLake-v1
variant: [standard, harmonic]
seeds: 0-2
episodes: 20
parameters: {gamma: [0.9, 0.95]}
"""


def test_the_command_line(uri, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lakes.yaml").write_text(SPEC)
    sweep = ["sweep", "lakes.yaml", "--local", "--results", uri]
    lines = [
        (sweep, "Ran 12 trials"),
        (sweep, "nothing to run"),
        (["status", f"{uri}/lakes"], "12 trials done, 0 failed"),
        (["verify", f"{uri}/lakes", "--sample", "100%"], "Verified 12 of 12 trials: 0 differ."),
    ]
    run = ["run", "--env", "FrozenLake-v1", "--seeds", "0-1", "--episodes", "30", "--local"]
    run += ["--task", "train", "--tag", "lake", "--results", uri]
    lines += [
        (run, "Ran 4 trials"),
        (run, "All 4 trials are done in"),
        (["status", f"{uri}/lake"], "4 trials done, 0 failed"),
    ]
    for command, answer in lines:
        assert run_command_line(command) == 0
        assert answer in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.parquet"))
