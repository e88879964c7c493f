"""What a report says in words and tables, chapter by chapter; the verdict stands first."""

import json
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from analysis.cells import SETTINGS
from analysis.comparison import Comparison, compare_all, headline
from analysis.exhibits_health import planned_counts
from analysis.exhibits_scores import scores_words
from analysis.metrics import METRICS
from analysis.report_page import Section
from analysis.study import Study
from analysis.tables import significant
from analysis.verdict import basis_words, judge, overall_words
from hq_ray.store import DONE, FAILED

# Beside the metric of the verdict, each comparison is shown by these.
SIDE_METRICS = (
    "final_return",
    "mean_return",
    "policy_gap",
    "final_success_rate",
    "truncation_rate",
)
SIDE_METRICS += ("episodes_to_threshold", "falls_per_1000_steps")
MOST_FAILURES = 20


def report_sections(study: Study, summary: pd.DataFrame, pairs: pd.DataFrame) -> list[Section]:
    """The chapters, without the figures."""
    return [
        _verdict(study),
        Section("curves", "Learning curves", _curve_words(study)),
        _scores(study),
        Section("sensitivity", "Hyperparameters", list(significant(pairs))),
        _selection(study),
        _configurations(study, summary),
        _health(study),
        _provenance(study),
    ]


def _verdict(study: Study) -> Section:
    section = Section("verdict", "Verdict")
    asked = headline(study.comparisons)
    section.verdicts = [judge(one) for one in asked]
    if asked:
        section.paragraphs = [overall_words(asked), basis_words(asked), _metric_words(study)]
    else:
        section.paragraphs = [_nothing_words(study)]
    others = [one for one in study.comparisons if one not in asked]
    if others:
        section.tables.append(("Controls, against the same baseline", comparison_table(others)))
    section.warnings = list(study.notes)
    return section


def _metric_words(study: Study) -> str:
    words = f"Judged by {study.judged.label}: {study.judged.summary}"
    if study.ropes:
        sizes = ", ".join(f"{env} {rope:.3g}" for env, rope in study.ropes.items())
        unit = f" [{study.judged.unit}]" if study.judged.unit else ""
        words += f" Differences up to this size are held not to matter{unit}: {sizes}."
    return words


def _nothing_words(study: Study) -> str:
    """Why there is no verdict, and what there is instead."""
    if not study.table:
        return "No trial is done yet, so nothing can be said; what failed is below."
    variants = {variant for row in study.table.values() for variant in row}
    if len(variants) == 1:
        return (
            f"Only {next(iter(variants))} was run, so there is nothing to compare it with; its "
            "curves, its sensitivity and its table are below."
        )
    if not any(len(row) > 1 for row in study.table.values()):
        return "No environment was run with two variants, so none can be compared."
    return f"No two variants have a common seed with {study.judged.name}, so none can be compared."


def _curve_words(study: Study) -> list[str]:
    return [] if study.curves else ["There are no episodes to draw."]


def comparison_table(found: Sequence[Comparison]) -> pd.DataFrame:
    """One row per comparison, with the columns that a reader looks for."""
    rows = []
    for one in found:
        row = one.summary()
        rows.append(
            {
                "environment": one.env,
                "variant": one.variant,
                "baseline": one.baseline,
                "metric": one.metric.name,
                "unit": one.metric.unit or "–",
                "n": row["n"],
                "mean": row["mean"],
                "baseline mean": row["baseline_mean"],
                "difference": row["difference"],
                "low": row["low"],
                "high": row["high"],
                "p (sign flip)": row["p_value"],
                "P(better)": row["improvement"],
                "wins/ties/losses": f"{row['wins']}/{row['ties']}/{row['losses']}",
                "tuned over": row["budget"],
                "verdict": judge(one).kind,
            }
        )
    return pd.DataFrame(rows)


def _scores(study: Study) -> Section:
    section = Section("scores", "Scores over seeds")
    asked = headline(study.comparisons)
    if not asked:
        section.paragraphs = ["There are no two variants to compare by their scores."]
        return section
    section.paragraphs = [
        scores_words(study, asked),
        "Variants share their random streams seed by seed, so their difference is taken in pairs: "
        "a variance ratio Var(difference) / (sum of both variances) below 1 says that it paid.",
    ]
    columns = ["environment", "n", "mean", "baseline mean", "IQM", "baseline IQM"]
    columns += ["worst tenth", "baseline worst tenth", "variance ratio", "seed correlation"]
    names = ["env", "n", "mean", "baseline_mean", "iqm", "baseline_iqm"]
    names += ["worst_tenth", "baseline_worst_tenth", "variance_ratio", "seed_correlation"]
    frame = pd.DataFrame([one.summary() for one in asked])[names]
    section.tables.append(
        (f"{asked[0].variant} and {asked[0].baseline}", frame.set_axis(columns, axis=1))
    )
    section.tables.append(("The same comparison by other metrics", _other_metrics(study)))
    return section


