"""Exhibits of scores: whose is higher, on each seed and over seeds, and for how many runs."""

from collections.abc import Mapping, Sequence

import numpy as np

from hq_ray.analysis.comparison import Comparison, headline, overall_improvement
from hq_ray.analysis.contender import FRESH, SINGLE, Contender
from hq_ray.analysis.differences import halves_error
from hq_ray.analysis.reporting.exhibits import Exhibit
from hq_ray.analysis.statistics.aggregates import profile_band
from hq_ray.analysis.statistics.intervals import Interval, mean_interval, t_factor
from hq_ray.analysis.statistics.resampling import bootstrap
from hq_ray.analysis.study import Study

N_THRESHOLDS = 200
NOT_CHOSEN = "Scores of configurations that were not chosen; the table of configurations does."
RUNS_WORDS = (
    "Where a grid is larger than the budget, a run is one of a choice among so many drawn at "
    "random, and what is said of runs is a mean over {n} draws."
)


def score_exhibits(study: Study) -> list[Exhibit]:
    """Intervals, probability of improvement, pairs of seeds and performance profiles."""
    asked = headline(study.comparisons)
    if not asked:
        return []
    found = [_intervals(study, asked), _improvement(study, asked), *_pairs(study, asked)]
    found.append(_profile_over_seeds(study, asked))
    # What stage one chose is no sample of a grid.
    return found if study.selection else [*found, *_profile_over_configurations(study)]


def scores_words(study: Study, asked: Sequence[Comparison]) -> str:
    """What one score per seed is, and by what right it stands for its variant."""
    words = f"One score per seed: {_lowered(study.judged.summary)}"
    rights = dict.fromkeys(one.how for one in asked if one.how != SINGLE)
    return words + "".join(f" Each variant is {_stands(how)}." for how in rights)


def _lowered(sentence: str) -> str:
    """Without the capital, unless the first word is a name or a formula."""
    first = sentence.split(" ")[0]
    return sentence[:1].lower() + sentence[1:] if first.istitle() and first.isalpha() else sentence


def _stands(how: str) -> str:
    return how if how == FRESH else f"{how}, at an equal tuning budget" if "half" in how else how


def _with_runs(words: str, asked: Sequence[Comparison]) -> str:
    n = max(len(side.drawn_runs) for one in asked for side in (one.ours, one.base))
    return f"{words} {RUNS_WORDS.format(n=n)}" if n > 1 else words


def _interval(found: Interval) -> dict[str, float]:
    """Means over draws, where there are several."""
    return {name: float(np.mean(getattr(found, name))) for name in ("estimate", "low", "high")}


