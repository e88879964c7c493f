"""Who stands for a variant: one score per seed, of a configuration whose choice did not see it.

Where a variant has several configurations, the choice among them must not see the score that it is
judged by; so it is made on one half of the seeds and scored on the other, and the larger grid is
held to the number of configurations of the smaller one.
"""

from dataclasses import dataclass, replace

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.metrics import Metric
from hq_ray.analysis.statistics.tuning import (
    budget_weights,
    cross_fitted_scores,
    seed_means,
    top_configurations,
)

SINGLE = "one configuration each"
FRESH = "chosen in stage one, scored on fresh seeds"
AVERAGED = "the mean over its grid, as the other variant has one configuration"
CROSS_FITTED = "tuned on one half of the seeds, scored on the other"
SAME_SEEDS = "chosen and scored on the same seed, so too high"
DRAWS = 16


@dataclass(frozen=True, eq=False)
class Contender:
    """A variant on an environment, with one score per seed.

    Attributes:
        cell: its configurations.
        seeds: `(n,)`, rising, those that have a score.
        scores: `(n,)`; where the budget is smaller than the grid, the expected score of a choice
            among so many configurations.
        drawn_runs: `(n_draws, n)`, single runs with these expectations: the scores themselves, or
            those of choices drawn for each seed. An expectation hides how runs are distributed.
        halves: `(n,)`, 0 or 1: on which half of the seeds the other one's configuration was chosen;
            all 0 where no score had a part in a choice.
        budget: how many configurations it was chosen from.
        how: by what right the scores stand for the variant.
    """

    cell: Cell
    seeds: np.ndarray
    scores: np.ndarray
    drawn_runs: np.ndarray
    halves: np.ndarray
    budget: int
    how: str

    @property
    def runs(self) -> np.ndarray:
        """`(n,)`, one run for each seed: the first draw."""
        return self.drawn_runs[0]


def on_seeds(one: Contender, seeds: np.ndarray) -> Contender:
    """The contender on those of its seeds that are among these."""
    kept = np.isin(one.seeds, seeds)
    names = ("seeds", "scores", "drawn_runs", "halves")
    return replace(one, **{name: getattr(one, name)[..., kept] for name in names})


@dataclass(frozen=True, eq=False)
class Entrant:
    """A variant before it is tuned.

    Attributes:
        cell: its configurations.
        judged: the metric.
        seeds: rising; those of the cell that it is to be tuned and scored on.
        number: the configuration that stands for it where there is nothing to choose; else None.
        how: by what right, where there is nothing to choose.
    """

    cell: Cell
    judged: Metric
    seeds: np.ndarray
    number: int | None
    how: str

    def only(self, seeds: np.ndarray) -> "Entrant":
        """The same on fewer seeds."""
        return replace(self, seeds=seeds)

    @property
    def n_configurations(self) -> int:
        """How many there are to choose from: those with a score on both halves of the seeds."""
        if self.number is not None or not self.seeds.size:
            return 1
        there = np.isfinite(choosable_scores(self.cell, self.judged, self.seeds))
        halves = [there[:, ::2], there[:, 1::2]] if len(self.seeds) > 1 else [there]
        return max(1, int(np.all([half.any(axis=1) for half in halves], axis=0).sum()))

    def contender(self, budget: int | None = None, seed: int = 0) -> Contender:
        """Its scores on the seeds, tuned where there is a choice.

        Args:
            budget: number of configurations to choose from; None is all.
            seed: of `drawn_runs`.
        """
        if not self.seeds.size:
            nothing = np.empty((1, 0))
            return Contender(self.cell, self.seeds, nothing[0], nothing, self.seeds, 0, self.how)
        if self.number is not None:
            columns = np.searchsorted(self.cell.seeds, self.seeds)
            scores = self.cell.scores(self.judged.name)[self.number, columns]
            halves = np.zeros(len(scores), int)
            found = Contender(self.cell, self.seeds, scores, scores[None], halves, 1, self.how)
        else:
            most = self.n_configurations
            found = _tuned(self, max(1, most if budget is None else min(budget, most)), seed)
        return on_seeds(found, found.seeds[np.isfinite(found.scores)])


