"""`hq-ray status`: what a results folder holds, while a sweep runs and after."""

import click

from hq_ray.cli_options import SETTINGS, say


@click.command(name="status", context_settings=SETTINGS)
@click.argument("results")
def status_command(results: str) -> None:
    """Count the trials in RESULTS by environment and variant, and failures by reason."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hq_ray.errors import InputError
    from hq_ray.store import DONE, FAILED, Results
    from sweeps.status import status

    place = Results.at(results)
    if not place.location.exists():
        raise InputError(f"results must be a folder that a run or sweep wrote, got {results!r}")
    found = status(place)
    console = Console()
    # As Text, so that brackets in a message are not taken for markup.
    table = Table(title=Text(place.location.text))
    table.add_column("env")
    table.add_column("variant")
    for name in (DONE, FAILED):
        table.add_column(name, justify="right")
    for (env, args, variant), cell in found.cells.items():
        shown = env if args == "{}" else f"{env} {args}"
        table.add_row(Text(shown), variant, f"{cell[DONE]:,}", f"{cell[FAILED]:,}")
    console.print(table)
    if found.reasons:
        failures = Table(title="failures")
        failures.add_column("trials", justify="right")
        failures.add_column("reason")
        for reason, count in found.reasons.most_common(20):
            failures.add_row(f"{count:,}", Text(reason))
        console.print(failures)
    say(
        f"{found.total(DONE):,} trials done, {found.total(FAILED):,} failed, "
        f"{found.seconds:,.1f} s of training"
    )
    for sentence in found.damaged:
        say(f"Damaged: {sentence}")
    if found.holder:
        say(f"Process {found.holder['pid']} on {found.holder['host']} is at work on it.")


COMMANDS = {"status": status_command}
