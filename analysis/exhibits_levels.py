"""Exhibits over hyperparameters: how much a score depends on them, and where."""

from collections.abc import Callable, Mapping

import numpy as np

from analysis.cells import Cell
from analysis.exhibits import Exhibit
from analysis.importance import importance_over_seeds
from analysis.intervals import mean_interval
from analysis.multiplicity import holm
from analysis.paired import paired_difference
from analysis.sensitivity import (
    Sensitivity,
    hyperparameters_of,
    levels_of,
    profile_scores,
    slice_scores,
)
from analysis.study import Study

PROFILE_WORDS = (
    "At each level the best of the other hyperparameters, chosen on one half of the seeds and "
    "scored on the other, both ways."
)
SLICE_WORDS = "The other hyperparameters stay at the variant's best configuration."
INTERVAL_WORDS = "Interval: 95 % t interval over seeds."
# A table learned to the last digit differs from Q* by rounding; that is no bias.
ROUNDING = 1e-9
# The first ones are what a reader asks for; a report of all pairs would not be read.
MOST_HYPERPARAMETERS = 6


def level_exhibits(study: Study) -> list[Exhibit]:
    """Sensitivity to each hyperparameter, eps_shift's limits, heat maps, importance, values."""
    names = swept(study)
    found = [one for name in names for one in _sensitivities(study, name)]
    if "eps_shift" in names:
        found += _eps_shift(study)
    found += _heat(study)
    found += _importance(study)
    if names:
        found += _values(study, "eps_shift" if "eps_shift" in names else names[0])
    return found


def swept(study: Study) -> list[str]:
    """Hyperparameters that some variant has at several levels, the commonest first."""
    counts: dict[str, int] = {}
    for cell in study.cells:
        for name in hyperparameters_of(cell.varying):
            counts[name] = counts.get(name, 0) + 1
    order = sorted(counts, key=lambda name: (name != "alpha", name != "eps_shift", -counts[name]))
    return order[:MOST_HYPERPARAMETERS]


def series(found: Sensitivity, tuned: object, sign: float = 1.0) -> dict[str, object]:
    """Mean and 95 % interval per level, over the seeds that the level has."""
    rows = [sign * row[np.isfinite(row)] for row in found.scores]
    intervals = [mean_interval(row) if row.size else None for row in rows]
    nothing = float("nan")
    return {
        "levels": list(found.levels),
        "mean": [nothing if i is None else i.estimate for i in intervals],
        "low": [nothing if i is None else i.low for i in intervals],
        "high": [nothing if i is None else i.high for i in intervals],
        "tuned": tuned,
        "n": max((row.size for row in rows), default=0),
    }


def level_line(values: np.ndarray) -> dict[str, object]:
    """A variant that does not have the hyperparameter: one value for all levels."""
    values = values[np.isfinite(values)]
    interval = mean_interval(values)
    one = {"mean": interval.estimate, "low": interval.low, "high": interval.high}
    return {"levels": None, **one, "n": values.size}


Slicing = Callable[[np.ndarray, Cell, str, int], Sensitivity]


def _profile(scores: np.ndarray, cell: Cell, name: str, best: int) -> Sensitivity:
    return profile_scores(scores, cell.varying, name)


def _slice(scores: np.ndarray, cell: Cell, name: str, best: int) -> Sensitivity:
    return slice_scores(scores, cell.varying, name, best)


def _by_variant(
    study: Study, name: str, of: Slicing, column: str | None = None, level_lines: bool = False
) -> dict[str, dict[str, dict]]:
    """Series by environment and variant, of the judged metric or of another column."""
    judged = study.judged
    sign = 1.0 if column or judged.higher_is_better else -1.0
    table: dict[str, dict[str, dict]] = {}
    for (env, variant), best in study.best.items():
        cell = study.table[env][variant]
        scores = cell.scores(column) if column else judged.scores(cell.scores(judged.name))
        scores = np.where(np.abs(scores) < ROUNDING, 0.0, scores)
        if not np.isfinite(scores).any():
            continue
        if name in cell.varying:
            tuned = cell.settings[name].iloc[best]
            tuned = None if tuned != tuned or tuned is None else tuned
            entry = series(of(scores, cell, name, best), tuned, sign)
        elif level_lines and np.isfinite(scores[best]).any():
            entry = level_line(sign * scores[best])
        else:
            continue
        table.setdefault(env, {})[variant] = entry
    return table


