"""Two-stage selection: choose on the seeds at hand, judge on fresh ones.

The best of many configurations owes part of its score to luck: of N equal ones, the best mean of n
seeds lies about sqrt(2 ln N) standard errors too high. So stage one only chooses, each variant out
of equally many configurations, and what is said of the chosen ones comes from seeds that had no
part in the choice. See Cawley and Talbot, "On Over-fitting in Model Selection", JMLR 2010.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import SETTINGS, VARIANT_ORDER, Cell
from hq_ray.analysis.contender import best_configurations, choosable_scores
from hq_ray.analysis.metrics import Metric, metric
from hq_ray.analysis.statistics.means import mean_and_se
from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.trial import MAX_SEED


@dataclass(frozen=True)
class Chosen:
    """A configuration that stage one chose.

    Attributes:
        env: as cells name it.
        variant: the update rule.
        rank: 1 is the best.
        settings: hyperparameters, episodes and max_steps, without those that are not read.
        mean, se, n: of the metric over the stage-one seeds; se None with one seed.
    """

    env: str
    variant: str
    rank: int
    settings: Mapping[str, object]
    mean: float
    se: float | None
    n: int

    def row(self, cell: Cell) -> int | None:
        """Which configuration of a cell it is; None where the cell has none like it."""
        same = np.full(len(cell), set(self.settings) <= set(SETTINGS))
        for name in SETTINGS:
            column, level = cell.settings[name], self.settings.get(name)
            same &= (column.isna() if level is None else column == level).to_numpy(dtype=bool)
        found = np.flatnonzero(same)
        return int(found[0]) if found.size else None


@dataclass(frozen=True)
class Selection:
    """What stage one chose, and by which rule.

    Attributes:
        results: where stage one lies.
        metric: by whose mean over seeds.
        seeds: those of stage one.
        budget: by environment, how many configurations each variant was chosen from.
        chosen: by environment, variant and rank.
    """

    results: str
    metric: str
    seeds: Sequence[int]
    budget: Mapping[str, int]
    chosen: Sequence[Chosen]

    def to_dict(self) -> dict:
        """In plain JSON values; `from_dict` makes it again."""
        return {
            "results": self.results,
            "metric": self.metric,
            "seeds": [int(seed) for seed in self.seeds],
            "budget": dict(self.budget),
            "chosen": [asdict(one) for one in self.chosen],
        }

    @classmethod
    def from_dict(cls, content: Mapping) -> "Selection":
        """The selection that a stage-two spec carries.

        Raises:
            InputError: it is not one that `to_dict` wrote.
        """
        try:
            chosen = [
                Chosen(**{**one, "settings": dict(one["settings"])}) for one in content["chosen"]
            ]
            metric(content["metric"])
            return cls(**{**content, "chosen": chosen})
        except (KeyError, TypeError, ValueError) as problem:
            raise InputError(
                f"the selection of a stage-two sweep must be one that `hq-ray select` wrote: "
                f"{problem}"
            ) from None


def settings_of(cell: Cell, configuration: int) -> dict[str, object]:
    """A configuration's settings as plain values, without those that it does not read."""
    found = {name: cell.settings[name].iloc[configuration] for name in SETTINGS}
    kinds = {name: row.kind for name, row in HYPERPARAMETERS.items()}
    return {n: kinds.get(n, int)(level) for n, level in found.items() if not pd.isna(level)}


def select(
    table: Mapping[str, Mapping[str, Cell]],
    results: str,
    metric_name: str,
    top: int = 3,
    equal_budget: bool = True,
    seed: int = 0,
) -> Selection:
    """The best configurations of each variant on each environment by their mean over seeds.

    With `equal_budget` every variant of an environment is chosen from as many configurations as
    `tuning_budget` says, drawn at random from the larger grids: a finer grid is no merit.

    Args:
        table: cells by environment and variant.
        results: where they were read, for the record.
        metric_name: a row of METRICS.
        top: how many to choose of each.
        equal_budget: whether larger grids are cut.
        seed: of the draw.
    """
    judged = metric(metric_name)
    chosen, budgets, seeds = [], {}, set()
    for env, row in table.items():
        counts = {variant: n_choosable(cell, judged) for variant, cell in row.items()}
        budgets[env] = tuning_budget(counts) if equal_budget else max(counts.values())
        for cell in row.values():
            seeds |= set(cell.seeds.tolist())
            best = best_configurations(cell, judged, top, max(1, budgets[env]), seed)
            chosen += [
                _chosen(cell, int(number), rank, metric_name)
                for rank, number in enumerate(best, start=1)
            ]
    if not chosen:
        raise InputError(f"a selection needs trials that have {metric_name}, found none")
    return Selection(results, metric_name, sorted(seeds), budgets, chosen)


