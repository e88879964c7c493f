"""Exhibits over episodes: means with bands, paired differences, single seeds, how episodes end."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hq_ray.analysis.charts.figure_difference import difference_figure
from hq_ray.analysis.charts.figures import means_figure, rates_figure, seeds_figure
from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.reporting.exhibits import Exhibit, file_stem
from hq_ray.analysis.statistics.means import MeanAndSE, SmoothedSeeds, mean_and_se, smooth_seeds
from hq_ray.analysis.study import Study
from hq_ray.analysis.summaries import falls_of

QUANTITIES = {"returns": "episode_return", "steps": "steps"}
RATES = ("success", "falls", "failures", "truncated")
# A caption with the settings of more environments would leave no room for their panels.
MOST_IN_CAPTION = 3
CHOSEN = (
    "Each variant's best configuration is drawn, and it was chosen by some of these very seeds: "
    "the lines flatter all of them. The verdict does not rest on those."
)
NOTHING_CHOSEN = (
    "Other hyperparameters: each variant was run with one configuration. The band is of chance "
    "among seeds only."
)
SUCCESS_WORDS = (
    "Successful episodes only, from the first episode at which every seed has one in its window."
)


def curve_exhibits(study: Study, successes_only: bool = False) -> list[Exhibit]:
    """Means with bands and paired differences over all problems, all seeds of each.

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
    """Variants of a problem that have curves, in order."""
    return [variant for variant in study.table[env] if (env, variant) in study.curves]


def settings_words(
    study: Study, envs: Sequence[str], variants: Sequence[str] | None = None
) -> list[str]:
    """Which configuration of each variant is drawn, where there was a choice: a line each."""
    if len(envs) > MOST_IN_CAPTION:
        return ["Which configurations these are, the figures of each environment say."]
    lines = []
    for env in envs:
        parts = [
            f"{variant}: {study.table[env][variant].labels[study.best[env, variant]]}"
            for variant in drawn_variants(study, env)
            if variants is None or variant in variants
            if len(study.table[env][variant]) > 1
        ]
        place = f"{env}, " if len(study.table) > 1 else ""
        lines += [f"{place}{'; '.join(parts)}."] if parts else []
    return lines


def limits_of_curves(study: Study) -> str:
    """What a figure of the best configurations' curves does not show."""
    return NOTHING_CHOSEN if all(len(cell) == 1 for cell in study.cells) else CHOSEN


def planned_seeds(study: Study, env: str) -> dict[str, int]:
    """By variant, how many seeds were tried: of the kind that is drawn."""
    return {variant: side.tried for (of, variant), side in study.chosen.items() if of == env}


