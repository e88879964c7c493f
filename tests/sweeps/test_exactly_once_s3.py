"""On an object store that fails, a sweep holds the same trials and bytes as on a quiet disk.

The store answers some requests with an error, closes some connections before or after doing what
was asked, and keeps some waiting.
"""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torture

from hq_ray.errors import HqRayError
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.ownership import Held

FAULTS = (500, 503, "closed before", "closed after", "late")


@pytest.mark.parametrize(
    "how", [{"local": True}, pytest.param({"cores": 2}, marks=pytest.mark.ray)], ids=str
)
def test_the_same_files_as_on_a_disk(prefix, undisturbed, undisturbed_folder, how):
    torture.run(prefix, trials_per_task=12, **how)
    torture.assert_complete(prefix, undisturbed)
    there, here = Location.of(prefix), Location.of(undisturbed_folder)
    for kind in ("episodes", "trials"):
        assert there.child(kind).files() == here.child(kind).files()
    for name in here.child("episodes").files():
        assert there.child("episodes").read(name) == here.child("episodes").read(name)


@pytest.mark.parametrize("seed", range(2))
def test_faults_here_and_there(object_store, prefix, undisturbed, seed):
    """One request in seven; where that ends the sweep, the next one goes on."""
    chance = random.Random(seed)
    object_store.fault = lambda method, path: chance.choice([*FAULTS, *[None] * 30])
    for _ in range(10):
        try:
            torture.run(prefix, local=True, trials_per_task=8)
            break
        except HqRayError:
            continue
    assert object_store.met
    object_store.heal()
    torture.assert_complete(prefix, undisturbed)


def test_a_write_whose_answer_is_lost_is_written(object_store, prefix, undisturbed):
    """Of the driver's card, which is put where there is none, of sweep.json and of batches."""
    lost = set()

    def fault(method, path):
        if method == "PUT" and path not in lost:
            lost.add(path)
            return "closed after"

    object_store.fault = fault
    tally = torture.run(prefix, local=True, trials_per_task=16)
    assert (tally.done, len(lost)) == (48, 2 + 3 + 3)
    torture.assert_complete(prefix, undisturbed)


def test_a_store_that_goes_away_stops_the_sweep_and_it_resumes(object_store, prefix, undisturbed):
    put = []

    def fault(method, path):
        if method == "PUT" and "/trials/" in path:
            put.append(path)
        return 503 if len(put) > 1 else None

    object_store.fault = fault
    with pytest.raises(HqRayError, match=r"(?s)results at s3://.*503 Service Unavailable"):
        torture.run(prefix, local=True, trials_per_task=16)
    object_store.heal()
    assert len(Results.at(prefix).published()) == 16
    torture.run(prefix, local=True, trials_per_task=5)
    torture.assert_complete(prefix, undisturbed)


def test_a_driver_that_is_killed(object_store, prefix, undisturbed):
    """At its second commit, so that a batch is half there."""
    commits, killed = [], threading.Event()

    def fault(method, path):
        commits.append(method == "PUT" and "/trials/" in path)
        if not (commits[-1] and sum(commits) == 2):
            return None
        driver.kill()
        killed.set()
        return "closed before"

    object_store.fault = fault
    driver = torture.start(prefix, local=True, trials_per_task=4)
    assert killed.wait(60)
    assert driver.wait() == -9
    assert len(Results.at(prefix).survey().stray) == 1
    torture.run(prefix, local=True, trials_per_task=7)
    assert Results.at(prefix).survey().stray == []
    torture.assert_complete(prefix, undisturbed)


def test_two_drivers_at_once(prefix, undisturbed):
    how = {"local": True, "trials_per_task": 12}
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(torture.run, prefix, **how) for _ in range(2)]
    assert {type(one.exception()) for one in running} == {Held, type(None)}
    torture.assert_complete(prefix, undisturbed)


def test_the_command_line(prefix, tmp_path, lakes, said):
    sweep = f"sweep lakes.yaml --local --results {prefix}"
    run = "run --env FrozenLake-v1 --seeds 0-1 --episodes 30 --local --task train --tag lake"
    assert "Ran 12 trials" in said(sweep)
    assert "nothing to run" in said(sweep)
    assert "12 trials done, 0 failed" in said(f"status {prefix}/lakes")
    assert "Verified 12 of 12 trials: 0 differ." in said(f"verify {prefix}/lakes --sample 100%")
    assert "Ran 4 trials" in said(f"{run} --results {prefix}")
    assert "All 4 trials are done in" in said(f"{run} --results {prefix}")
    assert "4 trials done, 0 failed" in said(f"status {prefix}/lake")
    assert not list(tmp_path.rglob("*.parquet"))
