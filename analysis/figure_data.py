"""What the figures of a study show: for each its data as a tidy frame, and how it is drawn."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import environment_labels
from hq_ray.analysis.charts.curves import LABELS, curve_frame, curves_chart
from hq_ray.analysis.charts.health import health_chart
from hq_ray.analysis.charts.heat import heat_chart
from hq_ray.analysis.charts.importance import importance_chart
from hq_ray.analysis.charts.levels import levels_chart
from hq_ray.analysis.charts.scores import pairs_chart, scores_chart
from hq_ray.analysis.figure_grids import heat_frame, importance_frame, level_frame, swept
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.study import Study
from hq_ray.analysis.tables import pairs_table
from hq_ray.analysis.words import file_stem
from hq_ray.store import DONE, FAILED
from hq_ray.trial import FIRST_FRESH_SEED, environment_name

OPTIMA = {"returns": "optimal_return", "steps": "optimal_steps"}
COLUMNS = {"returns": "episode_return", "steps": "steps", "success": "success"}
SECTIONS = {
    curves_chart: "curves",
    scores_chart: "scores",
    levels_chart: "sensitivity",
    heat_chart: "sensitivity",
    pairs_chart: "sensitivity",
    importance_chart: "sensitivity",
}
SCORED = ("mean_return", "final_return", "policy_value")
# So many of the commonest hyperparameters meet in heat maps.
MOST_IN_HEAT = 3
CHOSEN = "Each configuration was chosen by some of these seeds, which flatters all of them."
FRESH = "Fresh seeds, none of which had a part in the choice."
BEST_WORDS = (
    "At each value the best of the other hyperparameters, chosen on the first half of the seeds "
    "and scored on the other half."
)
SUCCESS_WORDS = (
    "Successful episodes only, from the first episode at which every seed has one in its window."
)
LIMITS_WORDS = "Lines: the limits of a great eps_shift, standard, and of a small one, minimum."
HEAT_WORDS = (
    "Means over seeds. The other hyperparameters are those of each variant's chosen "
    "configuration; one that the baseline does not read counts for nothing in it."
)
PAIRS_WORDS = (
    "Each variant's configurations against the baseline's with the same hyperparameters, paired "
    "by seed where these are shared. Bars: 95 % t intervals, of one comparison alone. Filled: "
    "significant at 5 % after Holm's correction over the panel."
)
IMPORTANCE_WORDS = (
    "Shares of the variance over the grid's configurations, exact for a full factorial, less the "
    "noise of few seeds; what is left of 100 % belongs to more than two together."
)
NOISE_WORDS = "No more than noise: an F test of equal configurations does not reject at 5 %."


@dataclass(frozen=True, eq=False)
class FigureData:
    """A figure before it is drawn.

    Attributes:
        name: of its file, unique in a report.
        section: of the report that it belongs to.
        env: the problem that it is of; empty where it is of all.
        frame: its data.
        draw: the function of `analysis.charts` that draws the frame.
        arguments: of that function besides the frame; a title and a caption are among them.
        shows: one sentence.
    """

    name: str
    section: str
    env: str
    frame: pd.DataFrame
    draw: Callable
    arguments: Mapping[str, object]
    shows: str

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.arguments["title"]

    def figure(self) -> Any:
        """The matplotlib Figure."""
        return self.draw(self.frame, **self.arguments)


def figures_of(
    study: Study,
    planned: Mapping[tuple[str, str], int] | None = None,
    successes_only: bool = False,
) -> list[FigureData]:
    """All figures of a study, by problem, and the health of the sweep at last.

    Args:
        study: with curves.
        planned: see `planned_counts`; none where not all trials were read.
        successes_only: let the steps be those of successful episodes.
    """
    pairs = pairs_table(study.table, study.judged)
    found = []
    for env in study.table:
        found += _curves(study, env, successes_only)
        found += _scores(study, env)
        found += _levels(study, env)
        found += _heats(study, env)
        found += _pairs(study, env, pairs)
        found += _importance(study, env)
    return [*found, *_health(study, planned or {})]


def _figure(
    study: Study,
    env: str,
    name: str,
    frame: pd.DataFrame,
    draw: Callable,
    texts: Sequence[str],
    **arguments: object,
) -> FigureData:
    """A figure of one problem; texts: what it shows, its title, paragraphs of its caption."""
    shows, title, *caption = texts
    arguments |= {"title": f"{env}: {title}", "caption": [*caption, study.data_digest]}
    stem = file_stem(study.stem(name, env))
    return FigureData(stem, SECTIONS[draw], env, frame, draw, arguments, shows)


def _curves(study: Study, env: str, successes_only: bool) -> Iterator[FigureData]:
    """Returns, steps and success by episode, and what each variant differs from the baseline."""
    seeds, columns = {}, {}
    for variant in study.table[env]:
        if (env, variant) in study.curves:
            seeds[variant] = study.chosen[env, variant].seeds
            columns[variant] = study.curves[env, variant]
    if not columns:
        return
    tuned = any(len(cell) > 1 for cell in study.table[env].values())
    fresh = any(one.env == env and one.block is not None for one in study.comparisons)
    caption = [FRESH if fresh else CHOSEN, chosen_configurations(study, env)] if tuned else []
    of_best = " of the best configurations" * tuned
    reference = study.references.get(env)
    for quantity, column in COLUMNS.items():
        only = successes_only and quantity == "steps"
        smooth = _steps_of_successes if only else _smoothed
        smoothed = {v: (seeds[v], smooth(of, column, study.smooth)) for v, of in columns.items()}
        smoothed = {v: of for v, of in smoothed.items() if np.isfinite(of[1]).any()}
        if not smoothed:
            continue
        optimum = getattr(reference, OPTIMA.get(quantity, ""), math.nan)
        shows = f"Mean {quantity} by episode with its standard error, and every seed."
        texts = shows, quantity + of_best, *([SUCCESS_WORDS] if only else []), *caption
        arguments = {
            "label": LABELS[quantity],
            "window": study.smooth,
            "optimum": optimum if math.isfinite(optimum) else None,
            "share": quantity == "success",
        }
        name, frame = f"curves_{quantity}", curve_frame(smoothed)
        yield _figure(study, env, name, frame, curves_chart, texts, **arguments)
    baseline, *others = columns
    gaps = {v: _gaps(seeds, columns, v, baseline, study.smooth) for v in others}
    gaps = {variant: of for variant, of in gaps.items() if len(of[0])}
    if gaps and not study.table[env][baseline].unseeded:
        shows = f"By how much each variant's return differs from that of {baseline}, by episode."
        texts = shows, f"difference in returns to {baseline}", "Paired by seed.", *caption
        arguments = {
            "label": f"episode return less that of {baseline} [reward units]",
            "window": study.smooth,
            "difference": True,
        }
        yield _figure(study, env, "difference", curve_frame(gaps), curves_chart, texts, **arguments)


def _smoothed(columns: Mapping[str, np.ndarray], column: str, window: int) -> np.ndarray:
    values = columns[column].astype(float)
    if not np.isfinite(values).all():
        return np.full(values.shape, np.nan)
    return trailing_mean(values, window)


def _steps_of_successes(columns: Mapping[str, np.ndarray], column: str, window: int) -> np.ndarray:
    """Trailing mean of the steps of successful episodes, from where each seed has one on."""
    success = np.nan_to_num(columns["success"].astype(float))
    share = trailing_mean(success, window)
    # A sum of exact ones: anything below half of one episode is rounding.
    known = (share > 0.5 / window).all(axis=0)
    found = np.full(share.shape, np.nan)
    found[:, known] = trailing_mean(columns[column] * success, window)[:, known] / share[:, known]
    return found


def _gaps(
    seeds: Mapping[str, np.ndarray],
    columns: Mapping[str, Mapping[str, np.ndarray]],
    variant: str,
    baseline: str,
    window: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The seeds that both have, and the smoothed difference of their returns."""
    common, *rows = np.intersect1d(seeds[variant], seeds[baseline], return_indices=True)
    ours, base = (
        columns[name]["episode_return"][of].astype(float)
        for name, of in zip((variant, baseline), rows, strict=True)
    )
    return common, trailing_mean(ours - base, window) if len(common) else ours


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
    sides = {}
    for one in study.comparisons:
        if one.env == env and one.difference is not None:
            sides.setdefault(one.baseline, one.base)
            sides.setdefault(one.variant, one.ours)
    if not sides:
        return
    metrics = list(dict.fromkeys([*SCORED, study.judged.name]))
    columns = ("metric", "variant", "seed", "value")
    rows = [
        (metric, variant, seed, value)
        for metric in metrics
        for variant, side in sides.items()
        for seed, value in zip(side.seeds.tolist(), side.scores(metric).tolist(), strict=True)
    ]
    texts = (
        "The mean of each variant with its 95 % interval, and each seed.",
        "scores of the compared configurations",
        "Seeds that had no part in a choice.",
    )
    frame, labels = pd.DataFrame(rows, columns=columns), {m: METRICS[m].axis_label for m in metrics}
    yield _figure(study, env, "scores", frame, scores_chart, texts, labels=labels)


