"""One embedded Ray for the whole file; the test without one comes first."""

import os
import stat
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
import pytest
import ray
import torture

from hq_ray.environments import resolve
from hq_ray.errors import InputError, ModelError, VersionError
from hq_ray.store import DONE, FAILED, Results
from hq_ray.sweeps import ray_executor, ray_life
from hq_ray.sweeps.api import Session, run_sweep
from hq_ray.sweeps.options import RunOptions

pytestmark = pytest.mark.ray


def environment_variables():
    """Those that could change what runs next; pytest leaves its place."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def session_folders():
    """Folders of this process's sessions of Ray."""
    folders = Path(ray_life.SHORT_PLACE).glob(f"{ray_life.SESSION_PREFIX}*")
    return [folder for folder in folders if list(folder.glob(f"r/session_*_{os.getpid()}"))]


@pytest.fixture(scope="module")
def session():
    """Ray on two cores."""
    before = environment_variables()
    with Session(cores=2) as running:
        running.start().result()
        yield running
    assert not ray.is_initialized()
    assert session_folders() == []
    assert environment_variables() == before
    children = psutil.Process().children(recursive=True)
    living = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    assert not [child for child in living if "ray" in " ".join(child.cmdline())]


@pytest.mark.parametrize("address", ["nonsense", "host:port", "127.0.0.1:1"])
def test_an_address_without_a_cluster_is_refused(tmp_path, address):
    with pytest.raises(InputError, match=f"must name a running Ray cluster, but '{address}' does"):
        torture.run(tmp_path, address=address)
    assert not ray.is_initialized()
    assert not (tmp_path / "sweep.json").exists()


@pytest.mark.parametrize("number", [1, 12])
def test_ray_and_this_process_write_the_same_bytes(
    session, tmp_path, undisturbed, undisturbed_folder, number
):
    tally = torture.run(tmp_path, trials_per_task=number)
    assert (tally.done, tally.failed) == (48, 0)
    assert len(list((tmp_path / "trials").iterdir())) == 48 // number
    torture.assert_complete(tmp_path, undisturbed)
    if number == 12:
        for file in (undisturbed_folder / "episodes").iterdir():
            assert (tmp_path / "episodes" / file.name).read_bytes() == file.read_bytes()


def test_a_trial_that_kills_its_worker_is_a_row_and_its_neighbours_are_done(session, tmp_path):
    env = "doomed_environment:Doomed-v0"
    spec = {"name": "doomed", "env": [env, {"id": env, "fatal": True}, "FrozenLake-v1"]}
    spec |= {"variant": "standard", "seeds": 0, "episodes": 50}
    tally = run_sweep(spec, tmp_path, trials_per_task=4).tally
    assert (tally.done, tally.failed) == (2, 1)
    rows = pd.read_parquet(tmp_path / "doomed/trials").sort_values(["env", "env_args"])
    assert rows["status"].to_list() == [DONE, FAILED, DONE]
    assert rows["error_type"].fillna("").to_list() == ["", "WorkerCrashed", ""]


def test_another_model_than_planned_reaches_the_person(session, tmp_path, monkeypatch):
    def changed(*arguments, **options):
        return replace(resolve(*arguments, **options), fingerprint="0123456789abcdef")

    monkeypatch.setattr("hq_ray.sweeps.expand.resolve", changed)
    spec = {"name": "lake", "env": "FrozenLake-v1", "seeds": 0, "episodes": 5}
    with pytest.raises(ModelError, match="must be the planned one"):
        run_sweep(spec, tmp_path, engine="gymnasium")


def test_a_worker_with_other_code_is_refused_by_name(session, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_executor, "deciding_versions", lambda: (("numpy", "0.0"),))
    with pytest.raises(VersionError, match=r"worker on \S+ .* numpy is \S+ instead of 0\.0"):
        torture.run(tmp_path)
    assert Results.at(tmp_path).published() == {}


def test_a_call_that_ray_never_answers_does_not_stop_the_driver(session, tmp_path, monkeypatch):
    """As where the GCS dies within it."""
    never = threading.Event()
    monkeypatch.setattr(ray_executor, "_count_cores", never.wait)
    monkeypatch.setattr(ray_executor, "ANSWER_SECONDS", 0.01)
    assert ray_executor.RayExecutor(Results.at(tmp_path), RunOptions(), "").cores == 0
    never.set()


def test_ray_is_private_and_its_workers_find_modules_where_this_process_does(session):
    (folder,) = session_folders()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    paths = ray.get([ray.remote(lambda: sys.path).remote() for _ in range(4)])
    here = list(dict.fromkeys(sys.path))
    assert [list(dict.fromkeys(path))[: len(here)] for path in paths] == [here] * 4
    # After a worker has died and others were started.
    this = psutil.Process()
    try:
        processes = [this, *this.children(recursive=True)]
        sockets = [one for process in processes for one in process.net_connections("inet")]
    except psutil.Error as problem:
        pytest.skip(f"sockets cannot be seen here: {problem}")
    listening = {one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} <= {"127.0.0.1", "::1"}
