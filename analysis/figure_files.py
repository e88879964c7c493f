"""Figures from their data to their files, in a folder that may be a URI."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hq_ray.analysis.charts.curves import QUANTITIES, learning_figure
from hq_ray.analysis.charts.page import picture
from hq_ray.analysis.comparison import explored_side
from hq_ray.analysis.study import Study
from hq_ray.analysis.words import file_stem
from hq_ray.load import stream_curves
from hq_ray.location import Location

Progress = Callable[[str, int, int], None]
"""Progress callback: (activity, done, total)."""


@dataclass(frozen=True, eq=False)
class FigureData:
    """A figure before it is drawn.

    Attributes:
        study: what it is of.
        env: the section that it is of; empty where it is of all.
        kind: what is drawn, in the name of its file.
        title: above it.
        caption: sentences below it: what it shows.
        frame: its data.
        draw: makes a matplotlib figure of frame, title and caption.
        is_detail: whether it is about hyperparameters, which a reader does not need at first.
    """

    study: Study
    env: str
    kind: str
    title: str
    caption: Sequence[str]
    frame: pd.DataFrame
    draw: Callable
    is_detail: bool = False

    @property
    def name(self) -> str:
        """File name without suffix: the kind, plus the section if there are several."""
        sections = self.study.sections
        if not self.env or len(sections) < 2:
            return self.kind
        stems, number = [file_stem(section) for section in sections], sections.index(self.env)
        clash = stems.count(stems[number]) > 1
        return file_stem(f"{self.kind}_{self.env}" + f"__{number}" * clash)

    @property
    def texts(self) -> tuple[str, str]:
        """The paragraphs of its caption, the last of which is a digest of the study's data."""
        return " ".join(self.caption), self.study.data_digest

    @property
    def heading(self) -> str:
        """The title, after the section."""
        return f"{self.env}: {self.title}" if self.env else self.title

    def figure(self) -> Any:
        """The matplotlib Figure."""
        return self.draw(self.frame, title=self.heading, caption=self.texts)


def write_figures(
    figures: Sequence[FigureData], place: Location, kind: str, progress: Progress | None = None
) -> list[tuple[FigureData, bytes]]:
    """Draws figures into a folder as png, svg or pdf, the data of each beside it as Parquet.

    Returns:
        Each figure with its file.
    """
    written = []
    for number, figure in enumerate(figures):
        if progress:
            progress("drawing figures", number, len(figures))
        content = picture(figure.figure(), kind)
        place.write(f"{figure.name}.{kind}", content)
        place.write(f"{figure.name}.parquet", figure.frame.to_parquet(index=False))
        written.append((figure, content))
    return written


def write_per_seed(
    study: Study, every: bool, place: Location, kind: str, progress: Progress
) -> None:
    """Draws the returns and the steps of each explored seed.

    The figures are `per_seed/<env>/<variant>[/<settings>]/s<seed>/seed_<quantity>.<kind>` below
    the folder; they are of the best configuration of each cell, or of every configuration.
    """
    sides = [explored_side(side.cell, side.number) for side in study.chosen.values()]
    if every:
        sides = [explored_side(cell, n) for cell in study.cells for n in range(len(cell))]
    groups = [side.trials["trial_id"].tolist() for side in sides]
    quantities = {name: QUANTITIES[name] for name in ("returns", "steps")}
    columns = [quantity.column for quantity in quantities.values()]
    labels = [side.label if len(side.cell) > 1 else "" for side in sides]
    names = [
        "/".join(filter(None, map(file_stem, (side.cell.env, side.cell.variant, label))))
        for side, label in zip(sides, labels, strict=True)
    ]
    counts, n_drawn = Counter(names), 0
    for index, curves in stream_curves(study.results, groups, columns):
        side, cell = sides[index], sides[index].cell
        clash = f"__{index}" * (counts[names[index]] > 1)
        folder = place.child(f"per_seed/{names[index]}{clash}")
        for row, seed in enumerate(side.seeds.tolist()):
            for name, quantity in quantities.items():
                figure = learning_figure(
                    {cell.variant: ([seed], curves[quantity.column][row][None])},
                    title=f"{cell.env}: {cell.variant}, seed {seed}",
                    quantity=name,
                    smooth=study.smooth,
                    optimum=cell.optimum(quantity.optimum),
                    settings=labels[index],
                )
                folder.child(f"s{seed}").write(f"seed_{name}.{kind}", picture(figure, kind))
            n_drawn += 1
            progress("drawing trials", n_drawn, sum(map(len, groups)))
