"""Two tuned variants on one environment: whose score is higher, by how much, how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.contender import (
    AVERAGED,
    CROSS_FITTED,
    FRESH,
    SAME_SEEDS,
    SINGLE,
    Contender,
    Entrant,
    entrant,
    on_seeds,
)
from hq_ray.analysis.differences import (
    IndependentDifference,
    independent_difference,
    seedwise_difference,
    shared_seeds,
)
from hq_ray.analysis.metrics import Metric
from hq_ray.analysis.statistics.aggregates import iqm, worst_mean
from hq_ray.analysis.statistics.intervals import Interval
from hq_ray.analysis.statistics.paired import PairedDifference, improvement_interval

RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class Comparison:
    """A variant against a baseline on one environment.

    Attributes:
        metric: by what.
        ours, base: who stands for the variant and who for the baseline.
        paired: whether the seeds of both are the same and are compared one by one.
        difference: of the mean scores, variant minus baseline.
        improvement: probability that a run of the variant is the better one.
        rope: differences up to this size do not matter; None where nobody said.
    """

    metric: Metric
    ours: Contender
    base: Contender
    paired: bool
    difference: PairedDifference | IndependentDifference
    improvement: Interval
    rope: float | None

    @property
    def env(self) -> str:
        """Where, as cells name it."""
        return self.ours.cell.env

    @property
    def variant(self) -> str:
        """Who is compared."""
        return self.ours.cell.variant

    @property
    def baseline(self) -> str:
        """With whom."""
        return self.base.cell.variant

    @property
    def seeds(self) -> np.ndarray:
        """`(n,)` of the variant, and of both where they are paired."""
        return self.ours.seeds

    @property
    def scores(self) -> np.ndarray:
        """`(n,)` of the variant, see Contender."""
        return self.ours.scores

    @property
    def base_scores(self) -> np.ndarray:
        """`(m,)` of the baseline; seed by seed those of `scores` where they are paired."""
        return self.base.scores

    @property
    def n_seeds(self) -> int:
        """Seeds of the one that has fewer."""
        return min(len(self.ours.seeds), len(self.base.seeds))

    @property
    def how(self) -> str:
        """By what right, in words; the weaker right of the two counts."""
        order = (SAME_SEEDS, CROSS_FITTED, AVERAGED, FRESH, SINGLE)
        return next(how for how in order if how in (self.ours.how, self.base.how))

    @property
    def budget(self) -> int:
        """How many configurations each was chosen from; the larger of the two."""
        return max(self.ours.budget, self.base.budget)

    def summary(self) -> dict[str, float | int | bool | str | None]:
        """One row of a table; None for what there is not, such as wins without pairs."""
        d, paired = self.difference, self.paired
        row = {"env": self.env, "variant": self.variant, "baseline": self.baseline}
        row |= {"metric": self.metric.name, "unit": self.metric.unit}
        row |= {"n": len(self.ours.seeds), "baseline_n": len(self.base.seeds), "paired": paired}
        row |= _spread("", self.ours, self.metric) | _spread("baseline_", self.base, self.metric)
        row |= {"difference": float(d.mean), "low": float(d.low), "high": float(d.high)}
        row |= {"p_value": float(d.p_value), "p_method": d.p_method}
        row |= {k: int(getattr(d, k)) if paired else None for k in ("wins", "ties", "losses")}
        row |= {"improvement": float(self.improvement.estimate)}
        row |= {"improvement_low": float(self.improvement.low)}
        row |= {"improvement_high": float(self.improvement.high)}
        pairing = ("seed_correlation", "variance_ratio")
        row |= {k: float(getattr(d, k)) if paired else None for k in pairing}
        row |= {"budget": self.budget, "how": self.how}
        return {key: None if value != value else value for key, value in row.items()}


def _spread(prefix: str, one: Contender, metric: Metric) -> dict[str, float]:
    sign = 1.0 if metric.higher_is_better else -1.0
    return {
        f"{prefix}mean": float(one.scores.mean()),
        f"{prefix}iqm": float(iqm(one.drawn_runs).mean()),
        f"{prefix}worst_tenth": sign * float(worst_mean(sign * one.drawn_runs).mean()),
    }


def compare(
    cell: Cell,
    baseline: Cell,
    judged: Metric,
    *,
    equal_budget: bool = True,
    fixed: Mapping[str, int] | None = None,
    rope: float | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison | None:
    """The two on the seeds that both have, or, where these are few or mean nothing, each alone.

    Trials of one seed met the same random numbers, so they are compared in pairs. Both are tuned on
    the seeds that they are compared on, so that neither has more to choose by.

    Args:
        cell: the variant.
        baseline: what to compare it with, on the same environment.
        judged: the metric.
        equal_budget: hold both to as many configurations as the smaller grid has.
        fixed: by variant, the configuration that stage one chose.
        rope: the size up to which a difference does not matter.
        resamples: of the bootstrap, and of the sign-flip test above 16 seeds.
        seed: of what is drawn.

    Returns:
        None where one of them has no seed with the metric.
    """
    fixed = fixed or {}
    sides = [entrant(one, judged, fixed.get(one.variant)) for one in (cell, baseline)]
    shared = None
    if not (cell.unseeded or baseline.unseeded):
        shared = shared_seeds(sides[0].seeds, sides[1].seeds)
    if shared is not None:
        sides = [side.only(shared) for side in sides]
    ours, base = _contenders(sides, equal_budget, seed)
    if shared is not None:
        ours, base = on_seeds(ours, base.seeds), on_seeds(base, ours.seeds)
    if not (ours.seeds.size and base.seeds.size):
        return None
    if shared is not None:
        difference = seedwise_difference(ours, base, resamples, seed)
    else:
        difference = independent_difference(ours, base)
    improvement = _improvement([(ours, base)], judged, resamples, seed)
    return Comparison(judged, ours, base, shared is not None, difference, improvement, rope)


def _contenders(sides: Sequence[Entrant], equal_budget: bool, seed: int) -> list[Contender]:
    # What stage one chose was chosen from a grid, however few of it are here.
    sizes = [side.n_configurations for side in sides if side.how != FRESH]
    budget = min(sizes) if equal_budget and sizes else None
    return [side.contender(budget, seed) for side in sides]


def overall_improvement(
    found: Sequence[Comparison], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Probability that a run of the variant is the better one, averaged over environments.

    Args:
        found: comparisons of one pair of variants, one for each environment.
        resamples, seed: of the bootstrap.
    """
    return _improvement([(one.ours, one.base) for one in found], found[0].metric, resamples, seed)


def _improvement(
    pairs: Sequence[tuple[Contender, Contender]], judged: Metric, resamples: int, seed: int
) -> Interval:
    """Of runs; where these are drawn, estimate and limits are means over the draws."""
    n_draws = max(len(one.drawn_runs) for pair in pairs for one in pair)
    ours, base = (
        [np.broadcast_to(judged.scores(one.drawn_runs), (n_draws, len(one.seeds))) for one in side]
        for side in zip(*pairs, strict=True)
    )
    found = improvement_interval(ours, base, resamples, seed)
    means = {name: float(getattr(found, name).mean()) for name in ("estimate", "low", "high")}
    return replace(found, **means)


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
        chosen = {name: number for (where, name), number in (fixed or {}).items() if where == env}
        options = {"equal_budget": equal_budget, "fixed": chosen, "rope": (ropes or {}).get(env)}
        found += [compare(other, baseline, judged, **options) for other in others]
    return [one for one in found if one is not None]


def headline(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of the first question: harmonic against standard, or the first pair."""
    asked = [one for one in found if (one.variant, one.baseline) == ("harmonic", "standard")]
    if asked or not found:
        return asked
    first = (found[0].variant, found[0].baseline)
    return [one for one in found if (one.variant, one.baseline) == first]
