"""Exhibits of scores: whose is higher, on each seed and over seeds, and for how many runs."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.aggregates import profile_band
from analysis.comparison import FRESH, SINGLE, Comparison, headline
from analysis.exhibits import Exhibit
from analysis.intervals import Interval, mean_interval
from analysis.paired import improvement_interval
from analysis.resampling import bootstrap
from analysis.study import Study

N_THRESHOLDS = 200
SHOWS_NOT = "Scores of configurations that were not chosen; they are in the table at the end."


def score_exhibits(study: Study) -> list[Exhibit]:
    """Intervals, probability of improvement, pairs of seeds and performance profiles."""
    asked = headline(study.comparisons)
    if not asked:
        return []
    found = [_intervals(study, asked), _improvement(study, asked), _pairs(study, asked)]
    found.append(_profile_over_seeds(study, asked))
    return [*found, *_profile_over_configurations(study)]


def scores_words(study: Study, asked: Sequence[Comparison]) -> str:
    """What one score per seed is."""
    rights = {one.how for one in asked}
    if rights <= {FRESH, SINGLE}:
        return f"One score per seed: {study.judged.summary}"
    return f"One score per seed, {asked[0].how}, at an equal tuning budget: {study.judged.summary}"


def _interval(found: Interval) -> dict[str, float]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high}


def _intervals(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    scores = {
        one.env: {one.baseline: _aggregates(one.base_scores), one.variant: _aggregates(one.scores)}
        for one in asked
    }
    return Exhibit(
        stem="intervals",
        section="scores",
        figure="intervals",
        arguments={
            "scores": scores,
            "score_label": study.judged.axis_label,
            "title": f"{study.judged.label.capitalize()} of the tuned variants",
            "caption": [
                scores_words(study, asked),
                "Mean: 95 % t interval. Median and IQM (mean of the middle half): 95 % percentile "
                "bootstrap over seeds, 10,000 resamples. Dots: seeds.",
                study.data_words,
            ],
        },
        shows="Mean, median and interquartile mean over seeds with 95 % intervals, and each seed.",
        shows_not=(
            "The paired difference: seeds of both variants met the same random numbers, so "
            "overlapping intervals do not mean that there is no difference."
        ),
    )


def _aggregates(values: np.ndarray) -> dict[str, object]:
    entry: dict[str, object] = {"seeds": values, "mean": _interval(mean_interval(values))}
    for name in ("median", "iqm"):
        entry[name] = _interval(bootstrap(values, name))
    return entry


def _improvement(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    rows = {one.env: _chance(one.improvement) for one in asked}
    if len(asked) > 1:
        ours = [study.judged.scores(one.scores) for one in asked]
        base = [study.judged.scores(one.base_scores) for one in asked]
        rows["overall"] = _chance(improvement_interval(ours, base))
    return Exhibit(
        stem="poi",
        section="scores",
        figure="improvement",
        arguments={
            "improvements": rows,
            "variant": asked[0].variant,
            "baseline": asked[0].baseline,
            "title": f"Is a run of {asked[0].variant} better than one of {asked[0].baseline}?",
            "caption": [
                f"P = share of pairs of runs in which {asked[0].variant} has the better "
                f"{study.judged.label}, ties counting half; 95 % percentile bootstrap over seeds, "
                "10,000 resamples; one-sided where one variant wins every pair.",
                study.data_words,
            ],
        },
        shows=f"How often one run of {asked[0].variant} would beat one of {asked[0].baseline}.",
        shows_not="By how much: a sure improvement may be a tiny one.",
    )


def _chance(found: Interval) -> dict[str, object]:
    return {**_interval(found), "one_sided": found.estimate in (0.0, 1.0)}


def _pairs(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    pairs = {one.env: {one.baseline: one.base_scores, one.variant: one.scores} for one in asked}
    return Exhibit(
        stem="pairs",
        section="scores",
        figure="pairs",
        arguments={
            "pairs": pairs,
            "variant": asked[0].variant,
            "baseline": asked[0].baseline,
            "higher_is_better": study.judged.higher_is_better,
            "score_label": study.judged.axis_label,
            "title": f"{study.judged.label.capitalize()}, seed by seed",
            "caption": [scores_words(study, asked), study.data_words],
        },
        shows="The score of each seed under both variants, joined: wins, ties and losses.",
        shows_not=SHOWS_NOT,
    )


def _profile(values: np.ndarray, thresholds: np.ndarray) -> dict[str, object]:
    band = profile_band(values, thresholds)
    return {"tau": thresholds, "share": band.estimate, "low": band.low, "high": band.high}


def _thresholds(groups: Sequence[np.ndarray]) -> np.ndarray:
    values = np.concatenate(list(groups))
    low, high = values.min(), values.max()
    pad = 0.02 * (high - low) or 0.5
    return np.linspace(low - pad, high + pad, N_THRESHOLDS)


def _profile_over_seeds(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    profiles: dict[str, Mapping] = {}
    for one in asked:
        tau = _thresholds([one.scores, one.base_scores])
        groups = {one.baseline: one.base_scores, one.variant: one.scores}
        profiles[one.env] = {name: _profile(values, tau) for name, values in groups.items()}
    return _profile_exhibit(
        study,
        "profile_seeds",
        profiles,
        "runs",
        "Runs of the tuned variants that score above each level",
        scores_words(study, asked),
    )


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
    words = "One score per configuration, its mean over seeds; the grid is what was swept."
    title = "Configurations that score above each level, untuned"
    exhibit = _profile_exhibit(study, "profile_configs", profiles, "configurations", title, words)
    return [exhibit]


def _profile_exhibit(
    study: Study, stem: str, profiles: Mapping, runs: str, title: str, words: str
) -> Exhibit:
    return Exhibit(
        stem=stem,
        section="scores",
        figure="profile",
        arguments={
            "profiles": profiles,
            "score_label": study.judged.axis_label,
            "runs": runs,
            "title": title,
            "caption": [
                f"{words} Band: 95 %, Dvoretzky-Kiefer-Wolfowitz.",
                study.data_words,
            ],
        },
        shows=f"The whole distribution: the share of {runs} that score above each level.",
        shows_not=(
            "Which seed is paired with which."
            if runs == "runs"
            else "A ranking of the variants: it depends on where the grid was laid."
        ),
    )
