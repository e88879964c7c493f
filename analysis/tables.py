"""The numbers behind a report as tables: one row per configuration, one row per pair."""

from collections.abc import Iterator, Mapping, Sequence

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

STATISTICS = ["mean", "sd", "se", "low", "high", "median", "iqm", "min", "max", "worst_tenth"]
PAIRED = ["mean", "baseline_mean", "difference", "se", "low", "high", "p_value"]
PAIRED += ["wins", "ties", "losses"]
COUNTS = ["wins", "ties", "losses"]


def summary_table(table: Mapping[str, Mapping[str, Cell]], judged: Metric) -> pd.DataFrame:
    """One row per configuration: settings, n, and the metric's mean, spread, interval, quantiles;
    then the means over seeds of every metric that the trials have.

    `low` and `high` are the 95 % t interval; like `sd` and `se` null with one seed. All statistics
    are where no trial has the metric. No rows where there are no cells.
    """
    found = [cell for row in table.values() for cell in row.values()]
    if not found:
        return pd.DataFrame(columns=["env", "variant", "configuration", *SETTINGS, "n", "metric"])
    scores = _stacked([cell.scores(judged.name) for cell in found])
    numbers = np.full((len(scores), len(STATISTICS)), np.nan)
    for rows, values in _by_count(scores):
        numbers[rows] = _statistics(values, judged)
    names = [name for name in METRICS if all(name in cell.trials for cell in found)]
    others = {n: np.concatenate([seed_means(cell.scores(n)) for cell in found]) for n in names}
    return pd.concat(
        [
            pd.concat([_configurations(cell) for cell in found], ignore_index=True),
            pd.DataFrame({"n": np.isfinite(scores).sum(axis=1), "metric": judged.name}),
            pd.DataFrame(numbers, columns=STATISTICS),
            pd.DataFrame(others),
        ],
        axis=1,
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


def _stacked(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (rows, seeds) below each other, NaN to the right of those with fewer seeds."""
    widest = max(one.shape[1] for one in scores)
    rows = [
        np.pad(one, ((0, 0), (0, widest - one.shape[1])), constant_values=np.nan) for one in scores
    ]
    return np.concatenate(rows)


def _by_count(*scores: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """(row numbers, values (rows, n), ...) for each number n of seeds that all arrays have."""
    there = np.all([np.isfinite(one) for one in scores], axis=0)
    counts = there.sum(axis=1)
    for n in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == n)
        yield rows, *(one[rows][there[rows]].reshape(len(rows), n) for one in scores)


def pairs_table(table: Mapping[str, Mapping[str, Cell]], judged: Metric) -> pd.DataFrame:
    """One row per pair of a configuration and one of the baseline that agrees in all they share.

    The difference is the variant's score minus the baseline's by seed; pairs without a common seed
    are left out. `p_value` is the t test's, Welch's where the environment knows no seeds; null
    where the two are identical or have one seed. `holm` says whether it stays below 5 % after
    Holm's correction within its problem and variant.
    """
    families = [
        _family(cell, baseline, judged)
        for baseline, *others in (list(row.values()) for row in table.values())
        for cell in others
    ]
    families = [one for one in families if len(one[0])]
    if not families:
        names = ["env", "variant", "baseline", "configuration", "baseline_configuration"]
        return pd.DataFrame(columns=[*names, *SETTINGS, "metric", "n", *PAIRED, "holm"])
    frames, ours, theirs, paired = zip(*families, strict=True)
    a, b = _stacked(ours), _stacked(theirs)
    seeded = np.repeat(paired, [len(one) for one in frames])
    numbers = np.full((len(a), len(PAIRED)), np.nan)
    for kind in (True, False):
        of_kind = np.flatnonzero(seeded == kind)
        for rows, x, y in _by_count(a[of_kind], b[of_kind]):
            numbers[of_kind[rows]] = _compared(x, y, judged, kind)
    n = (np.isfinite(a) & np.isfinite(b)).sum(axis=1)
    found = pd.DataFrame(numbers, columns=PAIRED).astype(dict.fromkeys(COUNTS, np.int64))
    head = pd.concat(frames, ignore_index=True).assign(metric=judged.name, n=n)
    sizes = np.cumsum([len(one) for one in frames])[:-1]
    adjusted = [holm_adjusted(p) for p in np.split(found["p_value"].to_numpy(), sizes)]
    return pd.concat([head, found], axis=1).assign(holm=np.concatenate(adjusted) < LEVEL)


def _family(
    cell: Cell, baseline: Cell, judged: Metric
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, bool]:
    """Names and settings of the pairs, the scores of both `(n_pairs, n_common_seeds)`, and whether
    these are paired.
    """
    ours, theirs = matched(cell, baseline)
    _, mine, base = np.intersect1d(cell.seeds, baseline.seeds, return_indices=True)
    a = cell.scores(judged.name)[:, mine][ours]
    b = baseline.scores(judged.name)[:, base][theirs]
    kept = (np.isfinite(a) & np.isfinite(b)).any(axis=1)
    frame = _configurations(cell).iloc[ours[kept]].reset_index(drop=True)
    labels = [baseline.labels[number] for number in theirs[kept]]
    frame.insert(2, "baseline", baseline.variant)
    frame.insert(4, "baseline_configuration", labels)
    return frame, a[kept], b[kept], not cell.unseeded


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


def _compared(x: np.ndarray, y: np.ndarray, judged: Metric, paired: bool) -> np.ndarray:
    """The columns of PAIRED for pairs of equally many seeds, `(rows, n)` each."""
    d = difference_of_means(x, y, paired)
    columns = [x.mean(axis=1), y.mean(axis=1), d.mean, d.se, d.low, d.high, d.p_value]
    return np.column_stack([*columns, *wins_ties_losses(judged, x, y)])
