"""`hq-ray plot` and `hq-ray compare`: the figures of a sweep's curves, without a report."""

from collections.abc import Iterable
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

PER_SEED = click.Choice(["none", "best", "all"])


@click.command(name="plot", context_settings=SETTINGS)
@reading_flags
@click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
@click.option("--successes_only", is_flag=True, help="Steps of successful episodes only.")
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
    from analysis.exhibits_curves import curve_exhibits

    places = open_results(results)
    found = study_with_progress(places, where=where, metric_name=metric, smooth=smooth)
    folder = Path(out or Path("plots") / results_name(places))
    exhibits = [
        one for one in curve_exhibits(found, successes_only) if not one.stem.startswith("diff_")
    ]
    _write(exhibits, folder)
    if per_seed != "none":
        from analysis.per_seed import per_seed_jobs

        _per_seed(per_seed_jobs(found, every=per_seed == "all"), folder, address, cores)
    say(f"Figures: {folder}")


@click.command(name="compare", context_settings=SETTINGS)
@reading_flags
@click.option("--out", help="Folder to write to [default: plots/<name of the results>].")
@click.option("--successes_only", is_flag=True, help="Steps of successful episodes only.")
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
    from analysis.exhibits_curves import curve_exhibits
    from analysis.exhibits_scores import score_exhibits

    places = open_results(results)
    found = study_with_progress(places, where=where, metric_name=metric, smooth=smooth, rope=rope)
    folder = Path(out or Path("plots") / results_name(places))
    curves = [
        one
        for one in curve_exhibits(found, successes_only)
        if one.stem.startswith(("compare_", "diff_"))
    ]
    _write([*curves, *score_exhibits(found)], folder)
    show_verdicts(found)
    say(f"Figures: {folder}")


def _write(exhibits: Iterable[object], folder: Path) -> None:
    from analysis.report import picture
    from sweeps.progress import notice_after

    with notice_after(2.0, "drawing the figures"):
        for exhibit in exhibits:
            _put(folder / f"{exhibit.stem}.png", picture(exhibit))


def _per_seed(jobs: list, folder: Path, address: str | None, cores: int | None) -> None:
    """Draws one figure per trial as Ray tasks; their bytes come back, so any node may draw."""
    from rich.progress import track

    from analysis.per_seed import draw_job
    from sweeps.ray_map import map_on_ray

    pictures = map_on_ray(draw_job, jobs, address, cores)
    for job, drawn in zip(
        jobs, track(pictures, "drawing a figure per trial", len(jobs), transient=True), strict=True
    ):
        for name, content in drawn.items():
            _put(folder / job.folder / f"{name}.png", content)


def _put(path: Path, content: bytes) -> None:
    from hq_ray.location import Location

    Location.of(path.parent).write(path.name, content)


COMMANDS = {"plot": plot_command, "compare": compare_command}
