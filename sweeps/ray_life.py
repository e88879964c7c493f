"""Ray's life cycle: started here or joined as a cluster, watched, and stopped."""

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayError
from ray.job_config import JobConfig

from hq_ray.errors import HqRayError, InputError, first_line, reason_of
from hq_ray.sweeps.driver import ExecutorLost
from hq_ray.sweeps.ownership import process_fields, process_started, take_lock, this_process

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
SESSION_LOCK = "owner.lock"
# Without a token of ours Ray would write one to the home folder.
_TOKEN = secrets.token_hex(32)


@contextmanager
def ray_session(
    address: str | None = None, cores: int | None = None, modules: Collection[str] = ()
) -> Iterator[None]:
    """Ray for the length of a block: a cluster at `address`, or an embedded one with some cores.

    The embedded one has a private folder and a token of its own, listens on the loopback address
    only, and leaves nothing behind. The user's imported `modules` are sent to a cluster's nodes.

    Raises:
        InputError: no cluster answers at the address, or it has another token.
        HqRayError: the embedded one does not start.
    """
    if ray.is_initialized():
        yield
        return
    # Ray prints about its processes on standard output, whatever `log_to_driver` says.
    with _replaced(ray._private.worker, "print_to_stdstream", lambda *_, **__: None):
        if address is not None:
            with _environment():
                _join(address, modules)
                try:
                    yield
                finally:
                    ray.shutdown()
        else:
            with session_folder() as folder, _environment(RAY_AUTH_TOKEN=_TOKEN, **ONE_THREAD):
                os.environ["PYTHONPATH"] = os.pathsep.join(_module_folders())
                with _embedded(folder, cores):
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
def _environment(**defaults: str) -> Iterator[None]:
    """Variables that are not set yet, for the length of a block; undoes what Ray sets meanwhile."""
    before = dict(os.environ)
    os.environ.update({**defaults, **before})
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _start(**options: Any) -> None:
    """Starts or joins Ray; workers get the module path of this process, in the same order."""
    config = JobConfig()
    # Workers insert each before the others.
    config._py_driver_sys_path = _module_folders()[::-1]
    # Except for such jobs Ray puts the working folder and the script's first, so that a user's
    # `random.py` would replace Python's.
    config._runtime_env_has_working_dir = lambda: True  # type: ignore[method-assign]
    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, job_config=config, **options)


def _join(address: str, modules: Collection[str]) -> None:
    must = f"address must name a running Ray cluster, but {address!r} does not answer"
    if problem := _connection_problem(address):
        raise InputError(f"{must}: {problem}")
    try:
        if address.rpartition(":")[2].isdecimal() and "://" not in address:
            # With a wrong token `ray.init` would try again for half a minute, and without one the
            # client would end this process.
            ensure_token_if_auth_enabled(create_token_if_missing=False)
            GcsClient(address=address)
        sent = _sent(modules)
        _start(address=address, runtime_env={"py_modules": sent} if sent else None)
    except AuthenticationError:
        raise InputError(
            f"the token must be that of the cluster at {address!r}, but it is another or missing: "
            "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
        ) from None
    except (RayError, ConnectionError, ValueError, RuntimeError) as problem:
        raise InputError(f"{must}: {first_line(reason_of(problem))}") from None


def _sent(modules: Collection[str]) -> list[str]:
    """Files and packages for the nodes of a cluster: these modules and their neighbours.

    Neighbours are what else was imported from the same folders. What is installed is installed on
    every node, and a job that was submitted with its own modules has them there.
    """
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("runtime_env") or {}
    if "working_dir" in job or "py_modules" in job:
        return []
    installed = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    top = {name.partition(".")[0] for name in modules}
    folders = {place.parent for name in top if (place := _place(sys.modules[name]))} - installed
    places = {
        _place(module)
        for name, module in list(sys.modules.items())
        if "." not in name and name not in ("__main__", "hq_ray")
    }
    return sorted(
        str(place)
        for place in filter(None, places)
        if place.parent in folders and (place.is_dir() or place.suffix == ".py")
    )


