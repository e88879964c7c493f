"""Trials sorted into cells, one per problem and variant: configurations by seeds.

A problem is an environment with its arguments and its model, `episodes`, `max_steps` and `gamma`:
none of these is ever tuned. A cell is what the statistics work on. Its scores are of exploration
alone, NaN where no trial is done, so that no seed ever counts for a configuration that it was not
run on; the trials of a confirmation are kept apart.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hq_ray.analysis.words import format_number
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.store import DONE
from hq_ray.trial import CONFIRMATION, UNSEEDED, block_of, environment_name, short_fingerprint

SETTING_COLUMNS = (*HYPERPARAMETERS, "episodes", "max_steps")
ENVIRONMENT = ["env", "env_args", "fingerprint"]
LENGTHS_AND_GAMMA = ["episodes", "max_steps", "gamma"]
PROBLEM = [*ENVIRONMENT, *LENGTHS_AND_GAMMA]
BASELINE = "standard"

Row = Mapping[str, "Cell"]
"""The cells of a problem by variant, the baseline first."""
Cells = Mapping[str, Row]
"""The cells by problem and variant."""


@dataclass(frozen=True, eq=False)
class Cell:
    """All configurations of one variant on one problem that have a done trial.

    Attributes:
        env: the problem's label, see `problem_labels`.
        variant: the update rule.
        settings: one row per configuration, indexed by `config_id`, a column for each of
            SETTING_COLUMNS and of `with_own_settings`.
        trials: of these configurations, done and failed, by rising seed.
    """

    env: str
    variant: str
    settings: pd.DataFrame
    trials: pd.DataFrame

    def __len__(self) -> int:
        return len(self.settings)

    @cached_property
    def explored(self) -> pd.DataFrame:
        """The trials of the exploration."""
        return self.trials[self.trials["role"] != CONFIRMATION]

    @cached_property
    def fresh(self) -> dict[tuple[int, str], pd.DataFrame]:
        """The trials of confirmations, by block and `config_id`; by rising seed, their index."""
        trials = self.trials[self.trials["role"] == CONFIRMATION]
        keys = [block_of(trials["seed"].to_numpy()), trials["config_id"].to_numpy()]
        parts = trials.set_index("seed").groupby(keys)
        return {(int(block), config_id): part for (block, config_id), part in parts}

    @cached_property
    def seeds(self) -> np.ndarray:
        """Those that any configuration explored, `(n_seeds,)`, rising."""
        return self.explored["seed"].unique()

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and column in the scores of each explored trial."""
        rows = self.settings.index.get_indexer(self.explored["config_id"])
        return rows, np.searchsorted(self.seeds, self.explored["seed"])

    def scores(self, name: str) -> np.ndarray:
        """A column of the exploration, `(n_configurations, n_seeds)`, NaN where there is none."""
        scores = np.full((len(self), len(self.seeds)), np.nan)
        scores[self._places] = self.explored[name].to_numpy(dtype=float, na_value=np.nan)
        return scores

    def means(self, name: str) -> np.ndarray:
        """Over the seeds that each configuration has, `(n_configurations,)`."""
        return pd.DataFrame(self.scores(name)).mean(axis=1).to_numpy()

    def problem_values(self, columns: Sequence[str]) -> tuple:
        """The values of columns that are the same for a whole problem; None for null."""
        values = self.trials[list(columns)].iloc[0]
        return tuple(None if pd.isna(value) else value for value in values)

    def optimum(self, column: str | None) -> float | None:
        """What the best policy gets of a quantity; None where that is not known."""
        value = None if column is None else self.trials[column].max()
        return None if value is None or pd.isna(value) else float(value)

    @property
    def unseeded(self) -> bool:
        """Whether trials of one seed did not meet the same environment."""
        return self.trials["fingerprint"].iloc[0] == UNSEEDED

    @property
    def common_seeds(self) -> np.ndarray:
        """Seeds on which every configuration that has explored at all was run."""
        tried = self.explored.groupby("seed").size()
        return tried.index[tried == self.explored["config_id"].nunique()].to_numpy()

    @cached_property
    def varying(self) -> pd.DataFrame:
        """The columns of `settings` that have more than one level; null is a level."""
        return self.settings.loc[:, self.settings.nunique(dropna=False) > 1]

    @cached_property
    def labels(self) -> list[str]:
        """For each configuration, the varying settings that it reads: `alpha 0.1, eps_shift 10`."""
        if self.varying.empty:
            return ["the only configuration"] * len(self)
        return [
            ", ".join(f"{name} {level_text(level)}" for name, level in levels if pd.notna(level))
            for levels in (row.items() for row in self.varying.to_dict("records"))
        ]


def level_text(value: Any) -> str:
    """A level of a hyperparameter for a reader."""
    if isinstance(value, str):
        return value
    return "none" if pd.isna(value) else format_number(float(value))


