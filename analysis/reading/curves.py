"""Episode curves of many trials, a group of trials at a time and in bounded memory.

`stream_groups` reads; what to make of a group is for small functions of arrays: `mean_of_seeds`,
`time_to_threshold`, `steps_until`. `reduce_groups` runs any of them over one pass.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa

from hq_ray.analysis.reading.curve_files import (
    Spot,
    Wanted,
    array_type,
    common_length,
    located,
    read_file,
)
from hq_ray.analysis.reading.smoothing import smooth, trailing_mean
from hq_ray.analysis.statistics.means import MeanAndSE, mean_and_se
from hq_ray.errors import InputError
from hq_ray.reading.published import Place, opened
from hq_ray.store import READERS, Results

BUDGET_BYTES = 512 * 2**20

Curves = dict[str, np.ndarray]
T = TypeVar("T")


def stream_groups(
    results: Place | Sequence[Place],
    groups: Sequence[Sequence[str]],
    columns: Sequence[str],
    budget_bytes: int = BUDGET_BYTES,
    threads: int | None = None,
) -> Iterator[tuple[int, Curves]]:
    """The curves of each group of trials, once, as soon as all of its trials are read.

    Groups come in the order in which they lie in the files, and the same bits come whatever the
    files, the batches and the number of threads.

    Args:
        results: a path, a URI, a `Results`, or several of these.
        groups: trial ids, typically the seeds of one configuration in their order.
        columns: numbers or truth values of the episodes, such as `episode_return` and `success`.
        budget_bytes: about so much is held at once; a group that needs more is held alone.
        threads: that read; None for one per core.

    Yields:
        Number of the group, and by column an array `(n_trials, n_episodes)`: float64
        `episode_return`, int32 `steps`, bool `terminated` and `truncated`. A column that may be
        null, `success`, is float64: 0, 1, and NaN where it is unknown.

    Raises:
        InputError: no such results, an unknown column, an empty group.
        ResultsError: a trial is not published as done; trials of one group differ in their number
            of episodes; a file is damaged, or does not hold its trials' episodes in order.
    """
    folders = opened(results)
    kinds = {name: array_type(name) for name in columns}
    spots = located(folders, groups)
    lengths = [common_length(number, group, spots) for number, group in enumerate(groups)]
    per_episode = sum(np.dtype(kind).itemsize for kind in kinds.values())
    sizes = [len(g) * n * per_episode for g, n in zip(groups, lengths, strict=True)]
    order = sorted(range(len(groups)), key=lambda g: min(spots[t].number for t in groups[g]))

    def rounds() -> Iterator[tuple[int, Curves]]:
        for some in _rounds(order, sizes, budget_bytes):
            curves = {
                g: {n: np.empty((len(groups[g]), lengths[g]), k) for n, k in kinds.items()}
                for g in some
            }
            _fill(folders, groups, spots, curves, threads)
            for g in some:
                # What has been handed over is the caller's to keep or to free.
                yield g, curves.pop(g)

    return rounds()


def _rounds(order: Sequence[int], sizes: Sequence[int], budget: int) -> Iterator[list[int]]:
    """The groups in order, cut into runs that fit the budget."""
    some: list[int] = []
    held = 0
    for group in order:
        if some and held + sizes[group] > budget:
            yield some
            some, held = [], 0
        some.append(group)
        held += sizes[group]
    if some:
        yield some


def _fill(
    folders: Sequence[Results],
    groups: Sequence[Sequence[str]],
    spots: Mapping[str, Spot],
    curves: Mapping[int, Curves],
    threads: int | None,
) -> None:
    """Reads the trials of some groups into their arrays, file by file."""
    files: dict[tuple[int, str], dict[str, Wanted]] = {}
    for number, arrays in curves.items():
        for row, trial_id in enumerate(groups[number]):
            spot = spots[trial_id]
            trials = files.setdefault((spot.place, spot.batch), {})
            wanted = trials.setdefault(trial_id, Wanted(spot.first_row, spot.episodes, []))
            wanted.rows.append({name: array[row] for name, array in arrays.items()})
    with ThreadPoolExecutor(threads or _threads(folders)) as pool:
        tasks = [
            pool.submit(read_file, folders[place], batch, trials)
            for (place, batch), trials in files.items()
        ]
        for task in tasks:
            task.result()


def _threads(folders: Sequence[Results]) -> int:
    # A store is waited for, a disk is not.
    local = all(folder.location.is_local for folder in folders)
    return pa.cpu_count() if local else READERS


def reduce_groups(
    results: Place | Sequence[Place],
    groups: Sequence[Sequence[str]],
    columns: Sequence[str],
    reduction: Callable[[int, Curves], T],
    budget_bytes: int = BUDGET_BYTES,
    threads: int | None = None,
) -> list[T]:
    """`reduction(number, curves)` of each group, in the order of the groups, on several threads.

    Args:
        results, groups, columns, budget_bytes, threads: see `stream_groups`.
        reduction: makes something small of a group's curves.
    """
    found: dict[int, T] = {}
    waiting: deque[tuple[int, Future[T]]] = deque()
    workers = threads or pa.cpu_count()
    with ThreadPoolExecutor(workers) as pool:
        for number, curves in stream_groups(results, groups, columns, budget_bytes, threads):
            waiting.append((number, pool.submit(reduction, number, curves)))
            if len(waiting) > 2 * workers:
                number, task = waiting.popleft()
                found[number] = task.result()
        found |= {number: task.result() for number, task in waiting}
    return [found[number] for number in range(len(groups))]


def mean_of_seeds(
    curves: Mapping[str, np.ndarray], window: int | None, mode: str = "trailing"
) -> dict[str, MeanAndSE]:
    """Each seed smoothed, then the mean over seeds with its standard error, by column.

    Truth values count 0 and 1. A column of which nothing is known is left out.

    Args:
        curves: by column, `(n_seeds, n_episodes)`.
        window, mode: see `analysis.reading.smoothing.smooth`.
    """
    known = {n: c for n, c in curves.items() if not np.isnan(c[0, 0]) or not np.isnan(c).all()}
    # Curves that are not smoothed need not be copied, but window and mode must still be such.
    smooth(np.zeros(1), window, mode)
    plain = window in (None, 0, 1)
    return {n: mean_and_se(c if plain else smooth(c, window, mode)) for n, c in known.items()}


def mean_curves(
    results: Place | Sequence[Place],
    groups: Sequence[Sequence[str]],
    columns: Sequence[str],
    window: int | None,
    mode: str = "trailing",
    budget_bytes: int = BUDGET_BYTES,
    threads: int | None = None,
) -> list[dict[str, MeanAndSE]]:
    """`mean_of_seeds` of each group, in the order of the groups; arguments as there and above."""

    def reduction(number: int, curves: Curves) -> dict[str, MeanAndSE]:
        return mean_of_seeds(curves, window, mode)

    return reduce_groups(results, groups, columns, reduction, budget_bytes, threads)


@dataclass(frozen=True, eq=False)
class Times:
    """When each trial of a group reached its threshold.

    Attributes:
        episodes: `(n_trials,)`, the episode, counted from 1; -1 for a trial that never did.
        steps: `(n_trials,)`, the environment steps up to the end of that episode; -1 likewise.
    """

    episodes: np.ndarray
    steps: np.ndarray


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


def thresholds(
    results: Place | Sequence[Place],
    groups: Sequence[Sequence[str]],
    levels: Sequence[float],
    window: int,
    column: str = "episode_return",
    higher_is_better: bool = True,
    budget_bytes: int = BUDGET_BYTES,
    threads: int | None = None,
) -> list[Times]:
    """When the trials of each group reach that group's level: one pass over the episodes.

    Args:
        results, groups, budget_bytes, threads: see `stream_groups`.
        levels: one for each group.
        window, higher_is_better: see `time_to_threshold`.
        column: whose trailing mean must reach the level.
    """
    if len(levels) != len(groups):
        raise InputError(
            f"levels must be one for each group, got {len(levels)} for {len(groups)} groups"
        )

    def reduction(number: int, curves: Curves) -> Times:
        times = time_to_threshold(curves[column], levels[number], window, higher_is_better)
        return Times(times, steps_until(times, curves["steps"]))

    columns = list(dict.fromkeys([column, "steps"]))
    return reduce_groups(results, groups, columns, reduction, budget_bytes, threads)
