"""The report: one page that answers, and beside it every number that it rests on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from analysis.exhibits import Exhibit, draw, from_json, shortened, to_json
from analysis.exhibits_curves import curve_exhibits
from analysis.exhibits_health import health_exhibits
from analysis.exhibits_levels import level_exhibits
from analysis.exhibits_scores import score_exhibits
from analysis.exhibits_selection import selection_exhibits
from analysis.report_page import png_bytes, render
from analysis.report_sections import report_sections
from analysis.selection import select
from analysis.study import Study
from analysis.tables import pairs_table, summary_table
from analysis.tuning import optimism
from analysis.verdict import judge

PAGE = "report.html"
EXHIBITS: tuple[Callable[[Study], list[Exhibit]], ...] = (
    curve_exhibits,
    score_exhibits,
    level_exhibits,
    selection_exhibits,
    health_exhibits,
)


def write_report(study: Study, folder: Path) -> Path:
    """Writes the report of a study.

        report.html       the page; it needs nothing beside it
        figures.json      what each figure is drawn from; see `redraw`
        figures/*.png     the figures
        summary.parquet   one row per configuration
        pairs.parquet     one row per pair at equal hyperparameters
        selection.json    what was chosen, by which rule, and what fresh seeds said

    Files appear whole, the page last; the same study writes the same bytes.

    Args:
        study: with curves.
        folder: to write to; made where it is not there.

    Returns:
        The page.
    """
    summary = summary_table(study.table, study.judged)
    pairs = pairs_table(study.table, study.judged)
    exhibits = [shortened(one) for make in EXHIBITS for one in make(study)]
    pictures = draw_all(exhibits)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    for exhibit, png in zip(exhibits, pictures, strict=True):
        _write(folder / "figures" / f"{exhibit.stem}.png", png)
    _write(folder / "figures.json", to_json(exhibits).encode())
    for name, frame in (("summary", summary), ("pairs", pairs)):
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    _write(folder / "selection.json", json.dumps(selection_content(study), indent=2).encode())
    sections = report_sections(study, summary, pairs)
    drawn = {
        section.id: [
            (e, p) for e, p in zip(exhibits, pictures, strict=True) if e.section == section.id
        ]
        for section in sections
    }
    title = f"{study.name}: {study.judged.label}"
    page = render(title, study.lead, sections, drawn)
    _write(folder / PAGE, page.encode())
    return folder / PAGE


def draw_all(exhibits: Sequence[Exhibit]) -> list[bytes]:
    """The figures as PNG, in order."""
    return [picture(exhibit) for exhibit in exhibits]


def picture(exhibit: Exhibit) -> bytes:
    """One figure as PNG."""
    return png_bytes(draw(exhibit))


def redraw(figures_json: str | Path, folder: str | Path) -> list[Path]:
    """Draws all figures of a report again from its figures.json; returns the files."""
    paths = []
    for exhibit in from_json(Path(figures_json).read_text("utf-8")):
        path = Path(folder) / f"{exhibit.stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, picture(exhibit))
        paths.append(path)
    return paths


def selection_content(study: Study) -> dict:
    """What selection.json says: the choice and, after a second stage, what came of it."""
    if study.selection is None:
        if not study.table:
            return {"chosen": []}
        place = " and ".join(one.location.text for one in study.results)
        return {"stage": 1, **select(study.table, place, study.judged.name).to_dict()}
    fresh = []
    for one in study.selection.chosen:
        cell = study.table.get(one.env, {}).get(one.variant)
        number = None if cell is None else one.row(cell)
        entry = {**asdict(one), "fresh": None}
        if number is not None and study.selection.metric == study.judged.name:
            scores = cell.scores(study.judged.name)[number]
            scores = scores[scores == scores]
            if scores.size:
                gap = optimism(one.mean, scores)
                entry["fresh"] = {
                    "mean": float(scores.mean()),
                    "n": int(scores.size),
                    "optimism": gap,
                }
        fresh.append(entry)
    verdicts = [asdict(judge(one)) | {"env": one.env} for one in study.comparisons]
    return {"stage": 2, **study.selection.to_dict(), "chosen": fresh, "verdicts": verdicts}


def _write(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_bytes(content)
    unfinished.replace(path)
