"""Progress of commands that read and draw, on standard error, once they take more than a moment."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SILENT_SECONDS = 2.0
LINE_SECONDS = 5.0

Show = Callable[[str, int, int], None]


@contextmanager
def progress_shown() -> Iterator[Show]:
    """A function of (what is done, how many are, of how many): a bar on a terminal, else lines.

    Nothing is shown in the first SILENT_SECONDS.
    """
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import Progress

    started = time.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    tasks: dict[str, int] = {}

    def show(what: str, done: int, total: int) -> None:
        if time.monotonic() - started < SILENT_SECONDS:
            return
        bar.start()
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done)

    try:
        yield show
    finally:
        bar.stop()


def _lines() -> Show:
    last = time.monotonic() + SILENT_SECONDS - LINE_SECONDS

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_SECONDS:
            last = now
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return show