def entrant(cell: Cell, judged: Metric, fixed: int | None = None) -> Entrant:
    """The variant with all seeds on which what may stand for it has the metric.

    Args:
        cell: its configurations.
        judged: the metric.
        fixed: the configuration that stage one chose.
    """
    scores = choosable_scores(cell, judged)
    number, how = fixed, FRESH
    if fixed is None:
        there = np.flatnonzero(np.isfinite(scores).any(axis=1))
        number, how = (int(there[0]) if there.size == 1 else None), SINGLE
    if number is not None:
        scores = cell.scores(judged.name)[[number]]
    return Entrant(cell, judged, cell.seeds[np.isfinite(scores).any(axis=0)], number, how)


def best_configuration(cell: Cell, judged: Metric) -> int | None:
    """The configuration with the best mean over its seeds; None where no trial has the metric."""
    best = best_configurations(cell, judged, 1)
    return int(best[0]) if best.size else None


def best_configurations(
    cell: Cell, judged: Metric, k: int, budget: int | None = None, seed: int = 0
) -> np.ndarray:
    """Numbers of the k configurations with the best means, best first; see `choosable_scores`.

    Args:
        cell: the configurations.
        judged: the metric; of costs, the lowest is best.
        k: how many; fewer come back where there are no more.
        budget: choose among this many drawn at random; None for all.
        seed: of the draw.
    """
    return top_configurations(choosable_scores(cell, judged), k, budget, seed)


def choosable_scores(cell: Cell, judged: Metric, seeds: np.ndarray | None = None) -> np.ndarray:
    """Scores `(n_configurations, n_seeds)`, higher is better, NaN for what is not to be chosen.

    A configuration that has less than half as many seeds as the fullest one is not: the mean of few
    seeds is high by luck more often than by merit.

    Args:
        cell: the configurations.
        judged: the metric.
        seeds: some of the cell's; None for all.
    """
    scores = judged.scores(cell.scores(judged.name))
    if seeds is not None:
        scores = scores[:, np.searchsorted(cell.seeds, seeds)]
    counts = np.isfinite(scores).sum(axis=1)
    return np.where((2 * counts >= counts.max())[:, None], scores, np.nan)


def _tuned(one: Entrant, budget: int, seed: int) -> Contender:
    """Tuned and scored by halves; neighbouring seeds go to different halves."""
    scores = choosable_scores(one.cell, one.judged, one.seeds)
    fit = cross_fitted_scores(scores, budget)
    how = CROSS_FITTED if fit.cross_fitted else SAME_SEEDS
    if budget == 1 < len(scores) - fit.n_ignored:
        how = AVERAGED
    halves = fit.fold_of_seed if how == CROSS_FITTED else np.zeros_like(fit.fold_of_seed)
    runs = _drawn_runs(scores, fit.fold_of_seed, budget, seed)
    runs = np.where(np.isfinite(runs), runs, fit.per_seed)
    sign = 1.0 if one.judged.higher_is_better else -1.0
    return Contender(one.cell, one.seeds, sign * fit.per_seed, sign * runs, halves, budget, how)


def _drawn_runs(scores: np.ndarray, halves: np.ndarray, budget: int, seed: int) -> np.ndarray:
    """For each draw and seed the score of the best of `budget` configurations drawn for it alone.

    The best is the one with the best mean on the other half. Its rank is drawn, with the chances of
    `budget_weights`, instead of the configurations.
    """
    drawn = np.random.Generator(np.random.PCG64(seed)).random((DRAWS, len(halves)))
    runs = np.full(drawn.shape, np.nan)
    for half in np.unique(halves):
        mine = np.flatnonzero(halves == half)
        others = np.flatnonzero(halves != half) if len(halves) > 1 else mine
        both = np.isfinite(scores[:, mine]).any(axis=1) & np.isfinite(scores[:, others]).any(axis=1)
        means = np.where(both, seed_means(scores[:, others]), np.nan)
        ranked = top_configurations(means[:, None], len(scores))
        if ranked.size:
            chances = np.cumsum(budget_weights(len(ranked), min(budget, len(ranked))))
            rank = np.minimum(np.searchsorted(chances, drawn[:, mine]), len(ranked) - 1)
            runs[:, mine] = scores[ranked[rank], mine]
    return runs if (runs != runs[0]).any() else runs[:1]