def _other_metrics(study: Study) -> pd.DataFrame:
    """Each variant tuned and compared by each metric; differences of one seed have no interval."""
    found = []
    for name in SIDE_METRICS:
        if name != study.judged.name and all(name in cell.trials for cell in study.cells):
            found += headline(compare_all(study.table, METRICS[name], study.fixed))
    return comparison_table(found)


def _selection(study: Study) -> Section:
    section = Section("selection", "Tuning and selection")
    if study.selection is None:
        if all(len(cell) == 1 for cell in study.cells):
            section.paragraphs = ["There was one configuration per variant: nothing was selected."]
            return section
        section.paragraphs = [
            "The best of many configurations owes part of its score to luck. `hq-ray select` "
            "writes the spec of a second stage that runs the best ones on fresh seeds; the report "
            "of that stage says what they are worth."
        ]
        needed = [
            f"{one.env}: {one.difference.seeds_needed:,.0f}"
            for one in headline(study.comparisons)
            if 0 < one.difference.seeds_needed < float("inf")
        ]
        if needed:
            section.paragraphs.append(
                "Seeds that would show a difference of the size seen here in four of five "
                f"experiments: {'; '.join(needed)}."
            )
        return section
    section.paragraphs = [
        f"Stage one ({study.selection.results}, {len(study.selection.seeds)} seeds, by "
        f"{study.selection.metric}) chose; the scores of this stage come from other seeds. "
        "Optimism is the score that a configuration was chosen by, minus its score on fresh seeds."
    ]
    rows = []
    for one in study.selection.chosen:
        cell = study.table.get(one.env, {}).get(one.variant)
        number = None if cell is None else one.row(cell)
        row = {"environment": one.env, "variant": one.variant, "rank": one.rank}
        row["configuration"] = "not run" if number is None else cell.label(number)
        row |= {"stage one": one.mean, "its n": one.n}
        if number is not None:
            scores = cell.scores(study.selection.metric)[number]
            scores = scores[scores == scores]
            row |= {"fresh": scores.mean() if scores.size else None, "fresh n": scores.size}
            row["optimism"] = one.mean - scores.mean() if scores.size else None
        rows.append(row)
    section.tables.append(("Chosen configurations", pd.DataFrame(rows)))
    return section


def _configurations(study: Study, summary: pd.DataFrame) -> Section:
    section = Section("configurations", "All configurations")
    if not len(summary):
        section.paragraphs = ["There is no configuration with a done trial."]
        return section
    several = [
        name
        for name in SETTINGS
        if any(name in cell.varying for cell in study.cells)
        or summary.groupby("variant")[name].nunique(dropna=False).max() > 1
    ]
    columns = ["env", "variant", *several, "n", "mean", "se", "low", "high", "iqm"]
    columns += [
        name
        for name in ("mean_return", "final_return", "policy_gap", "success_rate")
        if name != study.judged.name and name in summary and summary[name].notna().any()
    ]
    order = summary.sort_values("mean", ascending=not study.judged.higher_is_better, kind="stable")
    section.browser = order[columns]
    section.paragraphs = [
        f"`mean`, `se`, the 95 % t interval `low` to `high` and the IQM are of {study.judged.label}"
        f"{' [' + study.judged.unit + ']' if study.judged.unit else ''}, over n seeds."
    ]
    return section


def _health(study: Study) -> Section:
    section = Section("health", "Health of the sweep")
    status = study.trials["status"] if len(study.trials) else pd.Series(dtype=str)
    planned = sum(planned_counts(study).values())
    of_planned = f" of {planned:,} planned" if planned else ""
    section.paragraphs = [
        f"{(status == DONE).sum():,}{of_planned} trials done, {(status == FAILED).sum():,} failed, "
        f"{study.trials['train_seconds'].sum() if len(study.trials) else 0:,.1f} s of training. "
        "Failed trials are in no average."
    ]
    if not len(study.trials):
        return section
    failed = study.trials[status == FAILED]
    reasons = Counter(
        f"{kind}: {text}"
        for kind, text in zip(failed["error_type"], failed["error_message"], strict=True)
    )
    if reasons:
        rows = [{"trials": n, "reason": reason} for reason, n in reasons.most_common(MOST_FAILURES)]
        section.tables.append(("Failures", pd.DataFrame(rows)))
    return section


def _provenance(study: Study) -> Section:
    section = Section("provenance", "Provenance")
    section.paragraphs = [f"Read: {study.data_words}"]
    for one, info in zip(study.results, study.descriptions, strict=True):
        rows = [{"what": "results", "value": one.location.text}]
        rows += [
            {"what": name, "value": str(value)} for name, value in info.get("versions", {}).items()
        ]
        rows += [
            {"what": f"model of {name}", "value": str(value)}
            for name, value in info.get("fingerprints", {}).items()
        ]
        spec = {k: v for k, v in info.get("spec", {}).items() if k != "selection" and v is not None}
        rows += [
            {"what": f"spec: {name}", "value": _short(json.dumps(value))}
            for name, value in spec.items()
        ]
        section.tables.append((info.get("name", one.location.text), pd.DataFrame(rows)))
    return section


def _short(text: str, most: int = 400) -> str:
    return text if len(text) <= most else f"{text[:most]} …"
