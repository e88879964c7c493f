"""The figures of a study before they are drawn: frame, title, caption and how to draw it."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from hq_ray.analysis.charts import captions
from hq_ray.analysis.charts.captions import curve_caption, seed_counts
from hq_ray.analysis.charts.curves import LABELS, curve_frame, curves_chart
from hq_ray.analysis.charts.grids import heat_chart, importance_chart, levels_chart
from hq_ray.analysis.charts.scores import health_chart, pairs_chart, scores_chart
from hq_ray.analysis.figure_frames import (
    difference_frame,
    health_frame,
    heat_frame,
    importance_frame,
    level_frame,
    pairs_frame,
    score_frame,
    steps_of_successes,
    swept,
)
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.study import Study
from hq_ray.analysis.words import file_stem

OPTIMA = {"returns": "optimal_return", "steps": "optimal_steps"}
COLUMNS = {"returns": "episode_return", "steps": "steps", "success": "success"}
SCORED = ("mean_return", "final_return", "policy_value")
# So many of the commonest hyperparameters meet in heat maps.
MOST_IN_HEAT = 3


@dataclass(frozen=True, eq=False)
class FigureData:
    """A figure before it is drawn.

    Attributes:
        name: of its file, unique in a report.
        env: the problem that it is of; empty where it is of all.
        title: above it.
        caption: below it: what it shows, and a digest of the study's data.
        frame: its data.
        draw: the function of `analysis.charts` that draws the frame.
        arguments: of that function besides frame, title and caption.
    """

    name: str
    env: str
    title: str
    caption: tuple[str, str]
    frame: pd.DataFrame
    draw: Callable
    arguments: Mapping[str, object]

    @property
    def is_detail(self) -> bool:
        """Whether it is about hyperparameters, which a reader does not need at first."""
        return self.draw in (levels_chart, heat_chart, pairs_chart, importance_chart)

    def figure(self) -> Any:
        """The matplotlib Figure."""
        return self.draw(self.frame, title=self.title, caption=self.caption, **self.arguments)


def figures_of(
    study: Study,
    planned: Mapping[tuple[str, str], int] | None = None,
    successes_only: bool = False,
) -> list[FigureData]:
    """All figures of a study, by problem, and the health of the sweep at last.

    Args:
        study: with curves.
        planned: see `figure_frames.planned_counts`; none where not all trials were read.
        successes_only: let the steps be those of successful episodes.
    """
    found: list[FigureData] = []
    for env in study.sections:
        if env not in study.table:  # a family of environments
            found += _scores(study, env)
            continue
        found += _curves(study, env, successes_only)
        for figures in (_scores, _levels, _heats, _pairs, _importance):
            found += figures(study, env)
    health = health_frame(study, planned or {})
    if len(health):
        caption = captions.HEALTH, study.data_digest
        title = "What the sweep holds"
        found.append(FigureData("health", "", title, caption, health, health_chart, {}))
    return found


def _figure(
    study: Study,
    env: str,
    name: str,
    title: str,
    caption: Sequence[str],
    frame: pd.DataFrame,
    draw: Callable,
    **arguments: object,
) -> FigureData:
    """A figure of one problem."""
    stem, title = file_stem(study.stem(name, env)), f"{env}: {title}"
    texts = " ".join(caption), study.data_digest
    return FigureData(stem, env, title, texts, frame, draw, arguments)


def _curves(study: Study, env: str, successes_only: bool) -> Iterator[FigureData]:
    """Returns, steps and success by episode, and what each variant differs from the baseline."""
    row, window = study.table[env], study.smooth
    curves = {
        variant: study.curves[env, variant] for variant in row if (env, variant) in study.curves
    }
    tuned = any(len(cell) > 1 for cell in row.values())
    fresh = any(one.env == env and one.block is not None for one in study.comparisons)
    choice = captions.FRESH if fresh else captions.CHOSEN
    about = [choice, chosen_configurations(study, env)] if tuned else []
    of_best = " of the best configurations" * tuned
    frames = {}
    for quantity, column in COLUMNS.items():
        only = successes_only and quantity == "steps"
        smoothed = {}
        for variant, columns in curves.items():
            values = columns[column].astype(float)
            if only:
                values = steps_of_successes(values, columns["success"], window)
            elif np.isfinite(values).all():
                values = trailing_mean(values, window)
            else:
                continue
            if np.isfinite(values).any():
                smoothed[variant] = (study.chosen[env, variant].seeds, values)
        if not smoothed:
            continue
        frame = frames[quantity] = curve_frame(smoothed)
        caption = [f"Mean {quantity} by episode, and every seed.", curve_caption(frame, window)]
        caption += [captions.SUCCESSES] * only + about
        optimum = getattr(study.references.get(env), OPTIMA.get(quantity, ""), math.nan)
        arguments = {
            "label": LABELS[quantity],
            "optimum": optimum if math.isfinite(optimum) else None,
            "share": quantity == "success",
        }
        name, title = f"curves_{quantity}", quantity + of_best
        yield _figure(study, env, name, title, caption, frame, curves_chart, **arguments)
    baseline = next(iter(row))
    if "returns" not in frames or row[baseline].unseeded:
        return
    frame = difference_frame(frames["returns"], baseline)
    if len(frame):
        caption = [
            f"By how much each variant's return differs from that of {baseline}, by episode.",
            "Paired by seed.",
            curve_caption(frame, window, difference=True),
            *about,
        ]
        arguments = {"label": f"episode return less that of {baseline} [reward units]"}
        title = f"difference in returns to {baseline}"
        arguments |= {"difference": True}
        yield _figure(study, env, "difference", title, caption, frame, curves_chart, **arguments)


def chosen_configurations(study: Study, env: str) -> str:
    """Which configuration of each variant is drawn, where there was a choice."""
    parts = [
        f"{variant}: {cell.labels[study.best[env, variant]]}"
        for variant, cell in study.table[env].items()
        if len(cell) > 1 and (env, variant) in study.best
    ]
    return f"{'; '.join(parts)}."


def _scores(study: Study, env: str) -> Iterator[FigureData]:
    """Scores of what was compared, by the metrics that count."""
    labels = {name: METRICS[name].axis_label for name in (*SCORED, study.judged.name)}
    frame = score_frame(study, env, labels)
    if not len(frame):
        return
    counts = frame.groupby("variant")["seed"].nunique()
    if env in study.table:
        caption = ["The mean of each variant with its 95 % interval, and each seed."]
        caption += [captions.SCORES, "Seeds that had no part in a choice."]
        caption += [f"{seed_counts(counts)}."]
    else:
        caption = ["The mean of each variant with its 95 % t interval, and each instance: its mean"]
        caption += [f"over seeds that had no part in a choice. n = {counts.max()} instances."]
    title = "scores of the compared configurations"
    yield _figure(study, env, "scores", title, caption, frame, scores_chart, labels=labels)


def _levels(study: Study, env: str) -> Iterator[FigureData]:
    """The best of all other settings at each level; over eps_shift with the value bias."""
    judged = study.judged
    for name in swept(study.table[env]):
        metrics = [judged.name] + ["q_bias"] * (name == "eps_shift")
        frame = level_frame(study, env, name, metrics)
        if not len(frame):
            continue
        kind, what, caption = f"by_{name}", judged.label, [captions.LEVELS]
        if name == "eps_shift":
            caption.insert(0, captions.SHIFT)
        if "q_bias" in set(frame["metric"]):
            kind, what = "value_bias", f"{judged.label} and value bias"
        caption.append(f"{seed_counts(frame['n'])}.")
        arguments = {
            "hyperparameter": name,
            "labels": {metric: METRICS[metric].axis_label for metric in metrics},
        }
        title = f"{what} over {name}"
        yield _figure(study, env, kind, title, caption, frame, levels_chart, **arguments)


def _heats(study: Study, env: str) -> Iterator[FigureData]:
    """A plane for each two of the commonest hyperparameters."""
    row, judged = study.table[env], study.judged
    for x_name, y_name in combinations(swept(row)[:MOST_IN_HEAT], 2):
        frame = heat_frame(study, env, x_name, y_name)
        if len(frame):
            caption = [
                "Where in the plane each variant is good, and where it beats the baseline.",
                f"Colours: {judged.axis_label}.",
                captions.HEAT,
                f"{seed_counts(frame['n'])}.",
            ]
            name, title = f"heat_{x_name}_{y_name}", f"{judged.label} over {x_name} and {y_name}"
            names = {"x_name": x_name, "y_name": y_name, "baseline": next(iter(row))}
            yield _figure(study, env, name, title, caption, frame, heat_chart, **names)


def _pairs(study: Study, env: str) -> Iterator[FigureData]:
    """Differences to the baseline at equal hyperparameters."""
    frame, baseline = pairs_frame(study, env), next(iter(study.table[env]))
    if len(frame):
        caption = [
            f"How often, and by how much, a variant beats {baseline} where nothing was tuned.",
            captions.PAIRS,
            f"{seed_counts(frame['n'])}.",
        ]
        title = "differences at equal hyperparameters"
        arguments = {"label": study.judged.axis_label, "baseline": baseline}
        yield _figure(study, env, "pairs", title, caption, frame, pairs_chart, **arguments)


def _importance(study: Study, env: str) -> Iterator[FigureData]:
    """Shares of the variance over configurations."""
    frame, notes = importance_frame(study, env)
    if len(frame):
        caption = [
            "Which hyperparameters, alone and in pairs, make the score vary over this grid.",
            captions.IMPORTANCE,
            *[captions.NOISE] * bool(frame["noise"].any()),
            *notes,
        ]
        title = f"which hyperparameters move {study.judged.label}"
        yield _figure(study, env, "importance", title, caption, frame, importance_chart)
