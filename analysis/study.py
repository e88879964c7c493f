"""All that a report or a plot needs to know of some results, read once."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import BASELINE, Cell, cells_by_problem
from hq_ray.analysis.comparison import (
    Choices,
    Comparison,
    Side,
    best_configuration,
    choices_of,
    explored_side,
    fresh_blocks,
    fresh_sides,
)
from hq_ray.analysis.families import compare_all, family_labels
from hq_ray.analysis.metrics import Metric, judging_metric
from hq_ray.analysis.smoothing import trailing_mean
from hq_ray.analysis.summaries import summarise_trials
from hq_ray.errors import InputError, near_miss
from hq_ray.load import load_trials, stream_curves
from hq_ray.published import problems
from hq_ray.store import DONE, Results

CURVES = ("episode_return", "steps", "success", "truncated")
DEFAULT_METRIC = "mean_return"
NEED_REFERENCES = ("regret", "failure_rate")


@dataclass(frozen=True, eq=False)
class Study:
    """Results, sorted and compared.

    Attributes:
        results: what was read.
        descriptions: the sweep.json of each.
        trials: every committed trial, failed ones and fresh seeds too.
        table: cells by problem and variant, the baseline first.
        families: by problem that is an instance of a family of environments, the family.
        judged: the metric of the verdict.
        smooth: window of all curves, in episodes.
        where: which trials these are, in words; None for all.
        notes: sentences on what is missing, failed, left out, mixed or unknown.
        comparisons: every variant against the baseline of its problem or family.
        chosen: by (problem, variant), the configuration that was confirmed, with its fresh seeds;
            or else the one that was compared, or the best one, with all its seeds.
        curves: likewise, its episodes, (n_seeds, n_episodes) by column.
    """

    results: Sequence[Results]
    descriptions: Sequence[Mapping]
    trials: pd.DataFrame
    table: Mapping[str, Mapping[str, Cell]]
    families: Mapping[str, str]
    judged: Metric
    smooth: int
    where: str | None
    notes: Sequence[str]
    comparisons: Sequence[Comparison]
    chosen: Mapping[tuple[str, str], Side]
    curves: Mapping[tuple[str, str], Mapping[str, np.ndarray]]

    @property
    def name(self) -> str:
        """See `name_of`."""
        return name_of(self.results)

    @property
    def sections(self) -> list[str]:
        """What a reader is told of one by one: problems, and families instead of instances."""
        return list(dict.fromkeys(self.families.get(env, env) for env in self.table))

    @cached_property
    def planned(self) -> Counter:
        """Planned trials by `id args` of the environment and variant, where sweep.json says; none
        where not all trials were read.
        """
        counts: Counter = Counter()
        for info in self.descriptions if self.where is None else ():
            for env, row in info.get("planned", {}).items():
                counts.update({(env, variant): n for variant, n in row.items()})
        return counts

    @property
    def cells(self) -> list[Cell]:
        """All of them, by problem and variant."""
        return [cell for row in self.table.values() for cell in row.values()]

    @cached_property
    def data_digest(self) -> str:
        """A digest of what every number here rests on: the trials and their scores."""
        done = self.trials[self.trials["status"] == DONE].sort_values("trial_id")
        digest = hashlib.sha256("".join(done["trial_id"]).encode())
        for name in ("mean_return", "final_return"):
            digest.update(done[name].to_numpy(dtype=float, na_value=np.nan).tobytes())
        return f"{len(done):,} trials, data {digest.hexdigest()[:12]}."

    @property
    def lead(self) -> str:
        """One sentence on what was read."""
        counts = {
            "trial": len(self.trials),
            "configuration": sum(map(len, self.cells)),
            "variant": len({cell.variant for cell in self.cells}),
            "environment": len(self.table),
        }
        words = ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for word, n in counts.items())
        return f"{words}. Judged by {self.judged.label}."

    def reached(self, threshold: float) -> pd.DataFrame:
        """By problem and variant: seeds, the share of them whose smoothed return comes up to the
        threshold, and the episode by which half of them have, null where fewer ever do.
        """
        rows = []
        for (env, variant), curves in self.curves.items():
            there = trailing_mean(curves["episode_return"], self.smooth) >= threshold
            first = np.where(there.any(axis=1), there.argmax(axis=1), np.inf)
            median = np.median(first)
            rows.append(
                {
                    "environment": env,
                    "variant": variant,
                    "seeds": len(first),
                    "seeds that reached it": f"{there.any(axis=1).mean():.0%}",
                    "median episode": median if median < np.inf else np.nan,
                }
            )
        return pd.DataFrame(rows)


def name_of(results: Sequence[Results]) -> str:
    """A name of results: their folders'."""
    return "-and-".join(one.location.path.rpartition("/")[2] for one in results)


