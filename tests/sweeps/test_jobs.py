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
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from ray import exceptions

from hq_ray.errors import HqRayError, InputError
from hq_ray.sweeps import jobs
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.jobs import JobServer, SweepJob, check_results, connect, new_submission_id
from hq_ray.sweeps.spec import read_spec

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = "name: tiny\nenv: FrozenLake-v1\nseeds: 0-1\nepisodes: 20  # größer\n"
PLACE = "s3://bucket/sweeps"


class FakeClient:
    """Keeps what it is given, and answers as a job server does."""

    def __init__(self):
        self.submitted, self.files, self.running, self.problem = {}, {}, True, None

    def _know(self, submission_id):
        if self.problem is not None:
            raise self.problem
        if submission_id not in self.submitted:
            raise RuntimeError(
                f"Request failed with status code 404: Job {submission_id} does not exist."
            )

    def submit_job(self, *, submission_id, runtime_env, **rest):
        if submission_id in self.submitted:
            raise RuntimeError(f"Job with submission_id {submission_id} already exists.")
        folder = Path(runtime_env["working_dir"])
        self.files = {
            str(path.relative_to(folder)): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.submitted[submission_id] = {"env_vars": runtime_env["env_vars"], **rest}
        return submission_id

    def list_jobs(self):
        return [SimpleNamespace(submission_id=name) for name in (*self.submitted, None)]

    def get_job_info(self, submission_id):
        self._know(submission_id)
        return SimpleNamespace(
            status="FAILED",
            message="failed with exit code 1, last available logs (truncated):\nlong\n",
            metadata=self.submitted[submission_id]["metadata"],
        )

    def get_job_logs(self, submission_id):
        self._know(submission_id)
        return "one\ntwo\n"

    async def tail_job_logs(self, submission_id):
        for text in ("one\n", "two\n"):
            yield text

    def stop_job(self, submission_id):
        self._know(submission_id)
        was, self.running = self.running, False
        return was


@pytest.fixture
def server():
    return JobServer("http://head:8265", FakeClient())


@pytest.mark.parametrize(
    "results", ["s3://bucket/a", "s3://b/a?region=eu-central-1", "gs://b", "abfss://c@a/b"]
)
def test_a_uri_is_a_place_for_results(results):
    assert check_results(results, shared_disk=False) == results


@pytest.mark.parametrize("results", ["/mnt/team/results", "file:///mnt/team"])
def test_a_path_must_be_said_to_be_shared(results):
    assert check_results(results, shared_disk=True) == results
    with pytest.raises(InputError, match="--shared_disk"):
        check_results(results, shared_disk=False)


@pytest.mark.parametrize("results", ["results", "~/results", "file://results", ""])
def test_a_shared_path_must_be_absolute(results):
    with pytest.raises(InputError, match="absolute"):
        check_results(results, shared_disk=True)


def test_an_unknown_scheme_has_its_near_miss():
    with pytest.raises(InputError, match="got 's3a://b'; did you mean 's3'"):
        check_results("s3a://b", shared_disk=False)


def test_the_entrypoint_survives_the_shell():
    job = SweepJob(SPEC, "s3://b/it's; rm", ("alpha=0.1,0.2", "seeds=0 - 3"), ("--retry_failed",))
    assert shlex.split(job.entrypoint) == [
        *("hq-ray", "sweep", "spec.yaml", "--address", "auto", "--results", "s3://b/it's; rm"),
        *("--set", "alpha=0.1,0.2", "--set", "seeds=0 - 3", "--retry_failed"),
    ]


def test_a_job_carries_the_spec_the_modules_and_a_gentle_stop(server, tmp_path):
    (tmp_path / "corridor.py").write_text("x = 1\n")
    package = tmp_path / "mazes"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").write_text("y = 2\n")
    (package / "__pycache__" / "old.pyc").write_text("z")
    job = SweepJob(SPEC, PLACE + "/", modules=(tmp_path / "corridor.py", package))
    assert server.submit(job, "mine-1") == "mine-1"
    client = server._client
    assert client.files == {
        "spec.yaml": SPEC,
        "corridor.py": "x = 1\n",
        "mazes/__init__.py": "y = 2\n",
    }
    sent = client.submitted["mine-1"]
    assert sent["entrypoint"] == job.entrypoint
    assert sent["env_vars"]["RAY_JOB_STOP_SIGNAL"] == "SIGINT"
    assert sent["metadata"] == {"sweep": "tiny", "results": f"{PLACE}/tiny"}


def test_ids_name_the_sweep_and_are_new():
    first, second = new_submission_id("a,b=1.5"), new_submission_id("a,b=1.5")
    assert first.startswith("hq-a-b-1-5-")
    assert first != second
    assert jobs.SUBMISSION_ID.fullmatch(new_submission_id("n" * 100))


@pytest.mark.parametrize("name", ["", " ", "a/b", "-a", "ä", "x" * 101])
def test_a_malformed_id_is_refused(server, name):
    with pytest.raises(InputError, match="submission_id must"):
        server.submit(SweepJob(SPEC, PLACE), name or "..")
    assert server._client.submitted == {}


@pytest.mark.parametrize(
    ("spec", "overrides"), [("name: x", ()), (SPEC, ("alpha=2",)), (SPEC, ("nonsense",))]
)
def test_a_bad_spec_is_refused_here_and_not_on_the_cluster(server, spec, overrides):
    with pytest.raises(InputError):
        server.submit(SweepJob(spec, PLACE, overrides))
    assert server._client.submitted == {}


def test_modules_that_cannot_be_sent_are_refused(server, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("")
    for module in (text, tmp_path / "missing.py"):
        with pytest.raises(InputError, match=r"module must be a \.py file or a package folder"):
            server.submit(SweepJob(SPEC, PLACE, modules=(module,)))
    twice = tmp_path / "a.py"
    twice.write_text("")
    with pytest.raises(InputError, match=r"got 'a\.py' twice"):
        server.submit(SweepJob(SPEC, PLACE, modules=(twice, twice)))


def test_a_job_is_asked_after_and_stopped_once(server):
    server.submit(SweepJob(SPEC, PLACE), "mine-1")
    report = server.report("mine-1")
    assert (report.status, report.message) == ("FAILED", "failed with exit code 1")
    assert report.results == f"{PLACE}/tiny"
    assert server.logs("mine-1") == "one\ntwo\n"
    followed = []
    server.follow("mine-1", followed.append)
    assert followed == ["one\n", "two\n"]
    assert server.stop("mine-1") is True
    assert server.stop("mine-1") is False


def test_an_id_is_not_used_twice(server):
    server.submit(SweepJob(SPEC, PLACE), "mine-1")
    with pytest.raises(InputError, match="submission_id must be new, got 'mine-1'"):
        server.submit(SweepJob(SPEC, PLACE), "mine-1")


@pytest.mark.parametrize("ask", ["report", "logs", "stop"])
def test_an_unknown_job_has_its_near_miss(server, ask):
    server.submit(SweepJob(SPEC, PLACE), "mine-1")
    with pytest.raises(InputError, match="got 'mine1'; did you mean 'mine-1'"):
        getattr(server, ask)("mine1")


@pytest.mark.parametrize(
    ("problem", "kind", "sentence"),
    [
        (ConnectionError("reset"), HqRayError, "did not answer: reset"),
        (RuntimeError("status code 500: oh"), HqRayError, "refused: status code 500: oh"),
        (exceptions.RayError("Forbidden\nmore"), InputError, "RAY_AUTH_TOKEN .*: Forbidden$"),
    ],
)
def test_what_the_client_raises_becomes_a_sentence(server, problem, kind, sentence):
    server.submit(SweepJob(SPEC, PLACE), "mine-1")
    server._client.problem = problem
    with pytest.raises(kind, match=sentence):
        server.logs("mine-1")


@pytest.fixture
def listening(monkeypatch):
    """The URL of a port that accepts connections, and the addresses a client was made with."""
    seen = []

    def client(address):
        seen.append((address, [os.environ.get(name) for name in jobs.ADDRESS_VARIABLES]))
        return FakeClient()

    monkeypatch.setattr(jobs, "JobSubmissionClient", client)
    monkeypatch.setattr(jobs, "find_spec", lambda name: name)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen


def test_the_address_given_wins_over_rays_variables(listening, monkeypatch):
    url, seen = listening
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    assert connect(url).address == url
    assert seen == [(url, [None, None])]
    assert os.environ["RAY_ADDRESS"] == "elsewhere:6379"


@pytest.mark.parametrize(
    "address", ["head:6379", "auto", "ray://head:10001", "http://", "http://h:x", "ftp://h"]
)
def test_an_address_that_is_no_url_is_refused(listening, address):
    with pytest.raises(InputError, match="must be the URL of a job server"):
        connect(address)


def test_a_silent_address_is_refused(listening):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(InputError, match="does not answer"):
        connect(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (ConnectionError("Failed"), "must be a job server, got .*: Failed"),
        (KeyError("ray_version"), "must be a job server"),
        (exceptions.RayError("Missing token"), "RAY_AUTH_MODE=token"),
    ],
)
def test_a_server_of_another_kind_is_refused(listening, monkeypatch, problem, sentence):
    def client(address):
        raise problem

    monkeypatch.setattr(jobs, "JobSubmissionClient", client)
    with pytest.raises(InputError, match=sentence):
        connect(listening[0])


def test_without_the_extra_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(jobs, "find_spec", lambda name: None if name == "aiohttp" else name)
    with pytest.raises(InputError, match=r"\.\[cluster\].*: aiohttp$"):
        connect("http://127.0.0.1:8265")


@pytest.mark.parametrize(
    ("name", "n_trials"), [("quick", 700), ("full", 20_400), ("full-cluster", 20_400)]
)
def test_example_specs_have_the_trials_they_say(name, n_trials):
    path = ROOT / "sweeps" / f"{name}.yaml"
    assert len(expand(read_spec(path)).trials) == n_trials
    assert f"{n_trials:,} trials" in path.read_text()


def test_the_cluster_spec_is_the_full_one():
    full, cluster = (read_spec(ROOT / "sweeps" / f"{n}.yaml") for n in ("full", "full-cluster"))
    assert full == cluster


def test_the_cluster_file_fits_rays_schema():
    jsonschema = pytest.importorskip("jsonschema")
    import ray

    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    cluster = yaml.safe_load((ROOT / "deploy" / "ray-cluster.yaml").read_text())
    jsonschema.validate(cluster, schema)
    nodes = cluster["available_node_types"]
    assert nodes[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in nodes["head"]["node_config"]
    assert nodes["worker"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert nodes["worker"]["min_workers"] == nodes["worker"]["max_workers"] == 4
    assert cluster["max_workers"] == 4
    assert "-e RAY_AUTH_MODE=token" in cluster["docker"]["run_options"]


def test_the_rayjob_has_what_a_sweep_needs():
    job = yaml.safe_load((ROOT / "deploy" / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = shlex.split(job["spec"]["entrypoint"])
    assert words[:2] == ["hq-ray", "sweep"]
    assert words[3:5] == ["--address", "auto"]
    check_results(words[words.index("--results") + 1], shared_disk=False)
    assert yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"] == jobs.JOB_VARIABLES
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    head, [workers] = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert head["rayStartParams"] == {"num-cpus": "0"}
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"]
    mounts = head["template"]["spec"]["containers"][0]["volumeMounts"]
    assert words[2] == mounts[0]["mountPath"] + "/" + jobs.SPEC_FILE


def free_ports(number):
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(number)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@pytest.fixture
def head(monkeypatch):
    """A head node on this machine: the URL of its job server, and a folder of its own."""
    pytest.importorskip("ray.dashboard.optional_deps", reason="needs ray[default]")
    folder = Path(tempfile.mkdtemp(prefix="j-", dir="/tmp"))
    command = folder / "bin" / "hq-ray"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom hq_ray.__main__ import main\nmain()\n")
    command.chmod(0o755)
    gcs, dashboard, agent, client = free_ports(4)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
                *(f"--port={gcs}", f"--dashboard-port={dashboard}", "--num-cpus=2"),
                *(f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}"),
                *(f"--ray-client-server-port={client}", "--object-store-memory=134217728"),
                "--disable-usage-stats",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://127.0.0.1:{dashboard}", folder
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    shutil.rmtree(folder, ignore_errors=True)


def wait_until(happens, seconds=60):
    """What it returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happens():
            return found
        time.sleep(0.3)
    raise TimeoutError


ROW = """
import gymnasium
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv


class Row(FrozenLakeEnv):
    def __init__(self, render_mode=None):
        super().__init__(render_mode, desc=["SFFG"])


gymnasium.register("Row-v0", "row_of_cells:Row", max_episode_steps=50)
"""


@pytest.mark.ray
def test_a_real_job_server_runs_a_sweep_and_stops_one(head):
    url, folder = head
    (folder / "row_of_cells.py").write_text(ROW)
    tiny = SPEC.replace("FrozenLake-v1", "[FrozenLake-v1, 'row_of_cells:Row-v0']")
    (folder / "tiny.yaml").write_text(tiny, encoding="utf-8")
    (folder / "long.yaml").write_text(
        "name: long\nenv: CliffWalkingSlippery-v1\nseeds: 0-9999\nepisodes: 20000\n"
    )
    place = ("--results", folder / "results", "--shared_disk")

    def ask(*arguments, **variables):
        # Another process each time, since Ray reads its token once.
        words = ["hq-ray", *map(str, arguments), "--address", url]
        return subprocess.run(
            words, cwd=folder, env=os.environ | variables, capture_output=True, text=True
        )

    def submit(name, *flags):
        return ask("submit", f"{name}.yaml", *place, "--submission_id", name, *flags)

    flags = ("--set", "seeds=0-2", "--module", "row_of_cells.py")
    wait_until(lambda: submit("tiny", *flags).returncode == 0)
    wait_until(lambda: "tiny: SUCCEEDED" in ask("job", "status", "tiny").stdout)
    assert "Ran 12 trials" in ask("job", "logs", "tiny").stdout
    trials = pd.read_parquet(folder / "results" / "tiny" / "trials")
    assert (trials["status"] == "done").all()
    assert set(trials["env"]) == {"FrozenLake-v1", "row_of_cells:Row-v0"}

    assert "must be new, got 'tiny'" in submit("tiny").stderr
    assert "did you mean 'tiny'" in ask("job", "stop", "tinny").stderr
    refused = ask("job", "status", "tiny", RAY_AUTH_TOKEN="f" * 64)
    assert (refused.returncode, "RAY_AUTH_TOKEN" in refused.stderr) == (2, True)

    assert submit("long").returncode == 0
    published = folder / "results" / "long" / "trials"
    wait_until(lambda: list(published.glob("*.parquet")))
    assert "submit the same spec again" in ask("job", "stop", "long").stdout
    wait_until(lambda: "long: STOPPED" in ask("job", "status", "long").stdout)
    assert "Interrupted; the same command resumes." in ask("job", "logs", "long").stdout
