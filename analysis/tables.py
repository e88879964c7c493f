"""The numbers behind a report as tables: one row per configuration, one row per pair."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from hq_ray.analysis.cells import SETTING_COLUMNS, Cell, Cells
from hq_ray.analysis.comparison import wins_ties_losses
from hq_ray.analysis.metrics import METRICS, Metric
from hq_ray.analysis.statistics.means import mean_and_se, t_interval
from hq_ray.analysis.statistics.t_tests import LEVEL, difference_of_means, holm_adjusted

STATISTICS = ["mean", "sd", "se", "low", "high", "median", "iqm", "min", "max", "worst_tenth"]
COUNTS = ["wins", "ties", "losses"]
PAIRED = ["mean", "baseline_mean", "difference", "se", "low", "high", "p_value", *COUNTS]


def summary_table(table: Cells, judged: Metric) -> pd.DataFrame:
    """One row per configuration: settings, n, and the metric's mean, spread, interval, quantiles;
    then the means over seeds of every metric that the trials have.

    `low` and `high` are the 95 % t interval; like `sd` and `se` null with one seed. All statistics
    are where no trial has the metric. Fresh seeds of a confirmation have no part.
    """
    cells = [cell for row in table.values() for cell in row.values()]
    metrics = [name for name in METRICS if all(name in cell.trials for cell in cells)]
    names = ["env", "variant", "configuration", *SETTING_COLUMNS, "n", "metric"]
    frames = [pd.DataFrame(columns=names)]
    for cell in cells:
        scores = cell.scores(judged.name)
        numbers = pd.DataFrame(np.nan, range(len(cell)), STATISTICS)
        for rows, values in _by_count(scores):
            numbers.loc[rows] = _statistics(values, judged)
        frame = _configurations(cell).assign(n=np.isfinite(scores).sum(axis=1), metric=judged.name)
        means = pd.DataFrame({name: cell.means(name) for name in metrics})
        frames.append(pd.concat([frame, numbers, means], axis=1))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _configurations(cell: Cell) -> pd.DataFrame:
    """Names and settings of a cell's configurations."""
    names = {"env": cell.env, "variant": cell.variant, "configuration": cell.labels}
    return pd.concat([pd.DataFrame(names), cell.settings.reset_index(drop=True)], axis=1)


def _statistics(values: np.ndarray, judged: Metric) -> np.ndarray:
    """The columns of STATISTICS for configurations of equally many seeds, `(rows, n)`."""
    n = values.shape[1]
    mean, low, high = t_interval(values.T)
    se = mean_and_se(values.T)[1]
    worst = np.sort(judged.upwards(values), axis=1)[:, : -(-n // 10)].mean(axis=1)
    columns = [mean, se * np.sqrt(n), se, low, high, np.median(values, axis=1)]
    columns += [stats.trim_mean(values, 0.25, axis=1), values.min(axis=1), values.max(axis=1)]
    return np.column_stack([*columns, judged.upwards(worst)])


def _by_count(*scores: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """(row numbers, values (rows, n), ...) for each number n of seeds that all arrays have."""
    known = np.all([np.isfinite(values) for values in scores], axis=0)
    counts = known.sum(axis=1)
    for n in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == n)
        yield rows, *(values[rows][known[rows]].reshape(len(rows), n) for values in scores)


def pairs_table(table: Cells, judged: Metric) -> pd.DataFrame:
    """One row per pair of a configuration and one of the baseline that agrees in all they share.

    The difference is the variant's score minus the baseline's by seed; pairs without a common seed
    are left out. `p_value` is the t test's, Welch's where the environment knows no seeds; null
    where the two are identical or have one seed. `holm` says whether it stays below 5 % after
    Holm's correction within its problem and variant.
    """
    names = ["env", "variant", "baseline", "configuration", "baseline_configuration"]
    frames = [pd.DataFrame(columns=[*names, *SETTING_COLUMNS, "metric", "n", *PAIRED, "holm"])]
    for baseline, *others in (row.values() for row in table.values()):
        frames += [frame for cell in others if len(frame := _pairs(cell, baseline, judged))]
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _pairs(cell: Cell, baseline: Cell, judged: Metric) -> pd.DataFrame:
    """The pairs of a variant on a problem."""
    # The configurations of both that agree in every setting that both read.
    read = cell.settings.notna().any() & baseline.settings.notna().any()
    shared = [*read.index[read]]
    numbered = cell.settings[shared].assign(ours=range(len(cell)))
    both = numbered.merge(baseline.settings[shared].assign(theirs=range(len(baseline))), on=shared)
    both = both.sort_values(["ours", "theirs"])
    ours, theirs = both["ours"].to_numpy(), both["theirs"].to_numpy()
    _, mine, base = np.intersect1d(cell.seeds, baseline.seeds, return_indices=True)
    a, b = cell.scores(judged.name)[:, mine][ours], baseline.scores(judged.name)[:, base][theirs]
    n = (np.isfinite(a) & np.isfinite(b)).sum(axis=1)
    frame = _configurations(cell).iloc[ours].reset_index(drop=True)
    frame.insert(2, "baseline", baseline.variant)
    frame.insert(4, "baseline_configuration", [baseline.labels[number] for number in theirs])
    numbers = pd.DataFrame(np.nan, range(len(a)), PAIRED)
    for rows, x, y in _by_count(a, b):
        d = difference_of_means(x, y, paired=not cell.unseeded)
        columns = [x.mean(axis=1), y.mean(axis=1), d.mean, d.se, d.low, d.high, d.p_value]
        numbers.loc[rows] = np.column_stack([*columns, *wins_ties_losses(judged, x, y)])
    holm = holm_adjusted(numbers["p_value"]) < LEVEL
    frame = pd.concat([frame.assign(metric=judged.name, n=n), numbers], axis=1).assign(holm=holm)
    return frame[n > 0].astype(dict.fromkeys(COUNTS, np.int64))
