"""Ray: starting or joining it, and running batches as tasks. Nothing else imports it."""

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray
from ray import exceptions

from hq_ray import encoding
from hq_ray.batch import BatchReport, run_batch
from hq_ray.environments import resolve
from hq_ray.errors import HqRayError, InputError, VersionError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Results
from hq_ray.sweeps.executors import Crash
from hq_ray.sweeps.ownership import holds, process_started
from hq_ray.training import warm_up
from hq_ray.trial import Trial
from hq_ray.versions import deciding_versions, differing

# Reports are small and travel inline, so the object store needs next to nothing.
OBJECT_STORE_BYTES = 128 * 2**20
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
ANSWER_SECONDS = 5.0
RECOUNT_SECONDS = 5.0
# Ray guards a local cluster with a token, and would write one to the home folder if it found none.
_TOKEN = secrets.token_hex(32)
NODE_ERRORS = (exceptions.NodeDiedError, exceptions.LocalRayletDiedError)


@contextmanager
def ray_session(address: str | None = None, cores: int | None = None) -> Iterator[None]:
    """Ray for the length of a block: a cluster at `address`, or an embedded one of our own.

    The embedded one has its own folder and its own token, and leaves nothing behind.

    Raises:
        InputError: no cluster answers at the address.
    """
    if ray.is_initialized():
        yield
        return
    if address is not None:
        _check_answers(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as problem:
            reason = str(problem).strip().splitlines()[0]
            raise InputError(
                f"address must name a running Ray cluster, got {address!r}: {reason}"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()
        return
    # A short path, because the names of Unix sockets below it are limited to about 100 characters.
    place = "/tmp" if os.name == "posix" else tempfile.gettempdir()
    _clear_folders_of_the_dead(place)
    folder = tempfile.mkdtemp(prefix=f"hq-{os.getpid()}-", dir=place)
    # Workers find modules where this process does, environments of the user's own among them.
    paths = os.pathsep.join(dict.fromkeys(path for path in sys.path if path))
    try:
        with _environment_variables(RAY_AUTH_TOKEN=_TOKEN, PYTHONPATH=paths, **ONE_THREAD):
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=folder,
            )
            yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _clear_folders_of_the_dead(place: str) -> None:
    """Removes the folders of sessions whose driver was killed before it could."""
    for folder in Path(place).glob("hq-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and process_started(int(pid)) is None:
            shutil.rmtree(folder, ignore_errors=True)


def _check_answers(address: str) -> None:
    """Asks whether anything listens there; Ray itself would try for a quarter of an hour."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as problem:
        raise InputError(
            f"address must name a running Ray cluster, but {address!r} does not answer: {problem}"
        ) from None


@contextmanager
def _environment_variables(**values: str) -> Iterator[None]:
    """Sets variables for the length of a block, and takes away what Ray sets meanwhile.

    Those that are set already stay, except PYTHONPATH, which holds what it held before and more.
    """
    kept = dict(os.environ)
    for name, value in values.items():
        if name not in kept or name == "PYTHONPATH":
            os.environ[name] = value
    try:
        yield
    finally:
        for name in {*values, "RAY_AUTH_MODE", "PYTHONBREAKPOINT"}:
            if name in kept:
                os.environ[name] = kept[name]
            else:
                os.environ.pop(name, None)


@dataclass(frozen=True)
class BatchOptions:
    """What every batch of a sweep shares.

    Attributes:
        keep_q_values, engine: see `run_batch`.
        token: of the driver; its batches count only while it holds the results.
        versions: of the driver's code, which the worker's must equal.
    """

    keep_q_values: bool
    engine: str
    token: str
    versions: tuple[tuple[str, str], ...]


@ray.remote(num_cpus=1, max_retries=0)
def _run_batch_task(
    trials: tuple[Trial, ...], results: Results, options: BatchOptions
) -> BatchReport:
    others = differing(options.versions)
    if others:
        raise VersionError(
            f"worker on {socket.gethostname()} must run the driver's code, but there "
            + " and ".join(others)
        )
    return run_batch(
        trials,
        results,
        options.keep_q_values,
        options.engine,
        partial(holds, results.location, options.token),
    )


@ray.remote(num_cpus=1, max_retries=0)
def _warm_task() -> None:
    """Trains one step, so that this worker has imported and loaded what every trial needs."""
    lake = resolve("FrozenLake-v1")
    used = used_hyperparameters("standard", {})
    warm_up([Trial(lake.id, lake.args, lake.fingerprint, "standard", 0, 1, 1, **used)])
    encoding.warm_up()


def warm_workers() -> None:
    """Has every core's worker import what trials need, a second's work each, without waiting."""
    for _ in range(max(1, int(ray.cluster_resources().get("CPU", 1)))):
        _warm_task.remote()


class RayExecutor:
    """Runs batches as Ray tasks, spread over the nodes; each may be lost and none is repeated.

    Ray's own retries are off: the driver halves a lost batch, where Ray would run all of it again.
    """

    def __init__(self, results: Results, options: BatchOptions):
        self._cores, self._counted = 1, -RECOUNT_SECONDS
        self._arguments = (results, options)
        self._task = _run_batch_task.options(scheduling_strategy="SPREAD", name="hq_ray batch")
        self._flying: list[ray.ObjectRef] = []

    @property
    def cores(self) -> int:
        """Cores of the cluster now; nodes come and go."""
        now = time.monotonic()
        if now - self._counted >= RECOUNT_SECONDS:
            self._counted = now
            self._cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
        return self._cores

    def submit(self, batch: tuple[Trial, ...]) -> object:
        """Submits a batch as one task."""
        reference = self._task.remote(batch, *self._arguments)
        self._flying.append(reference)
        return reference

    def wait(self, timeout: float) -> list[tuple[object, BatchReport | Crash]]:
        """What has finished; waits for the first for up to `timeout` seconds."""
        if not self._flying:
            return []
        ready, _ = ray.wait(self._flying, num_returns=1, timeout=timeout, fetch_local=False)
        if ready:
            ready, self._flying = ray.wait(
                self._flying, num_returns=len(self._flying), timeout=0, fetch_local=False
            )
        return [(reference, _outcome(reference)) for reference in ready]

    def cancel(self) -> None:
        """Kills the workers of running batches; a kernel cannot be interrupted otherwise."""
        for reference in self._flying:
            ray.cancel(reference, force=True)
        self._flying = []


def executor_on_ray(results: Results, keep_q_values: bool, engine: str, token: str) -> RayExecutor:
    """The executor of one driver, its workers held to this process's versions."""
    options = BatchOptions(keep_q_values, engine, token, deciding_versions())
    return RayExecutor(results, options)


def _outcome(reference: ray.ObjectRef) -> BatchReport | Crash:
    try:
        return ray.get(reference)
    except exceptions.RayTaskError as problem:
        cause = problem.cause
        if not isinstance(cause, HqRayError):
            cause = None
        shown = problem.cause if problem.cause is not None else problem
        return Crash("error", f"{type(shown).__name__}: {shown}", cause)
    except NODE_ERRORS as problem:
        return Crash("node", _first_line(problem))
    except exceptions.RuntimeEnvSetupError as problem:
        return Crash("error", _first_line(problem))
    except exceptions.RayError as problem:
        return Crash("worker", _first_line(problem))


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines() or [""]
    return f"{type(problem).__name__}: {lines[0]}"
