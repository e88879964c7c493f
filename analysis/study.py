"""All that a report or a plot needs to know of some results, read once."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import BASELINE, ENVIRONMENT, Cell, Cells, Row, cells_by_problem
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
from hq_ray.analysis.words import file_stem
from hq_ray.errors import InputError, near_miss
from hq_ray.load import load_trials, stream_curves
from hq_ray.published import planned_trials, problems
from hq_ray.store import DONE, Results

CURVES = ("episode_return", "steps", "success")


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
        where: the condition on the trials; None for all.
        notes: sentences on what is missing, failed, left out, mixed or unknown.
        choices: what was chosen to be confirmed.
        comparisons: every variant against the baseline of its problem or family.
    """

    results: Sequence[Results]
    descriptions: Sequence[Mapping]
    trials: pd.DataFrame
    table: Cells
    families: Mapping[str, str]
    judged: Metric
    smooth: int
    where: object
    notes: Sequence[str]
    choices: Choices
    comparisons: Sequence[Comparison]

    @property
    def sections(self) -> list[str]:
        """What a reader is told of one by one: problems, and families instead of instances."""
        return list(dict.fromkeys(self.families.get(env, env) for env in self.table))

    @cached_property
    def planned(self) -> Counter:
        """`planned_trials` of all results; empty if `where` selects trials."""
        descriptions = self.descriptions if self.where is None else ()
        return sum(map(planned_trials, descriptions), Counter())

    @cached_property
    def chosen(self) -> dict[tuple[str, str], Side]:
        """By problem and variant, the configuration that was confirmed, the first of several, with
        its fresh seeds; or else the one that was compared, or the best one, with all its seeds.
        """
        compared = {
            (comparison.env, side.cell.variant): side.number
            for comparison in reversed(self.comparisons)
            for side in (comparison.base, comparison.ours)
            if side is not None
        }
        found = {}
        for env, row in self.table.items():
            last = max(fresh_blocks(row, self.judged, self.choices), default=-1)
            for variant, cell in row.items():
                sides = fresh_sides(cell, last, self.judged, self.choices)
                number = compared.get((env, variant), best_configuration(cell, self.judged))
                if sides:
                    side = sides[0].scored(self.judged.name)
                elif number is not None:
                    side = explored_side(cell, number)
                else:
                    continue
                if len(side.seeds):
                    found[env, variant] = side
        return found

    @cached_property
    def curves(self) -> dict[tuple[str, str], Mapping[str, np.ndarray]]:
        """The episodes of what is chosen, `(n_seeds, n_episodes)` by column; none of families."""
        keys = [key for key in self.chosen if key[0] not in self.families]
        groups = [self.chosen[key].trials["trial_id"].tolist() for key in keys]
        return {keys[n]: columns for n, columns in stream_curves(self.results, groups, CURVES)}

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
            "environment": len(self.trials.drop_duplicates(ENVIRONMENT)),
        }
        words = ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for word, n in counts.items())
        return f"{words}. Judged by {self.judged.label}."

    def reached(self, threshold: float) -> pd.DataFrame:
        """By problem and variant: seeds, the share of them whose smoothed return comes up to the
        threshold, and the episode by which half of them have, null where fewer ever do.
        """
        rows = []
        for (env, variant), curves in self.curves.items():
            reached = trailing_mean(curves["episode_return"], self.smooth) >= threshold
            first = np.where(reached.any(axis=1), reached.argmax(axis=1), np.inf)
            median = np.median(first)
            rows.append(
                {
                    "environment": env,
                    "variant": variant,
                    "seeds": len(first),
                    "seeds that reached it": f"{reached.any(axis=1).mean():.0%}",
                    "median episode": median if median < np.inf else np.nan,
                }
            )
        return pd.DataFrame(rows)


def folder_name(results: Sequence[Results], where: object) -> str:
    """The name of a folder for what is made of results, or of the trials that `where` selects."""
    name = name_of(results)
    if where is None:
        return name
    digest = hashlib.sha256(str(where).encode()).hexdigest()[:6]
    return file_stem(f"{name}-where-{where}") + f"-{digest}"


