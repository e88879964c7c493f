"""Exhibits of scores: whose is higher, over seeds and on each seed."""

from collections.abc import Sequence

import numpy as np

from hq_ray.analysis.charts.figure_scores import Pairs, pairs_figure, scores_figure
from hq_ray.analysis.comparison import Comparison, better_signs
from hq_ray.analysis.reporting.exhibits import Exhibit, file_stem
from hq_ray.analysis.study import Study

NOT_CHOSEN = "Scores of configurations that were not chosen; the table of configurations does."


def score_exhibits(study: Study) -> list[Exhibit]:
    """Scores with intervals, and pairs of seeds for each pair of variants."""
    asked = [one for one in study.comparisons if one.difference is not None]
    if not asked:
        return []
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for one in asked:
        if one.paired:
            pairs.setdefault((one.variant, one.baseline), []).append(one)
    found = [_pairs(study, *names, some, len(pairs) > 1) for names, some in pairs.items()]
    return [_scores(study, asked), *found]


def _scores(study: Study, asked: Sequence[Comparison]) -> Exhibit:
    name = study.judged.name
    scores: dict[str, dict[str, np.ndarray]] = {}
    for one in asked:
        row = scores.setdefault(one.env, {one.baseline: one.base.scores(name)})
        row[one.variant] = one.ours.scores(name)
    arguments = {
        "scores": scores,
        "score_label": study.judged.axis_label,
        "title": f"{study.judged.label.capitalize()} of the variants",
        "caption": [
            "Dots: seeds that had no part in a choice. Below them their mean, 95 % t interval.",
            study.data_words,
        ],
    }
    shows = "The mean over seeds with its 95 % interval, and each seed."
    shows_not = (
        "The difference. Seeds of both variants met the same random numbers, so intervals that "
        "overlap do not mean that there is none."
    )
    return Exhibit("scores", "scores", scores_figure, arguments, shows, shows_not)


def _pairs(
    study: Study, variant: str, baseline: str, some: Sequence[Comparison], named: bool
) -> Exhibit:
    arguments = {
        "pairs": {one.env: _paired(study, one) for one in some},
        "variant": variant,
        "baseline": baseline,
        "score_label": study.judged.axis_label,
        "title": f"{study.judged.label.capitalize()}, seed by seed: {variant} and {baseline}",
        "caption": [study.data_words],
    }
    shows = "The score of each seed under both variants, joined: wins, ties and losses."
    stem = file_stem(f"pairs_{variant}") if named else "pairs"
    return Exhibit(stem, "scores", pairs_figure, arguments, shows, NOT_CHOSEN)


def _paired(study: Study, one: Comparison) -> Pairs:
    base, ours = (side.scores(study.judged.name) for side in (one.base, one.ours))
    return Pairs(base, ours, better_signs(study.judged, ours, base))
