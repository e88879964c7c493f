"""Exhibits over several hyperparameters: a plane of two, and what each of them is worth."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.reporting.exhibits import Exhibit
from hq_ray.analysis.reporting.exhibits_levels import swept
from hq_ray.analysis.statistics.importance import importance_over_seeds
from hq_ray.analysis.statistics.multiplicity import holm
from hq_ray.analysis.statistics.paired import paired_difference
from hq_ray.analysis.statistics.sensitivity import hyperparameters_of, levels_of
from hq_ray.analysis.study import Study

Pair = Sequence[str]
# A plane of a random search is all holes.
LEAST_FILLED = 0.25
LEAST_USED = 0.5
PLANE_WORDS = (
    "The other hyperparameters stay at each variant's best configuration. Significant: sign-flip "
    "test of the paired difference, Holm over the cells of a panel, 5 %."
)
IMPORTANCE_WORDS = (
    "Shares of the variance over the grid's configurations, exact for a full factorial, less the "
    "noise of few seeds."
)


def plane_exhibits(study: Study) -> list[Exhibit]:
    """Heat maps of the first two variants, and the importance of all hyperparameters."""
    return [] if study.selection else [*_heat(study), *_importance(study)]


def _heat(study: Study) -> list[Exhibit]:
    """The first two variants over the two hyperparameters that both vary most."""
    found: dict[str, dict] = {}
    axes = variants = None
    for env, row in study.table.items():
        pair = [v for v in row if (env, v) in study.best][:2]
        shared = [n for n in swept(study) if all(n in row[v].varying for v in pair)][:2]
        if (
            len(pair) < 2
            or len(shared) < 2
            or (axes is not None and (axes, variants) != (shared, pair))
        ):
            continue
        cells = _heat_cells(study, env, pair, shared)
        if cells is not None:
            axes, variants = shared, pair
            found[env] = cells
    if not found:
        return []
    title = f"{variants[0]}, {variants[1]} and their difference over {axes[0]} and {axes[1]}"
    arguments = {
        "cells": found,
        "x_name": axes[0],
        "y_name": axes[1],
        "score_label": study.judged.axis_label,
        "title": title,
        "variants": variants,
        "caption": [PLANE_WORDS, study.data_words],
    }
    shows = "Where in the plane each variant is good, and where one beats the other."
    shows_not = "The other hyperparameters, which stay at each variant's best."
    return [Exhibit("heat", "sensitivity", "heat", arguments, shows, shows_not)]


def _heat_cells(study: Study, env: str, pair: Pair, names: Pair) -> dict[str, object] | None:
    """Means and significance of the pair by level; None where hardly any cell was run."""
    cells = [study.table[env][variant] for variant in pair]
    planes = [_plane(c, names, study.best[env, v]) for c, v in zip(cells, pair, strict=True)]
    x_levels, y_levels = (
        levels_of([key[axis] for plane in planes for key in plane])[0] for axis in (0, 1)
    )
    shape = (len(y_levels), len(x_levels))
    if max(map(len, planes)) < LEAST_FILLED * shape[0] * shape[1] or 1 in shape:
        return None
    scores = [cell.scores(study.judged.name) for cell in cells]
    means = [np.full(shape, np.nan) for _ in pair]
    p_value = np.full(shape, np.nan)
    common = np.intersect1d(cells[0].seeds, cells[1].seeds, return_indices=True)[1:]
    for (i, y), (j, x) in product(enumerate(y_levels), enumerate(x_levels)):
        rows = [plane.get((x, y)) for plane in planes]
        for mean, row, values in zip(means, rows, scores, strict=True):
            if row is not None and np.isfinite(values[row]).any():
                mean[i, j] = np.nanmean(values[row])
        if None not in rows:
            sides = [v[row][at] for v, row, at in zip(scores, rows, common, strict=True)]
            p_value[i, j] = _p_value(*sides)
    return {
        "x_levels": list(x_levels),
        "y_levels": list(y_levels),
        "first": means[0],
        "second": means[1],
        "significant": holm(p_value.ravel()).reshape(shape),
    }


def _plane(cell: Cell, names: Pair, best: int) -> dict[tuple, int]:
    """Configurations that share all but two settings with the best one, by their two levels."""
    codes = cell.varying.apply(lambda column: levels_of(column)[1])
    others = [name for name in codes if name not in names]
    same = (codes[others] == codes[others].iloc[best]).all(axis=1).to_numpy()
    levels = cell.settings[list(names)]
    return {tuple(levels.iloc[row]): int(row) for row in np.flatnonzero(same)}


def _p_value(base: np.ndarray, ours: np.ndarray) -> float:
    both = np.isfinite(base) & np.isfinite(ours)
    if both.sum() < 2:
        return float("nan")
    return float(paired_difference(ours[both], base[both]).p_value)


def _importance(study: Study) -> list[Exhibit]:
    shares: dict[str, dict[str, Mapping]] = {}
    notes: dict[str, list[str]] = {}
    for cell in study.cells:
        if not hyperparameters_of(cell.varying):
            continue
        scores = study.judged.scores(cell.scores(study.judged.name))
        found = importance_over_seeds(scores, cell.varying)
        if found.note:
            place = f"{cell.env}, " if len(study.table) > 1 else ""
            notes.setdefault(found.note, []).append(f"{place}{cell.variant}")
        # Of a random search hardly anything is a factorial.
        if found.shares and found.n_used >= LEAST_USED * found.n_configs:
            named = {" × ".join(names): float(share) for names, share in found.shares.items()}
            shares.setdefault(cell.env, {})[cell.variant] = named
    if not shares:
        return []
    said = [f"{'; '.join(where)}: {note}." for note, where in notes.items()]
    arguments = {
        "shares": shares,
        "title": f"Which hyperparameters move {study.judged.label}",
        "caption": [IMPORTANCE_WORDS, *said, study.data_words],
    }
    shows = "Which hyperparameters, alone and in pairs, make the score vary over this grid."
    shows_not = "What they would do outside the grid: a wider grid gives other shares."
    return [Exhibit("importance", "sensitivity", "importance", arguments, shows, shows_not)]
