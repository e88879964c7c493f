"""Exhibits over hyperparameters: scores over one, values over eps_shift, a plane, importance."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.charts.figure_heat import heat_figure
from hq_ray.analysis.charts.figure_importance import importance_figure
from hq_ray.analysis.charts.figure_levels import Quantity, levels_figure
from hq_ray.analysis.charts.heat_cells import Cells
from hq_ray.analysis.charts.level_lines import Series
from hq_ray.analysis.reporting.exhibits import Exhibit, file_stem
from hq_ray.analysis.statistics.comparison import (
    LEVEL,
    difference_of_means,
    holm_adjusted,
    t_interval,
)
from hq_ray.analysis.statistics.grid import best_by_level, levels_of
from hq_ray.analysis.statistics.importance import importance
from hq_ray.analysis.study import Study

BEST_WORDS = (
    "At each level the best of the other hyperparameters, chosen on the first half of the seeds "
    "and scored on the other half."
)
ALONE_WORDS = "Nothing else was swept."
INTERVAL_WORDS = "Intervals: 95 % t, over seeds."
# A table learned to the last digit differs from Q* by rounding; that is no bias.
ROUNDING = 1e-9
# The first ones are what a reader asks for; a report of all would not be read.
MOST_HYPERPARAMETERS = 6
LIMITS = {"standard": "standard, limit \N{INFINITY}", "minimum": "minimum, limit 0"}
# A plane of a random search is all holes.
LEAST_FILLED = 0.25
LEAST_USED = 0.5
PLANE_WORDS = (
    "The other hyperparameters stay at each variant's best configuration. Significant: t test of "
    "the difference, Holm over the cells of a panel, 5 %."
)
IMPORTANCE_WORDS = (
    "Shares of the variance over the grid's configurations, exact for a full factorial, less the "
    "noise of few seeds."
)

SeriesByEnv = dict[str, dict[str, Series]]


def level_exhibits(study: Study) -> list[Exhibit]:
    """A figure per hyperparameter, eps_shift between its limits, heat maps, importance."""
    names = swept(study)
    found = [one for name in names for one in _by_level(study, name)]
    found += _value_bias(study) if "eps_shift" in names else []
    return [*found, *_heat(study), *_importance(study)]


def swept(study: Study) -> list[str]:
    """Hyperparameters that some variant has at several levels, the commonest first."""
    counts: dict[str, int] = {}
    for cell in study.cells:
        for name in cell.varying:
            counts[name] = counts.get(name, 0) + 1
    order = sorted(counts, key=lambda name: (name != "alpha", name != "eps_shift", -counts[name]))
    return order[:MOST_HYPERPARAMETERS]


def _by_level(study: Study, name: str) -> list[Exhibit]:
    """The best of all other settings at each level."""
    judged = study.judged
    scores = by_variant(study, name, judged.name)
    if not scores:
        return []
    alone = all(list(c.varying) == [name] for c in study.cells if name in c.varying)
    title = f"{judged.label.capitalize()} over {name}"
    arguments = {
        "quantities": [Quantity(judged.axis_label, scores)],
        "hyperparameter": name,
        "title": title + ", the rest tuned at each level" * (not alone),
        "caption": [f"{ALONE_WORDS if alone else BEST_WORDS} {INTERVAL_WORDS}", study.data_words],
    }
    shows = f"How the score moves with {name}, and whether it must be tuned with care."
    shows_not = "Levels beyond those that were run, and between them."
    stem = file_stem(f"by_{name}")
    return [Exhibit(stem, "sensitivity", levels_figure, arguments, shows, shows_not)]


def by_variant(study: Study, name: str, column: str, level_lines: bool = False) -> SeriesByEnv:
    """Series by problem and variant; within a problem all are over the same half of the seeds.

    Args:
        study: the results.
        name: the hyperparameter.
        column: of the trials.
        level_lines: whether a variant that does not vary in it is there as one value.
    """
    table: SeriesByEnv = {}
    for env, row in study.table.items():
        halved = any(
            name in cell.varying and len(cell.varying.columns) > 1 for cell in row.values()
        )
        for variant, cell in row.items():
            best = study.best.get((env, variant))
            common = cell.seeds[cell.tried.all(axis=0)]
            if best is None or not common.size or not (level_lines or name in cell.varying):
                continue
            half = len(common) // 2 if halved else 0
            found = _series(study, cell, best, name, column, np.isin(cell.seeds, common), half)
            if found is not None:
                table.setdefault(env, {})[variant] = found
    return table


def _series(
    study: Study, cell: Cell, best: int, name: str, column: str, common: np.ndarray, half: int
) -> Series | None:
    """A column at each level, for the configuration with the best score there; or at one level."""
    values = cell.scores(column)[:, common]
    values = np.where(np.abs(values) < ROUNDING, 0.0, values)
    if name not in cell.varying:
        known = values[best, half:][np.isfinite(values[best, half:])]
        limits = t_interval(known) if known.size else ()
        return Series(None, *map(np.atleast_1d, limits), known.size) if known.size else None
    levels, codes = levels_of(cell.varying[name])
    judged = study.judged.upwards(cell.scores(study.judged.name))[:, common]
    rows = best_by_level(judged, codes, half or judged.shape[1])
    of_levels = np.where((rows >= 0)[:, None], values[rows, half:], np.nan)
    known = np.isfinite(of_levels).all(axis=1)
    if known.sum() < 2:
        return None
    limits = np.full((3, len(levels)), np.nan)
    limits[:, known] = t_interval(of_levels[known])
    tuned = cell.settings[name].iloc[best]
    return Series(list(levels), *limits, of_levels.shape[1], None if pd.isna(tuned) else tuned)


def _value_bias(study: Study) -> list[Exhibit]:
    """Score and value bias of harmonic over eps_shift, and of the two updates it turns into."""
    columns = (study.judged.name, "q_bias")
    scores, bias = (_limits(by_variant(study, "eps_shift", c, level_lines=True)) for c in columns)
    if not scores:
        return []
    arguments = {
        "quantities": [
            Quantity(study.judged.axis_label, scores),
            Quantity("value bias, mean of Q - Q* [discounted return]", bias, zero=True),
        ],
        "hyperparameter": "eps_shift",
        "title": "eps_shift between the limits of the harmonic update",
        "names": LIMITS,
        "caption": [f"{BEST_WORDS} {INTERVAL_WORDS}", study.data_words],
    }
    shows = (
        "Between which eps_shift the update turns from the minimum into the standard one, and what "
        "that does to score and values."
    )
    shows_not = (
        "The limits at harmonic's own other settings: a level line is the variant's best, so the "
        "curve need not meet it."
    )
    return [Exhibit("value_bias", "sensitivity", levels_figure, arguments, shows, shows_not)]


def _limits(table: SeriesByEnv) -> SeriesByEnv:
    """Harmonic and its two limits, where harmonic varies."""
    return {
        env: {v: row[v] for v in ("harmonic", *LIMITS) if v in row}
        for env, row in table.items()
        if "harmonic" in row and row["harmonic"].levels is not None
    }


def _heat(study: Study) -> list[Exhibit]:
    """The first two variants over the two hyperparameters that both vary most."""
    found: dict[str, Cells] = {}
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
    return [Exhibit("heat", "sensitivity", heat_figure, arguments, shows, shows_not)]


def _heat_cells(study: Study, env: str, pair: Sequence[str], names: Sequence[str]) -> Cells | None:
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
            both = np.isfinite(sides).all(axis=0)
            if both.any():
                base, ours = (side[both] for side in sides)
                found = difference_of_means(ours, base, not cells[0].unseeded)
                p_value[i, j] = found.p_value[0]
    significant = (holm_adjusted(p_value.ravel()) < LEVEL).reshape(shape)
    return Cells(x_levels, y_levels, *means, significant)


def _plane(cell: Cell, names: Sequence[str], best: int) -> dict[tuple, int]:
    """Configurations that share all but two settings with the best one, by their two levels."""
    codes = cell.varying.apply(lambda column: levels_of(column)[1])
    others = [name for name in codes if name not in names]
    same = (codes[others] == codes[others].iloc[best]).all(axis=1).to_numpy()
    levels = cell.settings[list(names)]
    return {tuple(levels.iloc[row]): int(row) for row in np.flatnonzero(same)}


def _importance(study: Study) -> list[Exhibit]:
    shares: dict[str, dict[str, Mapping]] = {}
    notes: dict[str, list[str]] = {}
    for cell in study.cells:
        if not len(cell.varying.columns):
            continue
        found = importance(cell.scores(study.judged.name), cell.varying)
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
    return [Exhibit("importance", "sensitivity", importance_figure, arguments, shows, shows_not)]