def name_of(results: Sequence[Results]) -> str:
    """A name of results: their folders'."""
    return "-and-".join(folder.location.path.rpartition("/")[2] for folder in results)


def study(
    results: Sequence[Results],
    *,
    where: object = None,
    metric_name: str | None = None,
    smooth: int = 151,
    rope: float | None = None,
    baseline: str | None = None,
    with_references: bool = True,
) -> Study:
    """Reads results and compares what is in them.

    Args:
        results: one sweep or several.
        where, metric_name, rope, baseline: as of `hq_ray.compare`.
        smooth: window of the trailing mean, in episodes.
        with_references: find out what can be reached at best, for figures and all metrics.

    Raises:
        InputError: the metric, a column, the baseline or the results are not known; the metric has
            no better end; the rope is no size.
    """
    descriptions = [folder.description() for folder in results]
    specs = [info.get("spec") or {} for info in descriptions]
    choices = choices_of(descriptions)
    if metric_name is None:
        asked = [spec["confirm"]["metric"] for spec in specs if spec.get("confirm")]
        latest = max(choices, key=lambda key: key[1], default=None)
        metric_name = choices[latest]["metric"] if latest else [*asked, "mean_return"][0]
    judged = judging_metric(metric_name)
    if rope is not None and not 0 <= rope < float("inf"):
        raise InputError(f"rope must be a finite number >= 0, got {rope}")
    damaged: list[str] = []
    trials = load_trials(results, where, damaged=damaged, quiet=True)
    known = set(trials["variant"])
    if baseline is not None and known and baseline not in known:
        raise InputError(
            f"the baseline must be a variant of the results, got {baseline!r}"
            f"{near_miss(baseline, known)}"
        )
    with_references = with_references or judged.name in ("regret", "failure_rate")

    def sorted_cells(rows: pd.DataFrame) -> tuple[Cells, dict[str, str], list[str]]:
        """Cells by problem and variant, families, and what the metrics lack."""
        frame, notes = summarise_trials(rows, with_references)
        table = cells_by_problem(frame, specs, baseline or BASELINE)
        return table, family_labels(table, descriptions), notes

    table, families, of_metrics = sorted_cells(trials)
    others = {}
    if where is not None:
        whole, of_whole, _ = sorted_cells(load_trials(results, damaged=[], quiet=True))
        compared = compare_all(whole, judged, choices=choices, families=of_whole)
        others = {c.key: c.p_value for c in compared}
    comparisons = compare_all(table, judged, rope, choices, others, families)
    notes = [*damaged, *problems(results, trials), *of_metrics]
    for env, row in table.items():
        notes += _confirmation_notes(env, row, judged, choices)
    return Study(
        results=results,
        descriptions=descriptions,
        trials=trials,
        table=table,
        families=families,
        judged=judged,
        smooth=smooth,
        where=where,
        notes=notes,
        choices=choices,
        comparisons=comparisons,
    )


def _confirmation_notes(env: str, row: Row, judged: Metric, choices: Choices) -> list[str]:
    """Notes on earlier choices, on those by another metric and on those without fresh seeds."""
    blocks = fresh_blocks(row, judged, choices)
    if not blocks:
        if not any(cell.fresh for cell in row.values()):
            return []
        return [
            f"{env} was confirmed by another metric, so the verdict by {judged.name} is exploratory"
        ]
    *earlier, last = blocks
    notes = []
    for block in earlier:
        sides = [s for cell in row.values() for s in fresh_sides(cell, block, judged, choices)]
        texts = [
            f"{side.cell.variant} {side.label}, {len(side.scored(judged.name).seeds)} seeds"
            for side in sides
        ]
        notes.append(
            f"an earlier confirmation on {env} is not used in the verdict: {'; '.join(texts)}"
        )
    ids = {(config_id, last) for cell in row.values() for config_id in cell.settings.index}
    after = {n for key in ids & choices.keys() for n in choices[key].get("extended_after", ())}
    notes += [f"the confirmation on {env} was extended after {n} seeds" for n in sorted(after)]
    return notes + [
        f"{variant} on {env} has no fresh seeds for the latest choice, so its comparisons are "
        "exploratory"
        for variant, cell in row.items()
        if not fresh_sides(cell, last, judged, choices)
    ]
