"""Trials sorted into cells, one per environment and variant: configurations by seeds.

A cell is what the statistics work on. Its scores are arrays (n_configurations, n_seeds) with NaN
where a trial is missing, so that no seed ever counts for a configuration that it was not run on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.captions import format_number
from hq_ray.hyperparameters import HYPERPARAMETERS

SETTINGS = (*HYPERPARAMETERS, "episodes", "max_steps")
IDENTITY = ("env", "env_args", "fingerprint", "variant", *SETTINGS)


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

    def scores(self, name: str) -> np.ndarray:
        """A column of the trials, `(n_configurations, n_seeds)`, NaN where there is none."""
        values = self.trials[name].to_numpy(dtype=float, na_value=np.nan)
        return np.where(self.rows < 0, np.nan, values[self.rows])

    def trial_ids(self, configuration: int) -> list[str]:
        """Of the trials of a configuration, by rising seed."""
        rows = self.rows[configuration]
        return self.trials["trial_id"].iloc[rows[rows >= 0]].tolist()

    @property
    def varying(self) -> pd.DataFrame:
        """The columns of `settings` that have more than one level."""
        several = [c for c in self.settings if self.settings[c].nunique(dropna=False) > 1]
        return self.settings[several]

    def label(self, configuration: int, names: Sequence[str] | None = None) -> str:
        """A configuration in words: `alpha 0.1, eps_shift 10`, of what varies or of `names`."""
        row = self.settings.iloc[configuration]
        names = list(self.varying) if names is None else names
        words = [f"{name} {level_text(row[name])}" for name in names if not pd.isna(row[name])]
        return ", ".join(words) or "the only configuration"


def level_text(value: object) -> str:
    """A level of a hyperparameter for a reader."""
    if isinstance(value, str):
        return value
    return "none" if pd.isna(value) else format_number(float(value))


def environment_labels(trials: pd.DataFrame) -> pd.Series:
    """`id`, `id {arguments}`, and the model's digest where an environment has several models."""
    labels = trials["env"].astype(str)
    labels = labels.where(trials["env_args"] == "{}", labels + " " + trials["env_args"].astype(str))
    models = trials["fingerprint"].fillna("no model").astype(str)
    mixed = models.groupby(labels).transform("nunique") > 1
    return labels.where(~mixed, labels + " (model " + models.str[:8] + ")")


def cells(trials: pd.DataFrame) -> list[Cell]:
    """The cells of done trials, by environment and then by variant, in alphabetical order.

    Configurations are in the order of their settings, so the result depends on the trials alone,
    not on the order in which they were found.

    Args:
        trials: rows as `analysis.load.load_trials` gives them, all done, each trial once.
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


VARIANT_ORDER = ("standard", "harmonic")


def variant_rank(variant: str) -> tuple[int, str]:
    """Sorts the two variants of the first question before the controls."""
    known = variant in VARIANT_ORDER
    return (VARIANT_ORDER.index(variant) if known else len(VARIANT_ORDER), variant)