def with_own_settings(trials: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Trials with a column for each parameter of a user-defined rule, NaN for other variants; and
    the added names, with `rule` where a folder has trials of several versions of a module.
    """
    texts = trials["rule_args"]
    values = {text: json.loads(text) for text in texts.dropna().unique()}
    names = list(dict.fromkeys(name for mapping in values.values() for name in mapping))
    own = {n: texts.map({text: given.get(n) for text, given in values.items()}) for n in names}
    if (trials.groupby("variant", observed=True)["rule"].nunique() > 1).any():
        names.append("rule")
    return trials.assign(**own), names


def environment_labels(trials: pd.DataFrame) -> pd.Series:
    """The newest label, else `environment_name`; with what tells two apart added."""
    several = trials[ENVIRONMENT].drop_duplicates().reset_index(drop=True)
    pairs = list(zip(several["env"], several["env_args"], strict=True))
    names = pd.Series([environment_name(*pair) for pair in pairs], dtype=object)
    labelled = trials.dropna(subset="label").sort_values("finished_at", kind="stable")
    newest = labelled.drop_duplicates(["env", "env_args"], keep="last")
    given = newest.set_index(["env", "env_args"])["label"].to_dict()
    labels = names.where([pair not in given for pair in pairs], [given.get(pair) for pair in pairs])
    labels = _told_apart(labels, labels, names, (" (" + names + ")").where(labels != names, ""))
    models = [
        " (no model)" if pd.isna(digest) else f" (model {short_fingerprint(digest)})"
        for digest in several["fingerprint"]
    ]
    labels = _told_apart(labels, names, several["fingerprint"], models)
    found = trials[ENVIRONMENT].merge(several.assign(label=labels), "left", on=ENVIRONMENT)
    return found["label"].set_axis(trials.index)


def problem_labels(trials: pd.DataFrame) -> pd.Series:
    """The environment's label, and what else tells its problems apart: `A-v0, gamma 0.9`."""
    several = trials[PROBLEM].assign(environment=environment_labels(trials))
    several = several.drop_duplicates(PROBLEM)
    several["label"] = with_lengths(several["environment"], several)
    return trials[PROBLEM].merge(several, "left", on=PROBLEM)["label"].set_axis(trials.index)


def with_lengths(labels: pd.Series, frame: pd.DataFrame) -> pd.Series:
    """Labels, with the lengths and discounts of the frame that tell equal ones apart."""
    longer = labels
    for name in LENGTHS_AND_GAMMA:
        # With all digits: a problem goes by its label.
        added = [f", {name} {level:,}".removesuffix(".0") for level in frame[name]]
        longer = _told_apart(longer, labels, frame[name], added)
    return longer


def _told_apart(labels: pd.Series, groups: pd.Series, values: pd.Series, added: Any) -> pd.Series:
    """Labels, with something added in each group that has several values."""
    mixed = values.groupby(groups).transform("nunique", dropna=False) > 1
    return labels.where(~mixed, labels + added)


def cells_by_problem(
    trials: pd.DataFrame, specs: Sequence[Mapping] = (), baseline: str = BASELINE
) -> Cells:
    """The cells of trials by problem and variant; problems in alphabetical order.

    In each problem the baseline is first, then variants are in the order of the specs, then by
    name. The result does not depend on the order in which trials were found.

    Args:
        trials: rows as `hq_ray.load.load_trials` gives them, done and failed, each trial once.
        specs: of their sweeps, as `sweep.json` has them.
        baseline: the variant that the others are compared with; where it was not run, the first.
    """
    trials = trials.sort_values(["seed", "trial_id"], ignore_index=True)
    trials, own = with_own_settings(trials)
    names = [*SETTING_COLUMNS, *own]
    listed = [name for spec in specs for name in spec.get("variant") or ()]
    listed += [entry["variant"] for spec in specs for entry in spec.get("configurations") or ()]
    order = dict.fromkeys([baseline, *listed, *sorted(trials["variant"].unique())])
    # A configuration belongs to one problem and variant.
    every = trials.drop_duplicates("config_id").set_index("config_id")[names]
    every = every.sort_values([*names, "config_id"])
    table: dict[str, dict[str, Cell]] = {}
    for env, of_env in trials.groupby(problem_labels(trials)):
        for variant in order:
            part = of_env[of_env["variant"] == variant]
            done = part.loc[part["status"] == DONE, "config_id"]
            part = part[part["config_id"].isin(done)]
            if len(part):
                settings = _in_plan_order(every[every.index.isin(done)], variant, specs)
                table.setdefault(env, {})[variant] = Cell(env, variant, settings, part)
    return table


def _in_plan_order(settings: pd.DataFrame, variant: str, specs: Sequence[Mapping]) -> pd.DataFrame:
    """Configurations in the order of the plan of a grid or a list, to which ties go.

    Of a grid the last parameter runs fastest, and each takes its values as they are listed. What no
    spec lists, such as the samples of a random search, stays in the order that it has.
    """
    grid: dict[str, dict] = {}
    listed: dict[tuple, int] = {}
    names = [name for name in settings if name not in ("episodes", "max_steps", "rule")]
    defaults = {name: row.default for name, row in HYPERPARAMETERS.items()}

    def key(given: Mapping) -> tuple:
        # What is not read is not given, and what is not given has its default.
        return tuple(given.get(name, defaults.get(name)) for name in names)

    for spec in specs:
        own = (spec.get("variant_parameters") or {}).get(variant) or {}
        for name, values in ((spec.get("parameters") or {}) | own).items():
            if name in settings and isinstance(values, list):
                for value in values:
                    grid.setdefault(name, {}).setdefault(value, len(grid[name]))
        for entry in spec.get("configurations") or ():
            if entry["variant"] == variant:
                listed.setdefault(key(entry), len(listed))

    def place(row: Mapping) -> tuple:
        read = {name: level for name, level in row.items() if pd.notna(level)}
        # A configuration that does not read a parameter stands where its first value does.
        ranks = [values.get(read[n], len(values)) if n in read else 0 for n, values in grid.items()]
        return listed.get(key(read), len(listed)), *ranks

    places = [place(row) for row in settings.to_dict("records")]
    return settings.iloc[sorted(range(len(places)), key=places.__getitem__)]
