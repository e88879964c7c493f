"""Trials sorted into cells, one per problem and variant: configurations by seeds.

A problem is an environment with its arguments and its model, `episodes`, `max_steps` and `gamma`:
none of these is ever tuned. A cell is what the statistics work on. Its scores are arrays
(n_configurations, n_seeds) with NaN where no trial is done, so that no seed ever counts for a
configuration that it was not run on. They are of exploration alone; the fresh seeds of a
confirmation stand apart from them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hq_ray.analysis.words import format_number
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.store import DONE
from hq_ray.trial import BLOCK, FIRST_FRESH_SEED, UNSEEDED, short_fingerprint

SETTINGS = (*HYPERPARAMETERS, "episodes", "max_steps")
ENVIRONMENT = ["env", "env_args", "fingerprint"]
OF_PROBLEM = ("episodes", "max_steps", "gamma")
BASELINE = "standard"


@dataclass(frozen=True, eq=False)
class Cell:
    """All configurations of one variant on one problem that have a done trial.

    Attributes:
        env: the problem's label, see `problem_labels`.
        variant: the update rule.
        settings: one row per configuration, a column for each of SETTINGS.
        config_ids: of the configurations.
        seeds: `(n_seeds,)`, rising: those that any configuration explored.
        rows: `(n_configurations, n_seeds)`, row in `trials`; -1 where no trial is done.
        tried: `(n_configurations, n_seeds)`, whether there is a trial, done or failed.
        fresh: one row per trial of a confirmation, by rising seed: `block`, `number` of the
            configuration, `seed`, `row` in `trials` or -1 where it failed.
        trials: the frame that the rows point into.
    """

    env: str
    variant: str
    settings: pd.DataFrame
    config_ids: list[str]
    seeds: np.ndarray
    rows: np.ndarray
    tried: np.ndarray
    fresh: pd.DataFrame
    trials: pd.DataFrame

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> np.ndarray:
        """A column of all trials, `(n_trials,)`, NaN where it is not known."""
        return self.trials[name].to_numpy(dtype=float, na_value=np.nan)

    def scores(self, name: str) -> np.ndarray:
        """A column of the exploration, `(n_configurations, n_seeds)`, NaN where there is none."""
        return np.where(self.rows < 0, np.nan, self.column(name)[self.rows])

    @property
    def first_trial(self) -> pd.Series:
        """A done trial; all of a cell have its environment, model, lengths and gamma."""
        rows = np.append(self.rows, self.fresh["row"])
        return self.trials.iloc[int(rows[rows >= 0][0])]

    @property
    def problem(self) -> tuple:
        """What the problem is, however it is labelled."""
        values = self.first_trial[[*ENVIRONMENT, *OF_PROBLEM]]
        return tuple(None if pd.isna(value) else value for value in values)

    @property
    def reference_key(self) -> tuple:
        """What decides the best that can be reached, see `analysis.summaries.REFERENCE_KEY`."""
        *environment, _, max_steps, gamma = self.problem
        return *environment, gamma, max_steps

    @property
    def unseeded(self) -> bool:
        """Whether trials of one seed did not meet the same environment."""
        return self.first_trial["fingerprint"] == UNSEEDED

    @property
    def common(self) -> np.ndarray:
        """Seeds that every configuration explored, but for those that explored none."""
        return self.seeds[self.tried[self.tried.any(axis=1)].all(axis=0)]

    def trial_ids(self, configuration: int) -> list[str]:
        """Of the done trials of a configuration, by rising seed."""
        rows = self.rows[configuration]
        return self.trials["trial_id"].iloc[rows[rows >= 0]].tolist()

    @cached_property
    def varying(self) -> pd.DataFrame:
        """The columns of `settings` that have more than one level; null is a level."""
        several = [c for c in self.settings if self.settings[c].nunique(dropna=False) > 1]
        return self.settings[several]

    @cached_property
    def labels(self) -> list[str]:
        """Every configuration in words, of what varies: `alpha 0.1, eps_shift 10`."""
        if not self.varying.shape[1]:
            return ["the only configuration"] * len(self)
        columns = [_words(name, self.varying[name]) for name in self.varying]
        return [", ".join(filter(None, words)) for words in zip(*columns, strict=True)]


def _words(name: str, column: pd.Series) -> list[str]:
    """`alpha 0.1` for each row; nothing where the configuration does not read it."""
    codes, levels = pd.factorize(column)
    texts = [f"{name} {level_text(level)}" for level in levels]
    return [texts[code] if code >= 0 else "" for code in codes]


def level_text(value: object) -> str:
    """A level of a hyperparameter for a reader."""
    if isinstance(value, str):
        return value
    return "none" if pd.isna(value) else format_number(float(value))


def environment_name(env: str, env_args: str) -> str:
    """An environment in words, as `VelocityGrid-v0, max_speed 2`."""
    arguments = json.loads(env_args).items()
    words = [f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in arguments]
    return ", ".join([env, *words])


def environment_labels(trials: pd.DataFrame) -> pd.Series:
    """The label of the spec, else `environment_name`; with what tells two apart added."""
    several = trials.drop_duplicates(ENVIRONMENT).reset_index(drop=True)
    pairs = zip(several["env"], several["env_args"], strict=True)
    names = pd.Series([environment_name(*pair) for pair in pairs], dtype=object)
    given = several["label"].dropna().groupby(names).min().to_dict()
    labels = names.map(lambda name: given.get(name, name))
    shared = names.groupby(labels).transform("nunique") > 1
    labels = labels.where(~shared | (labels == names), labels + " (" + names + ")")
    models = several["fingerprint"].astype(object)
    models = models.where(models.notna(), None)
    mixed = models.groupby(names).transform("nunique", dropna=False) > 1
    named = models.map(lambda one: f"model {short_fingerprint(one)}" if one else "no model")
    labels = labels.where(~mixed, labels + " (" + named + ")")
    return _of_rows(trials, several.assign(text=labels), ENVIRONMENT)


def problem_labels(trials: pd.DataFrame) -> pd.Series:
    """The environment's label, and what else tells its problems apart: `A-v0, gamma 0.9`."""
    several = trials.assign(environment=environment_labels(trials))
    several = several.drop_duplicates([*ENVIRONMENT, *OF_PROBLEM]).reset_index(drop=True)
    labels = several["environment"]
    for name in OF_PROBLEM:
        differs = several.groupby("environment")[name].transform("nunique", dropna=False) > 1
        levels = several[name].map(level_text)
        labels = labels.where(~differs, labels + f", {name} " + levels)
    return _of_rows(trials, several.assign(text=labels), [*ENVIRONMENT, *OF_PROBLEM])


