"""Figures over hyperparameters: one of them, two of them, pairs at equal ones, importance."""

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from hq_ray.analysis.charts.grids import heat_chart, importance_chart, levels_chart
from hq_ray.analysis.charts.scores import pairs_chart
from hq_ray.analysis.figure_files import FigureData
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.statistics.importance import importance
from hq_ray.analysis.statistics.means import t_interval
from hq_ray.analysis.statistics.t_tests import LEVEL
from hq_ray.analysis.study import Study
from hq_ray.analysis.tables import pairs_table
from hq_ray.analysis.words import seed_counts
from hq_ray.updates import VARIANTS, minimum, standard

# The first ones are what a reader asks for; a report of all would not be read.
MOST_HYPERPARAMETERS, MOST_IN_HEAT = 6, 3
# A plane of a random search is all holes, and of it hardly anything is a factorial.
LEAST_FILLED, MOST_CELLS = 0.5, 20
# A table learned to the last digit differs from Q* by rounding; that is no bias.
ROUNDING = 1e-9


def sensitivity_figures(study: Study, env: str) -> Iterator[FigureData]:
    """The figures of a problem over the hyperparameters that vary, the commonest first."""
    levels = [cell.varying.nunique() for cell in study.table[env].values()]
    varying = [name for counts in levels for name in counts.index[counts > 1]]
    counts = pd.Series(varying, dtype=object).value_counts()
    first = [name for name in ("alpha", "eps_shift") if name in counts]
    names = [*first, *counts.index.drop(first)][:MOST_HYPERPARAMETERS]
    for name in names:
        yield from _levels(study, env, name)
    for x_name, y_name in combinations(names[:MOST_IN_HEAT], 2):
        yield from _heat(study, env, x_name, y_name)
    yield from _pairs(study, env)
    yield from _importance(study, env)


def _levels(study: Study, env: str, name: str) -> Iterator[FigureData]:
    """The best of all other settings at each level; over eps_shift with the value bias."""
    metrics = [study.judged.name] + ["q_bias"] * (name == "eps_shift")
    frame = level_frame(study, env, name, metrics)
    if not len(frame):
        return
    kind, what = f"by_{name}", study.judged.label
    if "q_bias" in set(frame["metric"]):
        kind, what = "value_bias", f"{what} and value bias"
    caption = []
    if name == "eps_shift":
        caption += [
            "How eps_shift moves the update from the minimum to the standard one. Lines: these two "
            "limits (small and large eps_shift), for each target."
        ]
    caption += [
        "At each value the best of the other hyperparameters, chosen on the first half of the "
        "seeds and scored on the other half. Bars: 95 % t intervals over seeds. Ring: the value of "
        "the chosen configuration; dotted where it is at an edge of its grid, so that a better one "
        "may lie beyond.",
        f"{seed_counts(frame['n'])}.",
    ]
    labels = {metric: METRICS[metric].axis_label for metric in metrics}
    draw = partial(levels_chart, hyperparameter=name, labels=labels)
    yield FigureData(study, env, kind, f"{what} over {name}", caption, frame, draw, True)


