"""The report: one page that answers, and beside it every number that it rests on."""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from os import PathLike
from pathlib import Path

import pandas as pd

from hq_ray.analysis.reporting.exhibits import Exhibit, draw, file_stem, from_json, to_json
from hq_ray.analysis.reporting.exhibits_curves import curve_exhibits
from hq_ray.analysis.reporting.exhibits_effort import effort_exhibits
from hq_ray.analysis.reporting.exhibits_health import health_exhibits, planned_counts
from hq_ray.analysis.reporting.exhibits_levels import level_exhibits
from hq_ray.analysis.reporting.exhibits_planes import plane_exhibits
from hq_ray.analysis.reporting.exhibits_rates import rate_exhibits
from hq_ray.analysis.reporting.exhibits_scores import score_exhibits
from hq_ray.analysis.reporting.exhibits_selection import fresh_scores, selection_exhibits
from hq_ray.analysis.reporting.report_page import Section, png_bytes, render
from hq_ray.analysis.reporting.report_sections import report_sections
from hq_ray.analysis.selection import select
from hq_ray.analysis.statistics.tuning import optimism
from hq_ray.analysis.study import Study
from hq_ray.analysis.tables import pairs_table, summary_table
from hq_ray.analysis.verdict import judge
from hq_ray.errors import HqRayError, InputError
from hq_ray.location import Location

PAGE = "report.html"
EXHIBITS: tuple[Callable[[Study], list[Exhibit]], ...] = (
    curve_exhibits,
    rate_exhibits,
    score_exhibits,
    level_exhibits,
    plane_exhibits,
    effort_exhibits,
    selection_exhibits,
)
Progress = Callable[[str, int, int], None]


def write_report(
    study: Study,
    folder: str | PathLike,
    where: str | None = None,
    progress: Progress | None = None,
) -> str:
    """Writes the report of a study.

        report.html       the page; it needs nothing beside it
        figures.json      what each figure is drawn from; see `redraw`
        figures/*.png     the figures
        summary.parquet   one row per configuration
        pairs.parquet     one row per pair at equal hyperparameters
        selection.json    what was chosen, by which rule, and what fresh seeds said

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
    exhibits = [one for make in EXHIBITS for one in make(study)]
    exhibits += health_exhibits(study, planned)
    both = list(zip(exhibits, draw_all(exhibits, progress), strict=True))
    sections = report_sections(study, summary, pairs, planned, where)
    files = {
        "figures.json": to_json(exhibits).encode(),
        "summary.parquet": _parquet(summary),
        "pairs.parquet": _parquet(pairs),
        "selection.json": json.dumps(selection_content(study), indent=2).encode(),
        PAGE: _page(study, sections, both),
    }
    with unwritable_told(place):
        _remove_others(place, {one.stem for one in exhibits})
        for exhibit, png in both:
            place.child("figures").write(f"{exhibit.stem}.png", png)
        for name, content in files.items():
            place.write(name, content)
    return place.child(PAGE).text


def _page(
    study: Study, sections: Sequence[Section], both: Sequence[tuple[Exhibit, bytes]]
) -> bytes:
    drawn = {one.id: [pair for pair in both if pair[0].section == one.id] for one in sections}
    return render(f"{study.name}: {study.judged.label}", study.lead, sections, drawn).encode()


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


def draw_all(exhibits: Sequence[Exhibit], progress: Progress | None = None) -> Iterator[bytes]:
    """The figures as PNG, in order."""
    for number, exhibit in enumerate(exhibits):
        if progress:
            progress("drawing figures", number, len(exhibits))
        yield picture(exhibit)


def picture(exhibit: Exhibit) -> bytes:
    """One figure as PNG."""
    return png_bytes(draw(exhibit))


def write_pictures(
    exhibits: Iterable[Exhibit], folder: str | PathLike, progress: Progress | None = None
) -> None:
    """Draws exhibits into a folder, which may be a URI.

    Raises:
        InputError: nothing can be written there.
    """
    place, exhibits = writable(folder), list(exhibits)
    for exhibit, png in zip(exhibits, draw_all(exhibits, progress), strict=True):
        with unwritable_told(place):
            place.write(f"{file_stem(exhibit.stem)}.png", png)


def redraw(figures_json: str | PathLike, folder: str | PathLike) -> list[Path]:
    """Draws all figures of a report again from its figures.json; returns the files."""
    exhibits = from_json(Path(figures_json).read_text("utf-8"))
    names = [f"{file_stem(exhibit.stem)}.png" for exhibit in exhibits]
    write_pictures(exhibits, folder)
    return [Path(folder) / name for name in names]


def _remove_others(place: Location, stems: set[str]) -> None:
    """Removes the figures that the figures.json there lists, and that are not drawn now."""
    try:
        before = from_json(place.read("figures.json").decode())
    except (OSError, ValueError, HqRayError):
        return
    for one in before:
        if one.stem not in stems:
            place.child("figures").delete(f"{file_stem(one.stem)}.png")


def _parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    return stream.getvalue()


def selection_content(study: Study) -> dict:
    """What selection.json says: the choice and, after a second stage, what came of it."""
    if study.selection is None:
        if not study.best:
            return {"stage": 1, "chosen": []}
        place = " and ".join(one.location.text for one in study.results)
        return {"stage": 1, **select(study.table, place, study.judged.name).to_dict()}
    chosen = []
    for one in study.selection.chosen:
        scores = fresh_scores(study, one)
        fresh = None
        if scores.size:
            fresh = {"mean": float(scores.mean()), "n": int(scores.size)}
            fresh["optimism"] = optimism(one.mean, scores)
        chosen.append({**asdict(one), "fresh": fresh})
    verdicts = [asdict(judge(one)) | {"env": one.env} for one in study.comparisons]
    return {"stage": 2, **study.selection.to_dict(), "chosen": chosen, "verdicts": verdicts}
