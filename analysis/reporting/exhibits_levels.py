"""Exhibits over one hyperparameter: how the score, the policy and the values depend on it."""

from collections.abc import Callable

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.reporting.exhibits import Exhibit, file_stem
from hq_ray.analysis.statistics.intervals import mean_interval
from hq_ray.analysis.statistics.sensitivity import (
    Sensitivity,
    hyperparameters_of,
    profile_scores,
    slice_scores,
)
from hq_ray.analysis.study import Study

PROFILE_WORDS = (
    "At each level the best of the other hyperparameters, chosen on one half of the seeds and "
    "scored on the other, both ways."
)
SCATTER_WORDS = (
    "Most levels were run with one setting of the others, so a line mixes the effects of all."
)
SLICE_WORDS = "The other hyperparameters stay at the variant's best configuration."
ALONE_WORDS = "Nothing else was swept."
INTERVAL_WORDS = "Intervals: 95 % t, over seeds."
# A table learned to the last digit differs from Q* by rounding; that is no bias.
ROUNDING = 1e-9
# The first ones are what a reader asks for; a report of all would not be read.
MOST_HYPERPARAMETERS = 6
LIMITS = ("harmonic", "standard", "minimum")

Slicing = Callable[[np.ndarray, Cell, str, int], Sensitivity]
SeriesByEnv = dict[str, dict[str, dict]]


def level_exhibits(study: Study) -> list[Exhibit]:
    """Sensitivity to each hyperparameter, eps_shift between its limits, values and policies."""
    if study.selection:
        return []  # what stage one chose is no grid
    names = swept(study)
    shift = _eps_shift(study) if "eps_shift" in names else []
    found = []
    for name in names:
        found += _profile(study, name)
        found += shift if name == "eps_shift" and shift else _slice(study, name)
    return found + (
        _values(study, "eps_shift" if "eps_shift" in names else names[0]) if names else []
    )


def swept(study: Study) -> list[str]:
    """Hyperparameters that some variant has at several levels, the commonest first."""
    counts: dict[str, int] = {}
    for cell in study.cells:
        for name in hyperparameters_of(cell.varying):
            counts[name] = counts.get(name, 0) + 1
    order = sorted(counts, key=lambda name: (name != "alpha", name != "eps_shift", -counts[name]))
    return order[:MOST_HYPERPARAMETERS]


def _profile(study: Study, name: str) -> list[Exhibit]:
    """The best of all other settings at each level, where there are others."""
    others = [len(hyperparameters_of(c.varying)) > 1 for c in study.cells if name in c.varying]
    scores = by_variant(study, name, profiled) if any(others) else {}
    title = f"{study.judged.label.capitalize()} over {name}, the rest tuned at each level"
    words = [PROFILE_WORDS, *([SCATTER_WORDS] if _scattered(study, name) else [])]
    shows_not = "What the other hyperparameters were at each level."
    return _sensitivity(study, f"sens_{name}_profile", name, scores, title, words, shows_not)


def _slice(study: Study, name: str) -> list[Exhibit]:
    """All else held at the best configuration."""
    scores = by_variant(study, name, sliced)
    alone = all(hyperparameters_of(c.varying) == [name] for c in study.cells if name in c.varying)
    title = f"{study.judged.label.capitalize()} over {name}"
    title += "" if alone else ", the rest at its best"
    words = [ALONE_WORDS if alone else SLICE_WORDS]
    shows_not = "Levels beyond those that were run, and between them."
    if not alone:
        shows_not = "Levels at which other settings of the rest would do better."
    return _sensitivity(study, f"sens_{name}_slice", name, scores, title, words, shows_not)


def _sensitivity(
    study: Study,
    stem: str,
    name: str,
    scores: SeriesByEnv,
    title: str,
    words: list[str],
    shows_not: str,
) -> list[Exhibit]:
    if not scores:
        return []
    arguments = {
        "scores": scores,
        "hyperparameter": name,
        "score_label": study.judged.axis_label,
        "title": title,
        "caption": [" ".join([*words, INTERVAL_WORDS]), study.data_words],
    }
    shows = f"How the score moves with {name}, and whether it must be tuned with care."
    return [Exhibit(file_stem(stem), "sensitivity", "sensitivity", arguments, shows, shows_not)]


def _scattered(study: Study, name: str) -> bool:
    """Whether most levels have one configuration, as in a random search."""
    cells = [cell for cell in study.cells if name in cell.varying]
    n_levels = [cell.settings[name].nunique(dropna=False) for cell in cells]
    return sum(map(len, cells)) < 1.5 * sum(n_levels) and any(
        len(hyperparameters_of(cell.varying)) > 1 for cell in cells
    )


def profiled(scores: np.ndarray, cell: Cell, name: str, best: int) -> Sensitivity:
    """Best over the other hyperparameters."""
    return profile_scores(scores, cell.varying, name)


