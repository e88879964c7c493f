"""The commands of analysis: trials, compare, plot, report."""

import json
import math
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hq_ray.cli import SETTINGS, Count, flags, say, smooth_flag
from hq_ray.errors import InputError, near_miss
from hq_ray.location import writable
from hq_ray.published import opened
from hq_ray.store import Results
from hq_ray.sweeps.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from hq_ray.analysis.study import Study

FORMATS = click.Choice(["png", "svg", "pdf"])
PER_SEED = click.Choice(["none", "best", "all"])
# Of the columns of the verdict table, those for which a terminal has room.
IN_TERMINAL = ["environment", "variant", "seeds", "difference", "95 % interval", "Holm's p"]
IN_TERMINAL += ["verdict"]

which = flags(
    click.argument("results", nargs=-1, required=True),
    click.option("--where", help="Trials to use, like 'alpha < 0.3 and seed in [0, 1]'."),
)
reading = flags(
    which,
    click.option(
        "--metric",
        "metric_name",
        help="What to judge by [default: that of the confirmation, else mean_return].",
    ),
    smooth_flag,
)
judging = flags(
    reading,
    click.option(
        "--baseline",
        help="Compare with this variant [default: standard, else the first of the spec].",
    ),
    click.option("--rope", type=float, help="Differences up to this size do not matter."),
)


def _open(results: Sequence[str]) -> list[Results]:
    return opened(list(dict.fromkeys(place.rstrip("/") or place for place in results)))


def _read(places: Sequence[Results], where: str | None, **options: Any) -> "Study":
    """The study of these results; options as of `analysis.study.study`.

    Raises:
        InputError: there is no trial, or none that is asked for.
    """
    from hq_ray.analysis.study import study

    found = study(places, where=where, **options)
    if not len(found.trials):
        raise _no_trials(places, where)
    return found


def _no_trials(places: Sequence[Results], where: str | None) -> InputError:
    names = " and ".join(place.location.text for place in places)
    if where:
        return InputError(f"--where must match a trial of {names}, got {where!r}, which has none")
    return InputError(f"results must hold trials, but there are none yet in {names}")


def _show_verdicts(study: "Study") -> None:
    """The comparisons, three metrics and the choices as tables; sentences; what is amiss."""
    from hq_ray.analysis.report import tables
    from hq_ray.analysis.verdict import basis, basis_sentence, judge, overall_sentence

    comparisons = study.comparisons
    if comparisons:
        caption, frame = tables.verdict_table(comparisons)
        bases = {basis(comparison) for comparison in comparisons}
        if len(bases) == 1:
            (word,) = bases
            caption = f"{word.capitalize()}: {caption}"
            frame["verdict"] = frame["verdict"].str.removesuffix(f", {word}")
        _show_table(caption, frame[IN_TERMINAL])
    for env in study.sections:
        for caption, frame in tables.metrics_table(study, env):
            when = frame["metric"].str.partition(":")[0]
            _show_table(f"{env}: {caption}", frame.assign(metric=when))
        for caption, frame in tables.chosen_table(study, env):
            _show_table(f"{env}: {caption}", frame)
    for comparison in comparisons:
        say(judge(comparison).sentence)
    overall = f"{overall_sentence(comparisons)} {basis_sentence(comparisons)}"
    say(overall if comparisons else tables.why_no_verdict(study))
    for note in study.notes:
        say(f"Note: {note}")


def _show_table(caption: str, frame: "pd.DataFrame") -> None:
    """A table in the terminal, in which no word is broken."""
    from pandas.api.types import is_numeric_dtype
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hq_ray.analysis.report.tables import cell_text

    # As Text, so that brackets are not taken for markup.
    table = Table(title=Text(caption), title_justify="left", box=SIMPLE_HEAD, padding=0)
    cells = frame.map(cell_text)
    for name in frame:
        texts = [name, *cells[name]]
        word = max(map(len, " ".join(texts).split()))
        table.add_column(
            name,
            justify="right" if is_numeric_dtype(frame[name]) else "left",
            min_width=word,
            no_wrap=word == max(map(len, texts)),
        )
    for row in cells.itertuples(index=False):
        table.add_row(*map(Text, row))
    Console().print(table, crop=False)


