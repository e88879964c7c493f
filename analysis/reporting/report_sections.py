"""What a report says in words and tables, chapter by chapter; the verdict stands first."""

import platform
from collections.abc import Mapping
from importlib.metadata import version

import pandas as pd

from hq_ray.analysis.reporting.report_page import Section
from hq_ray.analysis.reporting.report_tables import (
    comparison_table,
    configurations_table,
    drawn_table,
    equal_settings_table,
    failures_table,
    metrics_tables,
    provenance_table,
)
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import basis_words, judge, overall_words
from hq_ray.store import DONE, FAILED
from hq_ray.versions import versions


def report_sections(
    study: Study,
    summary: pd.DataFrame,
    pairs: pd.DataFrame,
    planned: Mapping[tuple[str, str], int],
    where: str | None = None,
) -> list[Section]:
    """The chapters, without the figures.

    Args:
        study: the results.
        summary, pairs: see `analysis.tables`.
        planned: numbers of trials; empty where not all were read.
        where: which trials were read, as the person said it.
    """
    return [
        _verdict(study),
        _curves(study),
        _scores(study),
        _hyperparameters(study, pairs),
        _configurations(study, summary),
        _health(study, sum(planned.values())),
        _provenance(study, where),
    ]


def _verdict(study: Study) -> Section:
    section = Section("verdict", "Verdict", "Verdict")
    section.warnings = list(study.notes)
    if not study.comparisons:
        section.paragraphs = [f"{nothing_words(study)} What there is stands below."]
        return section
    section.verdicts = [judge(one) for one in study.comparisons]
    section.paragraphs = [overall_words(study.comparisons)]
    judged = f"Judged by {study.judged.axis_label}: {study.judged.summary}"
    section.details = [words for words in (basis_words(study.comparisons), judged) if words]
    section.tables = [comparison_table(study.comparisons)]
    return section


def nothing_words(study: Study) -> str:
    """Why there is no verdict."""
    if not study.table:
        return "No trial is done, so nothing can be said."
    variants = {variant for row in study.table.values() for variant in row}
    if len(variants) == 1:
        return f"Only {next(iter(variants))} was run, so there is nothing to compare it with."
    if not any(len(row) > 1 for row in study.table.values()):
        return "No environment was run with two variants, so none can be compared."
    return f"No two variants have trials with {study.judged.name}, so none can be compared."


def _curves(study: Study) -> Section:
    section = Section("curves", "Curves", "Learning curves")
    if not study.curves:
        section.paragraphs = ["There are no episodes to draw."]
    elif any(len(cell) > 1 for cell in study.cells):
        section.tables = [drawn_table(study)]
    return section


def _scores(study: Study) -> Section:
    section = Section("scores", "Scores", "Scores over seeds")
    if all(one.difference is None for one in study.comparisons):
        section.paragraphs = ["There are no two variants to compare by their scores."]
        return section
    section.paragraphs = [
        "One score per seed, of the compared configurations on the seeds of the test. Variants "
        "share their random streams seed by seed, so they are compared in pairs."
    ]
    section.tables = metrics_tables(study.comparisons)
    return section


def _hyperparameters(study: Study, pairs: pd.DataFrame) -> Section:
    section = Section("sensitivity", "Hyperparameters", "Hyperparameters")
    if all(len(cell) == 1 for cell in study.cells):
        section.paragraphs = ["No hyperparameter was swept."]
        return section
    table = equal_settings_table(pairs)
    section.tables = [table] if table else []
    return section


def _configurations(study: Study, summary: pd.DataFrame) -> Section:
    section = Section("configurations", "Table", "All configurations")
    if not len(summary):
        section.paragraphs = ["There is no configuration with a done trial."]
        return section
    section.paragraphs = [
        f"`mean`, `se`, the 95 % t interval from `low` to `high`, and `iqm` are of "
        f"{study.judged.axis_label}, over `n` seeds. `summary.parquet` beside this page has more "
        "columns."
    ]
    section.browser = configurations_table(study, summary)
    return section


def _health(study: Study, planned: int) -> Section:
    section = Section("health", "Health", "Health of the sweep")
    status = study.trials["status"]
    of_planned = f" of {planned:,} planned" if planned else ""
    section.paragraphs = [
        f"{(status == DONE).sum():,}{of_planned} trials done, {(status == FAILED).sum():,} failed, "
        f"{study.trials['train_seconds'].sum():,.1f} s of training. Failed trials are in no "
        "average."
    ]
    failures = failures_table(study)
    section.tables = [failures] if failures else []
    return section


def _provenance(study: Study, where: str | None) -> Section:
    section = Section("provenance", "Provenance", "Provenance")
    ours = {name: versions()[name] for name in ("hq_ray", "git_commit")}
    ours |= {name: version(name) for name in ("numpy", "scipy", "pandas", "matplotlib")}
    written = ", ".join(f"{name} {one}" for name, one in ours.items() if one)
    section.paragraphs = [
        f"Read: {study.data_words}" + (f" Only trials where `{where}`." if where else ""),
        f"Written by {written}, python {platform.python_version()}.",
    ]
    described = zip(study.results, study.descriptions, strict=True)
    section.tables = [provenance_table(one, info) for one, info in described]
    return section