def _sensitivities(study: Study, name: str) -> list[Exhibit]:
    found = []
    several = any(
        name in cell.varying and len(hyperparameters_of(cell.varying)) > 1 for cell in study.cells
    )
    kinds = [("slice", _slice, SLICE_WORDS)]
    if several:
        kinds.insert(0, ("profile", _profile, PROFILE_WORDS))
    for kind, of, words in kinds:
        scores = _by_variant(study, name, of)
        if not scores:
            continue
        found.append(
            Exhibit(
                stem=f"sens_{name}_{kind}",
                section="sensitivity",
                figure="sensitivity",
                arguments={
                    "scores": scores,
                    "hyperparameter": name,
                    "score_label": study.judged.axis_label,
                    "title": f"{study.judged.label.capitalize()} over {name} ({kind})",
                    "caption": [words, INTERVAL_WORDS, study.data_words],
                },
                shows=f"How the score moves with {name}, and whether it must be tuned with care.",
                shows_not=(
                    "What the other hyperparameters were at each level."
                    if kind == "profile"
                    else "Levels at which other settings would do better; the profile does."
                ),
            )
        )
    return found


def _eps_shift(study: Study) -> list[Exhibit]:
    scores = _by_variant(study, "eps_shift", _slice, level_lines=True)
    bias = _by_variant(study, "eps_shift", _slice, "q_bias", level_lines=True)
    kept = ("harmonic", "standard", "minimum")
    scores, bias = (
        {
            env: {v: row[v] for v in kept if v in row}
            for env, row in one.items()
            if "harmonic" in row
        }
        for one in (scores, bias)
    )
    if not scores:
        return []
    return [
        Exhibit(
            stem="sens_eps_shift",
            section="sensitivity",
            figure="eps_shift",
            arguments={
                "scores": scores,
                "bias": bias,
                "score_label": study.judged.axis_label,
                "title": "eps_shift between the limits of the harmonic update",
                "caption": [SLICE_WORDS, INTERVAL_WORDS, study.data_words],
            },
            shows=(
                "Between which eps_shift the update turns from the minimum into the standard one, "
                "and what that does to score and values."
            ),
            shows_not="The limits at harmonic's own alpha: a level line is a variant at its best.",
        )
    ]


def _limits_only(table: Mapping[str, Mapping[str, dict]]) -> dict[str, dict[str, dict]]:
    """Harmonic and its two limits, where harmonic is there."""
    kept = ("harmonic", "standard", "minimum")
    with_harmonic = {env: row for env, row in table.items() if "harmonic" in row}
    return {env: {v: row[v] for v in kept if v in row} for env, row in with_harmonic.items()}


def _plane(cell: Cell, names: tuple[str, str], best: int) -> dict[tuple, int]:
    """Configurations that share all but two settings with the best one, by their two levels."""
    codes = cell.varying.apply(lambda column: levels_of(column)[1])
    others = [name for name in codes if name not in names]
    same = (codes[others] == codes[others].iloc[best]).all(axis=1).to_numpy()
    rows = np.flatnonzero(same)
    levels = cell.settings[list(names)]
    return {tuple(levels.iloc[row]): int(row) for row in rows}


def _heat(study: Study) -> list[Exhibit]:
    """The first two variants over the two hyperparameters that both vary most."""
    found: dict[str, dict] = {}
    axes = variants = None
    for env, row in study.table.items():
        pair = [v for v in row if (env, v) in study.best][:2]
        if len(pair) < 2:
            continue
        shared = [n for n in swept(study) if all(n in row[v].varying for v in pair)]
        if len(shared) < 2 or axes not in (None, tuple(shared[:2])) or variants not in (None, pair):
            continue
        axes, variants = tuple(shared[:2]), pair
        found[env] = _heat_cell(study, env, pair, axes)
    if not found:
        return []
    return [
        Exhibit(
            stem="heat",
            section="sensitivity",
            figure="heat",
            arguments={
                "cells": found,
                "x_name": axes[0],
                "y_name": axes[1],
                "score_label": study.judged.axis_label,
                "title": f"{variants[0]}, {variants[1]} and their difference over {axes[0]} and "
                f"{axes[1]}",
                "variants": list(variants),
                "caption": [
                    SLICE_WORDS,
                    "Dots: the paired difference differs from 0 (sign-flip test, Holm over the "
                    "cells of a panel, 5 %).",
                    study.data_words,
                ],
            },
            shows="Where in the plane each variant is good, and where one beats the other.",
            shows_not="The other hyperparameters, which stay at each variant's best.",
        )
    ]


