"""All that a report, a plot or a selection needs to know of some results, read once."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import Cell, by_environment, cells
from hq_ray.analysis.comparison import Comparison, compare_all
from hq_ray.analysis.contender import best_configuration
from hq_ray.analysis.metrics import METRICS, Metric, metric
from hq_ray.analysis.reading.times import TIMES, Progress, add_times
from hq_ray.analysis.selection import Selection, standing
from hq_ray.analysis.summaries import summarise_trials
from hq_ray.errors import InputError
from hq_ray.load import load_trials, stream_curves
from hq_ray.published import problems
from hq_ray.references import NoReferences, References, references_of
from hq_ray.store import DONE, Results

CURVES = ("episode_return", "steps", "success", "truncated")
IN_RETURNS = ("final_return", "mean_return")
# Up to this share of the best policy's return, or of what it has above a random one's where that is
# less, a difference is held not to matter, unless the person says otherwise.
ROPE_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Study:
    """Results, sorted and compared.

    Attributes:
        results: what was read.
        trials: every committed trial, failed ones too.
        table: cells by environment and variant.
        judged: the metric of the verdict.
        smooth: window of all curves, in episodes.
        notes: sentences on what is missing, failed, mixed or unknown.
        selection: what stage one chose, where the results are a second stage.
        fixed: by (env, variant), the configuration that stands for stage one's choice.
        references: by environment, where its model is at hand.
        ropes: by environment, the size up to which a difference of the metric does not matter.
        comparisons: every variant against its environment's baseline.
        curves: by (env, variant), the episodes of `best[env, variant]`, (n_seeds, n_episodes) by
            column.
        best: by (env, variant), the configuration whose curves are shown.
    """

    results: Sequence[Results]
    trials: pd.DataFrame
    table: Mapping[str, Mapping[str, Cell]]
    judged: Metric
    smooth: int
    notes: Sequence[str]
    selection: Selection | None
    fixed: Mapping[tuple[str, str], int]
    references: Mapping[str, References]
    ropes: Mapping[str, float]
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
        """All of them, by environment and variant."""
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
        """A file name for a figure of one environment; without it where there is only one."""
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
    equal_budget: bool = True,
    with_times: bool = False,
    with_curves: bool = True,
    progress: Progress | None = None,
) -> Study:
    """Reads results and compares what is in them.

    Args:
        results: one sweep or several.
        where: which trials; see `hq_ray.load.load_trials`.
        metric_name: a row of METRICS, by which configurations are chosen and variants judged.
        smooth: window of the trailing mean, in episodes.
        rope: differences up to this size do not matter [the metric's unit]; None takes a hundredth
            of |J*| or of J* - J_random, whichever is less, for returns; nothing for other metrics.
        equal_budget: hold variants with larger grids to the number of configurations of the others.
        with_times: read all episodes for the times to the threshold.
        with_curves: read the episodes of the best configurations.
        progress: called with (configurations read, of how many).

    Raises:
        InputError: the metric, a column or the results are not known; the metric has no better end;
            the rope is no size.
    """
    judged = judging_metric(metric_name)
    _check_rope(rope)
    damaged: list[str] = []
    trials = load_trials(list(results), where, damaged=damaged, quiet=True)
    summaries = summarise_trials(trials[trials["status"] == DONE])
    selection, unread = _selection(results)
    frame, left_out = _fresh(summaries.frame, selection)
    table = _table(frame)
    known = _references(table)
    if with_times or judged.name in TIMES:
        table = _table(add_times(frame, results, table, known, smooth, progress))
    fixed, stand_ins = standing(selection, table, judged) if selection else ({}, [])
    best = _best(table, judged) | fixed
    ropes = _ropes(table, judged, known, rope)
    notes = [*damaged, *problems(list(results), trials), *summaries.notes]
    notes += [*unread, *left_out, *stand_ins, *_unknown_times(table, judged, known)]
    return Study(
        results=results,
        trials=trials,
        table=table,
        judged=judged,
        smooth=smooth,
        notes=notes,
        selection=selection,
        fixed=fixed,
        references=known,
        ropes=ropes,
        comparisons=compare_all(table, judged, fixed, ropes, equal_budget),
        best=best,
        curves=_curves(results, table, best) if with_curves else {},
    )


def judging_metric(name: str) -> Metric:
    """The metric of that name, if one end of it is the better one."""
    found = metric(name)
    if found.zero_is_best:
        usable = [row.name for row in METRICS.values() if not row.zero_is_best]
        raise InputError(
            f"the metric to judge by must have a better end, but {name} is best at 0; "
            f"take one of {', '.join(usable)}"
        )
    return found


def _table(frame: pd.DataFrame) -> dict[str, dict[str, Cell]]:
    return by_environment(cells(frame)) if len(frame) else {}


def _references(table: Mapping[str, Mapping[str, Cell]]) -> dict[str, References]:
    """By environment, where every trial has the same gamma and step limit and the model is here."""
    found = {}
    for env, row in table.items():
        frame = pd.concat([cell.trials.iloc[cell.rows[cell.rows >= 0]] for cell in row.values()])
        keys = frame[["env", "env_args", "fingerprint", "gamma", "max_steps"]].drop_duplicates()
        if len(keys) == 1:
            try:
                values = [None if pd.isna(value) else value for value in keys.iloc[0]]
                found[env] = references_of(*values)
            except NoReferences:
                continue  # summarise_trials has said why
    return found


def _best(table: Mapping[str, Mapping[str, Cell]], judged: Metric) -> dict[tuple[str, str], int]:
    found = {
        (env, variant): best_configuration(cell, judged)
        for env, row in table.items()
        for variant, cell in row.items()
    }
    return {key: number for key, number in found.items() if number is not None}


def _curves(
    results: Sequence[Results],
    table: Mapping[str, Mapping[str, Cell]],
    best: Mapping[tuple[str, str], int],
) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """The episodes of the chosen configurations."""
    keys = list(best)
    groups = [table[env][variant].trial_ids(best[env, variant]) for env, variant in keys]
    return {keys[number]: columns for number, columns in stream_curves(results, groups, CURVES)}


def _selection(results: Sequence[Results]) -> tuple[Selection | None, list[str]]:
    """What stage one chose, where exactly one sweep was read and it is a second stage; notes."""
    contents = [(one.description().get("spec") or {}).get("selection") for one in results]
    if not any(contents):
        return None, []
    if len(results) > 1:
        names = ", ".join(r.location.text for r, c in zip(results, contents, strict=True) if c)
        return None, [
            f"{names} is a second stage but was read together with other results, so its seeds "
            "count as any others; read it alone for the verdict of fresh seeds"
        ]
    try:
        return Selection.from_dict(contents[0]), []
    except InputError as problem:
        return None, [f"{problem}; the configurations are compared as if nothing had chosen them"]


def _fresh(frame: pd.DataFrame, selection: Selection | None) -> tuple[pd.DataFrame, list[str]]:
    """The trials without those on seeds that stage one chose by, and a note on these."""
    if selection is None:
        return frame, []
    used = frame["seed"].isin(list(selection.seeds))
    n = int(used.sum())
    if not n:
        return frame, []
    note = f"{n:,} trial{'s' * (n > 1)} on seeds that stage one chose by left out"
    return frame[~used].reset_index(drop=True), [note]


def _unknown_times(
    table: Mapping[str, Mapping[str, Cell]], judged: Metric, known: Mapping[str, References]
) -> list[str]:
    missing = [env for env in table if env not in known] if judged.name in TIMES else []
    if not missing:
        return []
    return [
        f"{judged.name} is null on {', '.join(missing)}: its threshold takes a model, one gamma, "
        "and one max_steps"
    ]


def _check_rope(rope: float | None) -> None:
    if rope is not None and not 0 <= rope < float("inf"):
        raise InputError(f"rope must be a finite number >= 0, got {rope}")


def _ropes(
    table: Mapping[str, Mapping[str, Cell]],
    judged: Metric,
    known: Mapping[str, References],
    rope: float | None,
) -> dict[str, float]:
    if rope is not None:
        return dict.fromkeys(table, rope)
    if judged.name not in IN_RETURNS:
        return {}
    return {
        env: ROPE_SHARE * _scale(one)
        for env, one in known.items()
        if one.optimal_return > one.random_return
    }


def _scale(one: References) -> float:
    above = one.optimal_return - one.random_return
    # A random walker on a cliff loses so much that any two learners would be alike beside it.
    return min(above, abs(one.optimal_return)) if one.optimal_return else above