def study(
    results: Sequence[Results],
    *,
    where: object = None,
    metric_name: str | None = None,
    smooth: int = 151,
    rope: float | None = None,
    baseline: str | None = None,
    with_curves: bool = True,
) -> Study:
    """Reads results and compares what is in them.

    Args:
        results: one sweep or several.
        where, metric_name, rope, baseline: as of `hq_ray.compare`.
        smooth: window of the trailing mean, in episodes.
        with_curves: read the episodes of the best configurations, and what they can reach at best.

    Raises:
        InputError: the metric, a column, the baseline or the results are not known; the metric has
            no better end; the rope is no size.
    """
    descriptions = [one.description() for one in results]
    specs = [one.get("spec") or {} for one in descriptions]
    choices = choices_of(descriptions)
    if metric_name is None:
        asked = [spec["confirm"]["metric"] for spec in specs if spec.get("confirm")]
        latest = max(choices, key=lambda key: key[1], default=None)
        metric_name = choices[latest]["metric"] if latest else [*asked, DEFAULT_METRIC][0]
    judged = judging_metric(metric_name)
    if rope is not None and not 0 <= rope < float("inf"):
        raise InputError(f"rope must be a finite number >= 0, got {rope}")
    damaged: list[str] = []
    trials = load_trials(list(results), where, damaged=damaged, quiet=True)
    known = set(trials["variant"])
    if baseline is not None and known and baseline not in known:
        raise InputError(
            f"the baseline must be a variant of the results, got {baseline!r}"
            f"{near_miss(baseline, known)}"
        )
    with_references = with_curves or judged.name in NEED_REFERENCES

    def sorted_cells(some: pd.DataFrame) -> tuple[dict, dict, list[str]]:
        """Cells by problem and variant, families, and what the metrics lack."""
        frame, notes = summarise_trials(some, with_references)
        table = cells_by_problem(frame, specs, baseline or BASELINE)
        return table, family_labels(table, descriptions), notes

    table, families, of_metrics = sorted_cells(trials)
    others = {}
    if where is not None:
        whole, of_whole, _ = sorted_cells(load_trials(list(results), damaged=[], quiet=True))
        compared = compare_all(whole, judged, choices=choices, families=of_whole)
        others = {one.key: one.p_value for one in compared}
    comparisons = compare_all(table, judged, rope, choices, others, families)
    chosen = _chosen(table, judged, choices, comparisons)
    notes = [*damaged, *problems(list(results), trials), *of_metrics]
    for env, row in table.items():
        notes += _confirmation_notes(env, row, judged, choices)
    curves = {}
    if with_curves:
        keys = [key for key in chosen if key[0] not in families]
        groups = [chosen[key].trials["trial_id"].tolist() for key in keys]
        curves = {keys[number]: of for number, of in stream_curves(results, groups, CURVES)}
    return Study(
        results=results,
        descriptions=descriptions,
        trials=trials,
        table=table,
        families=families,
        judged=judged,
        smooth=smooth,
        where=None if where is None else str(where),
        notes=notes,
        comparisons=comparisons,
        chosen=chosen,
        curves=curves,
    )


def _chosen(
    table: Mapping[str, Mapping[str, Cell]],
    judged: Metric,
    choices: Choices,
    comparisons: Sequence[Comparison],
) -> dict[tuple[str, str], Side]:
    """See `Study.chosen`; of several that were confirmed, the first."""
    compared = {
        (one.env, side.cell.variant): side.number
        for one in reversed(comparisons)
        for side in (one.base, one.ours)
        if side is not None
    }
    found = {}
    for env, row in table.items():
        last = max(fresh_blocks(row, judged, choices), default=-1)
        for variant, cell in row.items():
            sides = fresh_sides(cell, last, judged, choices)
            number = compared.get((env, variant), best_configuration(cell, judged))
            if sides:
                side = sides[0].scored(judged.name)
            elif number is not None:
                side = explored_side(cell, number)
            else:
                continue
            if len(side.seeds):
                found[env, variant] = side
    return found


def _confirmation_notes(
    env: str, row: Mapping[str, Cell], judged: Metric, choices: Choices
) -> list[str]:
    """Of earlier choices, of choices without fresh seeds, and of those by another metric."""
    blocks = fresh_blocks(row, judged, choices)
    if not blocks:
        if not any(cell.fresh for cell in row.values()):
            return []
        return [
            f"the fresh seeds on {env} are of a choice by another metric: by {judged.name} "
            "the verdict is exploratory"
        ]
    *earlier, last = blocks
    notes = []
    for block in earlier:
        sides = [s for cell in row.values() for s in fresh_sides(cell, block, judged, choices)]
        said = "; ".join(
            f"{side.cell.variant} {side.label}, {len(side.scored(judged.name).seeds)} seeds"
            for side in sides
        )
        notes.append(f"an earlier choice on {env} was confirmed, and has no part: {said}")
    ids = {(one, last) for cell in row.values() for one in cell.settings.index}
    after = {n for key in ids & choices.keys() for n in choices[key].get("extended_after", ())}
    notes += [f"the confirmation on {env} was extended after {n} seeds" for n in sorted(after)]
    lacking = [v for v, cell in row.items() if not fresh_sides(cell, last, judged, choices)]
    if lacking:
        notes.append(
            f"on {env} there are no fresh seeds of the last choice for {' and '.join(lacking)}: "
            "comparisons with it are exploratory"
        )
    return notes
