"""Disturbed and resumed, a sweep holds the same trials and the same bytes as undisturbed.

HQ_RAY_DISTURBANCES=20 makes the drivers and workers die twenty times instead of a few.
"""

import contextlib
import os
import random
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import torture

from hq_ray.sweeps.driver import SweepStopped

# Of its messages about itself and of its dumps.
FROM_RAY = ("(raylet)", "state-dump", "terminated", "unavailable", "***")
DISTURBANCES = int(os.environ.get("HQ_RAY_DISTURBANCES", "3"))


def start(folder, *flags, batches=0):
    """A driver of its own, once it has committed so many batches or ended."""
    with Path(f"{folder}.log").open("ab") as log:
        streams = {"stdout": subprocess.DEVNULL, "stderr": log}
        driver = torture.start(folder, *flags, start_new_session=True, **streams)
    while driver.poll() is None and len(list(folder.glob("trials/*.parquet"))) < batches:
        time.sleep(0.01)
    return driver


@pytest.mark.parametrize("size", [1, 500])
def test_local_in_batches_of_any_size(tmp_path, undisturbed, size):
    torture.run(tmp_path / "results", local=True, trials_per_task=size)
    torture.assert_complete(tmp_path / "results", undisturbed)


@pytest.mark.parametrize("seed", range(DISTURBANCES))
def test_a_local_driver_killed_at_any_moment(tmp_path, undisturbed, seed):
    folder = tmp_path / "results"
    driver = start(folder, "--local", "--slow", "--trials_per_task", "2", batches=1)
    time.sleep(random.Random(seed).uniform(0, 1.5))
    driver.kill()
    driver.wait()
    torture.run(folder, local=True, trials_per_task=3)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.ray
def test_a_driver_on_ray_killed_again_and_again(tmp_path, undisturbed):
    folder = tmp_path / "results"
    moments = random.Random(0)
    for kills in range(DISTURBANCES):
        size = str(1 + kills % 3)
        driver = start(folder, "--slow", "--trials_per_task", size, batches=1 + 4 * kills)
        time.sleep(moments.uniform(0, 0.5))
        driver.kill()
        driver.wait()
    torture.run(folder, local=True)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize(("part", "name"), [("raylet", "raylet"), ("gcs_server", "GCS")])
def test_a_part_of_ray_that_dies(tmp_path, undisturbed, part, name):
    folder = tmp_path / "results"
    driver = start(folder, "--slow", "--trials_per_task", "2", batches=2)
    others = psutil.Process(driver.pid).children(recursive=True)
    (victim,) = [process for process in others if process.name() == part]
    victim.kill()
    assert driver.wait() == 1
    said = Path(f"{folder}.log").read_text()
    assert f"Ray's {name} has died; the same command resumes" in said.splitlines()[-1]
    assert not [word for word in FROM_RAY if word in said]
    _, alive = psutil.wait_procs(others, timeout=30)
    assert not alive
    assert not list(Path("/tmp").glob(f"hq-*/r/session_*_{driver.pid}"))
    torture.run(folder, local=True)
    torture.assert_complete(folder, undisturbed)


def busy_workers(driver):
    """Ray's worker processes that are training a batch: Ray names them after the task."""
    found = []
    for child in psutil.Process(driver.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "hq_ray batch" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.ray
def test_workers_killed_throughout(tmp_path, undisturbed):
    folder = tmp_path / "results"
    driver = start(folder, "--slow", "--trials_per_task", "6", batches=1)
    moments = random.Random(1)
    killed = 0
    while killed < DISTURBANCES and driver.poll() is None:
        for worker in busy_workers(driver)[:1]:
            worker.kill()
            killed += 1
        time.sleep(moments.uniform(0.1, 0.5))
    assert driver.wait() == 0, Path(f"{folder}.log").read_text()
    assert killed
    torture.assert_complete(folder, undisturbed)


@pytest.mark.parametrize(("presses", "number"), [(1, signal.SIGTERM), (2, signal.SIGINT)])
def test_ctrl_c(tmp_path, undisturbed, presses, number):
    folder = tmp_path / "results"
    driver = start(folder, "--local", "--slow", "--trials_per_task", "2", batches=2)
    for _ in range(presses):
        driver.send_signal(number)
        time.sleep(0.02)
    assert driver.wait() != 0
    torture.run(folder, local=True)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.ray
def test_ctrl_c_twice_while_ray_starts_leaves_nothing_of_it(tmp_path):
    driver = start(tmp_path / "results")
    this, others = psutil.Process(driver.pid), []
    names: list[str] = []
    while "gcs_server" not in names:
        assert driver.poll() is None
        with contextlib.suppress(psutil.NoSuchProcess):  # those of a moment
            others = this.children(recursive=True)
            names = [process.name() for process in others]
    for _ in range(2):
        driver.send_signal(signal.SIGINT)
        time.sleep(0.2)
    while driver.poll() is None:
        with contextlib.suppress(psutil.Error):
            others += this.children(recursive=True)
        time.sleep(0.05)
    _, alive = psutil.wait_procs(set(others), timeout=30)
    assert not alive
    assert not list(Path("/tmp").glob(f"hq-*/r/session_*_{driver.pid}"))


def test_a_full_disk(tmp_path, undisturbed):
    """A limit on the size of files stands for the disk: writes fail half-way."""
    folder = tmp_path / "results"
    limit = 6_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(SweepStopped, match="File too large"):
            torture.run(folder, local=True, trials_per_task=24)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((folder / "episodes").glob(".*")), "no half file stays"
    torture.run(folder, local=True, trials_per_task=5)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.ray
def test_a_node_that_goes_away(tmp_path, undisturbed, ray_cluster):
    folder = tmp_path / "results"
    node = ray_cluster.add_node(num_cpus=2)
    driver = start(
        folder, "--slow", "--trials_per_task", "4", f"--address={ray_cluster.address}", batches=2
    )
    ray_cluster.remove_node(node, allow_graceful=False)
    assert driver.wait() == 0
    torture.assert_complete(folder, undisturbed)


@pytest.mark.ray
def test_a_cluster_that_goes_away(tmp_path, undisturbed, ray_cluster):
    folder = tmp_path / "results"
    driver = start(
        folder, "--slow", "--trials_per_task", "1", f"--address={ray_cluster.address}", batches=1
    )
    ray_cluster.head_node.kill_gcs_server()
    ray_cluster.head_node.kill_raylet()
    assert driver.wait() == 1
    said = Path(f"{folder}.log").read_text()
    assert re.search(r"Ray's raylet at \S+ does not answer: .*; the same command", said)
    assert not [word for word in FROM_RAY if word in said]
    torture.run(folder, local=True)
    torture.assert_complete(folder, undisturbed)


@pytest.fixture
def ray_cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    cluster.shutdown()
