"""Tables of a report: verdicts, metrics, choices, configurations, failures, provenance."""

import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import pandas as pd

from hq_ray.analysis.cells import SETTINGS
from hq_ray.analysis.comparison import Comparison
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import basis, detectable, p_text, summary, three_metrics
from hq_ray.analysis.words import format_number, round_number
from hq_ray.store import FAILED, Results
from hq_ray.trial import seeds_text

MOST_FAILURES = 20
MOST_CHARACTERS = 400
MISSING = "–"
# Beside the statistics of the metric of the verdict, the table of configurations has these means.
OTHER_MEANS = ("mean_return", "final_return", "policy_value", "success_rate")
STATISTICS = ("n", "mean", "se", "low", "high", "iqm")
WHEN = {
    "mean_return": "while learning: ",
    "final_return": "at the end: ",
    "policy_value": "what was learned: ",
}

Table = tuple[str, pd.DataFrame]


def verdict_table(found: Sequence[Comparison]) -> Table:
    """One row per comparison; what is measured is rounded."""
    rows = []
    for one in found:
        row = summary(one)
        undecided = row["kind"] == "undecided"
        rows.append(
            {
                "environment": one.env,
                "variant": _choice(row),
                "against": one.baseline,
                "verdict": f"{row['kind']}, {basis(one)}",
                "difference": row["difference"],
                "95 % interval": _interval(row),
                "p": _p_cell(row["p_value"]),
                "Holm's p": _p_cell(row["p_holm"]),
                "detectable difference": detectable(one) if undecided else None,
                "seeds": _seed_counts_text(row) + (f", {one.lost} failed" if one.lost else ""),
                "configuration": row["configuration"],
            }
        )
    return f"Variant minus baseline, in {found[0].metric.axis_label}", pd.DataFrame(rows)


def verdict_latex(found: Sequence[Comparison]) -> str:
    """The verdict table for LaTeX, which needs booktabs; all text is escaped."""
    if not found:
        return "% There is no verdict.\n"
    caption, frame = verdict_table(found)
    text = frame.map(cell_text).to_latex(index=False, escape=True)
    # In LaTeX's own font encoding these three are other signs.
    return f"% {caption}\n{text}".translate({ord(sign): f"${sign}$" for sign in "<>|"})


def metrics_table(found: Sequence[Comparison], env: str) -> list[Table]:
    """The compared configurations of a problem by three metrics, on the same seeds."""
    of_env = three_metrics(found).get(env, [])
    rows = [
        {
            "metric": WHEN.get(name, "") + row["metric"],
            "variant": _choice(row),
            "seeds": _seed_counts_text(row),
            "mean": row["mean"],
            f"mean of {row['baseline']}": row["baseline_mean"],
            "difference": row["difference"],
            "95 % interval": _interval(row),
        }
        for name in dict.fromkeys(row["name"] for row in of_env)
        for row in of_env
        if row["name"] == name
    ]
    return [("The compared configurations by three metrics", pd.DataFrame(rows))] if rows else []


def _choice(row: Mapping) -> str:
    return row["variant"] + (f" (choice {row['rank']})" if row["rank"] > 1 else "")


def _seed_counts_text(row: Mapping) -> str:
    if row["n"] is None:
        return "too few"
    same = row["n"] == row["baseline_n"]
    return str(row["n"]) if same else f"{row['n']} and {row['baseline_n']}"


def _p_cell(p_value: float | None) -> str | None:
    return None if p_value is None else p_text(p_value).removeprefix("= ")


def _interval(row: Mapping) -> str | None:
    low, high = row["low"], row["high"]
    return None if low is None or low != low else f"{round_number(low)} to {round_number(high)}"


def chosen_table(study: Study, env: str) -> list[Table]:
    """Which configuration of each variant is compared and drawn."""
    rows = [
        {
            "variant": variant,
            "configuration": side.label,
            "chosen from": len(side.cell),
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
    variants = {variant for row in study.table.values() for variant in row}
    if len(variants) == 1:
        return f"Only {next(iter(variants))} was run, so there is nothing to compare it with."
    if not any(len(row) > 1 for row in study.table.values()):
        return "No environment was run with two variants, so none can be compared."
    return f"No two variants have trials with {study.judged.name}, so none can be compared."


def configurations_table(study: Study, summary: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration, best first in each environment; seeds are text."""
    varying = {name for cell in study.cells for name in cell.varying}
    settings = [name for name in SETTINGS if name in varying]
    others = [
        name
        for name in OTHER_MEANS
        if name != study.judged.name and name in summary and summary[name].notna().any()
    ]
    explored, fresh = [], []
    for cell in study.cells:
        done = cell.fresh[cell.fresh["row"] >= 0]
        confirmed = done.groupby("number")["seed"].agg(seeds_text)
        explored += [seeds_text(cell.seeds[rows >= 0].tolist()) for rows in cell.rows]
        fresh += [confirmed.get(number) for number in range(len(cell))]
    seeds = ["seeds", "fresh_seeds"] if any(fresh) else ["seeds"]
    rows = summary.assign(seeds=explored, fresh_seeds=fresh)[
        ["env", "variant", *settings, *STATISTICS, *others, *seeds]
    ]
    order = [True, study.judged.sign < 0]
    return rows.sort_values(["env", "mean"], ascending=order, kind="stable")


def failures_table(study: Study) -> Table | None:
    """Reasons why trials failed, the commonest first, each with one of its trials."""
    failed = study.trials[study.trials["status"] == FAILED]
    if not len(failed):
        return None
    reasons = failed["error_type"] + ": " + failed["error_message"]
    found = (
        failed.assign(reason=reasons)
        .groupby("reason", sort=True)
        .agg(trials=("trial_id", "size"), one=("trial_id", "min"))
    )
    order = found.sort_values("trials", ascending=False, kind="stable").reset_index()
    rows = order.head(MOST_FAILURES).assign(reason=order["reason"].map(_cut))
    more = f", the commonest {MOST_FAILURES} of {len(order):,}"
    caption = f"Why trials failed{more if len(order) > MOST_FAILURES else ''}"
    return caption, rows[["trials", "reason", "one"]].rename(columns={"one": "such as trial"})


def provenance_table(results: Results, info: Mapping) -> Table:
    """Versions, models and spec of a sweep, as its sweep.json says."""
    rows = {"results": results.location.text}
    rows |= {name: value for name, value in info.get("versions", {}).items() if value is not None}
    rows |= {f"model of {name}": one for name, one in info.get("fingerprints", {}).items()}
    spec = info.get("spec", {})
    kept = {k: v for k, v in spec.items() if v not in (None, [], {})}
    rows |= {f"spec: {name}": value for name, value in kept.items()}
    frame = pd.DataFrame(
        [
            {"what": what, "value": _cut(one if isinstance(one, str) else json.dumps(one))}
            for what, one in rows.items()
        ]
    )
    return info.get("name", results.location.text), frame


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


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
