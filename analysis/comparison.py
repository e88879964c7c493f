"""Variants against the baseline of their problem, each by its best configuration.

Confirmed where there are fresh seeds of both: the configurations that were chosen, on seeds that
had no part in the choice. Else exploratory: one half of the seeds chooses each variant's
configuration from its whole grid, and the other half tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import PROBLEM, Cell, Row
from hq_ray.analysis.metrics import Metric
from hq_ray.analysis.statistics.t_tests import Difference, difference_of_means, tied_to_zero
from hq_ray.store import DONE
from hq_ray.trial import CONFIRMATION

Choices = Mapping[tuple[str, int], Mapping]
"""By configuration and block: metric, number of seeds, rank and what else sweep.json says."""
# Seeds of a test after a choice, and of one where nothing was chosen.
LEAST_TESTING, LEAST_SEEDS = 3, 2


@dataclass(frozen=True, eq=False)
class Side:
    """A configuration of a variant, and some of its trials.

    Attributes:
        cell: of the variant.
        number: of the configuration.
        trials: by rising seed, which is the index.
        chosen_from: how many configurations there were when it was chosen.
    """

    cell: Cell
    number: int
    trials: pd.DataFrame
    chosen_from: int

    def scores(self, name: str) -> np.ndarray:
        """A column of its trials, `(n_seeds,)`, NaN where it is null."""
        return self.trials[name].to_numpy(dtype=float, na_value=np.nan)

    @property
    def seeds(self) -> np.ndarray:
        """`(n_seeds,)`, rising."""
        return self.trials.index.to_numpy()

    @property
    def fresh(self) -> bool:
        """Whether these are the seeds of a confirmation."""
        return bool((self.trials["role"] == CONFIRMATION).any())

    @property
    def label(self) -> str:
        """What varies in the configuration."""
        return self.cell.labels[self.number]

    def on(self, seeds: np.ndarray) -> "Side":
        """The same on some of its seeds, rising."""
        return replace(self, trials=self.trials.loc[seeds])

    def scored(self, name: str) -> "Side":
        """The same on the seeds that have a score by a column."""
        return self.on(self.seeds[np.isfinite(self.scores(name))])


@dataclass(frozen=True, eq=False)
class Comparison:
    """A variant against the baseline of its problem.

    Attributes:
        metric: the metric compared.
        cell, baseline_cell: all configurations of both.
        paired: whether the seeds of both are the same and mean the same random numbers.
        n_common: seeds that could be used; of the fewer where these are not paired.
        ours, base: the two that are compared; None where there are too few seeds.
        difference: of the mean scores, variant minus baseline; None where there are too few seeds.
        block: of fresh seeds; None where the comparison is exploratory.
        rank: of the configuration among those of its variant that were confirmed, from 1.
        lost: fresh seeds that failed, which have no part in the difference.
        missing: fresh seeds that are planned and not there.
        adjusted: Holm's p-value; NaN where there is no test.
        n_comparisons: how many comparisons it is corrected for.
        rope: differences up to this size do not matter; None where nobody said.
        replicates: what is counted, `seeds`, or `instances` of a family of environments.
    """

    metric: Metric
    cell: Cell
    baseline_cell: Cell
    paired: bool
    n_common: int
    ours: Side | None = None
    base: Side | None = None
    difference: Difference | None = None
    block: int | None = None
    rank: int = 1
    lost: int = 0
    missing: int = 0
    adjusted: float = float("nan")
    n_comparisons: int = 0
    rope: float | None = None
    replicates: str = "seeds"

    @property
    def env(self) -> str:
        """The problem's label."""
        return self.cell.env

    @property
    def variant(self) -> str:
        """Name of the variant."""
        return self.cell.variant

    @property
    def baseline(self) -> str:
        """Name of the baseline."""
        return self.baseline_cell.variant

    @property
    def tuned(self) -> bool:
        """Whether one of the two had a choice."""
        return max(len(self.cell), len(self.baseline_cell)) > 1

    @property
    def key(self) -> tuple:
        """What it compares, however the problem is labelled."""
        return self.cell.problem_values(PROBLEM), self.variant, self.baseline, self.rank

    @property
    def p_value(self) -> float:
        """p-value of the t test; NaN if there is none."""
        return float("nan") if self.difference is None else float(self.difference.p_value)

    def tested(self, ours: Side, base: Side) -> "Comparison":
        """The same with two configurations, whose seeds are those of the test."""
        scores = ours.scores(self.metric.name), base.scores(self.metric.name)
        difference = difference_of_means(*scores, self.paired)
        return replace(self, ours=ours, base=base, difference=difference)


def choices_of(descriptions: Sequence[Mapping]) -> Choices:
    """The choices that were confirmed, from the sweep.json of some results."""
    return {
        (chosen["config_id"], block["block"]): {**block, **chosen}
        for description in descriptions
        for blocks in (description.get("confirmed") or {}).values()
        for block in blocks
        for chosen in block["chosen"]
    }


def fresh_blocks(row: Row, judged: Metric, choices: Choices) -> list[int]:
    """The blocks of a problem, rising, whose choice was by that metric as far as is known."""
    ids = {config_id for cell in row.values() for config_id in cell.settings.index}
    metrics = {b: choice["metric"] for (config, b), choice in choices.items() if config in ids}
    blocks = {block for cell in row.values() for block, _ in cell.fresh} | metrics.keys()
    return sorted(b for b in blocks if metrics.get(b, judged.name) == judged.name)


