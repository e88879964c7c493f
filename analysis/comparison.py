"""Variants against the baseline of their problem, each by its best configuration.

Confirmed where there are fresh seeds of both: the configurations that were chosen, on seeds that
had no part in the choice. Else exploratory: one half of the seeds chooses each variant's
configuration from its whole grid, and the other half tests.
"""

from collections.abc import Mapping, Sequence
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
from hq_ray.analysis.statistics.means import seed_means
from hq_ray.trial import FIRST_FRESH_SEED

Choices = Mapping[tuple[str, int], Mapping]
"""By configuration and block: metric, number of seeds, rank and what else sweep.json says."""
# Seeds of a test after a choice, and of one where nothing was chosen.
LEAST_TESTING, LEAST_SEEDS = 3, 2
NOTHING_CHOSEN: Choices = {}


@dataclass(frozen=True, eq=False)
class Side:
    """A configuration of a variant, and the seeds that it is compared on.

    Attributes:
        cell: of the variant.
        number: of the configuration.
        seeds: `(n_seeds,)`, rising.
        rows: their rows in `cell.trials`.
        tried: how many seeds were tried, the failed ones too.
    """

    cell: Cell
    number: int
    seeds: np.ndarray
    rows: np.ndarray
    tried: int

    def scores(self, name: str) -> np.ndarray:
        """A column of its trials, `(n_seeds,)`."""
        return self.cell.column(name)[self.rows]

    @property
    def fresh(self) -> bool:
        """Whether these are the seeds of a confirmation."""
        return bool(len(self.seeds)) and int(self.seeds[0]) >= FIRST_FRESH_SEED

    @property
    def label(self) -> str:
        """The configuration in words."""
        return self.cell.labels[self.number]

    @property
    def trial_ids(self) -> list[str]:
        """Of its trials, in the order of the seeds."""
        return self.cell.trials["trial_id"].iloc[self.rows].tolist()

    def on(self, seeds: np.ndarray) -> "Side":
        """The same on some of its seeds."""
        return replace(self, seeds=seeds, rows=self.rows[np.searchsorted(self.seeds, seeds)])


