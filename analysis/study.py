"""All that a report or a plot needs to know of some results, read once."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import Cell, by_environment, cells
from hq_ray.analysis.comparison import Comparison, best_configuration, compare_all
from hq_ray.analysis.metrics import Metric, judging_metric
from hq_ray.analysis.summaries import summarise_trials
from hq_ray.errors import InputError
from hq_ray.load import load_trials, stream_curves
from hq_ray.planning import NoReferences, References, references_of
from hq_ray.published import problems
from hq_ray.store import DONE, FAILED, Results

CURVES = ("episode_return", "steps", "success", "truncated")


@dataclass(frozen=True, eq=False)
class Study:
    """Results, sorted and compared.

    Attributes:
        results: what was read.
        trials: every committed trial, failed ones too.
        table: cells by problem and variant, the baseline first.
        judged: the metric of the verdict.
        smooth: window of all curves, in episodes.
        notes: sentences on what is missing, failed, left out, mixed or unknown.
        references: by problem, where its model is at hand.
        comparisons: every variant against its problem's baseline.
        best: by (problem, variant), the configuration that was compared, or else the best one.
        curves: by (problem, variant), the episodes of the best configuration, (n_seeds,
            n_episodes) by column.
    """

    results: Sequence[Results]
    trials: pd.DataFrame
    table: Mapping[str, Mapping[str, Cell]]
    judged: Metric
    smooth: int
    notes: Sequence[str]
    references: Mapping[str, References]
    comparisons: Sequence[Comparison]
    best: Mapping[tuple[str, str], int]
    curves: Mapping[tuple[str, str], Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the results: their folders' names."""
        return " and ".join(one.location.path.rpartition("/")[2] for one in self.results)

    @property
    def descriptions(self) -> list[dict]:
        """The sweep.json of each of the results."""
        return [one.description() for one in self.results]

    @property
    def cells(self) -> list[Cell]:
        """All of them, by problem and variant."""
        return [cell for row in self.table.values() for cell in row.values()]

    @cached_property
    def data_words(self) -> str:
        """A digest of what every number here rests on: the trials and their scores."""
        done = self.trials[self.trials["status"] == DONE].sort_values("trial_id")
        digest = hashlib.sha256("".join(done["trial_id"]).encode())
        for name in ("mean_return", "final_return"):
            digest.update(done[name].to_numpy(dtype=float, na_value=np.nan).tobytes())
        return f"{len(done):,} trials, data {digest.hexdigest()[:12]}."

    @property
    def lead(self) -> str:
        """One sentence on what was read."""
        n_configurations = sum(map(len, self.cells))
        counts = (
            (len(self.trials), "trial"),
            (n_configurations, "configuration"),
            (len({cell.variant for cell in self.cells}), "variant"),
            (len(self.table), "environment"),
        )
        words = ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for n, word in counts)
        return f"{words}. Judged by {self.judged.label}."

    def stem(self, kind: str, env: str) -> str:
        """A file name for a figure of one problem; without it where there is only one."""
        if len(self.table) < 2:
            return kind
        plain = {one: re.sub(r"[^A-Za-z0-9.-]+", "_", one).strip("_") for one in self.table}
        clash = list(plain.values()).count(plain[env]) > 1
        return f"{kind}_{plain[env]}" + (f"_{list(plain).index(env)}" if clash else "")


def study(
    results: Sequence[Results],
    *,
    where: object = None,
    metric_name: str = "final_return",
    smooth: int = 151,
    rope: float | None = None,
    with_curves: bool = True,
) -> Study:
    """Reads results and compares what is in them.

    Args:
        results: one sweep or several.
        where: which trials; see `hq_ray.load.load_trials`.
        metric_name: a row of METRICS, by which configurations are chosen and variants judged.
        smooth: window of the trailing mean, in episodes.
        rope: differences up to this size do not matter [the metric's unit]; None where nobody said.
        with_curves: read the episodes of the best configurations.

    Raises:
        InputError: the metric, a column or the results are not known; the metric has no better end;
            the rope is no size.
    """
    judged = judging_metric(metric_name)
    if rope is not None and not 0 <= rope < float("inf"):
        raise InputError(f"rope must be a finite number >= 0, got {rope}")
    damaged: list[str] = []
    trials = load_trials(list(results), where, damaged=damaged, quiet=True)
    table, notes = _table(results, trials)
    family = {} if where is None else _family(results, judged)
    comparisons = compare_all(table, judged, rope, family)
    best = _best(table, judged, comparisons)
    return Study(
        results=results,
        trials=trials,
        table=table,
        judged=judged,
        smooth=smooth,
        notes=[*damaged, *problems(list(results), trials), *notes],
        references=_references(table),
        comparisons=comparisons,
        best=best,
        curves=_curves(results, table, best) if with_curves else {},
    )


def _table(
    results: Sequence[Results], trials: pd.DataFrame
) -> tuple[dict[str, dict[str, Cell]], list[str]]:
    """Cells by problem and variant, and notes. What is left out counts as tried, like a failure."""
    found = summarise_trials(trials)
    rest = trials[~trials["trial_id"].isin(found.frame["trial_id"])].assign(status=FAILED)
    frame = pd.concat([found.frame, rest], ignore_index=True) if len(rest) else found.frame
    known = by_environment(cells(frame), _variants(results)) if len(found.frame) else {}
    return known, found.notes


def _variants(results: Sequence[Results]) -> list[str]:
    """The variants of the specs, in their order."""
    names = []
    for one in results:
        spec = one.description().get("spec") or {}
        names += spec.get("variant") or []
        names += [entry["variant"] for entry in spec.get("configurations") or []]
    return names


def _family(results: Sequence[Results], judged: Metric) -> dict[tuple, float]:
    """The p-values of all comparisons of the results, whichever of their trials are asked for."""
    table, _ = _table(results, load_trials(list(results), damaged=[], quiet=True))
    return {one.key: one.p_value for one in compare_all(table, judged)}


def _references(table: Mapping[str, Mapping[str, Cell]]) -> dict[str, References]:
    """By problem, where the model is here."""
    found = {}
    for env, row in table.items():
        trial = next(iter(row.values())).first_trial
        keys = trial[["env", "env_args", "fingerprint", "gamma", "max_steps"]]
        try:
            found[env] = references_of(*(None if pd.isna(value) else value for value in keys))
        except NoReferences:
            continue  # summarise_trials has said why
    return found


def _best(
    table: Mapping[str, Mapping[str, Cell]], judged: Metric, comparisons: Sequence[Comparison]
) -> dict[tuple[str, str], int]:
    found = {}
    for one in comparisons:
        for side in (one.base, one.ours) if one.difference is not None else ():
            found.setdefault((one.env, side.cell.variant), side.number)
    best = {
        (env, variant): found.get((env, variant), best_configuration(cell, judged))
        for env, row in table.items()
        for variant, cell in row.items()
    }
    return {key: number for key, number in best.items() if number is not None}


def _curves(
    results: Sequence[Results],
    table: Mapping[str, Mapping[str, Cell]],
    best: Mapping[tuple[str, str], int],
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """The episodes of the chosen configurations."""
    keys = list(best)
    groups = [table[env][variant].trial_ids(best[env, variant]) for env, variant in keys]
    return {keys[number]: columns for number, columns in stream_curves(results, groups, CURVES)}
