"""Two variants on one problem: the best configuration of each, compared on seeds of their own.

The comparison is exploratory: each variant's configuration is chosen from its whole grid by one
half of the seeds, and compared on the other half.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.metrics import Metric
from hq_ray.analysis.statistics.comparison import (
    Difference,
    difference_of_means,
    holm_adjusted,
    tied_to_zero,
)

# Seeds of a test after a choice, and of one where nothing was chosen.
LEAST_TESTING, LEAST_SEEDS = 3, 2


@dataclass(frozen=True, eq=False)
class Side:
    """A configuration of a variant, and the seeds that it is compared on."""

    cell: Cell
    number: int
    seeds: np.ndarray

    def scores(self, name: str) -> np.ndarray:
        """A column of its trials, `(n_seeds,)`."""
        return self.cell.scores(name)[self.number, np.searchsorted(self.cell.seeds, self.seeds)]

    @property
    def label(self) -> str:
        """The configuration in words."""
        return self.cell.labels[self.number]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A variant against the baseline of its problem.

    Attributes:
        metric: by what.
        cell, baseline_cell: all configurations of both.
        ours, base: the two that are compared; None where there are too few seeds.
        paired: whether the seeds of both are the same and mean the same random numbers.
        n_common: seeds that all configurations of both were tried on; of the fewer where these are
            not paired.
        difference: of the mean scores, variant minus baseline; None where there are too few seeds.
        adjusted: Holm's p-value; NaN where there is no test.
        family: how many comparisons it is corrected for.
        rope: differences up to this size do not matter; None where nobody said.
    """

    metric: Metric
    cell: Cell
    baseline_cell: Cell
    ours: Side | None
    base: Side | None
    paired: bool
    n_common: int
    difference: Difference | None
    adjusted: float = float("nan")
    family: int = 0
    rope: float | None = None

    @property
    def env(self) -> str:
        """The problem's label."""
        return self.cell.env

    @property
    def variant(self) -> str:
        """Who is compared."""
        return self.cell.variant

    @property
    def baseline(self) -> str:
        """With whom."""
        return self.baseline_cell.variant

    @property
    def tuned(self) -> bool:
        """Whether one of the two had a choice."""
        return max(len(self.cell), len(self.baseline_cell)) > 1

    @property
    def key(self) -> tuple:
        """What it compares, however the problem is labelled."""
        return self.cell.problem, self.variant, self.baseline

    @property
    def p_value(self) -> float:
        """Of the t test; NaN without one."""
        return float("nan") if self.difference is None else float(self.difference.p_value[0])

    def by(self, name: str) -> Difference:
        """The same two configurations on the same seeds by another column of the trials."""
        return difference_of_means(self.ours.scores(name), self.base.scores(name), self.paired)


def choose(cell: Cell, judged: Metric, choosing: np.ndarray, seeds: np.ndarray) -> int | None:
    """The configuration with the best mean over some seeds, the first one among ties.

    Args:
        cell: the configurations.
        judged: the metric.
        choosing: seeds that the mean is over.
        seeds: all that a configuration must have a score on to be eligible.

    Returns:
        None where none is eligible.
    """
    scores = judged.upwards(cell.scores(judged.name))
    eligible = np.isfinite(scores[:, np.searchsorted(cell.seeds, seeds)]).all(axis=1)
    means = scores[:, np.searchsorted(cell.seeds, choosing)].mean(axis=1)
    return int(np.where(eligible, means, -np.inf).argmax()) if eligible.any() else None


def best_configuration(cell: Cell, judged: Metric) -> int | None:
    """The best mean over the seeds that all were tried on; else over those that each one has."""
    common = cell.seeds[cell.tried.all(axis=0)]
    best = choose(cell, judged, common, common) if common.size else None
    scores = judged.upwards(cell.scores(judged.name))
    known = np.isfinite(scores).any(axis=1)
    if best is None and known.any():
        best = int(np.flatnonzero(known)[np.nanmean(scores[known], axis=1).argmax()])
    return best


