"""The report: one page that answers, and beside it every number that it rests on."""

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import pandas as pd

from hq_ray.analysis.charts.page import picture
from hq_ray.analysis.figure_data import FigureData, figures_of, planned_counts
from hq_ray.analysis.reporting.report_page import render
from hq_ray.analysis.reporting.report_tables import verdict_latex
from hq_ray.analysis.study import Study
from hq_ray.analysis.tables import pairs_table, summary_table
from hq_ray.analysis.verdict import summary as verdict_row
from hq_ray.errors import InputError
from hq_ray.location import Location

PAGE = "report.html"
FIGURE_ID = re.compile(r'<figure id="figure-([A-Za-z0-9._-]+)">')
Progress = Callable[[str, int, int], None]


def write_report(
    study: Study,
    folder: str | PathLike,
    where: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Writes the report of a study.

        report.html       the page; it needs nothing beside it
        verdict.csv       the verdicts with every number, as `hq_ray.compare` gives them
        verdict.tex       the verdict table for LaTeX
        figures/*         the figures as PNG, and the data of each as Parquet
        summary.parquet   one row per configuration
        pairs.parquet     one row per pair at equal hyperparameters

    Files appear whole, the page last; the same study writes the same bytes. Figures of an earlier
    report in the same folder that this one does not have are removed.

    Args:
        study: with curves.
        folder: a path or a URI to write to; made where it is not there.
        where: which trials the study was made of, for the record; None for all.
        progress: called with (what is done, how many are, of how many).

    Returns:
        The page's path or URI.

    Raises:
        InputError: nothing can be written there.
    """
    place = writable(folder)
    planned = {} if where else planned_counts(study)
    summary = summary_table(study.table, study.judged)
    pairs = pairs_table(study.table, study.judged)
    figures = figures_of(study, planned)
    both = list(zip(figures, draw_all(figures, "png", progress), strict=True))
    page = render(study, both, summary, sum(planned.values()), where)
    verdicts = pd.DataFrame([verdict_row(one) for one in study.comparisons])
    with unwritable_told(place):
        _remove_others(place, {one.name for one in figures})
        for one, png in both:
            _write_figure(place.child("figures"), one, png, "png")
        place.write("verdict.csv", verdicts.to_csv(index=False).encode())
        place.write("verdict.tex", verdict_latex(study.comparisons).encode())
        place.write("summary.parquet", _parquet(summary))
        place.write("pairs.parquet", _parquet(pairs))
        place.write(PAGE, page.encode())
    return place.child(PAGE).text


def writable(folder: str | PathLike) -> Location:
    """The location of a folder that can be written to, as far as one can say without making it.

    Raises:
        InputError: it cannot.
    """
    place = Location.of(folder)
    with unwritable_told(place):
        if not place.is_local:
            place.write("writable.tmp", b"")
            place.delete("writable.tmp")
            return place
        nearest = next(p for p in (Path(place.path), *Path(place.path).parents) if p.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(0, f"{nearest} is a file")
        if not os.access(nearest, os.W_OK):
            raise PermissionError(0, f"{nearest} does not allow it")
    return place


@contextmanager
def unwritable_told(place: Location) -> Iterator[None]:
    """Turns what writing below a place may raise into a sentence."""
    try:
        yield
    except OSError as problem:
        raise InputError(
            f"the folder to write to must be one that can be written, got {place.text!r}: "
            f"{problem.strerror or problem}"
        ) from None


def draw_all(
    figures: Sequence[FigureData], kind: str, progress: Progress | None
) -> Iterator[bytes]:
    """The figures as files of a kind, in order."""
    for number, one in enumerate(figures):
        if progress:
            progress("drawing figures", number, len(figures))
        yield drawn(one, kind)


def drawn(one: FigureData, kind: str) -> bytes:
    """A figure as a file of a kind."""
    return picture(one.figure(), kind)


def write_pictures(
    figures: Sequence[FigureData], folder: str | PathLike, kind: str, progress: Progress
) -> None:
    """Draws figures into a folder, which may be a URI; the data of each stand beside it.

    Raises:
        InputError: nothing can be written there.
    """
    place = writable(folder)
    for one, content in zip(figures, draw_all(figures, kind, progress), strict=True):
        with unwritable_told(place):
            _write_figure(place, one, content, kind)


def _write_figure(place: Location, one: FigureData, content: bytes, kind: str) -> None:
    place.write(f"{one.name}.{kind}", content)
    place.write(f"{one.name}.parquet", _parquet(one.frame))


def _remove_others(place: Location, names: set[str]) -> None:
    """Removes the figures that the page there shows, and that are not drawn now."""
    try:
        before = FIGURE_ID.findall(place.read(PAGE).decode())
    except (OSError, ValueError):
        return
    for name in set(before) - names:
        for kind in ("png", "parquet"):
            place.child("figures").delete(f"{name}.{kind}")


def _parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()