@click.command(name="trials", context_settings=SETTINGS)
@which
@click.option("--best", type=Count(), help="Show only this many finished trials, best first.")
@click.option("--metric", default="mean_return", help="Metric that --best sorts by.")
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
    from hq_ray.analysis.cells import SETTING_COLUMNS, environment_labels, with_own_settings
    from hq_ray.analysis.metrics import THREE_METRICS
    from hq_ray.load import load_trials
    from hq_ray.schema import BETTER
    from hq_ray.store import DONE

    if metric not in BETTER:
        raise InputError(f"unknown metric {metric!r} of trials{near_miss(metric, BETTER)}")
    places = _open(results)
    trials = load_trials(places, where, quiet=True)
    if best is not None:
        done = trials[trials["status"] == DONE].dropna(subset=metric)
        trials = done.sort_values(metric, ascending=BETTER[metric] < 0, kind="stable").head(best)
    if csv:
        print(trials.to_csv(index=False), end="")
    elif as_json:
        plain = trials.assign(seed=trials["seed"].astype(str)).astype(object)
        print(json.dumps(plain.where(plain.notna(), None).to_dict("records"), default=str))
    elif not len(trials):
        raise _no_trials(places, where)
    else:
        trials, own = with_own_settings(trials)
        varying = [name for name in (*SETTING_COLUMNS, *own) if trials[name].nunique() > 1]
        numbers = dict.fromkeys((*THREE_METRICS, metric))
        names = ["trial_id", "environment", "variant", "seed", *varying, "role", "status", *numbers]
        shown = trials.assign(environment=environment_labels(trials))[names].astype(object)
        # Ids and seeds whole, whatever the width of the terminal.
        print(shown.to_string(index=False, na_rep="–", float_format="{:,.6g}".format))


@click.command(name="compare", context_settings=SETTINGS)
@judging
@click.option("--threshold", type=float, help="Say how many seeds reach this smoothed return.")
def compare_command(
    results: tuple[str, ...], where: str | None, threshold: float | None, **options: Any
) -> None:
    """Say which variant is better, where, by how much and how surely; `plot` draws."""
    if threshold is not None and not math.isfinite(threshold):
        raise InputError(f"threshold must be a finite number, got {threshold}")
    study = _read(_open(results), where, with_references=threshold is not None, **options)
    _show_verdicts(study)
    if threshold is not None:
        _show_table(f"Smoothed return of at least {threshold:g}", study.reached(threshold))


@click.command(name="plot", context_settings=SETTINGS)
@reading
@click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
@click.option("--successes_only", is_flag=True, help="Draw the steps of successes only.")
@click.option("--per_seed", type=PER_SEED, default="none", help="Draw each trial's curves, too.")
@click.option("--format", "kind", type=FORMATS, default="png", help="File format of the figures.")
def plot_command(
    results: tuple[str, ...],
    where: str | None,
    out: str | None,
    successes_only: bool,
    per_seed: str,
    kind: str,
    **options: Any,
) -> None:
    """Draw the figures: curves, scores, hyperparameters, pairs, health; the data beside each."""
    from hq_ray.analysis.figure_files import write_figures, write_per_seed
    from hq_ray.analysis.figures import figures_of
    from hq_ray.analysis.study import folder_name

    places = _open(results)
    folder = out or f"plots/{folder_name(places, where)}"
    place = writable(folder)
    with Progress() as progress:
        study = _read(places, where, **options)
        figures = figures_of(study, successes_only)
        write_figures(figures, place, kind, progress.show)
        if per_seed != "none":
            write_per_seed(study, per_seed == "all", place, kind, progress.show)
    for note in study.notes:
        say(f"Note: {note}")
    if successes_only and not any(figure.name.startswith("curves_steps") for figure in figures):
        say(
            "Note: there is no window in which every seed succeeds, so no figure of the steps of "
            "successes"
        )
    say(f"Figures: {folder}")


@click.command(name="report", context_settings=SETTINGS)
@judging
@click.option("--out", help="Folder to write to [default: reports/<name of the results>].")
@click.option("--open", "opens", is_flag=True, help="Show the page in the browser.")
def report_command(
    results: tuple[str, ...], where: str | None, out: str | None, opens: bool, **options: Any
) -> None:
    """Write one HTML page that answers which variant wins, where, by how much and how surely."""
    from hq_ray.analysis.report.page import write_report
    from hq_ray.analysis.study import folder_name

    places = _open(results)
    folder = out or f"reports/{folder_name(places, where)}"
    if opens and "://" in folder:
        raise InputError(f"--open must go with a path to write to, got --out {folder!r}")
    writable(folder)  # before minutes of reading
    with Progress() as progress:
        study = _read(places, where, **options)
        page = write_report(study, folder, progress.show)
    _show_verdicts(study)
    say(f"Report: {page}")
    if opens:
        webbrowser.open(Path(page).resolve().as_uri())


COMMANDS = {
    "trials": trials_command,
    "plot": plot_command,
    "compare": compare_command,
    "report": report_command,
}
