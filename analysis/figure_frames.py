"""What the figures of a study show, as tidy frames."""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from hq_ray.analysis.cells import Cell, environment_labels
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.statistics.importance import importance
from hq_ray.analysis.statistics.t_tests import LEVEL
from hq_ray.analysis.study import Study
from hq_ray.analysis.tables import pairs_table
from hq_ray.store import DONE, FAILED
from hq_ray.trial import FIRST_FRESH_SEED, environment_name

# The first ones are what a reader asks for; a report of all would not be read.
MOST_HYPERPARAMETERS = 6
# A plane of a random search is all holes, and of it hardly anything is a factorial.
LEAST_FILLED, MOST_CELLS = 0.5, 20
# A table learned to the last digit differs from Q* by rounding; that is no bias.
ROUNDING = 1e-9
# What a variant becomes at the least and the greatest values of a hyperparameter.
LIMITS = {"eps_shift": ("minimum", "standard")}


def difference_frame(curves: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Curves less those of the baseline, by seeds that both have.

    Args:
        curves: variant, seed, episode and value.
        baseline: a variant.
    """
    is_base = curves["variant"] == baseline
    both = curves[~is_base].merge(
        curves[is_base].drop(columns="variant"), on=["seed", "episode"], suffixes=("", "_base")
    )
    return both.assign(value=both["value"] - both["value_base"]).drop(columns="value_base")


def steps_of_successes(steps: np.ndarray, success: np.ndarray, window: int) -> np.ndarray:
    """Trailing mean of the steps of successful episodes, from where each seed has one on.

    Args:
        steps, success: `(n_seeds, n_episodes)`.
        window: in episodes.
    """
    success = np.nan_to_num(success.astype(float))
    share = trailing_mean(success, window)
    # A sum of exact ones: anything below half of one episode is rounding.
    known = (share > 0.5 / window).all(axis=0)
    found = np.full(share.shape, np.nan)
    found[:, known] = trailing_mean(steps * success, window)[:, known] / share[:, known]
    return found


def score_frame(study: Study, env: str, metrics: Iterable[str]) -> pd.DataFrame:
    """Metric, variant, seed and value of what was compared."""
    sides: dict[str, Any] = {}
    for one in study.comparisons:
        if one.env == env and one.difference is not None:
            sides.setdefault(one.baseline, one.base)
            sides.setdefault(one.variant, one.ours)
    rows = [
        (metric, variant, seed, value)
        for metric in metrics
        for variant, side in sides.items()
        for seed, value in zip(side.seeds.tolist(), side.scores(metric).tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["metric", "variant", "seed", "value"])


def swept(row: Mapping[str, Cell]) -> list[str]:
    """Hyperparameters that some variant has at several levels, the commonest first."""
    counts = pd.Series([name for cell in row.values() for name in cell.varying]).value_counts()
    first = [name for name in ("alpha", "eps_shift") if name in counts]
    return [*first, *counts.index.drop(first)][:MOST_HYPERPARAMETERS]


def levels_of(column: pd.Series) -> tuple[list, np.ndarray]:
    """The levels of a hyperparameter in order, and for each configuration the index of its level.

    None, at last, says that a configuration does not read the hyperparameter.
    """
    levels = sorted(column.dropna().unique().tolist())
    codes = pd.Index(levels).get_indexer(column)
    missing = codes < 0
    return levels + [None] * bool(missing.any()), np.where(missing, len(levels), codes)


def level_frame(study: Study, env: str, name: str, metrics: Iterable[str]) -> pd.DataFrame:
    """Mean and 95 % t interval at each level of a hyperparameter, of the best of all others there.

    All variants are scored on the same half of the seeds; the other half chooses. The variants that
    are the limits of another in it have a level that is null.
    """
    row, limits = study.table[env], LIMITS.get(name, ())
    halved = any(name in cell.varying and len(cell.varying.columns) > 1 for cell in row.values())
    found = []
    for variant, cell in row.items():
        common = np.isin(cell.seeds, cell.common)
        best = study.best.get((env, variant))
        if best is None or common.sum() < 2 or not (name in cell.varying or variant in limits):
            continue
        half = common.sum() // 2 if halved else 0
        judged = study.judged.upwards(cell.scores(study.judged.name))[:, common]
        levels, codes, numbers = [None], np.zeros(len(cell), dtype=int), [best]
        if name in cell.varying:
            levels, codes = levels_of(cell.varying[name])
            means = pd.Series(judged[:, : half or common.sum()].mean(axis=1))
            means = means[np.isfinite(judged).all(axis=1)]
            best_rows = means.groupby(codes[means.index]).idxmax()
            numbers = best_rows.reindex(range(len(levels)), fill_value=-1).tolist()
        ends = [level for level in levels if level is not None][:: max(1, len(levels) - 1)]
        for metric in metrics:
            values = cell.scores(metric)[:, common][:, half:]
            for code, (level, number) in enumerate(zip(levels, numbers, strict=True)):
                chosen = code == codes[best] and level is not None
                key = metric, variant, level, chosen, chosen and level in ends
                found += [(*key, value) for value in values[number] if number >= 0]
    keys = ["metric", "variant", "level", "chosen", "edge"]
    seeds = pd.DataFrame(found, columns=[*keys, "value"]).dropna(subset="value")
    seeds["value"] = seeds["value"].mask(seeds["value"].abs() < ROUNDING, 0.0)
    groups = seeds.groupby(keys, sort=False, dropna=False)["value"]
    frame = groups.agg(["mean", "sem", "count"]).reset_index()
    reach = stats.t.ppf(0.975, frame["count"] - 1) * frame.pop("sem")
    frame = frame.assign(low=frame["mean"] - reach, high=frame["mean"] + reach)
    frame = frame.rename(columns={"count": "n"})
    return frame if frame["level"].notna().any() else frame.iloc[:0]


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
        gap = both["score"] - (both["score_base"] if variant != baseline else np.nan)
        groups = both.assign(difference=gap).groupby([y_name, x_name])
        means = groups[["score", "difference"]].mean().assign(n=groups.size(), variant=variant)
        frames.append(means.reset_index())
    columns = {x_name: "x", y_name: "y", "score": "mean"}
    order = ["variant", "x", "y", "n", "mean", "difference"]
    found = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=order)
    return found.rename(columns=columns)[order]


def _plane(study: Study, env: str, variant: str, names: Sequence[str]) -> pd.DataFrame:
    """Scores by seed of the configurations that share all other settings with the best one.

    Of the two names those that the variant varies are columns, beside `seed` and `score`.
    """
    cell, best = study.table[env][variant], study.best.get((env, variant))
    read = [name for name in names if name in cell.varying]
    if best is None:
        return pd.DataFrame(columns=[*read, "seed", "score"], dtype=float)
    others = cell.varying.drop(columns=read)
    same = others.eq(others.iloc[best]) | (others.isna() & others.iloc[best].isna())
    scores = pd.DataFrame(cell.scores(study.judged.name), cell.settings.index, cell.seeds)
    wide = pd.concat([cell.settings[read], scores], axis=1)[same.all(axis=1)]
    return wide.melt(read, var_name="seed", value_name="score").dropna()


def pairs_frame(study: Study, env: str) -> pd.DataFrame:
    """Differences to the baseline at equal hyperparameters."""
    pairs = pairs_table({env: study.table[env]}, study.judged)
    pairs = pairs.rename(columns={"holm": "significant"})
    single = pairs["variant"].map(lambda variant: len(study.table[env][variant]) == 1)
    pairs["configuration"] = pairs["configuration"].mask(single, pairs["baseline_configuration"])
    names = ["variant", "baseline", "configuration", "n", "difference", "low", "high", "p_value"]
    return pairs[[*names, "significant"]].reset_index(drop=True)


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


def planned_counts(study: Study) -> dict[tuple[str, str], int]:
    """Planned trials by (environment's label, variant), where sweep.json says."""
    seen = study.trials.drop_duplicates(["env", "env_args"])
    keys = seen["env"] + " " + seen["env_args"]
    labels = dict(zip(keys, environment_labels(seen), strict=True)) if len(seen) else {}
    counts: dict[tuple[str, str], int] = {}
    for info in study.descriptions:
        for key, row in info.get("planned", {}).items():
            name, brace, args = key.partition(" {")
            env = labels.get(key) or environment_name(name, brace.strip() + args)
            for variant, count in row.items():
                counts[env, variant] = counts.get((env, variant), 0) + count
    return counts


def health_frame(study: Study, planned: Mapping[tuple[str, str], int]) -> pd.DataFrame:
    """Trials done, failed and missing by environment and variant, and quantiles of their times."""
    keys, trials = ["env", "variant"], study.trials
    if len(trials):
        trials = trials.assign(env=environment_labels(trials))
    is_done = trials["status"] == DONE
    trials = trials.assign(
        done=is_done,
        failed=trials["status"] == FAILED,
        explored=trials["seed"] < FIRST_FRESH_SEED,
        seconds=trials["train_seconds"].where(is_done).astype(float),
    )
    groups = trials.groupby(keys, observed=True)
    frame = groups[["done", "failed", "explored"]].sum()
    for name, share in (("low", 0.05), ("median", 0.5), ("high", 0.95)):
        frame[f"seconds_{name}"] = groups["seconds"].quantile(share)
    counts = pd.DataFrame([(*key, n) for key, n in planned.items()], columns=[*keys, "planned"])
    frame = frame.reset_index().merge(counts, "outer", on=keys)
    frame = frame.fillna({"done": 0, "failed": 0, "explored": 0})
    missing = (frame["planned"] - frame["explored"]).clip(lower=0)
    frame["missing"] = missing
    frame = frame.astype(dict.fromkeys(["done", "failed", "missing"], "Int64"))
    order = list(dict.fromkeys([*(cell.variant for cell in study.cells), *frame["variant"]]))
    frame = frame.sort_values(keys, key=lambda of: of if of.name == "env" else of.map(order.index))
    return frame.drop(columns=["explored", "planned"]).reset_index(drop=True)
