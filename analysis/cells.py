"""Trials sorted into cells, one per environment and variant: configurations by seeds.

A cell is what the statistics work on. Its scores are arrays (n_configurations, n_seeds) with NaN
where a trial is missing, so that no seed ever counts for a configuration that it was not run on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hq_ray.analysis.drawing.captions import format_number
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.trial import UNSEEDED, short_fingerprint

SETTINGS = (*HYPERPARAMETERS, "episodes", "max_steps")
# The two of the first question go before the controls; the first one there is the baseline.
VARIANT_ORDER = ("standard", "harmonic")


@dataclass(frozen=True, eq=False)
class Cell:
    """All configurations of one variant on one environment.

    Attributes:
        env: id of the environment, with its arguments where it has some.
        variant: the update rule.
        settings: one row per configuration, a column for each of SETTINGS.
        seeds: `(n_seeds,)`, rising: those that any configuration was run on.
        rows: `(n_configurations, n_seeds)`, row in `trials`; -1 where there is no trial.
        trials: the frame that the rows point into.
    """

    env: str
    variant: str
    settings: pd.DataFrame
    seeds: np.ndarray
    rows: np.ndarray
    trials: pd.DataFrame

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def unseeded(self) -> bool:
        """Whether trials of one seed did not meet the same environment."""
        return bool((self.trials["fingerprint"].iloc[self.rows[self.rows >= 0]] == UNSEEDED).any())

    def scores(self, name: str) -> np.ndarray:
        """A column of the trials, `(n_configurations, n_seeds)`, NaN where there is none."""
        values = self.trials[name].to_numpy(dtype=float, na_value=np.nan)
        return np.where(self.rows < 0, np.nan, values[self.rows])

    def trial_ids(self, configuration: int) -> list[str]:
        """Of the trials of a configuration, by rising seed."""
        rows = self.rows[configuration]
        return self._trial_ids[rows[rows >= 0]].tolist()

    @cached_property
    def _trial_ids(self) -> np.ndarray:
        return self.trials["trial_id"].to_numpy(dtype=object)

    @cached_property
    def varying(self) -> pd.DataFrame:
        """The columns of `settings` that have more than one level; null is a level."""
        several = [c for c in self.settings if self.settings[c].nunique(dropna=False) > 1]
        return self.settings[several]

    def label(self, configuration: int) -> str:
        """A configuration in words, of what varies: `alpha 0.1, eps_shift 10`."""
        return self.labels[configuration]

    @cached_property
    def labels(self) -> list[str]:
        """Every configuration in words."""
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


def environment_labels(trials: pd.DataFrame) -> pd.Series:
    """`id`, `id {arguments}`, and the model's digest where an environment has several models."""
    labels = trials["env"].astype(str)
    labels = labels.where(trials["env_args"] == "{}", labels + " " + trials["env_args"].astype(str))
    models = trials["fingerprint"].astype(object)
    models = models.where(models.notna(), None)
    mixed = models.groupby(labels).transform("nunique", dropna=False) > 1
    named = models.map(lambda one: f"model {short_fingerprint(one)}" if one else "no model")
    return labels.where(~mixed, labels + " (" + named + ")")


def cells(trials: pd.DataFrame) -> list[Cell]:
    """The cells of done trials, by environment and then by variant, in alphabetical order.

    Configurations are in the order of their settings, so the result depends on the trials alone,
    not on the order in which they were found.

    Args:
        trials: rows as `hq_ray.load.load_trials` gives them, all done, each trial once.
    """
    trials = trials.sort_values("trial_id", ignore_index=True)
    labels = environment_labels(trials)
    found = []
    for (env, variant), part in trials.groupby([labels, trials["variant"].astype(str)]):
        number = part.groupby(list(SETTINGS), dropna=False, sort=True).ngroup().to_numpy()
        seeds, column = np.unique(part["seed"].to_numpy(), return_inverse=True)
        rows = np.full((number.max() + 1, len(seeds)), -1)
        rows[number, column] = part.index.to_numpy()
        first = np.unique(number, return_index=True)[1]
        settings = part[list(SETTINGS)].iloc[first].reset_index(drop=True)
        found.append(Cell(env, variant, settings, seeds, rows, trials))
    return found


def by_environment(found: Sequence[Cell]) -> dict[str, dict[str, Cell]]:
    """Cells by environment and variant; variants in the order of VARIANT_ORDER, then by name."""
    table: dict[str, dict[str, Cell]] = {}
    for cell in sorted(found, key=lambda cell: (cell.env, variant_rank(cell.variant))):
        table.setdefault(cell.env, {})[cell.variant] = cell
    return table


def variant_rank(variant: str) -> tuple[int, str]:
    """Sorts the two variants of the first question before the controls."""
    known = variant in VARIANT_ORDER
    return (VARIANT_ORDER.index(variant) if known else len(VARIANT_ORDER), variant)
