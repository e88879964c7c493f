"""What the commands that read results share: their flags, opening the results, the verdicts."""

from collections.abc import Callable

import click

from hq_ray.cli_options import Count, say
from hq_ray.cli_progress import Show
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
    """The results folders, each once.

    Raises:
        InputError: one is not there.
    """
    found = []
    for place in dict.fromkeys(place.rstrip("/") or place for place in places):
        results = Results.at(place)
        if not results.location.exists():
            raise InputError(f"results must be a folder that a run or sweep wrote, got {place!r}")
        found.append(results)
    return found


def read_study(
    places: list[Results], show: Show, where: str | None = None, **options: object
) -> object:
    """The study of these results, as `analysis.study.study` makes it.

    Raises:
        InputError: there is no trial, or none that is asked for.
    """
    from analysis.study import study

    def advance(done: int, total: int) -> None:
        show("reading configurations", done, total)

    found = study(places, where=where, progress=advance, **options)
    if not len(found.trials):
        names = " and ".join(one.location.text for one in places)
        if where:
            raise InputError(
                f"--where must match a trial of {names}, got {where!r}, which has none"
            )
        raise InputError(f"results must hold trials, but {names} has none yet")
    return found


def results_name(places: list[Results]) -> str:
    """A name for what is made of these results."""
    return "-and-".join(one.location.path.rpartition("/")[2] for one in places)


def show_verdicts(found: object) -> None:
    """The comparisons as a table, then each verdict as a sentence, then what is amiss."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from analysis.comparison import headline
    from analysis.reporting.report_sections import nothing_words
    from analysis.verdict import basis_words, judge, overall_words

    asked = headline(found.comparisons)
    table = Table()
    for name in ("environment", "n", "difference", "95 % interval", "P(better)", "verdict"):
        table.add_column(name, justify="left" if name in ("environment", "verdict") else "right")
    for one in asked:
        row = one.summary()
        n = str(row["n"]) if one.paired else f"{row['n']}, {row['baseline_n']}"
        interval = "–" if row["low"] is None else f"{row['low']:,.3g} to {row['high']:,.3g}"
        chance, difference = f"{row['improvement']:.2f}", f"{row['difference']:,.3g}"
        table.add_row(Text(one.env), n, difference, interval, chance, judge(one).kind)
    if asked:
        Console().print(table)
    for one in asked:
        say(judge(one).sentence)
    say(f"{overall_words(asked)} {basis_words(asked)}" if asked else nothing_words(found))
    for note in found.notes:
        say(f"Note: {note}")
