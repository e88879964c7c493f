"""Figures of single trials: the returns and the steps of every seed."""

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.charts.page import picture
from hq_ray.analysis.charts.trials import curve_figure
from hq_ray.analysis.study import Study
from hq_ray.analysis.words import file_stem
from hq_ray.load import stream_curves
from hq_ray.location import Location
from hq_ray.sweeps.progress import Show

QUANTITIES = {"returns": "episode_return", "steps": "steps"}


def write_per_seed(study: Study, every: bool, folder: str, kind: str, show: Show) -> None:
    """Draws each seed of the best configuration of each cell, or of every configuration.

    The figures are `per_seed/<env>/<variant>[/<settings>]/s<seed>/seed_<quantity>.<kind>` below
    the folder.
    """
    wanted: list[tuple[Cell, int]] = []
    for cell in study.cells:
        best = study.best.get((cell.env, cell.variant))
        numbers = range(len(cell)) if every else [] if best is None else [best]
        wanted += [(cell, number) for number in numbers]
    groups = [cell.trial_ids(number) for cell, number in wanted]
    drawn, total = 0, sum(map(len, groups))
    for index, curves in stream_curves(study.results, groups, list(QUANTITIES.values())):
        cell, number = wanted[index]
        label = cell.labels[number] if len(cell) > 1 else ""
        parts = [cell.env, cell.variant, *([label.replace(", ", "_")] if label else [])]
        place = Location.of(folder).child("/".join(["per_seed", *map(file_stem, parts)]))
        reference = study.references.get(cell.env)
        optimum = {
            "returns": reference and reference.optimal_return,
            "steps": reference and reference.optimal_steps,
        }
        for row, seed in enumerate(cell.seeds[cell.rows[number] >= 0].tolist()):
            for quantity, column in QUANTITIES.items():
                figure = curve_figure(
                    curves[column][row],
                    variant=cell.variant,
                    seed=seed,
                    env=cell.env,
                    quantity=quantity,
                    smooth=study.smooth,
                    optimum=optimum[quantity],
                    settings=label,
                    raw=True,
                )
                place.child(f"s{seed}").write(f"seed_{quantity}.{kind}", picture(figure, kind))
            drawn += 1
            show("drawing trials", drawn, total)
