"""Tables of a report: verdicts, metrics, choices, configurations, failures, provenance."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from numbers import Integral, Real
from typing import Any

import pandas as pd

from hq_ray.analysis.comparison import Comparison
from hq_ray.analysis.metrics import METRICS, THREE_METRICS
from hq_ray.analysis.statistics.means import t_interval
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import (
    UNDECIDED,
    basis,
    compared_name,
    detectable,
    numbers,
    p_text,
    summary,
)
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
WHEN = dict(zip(THREE_METRICS, ("while learning", "at the end", "what was learned"), strict=True))

Table = tuple[str, pd.DataFrame]
"""A caption and the rows."""


def verdict_table(found: Sequence[Comparison]) -> Table:
    """One row per comparison; what is measured is rounded."""
    rows = []
    for one in found:
        row = summary(one)
        failed = f", {one.lost} failed" if one.lost else ""
        rows.append(
            {
                "environment": one.env,
                "variant": compared_name(one),
                "against": one.baseline,
                "verdict": f"{row['kind']}, {basis(one)}",
                "difference": row["difference"],
                "95 % interval": _interval(row),
                "p": _p_value(row["p_value"]),
                "Holm's p": _p_value(row["p_holm"]),
                "detectable difference": detectable(one) if row["kind"] == UNDECIDED else None,
                "seeds": _seed_counts(row) + failed,
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


def metrics_table(study: Study, env: str) -> list[Table]:
    """The compared configurations of a problem by the metric of the verdict and THREE_METRICS, on
    the same seeds; where none are compared, the best configuration of each variant.
    """
    of_env = [one for one in study.comparisons if one.env == env and one.difference is not None]
    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys((*THREE_METRICS, *(one.metric.name for one in of_env))):
        when = f"{WHEN[name]}: " if name in WHEN else ""
        rows += [
            {
                "metric": when + METRICS[name].axis_label,
                "variant": compared_name(one),
                "seeds": _seed_counts(row),
                "mean": row["mean"],
                f"mean of {one.baseline}": row["baseline_mean"],
                "difference": row["difference"],
                "95 % interval": _interval(row),
            }
            for one in of_env
            if (row := numbers(one, name))
        ]
    if rows:
        return [("The compared configurations by three metrics", pd.DataFrame(rows))]
    sides = [side for (of, _), side in study.chosen.items() if of == env]
    for name, side in product(THREE_METRICS, sides):
        scores = side.scored(name).scores(name)
        mean, low, high = t_interval(scores) if len(scores) else [math.nan] * 3
        rows.append(
            {
                "metric": f"{WHEN[name]}: {METRICS[name].axis_label}",
                "variant": side.cell.variant,
                "seeds": str(len(scores)),
                "mean": float(mean),
                "95 % interval": _interval({"low": low, "high": high}),
            }
        )
    chosen = any(len(side.cell) > 1 and not side.fresh for side in sides)
    caption = "Three metrics" + ", on the seeds that chose the configuration" * chosen
    return [(caption, pd.DataFrame(rows))] if rows else []


def _seed_counts(row: Mapping) -> str:
    if row["n"] is None:
        return "too few"
    same = row["n"] == row["baseline_n"]
    return str(row["n"]) if same else f"{row['n']} and {row['baseline_n']}"


def _p_value(p_value: float | None) -> str | None:
    return None if p_value is None else p_text(p_value).removeprefix("= ")


def _interval(row: Mapping) -> str | None:
    low, high = row["low"], row["high"]
    return None if pd.isna(low) else f"{round_number(low)} to {round_number(high)}"


def chosen_table(study: Study, env: str) -> list[Table]:
    """Which configuration of each variant is compared and drawn."""
    rows = [
        {
            "variant": variant,
            "configuration": side.label,
            "chosen from": side.chosen_from or len(side.cell),
            "seeds": f"{len(side.seeds)} fresh" if side.fresh else str(len(side.seeds)),
        }
        for (of, variant), side in study.chosen.items()
        if of == env and len(side.cell) > 1
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


def configurations_table(study: Study, summary: pd.DataFrame) -> Table:
    """One row per configuration, best first in each environment; seeds are text."""
    varying = {name for cell in study.cells for name in cell.varying}
    every = dict.fromkeys(name for cell in study.cells for name in cell.settings)
    settings = [name for name in every if name in varying]
    others = [
        name
        for name in OTHER_MEANS
        if name != study.judged.name and name in summary and summary[name].notna().any()
    ]
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
    order = [True, study.judged.sign < 0]
    rows = rows.sort_values(["env", "mean"], ascending=order, kind="stable")
    first = f", the first {MOST_CONFIGURATIONS:,} of {len(rows):,}"
    caption = "Configurations" + first * (len(rows) > MOST_CONFIGURATIONS)
    return caption, rows.head(MOST_CONFIGURATIONS)


def failures_table(study: Study) -> Table | None:
    """Reasons why trials failed, the commonest first, each with one of its trials."""
    failed = study.trials[study.trials["status"] == FAILED]
    if not len(failed):
        return None
    found = (
        failed.assign(reason=failed["error_type"] + ": " + failed["error_message"])
        .groupby("reason", as_index=False)
        .agg(trials=("trial_id", "size"), one=("trial_id", "min"))
        .sort_values("trials", ascending=False, kind="stable")
    )
    rows = found.head(MOST_FAILURES)
    rows["reason"] = [shortened(text, MOST_CHARACTERS) for text in rows["reason"]]
    more = f", the commonest {MOST_FAILURES} of {len(found):,}"
    caption = f"Why trials failed{more if len(found) > MOST_FAILURES else ''}"
    return caption, rows[["trials", "reason", "one"]].rename(columns={"one": "such as trial"})


def provenance_table(results: Results, info: Mapping) -> Table:
    """Versions, models and spec of a sweep, as its sweep.json says."""
    rows = {"results": results.location.text}
    rows |= {name: value for name, value in info.get("versions", {}).items() if value is not None}
    rows |= {f"fingerprint of {name}": one for name, one in info.get("fingerprints", {}).items()}
    spec = info.get("spec", {})
    rows |= {f"spec: {k}": value for k, value in spec.items() if value not in (None, [], {})}
    texts = [one if isinstance(one, str) else json.dumps(one) for one in rows.values()]
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
