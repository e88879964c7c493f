"""The life of Ray: started with a folder and a token of its own or joined, watched, and stopped."""

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.job_config import JobConfig

from hq_ray.errors import HqRayError, InputError
from hq_ray.sweeps.executors import ExecutorLost
from hq_ray.sweeps.ownership import MACHINE, process_started, this_process

# Reports are small and travel inline, so the object store needs next to nothing.
OBJECT_STORE_BYTES = 128 * 2**20
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
ANSWER_SECONDS = 5.0
END_SECONDS = 30.0
# A cluster's head may be away for a moment; after a minute Ray would end this process.
SILENT_SECONDS = 10.0
PARTS = {"raylet": "raylet", "gcs_server": "GCS"}
# Names of Unix sockets are limited to about 100 characters.
SHORT_PLACE = "/tmp" if os.name == "posix" else tempfile.gettempdir()
SESSION_PREFIX = "hq-ray-session-"
SESSION_MARKER = "owner.json"
# Ray guards a local cluster with a token, and would write one to the home folder if it found none.
_TOKEN = secrets.token_hex(32)


@contextmanager
def ray_session(address: str | None = None, cores: int | None = None) -> Iterator[None]:
    """Ray for the length of a block: a cluster at `address`, or an embedded one of our own.

    The embedded one has its own private folder and its own token, listens on this machine's
    loopback address alone, and leaves nothing behind.

    Raises:
        InputError: no cluster answers at the address.
        HqRayError: the embedded one does not start.
    """
    if ray.is_initialized():
        yield
        return
    with _quiet():
        if address is not None:
            with _joined(address):
                yield
        else:
            with session_folder() as folder, _embedded(folder, cores):
                yield


@contextmanager
def _joined(address: str) -> Iterator[None]:
    problem = _silence(address)
    if problem:
        raise InputError(
            f"address must name a running Ray cluster, but {address!r} does not answer: {problem}"
        )
    with _environment_variables():
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                job_config=_job_config(),
            )
        except (ConnectionError, ValueError, RuntimeError) as problem:
            raise InputError(
                f"address must name a running Ray cluster, got {address!r}: {first_line(problem)}"
            ) from None
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _embedded(folder: str, cores: int | None) -> Iterator[None]:
    paths = os.pathsep.join(_module_folders())
    parts, agents = {}, {}
    try:
        with _environment_variables(RAY_AUTH_TOKEN=_TOKEN, PYTHONPATH=paths, **ONE_THREAD):
            try:
                with _on_loopback():
                    ray.init(
                        address="local",
                        num_cpus=cores,
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.CRITICAL,
                        object_store_memory=OBJECT_STORE_BYTES,
                        job_config=_job_config(),
                        _temp_dir=folder,
                    )
            except Exception as problem:
                raise HqRayError(
                    f"Ray does not start on this machine ({first_line(problem)}); --local trains "
                    "without it"
                ) from problem
            parts = _parts()
            agents = _agents(parts)
            yield
    finally:
        ray.shutdown()
        for process in parts.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
        # Without a GCS to tell that they end they would live on for minutes.
        for pid, started in agents.items():
            if process_started(pid) == started:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


# The two that look into Ray; where it has changed, they find nothing and nothing is checked.
def _parts() -> dict[str, subprocess.Popen]:
    """The processes that this one started for Ray, by Ray's names; none for a cluster's."""
    node = getattr(ray._private.worker, "_global_node", None)
    every = getattr(node, "all_processes", None) or {}
    return {name: started[0].process for name, started in every.items() if started}


def _addresses() -> dict[str, str]:
    """Where the raylet of this machine and the cluster's GCS listen, by Ray's names."""
    node = getattr(ray._private.worker, "_global_node", None)
    here = f"{getattr(node, 'node_ip_address', '')}:{getattr(node, 'node_manager_port', '')}"
    return {"raylet": here, "gcs_server": getattr(node, "gcs_address", None) or ""}


def _agents(parts: dict[str, subprocess.Popen]) -> dict[int, str | None]:
    """The raylet's children, and what tells each from a later process of its number."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat") if "raylet" in parts else ():
        with suppress(OSError):
            # The parent follows the name in parentheses, which may hold spaces, and the state.
            if int(place.read_text().rpartition(")")[2].split()[1]) == parts["raylet"].pid:
                pid = int(place.parent.name)
                found[pid] = process_started(pid)
    return found


def _module_folders() -> list[str]:
    """Where this process looks for modules, in order; environments of the user's own among them."""
    folders = (folder for folder in sys.path if isinstance(folder, str))
    return list(dict.fromkeys(os.path.abspath(folder) for folder in folders))


