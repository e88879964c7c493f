"""The report: one HTML page that answers, and beside it every number that it rests on."""

import base64
import io
import re
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from os import PathLike

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup, escape
from pandas.api.types import is_numeric_dtype
from PIL import Image

from hq_ray.analysis.charts.page import caption_pixels
from hq_ray.analysis.figure_files import FigureData, Progress, write_figures
from hq_ray.analysis.figures import figures_of
from hq_ray.analysis.report import tables
from hq_ray.analysis.study import Study, name_of
from hq_ray.analysis.tables import pairs_table, summary_table
from hq_ray.analysis.verdict import basis_sentence, comparison_row, judge, overall_sentence
from hq_ray.location import Location, writable
from hq_ray.store import DONE, FAILED
from hq_ray.trial import CONFIRMATION
from hq_ray.versions import versions

PAGE = "report.html"


def write_report(study: Study, folder: str | PathLike, progress: Progress | None = None) -> str:
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
        progress: told of each figure that is drawn.

    Returns:
        The page's path or URI.

    Raises:
        InputError: nothing can be written there.
    """
    place = writable(folder)
    summary = summary_table(study.table, study.judged)
    pairs = pairs_table(study.table, study.judged)
    data = figures_of(study)
    _remove_others(place, {figure.name for figure in data})
    figures = write_figures(data, place.child("figures"), "png", progress)
    page = render(study, figures, summary)
    verdicts = pd.DataFrame([comparison_row(comparison) for comparison in study.comparisons])
    place.write("verdict.csv", verdicts.to_csv(index=False).encode())
    place.write("verdict.tex", tables.verdict_latex(study.comparisons).encode())
    place.write("summary.parquet", summary.to_parquet(index=False))
    place.write("pairs.parquet", pairs.to_parquet(index=False))
    place.write(PAGE, page.encode())
    return place.child(PAGE).text


def _remove_others(place: Location, names: set[str]) -> None:
    """Removes the figures that the page there shows, and that are not drawn now."""
    try:
        page = place.read(PAGE).decode()
    except (OSError, ValueError):
        return
    before = set(re.findall(r'<figure id="figure-([A-Za-z0-9._-]+)">', page))
    for name in before - names:
        for kind in ("png", "parquet"):
            place.child("figures").delete(f"{name}.{kind}")


def render(study: Study, figures: Sequence[tuple[FigureData, bytes]], summary: pd.DataFrame) -> str:
    """The page: the verdicts first, then each environment, then what is looked up."""
    shown = [(figure, _figure(figure, png)) for figure, png in figures]
    environments = [
        {
            "label": env,
            "tables": [*tables.metrics_table(study, env), *tables.chosen_table(study, env)],
            "figures": [f for figure, f in shown if figure.env == env and not figure.is_detail],
            "more": [f for figure, f in shown if figure.env == env and figure.is_detail],
        }
        for env in study.sections
    ]
    status, explored = study.trials["status"], study.trials["role"] != CONFIRMATION
    ours = versions() | {name: version(name) for name in ("scipy", "matplotlib")}
    web = files("hq_ray.analysis.report") / "web"
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["marked"] = marked
    environment.globals |= {"is_number": is_numeric_dtype, "cell_text": tables.cell_text}
    # CSS and script are ours and go in as they are; everything else is escaped.
    text = {kind: (web / f"report.{kind}").read_text("utf-8") for kind in ("html", "css", "js")}
    return environment.from_string(text["html"]).render(
        css=Markup(text["css"]),
        script=Markup(text["js"]),
        study=study,
        name=name_of(study.results),
        verdicts=tables.verdict_table(study.comparisons) if study.comparisons else None,
        sentences=[judge(comparison).sentence for comparison in study.comparisons],
        overall=overall_sentence(study.comparisons),
        nothing=None if study.comparisons else tables.why_no_verdict(study),
        basis=basis_sentence(study.comparisons),
        environments=environments,
        health=[f for figure, f in shown if not figure.env],
        configurations=tables.configurations_table(study, summary) if len(summary) else None,
        n_done=int(((status == DONE) & explored).sum()),
        n_fresh=int(((status == DONE) & ~explored).sum()),
        n_failed=int((status == FAILED).sum()),
        failures=tables.failures_table(study),
        written_by=", ".join(f"{name} {number}" for name, number in ours.items() if number),
        provenance=map(tables.provenance_table, study.results, study.descriptions),
    )


def marked(text: str) -> Markup:
    """Text for the page: escaped, and what stands between backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _figure(figure: FigureData, png: bytes) -> dict:
    """A figure for the page, which shows its caption as text; as WebP, it is half as large."""
    whole, stream = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    bare = whole.crop((0, 0, whole.width, whole.height - caption_pixels(figure.texts)))
    bare.save(stream, "WEBP", lossless=True, method=2)  # higher ones are slower and no smaller
    return {
        "name": figure.name,
        "title": figure.heading,
        "webp": base64.b64encode(stream.getvalue()).decode(),
        "width": bare.width,
        "height": bare.height,
        "caption": figure.texts[0],
    }