def _intervals(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    scores = {
        one.env: {one.baseline: _aggregates(one.base), one.variant: _aggregates(one.ours)}
        for one in asked
    }
    words = (
        "Dots: scores. Mean of them: 95 % t interval. Median and IQM (mean of the middle half) of "
        "runs: 95 % percentile bootstrap over seeds, 10,000 resamples."
    )
    arguments = {
        "scores": scores,
        "score_label": study.judged.axis_label,
        "title": f"{study.judged.label.capitalize()} of the variants",
        "caption": [_with_runs(scores_words(study, asked), asked), words, study.data_words],
    }
    shows = "Mean, median and interquartile mean over seeds with 95 % intervals, and each seed."
    shows_not = (
        "The difference. Seeds of both variants met the same random numbers, so intervals that "
        "overlap do not mean that there is none."
    )
    return Exhibit("intervals", "scores", "intervals", arguments, shows, shows_not)


def _aggregates(one: Contender) -> dict[str, object]:
    entry: dict[str, object] = {"seeds": one.scores, "mean": _mean(one)}
    for name in ("median", "iqm"):
        entry[name] = _interval(bootstrap(one.drawn_runs, name))
    return entry


def _mean(one: Contender) -> dict[str, float]:
    """The mean with its t interval; wider where scores of one half were chosen on the other."""
    found = _interval(mean_interval(one.scores))
    if not one.halves.any():
        return found
    se, freedom = halves_error(one.scores, one.halves)
    half = float(t_factor(freedom)) * se
    return found | {"low": found["estimate"] - half, "high": found["estimate"] + half}


def _improvement(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    rows = {one.env: _chance(one.improvement) for one in asked}
    if len(asked) > 1:
        rows["overall"] = _chance(overall_improvement(asked))
    variant, baseline = asked[0].variant, asked[0].baseline
    words = (
        f"P: share of pairs of runs in which {variant} has the better {study.judged.label}; 95 % "
        "percentile bootstrap over seeds, 10,000 resamples; one-sided where one wins every pair."
    )
    words = _with_runs(words, asked)
    arguments = {
        "improvements": rows,
        "variant": variant,
        "baseline": baseline,
        "title": f"Is a run of {variant} better than one of {baseline}?",
        "caption": [words, study.data_words],
    }
    shows = f"How often one run of {variant} would beat one of {baseline}."
    shows_not = "By how much: a sure improvement may be a tiny one."
    return Exhibit("poi", "scores", "improvement", arguments, shows, shows_not)


def _chance(found: Interval) -> dict[str, object]:
    row = _interval(found)
    return {**row, "one_sided": row["estimate"] in (0.0, 1.0)}


def _pairs(study: Study, asked: Sequence[Comparison]) -> list[Exhibit]:
    paired = [one for one in asked if one.paired]
    if not paired:
        return []
    arguments = {
        "pairs": {
            one.env: {one.baseline: one.base_scores, one.variant: one.scores} for one in paired
        },
        "variant": paired[0].variant,
        "baseline": paired[0].baseline,
        "higher_is_better": study.judged.higher_is_better,
        "score_label": study.judged.axis_label,
        "title": f"{study.judged.label.capitalize()}, seed by seed",
        "caption": [scores_words(study, paired), study.data_words],
    }
    shows = "The score of each seed under both variants, joined: wins, ties and losses."
    return [Exhibit("pairs", "scores", "pairs", arguments, shows, NOT_CHOSEN)]


def _profile(values: np.ndarray, thresholds: np.ndarray) -> dict[str, object]:
    """Of runs `(n,)`, or the mean over draws of them, `(n_draws, n)`."""
    band = profile_band(np.atleast_2d(values), thresholds)
    sides = {"share": band.estimate, "low": band.low, "high": band.high}
    return {"tau": thresholds, **{name: side.mean(axis=0) for name, side in sides.items()}}


def _thresholds(groups: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate([group.ravel() for group in groups])
    low, high = values.min(), values.max()
    pad = 0.02 * (high - low) or 0.5
    return np.linspace(low - pad, high + pad, N_THRESHOLDS)


def _profile_over_seeds(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    profiles: dict[str, Mapping] = {}
    for one in asked:
        groups = {one.baseline: one.base.drawn_runs, one.variant: one.ours.drawn_runs}
        tau = _thresholds(list(groups.values()))
        profiles[one.env] = {name: _profile(values, tau) for name, values in groups.items()}
    title = f"Share of runs above each {study.judged.label}"
    words = _with_runs(scores_words(study, asked), asked)
    return _profile_exhibit(study, "profile_seeds", profiles, "runs", title, words)


def _profile_over_configurations(study: Study) -> list[Exhibit]:
    """Untuned performance: what a configuration taken from the grid at random would reach."""
    profiles: dict[str, Mapping] = {}
    for env, row in study.table.items():
        means = {}
        for variant, cell in row.items():
            scores = cell.scores(study.judged.name)
            known = np.isfinite(scores).any(axis=1)
            if known.sum() > 1:
                means[variant] = np.nanmean(scores[known], axis=1)
        if means:
            tau = _thresholds(list(means.values()))
            profiles[env] = {name: _profile(values, tau) for name, values in means.items()}
    if not profiles:
        return []
    title = f"Share of configurations above each {study.judged.label}, untuned"
    words = "One score per configuration of the grid that was swept, its mean over seeds."
    return [_profile_exhibit(study, "profile_configs", profiles, "configurations", title, words)]


def _profile_exhibit(
    study: Study, stem: str, profiles: Mapping, runs: str, title: str, words: str
) -> Exhibit:
    arguments = {
        "profiles": profiles,
        "score_label": study.judged.axis_label,
        "runs": runs,
        "title": title,
        "caption": [f"{words} Bands: 95 %, Dvoretzky-Kiefer-Wolfowitz.", study.data_words],
    }
    shows = f"The whole distribution: the share of {runs} that score above each level."
    shows_not = "Which seed is paired with which."
    if runs == "configurations":
        shows_not = "A ranking of the variants: it depends on where the grid was laid."
    return Exhibit(stem, "scores", "profile", arguments, shows, shows_not)
