"""A report as one HTML file that needs nothing else: no network, no files beside it."""

import base64
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from numbers import Integral, Real

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup, escape

from hq_ray.analysis.figure_data import FigureData
from hq_ray.analysis.verdict import Verdict
from hq_ray.analysis.words import format_number, round_number

# A browser handles this many; the rest is in summary.parquet.
MOST_ROWS = 5_000
MISSING = "–"


@dataclass
class Section:
    """A chapter of the report, in this order; what is empty is left out.

    Attributes:
        id: of its anchor.
        short: title in the bar at the top.
        title: above the chapter.
        paragraphs: text; what stands between backticks is set as code.
        verdicts: a card each.
        details: text after the cards.
        warnings: sentences that a reader must not miss.
        tables: (caption, frame).
        browser: a frame to sort and filter.
    """

    id: str
    short: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
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
        drawn: by section id, (figure, its PNG) in order.
    """
    web = files("hq_ray.analysis.reporting") / "web"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["marked"] = marked
    # CSS and script are ours and go in as they are; all else is escaped.
    raw = {name: Markup((web / f"report.{name}").read_text("utf-8")) for name in ("css", "js")}
    return environment.from_string((web / "report.html").read_text("utf-8")).render(
        title=title,
        lead=lead,
        css=raw["css"],
        script=raw["js"],
        sections=[_section(section, drawn.get(section.id, ())) for section in sections],
    )


def marked(text: str) -> Markup:
    """Text for the page: escaped, and what stands between backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _section(section: Section, drawn: Sequence[tuple[FigureData, bytes]]) -> dict:
    browser = section.browser
    return {
        "id": section.id,
        "short": section.short,
        "title": section.title,
        "paragraphs": section.paragraphs,
        "verdicts": [
            {"kind": v.kind.split()[0], "word": v.kind.capitalize(), "sentence": v.sentence}
            for v in section.verdicts
        ],
        "details": section.details,
        "warnings": section.warnings,
        "tables": [_table(caption, frame) for caption, frame in section.tables],
        "figures": [_figure(one, png) for one, png in drawn],
        "browser": None if browser is None else Markup(browser_rows(browser)),
        "cut": None if browser is None or len(browser) <= MOST_ROWS else f"{MOST_ROWS:,}",
    }


def _table(caption: str, frame: pd.DataFrame) -> dict:
    columns = [
        {"name": str(name), "number": any(map(_is_number, frame[name].astype(object)))}
        for name in frame
    ]
    rows = [
        [{"text": cell_text(v), "number": c["number"]} for v, c in zip(row, columns, strict=True)]
        for row in frame.astype(object).to_numpy().tolist()
    ]
    return {"caption": caption, "columns": columns, "rows": rows}


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def cell_text(value: object) -> str:
    """A value of a table for a reader."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return format_number(int(value))
    if isinstance(value, Real):
        return round_number(float(value)) if math.isfinite(value) else "∞"
    return str(value)


def _figure(one: FigureData, png: bytes) -> dict:
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return {
        "stem": one.name,
        "title": one.title,
        "png": base64.b64encode(png).decode(),
        "width": width,
        "height": height,
        "alt": f"{one.title}. {one.shows}",
        "shows": one.shows,
    }


def browser_rows(frame: pd.DataFrame) -> str:
    """Columns and rows as JSON that may stand inside a script element."""
    frame = frame.head(MOST_ROWS).astype(object)
    rows = frame.where(frame.notna(), None).to_numpy().tolist()
    content = {"columns": [str(name) for name in frame.columns], "rows": rows}
    text = json.dumps(content, allow_nan=False, default=lambda value: value.item())
    # What would end the element or begin a comment in it is spelled so that it cannot.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
