"""The figures of a study before they are drawn: curves, scores, and the health of the sweep."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hq_ray.analysis.cells import environment_labels
from hq_ray.analysis.charts.curves import QUANTITIES, curve_caption, curve_frame, curves_chart
from hq_ray.analysis.charts.scores import health_chart, scores_chart
from hq_ray.analysis.figure_files import FigureData
from hq_ray.analysis.metrics import METRICS, THREE_METRICS
from hq_ray.analysis.sensitivity import sensitivity_figures
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.study import Study
from hq_ray.analysis.words import seed_counts
from hq_ray.published import COUNTED, count_rows, explored
from hq_ray.store import DONE, FAILED
from hq_ray.trial import environment_name


def figures_of(study: Study, successes_only: bool = False) -> list[FigureData]:
    """All figures of a study, by problem, and the health of the sweep at last.

    Args:
        study: with curves.
        successes_only: let the steps be those of successful episodes.
    """
    figures: list[FigureData] = []
    for env in study.sections:
        if env in study.table:  # not a family of environments
            figures += _curves(study, env, successes_only)
        figures += _scores(study, env)
        if env in study.table:
            figures += sensitivity_figures(study, env)
    health = health_frame(study)
    if len(health):
        caption = [
            "Trials done, failed and missing, and the seconds that each took. Bars: trials done "
            "(filled), failed (red crosses) and missing (dots). Times: median, and the middle nine "
            "tenths of the trials."
        ]
        title = "What the sweep holds"
        figures.append(FigureData(study, "", "health", title, caption, health, health_chart))
    return figures


def _curves(study: Study, env: str, successes_only: bool) -> Iterator[FigureData]:
    """Returns, steps and success by episode, and what each variant differs from the baseline."""
    row, window = study.table[env], study.smooth
    baseline = next(iter(row))
    tuned = any(len(cell) > 1 for cell in row.values())
    frames = {}
    for name, quantity in QUANTITIES.items():
        only = successes_only and name == "steps"
        smoothed = {}
        for variant in row:
            if (env, variant) not in study.curves:
                continue
            columns = study.curves[env, variant]
            values = columns[quantity.column].astype(float)
            if only:
                values = np.where(columns["success"] == 1, values, np.nan)
            values = trailing_mean(values, window)
            # Where a seed has no value, as one that has not succeeded yet, none is drawn.
            values = np.where(np.isnan(values).any(axis=0), np.nan, values)
            if np.isfinite(values).any():
                smoothed[variant] = (study.chosen[env, variant].seeds, values)
        if not smoothed:
            continue
        frame = frames[name] = curve_frame(smoothed)
        caption = [f"Mean {name} by episode, and every seed.", curve_caption(frame, window)]
        if only:
            caption.append(
                "Successful episodes only, from the first episode at which every seed has one in "
                "its window."
            )
            if lacking := [variant for variant in row if variant not in smoothed]:
                caption.append(f"Not drawn, since none has such an episode: {', '.join(lacking)}.")
        caption += _chosen_configurations(study, env, list(smoothed))
        optimum = row[baseline].optimum(quantity.optimum)
        draw = partial(curves_chart, label=quantity.label, optimum=optimum, share=name == "success")
        title = name + " of the best configurations" * tuned
        yield FigureData(study, env, f"curves_{name}", title, caption, frame, draw)
    if "returns" not in frames or row[baseline].unseeded:
        return
    returns = frames["returns"].pivot(index=["seed", "episode"], columns="variant", values="value")
    if baseline not in returns:
        return
    others = [variant for variant in row if variant in returns and variant != baseline]
    differences = returns[others].sub(returns[baseline], axis=0)
    frame = differences.melt(ignore_index=False).dropna().reset_index()
    if len(frame):
        caption = [
            f"By how much each variant's return differs from that of {baseline}, by episode.",
            "Paired by seed.",
            curve_caption(frame, window, difference=True),
            *_chosen_configurations(study, env, [baseline, *frame["variant"].unique()]),
        ]
        label = f"episode return less that of {baseline} [reward units]"
        draw = partial(curves_chart, label=label, difference=True)
        title = f"difference in returns to {baseline}"
        yield FigureData(study, env, "difference", title, caption, frame, draw)


def _chosen_configurations(study: Study, env: str, variants: Sequence[str]) -> list[str]:
    """How the configurations that are drawn were chosen, and which they are; none had no choice."""
    chosen = {variant: study.chosen[env, variant] for variant in variants}
    sides = {variant: side for variant, side in chosen.items() if len(side.cell) > 1}
    if not sides:
        return []
    explored = [variant for variant, side in sides.items() if not side.fresh]
    source = "Fresh seeds, none of which had a part in the choice."
    if explored:
        whose = "each variant" if len(explored) == len(sides) else " and ".join(explored)
        source = (
            f"The configuration of {whose} was chosen on some of these seeds, so its curve looks "
            "better than fresh seeds would."
        )
    parts = [f"{variant}: {side.label}" for variant, side in sides.items()]
    return [source, f"{'; '.join(parts)}."]


def _scores(study: Study, env: str) -> Iterator[FigureData]:
    """Scores of what was compared, by the metrics that count."""
    found = [c for c in study.comparisons if c.env == env and c.difference is not None]
    # Two comparisons of which one is exploratory may have two configurations of the baseline.
    drawn = [c for c in found if c.block is not None] or found
    sides: dict[str, Any] = {}
    for comparison in drawn:
        sides.setdefault(comparison.baseline, comparison.base)
        sides.setdefault(comparison.variant, comparison.ours)
    if not sides:
        return
    labels = {name: METRICS[name].axis_label for name in (*THREE_METRICS, study.judged.name)}
    rows = [
        (metric, variant, seed, value)
        for metric in labels
        for variant, side in sides.items()
        for seed, value in zip(side.seeds.tolist(), side.scores(metric).tolist(), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["metric", "variant", "seed", "value"])
    counts = [len(side.seeds) for side in sides.values()]
    what, n = "seeds that were not used to choose a configuration", seed_counts(counts)
    if env not in study.table:
        what, n = f"instances, each the mean over {what}", f"n = {max(counts)} instances"
    caption = [f"Small dots: {what}. Below them their mean and its 95 % t interval. {n}."]
    if lacking := [c.variant for c in found if c.variant not in sides]:
        caption.append(f"Not confirmed, and so not drawn: {', '.join(lacking)}.")
    draw = partial(scores_chart, labels=labels)
    title = "scores of the compared configurations"
    yield FigureData(study, env, "scores", title, caption, frame, draw)


def health_frame(study: Study) -> pd.DataFrame:
    """Trials done, failed and missing by environment and variant, and quantiles of their times."""
    trials = study.trials
    is_done = trials["status"] == DONE
    trials = trials.assign(
        key=trials["env"] + " " + trials["env_args"],
        done=is_done,
        failed=trials["status"] == FAILED,
        seconds=trials["train_seconds"].where(is_done).astype(float),
    )
    labels = {key: environment_name(*key.split(" ", 1)) for key, _ in study.planned}
    labels |= dict(zip(trials["key"], environment_labels(trials), strict=True))
    keys = ["key", "variant"]
    groups = trials.groupby(keys, observed=True)
    frame = groups[["done", "failed"]].sum()
    for name, share in (("low", 0.05), ("median", 0.5), ("high", 0.95)):
        frame[f"seconds_{name}"] = groups["seconds"].quantile(share)
    present = {k: v for info in study.descriptions for k, v in info.get("fingerprints", {}).items()}
    n_explored = explored(count_rows(pa.Table.from_pandas(study.trials[COUNTED]), COUNTED), present)
    counts = [(*key, max(0, n - n_explored[key])) for key, n in study.planned.items()]
    missing = pd.DataFrame(counts, columns=[*keys, "missing"])
    frame = frame.reset_index().merge(missing, "outer", on=keys)
    frame.insert(0, "env", frame.pop("key").map(labels))
    frame = frame.fillna({"done": 0, "failed": 0})
    frame = frame.astype(dict.fromkeys(["done", "failed", "missing"], "Int64"))
    order = list(dict.fromkeys([*(cell.variant for cell in study.cells), *frame["variant"]]))
    frame = frame.sort_values("variant", key=lambda variants: variants.map(order.index))
    return frame.sort_values("env", kind="stable", ignore_index=True)
