"""Exhibits over episodes: means with bands, paired differences, single seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.reporting.exhibits import Exhibit, file_stem
from hq_ray.analysis.reporting.thinned import thinned
from hq_ray.analysis.statistics.intervals import mean_interval, simultaneous_band
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds, mean_and_se, smooth_seeds
from hq_ray.analysis.study import Study

QUANTITIES = {"returns": "episode_return", "steps": "steps"}
MOST_SINGLE_SEEDS = 4
# A caption with the settings of more environments would leave no room for their panels.
MOST_IN_CAPTION = 3
CHOSEN_HERE = (
    "Each variant's best configuration is drawn, and it was chosen by these very seeds: the lines "
    "flatter all of them. The verdict does not rest on them."
)
CHOSEN_BEFORE = (
    "Configurations that stage one did not rank first. The band is of chance among seeds only."
)
NOTHING_CHOSEN = (
    "Other hyperparameters: each variant was run with one configuration. The band is of chance "
    "among seeds only."
)
SUCCESS_WORDS = (
    "Successful episodes only, from the first episode at which every seed has one in its window."
)


def curve_exhibits(study: Study, successes_only: bool = False) -> list[Exhibit]:
    """Means with bands and paired differences over all environments, all seeds of each.

    Args:
        study: with curves.
        successes_only: let the steps be those of successful episodes.
    """
    if not study.curves:
        return []
    found = []
    for quantity, column in QUANTITIES.items():
        only = successes_only and quantity == "steps"
        found += _means(study, quantity, column, only)
        # Pairs of episodes of which one failed have no difference.
        found += [] if only else _differences(study, quantity, column)
    return found + [one for env in study.table for one in _seeds(study, env)]


def drawn_variants(study: Study, env: str) -> list[str]:
    """Variants of an environment that have curves, in order."""
    return [variant for variant in study.table[env] if (env, variant) in study.curves]


def settings_words(
    study: Study, envs: Sequence[str], variants: Sequence[str] | None = None
) -> list[str]:
    """Which configuration of each variant is drawn, where there was a choice: a line per env."""
    if len(envs) > MOST_IN_CAPTION:
        return ["Which configurations these are, the figures of each environment say."]
    lines = []
    for env in envs:
        parts = [
            f"{variant}: {study.table[env][variant].label(study.best[env, variant])}"
            for variant in drawn_variants(study, env)
            if variants is None or variant in variants
            if len(study.table[env][variant]) > 1
        ]
        place = f"{env}, " if len(study.table) > 1 else ""
        lines += [f"{place}{'; '.join(parts)}."] if parts else []
    return lines


def limits_of_curves(study: Study) -> str:
    """What a figure of the best configurations' curves does not show."""
    if all(len(cell) == 1 for cell in study.cells):
        return NOTHING_CHOSEN
    return CHOSEN_BEFORE if study.fixed else CHOSEN_HERE


def _means(study: Study, quantity: str, column: str, successes_only: bool) -> list[Exhibit]:
    smoothed = _steps_of_successes if successes_only else smoothed_seeds
    curves = {
        env: {v: mean_entry(study, env, v, smoothed(study, env, v, column)) for v in variants}
        for env in study.table
        if (variants := drawn_variants(study, env))
    }
    if not any(np.isfinite(one["mean"]).any() for row in curves.values() for one in row.values()):
        return []
    optima = {
        env: one.optimal_return if quantity == "returns" else one.optimal_steps
        for env, one in study.references.items()
    }
    return [
        Exhibit(
            stem=f"compare_mean_se_{quantity}",
            section="curves",
            figure="mean_se_panels",
            arguments={
                "curves_by_env": curves,
                "quantity": quantity,
                "title": f"{quantity.capitalize()}{_of_which(study)}",
                "window": study.smooth,
                "optimum": optima,
                "caption": [
                    *([SUCCESS_WORDS] if successes_only else []),
                    *settings_words(study, list(curves)),
                    study.data_words,
                ],
            },
            shows=f"Mean {quantity} by episode, each seed smoothed before seeds are averaged.",
            shows_not=limits_of_curves(study),
        )
    ]


def _of_which(study: Study) -> str:
    if all(len(cell) == 1 for cell in study.cells):
        return ""
    return " of what stage one chose" if study.fixed else " of the best configurations"


