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
from torture import SLOWLY

from hq_ray.sweeps.driver import SweepStopped

# Of its messages about itself and of its dumps.
FROM_RAY = ("(raylet)", "state-dump", "terminated", "unavailable", "***")
DISTURBANCES = int(os.environ.get("HQ_RAY_DISTURBANCES", "3"))
MOMENTS = [random.Random(seed).uniform(0, 1.5) for seed in range(DISTURBANCES)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "results"


def start(folder, batches=0, **options):
    """A driver of its own, once it has committed so many batches or ended."""
    with Path(f"{folder}.log").open("ab") as log:
        driver = torture.start(folder, {"stdout": subprocess.DEVNULL, "stderr": log}, **options)
    while driver.poll() is None and len(list(folder.glob("trials/*.parquet"))) < batches:
        time.sleep(0.01)
    return driver


def children(driver):
    return psutil.Process(driver.pid).children(recursive=True)


def assert_nothing_is_left(driver, processes):
    """Neither a process of Ray's nor its folder."""
    _, alive = psutil.wait_procs(set(processes), timeout=30)
    assert not alive
    assert not list(Path("/tmp").glob(f"hq-*/r/session_*_{driver.pid}"))


def assert_resumes(folder, undisturbed, **options):
    torture.run(folder, local=True, **options)
    torture.assert_complete(folder, undisturbed)


@pytest.mark.parametrize(
    ("signals", "moment"),
    [
        *(([signal.SIGKILL], moment) for moment in MOMENTS),
        ([signal.SIGTERM], 0),
        ([signal.SIGINT, signal.SIGINT], 0),
    ],
)
def test_a_local_driver_stopped_at_any_moment(folder, undisturbed, signals, moment):
    driver = start(folder, batches=1, local=True, trials_per_task=2, **SLOWLY)
    time.sleep(moment)
    for number in signals:
        driver.send_signal(number)
        time.sleep(0.02)
    assert driver.wait() != 0 or moment
    assert_resumes(folder, undisturbed, trials_per_task=3)


@pytest.mark.ray
def test_a_driver_on_ray_killed_again_and_again(folder, undisturbed):
    moments = random.Random(0)
    for kills in range(DISTURBANCES):
        driver = start(folder, batches=1 + 4 * kills, trials_per_task=1 + kills % 3, **SLOWLY)
        time.sleep(moments.uniform(0, 0.5))
        driver.kill()
        driver.wait()
    assert_resumes(folder, undisturbed)


@pytest.mark.ray
@pytest.mark.parametrize(("part", "name"), [("raylet", "raylet"), ("gcs_server", "GCS")])
def test_a_part_of_ray_that_dies(folder, undisturbed, part, name):
    driver = start(folder, batches=2, trials_per_task=2, **SLOWLY)
    others = children(driver)
    (victim,) = [process for process in others if process.name() == part]
    victim.kill()
    assert driver.wait() == 1
    said = Path(f"{folder}.log").read_text()
    assert f"Ray's {name} has died; the same command resumes" in said.splitlines()[-1]
    assert not [word for word in FROM_RAY if word in said]
    assert_nothing_is_left(driver, others)
    assert_resumes(folder, undisturbed)


def busy_workers(driver):
    """Ray's worker processes that are training a batch: Ray names them after the task."""
    found = []
    for child in children(driver):
        with contextlib.suppress(psutil.Error):
            if "hq_ray batch" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.ray
def test_workers_killed_throughout(folder, undisturbed):
    driver = start(folder, batches=1, trials_per_task=6, **SLOWLY)
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


@pytest.mark.ray
def test_ctrl_c_twice_while_ray_starts_leaves_nothing_of_it(folder):
    driver = start(folder)
    others: list[psutil.Process] = []
    names: list[str] = []
    while "gcs_server" not in names:
        assert driver.poll() is None
        with contextlib.suppress(psutil.NoSuchProcess):  # those of a moment
            others = children(driver)
            names = [process.name() for process in others]
    for _ in range(2):
        driver.send_signal(signal.SIGINT)
        time.sleep(0.2)
    while driver.poll() is None:
        with contextlib.suppress(psutil.Error):
            others += children(driver)
        time.sleep(0.05)
    assert_nothing_is_left(driver, others)


def test_a_full_disk(folder, undisturbed):
    """A limit on the size of files stands for the disk: writes fail half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, hard))
    try:
        with pytest.raises(SweepStopped, match="File too large"):
            torture.run(folder, local=True, trials_per_task=24)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((folder / "episodes").glob(".*")), "no half file stays"
    assert_resumes(folder, undisturbed, trials_per_task=5)


@pytest.mark.ray
def test_a_cluster_that_goes_away(folder, undisturbed, request):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    request.addfinalizer(cluster.shutdown)
    driver = start(folder, batches=1, trials_per_task=1, address=cluster.address, **SLOWLY)
    cluster.head_node.kill_gcs_server()
    cluster.head_node.kill_raylet()
    assert driver.wait() == 1
    said = Path(f"{folder}.log").read_text()
    assert re.search(r"Ray's raylet at \S+ does not answer: .*; the same command", said)
    assert not [word for word in FROM_RAY if word in said]
    assert_resumes(folder, undisturbed)