def _means(study: Study, quantity: str, column: str, successes_only: bool) -> list[Exhibit]:
    smoothed = _steps_of_successes if successes_only else _smoothed
    curves = {
        env: {variant: smoothed(study, env, variant, column) for variant in variants}
        for env in study.table
        if (variants := drawn_variants(study, env))
    }
    means = [curve.over_seeds.mean for row in curves.values() for curve in row.values()]
    if not any(np.isfinite(mean).any() for mean in means):
        return []
    optima = {
        env: one.optimal_return if quantity == "returns" else one.optimal_steps
        for env, one in study.references.items()
    }
    tuned = any(len(cell) > 1 for cell in study.cells)
    return [
        Exhibit(
            stem=f"compare_mean_se_{quantity}",
            section="curves",
            figure=means_figure,
            arguments={
                "curves": curves,
                "quantity": quantity,
                "title": quantity.capitalize() + " of the best configurations" * tuned,
                "planned": {env: planned_seeds(study, env) for env in curves},
                "optimum": {env: level for env, level in optima.items() if math.isfinite(level)},
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


def _smoothed(study: Study, env: str, variant: str, column: str) -> SmoothedSeeds:
    return smooth_seeds(study.curves[env, variant][column], study.smooth)


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


def _differences(study: Study, quantity: str, column: str) -> list[Exhibit]:
    """The first pair of each problem, over the seeds that both configurations have."""
    found, names = {}, None
    for env, row in study.table.items():
        pair = drawn_variants(study, env)[:2]
        unpaired = len(pair) < 2 or row[pair[0]].unseeded
        if unpaired or (names is not None and pair != names):
            continue
        base, ours = (_by_seed(study, env, variant, column) for variant in pair)
        common = sorted(base.keys() & ours.keys())
        if common:
            names = pair
            gaps = np.stack([ours[seed] - base[seed] for seed in common])
            found[env] = trailing_mean(gaps, study.smooth)
    if not found:
        return []
    return [
        Exhibit(
            stem=f"diff_{quantity}",
            section="curves",
            figure=difference_figure,
            arguments={
                "differences": found,
                "quantity": quantity,
                "title": f"Difference in {quantity}: {names[1]} minus {names[0]}",
                "window": study.smooth,
                "variants": [names[1], names[0]],
                "caption": [*settings_words(study, list(found), names), study.data_words],
            },
            shows="The mean over seeds of the paired difference, and how sure it is by episode.",
            shows_not=limits_of_curves(study),
        )
    ]


def _by_seed(study: Study, env: str, variant: str, column: str) -> dict[int, np.ndarray]:
    seeds = study.chosen[env, variant].seeds.tolist()
    return dict(zip(seeds, study.curves[env, variant][column].astype(float), strict=True))


def _seeds(study: Study, env: str) -> list[Exhibit]:
    variants = drawn_variants(study, env)
    if not variants:
        return []
    reference = study.references.get(env)
    return [
        Exhibit(
            stem=file_stem(study.stem("seeds_returns", env)),
            section="curves",
            figure=seeds_figure,
            arguments={
                "curves": {v: _smoothed(study, env, v, "episode_return") for v in variants},
                "quantity": "returns",
                "title": f"{env}: every seed",
                "planned": planned_seeds(study, env),
                "optimum": reference and reference.optimal_return,
                "caption": [*settings_words(study, [env]), study.data_words],
            },
            shows="Each seed's smoothed return: whether the mean stands for a typical run.",
            shows_not="How seeds of different variants are paired; the difference figure does.",
        )
    ]


def rate_exhibits(study: Study) -> list[Exhibit]:
    """Success, accidents and truncation by episode: a figure per problem, of what is known."""
    return [one for env in study.table for one in _rates(study, env)]


def _rates(study: Study, env: str) -> list[Exhibit]:
    found = {v: rate_curves(study, env, v) for v in drawn_variants(study, env)}
    rates: Mapping[str, Mapping] = {
        name: {v: of[name] for v, of in found.items() if name in of} for name in RATES
    }
    rates = {name: curves for name, curves in rates.items() if curves}
    if not rates:
        return []
    return [
        Exhibit(
            stem=file_stem(study.stem("rates", env)),
            section="curves",
            figure=rates_figure,
            arguments={
                "rates": rates,
                "title": f"{env}: success, accidents and truncation",
                "planned": planned_seeds(study, env),
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
    smoothed = {name: trailing_mean(values, window) for name, values in shares.items()}
    found = {
        name: SmoothedSeeds(seeds, _bounded(mean_and_se(seeds)), window)
        for name, seeds in smoothed.items()
    }
    accidents = {}
    if np.isfinite(cell.scores("falls")).any():
        accidents["falls"] = falls_of(curves["episode_return"], curves["steps"])
    elif np.isfinite(cell.scores("failure_rate")).any() and "success" in shares:
        accidents["failures"] = 1.0 - shares["success"] - shares.get("truncated", 0.0)
    steps = trailing_mean(curves["steps"].astype(float), window)
    for name, values in accidents.items():
        seeds = 1000 * trailing_mean(values, window) / steps
        found[name] = SmoothedSeeds(seeds, mean_and_se(seeds), window)
    return found


def _bounded(share: MeanAndSE) -> MeanAndSE:
    return MeanAndSE(share.mean, share.se, share.n, (0.0, 1.0))
