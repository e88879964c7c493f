"""Progress on standard error: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from contextlib import suppress

LINE_SECONDS = 5.0


def notice(sentence: str) -> None:
    """Prints a line on standard error; a closed one is no reason to stop a sweep."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)


class Progress:
    """How much of each activity is done, shown for the length of a block."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._first: dict[str, float] = {}
        self._tasks: dict = {}  # of rich, by activity
        self._bar = None
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[note]}"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def show(self, activity: str, done: int, total: int, note: str = "") -> None:
        """Moves the bar of an activity, or prints a line if the last one is some seconds old."""
        now = time.monotonic()
        elapsed = now - self._first.setdefault(activity, now)
        if self._bar is not None:
            if activity not in self._tasks:
                self._tasks[activity] = self._bar.add_task(activity, total=total, note=note)
            self._bar.update(self._tasks[activity], completed=done, note=note)
        elif now - self._last >= LINE_SECONDS:
            self._last = now
            left = f"{elapsed / done * (total - done):.0f} s left" if done else ""
            parts = [f"{activity}: {done:,} of {total:,}", note, left]
            self.say(", ".join(part for part in parts if part))

    def say(self, sentence: str) -> None:
        """Prints a sentence, above the bar if there is one."""
        if self._bar is not None:
            self._bar.console.print(sentence, highlight=False)
        else:
            notice(sentence)

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if self._bar is not None:
            self._bar.stop()
