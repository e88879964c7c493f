"""Tables of a report: verdicts, metrics, choices, configurations, failures, provenance."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Integral, Real
from typing import Any

import pandas as pd

from hq_ray.analysis import verdict
from hq_ray.analysis.comparison import Comparison
from hq_ray.analysis.metrics import METRICS, THREE_METRICS
from hq_ray.analysis.statistics.means import t_interval
from hq_ray.analysis.study import Study
from hq_ray.analysis.words import format_number, round_number
from hq_ray.errors import shortened
from hq_ray.store import FAILED, Results
from hq_ray.trial import CONFIRMATION, seeds_text

# A browser handles this many; the rest is in summary.parquet.
MOST_CONFIGURATIONS = 5_000
MOST_FAILURES = 20
MOST_CHARACTERS = 400
MISSING = "–"
# Beside the statistics of the metric of the verdict, the table of configurations has these means.
OTHER_MEANS = (*THREE_METRICS, "success_rate")
STATISTICS = ["n", "mean", "se", "low", "high", "iqm"]
WHEN = zip(THREE_METRICS, ("while learning", "at the end", "what was learned"), strict=True)
HEADINGS = {name: f"{when}: {METRICS[name].axis_label}" for name, when in WHEN}

CaptionedTable = tuple[str, pd.DataFrame]
"""A caption and the rows."""


def verdict_table(found: Sequence[Comparison]) -> CaptionedTable:
    """One row per comparison; what is measured is rounded."""
    rows = []
    for comparison in found:
        row = verdict.comparison_row(comparison)
        failed = f", {comparison.lost} failed" if comparison.lost else ""
        limit = verdict.detectable(comparison) if row["kind"] == verdict.UNDECIDED else None
        rows.append(
            {
                "environment": comparison.env,
                "variant": verdict.compared_name(comparison),
                "against": comparison.baseline,
                "verdict": f"{row['kind']}, {verdict.basis(comparison)}",
                "difference": row["difference"],
                "95 % interval": _interval(row),
                "p": _p_value(row["p_value"]),
                "Holm's p": _p_value(row["p_holm"]),
                "detectable difference": limit,
                "seeds": _counts(comparison, row) + failed,
                "configuration": row["configuration"],
            }
        )
    metric = found[0].metric
    lower = ", lower is better" * (metric.sign < 0)
    return f"Variant minus baseline, in {metric.axis_label}{lower}", pd.DataFrame(rows)


def verdict_latex(found: Sequence[Comparison]) -> str:
    """The verdict table for LaTeX, which needs booktabs; all text is escaped."""
    if not found:
        return "% There is no verdict.\n"
    caption, frame = verdict_table(found)
    text = frame.map(cell_text).to_latex(index=False, escape=True)
    # In LaTeX's own font encoding these three are other signs; a row that begins with a bracket
    # would be an argument of the line before it.
    signs = {sign: f"${sign}$" for sign in "<>|"} | {"[": "{[}"}
    return f"% {caption}\n{text.translate(str.maketrans(signs))}"


def metrics_table(study: Study, env: str) -> list[CaptionedTable]:
    """The compared configurations of a problem by the metric of the verdict and THREE_METRICS, on
    the same seeds; where none are compared, the best configuration of each variant.
    """
    tested = [c for c in study.comparisons if c.env == env and c.difference is not None]
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys((*THREE_METRICS, *(c.metric.name for c in tested))):
        rows += [
            {
                "metric": HEADINGS.get(name, METRICS[name].axis_label),
                "variant": verdict.compared_name(comparison),
                "seeds": _counts(comparison, row),
                "mean": row["mean"],
                f"mean of {comparison.baseline}": row["baseline_mean"],
                "difference": row["difference"],
                "95 % interval": _interval(row),
            }
            for comparison in tested
            if (row := verdict.numbers(comparison, name))
        ]
    if rows:
        return [("The compared configurations by three metrics", pd.DataFrame(rows))]
    sides = [side for (problem, _), side in study.chosen.items() if problem == env]
    for name, side in product(THREE_METRICS, sides):
        scores = side.scored(name).scores(name)
        mean, low, high = t_interval(scores) if len(scores) else [math.nan] * 3
        rows.append(
            {
                "metric": HEADINGS[name],
                "variant": side.cell.variant,
                "seeds": str(len(scores)),
                "mean": float(mean),
                "95 % interval": _interval({"low": low, "high": high}),
            }
        )
    chosen = any(len(side.cell) > 1 and not side.fresh for side in sides)
    caption = "Three metrics" + ", on the seeds that chose the configuration" * chosen
    return [(caption, pd.DataFrame(rows))] if rows else []


def _counts(found: Comparison, row: Mapping) -> str:
    """How many seeds, or instances of a family, were compared."""
    if row["n"] is None:
        return "too few"
    counts = dict.fromkeys(str(row[name]) for name in ("n", "baseline_n"))
    return " and ".join(counts) + " instances" * (found.replicates == "instances")


def _p_value(p_value: float | None) -> str | None:
    return None if p_value is None else verdict.p_text(p_value).removeprefix("= ")


def _interval(row: Mapping) -> str | None:
    low, high = row["low"], row["high"]
    return None if pd.isna(low) else f"{round_number(low)} to {round_number(high)}"


def chosen_table(study: Study, env: str) -> list[CaptionedTable]:
    """Which configuration of each variant is compared and drawn."""
    rows = [
        {
            "variant": variant,
            "configuration": side.label,
            "chosen from": side.chosen_from,
            "seeds": f"{len(side.seeds)} fresh" if side.fresh else str(len(side.seeds)),
        }
        for (problem, variant), side in study.chosen.items()
        if problem == env and len(side.cell) > 1
    ]
    return [("Chosen configurations", pd.DataFrame(rows))] if rows else []


def why_no_verdict(study: Study) -> str:
    """Why there is no verdict."""
    if not study.table:
        return "No trial is done, so nothing can be said."
    variants = {cell.variant for cell in study.cells}
    if len(variants) == 1:
        return f"There is only {variants.pop()}, and nothing to compare it with."
    return f"No environment has {study.judged.name} of two variants, so none can be compared."


def configurations_table(study: Study, summary: pd.DataFrame) -> CaptionedTable:
    """One row per configuration, best first in each environment; seeds are text."""
    varying = {name for cell in study.cells for name in cell.varying}
    settings = [name for name in summary if name in varying]
    others = [n for n in OTHER_MEANS if n != study.judged.name and summary[n].notna().any()]
    seeds: dict[str, list] = {"seeds": [], "fresh_seeds": []}
    for cell in study.cells:
        done = cell.trials[cell.trials["status"] != FAILED]
        fresh = done["role"] == CONFIRMATION
        for column, trials in (("seeds", done[~fresh]), ("fresh_seeds", done[fresh])):
            texts = trials.groupby("config_id")["seed"].agg(seeds_text)
            seeds[column] += texts.reindex(cell.settings.index).tolist()
    columns = ["env", "variant", *settings, *STATISTICS, *others, *seeds]
    rows = summary.assign(**seeds)[columns]
    if rows["fresh_seeds"].isna().all():
        rows = rows.drop(columns="fresh_seeds")
    rows = rows.sort_values(["env", "mean"], ascending=[True, study.judged.sign < 0], kind="stable")
    first = f", the first {MOST_CONFIGURATIONS:,} of {len(rows):,}"
    caption = "Configurations" + first * (len(rows) > MOST_CONFIGURATIONS)
    return caption, rows.head(MOST_CONFIGURATIONS)


def failures_table(study: Study) -> CaptionedTable | None:
    """Reasons why trials failed, the commonest first, each with one of its trials."""
    failed = study.trials[study.trials["status"] == FAILED]
    if not len(failed):
        return None
    groups = failed.groupby(failed["error_type"] + ": " + failed["error_message"])["trial_id"]
    rows = groups.agg(["size", "min"]).sort_values("size", ascending=False, kind="stable")
    reasons = [shortened(text, MOST_CHARACTERS) for text in rows.index]
    columns = {"trials": rows["size"], "reason": reasons, "such as trial": rows["min"]}
    more = f", the commonest {MOST_FAILURES} of {len(rows):,}"
    caption = "Why trials failed" + more * (len(rows) > MOST_FAILURES)
    return caption, pd.DataFrame(columns).head(MOST_FAILURES)


def provenance_table(results: Results, info: Mapping) -> CaptionedTable:
    """Versions, models and spec of a sweep, as its sweep.json says."""
    rows = {"results": results.location.text}
    rows |= {name: value for name, value in info.get("versions", {}).items() if value is not None}
    rows |= {f"fingerprint of {name}": mark for name, mark in info.get("fingerprints", {}).items()}
    spec = info.get("spec", {})
    rows |= {f"spec: {k}": value for k, value in spec.items() if value not in (None, [], {})}
    texts = [value if isinstance(value, str) else json.dumps(value) for value in rows.values()]
    values = [shortened(text, MOST_CHARACTERS) for text in texts]
    frame = pd.DataFrame({"what": list(rows), "value": values})
    return info.get("name", results.location.text), frame


def cell_text(value: object) -> str:
    """A value of a table for a reader."""
    if value is None or value != value:
        return MISSING
    if isinstance(value, Integral):
        return format_number(int(value))
    if isinstance(value, Real):
        return round_number(float(value)) if math.isfinite(value) else "∞"
    return str(value)
