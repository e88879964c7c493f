"""What a report says in words and tables, chapter by chapter; the verdict stands first."""

import platform
from collections.abc import Mapping
from importlib.metadata import version

import pandas as pd

from hq_ray.analysis.comparison import Comparison, compare_all, headline
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.reporting.exhibits_scores import scores_words
from hq_ray.analysis.reporting.report_page import Section
from hq_ray.analysis.reporting.report_tables import (
    chosen_table,
    comparison_table,
    configurations_table,
    drawn_table,
    equal_settings_table,
    failures_table,
    provenance_table,
    scores_table,
)
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import basis_words, judge, overall_words
from hq_ray.store import DONE, FAILED
from hq_ray.versions import versions

# Beside the metric of the verdict, the comparison is shown by these.
SIDE_METRICS = (
    "final_return",
    "mean_return",
    "policy_gap",
    "final_success_rate",
    "truncation_rate",
    "episodes_to_threshold",
    "falls_per_1000_steps",
)


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
        _selection(study),
        _configurations(study, summary),
        _health(study, sum(planned.values())),
        _provenance(study, where),
    ]


def _verdict(study: Study) -> Section:
    section = Section("verdict", "Verdict", "Verdict")
    section.warnings = list(study.notes)
    asked = headline(study.comparisons)
    if not asked:
        section.paragraphs = [f"{nothing_words(study)} What there is stands below."]
        return section
    section.verdicts = [judge(one) for one in asked]
    section.paragraphs = [overall_words(asked)]
    section.details = [basis_words(asked), *_metric_words(study)]
    whole = _whole_grids(study, asked)
    if whole:
        title = "The same when each variant is tuned over its whole grid, however large"
        section.tables.append(comparison_table(title, whole))
    others = [one for one in study.comparisons if one not in asked]
    if others:
        section.tables.append(comparison_table("Other variants", others))
    return section


def _whole_grids(study: Study, asked: list[Comparison]) -> list[Comparison]:
    """The comparisons without the equal budget, where that held somebody back."""
    sides = [side for one in asked for side in (one.ours, one.base)]
    if not any(1 < side.budget < len(side.cell) for side in sides):
        return []
    found = compare_all(study.table, study.judged, study.fixed, study.ropes, equal_budget=False)
    return headline(found)


def _metric_words(study: Study) -> list[str]:
    """What is judged by, and from what size on a difference matters."""
    judged = study.judged
    unit = f" [{judged.unit}]" if judged.unit else ""
    words = [f"Judged by {judged.label}{unit}: {judged.summary}"]
    if study.ropes:
        sizes = "; ".join(f"{env}: ±{rope:.3g}" for env, rope in study.ropes.items())
        words.append(f"Differences up to this size are held not to matter{unit}: {sizes}.")
    return words


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
    asked = headline(study.comparisons)
    if not asked:
        section.paragraphs = ["There are no two variants to compare by their scores."]
        return section
    section.paragraphs = [scores_words(study, asked)]
    if any(one.paired for one in asked):
        section.paragraphs.append(
            "Variants share their random streams seed by seed, so they are compared in pairs. The "
            "variance ratio is Var(difference) / (Var + Var of the baseline): below 1, pairing "
            "paid. The worst tenth is the mean over that part of the seeds."
        )
    section.tables.append(scores_table(asked))
    others = _by_other_metrics(study, asked)
    if others:
        title = "The same by other metrics, tuned by each, with no correction for their number"
        section.tables.append(comparison_table(title, others))
    return section


def _by_other_metrics(study: Study, asked: list[Comparison]) -> list[Comparison]:
    """The same pairs of variants, tuned and compared by each of SIDE_METRICS."""
    pairs = {one.env: (one.baseline, one.variant) for one in asked}
    table = {env: {v: study.table[env][v] for v in pair} for env, pair in pairs.items()}
    names = [name for name in SIDE_METRICS if name != study.judged.name]
    known = [n for n in names if all(n in cell.trials for cell in study.cells)]
    return [one for n in known for one in compare_all(table, METRICS[n], study.fixed)]


def _hyperparameters(study: Study, pairs: pd.DataFrame) -> Section:
    section = Section("sensitivity", "Hyperparameters", "Hyperparameters")
    if all(len(cell) == 1 for cell in study.cells):
        section.paragraphs = ["No hyperparameter was swept."]
        return section
    if study.selection:
        section.paragraphs = [
            "Stage one chose these configurations, so they are no grid; how scores depend on "
            "hyperparameters, the report of stage one shows."
        ]
        return section
    table = equal_settings_table(pairs)
    section.tables = [table] if table else []
    return section


def _selection(study: Study) -> Section:
    section = Section("selection", "Selection", "Tuning and selection")
    if study.selection is not None:
        stage = study.selection
        section.paragraphs = [
            f"Stage one ({stage.results}, {len(stage.seeds)} seeds, by {stage.metric}) chose; the "
            "scores of this stage come from other seeds. Optimism is the score that a "
            "configuration was chosen by, minus its score on fresh seeds."
        ]
        section.tables.append(chosen_table(study))
        return section
    if all(len(cell) == 1 for cell in study.cells):
        section.paragraphs = ["There was one configuration per variant: nothing was selected."]
        return section
    section.paragraphs = [
        "The best of many configurations owes part of its score to luck. `hq-ray select` writes "
        "the spec of a second stage that runs the best ones on fresh seeds; the report of that "
        "stage says what they are worth.",
        *_seeds_needed(study),
    ]
    return section


def _seeds_needed(study: Study) -> list[str]:
    needed = [
        f"{one.env}: {float(f'{one.difference.seeds_needed:.2g}'):,.0f}"
        for one in headline(study.comparisons)
        if 0 < one.difference.seeds_needed < float("inf")
    ]
    if not needed:
        return []
    return [
        "Seeds that would show a true difference of the size seen here in four of five "
        f"experiments, about: {'; '.join(needed)}."
    ]


def _configurations(study: Study, summary: pd.DataFrame) -> Section:
    section = Section("configurations", "Table", "All configurations")
    if not len(summary):
        section.paragraphs = ["There is no configuration with a done trial."]
        return section
    unit = f" [{study.judged.unit}]" if study.judged.unit else ""
    section.paragraphs = [
        f"`mean`, `se`, the 95 % t interval from `low` to `high`, and `iqm` are of "
        f"{study.judged.label}{unit}, over `n` seeds. `summary.parquet` beside this page has more "
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
