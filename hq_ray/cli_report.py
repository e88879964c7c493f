"""`hq-ray report` and `hq-ray select`: the answer of a sweep, and the spec of a second stage."""

from pathlib import Path

import click

from hq_ray.cli_options import SETTINGS, Count, say
from hq_ray.cli_progress import progress_shown
from hq_ray.cli_reading import (
    open_results,
    read_study,
    reading_flags,
    results_name,
    show_verdicts,
)
from hq_ray.errors import InputError

BUDGET = click.Choice(["equal", "all"])


@click.command(name="report", context_settings=SETTINGS)
@reading_flags
@click.option("--out", help="Folder to write to [default: reports/<name of the results>].")
@click.option("--rope", type=float, help="Differences up to this size do not matter.")
@click.option(
    "--budget",
    type=BUDGET,
    default="equal",
    help="Tune both of a pair over as many configurations as the smaller grid has, or over all.",
)
def report_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    rope: float | None,
    budget: str,
) -> None:
    """Write one HTML page that answers which variant wins, where, by how much and how surely."""
    from analysis.report import writable, write_report

    places = open_results(results)
    folder = out or f"reports/{results_name(places)}"
    writable(folder)  # before minutes of reading
    with progress_shown() as show:
        found = read_study(
            places,
            show,
            where,
            metric_name=metric,
            smooth=smooth,
            rope=rope,
            equal_budget=budget == "equal",
            with_times=True,
        )
        page = write_report(found, folder, where, show)
    show_verdicts(found)
    say(f"Report: {page}")


@click.command(name="select", context_settings=SETTINGS)
@reading_flags
@click.option("--top", type=Count(), default=3, help="Configurations of each variant.")
@click.option("--seeds", type=Count(), default=30, help="Fresh seeds of the second stage.")
@click.option("--out", help="Spec to write [default: <name>-stage-2.yaml].")
@click.option(
    "--budget",
    type=BUDGET,
    default="equal",
    help="Choose every variant from as many configurations as the smaller grid of the first "
    "two has, or from all.",
)
def select_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    top: int,
    seeds: int,
    out: str | None,
    budget: str,
) -> None:
    """Choose the best configurations and write a spec that runs them on fresh seeds."""
    from analysis.selection import environments_of, fresh_seeds, select, stage_two_spec
    from sweeps.spec import Sweep

    places = open_results(results)
    if len(places) > 1:
        raise InputError(f"a selection is made from one sweep, got {len(places)}")
    with progress_shown() as show:
        options = {"metric_name": metric, "smooth": smooth, "with_curves": False}
        found = read_study(places, show, where, **options)
    chosen = select(found.table, places[0].location.text, metric, top, budget == "equal")
    name = f"{results_name(places)}-stage-2"
    used = [seed for cell in found.cells for seed in cell.seeds.tolist()]
    spec = stage_two_spec(chosen, name, fresh_seeds(used, seeds), environments_of(found.table))
    Sweep.from_mapping(spec)  # what is written can be run
    path = Path(out or f"{name}.yaml")
    _write_spec(path, f"Second stage of {chosen.results}: {metric}, {seeds} fresh seeds.", spec)
    _show_chosen(chosen, found.table)
    for note in found.notes:
        say(f"Note: {note}")
    say(f"Spec: {path}")
    say(f"Run it with `hq-ray sweep {path}`, then `hq-ray report results/{name}`.")


def _write_spec(path: Path, head: str, spec: dict) -> None:
    import yaml

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {head}\n{yaml.safe_dump(spec, sort_keys=False)}", encoding="utf-8")
    except OSError as problem:
        raise InputError(
            f"--out must be a file that can be written, got {str(path)!r}: {problem.strerror}"
        ) from None


def _show_chosen(chosen: object, table: dict) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    for env, count in chosen.budget.items():
        many = f"up to {count:,} configurations" if count > 1 else "one configuration"
        shown = Table()
        for column in ("variant", "rank", "configuration", f"mean {chosen.metric} ± SE (n)"):
            shown.add_column(column)
        for one in chosen.chosen:
            if one.env == env:
                cell = table[env][one.variant]
                se = "" if one.se is None else f" ± {one.se:,.2g}"
                mean = f"{one.mean:,.5g}{se} ({one.n})"
                label = Text(cell.label(one.row(cell)))
                shown.add_row(one.variant, str(one.rank), label, mean)
        say(f"{env}: each variant chosen from {many}")
        Console().print(shown)


COMMANDS = {"report": report_command, "select": select_command}
