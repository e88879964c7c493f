"""Frames of the figures over hyperparameters: one of them, two of them, and which ones matter."""

import warnings
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.statistics.importance import importance
from hq_ray.analysis.statistics.means import t_interval
from hq_ray.analysis.statistics.t_tests import LEVEL
from hq_ray.analysis.study import Study

# The first ones are what a reader asks for; a report of all would not be read.
MOST_HYPERPARAMETERS = 6
# A plane of a random search is all holes, and of it hardly anything is a factorial.
LEAST_FILLED, MOST_CELLS = 0.5, 20
# A table learned to the last digit differs from Q* by rounding; that is no bias.
ROUNDING = 1e-9


def swept(row: Mapping[str, Cell]) -> list[str]:
    """Hyperparameters that some variant has at several levels, the commonest first."""
    counts: dict[str, int] = {}
    for cell in row.values():
        for name in cell.varying:
            counts[name] = counts.get(name, 0) + 1
    order = sorted(counts, key=lambda name: (name != "alpha", name != "eps_shift", -counts[name]))
    return order[:MOST_HYPERPARAMETERS]


def levels_of(column: pd.Series) -> tuple[list, np.ndarray]:
    """The levels of a hyperparameter in order, and for each configuration the index of its level.

    None, at last, says that a configuration does not read the hyperparameter.
    """
    levels = sorted(column.dropna().unique().tolist())
    codes = pd.Index(levels).get_indexer(column)
    missing = codes < 0
    return levels + [None] * bool(missing.any()), np.where(missing, len(levels), codes)


def level_frame(
    study: Study, env: str, name: str, metrics: Iterable[str], lines: Sequence[str] = ()
) -> pd.DataFrame:
    """Mean and interval at each level of a hyperparameter, of the best of all others there.

    All variants are scored on the same half of the seeds; the other half chooses.

    Args:
        study: the results.
        env: the problem.
        name: the hyperparameter.
        metrics: columns of the trials.
        lines: variants that do not vary in it but are there, with a level that is null.
    """
    row = study.table[env]
    halved = any(name in cell.varying and len(cell.varying.columns) > 1 for cell in row.values())
    found = []
    for variant, cell in row.items():
        common = np.isin(cell.seeds, cell.common)
        best = study.best.get((env, variant))
        if best is None or common.sum() < 2 or not (name in cell.varying or variant in lines):
            continue
        half = common.sum() // 2 if halved else 0
        judged = study.judged.upwards(cell.scores(study.judged.name))[:, common]
        levels, codes = [None], np.zeros(len(cell), dtype=int)
        rows = np.array([best])
        if name in cell.varying:
            levels, codes = levels_of(cell.varying[name])
            means = pd.Series(judged[:, : half or common.sum()].mean(axis=1))
            means = means[np.isfinite(judged).all(axis=1)]
            best_rows = means.groupby(codes[means.index]).idxmax()
            rows = best_rows.reindex(range(len(levels)), fill_value=-1).to_numpy()
        read = [level for level in levels if level is not None]
        for metric in metrics:
            values = cell.scores(metric)[:, common][:, half:]
            values = np.where(np.abs(values) < ROUNDING, 0.0, values)
            for code, (level, number) in enumerate(zip(levels, rows, strict=True)):
                known = values[number][np.isfinite(values[number])]
                if number < 0 or not known.size:
                    continue
                mean, low, high = map(float, t_interval(known))
                found.append(
                    {
                        "metric": metric,
                        "variant": variant,
                        "level": level,
                        "mean": mean,
                        "low": low,
                        "high": high,
                        "n": known.size,
                        "chosen": code == codes[best] and level is not None,
                        "edge": level in (read[:1] + read[-1:]) and code == codes[best],
                    }
                )
    columns = ("metric", "variant", "level", "mean", "low", "high", "n", "chosen", "edge")
    frame = pd.DataFrame(found, columns=columns)
    return frame if frame["level"].notna().any() else frame.iloc[:0]


def heat_frame(study: Study, env: str, x_name: str, y_name: str) -> pd.DataFrame:
    """Mean score at each x and y of the variants that vary in both, and that less the baseline's.

    The difference is the mean over the seeds that both have.
    """
    row = study.table[env]
    baseline = next(iter(row))
    planes = {}
    for variant, cell in row.items():
        if (env, variant) in study.best:
            planes[variant] = _plane(cell, (x_name, y_name), study)
    base = planes.get(baseline, {})
    reads = [name in row[baseline].varying for name in (x_name, y_name)]
    found = []
    for variant, plane in planes.items():
        levels = [{key[axis] for key in plane} for axis in (0, 1)]
        sizes = list(map(len, levels))
        filled = len(plane) >= LEAST_FILLED * sizes[0] * sizes[1]
        both = {x_name, y_name} <= set(row[variant].varying)
        if not (both and filled and min(sizes) > 1 and max(sizes) <= MOST_CELLS):
            continue
        for key, scores in sorted(plane.items(), key=lambda item: item[0][::-1]):
            same = base.get(
                tuple(one if read else None for one, read in zip(key, reads, strict=True))
            )
            gap = None if same is None or variant == baseline else (scores - same).mean()
            found.append((variant, *key, len(scores), scores.mean(), gap))
    columns = ["variant", "x", "y", "n", "mean", "difference"]
    return pd.DataFrame(found, columns=columns).astype({"difference": float})


def _plane(cell: Cell, names: Sequence[str], study: Study) -> dict[tuple, pd.Series]:
    """Scores by seed of the configurations that share all but two settings with the best one.

    They are found by their two levels, None for what the variant does not vary.
    """
    best = study.best[cell.env, cell.variant]
    same = np.ones(len(cell), dtype=bool)
    for name in set(cell.varying) - set(names):
        codes = levels_of(cell.varying[name])[1]
        same &= codes == codes[best]
    scores = cell.scores(study.judged.name)
    found = {}
    for number in np.flatnonzero(same):
        key = tuple(
            cell.settings[name].iloc[number] if name in cell.varying else None for name in names
        )
        if not pd.isna([one for one in key if one is not None]).any():
            found[key] = pd.Series(scores[number], cell.seeds).dropna()
    return {key: of for key, of in found.items() if len(of)}


def importance_frame(study: Study, env: str) -> tuple[pd.DataFrame, list[str]]:
    """Shares of the variance over configurations, and sentences on what was left out of them."""
    rows: list[tuple] = []
    notes: dict[str, list[str]] = {}
    for variant, cell in study.table[env].items():
        if not len(cell.varying.columns):
            continue
        scores = cell.scores(study.judged.name)
        found = importance(scores, cell.varying)
        if found.note:
            notes.setdefault(found.note, []).append(variant)
        noise = no_more_than_noise(scores)
        shares = found.shares.items()
        rows += [(variant, " × ".join(names), share, noise) for names, share in shares]
    frame = pd.DataFrame(rows, columns=["variant", "factor", "share", "noise"])
    return frame, [f"{', '.join(who)}: {note}." for note, who in notes.items()]


def no_more_than_noise(scores: np.ndarray) -> bool:
    """Whether an F test of equal configurations does not reject.

    Args:
        scores: `(n_configurations, n_seeds)`, NaN where a trial is missing.
    """
    groups = [of[np.isfinite(of)] for of in scores]
    groups = [of for of in groups if len(of) > 1]
    if len(groups) < 2:
        return False
    with warnings.catch_warnings():
        # Equal scores: p is NaN where all are equal, and 0 where configurations differ.
        warnings.simplefilter("ignore")
        return not stats.f_oneway(*groups).pvalue < LEVEL
