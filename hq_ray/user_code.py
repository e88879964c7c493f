"""Code of the user's own: imported and run so that nothing it does ends or confuses a command."""

import contextlib
import importlib
import logging
import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeVar

import hq_ray
from hq_ray.errors import HqRayError, InputError, reason_of

# What such code may raise; KeyboardInterrupt is the user's Ctrl-C.
RAISED = (Exception, SystemExit)
# Streams belong to the process: of two threads that redirect them, one would keep a closed file.
STREAMS = threading.RLock()

Answer = TypeVar("Answer")


def import_user_module(name: str, what: str) -> ModuleType:
    """Imports a module of the user's own, whatever it is called; `what` is for error messages.

    Where our source tree is on the path, its folders `envs`, `sweeps` and `analysis` must not
    shadow the user's modules of these names.

    Raises:
        InputError: it cannot be imported.
    """
    ours = [path for path in sys.path if path in hq_ray.__path__ and path != os.getcwd()]
    sys.path[:] = [path for path in sys.path if path not in ours]
    try:
        with refused(f"{what} must be importable, but"):
            return importlib.import_module(name)
    finally:
        sys.path += ours


@contextlib.contextmanager
def refused(sentence: str) -> Iterator[None]:
    """Makes an InputError of what the user's code raises; SystemExit must not end the command."""
    try:
        yield
    except (HqRayError, KeyboardInterrupt):
        raise
    except BaseException as problem:
        raise InputError(f"{sentence}: {reason_of(problem)}") from problem


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what an environment prints, warns or logs within the block."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            STREAMS,
            open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(action="ignore"),
        ):
            yield
    finally:
        logging.disable(disabled)


def in_child_process(function: Callable[[], Answer]) -> Answer | None:
    """Calls a function in a forked process; None if it ends that process.

    So an environment that ends its process does not end this one, and nothing it prints is shown.
    Only Linux forks safely; elsewhere the function is called here.
    """
    if sys.platform != "linux":
        return function()
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)

    def answer() -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sender.send(True)
        sender.send(function())

    child = fork.Process(target=answer)
    with quiet():  # Python warns of forks where there are threads; nothing of theirs is called
        child.start()
    sender.close()
    has_begun = False
    try:
        has_begun = receiver.recv()
        return receiver.recv()
    except EOFError:
        # After Ray, a process may no longer be able to fork; seen under pytest on Python 3.13.
        return None if has_begun else function()
    finally:
        receiver.close()
        child.kill()
        child.join()
