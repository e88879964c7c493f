"""Exhibits over episodes: means with bands, paired differences, single seeds, rates."""

from collections.abc import Mapping

import numpy as np

from analysis.exhibits import Exhibit
from analysis.intervals import mean_interval, simultaneous_band
from analysis.smoothing import trailing_mean
from analysis.statistics import MeanAndSE, SmoothedSeeds, mean_and_se, smooth_seeds
from analysis.study import Study
from analysis.summaries import falls_of

QUANTITIES = {"returns": "episode_return", "steps": "steps"}
MOST_SINGLE_SEEDS = 4
CHOSEN_HERE = (
    "Each variant's best configuration is drawn, and it was chosen by these very seeds: the lines "
    "flatter both. The verdict does not rest on them."
)
SUCCESS_WORDS = (
    "Successful episodes only, from the first episode at which every seed has one in its window."
)
NOTHING_CHOSEN = "What other seeds would do: the band covers chance among seeds, not the choice."


def curve_exhibits(study: Study, successes_only: bool = False) -> list[Exhibit]:
    """Means with bands and paired differences over all environments; seeds and rates of each.

    Args:
        study: with curves.
        successes_only: let the steps be those of successful episodes.
    """
    if not study.curves:
        return []
    found = []
    for quantity, column in QUANTITIES.items():
        only = successes_only and quantity == "steps"
        found.append(_means(study, quantity, column, only))
        if only:
            continue  # pairs of episodes of which one failed have no difference
        found += _differences(study, quantity, column)
    for env in study.table:
        found += _seeds(study, env)
        found += _rates(study, env)
    return found


def settings_words(study: Study, env: str | None = None) -> str:
    """Which configuration of each variant is drawn, where there is more than one."""
    parts = []
    for (where, variant), number in study.best.items():
        cell = study.table[where][variant]
        if env in (None, where) and len(cell) > 1:
            place = f"{where} " if env is None and len(study.table) > 1 else ""
            parts.append(f"{place}{variant}: {cell.label(number)}")
    return "; ".join(parts) + "." if parts else ""


def _shows_not(study: Study) -> str:
    tuned = any(len(cell) > 1 for cell in study.cells)
    return CHOSEN_HERE if tuned and not study.fixed else NOTHING_CHOSEN


def _means(study: Study, quantity: str, column: str, successes_only: bool) -> Exhibit:
    smoothed = _steps_of_successes if successes_only else _smoothed
    curves = {
        env: {
            variant: _entry(study, env, variant, smoothed(study, env, variant, column))
            for variant in row
            if (env, variant) in study.curves
        }
        for env, row in study.table.items()
    }
    optima = {
        env: one.optimal_return if quantity == "returns" else one.optimal_steps
        for env, one in study.references.items()
    }
    return Exhibit(
        stem=f"compare_mean_se_{quantity}",
        section="curves",
        figure="mean_se_panels",
        arguments={
            "curves_by_env": curves,
            "quantity": quantity,
            "title": f"{quantity.capitalize()} of the best configurations",
            "window": study.smooth,
            "optimum": optima,
            "caption": [SUCCESS_WORDS * successes_only, settings_words(study), study.data_words],
        },
        shows=f"Mean {quantity} over seeds by episode, each seed smoothed before it is averaged.",
        shows_not=_shows_not(study),
    )


def _steps_of_successes(study: Study, env: str, variant: str, column: str) -> SmoothedSeeds:
    """Trailing mean of the steps of successful episodes, from where each seed has one on."""
    curves = study.curves[env, variant]
    success = np.nan_to_num(curves["success"].astype(float))
    share = trailing_mean(success, study.smooth)
    known = (share > 0).all(axis=0)
    seeds = np.full(share.shape, np.nan)
    taken = trailing_mean(curves[column] * success, study.smooth)
    seeds[:, known] = taken[:, known] / share[:, known]
    mean = np.full(len(known), np.nan)
    if not known.any():
        return SmoothedSeeds(seeds, MeanAndSE(mean, None, len(seeds)), study.smooth)
    over = mean_and_se(seeds[:, known])
    mean[known] = over.mean
    se = None
    if over.se is not None:
        se = np.full(len(known), np.nan)
        se[known] = over.se
    return SmoothedSeeds(seeds, MeanAndSE(mean, se, over.n), study.smooth)


def _smoothed(study: Study, env: str, variant: str, column: str) -> SmoothedSeeds:
    return smooth_seeds(study.curves[env, variant][column], study.smooth)


def _entry(study: Study, env: str, variant: str, curve: SmoothedSeeds) -> Mapping[str, object]:
    n = len(curve.seeds)
    return {
        "variant": variant,
        "mean": curve.over_seeds.mean,
        "se": curve.over_seeds.se,
        "n": n,
        "planned": len(study.table[env][variant].seeds),
        "seeds": curve.seeds if 1 < n <= MOST_SINGLE_SEEDS else None,
    }