class _SamePath(JobConfig):
    """Workers look for modules where this process does, in the same order.

    Ray would put the working folder and the script's first, so that a `random.py` of the user's
    stood in for Python's; for a job that says it has a `working_dir` it does not.
    """

    def _runtime_env_has_working_dir(self) -> bool:
        return True


def _job_config() -> JobConfig:
    config = _SamePath()
    # Workers put each before the others.
    config._py_driver_sys_path = _module_folders()[::-1]
    return config


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray starts as where it knows no clusters of several machines, on the loopback address.

    Its argument for the address of this machine takes that one for a mistake.
    """
    constants = ray._private.ray_constants
    before = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Ray's messages about its parts go to standard output whatever `log_to_driver` says."""
    worker = ray._private.worker
    before = getattr(worker, "print_to_stdstream", None)
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


@contextmanager
def session_folder(place: str = SHORT_PLACE) -> Iterator[str]:
    """A folder for Ray inside a private one that says whose it is; both go at the end.

    Ray opens its own folder to everybody, but nobody else passes through the private one.

    Raises:
        HqRayError: the temporary folder cannot be written.
    """
    clear_left_overs(place)
    try:
        private = tempfile.mkdtemp(prefix=SESSION_PREFIX, dir=place)
        try:
            Path(private, SESSION_MARKER).write_text(json.dumps(this_process()))
        except OSError:
            shutil.rmtree(private, ignore_errors=True)
            raise
    except OSError as problem:
        raise HqRayError(
            f"Ray needs a folder in {place}, which cannot be written: {problem.strerror}; --local "
            "trains without Ray"
        ) from None
    try:
        yield os.path.join(private, "r")
    finally:
        _remove(private)


def clear_left_overs(place: str | os.PathLike) -> None:
    """Removes the session folders in `place` whose process was killed before it could.

    Whatever may belong to somebody else, to another machine, to another container or to a living
    process stays; so does what is left over from before a reboot.
    """
    here = this_process()
    for folder in Path(place).glob(f"{SESSION_PREFIX}*"):
        if _is_left_over(folder, here):
            _remove(folder)


def _remove(private: str | os.PathLike) -> None:
    """Removes the marker last, or what a kill in between leaves would be nobody's."""
    shutil.rmtree(os.path.join(private, "r"), ignore_errors=True)
    shutil.rmtree(private, ignore_errors=True)


def _is_left_over(folder: Path, here: dict) -> bool:
    try:
        seen = folder.lstat()
        if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid():
            return False
        maker = json.loads((folder / SESSION_MARKER).read_text())
        same = all(here[name] and maker[name] == here[name] for name in MACHINE)
        pid, started = maker["pid"], maker["process_started"]
        if not same or type(pid) is not int or pid < 1 or not started.isdecimal():
            return False
        now = process_started(pid)
    except Exception:  # whatever may be in it, or may be wrong with it
        return False
    return now is None or (now.isdecimal() and now != started)


class Pulse:
    """Whether this process's Ray lives, without asking anything that waits for the dead.

    Ray itself waits for ever for a raylet, and for a GCS a minute, and then ends this process.
    """

    def __init__(self) -> None:
        self._silent_since: float | None = None

    def check(self) -> bool:
        """True if Ray lives; False if it does not answer just now.

        Raises:
            ExecutorLost: a part of it has died, or has not answered for a while.
        """
        parts = _parts()
        for name, part in PARTS.items():
            if name in parts and parts[name].poll() is not None:
                raise ExecutorLost(f"Ray's {part} has died")
        for name, address in _addresses().items():
            problem = _silence(address)
            if problem:
                now = time.monotonic()
                self._silent_since = self._silent_since or now
                if now - self._silent_since >= SILENT_SECONDS:
                    part = PARTS[name]
                    raise ExecutorLost(f"Ray's {part} at {address} does not answer: {problem}")
                return False
        self._silent_since = None
        return True


def _silence(address: str) -> Exception | None:
    """Why nothing listens at an address; Ray itself would try for a quarter of an hour."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return None
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as problem:
        return problem
    return None


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


def first_line(problem: BaseException) -> str:
    """The type and the first line of an exception of Ray's, which have many."""
    lines = str(problem).strip().splitlines() or [""]
    return f"{type(problem).__name__}: {lines[0]}"