def _steps_of_successes(study: Study, env: str, variant: str, column: str) -> SmoothedSeeds:
    """Trailing mean of the steps of successful episodes, from where each seed has one on."""
    curves = study.curves[env, variant]
    success = np.nan_to_num(curves["success"].astype(float))
    share = trailing_mean(success, study.smooth)
    # A sum of exact ones: anything below half of one episode is rounding.
    known = (share > 0.5 / study.smooth).all(axis=0)
    seeds = np.full(share.shape, np.nan)
    seeds[:, known] = trailing_mean(curves[column] * success, study.smooth)[:, known]
    seeds[:, known] /= share[:, known]
    mean = np.full(len(known), np.nan)
    se = None if len(seeds) == 1 else mean.copy()
    if known.any():
        over = mean_and_se(seeds[:, known])
        mean[known] = over.mean
        if se is not None:
            se[known] = over.se
    return SmoothedSeeds(seeds, MeanAndSE(mean, se, len(seeds)), study.smooth)


def smoothed_seeds(study: Study, env: str, variant: str, column: str) -> SmoothedSeeds:
    """The smoothed curves of what is drawn of a variant."""
    return smooth_seeds(study.curves[env, variant][column], study.smooth)


def mean_entry(study: Study, env: str, variant: str, curve: SmoothedSeeds) -> dict[str, object]:
    """A curve as figures take it; see `analysis.drawing.given_means`."""
    n = len(curve.seeds)
    entry = {
        "variant": variant,
        "mean": curve.over_seeds.mean,
        "se": curve.over_seeds.se,
        "n": n,
        "planned": len(study.table[env][variant].seeds),
        "seeds": curve.seeds if 1 < n <= MOST_SINGLE_SEEDS else None,
    }
    return thinned(entry, study.smooth)


def _differences(study: Study, quantity: str, column: str) -> list[Exhibit]:
    """The first pair of each environment, over the seeds that both configurations have."""
    found, names = {}, None
    for env in study.table:
        pair = drawn_variants(study, env)[:2]
        if len(pair) < 2 or (names is not None and pair != names):
            continue
        curves = _paired_curves(study, env, pair, column)
        if curves is not None:
            names = pair
            found[env] = _difference(study, env, quantity, curves)
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
                "caption": [*settings_words(study, list(found), names), study.data_words],
            },
            shows=(
                "The mean over seeds of the paired difference. Where the outer band excludes 0, "
                "the curves differ somewhere; the inner one speaks of each episode alone."
            ),
            shows_not=limits_of_curves(study),
        )
    ]


def _paired_curves(study: Study, env: str, pair: Sequence[str], column: str) -> np.ndarray | None:
    """Second minus first of a pair, smoothed, (n_common_seeds, n_episodes); None without any."""
    base, ours = (_by_seed(study, env, variant, column) for variant in pair)
    common = sorted(base.keys() & ours.keys())
    lengths = {len(curve) for one in (base, ours) for curve in one.values()}
    if not common or len(lengths) > 1:
        return None
    difference = np.stack([ours[seed] - base[seed] for seed in common])
    return trailing_mean(difference, study.smooth)


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
    return thinned(entry, study.smooth)


def _seeds(study: Study, env: str) -> list[Exhibit]:
    curves: dict[str, Mapping] = {}
    for variant in drawn_variants(study, env):
        seeds = smoothed_seeds(study, env, variant, "episode_return").seeds
        planned = len(study.table[env][variant].seeds)
        entry = {"variant": variant, "seeds": seeds, "planned": planned}
        curves[variant] = thinned(entry, study.smooth)
    if not curves:
        return []
    reference = study.references.get(env)
    return [
        Exhibit(
            stem=file_stem(study.stem("seeds_returns", env)),
            section="curves",
            figure="seeds",
            arguments={
                "curves": curves,
                "quantity": "returns",
                "title": f"{env}: every seed",
                "window": study.smooth,
                "optimum": None if reference is None else reference.optimal_return,
                "caption": [*settings_words(study, [env]), study.data_words],
            },
            shows="Each seed's smoothed return: whether the mean stands for a typical run.",
            shows_not="How seeds of different variants are paired; the difference figure does.",
        )
    ]
