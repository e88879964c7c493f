"""The report as one HTML file that needs nothing else: no network, no files beside it."""

import base64
import json
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from numbers import Real

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup, escape

from hq_ray.analysis.figure_data import FigureData
from hq_ray.analysis.reporting.report_tables import (
    cell_text,
    chosen_table,
    configurations_table,
    failures_table,
    metrics_table,
    provenance_table,
    verdict_table,
    why_no_verdict,
)
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import basis_sentence, judge, overall_sentence
from hq_ray.store import DONE, FAILED
from hq_ray.trial import FIRST_FRESH_SEED
from hq_ray.versions import versions

# A browser handles this many; the rest is in summary.parquet.
MOST_ROWS = 5_000
# With more environments than these each is folded away.
MOST_OPEN = 4
FOLDED = "sensitivity"


def render(
    study: Study,
    drawn: Sequence[tuple[FigureData, bytes]],
    summary: pd.DataFrame,
    n_planned: int,
    where: str | None = None,
) -> str:
    """The page: the verdicts first, then each environment, then what is looked up.

    Args:
        study: with curves.
        drawn: each figure and its PNG.
        summary: see `analysis.tables.summary_table`.
        n_planned: number of trials; 0 where not all were read.
        where: which trials were read, as the person said it.
    """
    figures = [(one, _figure(one, png)) for one, png in drawn]
    status, explored = study.trials["status"], study.trials["seed"] < FIRST_FRESH_SEED
    ours = {name: versions()[name] for name in ("hq_ray", "git_commit")}
    ours |= {name: version(name) for name in ("numpy", "scipy", "pandas", "matplotlib")}
    ours["python"] = platform.python_version()
    described = zip(study.results, study.descriptions, strict=True)
    web = files("hq_ray.analysis.reporting") / "web"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"marked": marked, "columns": columns, "cells": cells}
    # CSS and script are ours and go in as they are; all else is escaped.
    raw = {name: Markup((web / f"report.{name}").read_text("utf-8")) for name in ("css", "js")}
    return environment.from_string((web / "report.html").read_text("utf-8")).render(
        css=raw["css"],
        script=raw["js"],
        study=study,
        verdicts=verdict_table(study.comparisons) if study.comparisons else None,
        sentences=[judge(one).sentence for one in study.comparisons],
        overall=overall_sentence(study.comparisons),
        nothing=None if study.comparisons else why_no_verdict(study),
        basis=basis_sentence(study.comparisons),
        environments=_environments(study, figures),
        most_open=MOST_OPEN,
        health=[figure for one, figure in figures if not one.env],
        configurations=len(summary) and browser_rows(configurations_table(study, summary)),
        n_configurations=len(summary),
        most_rows=MOST_ROWS,
        n_done=int(((status == DONE) & explored).sum()),
        n_fresh=int(((status == DONE) & ~explored).sum()),
        n_failed=int((status == FAILED).sum()),
        n_planned=n_planned,
        seconds=study.trials["train_seconds"].sum(),
        failures=failures_table(study),
        where=where,
        written_by=", ".join(f"{name} {one}" for name, one in ours.items() if one),
        provenance=[provenance_table(one, info) for one, info in described],
    )


def _environments(study: Study, drawn: Sequence[tuple[FigureData, dict]]) -> list[dict]:
    """For each problem its tables, the figures that are shown at first and those that are not."""
    return [
        {
            "label": env,
            "tables": [*metrics_table(study.comparisons, env), *chosen_table(study, env)],
            "figures": [f for one, f in drawn if one.env == env and one.section != FOLDED],
            "more": [f for one, f in drawn if one.env == env and one.section == FOLDED],
        }
        for env in study.table
    ]


def marked(text: str) -> Markup:
    """Text for the page: escaped, and what stands between backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def columns(frame: pd.DataFrame) -> list[dict]:
    """Names of the columns, and whether they are of numbers."""
    return [
        {"name": name, "number": any(map(_is_number, frame[name].astype(object)))} for name in frame
    ]


def cells(frame: pd.DataFrame) -> list[list[str]]:
    """The rows as text."""
    return [list(map(cell_text, row)) for row in frame.astype(object).to_numpy().tolist()]


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and value == value


def _figure(one: FigureData, png: bytes) -> dict:
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    return {
        "name": one.name,
        "title": one.title,
        "png": base64.b64encode(png).decode(),
        "width": width,
        "height": height,
        "alt": f"{one.title}. {one.shows}",
        "shows": one.shows,
    }


def browser_rows(frame: pd.DataFrame) -> Markup:
    """Columns and rows as JSON that may stand inside a script element."""
    frame = frame.head(MOST_ROWS).astype(object)
    rows = frame.where(frame.notna(), None).to_numpy().tolist()
    content = {"columns": [str(name) for name in frame.columns], "rows": rows}
    text = json.dumps(content, allow_nan=False, default=lambda value: value.item())
    # What would end the element or begin a comment in it is spelled so that it cannot.
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
