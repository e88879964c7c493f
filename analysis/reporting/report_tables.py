"""Tables of a report: comparisons, metrics, what is drawn, configurations, what failed."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from hq_ray.analysis.cells import SETTINGS
from hq_ray.analysis.comparison import Comparison
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.means import seed_means
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import SHOWN, p_text, summary, three_metrics
from hq_ray.analysis.words import round_number
from hq_ray.store import FAILED, Results

MOST_FAILURES = 20
MOST_CHARACTERS = 400
# Beside the statistics of the metric of the verdict, the table of configurations has these means.
OTHER_MEANS = ("mean_return", "final_return", "policy_gap", "success_rate")
STATISTICS = ("n", "mean", "se", "low", "high", "iqm")

Table = tuple[str, pd.DataFrame]


def comparison_table(found: Sequence[Comparison]) -> Table:
    """One row per comparison, with its verdict."""
    rows = []
    for one in found:
        row = summary(one)
        counts = [row[name] for name in ("wins", "ties", "losses")]
        rows.append(
            {
                "environment": one.env,
                "variant": one.variant,
                "baseline": one.baseline,
                "verdict": row["kind"],
                "basis": row["basis"],
                "n": _n_words(row),
                "mean": row["mean"],
                "baseline mean": row["baseline_mean"],
                "difference": row["difference"],
                "95 % interval": _interval(row["low"], row["high"]),
                "p": _p_words(row["p_value"]),
                "Holm's p": _p_words(row["p_holm"]),
                "wins/ties/ losses": None if None in counts else "/".join(map(str, counts)),
                "configuration": row["configuration"],
                "baseline configuration": row["baseline_configuration"],
            }
        )
    metric = found[0].metric.axis_label
    return f"All comparisons by {metric}; intervals are of one comparison alone", _known(rows)


def metrics_tables(found: Sequence[Comparison]) -> list[Table]:
    """Of each environment, the same configurations on the same seeds by three metrics."""
    tables = []
    for env, of_env in three_metrics(found).items():
        rows = [
            {
                "variant": row["variant"],
                "baseline": row["baseline"],
                "metric": row["metric"],
                "n": _n_words({"paired": row["n"] == row["baseline_n"], **row}),
                "mean": row["mean"],
                "baseline mean": row["baseline_mean"],
                "difference": row["difference"],
                "95 % interval": _interval(row["low"], row["high"]),
                "verdict": row["verdict"],
            }
            for row in of_env
        ]
        tables.append((f"{env}: while learning, at the end, and what was learned", _known(rows)))
    return tables


def _known(rows: Sequence[Mapping]) -> pd.DataFrame:
    """The rows without columns of which nothing is known."""
    frame = pd.DataFrame(rows)
    return frame[[name for name in frame if frame[name].notna().any()]]


def _n_words(row: Mapping) -> str | None:
    if row["n"] is None or row["paired"]:
        return None if row["n"] is None else str(row["n"])
    return f"{row['n']} and {row['baseline_n']}"


def _p_words(p_value: float | None) -> str | None:
    return None if p_value is None else p_text(p_value).removeprefix("= ")


def _interval(low: float | None, high: float | None) -> str | None:
    return None if low is None or low != low else f"{round_number(low)} to {round_number(high)}"


def equal_settings_table(pairs: pd.DataFrame) -> Table | None:
    """For each variant, how many differences at equal hyperparameters an interval tells from 0."""
    rows = []
    families = pairs.groupby(["env", "variant", "baseline"], sort=False) if len(pairs) else ()
    for (env, variant, baseline), part in families:
        tested = part[part["n"] > 1]
        excluding = (tested["low"] > 0) | (tested["high"] < 0)
        rows.append(
            {
                "environment": env,
                "variant": variant,
                "baseline": baseline,
                "pairs of configurations": len(tested),
                "95 % interval excludes 0": int(excluding.sum()),
                "expected by chance": 0.05 * len(tested),
                "of these above 0": int((tested["low"] > 0).sum()),
                "left by Holm's correction": int(tested["holm"].sum()),
            }
        )
    title = "Differences at equal hyperparameters, paired by seed (pairs.parquet)"
    return (title, pd.DataFrame(rows)) if rows else None


def drawn_table(study: Study) -> Table:
    """Which configuration of each variant the curves show."""
    rows = []
    for cell in study.cells:
        side = study.chosen.get((cell.env, cell.variant))
        if side is not None:
            rows.append(
                {
                    "environment": cell.env,
                    "variant": cell.variant,
                    "configuration": side.label,
                    "chosen from": len(cell),
                    "seeds": len(side.seeds),
                    "basis": "confirmed" if side.fresh else "exploratory",
                    **{
                        f"mean {METRICS[name].label}": float(seed_means(side.scores(name)))
                        for name in dict.fromkeys((*SHOWN, study.judged.name))
                    },
                }
            )
    return "Configurations that the curves show", pd.DataFrame(rows)


def configurations_table(study: Study, summary: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration, best first in each environment."""
    varying = {name for cell in study.cells for name in cell.varying}
    settings = [name for name in SETTINGS if name in varying]
    others = [
        name
        for name in OTHER_MEANS
        if name != study.judged.name and name in summary and summary[name].notna().any()
    ]
    order = summary.sort_values(
        ["env", "mean"], ascending=[True, study.judged.sign < 0], kind="stable"
    )
    return order[["env", "variant", *settings, *STATISTICS, *others]]


def failures_table(study: Study) -> Table | None:
    """Reasons why trials failed, the commonest first."""
    failed = study.trials[study.trials["status"] == FAILED]
    reasons = Counter(
        f"{kind}: {text}"
        for kind, text in zip(failed["error_type"], failed["error_message"], strict=True)
    )
    if not reasons:
        return None
    order = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:MOST_FAILURES]
    rows = [{"trials": n, "reason": _cut(reason)} for reason, n in order]
    more = f", the commonest {MOST_FAILURES} of {len(reasons):,}"
    return f"Failures{more if len(reasons) > MOST_FAILURES else ''}", pd.DataFrame(rows)


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


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