def _place(module: ModuleType) -> Path | None:
    """The folder of a package, or the file of a module; None for what is in neither."""
    place = next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None)
    return None if place is None else Path(place).resolve()


@contextmanager
def _embedded(folder: str, cores: int | None) -> Iterator[None]:
    parts, agents = {}, {}
    try:
        try:
            # So Ray listens on loopback only, as on macOS and Windows; `_node_ip_address` does not
            # accept a loopback address.
            with _replaced(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False):
                _start(
                    address="local",
                    num_cpus=cores,
                    include_dashboard=False,
                    object_store_memory=OBJECT_STORE_BYTES,
                    _temp_dir=folder,
                )
        except Exception as problem:
            raise HqRayError(
                f"Ray does not start on this machine ({first_line(reason_of(problem))}); "
                "--local trains without it"
            ) from problem
        parts = _parts()
        agents = _children(parts["raylet"].pid) if "raylet" in parts else {}
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


def _children(parent: int) -> dict[int, str | None]:
    """The child processes of a process by id, with their start times."""
    pids = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    return {pid: process_started(pid) for pid in pids if process_fields(pid)[1:2] == [str(parent)]}


def _module_folders() -> list[str]:
    """`sys.path` with absolute folders, which has the modules of the user's environments."""
    folders = (folder for folder in sys.path if isinstance(folder, str))
    return list(dict.fromkeys(os.path.abspath(folder) for folder in folders))


@contextmanager
def session_folder(place: str | os.PathLike = SHORT_PLACE) -> Iterator[str]:
    """A folder for Ray inside a private one; both are removed.

    Ray opens its folder to everybody, but nobody else can enter the private one. It has a lock of
    this process, so that a later one knows what a killed one has left.

    Raises:
        HqRayError: the temporary folder cannot be written.
    """
    for folder in Path(place).glob(f"{SESSION_PREFIX}*"):
        _remove_stale(folder)
    with ExitStack() as stack:
        try:
            private = Path(tempfile.mkdtemp(prefix=SESSION_PREFIX, dir=place))
            stack.callback(_remove, private)
            lock = stack.enter_context((private / "new").open("w"))
            print(json.dumps(this_process()), file=lock, flush=True)
            take_lock(lock.fileno())
            (private / "new").rename(private / SESSION_LOCK)  # where nobody sees it unlocked
        except OSError as problem:
            raise HqRayError(
                f"Ray needs a folder in {place}, which cannot be written: {problem.strerror}; "
                "--local trains without Ray"
            ) from None
        yield str(private / "r")


def _remove(private: Path) -> None:
    """Removes a session folder, the lock last: without it no later process would remove it."""
    shutil.rmtree(private / "r", ignore_errors=True)
    shutil.rmtree(private, ignore_errors=True)


def _remove_stale(private: Path) -> None:
    """Removes a session folder if it is of this user, this machine and a process that has ended."""
    unreadable = (OSError, ValueError, LookupError, TypeError, RecursionError)
    with suppress(*unreadable), (private / SESSION_LOCK).open() as lock:
        # Machines that share a disk may not see each other's locks.
        is_here = json.load(lock)["boot"] == this_process()["boot"]
        is_ours = private.stat().st_uid == os.getuid() and not private.is_symlink()
        if is_here and is_ours and take_lock(lock.fileno()):
            _remove(private)


def unanswered() -> str | None:
    """Which part of Ray does not answer just now, and why.

    Ray itself waits forever for its raylet; without a GCS it ends this process after a minute.

    Raises:
        ExecutorLost: a part of it has died.
    """
    parts = _parts()
    # The GCS first: without one the raylet ends, too.
    for name, process in (("GCS", "gcs_server"), ("raylet", "raylet")):
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