@dataclass(frozen=True, eq=False)
class Comparison:
    """A variant against the baseline of its problem.

    Attributes:
        metric: by what.
        cell, baseline_cell: all configurations of both.
        ours, base: the two that are compared; None where there are too few seeds.
        paired: whether the seeds of both are the same and mean the same random numbers.
        n_common: seeds that could be used; of the fewer where these are not paired.
        difference: of the mean scores, variant minus baseline; None where there are too few seeds.
        block: of fresh seeds; None where the comparison is exploratory.
        rank: of the configuration among those of its variant that were confirmed, from 1.
        lost: fresh seeds that failed, which have no part in the difference.
        missing: fresh seeds that are planned and not there.
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
    difference: Difference | None = None
    block: int | None = None
    rank: int = 1
    lost: int = 0
    missing: int = 0
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
        return self.cell.problem, self.variant, self.baseline, self.rank

    @property
    def p_value(self) -> float:
        """Of the t test; NaN without one."""
        return float("nan") if self.difference is None else float(self.difference.p_value[0])

    def by(self, name: str) -> tuple[np.ndarray, np.ndarray, Difference] | None:
        """Scores of both by another column, on those of the seeds that have it, and their
        difference; None where there are none.
        """
        ours, base = self.ours.scores(name), self.base.scores(name)
        known = [np.isfinite(ours), np.isfinite(base)]
        if self.paired:
            known = [known[0] & known[1]] * 2
        ours, base = ours[known[0]], base[known[1]]
        if not ours.size or not base.size:
            return None
        return ours, base, difference_of_means(ours, base, self.paired)


def choices_of(descriptions: Sequence[Mapping]) -> Choices:
    """The choices that were confirmed, from the sweep.json of some results."""
    return {
        (chosen["config_id"], one["block"]): {**one, **chosen}
        for description in descriptions
        for blocks in (description.get("confirmed") or {}).values()
        for one in blocks
        for chosen in one["chosen"]
    }


def fresh_blocks(row: Mapping[str, Cell], judged: Metric, choices: Choices) -> list[int]:
    """The blocks of a problem, rising, whose choice was by that metric as far as is known."""
    ids = {one for cell in row.values() for one in cell.config_ids}
    said = {block: chosen["metric"] for (one, block), chosen in choices.items() if one in ids}
    there = {int(block) for cell in row.values() for block in cell.fresh["block"]}
    return sorted(b for b in there | said.keys() if said.get(b, judged.name) == judged.name)


def fresh_sides(cell: Cell, block: int, judged: Metric, choices: Choices) -> list[Side]:
    """The confirmed configurations of a variant in the order of the choice, with all their trials;
    the rows of those without a score are -1.
    """
    scored = np.append(np.isfinite(cell.column(judged.name)), False)
    explored = judged.upwards(seed_means(cell.scores(judged.name)))
    sides = []
    for number, part in cell.fresh[cell.fresh["block"] == block].groupby("number"):
        rows = part["row"].to_numpy()
        rows = np.where(scored[rows], rows, -1)
        sides.append(Side(cell, int(number), part["seed"].to_numpy(), rows, len(part)))

    def place(side: Side) -> tuple:
        config_id = cell.config_ids[side.number]
        rank = choices.get((config_id, block), {}).get("rank", len(sides))
        return rank, -np.nan_to_num(explored[side.number], nan=-np.inf), config_id

    return sorted(sides, key=place)


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
    common = cell.common
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


def confirmed(ours: Side, base: Side, judged: Metric, block: int, rank: int) -> Comparison:
    """Two chosen configurations on their fresh seeds; a seed that failed drops its pair."""
    sides = ours, base
    done = [one.seeds[one.rows >= 0] for one in sides]
    failed = [one.seeds[one.rows < 0] for one in sides]
    shared = None if ours.cell.unseeded else shared_seeds(*done)
    paired = shared is not None
    seeds = [shared, shared] if paired else done
    found = Comparison(
        judged, ours.cell, base.cell, None, None, paired, min(map(len, seeds)), block=block,
        rank=rank, lost=len(np.union1d(*failed)) if paired else sum(map(len, failed)),
    )  # fmt: skip
    if found.n_common < LEAST_SEEDS:
        return found
    return _tested(found, *(one.on(of) for one, of in zip(sides, seeds, strict=True)))


def exploratory(cell: Cell, baseline: Cell, judged: Metric) -> Comparison | None:
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
        one.common if len(one) > 1 else one.seeds[there[0]]
        for one, there in zip(cells, done, strict=True)
    ]
    shared = None if cell.unseeded else shared_seeds(*seeds)
    paired = shared is not None
    if paired:
        seeds = [shared, shared]
    found = Comparison(judged, *cells, None, None, paired, min(map(len, seeds)))
    halves = [len(of) // 2 if tuned else 0 for of in seeds]
    least = LEAST_TESTING if tuned else LEAST_SEEDS
    if min(len(of) - half for of, half in zip(seeds, halves, strict=True)) < least:
        return found
    numbers = [
        choose(one, judged, of[:half] if tuned else of, of)
        for one, of, half in zip(cells, seeds, halves, strict=True)
    ]
    if None in numbers:
        return found
    sides = (
        Side(one, number, one.seeds, one.rows[number], len(one.seeds)).on(of[half:])
        for one, number, of, half in zip(cells, numbers, seeds, halves, strict=True)
    )
    return _tested(found, *sides)


def _tested(found: Comparison, ours: Side, base: Side) -> Comparison:
    found = replace(found, ours=ours, base=base)
    return replace(found, difference=found.by(found.metric.name)[2])


def compare_row(
    row: Mapping[str, Cell], judged: Metric, choices: Choices = NOTHING_CHOSEN
) -> list[Comparison]:
    """Every variant of a problem against its first one: on the last block of fresh seeds, or, where
    one of the two has none there, exploratory.
    """
    baseline, *others = row.values()
    blocks = fresh_blocks(row, judged, choices)
    last = blocks[-1] if blocks else -1
    bases = fresh_sides(baseline, last, judged, choices)
    found = []
    for cell in others:
        sides = fresh_sides(cell, last, judged, choices) if bases else []
        for rank, ours in enumerate(sides, start=1):
            one = confirmed(ours, bases[0], judged, last, rank)
            planned = choices.get((cell.config_ids[ours.number], last), {}).get("seeds", 0)
            missing = max(0, planned - min(len(ours.seeds), len(bases[0].seeds)))
            found.append(replace(one, missing=missing))
        if not sides and (one := exploratory(cell, baseline, judged)) is not None:
            found.append(one)
    return found


def compare_all(
    table: Mapping[str, Mapping[str, Cell]],
    judged: Metric,
    rope: float | None = None,
    choices: Choices = NOTHING_CHOSEN,
    family: Mapping[tuple, float] | None = None,
) -> list[Comparison]:
    """Every variant against the baseline of its problem, which is its first variant.

    Args:
        table: cells by problem and variant, see `analysis.cells.by_environment`.
        judged: the metric.
        rope: the size up to which a difference does not matter.
        choices: what was chosen to be confirmed.
        family: p-values by `Comparison.key` of comparisons that Holm's correction is for, too.
    """
    found = [one for row in table.values() for one in compare_row(row, judged, choices)]
    p_values = dict(family or {}) | {one.key: one.p_value for one in found}
    adjusted = dict(zip(p_values, holm_adjusted(np.array([*p_values.values()])), strict=True))
    m = int(np.count_nonzero(~np.isnan([*adjusted.values()])))
    return [replace(o, adjusted=float(adjusted[o.key]), family=m, rope=rope) for o in found]


def wins_ties_losses(
    judged: Metric, ours: np.ndarray, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers over the last axis of paired scores, the right way round for the metric."""
    signs = np.sign(judged.upwards(tied_to_zero(ours, base)))
    return tuple((signs == sign).sum(axis=-1) for sign in (1, 0, -1))
