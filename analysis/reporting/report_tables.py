"""Tables of a report: comparisons, scores, what is drawn, what was chosen, what failed."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from hq_ray.analysis.cells import SETTINGS
from hq_ray.analysis.comparison import Comparison
from hq_ray.analysis.drawing.captions import round_number
from hq_ray.analysis.reporting.exhibits_selection import fresh_scores
from hq_ray.analysis.statistics.tuning import seed_means
from hq_ray.analysis.study import Study
from hq_ray.analysis.verdict import judge
from hq_ray.store import FAILED, Results

MOST_FAILURES = 20
MOST_CHARACTERS = 400
# Beside the statistics of the metric of the verdict, the table of configurations has these means.
OTHER_MEANS = ("mean_return", "final_return", "policy_gap", "success_rate")
STATISTICS = ("n", "mean", "se", "low", "high", "iqm")

Table = tuple[str, pd.DataFrame]


def comparison_table(title: str, found: Sequence[Comparison]) -> Table:
    """One row per comparison; what all rows share stands in the caption instead of a column."""
    frame = pd.DataFrame([_comparison_row(one) for one in found])
    shared = []
    for name, words in SHARED.items():
        if frame[name].nunique(dropna=False) == 1:
            shared.append(words.format(frame.pop(name).iloc[0]))
    shared = [words for words in shared if words != SHARED["tuned over"].format(1)]
    wanted = [name for name in frame if frame[name].notna().any()]
    return f"{title} ({', '.join(shared)})" if shared else title, frame[wanted]


SHARED = {
    "variant": "{}",
    "baseline": "against {}",
    "metric": "{}",
    "n": "n = {}",
    "tuned over": "configurations to choose from: {}",
}


def _comparison_row(one: Comparison) -> dict[str, object]:
    row = one.summary()
    interval = None
    if row["low"] is not None:
        interval = f"{round_number(row['low'])} to {round_number(row['high'])}"
    same_n = row["n"] == row["baseline_n"]
    record = f"{row['wins']}/{row['ties']}/{row['losses']}" if one.paired else None
    return {
        "environment": one.env,
        "metric": _metric_words(one),
        "variant": one.variant,
        "baseline": one.baseline,
        "n": str(row["n"]) if same_n else f"{row['n']} and {row['baseline_n']}",
        "mean": row["mean"],
        "baseline mean": row["baseline_mean"],
        "difference": row["difference"],
        "95 % interval": interval,
        "p": p_words(row["p_value"]),
        "P(better)": row["improvement"],
        "wins/ties/ losses": record,
        "tuned over": str(one.budget),
        "verdict": judge(one).kind,
    }


def p_words(p_value: float | None) -> str | None:
    """A p-value for a reader, who has no use for more digits than these."""
    if p_value is None:
        return None
    return f"{p_value:.2g}" if p_value >= 0.001 else "< 0.001"


def _metric_words(one: Comparison) -> str:
    unit = one.metric.unit
    return f"{one.metric.label} [{unit}]" if unit else one.metric.label


def scores_table(asked: Sequence[Comparison]) -> Table:
    """Mean, IQM and worst tenth of both, and what pairing by seed was worth."""
    names = {
        "env": "environment",
        "mean": "mean",
        "baseline_mean": "baseline mean",
        "iqm": "IQM",
        "baseline_iqm": "baseline IQM",
        "worst_tenth": "worst tenth",
        "baseline_worst_tenth": "baseline worst tenth",
        "seed_correlation": "seed correlation",
        "variance_ratio": "variance ratio",
    }
    frame = pd.DataFrame([one.summary() for one in asked])[list(names)]
    kept = [name for name in names if frame[name].notna().any()]
    return f"{asked[0].variant}, and {asked[0].baseline} as the baseline", frame[kept].rename(
        columns=names
    )


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
    for (env, variant), number in study.best.items():
        cell = study.table[env][variant]
        scores = cell.scores(study.judged.name)[number]
        row = {"environment": env, "variant": variant, "configuration": cell.label(number)}
        row |= {} if study.selection else {"chosen from": len(cell)}
        row |= {"seeds": int((cell.rows[number] >= 0).sum())}
        rows.append(row | {f"mean {study.judged.label}": float(seed_means(scores[None])[0])})
    order = {key: n for n, key in enumerate((c.env, c.variant) for c in study.cells)}
    rows.sort(key=lambda row: order[row["environment"], row["variant"]])
    return "Configurations that the curves show", pd.DataFrame(rows)


def chosen_table(study: Study) -> Table:
    """What stage one chose, and what fresh seeds say of it."""
    rows = []
    for one in study.selection.chosen:
        cell = study.table.get(one.env, {}).get(one.variant)
        number = None if cell is None else one.row(cell)
        scores = fresh_scores(study, one)
        fresh = float(scores.mean()) if scores.size else None
        rows.append(
            {
                "environment": one.env,
                "variant": one.variant,
                "rank": one.rank,
                "configuration": "not run" if number is None else cell.label(number),
                "stage one": one.mean,
                "its n": one.n,
                "fresh": fresh,
                "fresh n": scores.size,
                "optimism": None if fresh is None else one.mean - fresh,
            }
        )
    return f"Chosen configurations, by {study.selection.metric}", pd.DataFrame(rows)


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
        ["env", "mean"], ascending=[True, not study.judged.higher_is_better], kind="stable"
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
    kept = {k: v for k, v in spec.items() if k != "selection" and v not in (None, [], {})}
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