def fresh_sides(cell: Cell, block: int, judged: Metric, choices: Choices) -> list[Side]:
    """A variant's confirmed configurations, best first, with all their trials including failed
    ones. The order is that of the choice if recorded, else that of the exploration scores.
    """
    explored = np.nan_to_num(judged.upwards(cell.means(judged.name)), nan=-np.inf)
    ranked = []
    for (of_block, config_id), trials in cell.fresh.items():
        if of_block == block:
            number = cell.settings.index.get_loc(config_id)
            choice = choices.get((config_id, block), {})
            side = Side(cell, number, trials, choice.get("configurations", len(cell)))
            ranked.append((choice.get("rank", len(cell)), -explored[number], config_id, side))
    return [side for *_, side in sorted(ranked, key=lambda entry: entry[:3])]


def explored_side(cell: Cell, number: int) -> Side:
    """A configuration with its done trials of the exploration."""
    own = cell.explored["config_id"] == cell.settings.index[number]
    trials = cell.explored[own & (cell.explored["status"] == DONE)]
    return Side(cell, number, trials.set_index("seed"), len(cell))


def choose(cell: Cell, judged: Metric, choosing: np.ndarray, seeds: np.ndarray) -> int | None:
    """The configuration with the best mean over the choosing seeds, the first one among ties.

    Eligible is one that has a score on all seeds; None where none is.
    """
    scores = judged.upwards(cell.scores(judged.name))
    eligible = np.isfinite(scores[:, np.searchsorted(cell.seeds, seeds)]).all(axis=1)
    means = scores[:, np.searchsorted(cell.seeds, choosing)].mean(axis=1)
    return int(np.where(eligible, means, -np.inf).argmax()) if eligible.any() else None


def best_configuration(cell: Cell, judged: Metric) -> int | None:
    """The best mean over the seeds that all were tried on; else over those that each one has."""
    common = cell.common_seeds
    best = choose(cell, judged, common, common) if common.size else None
    means = judged.upwards(cell.means(judged.name))
    if best is None and not np.isnan(means).all():
        best = int(np.nanargmax(means))
    return best


def seeds_to_compare(
    seeds: Sequence[np.ndarray], unseeded: bool
) -> tuple[bool, Sequence[np.ndarray]]:
    """Whether two are compared in pairs, and the seeds of both.

    Paired if the common seeds are at least half of the smaller set, and at least two of them if it
    has two or more; never if equal seeds do not mean the same random numbers.
    """
    common, fewer = np.intersect1d(seeds[0], seeds[1]), min(map(len, seeds))
    if unseeded or common.size < max(1, min(2, fewer), fewer / 2):
        return False, seeds
    return True, [common, common]


def confirmed(ours: Side, base: Side, judged: Metric, block: int, rank: int) -> Comparison:
    """Two chosen configurations on their fresh seeds; a seed that failed drops its pair."""
    done = [side.scored(judged.name).seeds for side in (ours, base)]
    failed = [np.setdiff1d(ours.seeds, done[0]), np.setdiff1d(base.seeds, done[1])]
    paired, seeds = seeds_to_compare(done, ours.cell.unseeded)
    lost = len(np.union1d(*failed)) if paired else sum(map(len, failed))
    n_common, cells = min(map(len, seeds)), (ours.cell, base.cell)
    found = Comparison(judged, *cells, paired, n_common, block=block, rank=rank, lost=lost)
    return found if n_common < LEAST_SEEDS else found.tested(ours.on(seeds[0]), base.on(seeds[1]))


def exploratory(cell: Cell, baseline: Cell, judged: Metric) -> Comparison | None:
    """The best configuration of each, on seeds that had no part in the choice.

    Of the seeds that all configurations were tried on, in rising order, the first half chooses and
    the rest test, for both alike. Eligible is a configuration whose every such trial is done. A
    variant with one configuration has no choice: its failed seeds only drop out. Where both have
    one, nothing is chosen and all seeds count.

    Returns:
        None where one of them has no trial with the metric.
    """
    cells, tried = (cell, baseline), []
    for each in cells:
        known = np.isfinite(each.scores(judged.name))
        if not known.any():
            return None
        tried.append(each.common_seeds if len(each) > 1 else each.seeds[known[0]])
    paired, seeds = seeds_to_compare(tried, cell.unseeded)
    found = Comparison(judged, *cells, paired, min(map(len, seeds)))
    sides = []
    for each, usable in zip(cells, seeds, strict=True):
        half = len(usable) // 2 if found.tuned else 0
        if len(usable) - half < (LEAST_TESTING if found.tuned else LEAST_SEEDS):
            return found
        number = choose(each, judged, usable[:half] if found.tuned else usable, usable)
        if number is None:
            return found
        sides.append(explored_side(each, number).on(usable[half:]))
    return found.tested(*sides)


def compare_row(row: Row, judged: Metric, choices: Choices) -> list[Comparison]:
    """Every variant of a problem against its first one: on the last block of fresh seeds, or, where
    one of the two has none there, exploratory.
    """
    baseline, *others = row.values()
    last = max(fresh_blocks(row, judged, choices), default=-1)
    bases = fresh_sides(baseline, last, judged, choices)
    found = []
    for cell in others:
        sides = fresh_sides(cell, last, judged, choices) if bases else []
        for rank, ours in enumerate(sides, start=1):
            config_id = cell.settings.index[ours.number]
            planned = choices.get((config_id, last), {}).get("seeds", 0)
            missing = max(0, planned - min(len(ours.seeds), len(bases[0].seeds)))
            on_fresh = confirmed(ours, bases[0], judged, last, rank)
            found.append(replace(on_fresh, missing=missing))
        if not sides and (explored := exploratory(cell, baseline, judged)) is not None:
            found.append(explored)
    return found


def wins_ties_losses(
    judged: Metric, ours: np.ndarray, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers over the last axis of paired scores, the right way round for the metric."""
    signs = np.sign(judged.upwards(tied_to_zero(ours, base)))
    return tuple((signs == sign).sum(axis=-1) for sign in (1, 0, -1))