def _differences(study: Study, quantity: str, column: str) -> list[Exhibit]:
    """The first pair of each environment, over the seeds that both configurations have."""
    found, names = {}, None
    for env, row in study.table.items():
        pair = [variant for variant in row if (env, variant) in study.curves][:2]
        if len(pair) < 2 or (names is not None and pair != names):
            continue
        curves = [_by_seed(study, env, variant, column) for variant in pair]
        common = sorted(curves[0].keys() & curves[1].keys())
        lengths = {len(curve) for one in curves for curve in one.values()}
        if not common or len(lengths) > 1:
            continue
        names = pair
        base, ours = (np.stack([one[seed] for seed in common]) for one in curves)
        found[env] = _difference(study, env, quantity, trailing_mean(ours - base, study.smooth))
    if not found:
        return []
    return [
        Exhibit(
            stem=f"diff_{quantity}",
            section="curves",
            figure="difference",
            arguments={
                "differences": found,
                "quantity": quantity,
                "title": f"Difference in {quantity}: {names[1]} minus {names[0]}",
                "window": study.smooth,
                "variants": [names[1], names[0]],
                "caption": [settings_words(study), study.data_words],
            },
            shows=(
                "The mean over seeds of the paired difference. Where the outer band excludes 0, "
                "the curves differ somewhere; the inner one speaks of each episode alone."
            ),
            shows_not=_shows_not(study),
        )
    ]


def _by_seed(study: Study, env: str, variant: str, column: str) -> dict[int, np.ndarray]:
    cell = study.table[env][variant]
    there = cell.rows[study.best[env, variant]] >= 0
    seeds = cell.seeds[there].tolist()
    return dict(zip(seeds, study.curves[env, variant][column].astype(float), strict=True))


def _difference(study: Study, env: str, quantity: str, curves: np.ndarray) -> dict[str, object]:
    pointwise = mean_interval(curves.T)
    entry = {"mean": pointwise.estimate, "n": len(curves)}
    if len(curves) > 1:
        band = simultaneous_band(curves)
        entry |= {"low": pointwise.low, "high": pointwise.high}
        entry |= {"band_low": band.low, "band_high": band.high}
    if quantity == "returns" and env in study.ropes:
        entry["rope"] = study.ropes[env]
    return entry


def _seeds(study: Study, env: str) -> list[Exhibit]:
    curves = {
        variant: {
            "variant": variant,
            "seeds": _smoothed(study, env, variant, "episode_return").seeds,
            "planned": len(cell.seeds),
        }
        for variant, cell in study.table[env].items()
        if (env, variant) in study.curves
    }
    if not curves:
        return []
    reference = study.references.get(env)
    return [
        Exhibit(
            stem=study.stem("seeds_returns", env),
            section="curves",
            figure="seeds",
            arguments={
                "curves": curves,
                "quantity": "returns",
                "title": f"{env}: every seed",
                "window": study.smooth,
                "optimum": None if reference is None else reference.optimal_return,
                "caption": [settings_words(study, env), study.data_words],
            },
            shows="Each seed's smoothed return: whether the mean stands for a typical run.",
            shows_not="How seeds of different variants are paired; the difference figure does.",
        )
    ]


def _rates(study: Study, env: str) -> list[Exhibit]:
    """Success, falls or failures, and truncation by episode."""
    rates: dict[str, dict] = {"success": {}, "falls": {}, "failures": {}, "truncated": {}}
    for variant in study.table[env]:
        if (env, variant) not in study.curves:
            continue
        for name, curve in rate_curves(study, env, variant).items():
            rates[name][variant] = _entry(study, env, variant, curve)
    rates = {name: curves for name, curves in rates.items() if curves}
    if not rates:
        return []
    return [
        Exhibit(
            stem=study.stem("rates", env),
            section="curves",
            figure="rates",
            arguments={
                "rates": rates,
                "title": f"{env}: success, accidents and truncation",
                "window": study.smooth,
                "caption": [settings_words(study, env), study.data_words],
            },
            shows="What the returns are made of: how episodes end, and what went wrong in them.",
            shows_not=_shows_not(study),
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
    elif np.isfinite(cell.scores("failure_rate")).any() and "success" in shares:
        accidents["failures"] = 1.0 - shares["success"] - shares["truncated"]
    steps = trailing_mean(curves["steps"].astype(float), window)
    for name, values in accidents.items():
        seeds = 1000 * trailing_mean(values, window) / steps
        found[name] = SmoothedSeeds(seeds, mean_and_se(seeds), window)
    return found
