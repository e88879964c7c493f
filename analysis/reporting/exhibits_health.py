"""Exhibit of a sweep's health: what is there, what failed, how long it took."""

from collections.abc import Mapping

import numpy as np

from hq_ray.analysis.cells import SETTINGS, environment_labels
from hq_ray.analysis.charts.figure_health import health_figure
from hq_ray.analysis.reporting.exhibits import Exhibit
from hq_ray.analysis.study import Study
from hq_ray.store import DONE, FAILED

QUANTILES = (np.arange(20) + 0.5) / 20


def planned_counts(study: Study) -> dict[tuple[str, str], int]:
    """Planned trials by (environment as `id {arguments}`, variant), where sweep.json says."""
    counts: dict[tuple[str, str], int] = {}
    for info in study.descriptions:
        for key, row in info.get("planned", {}).items():
            name, _, args = key.partition(" ")
            env = name if args == "{}" else key
            for variant, count in row.items():
                counts[env, variant] = counts.get((env, variant), 0) + count
    return counts


def health_exhibits(study: Study, planned: Mapping[tuple[str, str], int]) -> list[Exhibit]:
    """One figure; a row per environment and variant.

    Args:
        study: the results.
        planned: see `planned_counts`; empty where not all trials were read.
    """
    labels = environment_labels(study.trials) if len(study.trials) else study.trials["env"]
    order = [cell.variant for cell in study.cells]
    keys = {*planned, *zip(labels, study.trials["variant"], strict=True)}
    rows = []
    for env, variant in sorted(keys, key=lambda key: (key[0], [*order, key[1]].index(key[1]))):
        part = study.trials[(labels == env) & (study.trials["variant"] == variant)]
        done = part[part["status"] == DONE]
        truncated = done["truncation_rate"].dropna().to_numpy(dtype=float)
        seconds = done["train_seconds"].dropna().to_numpy(dtype=float)
        rows.append(
            {
                "env": env,
                "variant": variant,
                "done": len(done),
                "planned": planned.get((env, variant)),
                "failed": int((part["status"] == FAILED).sum()),
                "seeds": done.groupby(list(SETTINGS), dropna=False, observed=True).size(),
                "seconds": np.quantile(seconds, QUANTILES) if seconds.size else seconds,
                "truncated": float(truncated.mean()) if truncated.size else None,
            }
        )
    if not rows:
        return []
    arguments = {"rows": rows, "title": "What the sweep holds", "caption": [study.data_words]}
    shows = "Trials planned, done and failed, seeds per configuration, seconds, truncation."
    shows_not = "Why trials failed; the table of failures does."
    return [Exhibit("health", "health", health_figure, arguments, shows, shows_not)]