def level_frame(study: Study, env: str, name: str, metrics: Iterable[str]) -> pd.DataFrame:
    """Mean and 95 % t interval at each level of a hyperparameter, of the best of all others there.

    All variants are scored on the same half of the seeds; the other half chooses. The variants that
    are the limits of another in it have a level that is null.
    """
    row = study.table[env]
    ours = [variant for variant in row if variant in VARIANTS]
    targets = {VARIANTS[variant].target for variant in ours if name in row[variant].varying}
    limits = [
        variant
        for variant in ours
        if name == "eps_shift"
        and VARIANTS[variant].update in (minimum, standard)
        and VARIANTS[variant].target in targets
    ]
    halved = any(name in cell.varying and len(cell.varying.columns) > 1 for cell in row.values())
    found = []
    for variant, cell in row.items():
        common = np.isin(cell.seeds, cell.common_seeds)
        side = study.chosen.get((env, variant))
        if side is None or common.sum() < 2 or not (name in cell.varying or variant in limits):
            continue
        half = common.sum() // 2 if halved else 0
        numbers, chosen, ends = pd.Series({None: side.number}), None, []
        if name in cell.varying:
            levels = cell.varying[name].reset_index(drop=True)
            judged = study.judged.upwards(cell.scores(study.judged.name))[:, common]
            means = pd.Series(judged[:, : half or None].mean(axis=1))
            means = means[np.isfinite(judged).all(axis=1)]
            numbers = means.groupby(levels, dropna=False).idxmax()
            chosen, known = levels[side.number], levels.dropna()
            ends = [known.min(), known.max()] if known.nunique() > 1 else []
        for metric in metrics:
            values = cell.scores(metric)[:, common][:, half:]
            values = np.where(np.abs(values) < ROUNDING, 0.0, values)
            for level, number in numbers.items():
                seeds = values[number][np.isfinite(values[number])]
                if len(seeds):
                    is_chosen = pd.notna(level) and level == chosen
                    about = (metric, variant, level, is_chosen, is_chosen and level in ends)
                    found.append((*about, len(seeds), *map(float, t_interval(seeds))))
    columns = ["metric", "variant", "level", "chosen", "edge", "n", "mean", "low", "high"]
    frame = pd.DataFrame(found, columns=columns)
    return frame if frame["level"].notna().any() else frame.iloc[:0]


def _heat(study: Study, env: str, x_name: str, y_name: str) -> Iterator[FigureData]:
    """The plane of two hyperparameters."""
    frame, baseline = heat_frame(study, env, x_name, y_name), next(iter(study.table[env]))
    if not len(frame):
        return
    caption = [
        "Where in the plane each variant is good, and where it beats the baseline.",
        f"Colours: {study.judged.axis_label}.",
        "Means over seeds. The other hyperparameters are those of each variant's chosen "
        "configuration; hyperparameters that the baseline does not read are ignored for it.",
        f"{seed_counts(frame['n'])}.",
    ]
    title = f"{study.judged.label} over {x_name} and {y_name}"
    draw = partial(heat_chart, x_name=x_name, y_name=y_name, baseline=baseline)
    name = f"heat_{x_name}_{y_name}"
    yield FigureData(study, env, name, title, caption, frame, draw, True)


def heat_frame(study: Study, env: str, x_name: str, y_name: str) -> pd.DataFrame:
    """Mean score at each x and y of the variants that vary in both, and that less the baseline's.

    The difference is the mean over the seeds that both have.
    """
    names, row = [x_name, y_name], study.table[env]
    baseline = next(iter(row))
    base = _plane(study, env, baseline, names)
    frames = []
    for variant in row:
        plane = _plane(study, env, variant, names)
        sizes = [plane[name].nunique() for name in names if name in plane]
        if len(sizes) < 2 or min(sizes) < 2 or max(sizes) > MOST_CELLS:
            continue
        if len(plane[names].drop_duplicates()) < LEAST_FILLED * math.prod(sizes):
            continue
        shared = [name for name in base if name != "score"]
        both = plane.merge(base, "left", on=shared, suffixes=("", "_base"))
        difference = both["score"] - (both["score_base"] if variant != baseline else np.nan)
        groups = both.assign(difference=difference).groupby([y_name, x_name])
        means = groups[["score", "difference"]].mean().assign(n=groups.size(), variant=variant)
        frames.append(means.rename_axis(["y", "x"]).reset_index().rename(columns={"score": "mean"}))
    order = ["variant", "x", "y", "n", "mean", "difference"]
    return pd.concat(frames, ignore_index=True)[order] if frames else pd.DataFrame(columns=order)


