"""Progress on standard error: a bar on a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

LINE_SECONDS = 5.0


class Counts(Protocol):
    """What progress is told: the driver's tally."""

    done: int
    failed: int
    steps: int


class Progress:
    """Says nothing; the face of the two below."""

    def show(self, counts: Counts) -> None:
        """Takes the present counts."""

    def say(self, sentence: str) -> None:
        """Shows a sentence above the progress."""


class LineProgress(Progress):
    """A plain line every few seconds, for logs."""

    def __init__(self, total: int, cores: int = 1):
        self._total, self._cores = total, cores
        self._started = self._last = time.monotonic()

    def show(self, counts: Counts) -> None:
        """Prints a line if the last one is some seconds old."""
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            self.say(describe(counts, self._total, now - self._started, self._cores))

    def say(self, sentence: str) -> None:
        """Prints a sentence."""
        notice(sentence)


class BarProgress(Progress):
    """A rich bar with trials done, steps per second and time left."""

    def __init__(self, total: int, cores: int = 1):
        from rich import progress
        from rich.console import Console

        self._started, self._cores = time.monotonic(), cores
        self._bar = progress.Progress(
            progress.TextColumn("training"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("training", total=total, rate="")
        self._bar.start()

    def show(self, counts: Counts) -> None:
        """Moves the bar."""
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = _rate(counts.steps / elapsed, self._cores)
        if counts.failed:
            rate += f", {counts.failed} failed"
        self._bar.update(self._task, completed=counts.done + counts.failed, rate=rate)

    def say(self, sentence: str) -> None:
        """Prints a sentence above the bar."""
        self._bar.console.print(sentence, highlight=False)

    def stop(self) -> None:
        """Takes the bar away."""
        self._bar.stop()


def notice(sentence: str) -> None:
    """A line on standard error; that nobody can read it any more is no reason to stop a sweep."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)


def describe(counts: Counts, total: int, elapsed: float, cores: int = 1) -> str:
    """One line of progress: done of total, failures, steps per second, cores, seconds left."""
    finished = counts.done + counts.failed
    failed = f", {counts.failed} failed" if counts.failed else ""
    rate = _rate(counts.steps / max(elapsed, 1e-9), cores)
    left = f"{elapsed / finished * (total - finished):.0f} s left" if finished else "time unknown"
    return f"{finished} of {total} trials{failed}, {rate}, {left}"


def _rate(steps_per_second: float, cores: int) -> str:
    unit, shown = (1e6, "M") if steps_per_second >= 1e5 else (1e3, "k")
    many = "core" if cores == 1 else "cores"
    return f"{steps_per_second / unit:.1f} {shown} steps/s on {cores} {many}"


@contextmanager
def progress_on(total: int, cores: int = 1) -> Iterator[Progress]:
    """The progress that fits standard error, taken away at the end."""
    if not sys.stderr.isatty():
        yield LineProgress(total, cores)
        return
    bar = BarProgress(total, cores)
    try:
        yield bar
    finally:
        bar.stop()
