"""Mean curves over seeds, and when a curve reaches a level."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.statistics.means import MeanAndSE, mean_and_se
from hq_ray.load import Curves, Place, stream_curves


def mean_curves(
    results: Place | Sequence[Place],
    groups: Sequence[Sequence[str]],
    columns: Sequence[str],
    window: int,
) -> list[dict[str, MeanAndSE]]:
    """Each seed smoothed, then the mean over seeds with its standard error, by group and column.

    Truth values count 0 and 1. A column of which nothing is known is left out.

    Args:
        results, groups, columns: see `stream_curves`.
        window: of the trailing mean, in episodes.
    """

    def means(curves: Curves) -> dict[str, MeanAndSE]:
        known = {n: c for n, c in curves.items() if not np.isnan(c[0, 0]) or not np.isnan(c).all()}
        return {
            name: mean_and_se(curve if window == 1 else trailing_mean(curve, window))
            for name, curve in known.items()
        }

    found: list[dict[str, MeanAndSE]] = []
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        tasks: deque = deque()
        for _, curves in stream_curves(results, groups, columns):
            tasks.append(pool.submit(means, curves))
            # Curves that wait for a thread are held in memory.
            if len(tasks) > 2 * pa.cpu_count():
                found.append(tasks.popleft().result())
        found += [task.result() for task in tasks]
    return found


def time_to_threshold(
    curves: np.ndarray, level: float, window: int, higher_is_better: bool = True
) -> np.ndarray:
    """The first episode, counted from 1, whose trailing mean reaches the level; -1 if none does.

    tau = min {t : S_t >= level}, S_t the mean of the last min(t, window) episodes; S_t <= level
    where lower is better. What never reaches the level is censored, not late: average neither -1
    nor only the successes, but min(tau, T).

    Args:
        curves: `(n_trials, n_episodes)`.
        level: in the unit of the curves.
        window: of the trailing mean.
        higher_is_better: whether the level is reached from below.

    Returns:
        int64 array `(n_trials,)`.
    """
    means = trailing_mean(curves, window)
    reached = means >= level if higher_is_better else means <= level
    return np.where(reached.any(axis=-1), reached.argmax(axis=-1) + 1, -1)


def steps_until(times: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The steps of all episodes up to the given ones, counted from 1; -1 where the time is -1.

    Args:
        times: `(n_trials,)`, as `time_to_threshold` gives them.
        steps: `(n_trials, n_episodes)`.
    """
    totals = np.cumsum(steps, axis=-1, dtype=np.int64)
    chosen = np.take_along_axis(totals, np.maximum(times, 1)[:, None] - 1, axis=-1)[:, 0]
    return np.where(times < 0, -1, chosen)
