"""Mean curves over seeds."""

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
