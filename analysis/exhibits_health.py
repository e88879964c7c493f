"""Exhibit of a sweep's health: what is there, what failed, how long it took."""

import numpy as np

from analysis.cells import environment_labels
from analysis.exhibits import Exhibit
from analysis.study import Study
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


def health_exhibits(study: Study) -> list[Exhibit]:
    """One figure; a row per environment and variant."""
    planned = planned_counts(study)
    labels = environment_labels(study.trials) if len(study.trials) else study.trials.get("env", [])
    rows = []
    keys = dict.fromkeys(planned)
    if len(study.trials):
        keys |= dict.fromkeys(zip(labels, study.trials["variant"], strict=True))
    for env, variant in sorted(keys):
        part = study.trials[(labels == env) & (study.trials["variant"] == variant)]
        done = part[part["status"] == DONE]
        cell = study.table.get(env, {}).get(variant)
        seconds = done["train_seconds"].dropna().to_numpy(dtype=float)
        truncated = done["truncation_rate"].dropna().to_numpy(dtype=float)
        rows.append(
            {
                "env": env,
                "variant": variant,
                "done": len(done),
                "planned": planned.get((env, variant)),
                "failed": int((part["status"] == FAILED).sum()),
                "seeds": None if cell is None else (cell.rows >= 0).sum(axis=1),
                "seconds": np.quantile(seconds, QUANTILES) if seconds.size else None,
                "truncated": float(truncated.mean()) if truncated.size else None,
            }
        )
    if not rows:
        return []
    return [
        Exhibit(
            stem="health",
            section="health",
            figure="health",
            arguments={
                "rows": rows,
                "title": "What the sweep holds",
                "caption": [study.data_words],
            },
            shows="Trials planned, done and failed, seeds per configuration, seconds, truncation.",
            shows_not="Why trials failed; the section says so in words.",
        )
    ]
