"""Two-stage selection: choose on the seeds at hand, judge on fresh ones.

The best of many configurations owes part of its score to luck: of N equal ones, the best mean of n
seeds lies about sqrt(2 ln N) standard errors too high. So stage one only chooses, each variant out
of equally many configurations, and what is said of the chosen ones comes from seeds that had no
part in the choice. See Cawley and Talbot, "On Over-fitting in Model Selection", JMLR 2010.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from analysis.cells import SETTINGS, VARIANT_ORDER, Cell
from analysis.metrics import metric
from analysis.tuning import top_configurations
from hq_ray.errors import InputError


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
        for number in range(len(cell)):
            if settings_of(cell, number) == self.settings:
                return number
        return None


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
            chosen = [Chosen(**one) for one in content["chosen"]]
            return cls(**{**content, "chosen": chosen})
        except (KeyError, TypeError) as problem:
            raise InputError(
                f"the selection of a stage-two sweep must be one that `hq-ray select` wrote: "
                f"{problem}"
            ) from None


def settings_of(cell: Cell, configuration: int) -> dict[str, object]:
    """A configuration's settings as plain values, without those that it does not read."""
    row = cell.settings.iloc[configuration]
    found = {}
    for name in SETTINGS:
        value = row[name]
        if isinstance(value, str):
            found[name] = value
        elif value is not None and not math.isnan(value):
            found[name] = (
                int(value) if float(value).is_integer() and name in WHOLE else float(value)
            )
    return found


WHOLE = {"alpha_decay_episodes", "eps_decay_episodes", "episodes", "max_steps"}


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
    sign = 1.0 if metric(metric_name).higher_is_better else -1.0
    chosen, budgets, seeds = [], {}, set()
    for env, row in table.items():
        budgets[env] = tuning_budget(row) if equal_budget else max(map(len, row.values()))
        for variant, cell in row.items():
            seeds |= {int(one) for one in cell.seeds}
            scores = cell.scores(metric_name)
            for rank, number in enumerate(
                top_configurations(sign * scores, top, min(budgets[env], len(cell)), seed), start=1
            ):
                mine = scores[number][np.isfinite(scores[number])]
                se = float(mine.std(ddof=1) / math.sqrt(mine.size)) if mine.size > 1 else None
                settings = settings_of(cell, number)
                summary = (float(mine.mean()), se, int(mine.size))
                chosen.append(Chosen(env, variant, rank, settings, *summary))
    if not chosen:
        raise InputError(f"a selection needs trials that have {metric_name}, found none")
    return Selection(results, metric_name, sorted(seeds), budgets, chosen)


def tuning_budget(row: Mapping[str, Cell]) -> int:
    """How many configurations every variant of an environment may be chosen from.

    The smaller grid of the first question's two variants: a control that has next to nothing to
    tune, such as minimum, holds nobody back.
    """
    asked = [cell for variant, cell in row.items() if variant in VARIANT_ORDER]
    return min(map(len, asked if len(asked) > 1 else row.values()))


def fresh_seeds(used: Sequence[int], n: int) -> range:
    """n seeds above all used ones, from the next round thousand."""
    first = (max(used, default=-1) // 1000 + 1) * 1000
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
            {"env": dict(environments[one.env]), "variant": one.variant, **one.settings}
            for one in selection.chosen
        ],
        "selection": selection.to_dict(),
    }


def environments_of(table: Mapping[str, Mapping[str, Cell]]) -> dict[str, dict]:
    """By the name that cells have, the environment as specs name it: `{"id": ..., **arguments}`."""
    found = {}
    for env, row in table.items():
        cell = next(iter(row.values()))
        trial = cell.trials.iloc[cell.rows[cell.rows >= 0][0]]
        found[env] = {"id": trial["env"], **json.loads(trial["env_args"])}
    return found
