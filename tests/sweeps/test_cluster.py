"""A sweep on a cluster of simulated nodes, whose head has no cores, as docs/cluster.md has it.

The trials sleep, so that how many cores a node has does not depend on this machine.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import pandas as pd
import pytest

from hq_ray.errors import InputError
from hq_ray.location import Location
from hq_ray.sweeps import ray_life
from hq_ray.sweeps.api import run_sweep

pytestmark = pytest.mark.ray

NAPS = '''
import os
import time

import gymnasium
from nap_seconds import NAP_SECONDS

FOLDER = os.environ.get("NAPS_FOLDER")


class Nap(gymnasium.Env):
    """One step an episode; a worker on a cluster sleeps in it, and writes down when."""

    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        if FOLDER:
            import ray

            began = time.time()
            time.sleep(NAP_SECONDS)
            node = ray.get_runtime_context().get_node_id()
            with open(f"{FOLDER}/{node}-{os.getpid()}", "a") as file:
                file.write(f"{began} {time.time()}\\n")
        return 1, 1.0, True, False, {}


gymnasium.register("Nap-v0", entry_point="naps:Nap")
'''
NAP = {"name": "naps", "env": "naps:Nap-v0", "variant": "standard"}
NAP_SECONDS = 0.3


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A folder of the user's with the module `naps`, which the driver has imported."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "naps.py").write_text(NAPS)
    (folder / "nap_seconds.py").write_text(f"NAP_SECONDS = {NAP_SECONDS}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield folder
    for name in ("naps", "nap_seconds"):
        sys.modules.pop(name, None)
    gymnasium.registry.pop("Nap-v0", None)


@pytest.fixture(scope="module")
def naps(tmp_path_factory):
    """The folder in which workers write down when they slept."""
    return tmp_path_factory.mktemp("naps")


@pytest.fixture(scope="module")
def cluster(modules, naps):
    """A cluster of a head without cores."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        import naps as module

        assert module.FOLDER is None
        patch.setenv("NAPS_FOLDER", str(naps))
        # As deploy/ has it, where it is slower: until a node counts as lost, tasks are sent to it.
        patch.setenv("RAY_health_check_period_ms", "500")
        patch.setenv("RAY_health_check_failure_threshold", "3")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        yield cluster
        cluster.shutdown()


def requested(cluster):
    """The cores that the autoscaler has been asked for."""
    from ray._raylet import GcsClient

    client = GcsClient(address=cluster.address)
    return len(json.loads(client.internal_kv_get(b"autoscaler_resource_request", None) or b"[]"))


def wait_until(condition, running):
    """Waits until a condition holds; raises what a sweep raised meanwhile."""
    while not condition():
        if running.done():
            running.result()
        time.sleep(0.1)


def test_nodes_join_and_go_while_a_sweep_runs(cluster, naps, tmp_path, capsys):
    spec = NAP | {"seeds": "0-65", "episodes": 3}
    trials = tmp_path / "naps/trials"
    how = {"address": cluster.address, "max_cores": 7, "trials_per_task": 1}
    removed = {}

    def done(number):
        return len(list(trials.glob("*.parquet"))) >= number

    def remove(node, **how):
        cluster.remove_node(node, **how)
        removed[node.node_id] = time.time()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_sweep, spec, tmp_path, **how)
        time.sleep(5)
        wait_until(lambda: requested(cluster) == 7, running)
        first = cluster.add_node(num_cpus=2)
        time.sleep(5)
        second, third = (cluster.add_node(num_cpus=cores) for cores in (2, 3))
        wait_until(lambda: done(22), running)
        assert 1 <= requested(cluster) < 7
        remove(first, allow_graceful=False)
        wait_until(lambda: done(40), running)
        remove(second)
        tally = running.result().tally
    assert "waiting for nodes to join" in capsys.readouterr().err
    assert (tally.done, tally.failed) == (66, 0)
    rows = pd.read_parquet(trials)
    assert rows["seed"].sort_values().to_list() == list(range(66)), "each exactly once"
    assert requested(cluster) == 0
    # From a worker's second trial, since the first comes with imports and takes as long as this
    # machine likes, to the end or the end of its node.
    spans = {file.name: file.read_text().split()[6:] for file in naps.iterdir()}
    end = max(float(times[-1]) for times in spans.values() if times)
    present = [
        removed.get(name.partition("-")[0], end) - float(times[0])
        for name, times in spans.items()
        if times
    ]
    nodes = {name.partition("-")[0] for name in spans}
    assert nodes >= {node.node_id for node in (first, second, third)}
    work = (66 - len(spans)) * 3 * NAP_SECONDS
    assert sum(present) < 1.25 * work


def test_modules_of_the_users_reach_nodes_and_a_folder_that_does_not_is_noticed_at_once(
    cluster, modules, tmp_path, monkeypatch
):
    """Also modules that they import from their own folder."""
    if not cluster.worker_nodes:
        cluster.add_node(num_cpus=1)
    folders = [path for path in ray_life._module_folders() if path != str(modules)]
    monkeypatch.setattr(ray_life, "_module_folders", lambda: folders)
    spec = NAP | {"seeds": 0, "episodes": 1}
    assert run_sweep(spec, tmp_path / "shared", address=cluster.address).tally.done == 1
    monkeypatch.setattr(
        Location, "__reduce__", lambda self: (Location, (f"{self.path}-elsewhere", self.text))
    )
    with pytest.raises(InputError, match=r"must be where every node can write, but the worker on"):
        run_sweep(spec, tmp_path / "own", address=cluster.address)
    assert list((tmp_path / "own").rglob("*.parquet")) == []