def _levels(study: Study, env: str) -> Iterator[FigureData]:
    """The best of all other settings at each level, and value bias over eps_shift."""
    judged, names = study.judged, swept(study.table[env])
    score = {judged.name: judged.axis_label}
    for name in names:
        frame = level_frame(study, env, name, score)
        if len(frame):
            shows = f"How the score moves with {name}, and whether it must be tuned with care."
            texts = shows, f"{judged.label} over {name}", BEST_WORDS
            arguments = {"hyperparameter": name, "labels": score}
            yield _figure(study, env, f"by_{name}", frame, levels_chart, texts, **arguments)
    both = score | {"q_bias": METRICS["q_bias"].axis_label}
    frame = level_frame(study, env, "eps_shift", both, lines=("standard", "minimum"))
    if "eps_shift" in names and frame["metric"].nunique() == len(both):
        shows = "Where the update turns from the minimum into the standard one, and its price."
        texts = shows, "score and value bias over eps_shift", LIMITS_WORDS, BEST_WORDS
        arguments = {"hyperparameter": "eps_shift", "labels": both, "zero": ["q_bias"]}
        yield _figure(study, env, "value_bias", frame, levels_chart, texts, **arguments)


def _heats(study: Study, env: str) -> Iterator[FigureData]:
    """A plane for each two of the commonest hyperparameters."""
    row = study.table[env]
    baseline = next(iter(row))
    for x_name, y_name in combinations(swept(row)[:MOST_IN_HEAT], 2):
        frame = heat_frame(study, env, x_name, y_name)
        if len(frame):
            texts = (
                "Where in the plane each variant is good, and where it beats the baseline.",
                f"{study.judged.label} over {x_name} and {y_name}",
                f"Colours: {study.judged.axis_label}. {HEAT_WORDS}",
            )
            name = f"heat_{x_name}_{y_name}"
            names = {"x_name": x_name, "y_name": y_name, "baseline": baseline}
            yield _figure(study, env, name, frame, heat_chart, texts, **names)


