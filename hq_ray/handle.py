"""Results in Python and in a notebook: a handle that shows itself, loads, compares and reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

import hq_ray
from hq_ray.conditions import Where
from hq_ray.load import load_episodes, load_trials
from hq_ray.published import Place, opened
from hq_ray.store import DONE, FAILED, Results


@dataclass(frozen=True)
class Handle:
    """A results folder; it can be given where results are asked for.

    Attributes:
        results: the folder.
    """

    results: Results

    def __fspath__(self) -> str:
        return self.results.location.text

    def trials(self) -> pd.DataFrame:
        """One row per published trial."""
        return load_trials(self.results)

    def episodes(
        self, columns: Sequence[str] | None = None, where: Where | None = None
    ) -> pd.DataFrame:
        """One row per episode of the finished trials, as `load_episodes` has them."""
        return load_episodes(self.results, where, columns, quiet=True)

    def curves(self, **options: Any) -> pd.DataFrame:
        """Learning curves of the chosen configurations; options as of `hq_ray.curves`."""
        return hq_ray.curves(self.results, **options)

    def compare(self, **options: Any) -> pd.DataFrame:
        """The verdicts, one row each; options as of `hq_ray.compare`."""
        return hq_ray.compare(self.results, **options)

    def report(self, folder: str | None = None, **options: Any) -> str:
        """Writes the report and returns its path; options as of `hq_ray.report`."""
        return hq_ray.report(self.results, folder, **options)

    def _repr_html_(self) -> str:
        """A small table for a notebook: what there is of each environment and variant."""
        trials = load_trials(self.results, quiet=True)
        trials = trials.assign(environment=trials["label"].fillna(trials["env"]))
        rows = trials.assign(done=trials["status"] == DONE, failed=trials["status"] == FAILED)
        table = rows.groupby(["environment", "env_args", "variant"], as_index=False).agg(
            configurations=("config_id", "nunique"),
            seeds=("seed", "nunique"),
            done=("done", "sum"),
            failed=("failed", "sum"),
        )
        return f"<p>{self.results.location.text}</p>{table.to_html(index=False)}"


def open_results(place: Place) -> Handle:
    """A handle of results that a run or sweep wrote.

    Raises:
        InputError: there are none at that path or URI.
    """
    return Handle(opened(place)[0])
