"""`hq-ray plot` and `hq-ray compare`: the figures of a sweep's curves, without a report."""

from collections.abc import Sequence

import click

from hq_ray.cli_options import SETTINGS, Count, say
from hq_ray.cli_progress import Show, progress_shown
from hq_ray.cli_reading import (
    open_results,
    read_study,
    reading_flags,
    results_name,
    show_verdicts,
)

PER_SEED = click.Choice(["none", "best", "all"])
OUT = click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
SUCCESSES = click.option("--successes_only", is_flag=True, help="Steps of successes only.")


@click.command(name="plot", context_settings=SETTINGS)
@reading_flags
@OUT
@SUCCESSES
@click.option("--per_seed", type=PER_SEED, default="none", help="A figure per trial, drawn on Ray.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray cluster for --per_seed.")
@click.option("--cores", type=Count(), help="Cores for --per_seed [default: all].")
def plot_command(
    results: tuple[str, ...],
    where: str | None,
    metric: str,
    smooth: int,
    out: str | None,
    successes_only: bool,
    per_seed: str,
    address: str | None,
    cores: int | None,
) -> None:
    """Draw learning curves of the best configuration of each variant: means, seeds, rates."""
    from analysis.report import writable, write_pictures
    from analysis.reporting.exhibits_curves import curve_exhibits
    from analysis.reporting.exhibits_rates import rate_exhibits

    places = open_results(results)
    folder = out or f"plots/{results_name(places)}"
    writable(folder)
    with progress_shown() as show:
        found = read_study(places, show, where, metric_name=metric, smooth=smooth)
        exhibits = [*curve_exhibits(found, successes_only), *rate_exhibits(found)]
        write_pictures((e for e in exhibits if not e.stem.startswith("diff_")), folder, show)
        if per_seed != "none":
            from analysis.reporting.per_seed import per_seed_jobs

            _per_seed(per_seed_jobs(found, per_seed == "all"), folder, address, cores, show)
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
    from analysis.report import writable, write_pictures
    from analysis.reporting.exhibits_curves import curve_exhibits
    from analysis.reporting.exhibits_scores import score_exhibits

    places = open_results(results)
    folder = out or f"plots/{results_name(places)}"
    writable(folder)
    with progress_shown() as show:
        found = read_study(places, show, where, metric_name=metric, smooth=smooth, rope=rope)
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


def _per_seed(
    jobs: Sequence, folder: str, address: str | None, cores: int | None, show: Show
) -> None:
    """Draws two figures per trial as Ray tasks; their bytes come back, so any node may draw."""
    from analysis.reporting.per_seed import draw_jobs, in_groups
    from hq_ray.location import Location
    from sweeps.ray_map import map_on_ray

    place = Location.of(folder)
    drawn = (
        files for group in map_on_ray(draw_jobs, in_groups(jobs), address, cores) for files in group
    )
    for number, (job, files) in enumerate(zip(jobs, drawn, strict=True), start=1):
        for name, content in files.items():
            place.child(job.folder).write(f"{name}.png", content)
        show("drawing trials", number, len(jobs))


COMMANDS = {"plot": plot_command, "compare": compare_command}
