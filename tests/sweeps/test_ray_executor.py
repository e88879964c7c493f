"""One embedded Ray for the whole file; the test without one comes first."""

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import pandas as pd
import psutil
import pytest
import ray

from hq_ray.errors import InputError, ModelError, VersionError
from hq_ray.store import DONE, FAILED, Results
from hq_ray.sweeps import ray_executor, ray_life
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.run import run_missing
from hq_ray.sweeps.session import Session

pytestmark = pytest.mark.ray

DOOMED = '''
import os

import gymnasium


class Doomed(gymnasium.Env):
    """One step an episode; a fatal one takes the process down, a broken one raises."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fatal=False, broken=False):
        self.fatal, self.broken = fatal, broken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        if self.fatal:
            os._exit(1)
        if self.broken:
            raise ValueError("no such state")
        return 1, 1.0, True, False, {}


gymnasium.register("Doomed-v0", entry_point="doomed_environment:Doomed")
'''


def environment_variables():
    """Those that could change what runs next; Ray leaves its debugger's hook, pytest its place."""
    others = ("PYTHONBREAKPOINT", "PYTEST_CURRENT_TEST")
    return {name: value for name, value in os.environ.items() if name not in others}


def session_folders():
    """Folders of this process's sessions of Ray."""
    folders = Path(ray_life.SHORT_PLACE).glob(f"{ray_life.SESSION_PREFIX}*")
    return [folder for folder in folders if list(folder.glob(f"r/session_*_{os.getpid()}"))]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Ray on two cores, whose workers can import `doomed_environment`."""
    module = tmp_path_factory.mktemp("modules") / "doomed_environment.py"
    module.write_text(DOOMED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(module.parent))
        patch.syspath_prepend(str(module.parent))
        before = environment_variables()
        with Session(cores=2) as running:
            yield running
        assert not ray.is_initialized()
        assert session_folders() == []
        assert environment_variables() == before
    sys.modules.pop("doomed_environment", None)
    gymnasium.registry.pop("Doomed-v0", None)


@pytest.fixture(scope="module")
def trials(make_trial):
    """Twelve short trials over two environments."""
    return [
        make_trial(variant, env=env, seed=seed, episodes=50)
        for seed in range(3)
        for env in ("FrozenLake-v1", "VelocityGrid-v0")
        for variant in ("standard", "harmonic")
    ]


def contents(results, kind="episodes"):
    folder = results.location.child(kind)
    return {name: folder.read(name) for name in folder.files()}


@pytest.mark.parametrize("address", ["nonsense", "host:port"])
def test_an_address_without_a_cluster_is_refused(trials, tmp_path, address):
    with pytest.raises(InputError, match=f"must name a running Ray cluster, got '{address}'"):
        run_missing(trials, Results.at(tmp_path), RunOptions(address=address))
    assert not ray.is_initialized()
    assert Results.at(tmp_path).published() == {}


@pytest.mark.parametrize("number", [1, 5])
def test_ray_and_this_process_write_the_same_bytes(session, trials, tmp_path, number):
    here, there = Results.at(tmp_path / "here"), Results.at(tmp_path / "there")
    options = {"trials_per_task": number, "keep_q_values": True}
    run_missing(trials, here, RunOptions(local=True, **options))
    tally = run_missing(trials, there, RunOptions(**options), session)
    assert (tally.done, tally.failed) == (len(trials), 0)
    assert len(contents(there)) == -(-len(trials) // number)
    assert contents(there) == contents(here)
    assert contents(there, "q_values") == contents(here, "q_values")


def test_batches_of_any_size_have_the_same_episodes(session, trials, tmp_path):
    frames = []
    for number in (1, 5):
        results = Results.at(tmp_path / str(number))
        run_missing(trials, results, RunOptions(trials_per_task=number), session)
        frame = pd.read_parquet(tmp_path / str(number) / "episodes")
        frame = frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, "str"))
        frames.append(frame.sort_values(["trial_id", "episode"], ignore_index=True))
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_a_trial_that_kills_its_worker_is_a_row_and_its_neighbours_are_done(
    session, make_trial, tmp_path
):
    arguments = [{}, {"fatal": True}, {"broken": True}, {"fatal": False}]
    trials = [
        make_trial(env="doomed_environment:Doomed-v0", env_args=args, seed=seed, episodes=5)
        for seed, args in enumerate(arguments)
    ]
    tally = run_missing(trials, Results.at(tmp_path), RunOptions(trials_per_task=4), session)
    assert (tally.done, tally.failed) == (2, 2)
    rows = pd.read_parquet(tmp_path / "trials").set_index("seed").sort_index()
    assert rows["status"].to_list() == [DONE, FAILED, FAILED, DONE]
    assert rows["error_type"].fillna("").to_list() == ["", "WorkerCrashed", "ValueError", ""]
    assert "in step" in rows.loc[2, "error_traceback"]


def test_another_model_than_planned_reaches_the_person(session, make_trial, tmp_path):
    trial = make_trial(env="FrozenLake-v1")
    changed = replace(trial, fingerprint="0123456789abcdef")
    options = RunOptions(engine="gymnasium")
    with pytest.raises(ModelError, match="must be the planned one"):
        run_missing([changed], Results.at(tmp_path), options, session)


def test_a_worker_with_other_code_is_refused_by_name(session, trials, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_executor, "deciding_versions", lambda: (("numpy", "0.0"),))
    with pytest.raises(VersionError, match=r"worker on \S+ .* numpy is \S+ instead of 0\.0"):
        run_missing(trials, Results.at(tmp_path), RunOptions(), session)
    assert not list(tmp_path.glob("trials/*.parquet"))


def test_ray_is_private_and_its_workers_find_modules_where_this_process_does(session):
    session.wait()
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
