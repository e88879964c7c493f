"""The commands of analysis: plot, compare, report."""

import hashlib
import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hq_ray.analysis.words import file_stem
from hq_ray.cli import SETTINGS, Count, say
from hq_ray.errors import InputError, near_miss
from hq_ray.store import Results
from hq_ray.sweeps.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from hq_ray.analysis.study import Study

FORMAT = click.Choice(["png", "svg", "pdf"])
PER_SEED = click.Choice(["none", "best", "all"])
RESULTS = click.argument("results", nargs=-1, required=True)
WHERE = click.option("--where", help="Trials to use, like 'alpha < 0.3 and seed in [0, 1]'.")
METRIC = click.option(
    "--metric", help="What to judge by [default: that of the confirmation, else mean_return]."
)
SMOOTH = click.option("--smooth", type=Count(), default=151, help="Window of curves, episodes.")
VERDICT_COLUMNS = ["environment", "variant", "verdict", "difference", "95 % interval", "Holm's p"]
VERDICT_COLUMNS += ["seeds"]
SHOWN_OF_TRIALS = ("mean_return", "final_return", "policy_value")
OUT = click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
SUCCESSES = click.option("--successes_only", is_flag=True, help="Steps of successes only.")
ROPE = click.option("--rope", type=float, help="Differences up to this size do not matter.")
BASELINE = click.option(
    "--baseline", help="Compare with this variant [default: standard, else the first of the spec]."
)


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


def read_study(places: list[Results], where: str | None, **options: Any) -> "Study":
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


def results_name(places: list[Results], where: str | None = None) -> str:
    """A name for what is made of these results, or of those of their trials."""
    name = "-and-".join(one.location.path.rpartition("/")[2] for one in places)
    if not where:
        return name
    digest = hashlib.sha256(where.encode()).hexdigest()[:6]
    return file_stem(f"{name}-where-{where}") + f"-{digest}"


def show_verdicts(found: "Study") -> None:
    """The comparisons as a table, three metrics, each verdict as a sentence, what is amiss."""
    from hq_ray.analysis.report.tables import (
        chosen_table,
        metrics_table,
        verdict_table,
        why_no_verdict,
    )
    from hq_ray.analysis.verdict import basis_sentence, judge, overall_sentence

    some = found.comparisons
    if some:
        caption, frame = verdict_table(some)
        _show_table(caption, frame[VERDICT_COLUMNS])
    for env in found.table:
        for caption, frame in (*metrics_table(some, env), *chosen_table(found, env)):
            _show_table(f"{env}: {caption}", frame)
    for one in some:
        say(judge(one).sentence)
    say(f"{overall_sentence(some)} {basis_sentence(some)}" if some else why_no_verdict(found))
    for note in found.notes:
        say(f"Note: {note}")


