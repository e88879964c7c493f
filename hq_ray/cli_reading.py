"""What the commands that read results share: their flags, opening the results, progress."""

from collections.abc import Callable

import click

from hq_ray.cli_options import Count, say
from hq_ray.errors import InputError
from hq_ray.store import Results


def reading_flags(command: Callable) -> Callable:
    """Which results, which of their trials, by which metric, how smooth."""
    for option in reversed(
        (
            click.argument("results", nargs=-1, required=True),
            click.option("--where", help="Trials to use, like 'alpha < 0.3 and seed in [0, 1]'."),
            click.option("--metric", default="final_return", help="What to judge by."),
            click.option("--smooth", type=Count(), default=151, help="Window of curves, episodes."),
        )
    ):
        command = option(command)
    return command


def open_results(places: tuple[str, ...]) -> list[Results]:
    """The results folders.

    Raises:
        InputError: one is not there.
    """
    found = []
    for place in places:
        results = Results.at(place)
        if not results.location.exists():
            raise InputError(f"results must be a folder that a run or sweep wrote, got {place!r}")
        found.append(results)
    return found


def study_with_progress(places: list[Results], **options: object) -> object:
    """The study of these results; what takes more than a moment shows how far it is."""
    from rich.progress import Progress

    from analysis.study import study

    with Progress(transient=True) as bar:
        task = None

        def advance(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task("reading episodes", total=total)
            bar.update(task, completed=done)

        return study(places, progress=advance, **options)


def results_name(places: list[Results]) -> str:
    """A name for what is made of these results."""
    return "-and-".join(one.location.path.rpartition("/")[2] for one in places)


def show_verdicts(found: object) -> None:
    """The comparisons as a table, then each verdict as a sentence, then what is amiss."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from analysis.comparison import headline
    from analysis.verdict import basis_words, judge, overall_words

    asked = headline(found.comparisons)
    table = Table()
    for name in ("environment", "n", "difference", "95 % interval", "P(better)", "verdict"):
        table.add_column(name, justify="left" if name in ("environment", "verdict") else "right")
    for one in asked:
        row = one.summary()
        interval = "–" if row["low"] is None else f"{row['low']:,.3g} to {row['high']:,.3g}"
        chance, kind = f"{row['improvement']:.2f}", judge(one).kind
        table.add_row(
            Text(one.env), str(row["n"]), f"{row['difference']:,.3g}", interval, chance, kind
        )
    if asked:
        Console().print(table)
    for one in asked:
        say(judge(one).sentence)
    say(f"{overall_words(asked)} {basis_words(asked)}" if asked else "There is nothing to compare.")
    for note in found.notes:
        say(f"Note: {note}")
