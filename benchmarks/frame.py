"""What every benchmark script shares: its options, its tables, its JSON file."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from machine import facts, unquiet
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Of a table that is not shown on a terminal.
WIDTH = 140


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
