"""The numbers behind a report as tables: one row per configuration, one row per pair."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from hq_ray.analysis.cells import SETTINGS, Cell
from hq_ray.analysis.comparison import wins_ties_losses
from hq_ray.analysis.metrics import METRICS, Metric
from hq_ray.analysis.statistics.comparison import (
    LEVEL,
    difference_of_means,
    holm_adjusted,
    t_interval,
)
from hq_ray.analysis.statistics.means import seed_means

Table = Mapping[str, Mapping[str, Cell]]
NAMES = ["env", "variant", "configuration", *SETTINGS]
STATISTICS = ["mean", "sd", "se", "low", "high", "median", "iqm", "min", "max", "worst_tenth"]
COUNTS = ["wins", "ties", "losses"]
PAIRED = ["mean", "baseline_mean", "difference", "se", "low", "high", "p_value", *COUNTS]


def summary_table(table: Table, judged: Metric) -> pd.DataFrame:
    """One row per configuration: settings, n, and the metric's mean, spread, interval, quantiles;
    then the means over seeds of every metric that the trials have.

    `low` and `high` are the 95 % t interval; like `sd` and `se` null with one seed. All statistics
    are where no trial has the metric. Fresh seeds of a confirmation have no part.
    """
    found = [cell for row in table.values() for cell in row.values()]
    metrics = [name for name in METRICS if all(name in cell.trials for cell in found)]
    frames = []
    for cell in found:
        scores = cell.scores(judged.name)
        numbers = np.full((len(cell), len(STATISTICS)), np.nan)
        for rows, values in _by_count(scores):
            numbers[rows] = _statistics(values, judged)
        frame = _configurations(cell).assign(n=np.isfinite(scores).sum(axis=1), metric=judged.name)
        means = {name: seed_means(cell.scores(name)) for name in metrics}
        frames.append(
            pd.concat(
                [frame, pd.DataFrame(numbers, columns=STATISTICS), pd.DataFrame(means)], axis=1
            )
        )
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=[*NAMES, "n", "metric"])
    )


def _configurations(cell: Cell) -> pd.DataFrame:
    """Names and settings of a cell's configurations."""
    names = {"env": cell.env, "variant": cell.variant, "configuration": cell.labels}
    return pd.concat([pd.DataFrame(names), cell.settings], axis=1)


def _statistics(values: np.ndarray, judged: Metric) -> np.ndarray:
    """The columns of STATISTICS for configurations of equally many seeds, `(rows, n)`."""
    n = values.shape[1]
    mean, low, high = t_interval(values)
    sd = values.std(axis=1, ddof=1) if n > 1 else np.full(len(values), np.nan)
    worst = np.sort(judged.upwards(values), axis=1)[:, : -(-n // 10)].mean(axis=1)
    columns = [mean, sd, sd / np.sqrt(n), low, high, np.median(values, axis=1)]
    columns += [stats.trim_mean(values, 0.25, axis=1), values.min(axis=1), values.max(axis=1)]
    return np.column_stack([*columns, judged.upwards(worst)])


def _by_count(*scores: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """(row numbers, values (rows, n), ...) for each number n of seeds that all arrays have."""
    there = np.all([np.isfinite(one) for one in scores], axis=0)
    counts = there.sum(axis=1)
    for n in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == n)
        yield rows, *(one[rows][there[rows]].reshape(len(rows), n) for one in scores)


def pairs_table(table: Table, judged: Metric) -> pd.DataFrame:
    """One row per pair of a configuration and one of the baseline that agrees in all they share.

    The difference is the variant's score minus the baseline's by seed; pairs without a common seed
    are left out. `p_value` is the t test's, Welch's where the environment knows no seeds; null
    where the two are identical or have one seed. `holm` says whether it stays below 5 % after
    Holm's correction within its problem and variant.
    """
    frames = [
        _pairs(cell, baseline, judged)
        for baseline, *others in (row.values() for row in table.values())
        for cell in others
    ]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        names = [*NAMES[:2], "baseline", "configuration", "baseline_configuration", *SETTINGS]
        return pd.DataFrame(columns=[*names, "metric", "n", *PAIRED, "holm"])
    return pd.concat(frames, ignore_index=True)


def _pairs(cell: Cell, baseline: Cell, judged: Metric) -> pd.DataFrame:
    """The pairs of a variant on a problem."""
    ours, theirs = matched(cell, baseline)
    _, mine, base = np.intersect1d(cell.seeds, baseline.seeds, return_indices=True)
    a, b = cell.scores(judged.name)[:, mine][ours], baseline.scores(judged.name)[:, base][theirs]
    n = (np.isfinite(a) & np.isfinite(b)).sum(axis=1)
    frame = _configurations(cell).iloc[ours].reset_index(drop=True)
    frame.insert(2, "baseline", baseline.variant)
    frame.insert(4, "baseline_configuration", [baseline.labels[number] for number in theirs])
    numbers = np.full((len(a), len(PAIRED)), np.nan)
    for rows, x, y in _by_count(a, b):
        d = difference_of_means(x, y, paired=not cell.unseeded)
        columns = [x.mean(axis=1), y.mean(axis=1), d.mean, d.se, d.low, d.high, d.p_value]
        numbers[rows] = np.column_stack([*columns, *wins_ties_losses(judged, x, y)])
    found = pd.DataFrame(numbers, columns=PAIRED)
    holm = holm_adjusted(found["p_value"].to_numpy()) < LEVEL
    frame = pd.concat([frame.assign(metric=judged.name, n=n), found], axis=1).assign(holm=holm)
    return frame[n > 0].astype(dict.fromkeys(COUNTS, np.int64))


def matched(cell: Cell, baseline: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the configurations of both that agree in every setting that both read."""
    shared = [
        name
        for name in SETTINGS
        if cell.settings[name].notna().any() and baseline.settings[name].notna().any()
    ]
    sides = [
        one.settings[shared].assign(**{number: range(len(one))})
        for one, number in ((cell, "_ours"), (baseline, "_theirs"))
    ]
    both = sides[0].merge(sides[1], on=shared).sort_values(["_ours", "_theirs"])
    return both["_ours"].to_numpy(), both["_theirs"].to_numpy()
