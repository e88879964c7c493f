"""Hands a sweep to a Ray cluster's job server, and asks after it.

The server runs the driver on the cluster, so the machine that submitted may go away. What travels
is the spec's text and modules of the user's own, in a folder that Ray unpacks on every node; no
disk is shared for it. `ray[default]` is needed here and on the cluster.
"""

import asyncio
import logging
import os
import re
import secrets
import shlex
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ray import exceptions
from ray.job_submission import JobSubmissionClient

from hq_ray.errors import HqRayError, InputError, near_miss
from hq_ray.sweeps.spec import Sweep

SPEC_FILE = "spec.yaml"
SUBMISSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,99}")
# Schemes that pyarrow opens and that mean the same place on every machine.
SHARED_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
NEEDED_MODULES = ("aiohttp", "requests", "pydantic")
ANSWER_SECONDS = 5.0
# A stop is the first Ctrl-C: running batches are published. Ray's own is SIGTERM and 3 seconds.
JOB_VARIABLES = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
# They override an address that is given explicitly.
ADDRESS_VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
# They tell of every upload and every closed connection.
TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)


@dataclass(frozen=True)
class SweepJob:
    """A sweep to be handed over.

    Attributes:
        spec: YAML text.
        results: URI or absolute path that every node can write; see `check_results`.
        overrides: like those of `Sweep.with_overrides`.
        flags: further flags of `hq-ray sweep`.
        modules: Python files or package folders to send along, with environments in them.
    """

    spec: str
    results: str
    overrides: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    modules: tuple[Path, ...] = ()

    @property
    def sweep(self) -> Sweep:
        """The spec, read.

        Raises:
            InputError: it is no spec, or an override does not fit it.
        """
        return Sweep.from_yaml(self.spec).with_overrides(self.overrides)

    @property
    def entrypoint(self) -> str:
        """The shell command that the cluster runs, in the folder that was sent."""
        words = ["hq-ray", "sweep", SPEC_FILE, "--address", "auto", "--results", self.results]
        for override in self.overrides:
            words += ["--set", override]
        return shlex.join([*words, *self.flags])


@dataclass(frozen=True)
class JobReport:
    """What the server says of a job.

    Attributes:
        status: PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED.
        message: its reason, one line.
        results: where the sweep's results lie; empty if the job is not of this software.
    """

    status: str
    message: str
    results: str


def check_results(results: str, shared_disk: bool) -> str:
    """The results place, if every node of a cluster can write it.

    Raises:
        InputError: it is a local path and not said to be on a shared disk, or no absolute one.
    """
    scheme, colon, _ = results.partition("://")
    if colon and scheme != "file":
        if scheme not in SHARED_SCHEMES:
            hint = near_miss(scheme, SHARED_SCHEMES)
            raise InputError(f"results must be a URI such as s3://bucket, got {results!r}{hint}")
        return results
    if not shared_disk:
        raise InputError(
            f"results of a submitted sweep must be a place that the cluster can write, such as "
            f"s3://bucket/prefix, got {results!r}; give --shared_disk if every node has that path"
        )
    if not results.startswith(("/", "file:///")):
        raise InputError(f"results on a shared disk must be an absolute path, got {results!r}")
    return results


def new_submission_id(sweep_name: str) -> str:
    """An id that names the sweep and is not used twice."""
    return f"hq-{re.sub('[^A-Za-z0-9_-]', '-', sweep_name)[:80]}-{secrets.token_hex(3)}"


def connect(address: str) -> "JobServer":
    """The job server at a URL such as `http://HEAD:8265`.

    Raises:
        InputError: the extra `cluster` is not installed, or no job server answers there.
    """
    _check_extra()
    _check_answers(address)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with _without_variables(ADDRESS_VARIABLES):
            return JobServer(address, JobSubmissionClient(address))
    except exceptions.RayError as problem:
        raise _token_error(address, problem) from None
    except (OSError, RuntimeError, ValueError, KeyError) as problem:
        raise InputError(f"address must be a job server, got {address!r}: {problem}") from None


