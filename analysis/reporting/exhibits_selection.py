"""Exhibits of tuning: what it is worth, how sure the choice is, and how far it flattered."""

from collections.abc import Mapping

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.comparison import headline
from hq_ray.analysis.reporting.exhibits import Exhibit
from hq_ray.analysis.statistics.intervals import mean_interval
from hq_ray.analysis.statistics.tuning import cross_fitted_budget_curve, selection_shares
from hq_ray.analysis.study import Study

MOST_BUDGETS = 60
MOST_NAMED = 20
BUDGET_WORDS = (
    "Expected score, on seeds that had no part in the choice, of the best of k configurations "
    "drawn at random without replacement; chosen on one half of the seeds, scored on the other, "
    "both ways. Band: 95 % t interval over seeds."
)


def selection_exhibits(study: Study) -> list[Exhibit]:
    """Budget curves and shares of wins or, for a second stage, the optimism of the first."""
    if study.selection:
        return _optimism(study)
    tuned = {env: row for env, row in study.table.items() if any(len(c) > 1 for c in row.values())}
    return [*_budget(study, tuned), *_shares(study, tuned)]


def _upwards(study: Study, cell: Cell) -> np.ndarray:
    return study.judged.scores(cell.scores(study.judged.name))


def _budget(study: Study, tuned: Mapping[str, Mapping[str, Cell]]) -> list[Exhibit]:
    budgets: dict[str, dict] = {}
    for env, row in tuned.items():
        for variant, cell in row.items():
            curve = budget_curve(study, cell)
            if curve is not None:
                budgets.setdefault(env, {})[variant] = curve
    if not budgets:
        return []
    equal = {
        one.env: float(one.budget)
        for one in headline(study.comparisons)
        if one.env in budgets and one.ours.budget == one.base.budget > 1
    }
    at = " Vertical line: the number that both were compared at." if equal else ""
    arguments = {
        "budgets": budgets,
        "score_label": study.judged.axis_label,
        "equal_budget": {env: equal.get(env) for env in budgets},
        "title": "What tuning over more configurations is worth",
        "caption": [BUDGET_WORDS + at, study.data_words],
    }
    shows = "How much of a variant's score comes from trying more configurations."
    shows_not = "Configurations outside the grid that was swept."
    return [Exhibit("budget", "selection", "budget", arguments, shows, shows_not)]


def budget_curve(study: Study, cell: Cell) -> dict[str, object] | None:
    """Expected score by number of configurations tried; None where seeds are too few for it."""
    tried = np.unique(np.geomspace(1, len(cell), MOST_BUDGETS).round().astype(int))
    curve = cross_fitted_budget_curve(_upwards(study, cell), tried.tolist())
    seeds = np.isfinite(curve).any(axis=0)
    known = np.isfinite(curve[:, seeds]).all(axis=1)
    # One seed would be chosen by and scored on the same luck.
    if seeds.sum() < 2 or not known.any():
        return None
    sign = 1.0 if study.judged.higher_is_better else -1.0
    interval = mean_interval(sign * curve[known][:, seeds])
    sides = {"score": interval.estimate, "low": interval.low, "high": interval.high}
    return {"n_tried": tried[known], **sides}


def _shares(study: Study, tuned: Mapping[str, Mapping[str, Cell]]) -> list[Exhibit]:
    shares: dict[str, dict] = {}
    for env, row in tuned.items():
        for variant, cell in row.items():
            scores = _upwards(study, cell)
            if len(cell) < 2 or not np.isfinite(scores).any():
                continue
            won = selection_shares(scores)
            best = np.argsort(-won, kind="stable")[:MOST_NAMED]
            shares.setdefault(env, {})[variant] = {
                "labels": [cell.label(int(number)) for number in best],
                "shares": won[best],
                "n_configurations": len(cell),
            }
    if not shares:
        return []
    words = (
        "Share of 10,000 resamples of the seeds in which a configuration has the best mean "
        f"{study.judged.label}; ties share."
    )
    arguments = {
        "shares": shares,
        "title": "How sure is the choice of the best configuration?",
        "caption": [words, study.data_words],
    }
    shows = "Whether one configuration is clearly best, or many are as good."
    shows_not = "How much worse the others are; the table of configurations does."
    return [Exhibit("selection", "selection", "selection", arguments, shows, shows_not)]


def _optimism(study: Study) -> list[Exhibit]:
    points: dict[str, dict] = {}
    for one in study.selection.chosen if study.selection.metric == study.judged.name else ():
        scores = fresh_scores(study, one)
        if not scores.size:
            continue
        fresh = mean_interval(scores)
        empty = {"stage_one": [], "stage_two": [], "low": [], "high": [], "winner": None}
        entry = points.setdefault(one.env, {}).setdefault(one.variant, empty)
        if one.rank == 1:
            entry["winner"] = len(entry["stage_one"])
        entry["stage_one"].append(float(one.mean))
        values = (fresh.estimate, fresh.low, fresh.high)
        for name, value in zip(("stage_two", "low", "high"), values, strict=True):
            entry[name].append(float(value))
    if not points:
        return []
    words = (
        f"Stage one: {study.selection.results}, {len(study.selection.seeds)} seeds. Intervals: "
        "95 % t, over fresh seeds. Ring: ranked first by stage one."
    )
    arguments = {
        "points": points,
        "score_label": study.judged.axis_label,
        "title": "What stage one promised, and what fresh seeds gave",
        "caption": [words, study.data_words],
    }
    shows = "How far the scores by which configurations were chosen flattered them."
    shows_not = "Configurations that stage one did not choose."
    return [Exhibit("optimism", "selection", "optimism", arguments, shows, shows_not)]


def fresh_scores(study: Study, chosen: object) -> np.ndarray:
    """Scores of a chosen configuration on this stage's seeds by the metric that chose it."""
    cell = study.table.get(chosen.env, {}).get(chosen.variant)
    number = None if cell is None else chosen.row(cell)
    if number is None:
        return np.empty(0)
    scores = cell.scores(study.selection.metric)[number]
    return scores[np.isfinite(scores)]