def sliced(scores: np.ndarray, cell: Cell, name: str, best: int) -> Sensitivity:
    """The other hyperparameters as the best configuration has them."""
    return slice_scores(scores, cell.varying, name, best)


def by_variant(
    study: Study, name: str, of: Slicing, column: str | None = None, level_lines: bool = False
) -> SeriesByEnv:
    """Series by environment and variant, of those with several levels.

    Args:
        study: the results.
        name: the hyperparameter.
        of: how a level's score per seed is made.
        column: of the trials; None for the judged metric.
        level_lines: whether a variant that does not vary in it is there as one value.
    """
    table: SeriesByEnv = {}
    for (env, variant), best in study.best.items():
        entry = _entry(study, study.table[env][variant], best, name, of, column, level_lines)
        if entry is not None:
            table.setdefault(env, {})[variant] = entry
    several = {
        env: row for env, row in table.items() if any(s["levels"] is not None for s in row.values())
    }
    return {env: several[env] for env in study.table if env in several}


def _entry(
    study: Study,
    cell: Cell,
    best: int,
    name: str,
    of: Slicing,
    column: str | None,
    level_lines: bool,
) -> dict[str, object] | None:
    judged = study.judged
    sign = 1.0 if column or judged.higher_is_better else -1.0
    scores = sign * cell.scores(column or judged.name)
    scores = np.where(np.abs(scores) < ROUNDING, 0.0, scores)
    if name in cell.varying:
        tuned = cell.settings[name].iloc[best]
        entry = series(of(scores, cell, name, best), None if tuned != tuned else tuned, sign)
        return entry if np.isfinite(entry["mean"]).sum() > 1 else None
    if level_lines and np.isfinite(scores[best]).any():
        return level_line(sign * scores[best])
    return None


def series(found: Sensitivity, tuned: object, sign: float = 1.0) -> dict[str, object]:
    """Mean and 95 % interval per level, over the seeds that the level has."""
    rows = [sign * row[np.isfinite(row)] for row in found.scores]
    intervals = [mean_interval(row) if row.size else None for row in rows]
    nothing = float("nan")
    return {
        "levels": list(found.levels),
        "mean": [nothing if i is None else float(i.estimate) for i in intervals],
        "low": [nothing if i is None else float(i.low) for i in intervals],
        "high": [nothing if i is None else float(i.high) for i in intervals],
        "tuned": tuned,
        "n": max((row.size for row in rows), default=0),
    }


def level_line(values: np.ndarray) -> dict[str, object]:
    """A variant that does not have the hyperparameter: one value for all levels."""
    values = values[np.isfinite(values)]
    interval = mean_interval(values)
    one = {"mean": interval.estimate, "low": interval.low, "high": interval.high}
    return {"levels": None, **{k: float(v) for k, v in one.items()}, "n": values.size}


def _limits(table: SeriesByEnv) -> SeriesByEnv:
    """Harmonic and its two limits, where harmonic varies."""
    return {
        env: {v: row[v] for v in LIMITS if v in row}
        for env, row in table.items()
        if "harmonic" in row
    }


def _eps_shift(study: Study) -> list[Exhibit]:
    scores = _limits(by_variant(study, "eps_shift", sliced, level_lines=True))
    bias = _limits(by_variant(study, "eps_shift", sliced, "q_bias", level_lines=True))
    if not scores:
        return []
    arguments = {
        "scores": scores,
        "bias": bias,
        "score_label": study.judged.axis_label,
        "title": "eps_shift between the limits of the harmonic update",
        "caption": [f"{SLICE_WORDS} {INTERVAL_WORDS}", study.data_words],
    }
    shows = (
        "Between which eps_shift the update turns from the minimum into the standard one, and what "
        "that does to score and values."
    )
    shows_not = (
        "The limits at harmonic's own other settings: a level line is the variant's best, so the "
        "curve need not meet it."
    )
    return [Exhibit("sens_eps_shift", "sensitivity", "eps_shift", arguments, shows, shows_not)]


def _values(study: Study, name: str) -> list[Exhibit]:
    gap, bias = (
        by_variant(study, name, sliced, column, level_lines=True)
        for column in ("policy_gap", "q_bias")
    )
    if not gap and not bias:
        return []
    words = (
        "Policy gap: V* - V of the greedy policy, at the start. Bias: mean of Q - Q* over the "
        "pairs whose value moved."
    )
    arguments = {
        "policy_gap": gap,
        "bias": bias,
        "hyperparameter": name,
        "title": f"Learned policy and learned values over {name}, against exact planning",
        "caption": [f"{words} {SLICE_WORDS} {INTERVAL_WORDS}", study.data_words],
    }
    shows = "Whether wrong values make a wrong policy: the exact cost of what was learned."
    shows_not = "Returns during training, which exploration lowers."
    return [Exhibit("value_gap", "sensitivity", "value", arguments, shows, shows_not)]
