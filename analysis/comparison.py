"""Two tuned variants on one environment: whose score is higher, by how much, how surely.

A variant is represented by one score per seed. Where it has several configurations, the choice
among them must not see the score that it is judged by; so it is made on one half of the seeds and
scored on the other, and the larger grid is held to the number of configurations of the smaller one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.aggregates import iqm, worst_mean
from analysis.cells import Cell
from analysis.intervals import Interval
from analysis.metrics import Metric
from analysis.paired import PairedDifference, improvement_interval, paired_difference
from analysis.tuning import cross_fitted_scores

SINGLE = "one configuration each"
CROSS_FITTED = "tuned on one half of the seeds, scored on the other"
SAME_SEEDS = "chosen and scored on the same seed, so too high"
FRESH = "chosen in stage one, scored on fresh seeds"
RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class Contender:
    """A variant on an environment, with one score per seed.

    Attributes:
        cell: its configurations.
        best: the one with the best mean over all seeds; its name and its curves are shown.
        scores: `(n_seeds,)` over the seeds of the cell, NaN where there is none.
        budget: how many configurations it was chosen from.
        how: by what right the scores stand for the variant.
    """

    cell: Cell
    best: int
    scores: np.ndarray
    budget: int
    how: str

    def score_of(self, seeds: np.ndarray) -> np.ndarray:
        """Scores of these seeds, which are all among those of the cell."""
        return self.scores[np.searchsorted(self.cell.seeds, seeds)]


def best_configuration(cell: Cell, judged: Metric) -> int | None:
    """The configuration with the best mean over its seeds; None where no trial has the metric."""
    scores = _upwards(cell, judged)
    there = np.isfinite(scores)
    if not there.any():
        return None
    counts = there.sum(axis=1)
    means = np.where(there, scores, 0.0).sum(axis=1) / np.maximum(counts, 1)
    # One lucky seed is no configuration: those with most seeds go first.
    eligible = counts >= min(2, counts.max())
    return int(np.where(eligible, means, -np.inf).argmax())


def contender(
    cell: Cell, judged: Metric, budget: int | None = None, fixed: int | None = None
) -> Contender | None:
    """A variant's score per seed; None where no trial has the metric.

    Args:
        cell: its configurations.
        judged: the metric; of costs, the lowest is best.
        budget: number of configurations to choose from; None is all.
        fixed: the configuration that stage one chose.
    """
    best = best_configuration(cell, judged) if fixed is None else fixed
    if best is None:
        return None
    if fixed is not None or len(cell) == 1:
        how = SINGLE if fixed is None else FRESH
        return Contender(cell, best, cell.scores(judged.name)[best], 1, how)
    budget = len(cell) if budget is None else min(budget, len(cell))
    sign = 1.0 if judged.higher_is_better else -1.0
    fit = cross_fitted_scores(_upwards(cell, judged), budget)
    how = CROSS_FITTED if fit.cross_fitted else SAME_SEEDS
    return Contender(cell, best, sign * fit.per_seed, budget, how)


def _upwards(cell: Cell, judged: Metric) -> np.ndarray:
    return judged.scores(cell.scores(judged.name))


@dataclass(frozen=True, eq=False)
class Comparison:
    """A variant against a baseline on one environment, paired by seed.

    Attributes:
        env, variant, baseline: who.
        metric: by what.
        seeds: `(n,)`, those that both have.
        scores, base_scores: `(n,)`.
        difference: of the scores, variant minus baseline.
        improvement: probability that a run of the variant is the better one.
        contenders: by variant, who stands for it.
        rope: differences up to this size do not matter; None where nobody said.
    """

    env: str
    variant: str
    baseline: str
    metric: Metric
    seeds: np.ndarray
    scores: np.ndarray
    base_scores: np.ndarray
    difference: PairedDifference
    improvement: Interval
    contenders: Mapping[str, Contender]
    rope: float | None

    @property
    def how(self) -> str:
        """By what right, in words; the weaker right of the two counts."""
        rights = {one.how for one in self.contenders.values()}
        return next(how for how in (SAME_SEEDS, CROSS_FITTED, FRESH, SINGLE) if how in rights)

    @property
    def budget(self) -> int:
        """How many configurations each was chosen from; the larger of the two."""
        return max(one.budget for one in self.contenders.values())

    def summary(self) -> dict[str, float | int | str | None]:
        """One row of a table."""
        d = self.difference
        row = {"env": self.env, "variant": self.variant, "baseline": self.baseline}
        row |= {"metric": self.metric.name, "unit": self.metric.unit, "n": len(self.seeds)}
        for name, values in (("", self.scores), ("baseline_", self.base_scores)):
            sign = 1.0 if self.metric.higher_is_better else -1.0
            row |= {
                f"{name}mean": float(values.mean()),
                f"{name}iqm": float(iqm(values)),
                f"{name}worst_tenth": sign * float(worst_mean(sign * values)),
            }
        row |= {"difference": float(d.mean), "low": float(d.low), "high": float(d.high)}
        row |= {"p_value": float(d.p_value), "p_method": d.p_method}
        row |= {"wins": int(d.wins), "ties": int(d.ties), "losses": int(d.losses)}
        row |= {"improvement": float(self.improvement.estimate)}
        row |= {"improvement_low": float(self.improvement.low)}
        row |= {"improvement_high": float(self.improvement.high)}
        row |= {"seed_correlation": float(d.seed_correlation)}
        row |= {"variance_ratio": float(d.variance_ratio), "budget": self.budget, "how": self.how}
        return {key: None if value != value else value for key, value in row.items()}


def compare(
    ours: Contender, base: Contender, judged: Metric, rope: float | None = None, seed: int = 0
) -> Comparison | None:
    """The two by the seeds that both have; None where there is no such seed."""
    seeds = np.intersect1d(ours.cell.seeds, base.cell.seeds)
    a, b = ours.score_of(seeds), base.score_of(seeds)
    both = np.isfinite(a) & np.isfinite(b)
    seeds, a, b = seeds[both], a[both], b[both]
    if not seeds.size:
        return None
    return Comparison(
        env=ours.cell.env,
        variant=ours.cell.variant,
        baseline=base.cell.variant,
        metric=judged,
        seeds=seeds,
        scores=a,
        base_scores=b,
        difference=paired_difference(a, b, RESAMPLES, seed),
        improvement=improvement_interval([judged.scores(a)], [judged.scores(b)], RESAMPLES, seed),
        contenders={ours.cell.variant: ours, base.cell.variant: base},
        rope=rope,
    )


def compare_all(
    table: Mapping[str, Mapping[str, Cell]],
    judged: Metric,
    fixed: Mapping[tuple[str, str], int] | None = None,
    ropes: Mapping[str, float] | None = None,
    equal_budget: bool = True,
) -> list[Comparison]:
    """Every variant against the baseline of its environment, which is its first variant.

    Args:
        table: cells by environment and variant, see `analysis.cells.by_environment`.
        judged: the metric.
        fixed: by (env, variant), the configuration that stage one chose.
        ropes: by environment, the size up to which a difference does not matter.
        equal_budget: hold each pair to as many configurations as the smaller grid has.
    """
    found = []
    for env, row in table.items():
        baseline, *others = row.values()
        for other in others:
            budget = min(len(baseline), len(other)) if equal_budget else None
            pair = [
                contender(cell, judged, budget, (fixed or {}).get((env, cell.variant)))
                for cell in (other, baseline)
            ]
            if None not in pair:
                found.append(compare(*pair, judged, (ropes or {}).get(env)))
    return [one for one in found if one is not None]


def headline(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of the first question: harmonic against standard, or the first pair."""
    asked = [one for one in found if (one.variant, one.baseline) == ("harmonic", "standard")]
    if asked or not found:
        return asked
    first = (found[0].variant, found[0].baseline)
    return [one for one in found if (one.variant, one.baseline) == first]