def _show_table(title: str, frame: "pd.DataFrame") -> None:
    """A table in the terminal; numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hq_ray.analysis.report.tables import cells, columns

    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns(frame):
        table.add_column(
            column["name"], justify="right" if column["number"] else "left", overflow="fold"
        )
    for row in cells(frame):
        table.add_row(*map(Text, row))
    Console().print(table)


@click.command(name="trials", context_settings=SETTINGS)
@RESULTS
@WHERE
@click.option("--best", type=Count(), help="Only so many of the done ones, the best first.")
@click.option("--metric", default="mean_return", help="What --best goes by.")
@click.option("--csv", is_flag=True, help="All columns, as CSV.")
@click.option("--json", "as_json", is_flag=True, help="All columns, as JSON; seeds are text.")
def trials_command(
    results: tuple[str, ...],
    where: str | None,
    best: int | None,
    metric: str,
    csv: bool,
    as_json: bool,
) -> None:
    """List trials with their ids, which `replay` takes."""
    from hq_ray.analysis.cells import SETTINGS as HYPERPARAMETERS
    from hq_ray.analysis.cells import environment_labels
    from hq_ray.load import load_trials
    from hq_ray.schema import BETTER
    from hq_ray.store import DONE

    if metric not in BETTER:
        raise InputError(f"unknown metric {metric!r} of trials{near_miss(metric, BETTER)}")
    trials = load_trials(open_results(results), where, quiet=True)
    if best is not None:
        done = trials[trials["status"] == DONE].dropna(subset=metric)
        trials = done.sort_values(metric, ascending=BETTER[metric] < 0, kind="stable").head(best)
    if csv:
        print(trials.to_csv(index=False))
    elif as_json:
        plain = trials.assign(seed=trials["seed"].astype(str)).astype(object)
        print(json.dumps(plain.where(plain.notna(), None).to_dict("records"), default=str))
    else:
        varying = [name for name in HYPERPARAMETERS if trials[name].nunique() > 1]
        numbers = list(dict.fromkeys((*SHOWN_OF_TRIALS, metric)))
        names = ["trial_id", "environment", "variant", "seed", *varying, "role", "status", *numbers]
        shown = trials.assign(environment=environment_labels(trials))[names].astype(object)
        # Ids and seeds whole, whatever the width of the terminal.
        print(shown.to_string(index=False, na_rep="–", float_format="{:,.6g}".format))


@click.command(name="plot", context_settings=SETTINGS)
@RESULTS
@WHERE
@METRIC
@SMOOTH
@OUT
@SUCCESSES
@click.option("--per_seed", type=PER_SEED, default="none", help="Two figures per trial, too.")
@click.option("--format", "kind", type=FORMAT, default="png", help="Of the figures.")
def plot_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str | None,
    smooth: int,
    out: str | None,
    successes_only: bool,
    per_seed: str,
    kind: str,
) -> None:
    """Draw the figures: curves, scores, hyperparameters, pairs, health; the data beside each."""
    from hq_ray.analysis.figure_data import figures_of, planned_counts
    from hq_ray.analysis.figure_files import writable, write_figures, write_per_seed

    places = open_results(results)
    folder = out or f"plots/{results_name(places, where)}"
    writable(folder)
    with Progress() as progress:
        found = read_study(places, where, metric_name=metric, smooth=smooth)
        figures = figures_of(found, {} if where else planned_counts(found), successes_only)
        write_figures(figures, folder, kind, progress.show)
        if per_seed != "none":
            write_per_seed(found, per_seed == "all", folder, kind, progress.show)
    for note in found.notes:
        say(f"Note: {note}")
    if successes_only and not any(one.name.startswith("curves_steps") for one in figures):
        say(
            "Note: there is no window in which every seed succeeds, so no figure of the steps of "
            "successes"
        )
    say(f"Figures: {folder}")


@click.command(name="compare", context_settings=SETTINGS)
@RESULTS
@WHERE
@METRIC
@BASELINE
@ROPE
@click.option("--threshold", type=float, help="Say how many seeds reach this smoothed return.")
@SMOOTH
def compare_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str | None,
    baseline: str | None,
    rope: float | None,
    threshold: float | None,
    smooth: int,
) -> None:
    """Say which variant is better, where, by how much and how surely; `plot` draws."""
    options = {"metric_name": metric, "baseline": baseline, "rope": rope, "smooth": smooth}
    with_curves = threshold is not None
    found = read_study(open_results(results), where, with_curves=with_curves, **options)
    show_verdicts(found)
    if threshold is not None:
        _show_table(f"Smoothed return of at least {threshold:g}", found.reached(threshold))


@click.command(name="report", context_settings=SETTINGS)
@RESULTS
@WHERE
@METRIC
@BASELINE
@ROPE
@SMOOTH
@click.option("--out", help="Folder to write to [default: reports/<name of the results>].")
@click.option("--open", "opened", is_flag=True, help="Show the page in the browser.")
def report_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str | None,
    baseline: str | None,
    rope: float | None,
    smooth: int,
    out: str | None,
    opened: bool,
) -> None:
    """Write one HTML page that answers which variant wins, where, by how much and how surely."""
    from hq_ray.analysis.figure_files import writable
    from hq_ray.analysis.report.page import write_report

    places = open_results(results)
    folder = out or f"reports/{results_name(places)}"
    if opened and "://" in folder:
        raise InputError(f"--open must go with a path to write to, got --out {folder!r}")
    writable(folder)  # before minutes of reading
    with Progress() as progress:
        options = {"metric_name": metric, "baseline": baseline, "rope": rope, "smooth": smooth}
        found = read_study(places, where, **options)
        page = write_report(found, folder, where, progress.show)
    show_verdicts(found)
    say(f"Report: {page}")
    if opened:
        webbrowser.open(Path(page).resolve().as_uri())


COMMANDS = {
    "trials": trials_command,
    "plot": plot_command,
    "compare": compare_command,
    "report": report_command,
}