def _heat_cell(
    study: Study, env: str, pair: list[str], names: tuple[str, str]
) -> dict[str, object]:
    cells = [study.table[env][variant] for variant in pair]
    planes = [_plane(c, names, study.best[env, v]) for c, v in zip(cells, pair, strict=True)]
    x_levels, y_levels = (
        levels_of([key[axis] for plane in planes for key in plane])[0] for axis in (0, 1)
    )
    shape = (len(y_levels), len(x_levels))
    first, second, p_value = (np.full(shape, np.nan) for _ in range(3))
    common, mine, theirs = np.intersect1d(cells[1].seeds, cells[0].seeds, return_indices=True)
    scores = [cell.scores(study.judged.name) for cell in cells]
    for i, y in enumerate(y_levels):
        for j, x in enumerate(x_levels):
            rows = [plane.get((x, y)) for plane in planes]
            for target, row, values in zip((first, second), rows, scores, strict=True):
                if row is not None and np.isfinite(values[row]).any():
                    target[i, j] = np.nanmean(values[row])
            if None in rows or not common.size:
                continue
            a, b = scores[1][rows[1]][mine], scores[0][rows[0]][theirs]
            both = np.isfinite(a) & np.isfinite(b)
            if both.sum() > 1:
                p_value[i, j] = paired_difference(a[both], b[both]).p_value
    significant = holm(p_value.ravel()).reshape(shape)
    return {
        "x_levels": list(x_levels),
        "y_levels": list(y_levels),
        "first": first,
        "second": second,
        "significant": significant,
    }


def _importance(study: Study) -> list[Exhibit]:
    shares: dict[str, dict[str, Mapping]] = {}
    notes = []
    for env, row in study.table.items():
        for variant, cell in row.items():
            if not hyperparameters_of(cell.varying):
                continue
            found = importance_over_seeds(
                study.judged.scores(cell.scores(study.judged.name)), cell.varying
            )
            if found.note:
                notes.append(f"{env}, {variant}: {found.note}")
            if found.shares:
                named = {" × ".join(names): share for names, share in found.shares.items()}
                shares.setdefault(env, {})[variant] = named
    if not shares:
        return []
    return [
        Exhibit(
            stem="importance",
            section="sensitivity",
            figure="importance",
            arguments={
                "shares": shares,
                "title": "Which hyperparameters matter",
                "caption": [
                    "Share of the variance over the grid's configurations, exact for a full "
                    "factorial; the noise of few seeds is subtracted. "
                    f"Score: {study.judged.label}.",
                    " ".join(notes),
                    study.data_words,
                ],
            },
            shows="Which hyperparameters, alone and in pairs, make the score vary over this grid.",
            shows_not="What they would do outside the grid: a wider grid gives other shares.",
        )
    ]


def _values(study: Study, name: str) -> list[Exhibit]:
    gap = _by_variant(study, name, _slice, "policy_gap", level_lines=True)
    bias = _by_variant(study, name, _slice, "q_bias", level_lines=True)
    if not gap and not bias:
        return []
    return [
        Exhibit(
            stem="value_gap",
            section="sensitivity",
            figure="value",
            arguments={
                "policy_gap": gap,
                "bias": bias,
                "hyperparameter": name,
                "title": f"Learned policy and learned values over {name}, against exact planning",
                "caption": [
                    "Policy gap: V* - V of the greedy policy, at the start. Bias: mean of Q - Q* "
                    "over the pairs whose value moved.",
                    f"{SLICE_WORDS} {INTERVAL_WORDS}",
                    study.data_words,
                ],
            },
            shows="Whether wrong values make a wrong policy: the exact cost of what was learned.",
            shows_not="Returns during training, which exploration lowers.",
        )
    ]