def _plane(study: Study, env: str, variant: str, names: Sequence[str]) -> pd.DataFrame:
    """Scores by seed of the configurations that share all other settings with the best one.

    Of the two names those that the variant varies are columns, beside `seed` and `score`.
    """
    cell, side = study.table[env][variant], study.chosen.get((env, variant))
    read = [name for name in names if name in cell.varying]
    if side is None:
        return pd.DataFrame(columns=[*read, "seed", "score"], dtype=float)
    others = cell.varying.drop(columns=read)
    best = others.iloc[side.number]
    same = others.eq(best) | (others.isna() & best.isna())
    scores = pd.DataFrame(cell.scores(study.judged.name), cell.settings.index, cell.seeds)
    wide = pd.concat([cell.settings[read], scores], axis=1)[same.all(axis=1)]
    return wide.melt(read, var_name="seed", value_name="score").dropna()


def _pairs(study: Study, env: str) -> Iterator[FigureData]:
    """Differences to the baseline at equal hyperparameters."""
    row = study.table[env]
    pairs = pairs_table({env: row}, study.judged).rename(columns={"holm": "significant"})
    if not len(pairs):
        return
    single = pairs["variant"].map(lambda variant: len(row[variant]) == 1)
    pairs["configuration"] = pairs["configuration"].mask(single, pairs["baseline_configuration"])
    names = ["variant", "baseline", "configuration", "n", "difference", "low", "high", "p_value"]
    frame, baseline = pairs[[*names, "significant"]], next(iter(row))
    caption = [
        f"How often, and by how much, a variant beats {baseline} where nothing was tuned.",
        "Each variant's configurations against the baseline's with the same hyperparameters, "
        "paired by seed where these are shared. Bars: 95 % t intervals, of one comparison alone. "
        "Filled: significant at 5 % after Holm's correction over the panel.",
        f"{seed_counts(frame['n'])}.",
    ]
    draw = partial(pairs_chart, label=study.judged.axis_label, baseline=baseline)
    title = "differences at equal hyperparameters"
    yield FigureData(study, env, "pairs", title, caption, frame, draw, True)


def _importance(study: Study, env: str) -> Iterator[FigureData]:
    """Shares of the variance over configurations."""
    rows: list[tuple] = []
    notes: dict[str, list[str]] = {}
    for variant, cell in study.table[env].items():
        if cell.varying.columns.empty:
            continue
        scores = cell.scores(study.judged.name)
        shares, note = importance(scores, cell.varying)
        if note:
            notes.setdefault(note, []).append(variant)
        noise = no_more_than_noise(scores)
        rows += [(variant, " × ".join(names), share, noise) for names, share in shares.items()]
    if not rows:
        return
    frame = pd.DataFrame(rows, columns=["variant", "factor", "share", "noise"])
    caption = [
        "Which hyperparameters, alone and in pairs, make the score vary over this grid.",
        "Shares of the variance over the grid's configurations, exact for a full factorial, less "
        "the noise of few seeds; what is left of 100 % belongs to more than two together.",
    ]
    if frame["noise"].any():
        caption.append(
            "(noise): no more than noise; an F test of equal configurations does not reject at 5 %."
        )
    caption += [f"{', '.join(who)}: {note}." for note, who in notes.items()]
    title = f"which hyperparameters move {study.judged.label}"
    yield FigureData(study, env, "importance", title, caption, frame, importance_chart, True)


def no_more_than_noise(scores: np.ndarray) -> bool:
    """Whether an F test of equal configurations does not reject.

    Args:
        scores: `(n_configurations, n_seeds)`, NaN where a trial is missing.
    """
    groups = [values[np.isfinite(values)] for values in scores]
    groups = [values for values in groups if len(values) > 1]
    if len(groups) < 2:
        return False
    with warnings.catch_warnings():
        # Equal scores: p is NaN where all are equal, and 0 where configurations differ.
        warnings.simplefilter("ignore")
        return not stats.f_oneway(*groups).pvalue < LEVEL
