"""What every benchmark script shares: options, facts about the machine, tables, a JSON file."""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Of a table that is not shown on a terminal.
WIDTH = 140
VERSIONED = ("numpy", "numba", "gymnasium", "pyarrow", "ray")
LOOK_SECONDS = 0.3
# Of all cores; more than this and figures are those of a shared machine.
QUIET_SHARE = 0.1


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ticks() -> tuple[int, int]:
    """(busy, all) clock ticks of the machine's cores since it started."""
    first = Path("/proc/stat").read_text().splitlines()[0]
    numbers = [int(word) for word in first.split()[1:9]]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, sum(numbers)


def busy_share() -> float | None:
    """Share of the machine's cores that is busy right now; None where the system does not tell."""
    try:
        before = _ticks()
        time.sleep(LOOK_SECONDS)
        after = _ticks()
    except OSError:
        return None
    return round((after[0] - before[0]) / max(after[1] - before[1], 1), 3)


def facts() -> dict[str, str | int | float | None]:
    """Processor, cores this process may use, how busy the machine is, and versions."""
    return {
        "processor": processor(),
        "cores": cores(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "busy_share": busy_share(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in VERSIONED},
    }


def unquiet(machine: dict) -> str | None:
    """A sentence of warning when other work runs beside the benchmark; None when it is quiet."""
    busy = machine["busy_share"]
    if busy is None or busy <= QUIET_SHARE:
        return None
    return (
        f"the machine is not quiet: {busy:.0%} of its cores are busy before anything is measured; "
        "ratios of what is measured in turn still hold, rates are too low"
    )


def parser(text: str, quick: str) -> argparse.ArgumentParser:
    """The options that all scripts have.

    Args:
        text: the script's docstring; its first line is the description.
        quick: what `--quick` leaves out.
    """
    options = argparse.ArgumentParser(description=text.splitlines()[0])
    options.add_argument("--quick", action="store_true", help=quick)
    options.add_argument("--json", type=Path, help="write the figures there")
    return options


def parse(options: argparse.ArgumentParser) -> argparse.Namespace:
    """The options given, and in `machine` the facts before anything is measured."""
    given = options.parse_args()
    given.machine = facts()
    warning = unquiet(given.machine)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    return given


def grid(title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], labels: int) -> Table:
    """A table whose first `labels` columns are text and whose others are numbers."""
    # As Text, because rich would read units in brackets as markup.
    table = Table(title=Text(title), title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(Text(heading), justify="left" if number < labels else "right")
    for line in lines:
        table.add_row(*line)
    return table


def named(env: str, args: dict) -> str:
    """An environment with its arguments, as tables call it."""
    return env + "".join(f" {name}={value}" for name, value in args.items())


def conclude(given: argparse.Namespace, shown: Sequence[Table | str], **content: object) -> None:
    """Prints tables and sentences, then the machine; writes the content where `--json` says."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    for item in shown:
        console.print(item, highlight=False, markup=False)
    told = ", ".join(f"{name} {value}" for name, value in given.machine.items())
    console.print(told, highlight=False, markup=False)
    if given.json:
        write_json(given.json, {"machine": given.machine, **content})


def skip(given: argparse.Namespace, reason: str) -> None:
    """Says why there is nothing to measure here, and ends the script."""
    conclude(given, [f"skipped: {reason}"], skipped=reason)
    sys.exit(0)


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
