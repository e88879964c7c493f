"""numba's `njit`, with compiled code kept in a folder that can be written, or not kept at all."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

import numba
from numba.core import event

config: Any = numba.config
# The kernel exists in compiled form alone; `--engine gymnasium` is the loop in plain Python. In the
# environment too: numba reads it again when another of its variables there changes.
config.DISABLE_JIT = 0
os.environ.pop("NUMBA_DISABLE_JIT", None)


def njit(*, cache: bool = False, **options: Any) -> Callable[[Callable], Any]:
    """`numba.njit`; with `cache`, what is compiled is kept on disk if that can be done."""
    compiled = numba.njit(cache=cache and KEEPS, **options)
    return lambda function: _forgiving(compiled(function))


def _forgiving(compiled: Any) -> Any:
    """Compiles anew where what is kept is damaged, and goes on where the disk is full."""
    cache = compiled._cache
    load, save = cache.load_overload, cache.save_overload

    def load_or_none(*arguments: object) -> object:
        try:
            return load(*arguments)
        except Exception:
            with suppress(OSError):
                cache.flush()
            return None

    def save_if_possible(*arguments: object) -> None:
        with suppress(OSError):
            save(*arguments)

    cache.load_overload, cache.save_overload = load_or_none, save_if_possible
    return compiled


def on_compiling(tell: Callable[[str], None]) -> AbstractContextManager:
    """Says once, and only if anything is compiled within the block, what takes so long."""
    return event.install_listener("numba:compile", _Listener(tell))


class _Listener(event.Listener):
    def __init__(self, tell: Callable[[str], None]):
        self._tell, self._has_told = tell, False

    def on_start(self, event: event.Event) -> None:
        if not self._has_told:
            self._has_told = True
            self._tell(
                "compiling the training loops, once on this machine"
                if KEEPS
                else "compiling the training loops in every process, because there is no folder to "
                "keep them in; NUMBA_CACHE_DIR names one"
            )

    def on_end(self, event: event.Event) -> None:
        pass


def _can_keep() -> bool:
    """Whether numba finds a folder: NUMBA_CACHE_DIR, beside the source, or in the user's home."""
    # Without a home, numba would make a folder named ~ where the command runs.
    if not config.CACHE_DIR and os.path.expanduser("~").startswith("~"):
        return False
    try:
        numba.njit(cache=True)(_can_keep)
    except RuntimeError:
        return False
    return True


KEEPS = _can_keep()
