"""Exhibits of how episodes end: success, accidents and truncation by episode."""

from collections.abc import Mapping

import numpy as np

from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.reporting.exhibits import Exhibit, file_stem
from hq_ray.analysis.reporting.exhibits_curves import (
    drawn_variants,
    limits_of_curves,
    mean_entry,
    settings_words,
)
from hq_ray.analysis.statistics.means import SmoothedSeeds, mean_and_se, smooth_seeds
from hq_ray.analysis.study import Study
from hq_ray.analysis.summaries import falls_of

NAMES = ("success", "falls", "failures", "truncated")


def rate_exhibits(study: Study) -> list[Exhibit]:
    """A figure per environment, of what is known of it."""
    return [one for env in study.table for one in _rates(study, env)]


def _rates(study: Study, env: str) -> list[Exhibit]:
    found = {v: rate_curves(study, env, v) for v in drawn_variants(study, env)}
    rates: Mapping[str, Mapping] = {
        name: {v: mean_entry(study, env, v, of[name]) for v, of in found.items() if name in of}
        for name in NAMES
    }
    rates = {name: curves for name, curves in rates.items() if curves}
    if not rates:
        return []
    return [
        Exhibit(
            stem=file_stem(study.stem("rates", env)),
            section="curves",
            figure="rates",
            arguments={
                "rates": rates,
                "title": f"{env}: success, accidents and truncation",
                "window": study.smooth,
                "caption": [*settings_words(study, [env]), study.data_words],
            },
            shows="What the returns are made of: how episodes end, and what went wrong in them.",
            shows_not=limits_of_curves(study),
        )
    ]


def rate_curves(study: Study, env: str, variant: str) -> dict[str, SmoothedSeeds]:
    """Shares of episodes, and accidents per 1,000 steps, by name; without what is unknown.

    Accidents are falls where the cliff does not end the episode, failures where an episode ends
    without success. Their rate is the ratio of the two trailing means.
    """
    curves, window = study.curves[env, variant], study.smooth
    cell = study.table[env][variant]
    shares = {name: curves[name].astype(float) for name in ("success", "truncated")}
    shares = {name: values for name, values in shares.items() if np.isfinite(values).all()}
    found = {name: smooth_seeds(values, window) for name, values in shares.items()}
    accidents = {}
    if np.isfinite(cell.scores("falls")).any():
        accidents["falls"] = falls_of(curves["episode_return"], curves["steps"])
    elif np.isfinite(cell.scores("failure_rate")).any() and shares.keys() >= {"success"}:
        ended = shares["success"] + shares.get("truncated", 0.0)
        accidents["failures"] = 1.0 - ended
    steps = trailing_mean(curves["steps"].astype(float), window)
    for name, values in accidents.items():
        seeds = 1000 * trailing_mean(values, window) / steps
        found[name] = SmoothedSeeds(seeds, mean_and_se(seeds), window)
    return found
