"""Times to the threshold of every trial of a study, from one pass over the episodes."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from hq_ray.analysis.cells import Cell
from hq_ray.analysis.reading.curves import steps_until, time_to_threshold
from hq_ray.analysis.summaries import default_threshold
from hq_ray.load import stream_curves
from hq_ray.references import References
from hq_ray.store import Results

TIMES = ("episodes_to_threshold", "steps_to_threshold")
Progress = Callable[[int, int], None]


def add_times(
    frame: pd.DataFrame,
    results: Sequence[Results],
    table: Mapping[str, Mapping[str, Cell]],
    known: Mapping[str, References],
    smooth: int,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """The trials with the columns TIMES, null where there is no threshold.

    The first episode whose trailing mean return reaches `default_threshold`, and the environment
    steps until its end; both at the end of training where none does, so that their mean over seeds
    is the restricted mean E[min(tau, T)].

    Args:
        frame: done trials.
        results: where their episodes lie.
        table: the cells of these trials.
        known: by environment, the references that the threshold is made of.
        smooth: window of the trailing mean, in episodes.
        progress: called with (configurations read, of how many).
    """
    groups, levels = [], []
    for env, reference in known.items():
        for cell in table[env].values():
            groups += [cell.trial_ids(number) for number in range(len(cell))]
            levels += [default_threshold(reference)] * len(cell)
    found: dict[str, tuple[int, int]] = {}
    read = stream_curves(results, groups, ["episode_return", "steps"])
    for done, (number, curves) in enumerate(read, start=1):
        times = _restricted(curves["episode_return"], curves["steps"], levels[number], smooth)
        found |= zip(groups[number], zip(*times, strict=True), strict=True)
        if progress:
            progress(done, len(groups))
    pairs = [found.get(one, (np.nan, np.nan)) for one in frame["trial_id"]]
    values = np.array(pairs, dtype=float).reshape(-1, 2)
    return frame.assign(**dict(zip(TIMES, values.T, strict=True)))


def _restricted(
    returns: np.ndarray, steps: np.ndarray, level: float, smooth: int
) -> tuple[list[int], list[int]]:
    """min(tau, T) of each trial in episodes, and the steps up to then."""
    first = time_to_threshold(returns, level, smooth)
    last = np.where(first < 0, returns.shape[1], first)
    return last.tolist(), steps_until(last, steps).tolist()
