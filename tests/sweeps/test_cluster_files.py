"""The files for clusters, and a job server of Ray's that runs a sweep."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import read_spec
from hq_ray.sweeps.spec_text import read_yaml

ROOT = Path(__file__).resolve().parent.parent.parent
RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def test_example_specs_have_the_trials_they_say_and_that_of_the_cluster_is_the_full_one():
    specs = {name: ROOT / "sweeps" / f"{name}.yaml" for name in ("quick", "full", "full-cluster")}
    for path in specs.values():
        assert f"{len(expand(read_spec(path)).trials):,} trials" in path.read_text()
    assert read_spec(specs["full"]) == read_spec(specs["full-cluster"])


def test_the_cluster_file_fits_rays_schema():
    jsonschema = pytest.importorskip("jsonschema")
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    cluster = read_yaml((ROOT / "deploy" / "ray-cluster.yaml").read_text())
    jsonschema.validate(cluster, schema)
    nodes = cluster["available_node_types"]
    assert nodes[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in nodes["head"]["node_config"]
    assert nodes["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert (nodes["worker"]["min_workers"], nodes["worker"]["max_workers"]) == (0, 4)
    assert cluster["max_workers"] == 4
    assert "-e RAY_AUTH_MODE=token" in cluster["docker"]["run_options"]


def test_the_rayjob_has_what_a_sweep_needs():
    job = read_yaml((ROOT / "deploy" / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:2] == ["hq-ray", "sweep"]
    assert words[3:5] == ["--address", "auto"]
    assert words[words.index("--results") + 1].startswith("s3://")
    # A stop is the first Ctrl-C, and running batches take a minute at most to be published.
    stop = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
    assert read_yaml(job["spec"]["runtimeEnvYAML"])["env_vars"] == stop
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    head, [workers] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head["rayStartParams"] == {"num-cpus": "0"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert workers["replicas"] == workers["minReplicas"] == 0 < workers["maxReplicas"]
    mounts = head["template"]["spec"]["containers"][0]["volumeMounts"]
    assert words[2] == mounts[0]["mountPath"] + "/spec.yaml"


def free_ports(number):
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(number)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@pytest.fixture(scope="module")
def head():
    """A head node on this machine, with a token and two cores."""
    folder = Path(tempfile.mkdtemp(prefix="j-", dir="/tmp"))
    gcs, dashboard, agent, client, metrics = free_ports(5)
    with pytest.MonkeyPatch.context() as patch, (folder / "log").open("wb") as log:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
        start = [*RAY, "start", "--head", "--block", "--num-cpus=2", f"--temp-dir={folder}"]
        start += [f"--port={gcs}", f"--dashboard-port={dashboard}"]
        start += [f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}"]
        start += [f"--ray-client-server-port={client}"] if find_spec("grpc") else []
        start += ["--object-store-memory=134217728", "--disable-usage-stats"]
        process = subprocess.Popen(start, stdout=log, stderr=log)
        try:
            while b"Ray runtime started" not in (folder / "log").read_bytes():
                assert process.poll() is None
                time.sleep(0.1)
            yield SimpleNamespace(
                folder=folder,
                address=f"127.0.0.1:{gcs}",
                jobs=f"http://127.0.0.1:{dashboard}",
                metrics=f"http://127.0.0.1:{metrics}/metrics",
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.ray
@pytest.mark.parametrize("token", ["f" * 64, ""], ids=["another", "none"])
def test_a_wrong_token_is_one_sentence(head, tmp_path, token):
    (tmp_path / "tiny.yaml").write_text("name: tiny\nenv: FrozenLake-v1\nseeds: 0\nepisodes: 5\n")
    refused = subprocess.run(
        ["hq-ray", "sweep", "tiny.yaml", "--address", head.address],
        env=os.environ | {"RAY_AUTH_TOKEN": token, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    must = f"Error: the token must be that of the cluster at '{head.address}', but it is another"
    assert refused.stderr.splitlines()[-1].startswith(must)
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.rglob("sweep.json"))


ROW = """
import gymnasium

lake = "gymnasium.envs.toy_text:FrozenLakeEnv"
gymnasium.register("Row-v0", lake, max_episode_steps=50, kwargs={"desc": ["SFFG"]})
"""


@pytest.mark.ray
def test_rays_job_server_runs_a_sweep_with_an_environment_of_the_users(head):
    """And Ray's endpoint for Prometheus shows what it did."""
    pytest.importorskip("ray.dashboard.optional_deps", reason="needs ray[default]")
    work = head.folder / "work"
    work.mkdir()
    (work / "row_of_cells.py").write_text(ROW)
    (work / "tiny.yaml").write_text(
        "name: tiny\nenv: [FrozenLake-v1, 'row_of_cells:Row-v0']\nseeds: 0-2\nepisodes: 20\n"
    )
    results = f"{head.folder}/results"
    command = ["hq-ray", "sweep", "tiny.yaml", "--address", "auto", "--results", results]
    submit = [*RAY, "job", "submit", "--address", head.jobs, "--working-dir", str(work), "--"]
    while (
        submitted := subprocess.run([*submit, *command], capture_output=True, text=True)
    ).returncode and "Failed to connect" in submitted.stderr:
        time.sleep(0.5)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    assert "Ran 12 trials" in submitted.stdout
    trials = pd.read_parquet(f"{results}/tiny/trials")
    assert (trials["status"] == "done").all()
    assert set(trials["env"]) == {"FrozenLake-v1", "row_of_cells:Row-v0"}
    steps = trials["total_steps"].sum()
    shown = {"ray_hq_trials_done_total": 12, "ray_hq_steps_total": steps}
    scraped: dict[str, float] = {}
    while not shown.items() <= scraped.items():
        time.sleep(0.1)
        text = urllib.request.urlopen(head.metrics).read().decode()
        lines = [line.rpartition(" ") for line in text.splitlines() if 'sweep="tiny"' in line]
        scraped = {name.partition("{")[0]: float(value) for name, _, value in lines}
    assert scraped["ray_hq_training_seconds_total"] > 0
    assert scraped["ray_hq_batches_in_flight"] == 0
    assert 'Name="hq_ray batch: tiny, FrozenLake-v1"' in text
