"""`hq-ray report` and `hq-ray select`: the answer of a sweep, and the spec of a second stage."""

from pathlib import Path

import click

from hq_ray.cli_options import SETTINGS, Count, say
from hq_ray.cli_reading import (
    open_results,
    reading_flags,
    results_name,
    show_verdicts,
    study_with_progress,
)
from hq_ray.errors import InputError


@click.command(name="report", context_settings=SETTINGS)
@reading_flags
@click.option("--out", help="Folder to write to [default: reports/<name of the results>].")
@click.option("--rope", type=float, help="Differences up to this size do not matter.")
@click.option(
    "--budget",
    type=click.Choice(["equal", "all"]),
    default="equal",
    help="Tune every variant over as many configurations as the smallest grid has, or over all.",
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
    from analysis.report import write_report

    places = open_results(results)
    folder = Path(out or Path("reports") / results_name(places))
    found = study_with_progress(
        places,
        where=where,
        metric_name=metric,
        smooth=smooth,
        rope=rope,
        equal_budget=budget == "equal",
        with_times=True,
    )
    from sweeps.progress import notice_after

    with notice_after(2.0, "drawing the figures"):
        page = write_report(found, folder)
    show_verdicts(found)
    say(f"Report: {page}")


@click.command(name="select", context_settings=SETTINGS)
@reading_flags
@click.option("--top", type=Count(), default=3, help="Configurations of each variant.")
@click.option("--seeds", type=Count(), default=30, help="Fresh seeds of the second stage.")
@click.option("--out", help="Spec to write [default: <name>-stage-2.yaml].")
@click.option(
    "--budget",
    type=click.Choice(["equal", "all"]),
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
    import yaml
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from analysis.selection import environments_of, fresh_seeds, select, stage_two_spec
    from sweeps.spec import Sweep

    places = open_results(results)
    if len(places) > 1:
        raise InputError(f"a selection is made from one sweep, got {len(places)}")
    found = study_with_progress(
        places, where=where, metric_name=metric, smooth=smooth, with_curves=False
    )
    chosen = select(found.table, places[0].location.text, metric, top, budget == "equal")
    name = f"{results_name(places)}-stage-2"
    used = [seed for cell in found.cells for seed in cell.seeds.tolist()]
    spec = stage_two_spec(chosen, name, fresh_seeds(used, seeds), environments_of(found.table))
    Sweep.from_mapping(spec)  # what is written can be run
    path = Path(out or f"{name}.yaml")
    head = f"# Second stage of {chosen.results}: {metric}, {seeds} fresh seeds.\n"
    path.write_text(head + yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    for env, count in chosen.budget.items():
        title = f"{env}: by {metric}, each variant from up to {count:,} configurations"
        table = Table(title=Text(title), title_justify="left")
        for column in ("variant", "rank", "configuration", "mean ± SE (n)"):
            table.add_column(column)
        for one in chosen.chosen:
            if one.env == env:
                cell = found.table[env][one.variant]
                se = "" if one.se is None else f" ± {one.se:,.2g}"
                mean = f"{one.mean:,.5g}{se} ({one.n})"
                table.add_row(one.variant, str(one.rank), Text(cell.label(one.row(cell))), mean)
        Console().print(table)
    say(f"Spec: {path}")
    say(f"Run it with: hq-ray sweep {path}")
    say(f"and then:    hq-ray report results/{name}")


COMMANDS = {"report": report_command, "select": select_command}
