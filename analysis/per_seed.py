"""A figure per trial: as many as there are seeds, so they are made as jobs that can be spread."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.cells import Cell
from analysis.curves import stream_groups
from analysis.figures import curve_figure
from analysis.report_page import png_bytes
from analysis.study import Study
from hq_ray.location import Location

QUANTITIES = {"returns": "episode_return", "steps": "steps"}


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
    label = cell.label(number)
    places = tuple(_absolute(one.location) for one in study.results)
    reference = study.references.get(cell.env)
    optimum = {
        "returns": reference and reference.optimal_return,
        "steps": reference and reference.optimal_steps,
    }
    parts = ("per_seed", cell.env, cell.variant, *([label] if len(cell) > 1 else []))
    folder = "/".join(re.sub(r"[^A-Za-z0-9.=-]+", "_", part).strip("_") for part in parts)
    seeds = cell.seeds[cell.rows[number] >= 0].tolist()
    return [
        Job(
            results=places,
            trial_id=trial_id,
            folder=f"{folder}/s{seed}",
            env=cell.env,
            variant=cell.variant,
            settings=label,
            seed=seed,
            smooth=study.smooth,
            optimum=optimum,
        )
        for trial_id, seed in zip(cell.trial_ids(number), seeds, strict=True)
    ]


def _absolute(location: Location) -> str:
    """A place that means the same in a worker, whose working folder is another one."""
    return location.path if location.is_local else location.text


def draw_job(job: Job) -> dict[str, bytes]:
    """The learning curve and the steps curve of one trial, as PNG by name."""
    columns = list(QUANTITIES.values())
    curves: Sequence = next(iter(stream_groups(list(job.results), [[job.trial_id]], columns)))[1]
    return {
        f"seed_{quantity}": png_bytes(
            curve_figure(
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
        )
        for quantity, column in QUANTITIES.items()
    }
