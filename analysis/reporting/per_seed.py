"""Figures of single trials: as many as there are seeds, so they are made as jobs to be spread."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.drawing.figures import curve_figure
from hq_ray.analysis.reporting.exhibits import file_stem
from hq_ray.analysis.reporting.report_page import png_bytes
from hq_ray.analysis.study import Study
from hq_ray.load import stream_curves
from hq_ray.location import Location

QUANTITIES = {"returns": "episode_return", "steps": "steps"}
# Drawing takes a fraction of a second, opening the results may take as long: some share it.
JOBS_PER_GROUP = 8


@dataclass(frozen=True)
class Job:
    """One trial to draw; small enough to travel, the episodes are read where it is drawn.

    Attributes:
        results: paths or URIs of the sweeps that may hold it.
        trial_id: of the trial.
        folder: below which its figures belong.
        env, variant, settings: for title and caption.
        seed: of the trial.
        smooth: window, in episodes.
        optimum: levels of the reference lines by quantity.
    """

    results: tuple[str, ...]
    trial_id: str
    folder: str
    env: str
    variant: str
    settings: str
    seed: int
    smooth: int
    optimum: dict[str, float | None]


def per_seed_jobs(study: Study, every: bool) -> list[Job]:
    """Jobs for the best configuration of each cell, or for every configuration."""
    jobs = []
    for cell in study.cells:
        best = study.best.get((cell.env, cell.variant))
        for number in range(len(cell)) if every else [] if best is None else [best]:
            jobs += _jobs(study, cell, number)
    return jobs


def _jobs(study: Study, cell: Cell, number: int) -> list[Job]:
    label = cell.labels[number]
    places = tuple(_absolute(one.location) for one in study.results)
    reference = study.references.get(cell.env)
    optimum = {
        "returns": reference and reference.optimal_return,
        "steps": reference and reference.optimal_steps,
    }
    parts = (cell.env, cell.variant, *([label.replace(", ", "_")] if len(cell) > 1 else []))
    folder = "/".join(["per_seed", *map(file_stem, parts)])
    seeds = cell.seeds[cell.rows[number] >= 0].tolist()
    return [
        Job(
            results=places,
            trial_id=trial_id,
            folder=f"{folder}/s{seed}",
            env=cell.env,
            variant=cell.variant,
            settings=label if len(cell) > 1 else "",
            seed=seed,
            smooth=study.smooth,
            optimum=optimum,
        )
        for trial_id, seed in zip(cell.trial_ids(number), seeds, strict=True)
    ]


def _absolute(location: Location) -> str:
    """A place that means the same in a worker, whose working folder is another one."""
    return location.path if location.is_local else location.text


def in_groups(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    """The jobs, in order, in groups that are worth a task."""
    return [jobs[at : at + JOBS_PER_GROUP] for at in range(0, len(jobs), JOBS_PER_GROUP)]


def draw_jobs(jobs: Sequence[Job]) -> list[dict[str, bytes]]:
    """For each trial its learning curve and its steps curve, as PNG by name.

    Args:
        jobs: all of the same results.
    """
    columns = list(QUANTITIES.values())
    groups = [[job.trial_id] for job in jobs]
    read = stream_curves(list(jobs[0].results), groups, columns)
    drawn = {number: dict(_draw(jobs[number], curves)) for number, curves in read}
    return [drawn[number] for number in range(len(jobs))]


def _draw(job: Job, curves: dict[str, np.ndarray]) -> Iterator[tuple[str, bytes]]:
    for quantity, column in QUANTITIES.items():
        figure = curve_figure(
            curves[column][0],
            variant=job.variant,
            seed=job.seed,
            env=job.env,
            quantity=quantity,
            smooth=job.smooth,
            optimum=job.optimum[quantity],
            settings=job.settings,
            raw=True,
        )
        yield f"seed_{quantity}", png_bytes(figure)