def shared_seeds(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray | None:
    """The seeds by which two are compared in pairs; None where these are too few.

    They are at least half of the seeds of the one that has fewer, and two where it has two.
    """
    common = np.intersect1d(ours, theirs)
    fewer = min(len(ours), len(theirs))
    return common if common.size >= max(1, min(2, fewer), fewer / 2) else None


def compare(cell: Cell, baseline: Cell, judged: Metric) -> Comparison | None:
    """The best configuration of each, on seeds that had no part in the choice.

    Of the seeds that all configurations were tried on, in rising order, the first half chooses and
    the rest test, for both alike. Eligible is a configuration whose every such trial is done. A
    variant with one configuration has no choice: its failed seeds only drop out. Where both have
    one, nothing is chosen and all seeds count.

    Returns:
        None where one of them has no trial with the metric.
    """
    cells = (cell, baseline)
    done = [np.isfinite(one.scores(judged.name)) for one in cells]
    if not all(there.any() for there in done):
        return None
    tuned = max(map(len, cells)) > 1
    seeds = [
        one.seeds[(one.tried if len(one) > 1 else there).all(axis=0)]
        for one, there in zip(cells, done, strict=True)
    ]
    shared = None if cell.unseeded else shared_seeds(*seeds)
    paired = shared is not None
    if paired:
        seeds = [shared, shared]
    n_common = min(map(len, seeds))
    halves = [len(of) // 2 if tuned else 0 for of in seeds]
    least = LEAST_TESTING if tuned else LEAST_SEEDS
    found = Comparison(judged, *cells, None, None, paired, n_common, None)
    if min(len(of) - half for of, half in zip(seeds, halves, strict=True)) < least:
        return found
    numbers = [
        choose(one, judged, of[:half] if tuned else of, of)
        for one, of, half in zip(cells, seeds, halves, strict=True)
    ]
    if None in numbers:
        return found
    ours, base = (
        Side(one, number, of[half:])
        for one, number, of, half in zip(cells, numbers, seeds, halves, strict=True)
    )
    found = replace(found, ours=ours, base=base)
    return replace(found, difference=found.by(judged.name))


def compare_all(
    table: Mapping[str, Mapping[str, Cell]],
    judged: Metric,
    rope: float | None = None,
    family: Mapping[tuple, float] | None = None,
) -> list[Comparison]:
    """Every variant against the baseline of its problem, which is its first variant.

    Args:
        table: cells by problem and variant, see `analysis.cells.by_environment`.
        judged: the metric.
        rope: the size up to which a difference does not matter.
        family: p-values by `Comparison.key` of comparisons that Holm's correction is for, too.
    """
    found = [
        one
        for baseline, *others in (row.values() for row in table.values())
        for one in (compare(other, baseline, judged) for other in others)
        if one is not None
    ]
    p_values = dict(family or {}) | {one.key: one.p_value for one in found}
    adjusted = dict(zip(p_values, holm_adjusted(np.array([*p_values.values()])), strict=True))
    m = int(np.count_nonzero(~np.isnan([*adjusted.values()])))
    return [replace(o, adjusted=float(adjusted[o.key]), family=m, rope=rope) for o in found]


def record(found: Comparison) -> tuple[int, int, int]:
    """Seeds on which the variant of a paired comparison wins, ties and loses."""
    scores = (side.scores(found.metric.name) for side in (found.ours, found.base))
    return tuple(map(int, wins_ties_losses(found.metric, *scores)))


def wins_ties_losses(
    judged: Metric, ours: np.ndarray, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers over the last axis of paired scores, the right way round for the metric."""
    signs = better_signs(judged, ours, base)
    return tuple((signs == sign).sum(axis=-1) for sign in (1, 0, -1))


def better_signs(judged: Metric, ours: np.ndarray, base: np.ndarray) -> np.ndarray:
    """1 where ours is the better score, -1 where it is the worse one, 0 in a tie."""
    return np.sign(judged.upwards(tied_to_zero(ours, base))).astype(int)
