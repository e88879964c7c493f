"""Ray's life cycle: started here or joined as a cluster, watched, and stopped."""

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.job_config import JobConfig

from hq_ray.errors import HqRayError, InputError
from hq_ray.sweeps.executors import ExecutorLost
from hq_ray.sweeps.ownership import MACHINE, process_started, this_process

# Reports are small and sent inline, so the object store stays almost empty.
OBJECT_STORE_BYTES = 128 * 2**20
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
ANSWER_SECONDS = 5.0
END_SECONDS = 30.0
# Paths of Unix sockets are limited to about 100 characters.
SHORT_PLACE = "/tmp" if os.name == "posix" else tempfile.gettempdir()
SESSION_PREFIX = "hq-ray-session-"
SESSION_MARKER = "owner.json"
# Without a token of ours Ray would write one to the home folder.
_TOKEN = secrets.token_hex(32)


@contextmanager
def ray_session(address: str | None = None, cores: int | None = None) -> Iterator[None]:
    """Ray for the length of a block: a cluster at `address`, or an embedded one.

    The embedded one has a private folder and a token of its own, listens on the loopback address
    only, and leaves nothing behind.

    Raises:
        InputError: no cluster answers at the address.
        HqRayError: the embedded one does not start.
    """
    if ray.is_initialized():
        yield
        return
    # Ray prints about its processes on standard output, whatever `log_to_driver` says.
    with _replaced(ray._private.worker, "print_to_stdstream", lambda *_, **__: None):
        if address is not None:
            with _joined(address):
                yield
        else:
            with session_folder() as folder, _embedded(folder, cores):
                yield


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Sets an attribute for the length of a block."""
    before = getattr(owner, name, None)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextmanager
def _joined(address: str) -> Iterator[None]:
    if problem := _connection_problem(address):
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
                # As on systems without clusters of several machines, Ray then listens on loopback
                # only; its argument for the node's address does not accept that one.
                with _replaced(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False):
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
        # Without a GCS they would live on for minutes.
        for pid, started in agents.items():
            if process_started(pid) == started:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _parts() -> dict[str, subprocess.Popen]:
    """Ray's processes that this process started, by Ray's names; none if its internals change."""
    node = getattr(ray._private.worker, "_global_node", None)
    every = getattr(node, "all_processes", None) or {}
    return {name: started[0].process for name, started in every.items() if started}


def _agents(parts: dict[str, subprocess.Popen]) -> dict[int, str | None]:
    """The raylet's child processes by id, with their start times."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat") if "raylet" in parts else ():
        with suppress(OSError):
            # The parent is the second field after the name in parentheses, which may have spaces.
            if int(place.read_text().rpartition(")")[2].split()[1]) == parts["raylet"].pid:
                pid = int(place.parent.name)
                found[pid] = process_started(pid)
    return found


def _module_folders() -> list[str]:
    """`sys.path` with absolute folders, which has the modules of the user's environments."""
    folders = (folder for folder in sys.path if isinstance(folder, str))
    return list(dict.fromkeys(os.path.abspath(folder) for folder in folders))


def _job_config() -> JobConfig:
    """Gives workers the module path of this process, in the same order."""
    config = JobConfig()
    # Workers insert each before the others.
    config._py_driver_sys_path = _module_folders()[::-1]
    # Except for such jobs Ray puts the working folder and the script's first, so that a user's
    # `random.py` would replace Python's.
    config._runtime_env_has_working_dir = lambda: True
    return config


@contextmanager
def session_folder(place: str = SHORT_PLACE) -> Iterator[str]:
    """A folder for Ray inside a private one with a marker of this process; both are removed.

    Ray opens its folder to everybody, but nobody else can enter the private one.

    Raises:
        HqRayError: the temporary folder cannot be written.
    """
    remove_stale_session_folders(place)
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


def remove_stale_session_folders(place: str | os.PathLike) -> None:
    """Removes the session folders of killed processes.

    A folder stays if it may be of another user, machine, container, boot or living process.
    """
    here = this_process()
    for folder in Path(place).glob(f"{SESSION_PREFIX}*"):
        if _is_stale(folder, here):
            _remove(folder)


def _remove(private: str | os.PathLike) -> None:
    """Removes a session folder, the marker last: without it no later process would remove it."""
    shutil.rmtree(os.path.join(private, "r"), ignore_errors=True)
    shutil.rmtree(private, ignore_errors=True)


def _is_stale(folder: Path, here: dict) -> bool:
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
    except Exception:  # the marker is damaged or cannot be read
        return False
    return now is None or (now.isdecimal() and now != started)


def unanswered() -> str | None:
    """Which part of Ray does not answer just now, and why.

    Ray itself waits forever for its raylet; without a GCS it ends this process after a minute.

    Raises:
        ExecutorLost: a part of it has died.
    """
    parts = _parts()
    for name, process in (("raylet", "raylet"), ("GCS", "gcs_server")):
        if process in parts and parts[process].poll() is not None:
            raise ExecutorLost(f"Ray's {name} has died")
    node = getattr(ray._private.worker, "_global_node", None)
    raylet = f"{getattr(node, 'node_ip_address', '')}:{getattr(node, 'node_manager_port', '')}"
    for name, address in (("raylet", raylet), ("GCS", getattr(node, "gcs_address", None) or "")):
        if problem := _connection_problem(address):
            return f"Ray's {name} at {address} does not answer: {problem}"
    return None


def _connection_problem(address: str) -> Exception | None:
    """Why nothing listens at an address, where Ray would try for a quarter of an hour."""
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
    """Sets variables for the length of a block, and removes those that Ray sets meanwhile.

    Variables that are set already stay, except PYTHONPATH, whose folders are in the new value.
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
