"""A report as one HTML file that needs nothing else: no network, no files beside it."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
import pandas as pd
from jinja2 import Environment

from analysis.captions import format_number, round_number
from analysis.exhibits import Exhibit
from analysis.verdict import Verdict

WORDS = {
    "better": "Better",
    "worse": "Worse",
    "equal": "No difference",
    "undecided": "Undecided",
    "unknown": "Unknown",
}
# A browser handles this many; the rest is in summary.parquet.
MOST_ROWS = 5_000


@dataclass
class Section:
    """A chapter of the report; what is empty is left out."""

    id: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    browser: pd.DataFrame | None = None


def render(
    title: str, lead: str, sections: Sequence[Section], drawn: Mapping[str, Sequence[tuple]]
) -> str:
    """The page.

    Args:
        title, lead: above everything.
        sections: in order.
        drawn: by section id, (exhibit, its PNG) in order.
    """
    web = files("analysis") / "web"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.tests["number_text"] = _is_number
    # CSS and script are ours and go in as they are; all else is escaped.
    raw = {name: _safe((web / f"report.{name}").read_text("utf-8")) for name in ("css", "js")}
    return environment.from_string((web / "report.html").read_text("utf-8")).render(
        title=title,
        lead=lead,
        css=raw["css"],
        script=raw["js"],
        sections=[_section(section, drawn.get(section.id, ())) for section in sections],
    )


def _safe(text: str) -> str:
    from markupsafe import Markup

    return Markup(text)


def _section(section: Section, drawn: Sequence[tuple[Exhibit, bytes]]) -> dict:
    return {
        "id": section.id,
        "title": section.title,
        "paragraphs": section.paragraphs,
        "verdicts": [
            {"kind": v.kind, "word": WORDS[v.kind], "sentence": v.sentence}
            for v in section.verdicts
        ],
        "warnings": section.warnings,
        "tables": [_table(caption, frame) for caption, frame in section.tables],
        "figures": [_figure(exhibit, png) for exhibit, png in drawn],
        "browser": None if section.browser is None else _safe(browser_rows(section.browser)),
    }


def _table(caption: str, frame: pd.DataFrame) -> dict:
    rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
    return {"caption": caption, "columns": [str(c) for c in frame.columns], "rows": rows}


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return format_number(int(value))
    if isinstance(value, float | np.floating):
        return round_number(float(value))
    return str(value)


def _is_number(text: str) -> bool:
    return text == "–" or text.replace(",", "").lstrip("-").replace(".", "", 1)[:1].isdigit()


def _figure(exhibit: Exhibit, png: bytes) -> dict:
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return {
        "stem": exhibit.stem,
        "png": base64.b64encode(png).decode(),
        "width": width,
        "height": height,
        "alt": f"{exhibit.arguments.get('title', exhibit.stem)}. {exhibit.shows}",
        "shows": exhibit.shows,
        "shows_not": exhibit.shows_not,
    }


def browser_rows(frame: pd.DataFrame) -> str:
    """Columns and rows as JSON that may stand inside a script element."""
    frame = frame.head(MOST_ROWS).astype(object)
    rows = frame.where(frame.notna(), None).to_numpy().tolist()
    content = {"columns": [str(name) for name in frame.columns], "rows": rows}
    text = json.dumps(content, allow_nan=False, default=_number)
    # What would end the element or begin a comment in it is spelled so that it cannot.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _number(value: object) -> float | int | bool:
    return value.item()


def png_bytes(figure: object) -> bytes:
    """A figure as PNG, the same bytes each time."""
    stream = io.BytesIO()
    figure.canvas.print_png(stream, metadata={"Software": None})
    return stream.getvalue()