def _of_rows(trials: pd.DataFrame, several: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
    """The column `text` of the distinct rows, for each of all rows."""
    number = trials.groupby(list(keys), dropna=False, sort=False).ngroup()
    return pd.Series(several["text"].to_numpy(dtype=object)[number], index=trials.index)


def cells(trials: pd.DataFrame) -> list[Cell]:
    """The cells of trials, by problem and then by variant, in alphabetical order.

    Configurations are in the order of their settings, so the result depends on the trials alone,
    not on the order in which they were found.

    Args:
        trials: rows as `hq_ray.load.load_trials` gives them, done and failed, each trial once.
    """
    trials = trials.sort_values("trial_id", ignore_index=True)
    done = (trials["status"] == DONE).to_numpy()
    fresh = (trials["seed"] >= FIRST_FRESH_SEED).to_numpy()
    labels = problem_labels(trials)
    found = []
    for (env, variant), part in trials.groupby([labels, trials["variant"].astype(str)]):
        keys = [*SETTINGS, "config_id"]
        part = part.assign(number=part.groupby(keys, dropna=False, sort=True).ngroup())
        settings = part.drop_duplicates("number").sort_values("number")
        there = np.isin(settings["number"], part["number"][done[part.index]])
        if not there.any():
            continue
        explored = part[~fresh[part.index]]
        seeds, column = np.unique(explored["seed"].to_numpy(), return_inverse=True)
        rows = np.full((len(settings), len(seeds)), -1)
        tried = rows >= 0
        at = explored["number"].to_numpy(), column
        rows[at] = np.where(done[explored.index], explored.index, -1)
        tried[at] = True
        confirmed = part[fresh[part.index]].sort_values("seed")
        confirmed = confirmed[there[confirmed["number"]]]
        found.append(
            Cell(
                env,
                variant,
                settings[list(SETTINGS)][there].reset_index(drop=True),
                settings["config_id"][there].tolist(),
                seeds,
                rows[there],
                tried[there],
                pd.DataFrame(
                    {
                        "block": (confirmed["seed"] - FIRST_FRESH_SEED) // BLOCK,
                        "number": (np.cumsum(there) - 1)[confirmed["number"]],
                        "seed": confirmed["seed"],
                        "row": np.where(done[confirmed.index], confirmed.index, -1),
                    }
                ),
                trials,
            )
        )
    return found


def by_environment(
    found: Sequence[Cell], variants: Sequence[str] = (), baseline: str = BASELINE
) -> dict[str, dict[str, Cell]]:
    """Cells by problem and variant: the baseline first, then in the order given, then by name.

    Args:
        found: see `cells`.
        variants: in the order of the specs; the first one is the baseline where `baseline` is not.
        baseline: the variant that the others are compared with.
    """
    order = list(dict.fromkeys([baseline, *variants]))

    def rank(cell: Cell) -> tuple:
        known = cell.variant in order
        return cell.env, order.index(cell.variant) if known else len(order), cell.variant

    table: dict[str, dict[str, Cell]] = {}
    for cell in sorted(found, key=rank):
        table.setdefault(cell.env, {})[cell.variant] = cell
    return table