class JobServer:
    """The job server of one cluster."""

    def __init__(self, address: str, client: JobSubmissionClient):
        self.address = address
        self._client = client

    def submit(self, job: SweepJob, submission_id: str | None = None) -> str:
        """Hands a sweep over and returns the submission id.

        Raises:
            InputError: the id is taken or malformed, or a module cannot be sent.
        """
        name = job.sweep.name
        submission_id = submission_id or new_submission_id(name)
        if not SUBMISSION_ID.fullmatch(submission_id):
            raise InputError(
                "submission_id must hold only letters, digits, _ and -, at most 100, "
                f"got {submission_id!r}"
            )
        with tempfile.TemporaryDirectory() as folder, self._asking(submission_id):
            _pack(job, Path(folder))
            return self._client.submit_job(
                entrypoint=job.entrypoint,
                submission_id=submission_id,
                runtime_env={"working_dir": folder, "env_vars": dict(JOB_VARIABLES)},
                metadata={"sweep": name, "results": f"{job.results.rstrip('/')}/{name}"},
            )

    def report(self, submission_id: str) -> JobReport:
        """How a job stands."""
        with self._asking(submission_id):
            info = self._client.get_job_info(submission_id)
        first = (info.message or "").partition("\n")[0].partition(", last available logs")[0]
        return JobReport(str(info.status), first, (info.metadata or {}).get("results", ""))

    def logs(self, submission_id: str) -> str:
        """All that a job has printed so far."""
        with self._asking(submission_id):
            return self._client.get_job_logs(submission_id)

    def follow(self, submission_id: str, write: Callable[[str], None]) -> None:
        """Writes what a job has printed and prints, until it ends."""

        async def tail() -> None:
            async for text in self._client.tail_job_logs(submission_id):
                write(text)

        self.report(submission_id)
        with self._asking(submission_id):
            asyncio.run(tail())

    def stop(self, submission_id: str) -> bool:
        """Asks a job to publish what is running and end; False if it had ended before."""
        with self._asking(submission_id):
            return self._client.stop_job(submission_id)

    @contextmanager
    def _asking(self, submission_id: str) -> Iterator[None]:
        """Turns what the client raises into sentences."""
        try:
            yield
        except exceptions.RayError as problem:
            raise _token_error(self.address, problem) from None
        except OSError as problem:
            raise HqRayError(f"job server at {self.address} did not answer: {problem}") from None
        except RuntimeError as problem:
            text = str(problem)
            if "already exists" in text:
                raise InputError(f"submission_id must be new, got {submission_id!r}") from None
            if "status code 404" in text and "does not exist" in text:
                hint = near_miss(submission_id, self._known())
                raise InputError(
                    f"job must be one of {self.address}, got {submission_id!r}{hint}"
                ) from None
            raise HqRayError(f"job server at {self.address} refused: {text[-500:]}") from None

    def _known(self) -> Sequence[str]:
        return [job.submission_id for job in self._client.list_jobs() if job.submission_id]


def _pack(job: SweepJob, folder: Path) -> None:
    """Lays out the folder that the nodes unpack."""
    (folder / SPEC_FILE).write_text(job.spec, encoding="utf-8")
    for module in job.modules:
        target = folder / module.resolve().name
        if target.exists():
            raise InputError(f"modules must have names of their own, got {target.name!r} twice")
        if module.is_dir():
            shutil.copytree(module, target, ignore=shutil.ignore_patterns("__pycache__", ".git"))
        elif module.suffix == ".py" and module.is_file():
            shutil.copy(module, target)
        else:
            raise InputError(f"module must be a .py file or a package folder, got {str(module)!r}")


def _check_extra() -> None:
    missing = [name for name in NEEDED_MODULES if find_spec(name) is None]
    if missing:
        raise InputError(
            "talking to a job server needs the extra 'cluster' (pip install -e '.[cluster]'); "
            f"not installed: {', '.join(missing)}"
        )


def _check_answers(address: str) -> None:
    """Asks whether anything listens there; the client itself would try for minutes."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"address must be the URL of a job server, such as http://HEAD:8265, got {address!r}"
        )
    try:
        socket.create_connection((parts.hostname, port), ANSWER_SECONDS).close()
    except OSError as problem:
        raise InputError(
            f"address must be a job server, but {address!r} does not answer: {problem}"
        ) from None


def _token_error(address: str, problem: exceptions.RayError) -> InputError:
    reason = str(problem).strip().partition("\n")[0]
    return InputError(
        f"job server at {address} must accept this machine's token; set RAY_AUTH_MODE=token and "
        f"RAY_AUTH_TOKEN to the cluster's: {reason}"
    )


@contextmanager
def _without_variables(names: Sequence[str]) -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
