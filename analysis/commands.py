"""The commands of analysis: plot, compare, report."""

from collections.abc import Callable, Sequence

import click

from hq_ray.analysis.progress import progress_shown
from hq_ray.cli import SETTINGS, Count, say
from hq_ray.errors import InputError
from hq_ray.store import Results

PER_SEED = click.Choice(["none", "best", "all"])
OUT = click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
SUCCESSES = click.option("--successes_only", is_flag=True, help="Steps of successes only.")


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


def read_study(places: list[Results], where: str | None, **options: object) -> object:
    """The study of these results, as `analysis.study.study` makes it.

    Raises:
        InputError: there is no trial, or none that is asked for.
    """
    from hq_ray.analysis.study import study

    found = study(places, where=where, **options)
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

    from hq_ray.analysis.reporting.report_sections import nothing_words
    from hq_ray.analysis.verdict import basis_words, overall_words, summary

    rows = [summary(one) for one in found.comparisons]
    several = len({(row["variant"], row["baseline"]) for row in rows}) > 1
    names = ["environment", *["variant"] * several, "n", "difference", "95 % interval", "Holm's p"]
    table = Table()
    for name in (*names, "verdict (exploratory)"):
        is_text = name in ("environment", "variant", "verdict (exploratory)")
        table.add_column(name, justify="left" if is_text else "right")
    for row in rows:
        who = [Text(f"{row['variant']} - {row['baseline']}")] if several else []
        table.add_row(Text(row["env"]), *who, *_numbers(row), row["kind"])
    if rows:
        Console().print(table)
    for row in rows:
        say(row["verdict"])
    some = found.comparisons
    say(f"{overall_words(some)} {basis_words(some)}" if some else nothing_words(found))
    for note in found.notes:
        say(f"Note: {note}")


def _numbers(row: dict) -> list[str]:
    """n, difference, interval and Holm's p of a comparison, a dash for what there is not."""
    if row["difference"] is None:
        return ["–"] * 4
    n = str(row["n"]) if row["paired"] else f"{row['n']}, {row['baseline_n']}"
    p_value = "–" if row["p_holm"] is None else f"{row['p_holm']:.2g}"
    interval = f"{row['low']:,.3g} to {row['high']:,.3g}"
    return [n, f"{row['difference']:,.3g}", interval, p_value]


@click.command(name="plot", context_settings=SETTINGS)
@reading_flags
@OUT
@SUCCESSES
@click.option("--per_seed", type=PER_SEED, default="none", help="Two figures per trial, too.")
def plot_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    successes_only: bool,
    per_seed: str,
) -> None:
    """Draw learning curves of the best configuration of each variant: means, seeds, rates."""
    from hq_ray.analysis.report import writable, write_pictures
    from hq_ray.analysis.reporting.exhibits_curves import curve_exhibits, rate_exhibits

    places = open_results(results)
    folder = out or f"plots/{results_name(places)}"
    writable(folder)
    with progress_shown() as show:
        found = read_study(places, where, metric_name=metric, smooth=smooth)
        exhibits = [*curve_exhibits(found, successes_only), *rate_exhibits(found)]
        write_pictures((e for e in exhibits if not e.stem.startswith("diff_")), folder, show)
        if per_seed != "none":
            from hq_ray.analysis.reporting.per_seed import write_per_seed

            write_per_seed(found, per_seed == "all", folder, show)
    for note in found.notes:
        say(f"Note: {note}")
    _say_without_successes(exhibits, successes_only)
    say(f"Figures: {folder}")


@click.command(name="compare", context_settings=SETTINGS)
@reading_flags
@OUT
@SUCCESSES
@click.option("--rope", type=float, help="Differences up to this size do not matter.")
def compare_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    successes_only: bool,
    rope: float | None,
) -> None:
    """Draw mean ± standard error of the variants and their paired difference; say who wins."""
    from hq_ray.analysis.report import writable, write_pictures
    from hq_ray.analysis.reporting.exhibits_curves import curve_exhibits
    from hq_ray.analysis.reporting.exhibits_scores import score_exhibits

    places = open_results(results)
    folder = out or f"plots/{results_name(places)}"
    writable(folder)
    with progress_shown() as show:
        found = read_study(places, where, metric_name=metric, smooth=smooth, rope=rope)
        curves = curve_exhibits(found, successes_only)
        both = [e for e in curves if e.stem.startswith(("compare_", "diff_"))]
        write_pictures([*both, *score_exhibits(found)], folder, show)
    show_verdicts(found)
    _say_without_successes(both, successes_only)
    say(f"Figures: {folder}")


def _say_without_successes(exhibits: Sequence, successes_only: bool) -> None:
    if successes_only and all(one.stem != "compare_mean_se_steps" for one in exhibits):
        say(
            "Note: there is no window in which every seed succeeds, so no figure of the steps of "
            "successes"
        )


@click.command(name="report", context_settings=SETTINGS)
@reading_flags
@click.option("--out", help="Folder to write to [default: reports/<name of the results>].")
@click.option("--rope", type=float, help="Differences up to this size do not matter.")
def report_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    rope: float | None,
) -> None:
    """Write one HTML page that answers which variant wins, where, by how much and how surely."""
    from hq_ray.analysis.report import writable, write_report

    places = open_results(results)
    folder = out or f"reports/{results_name(places)}"
    writable(folder)  # before minutes of reading
    with progress_shown() as show:
        found = read_study(places, where, metric_name=metric, smooth=smooth, rope=rope)
        page = write_report(found, folder, where, show)
    show_verdicts(found)
    say(f"Report: {page}")


COMMANDS = {
    "plot": plot_command,
    "compare": compare_command,
    "report": report_command,
}