def _chosen(cell: Cell, number: int, rank: int, metric_name: str) -> Chosen:
    scores = cell.scores(metric_name)[number]
    over = mean_and_se(scores[np.isfinite(scores)][:, None])
    se = None if over.se is None else float(over.se[0])
    settings = settings_of(cell, number)
    return Chosen(cell.env, cell.variant, rank, settings, float(over.mean[0]), se, over.n)


def n_choosable(cell: Cell, judged: Metric) -> int:
    """How many configurations of a cell can be chosen by a metric."""
    return int(np.isfinite(choosable_scores(cell, judged)).any(axis=1).sum())


def tuning_budget(counts: Mapping[str, int]) -> int:
    """How many configurations every variant of an environment may be chosen from.

    The smaller grid of the first question's two variants: a control that has next to nothing to
    tune, such as minimum, holds nobody back.

    Args:
        counts: by variant, the configurations that there are.
    """
    asked = [counts[variant] for variant in VARIANT_ORDER if variant in counts]
    return min(asked if len(asked) > 1 else counts.values())


def fresh_seeds(used: Sequence[int], n: int) -> range:
    """n seeds above all used ones, from the next round thousand.

    Raises:
        InputError: there are no seeds so great.
    """
    first = (int(max(used, default=-1)) // 1000 + 1) * 1000
    if first + n - 1 > MAX_SEED:
        raise InputError(f"fresh seeds must lie above all used ones, got {first - 1}, up to 2**63")
    return range(first, first + n)


def stage_two_spec(
    selection: Selection, name: str, seeds: range, environments: Mapping[str, Mapping]
) -> dict:
    """The spec of the second stage, in the form that a sweep reads.

    Args:
        selection: what stage one chose.
        name: of the second sweep.
        seeds: fresh ones.
        environments: by the name that cells have, `{"id": ..., **arguments}`.
    """
    return {
        "name": name,
        "seeds": f"{seeds[0]}-{seeds[-1]}",
        "configurations": [
            {"env": deepcopy(environments[one.env]), "variant": one.variant, **one.settings}
            for one in selection.chosen
        ],
        "selection": selection.to_dict(),
    }


def environments_of(table: Mapping[str, Mapping[str, Cell]]) -> dict[str, dict]:
    """By the name that cells have, the environment as specs name it: `{"id": ..., **arguments}`.

    Raises:
        InputError: the trials of one environment come from several models of it.
    """
    found: dict[str, dict] = {}
    for env, row in table.items():
        cell = next(iter(row.values()))
        trial = cell.trials.iloc[cell.rows[cell.rows >= 0][0]]
        request = {"id": trial["env"], **json.loads(trial["env_args"])}
        if request in found.values():
            raise InputError(
                f"a second stage needs one model of each environment, got several of {env}; "
                "choose one by its fingerprint, like --where \"fingerprint == '...'\""
            )
        found[env] = request
    return found


def standing(
    selection: Selection, table: Mapping[str, Mapping[str, Cell]], judged: Metric
) -> tuple[dict[tuple[str, str], int], list[str]]:
    """Who stands for each variant in a second stage: what stage one ranked first.

    Where that has no score here, the next rank stands in, and a note says so.

    Returns:
        By (env, variant) the configuration, and the notes.
    """
    found: dict[tuple[str, str], int] = {}
    missing: dict[tuple[str, str], list[int]] = {}
    for one in sorted(selection.chosen, key=lambda one: one.rank):
        key = (one.env, one.variant)
        cell = table.get(one.env, {}).get(one.variant)
        number = None if cell is None else one.row(cell)
        if key in found:
            continue
        if number is None or not np.isfinite(cell.scores(judged.name)[number]).any():
            missing.setdefault(key, []).append(one.rank)
        else:
            found[key] = number
    notes = [
        f"{variant} on {env}: what stage one ranked {' and '.join(map(str, ranks))} has no "
        f"{judged.label} here; "
        + (f"rank {max(ranks) + 1} stands in" if (env, variant) in found else "nothing stands in")
        for (env, variant), ranks in missing.items()
    ]
    return found, notes
