"""Exhibits of tuning: what it is worth, how sure the choice is, and how far it flattered."""

from collections.abc import Mapping

import numpy as np

from analysis.cells import Cell
from analysis.exhibits import Exhibit
from analysis.intervals import mean_interval
from analysis.study import Study
from analysis.tuning import cross_fitted_budget_curve, selection_shares

MOST_BUDGETS = 60
TOP = 10


def selection_exhibits(study: Study) -> list[Exhibit]:
    """Budget curves, shares of wins and, for a second stage, the optimism of the first."""
    found = []
    if study.selection:
        found += _optimism(study)
    tuned = {env: row for env, row in study.table.items() if any(len(c) > 1 for c in row.values())}
    if tuned and not study.selection:
        found += [_budget(study, tuned), _shares(study, tuned)]
    return found


def _upwards(study: Study, cell: Cell) -> np.ndarray:
    return study.judged.scores(cell.scores(study.judged.name))


def _budget(study: Study, tuned: Mapping[str, Mapping[str, Cell]]) -> Exhibit:
    sign = 1.0 if study.judged.higher_is_better else -1.0
    budgets: dict[str, dict] = {}
    for env, row in tuned.items():
        for variant, cell in row.items():
            tried = np.unique(np.geomspace(1, len(cell), MOST_BUDGETS).round().astype(int))
            curve = sign * cross_fitted_budget_curve(_upwards(study, cell), tried.tolist())
            known = np.isfinite(curve).all(axis=0)
            there = np.isfinite(curve[:, known]).all(axis=1)
            if not known.any() or not there.any():
                continue
            interval = mean_interval(curve[there][:, known])
            budgets.setdefault(env, {})[variant] = {
                "n_tried": tried[there],
                "score": interval.estimate,
                "low": interval.low,
                "high": interval.high,
            }
    equal = {env: float(min(map(len, row.values()))) for env, row in tuned.items()}
    return Exhibit(
        stem="budget",
        section="selection",
        figure="budget",
        arguments={
            "budgets": budgets,
            "score_label": study.judged.axis_label,
            "equal_budget": equal,
            "title": "What tuning over more configurations is worth",
            "caption": [
                "Expected score, on seeds that had no part in the choice, of the best of k "
                "configurations drawn at random without replacement; chosen on one half of the "
                "seeds, scored on the other, both ways. Band: 95 % t interval over seeds. "
                "Vertical line: the smaller grid, at which the variants are compared.",
                study.data_words,
            ],
        },
        shows="How much of a variant's score comes from trying more configurations.",
        shows_not="Configurations outside the grid that was swept.",
    )


def _shares(study: Study, tuned: Mapping[str, Mapping[str, Cell]]) -> Exhibit:
    shares: dict[str, dict] = {}
    for env, row in tuned.items():
        for variant, cell in row.items():
            if len(cell) < 2:
                continue
            won = selection_shares(_upwards(study, cell))
            best = np.argsort(-won, kind="stable")[: 2 * TOP]
            shares.setdefault(env, {})[variant] = {
                "labels": [cell.label(int(number)) for number in best],
                "shares": won[best],
                "n_configurations": len(cell),
            }
    return Exhibit(
        stem="selection",
        section="selection",
        figure="selection",
        arguments={
            "shares": shares,
            "title": "How sure is the choice of the best configuration?",
            "caption": [
                f"Share of 10,000 resamples of the seeds in which a configuration has the best "
                f"mean {study.judged.label}; ties share.",
                study.data_words,
            ],
        },
        shows="Whether one configuration is clearly best, or many are as good.",
        shows_not="How much worse the others are; the table of configurations does.",
    )


def _optimism(study: Study) -> list[Exhibit]:
    points: dict[str, dict] = {}
    for one in study.selection.chosen:
        cell = study.table.get(one.env, {}).get(one.variant)
        number = None if cell is None else one.row(cell)
        if number is None or study.selection.metric != study.judged.name:
            continue
        scores = cell.scores(study.judged.name)[number]
        scores = scores[np.isfinite(scores)]
        if not scores.size:
            continue
        fresh = mean_interval(scores)
        entry = points.setdefault(one.env, {}).setdefault(
            one.variant, {"stage_one": [], "stage_two": [], "low": [], "high": [], "winner": None}
        )
        if one.rank == 1:
            entry["winner"] = len(entry["stage_one"])
        entry["stage_one"].append(one.mean)
        for name, value in (
            ("stage_two", fresh.estimate),
            ("low", fresh.low),
            ("high", fresh.high),
        ):
            entry[name].append(value)
    if not points:
        return []
    return [
        Exhibit(
            stem="optimism",
            section="selection",
            figure="optimism",
            arguments={
                "points": points,
                "score_label": study.judged.axis_label,
                "title": "What stage one promised, and what fresh seeds gave",
                "caption": [
                    f"Stage one: {study.selection.results}, {len(study.selection.seeds)} seeds. "
                    "Interval: 95 % t interval over fresh seeds. Ring: ranked first by stage one.",
                    study.data_words,
                ],
            },
            shows="How far the scores by which configurations were chosen flattered them.",
            shows_not="Configurations that stage one did not choose.",
        )
    ]