def _pairs(study: Study, env: str, pairs: pd.DataFrame) -> Iterator[FigureData]:
    """Differences to the baseline at equal hyperparameters."""
    of_env = pairs[pairs["env"] == env]
    if not len(of_env):
        return
    baseline = of_env["baseline"].iloc[0]
    single = of_env["variant"].map(lambda variant: len(study.table[env][variant]) == 1)
    named = of_env["configuration"].mask(single, of_env["baseline_configuration"])
    columns = ["variant", "baseline", "configuration", "n", "difference", "low", "high", "p_value"]
    frame = of_env.assign(configuration=named)[columns].assign(significant=of_env["holm"])
    texts = (
        f"How often, and by how much, a variant beats {baseline} where nothing was tuned.",
        "differences at equal hyperparameters",
        PAIRS_WORDS,
    )
    arguments = {"label": study.judged.axis_label, "baseline": baseline}
    frame = frame.reset_index(drop=True)
    yield _figure(study, env, "pairs", frame, pairs_chart, texts, **arguments)


def _importance(study: Study, env: str) -> Iterator[FigureData]:
    """Shares of the variance over configurations."""
    frame, notes = importance_frame(study, env)
    if len(frame):
        texts = (
            "Which hyperparameters, alone and in pairs, make the score vary over this grid.",
            f"which hyperparameters move {study.judged.label}",
            IMPORTANCE_WORDS,
            *([NOISE_WORDS] if frame["noise"].any() else []),
            *notes,
        )
        yield _figure(study, env, "importance", frame, importance_chart, texts)


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


def _health(study: Study, planned: Mapping[tuple[str, str], int]) -> Iterator[FigureData]:
    """What there is, what failed or is missing, and how long it took."""
    trials = study.trials
    labels = environment_labels(trials) if len(trials) else trials["env"]
    order = [cell.variant for cell in study.cells]
    explored = trials["seed"] < FIRST_FRESH_SEED
    keys = {*planned, *zip(labels, trials["variant"], strict=True)}
    rows = []
    for env, variant in sorted(keys, key=lambda key: (key[0], [*order, key[1]].index(key[1]))):
        there = (labels == env) & (trials["variant"] == variant)
        part = trials[there]
        done, failed = ((part["status"] == status).sum() for status in (DONE, FAILED))
        count = planned.get((env, variant))
        seconds = part.loc[part["status"] == DONE, "train_seconds"].astype(float)
        rows.append(
            {
                "env": env,
                "variant": variant,
                "done": done,
                "failed": failed,
                "missing": None if count is None else max(0, count - (there & explored).sum()),
                **{
                    f"seconds_{name}": seconds.quantile(share)
                    for name, share in (("low", 0.05), ("median", 0.5), ("high", 0.95))
                },
            }
        )
    if not rows:
        return
    frame = pd.DataFrame(rows).astype({"missing": "Int64"})
    arguments = {"title": "What the sweep holds", "caption": [study.data_digest]}
    shows = "Trials done, failed and missing, and the seconds that each took."
    yield FigureData("health", "health", "", frame, health_chart, arguments, shows)
