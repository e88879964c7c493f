"""The numbers behind a report as tables: one row per configuration, one row per pair."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.aggregates import iqm, worst_mean
from analysis.cells import SETTINGS, Cell
from analysis.intervals import mean_interval
from analysis.metrics import METRICS, Metric
from analysis.multiplicity import holm
from analysis.paired import paired_difference
from analysis.resampling import bootstrap

RESAMPLES = 10_000
# Sign flips of a million pairs would take hours; fewer resamples per pair serve to rank them.
MOST_FLIPS = 3e9


def summary_table(table: Mapping[str, Mapping[str, Cell]], judged: Metric) -> pd.DataFrame:
    """One row per configuration: settings, n, and the metric's mean, spread, intervals, quantiles;
    then the means over seeds of every other metric that the trials have.

    `se`, `low`, `high` (95 % t interval) and the bootstrap interval of the IQM are null with one
    seed.
    """
    frames = [_summary(cell, judged) for row in table.values() for cell in row.values()]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _summary(cell: Cell, judged: Metric) -> pd.DataFrame:
    frame = pd.DataFrame({"env": cell.env, "variant": cell.variant}, index=range(len(cell)))
    frame["configuration"] = [cell.label(number) for number in range(len(cell))]
    frame[list(SETTINGS)] = cell.settings
    frame["n"] = np.isfinite(cell.scores(judged.name)).sum(axis=1)
    frame["metric"] = judged.name
    statistics = pd.DataFrame(index=frame.index, columns=STATISTICS, dtype=float)
    for rows, values in _by_count(cell.scores(judged.name)):
        statistics.loc[rows] = _statistics(values, judged)
    others = {name: _means(cell, name) for name in METRICS if name in cell.trials}
    return pd.concat([frame, statistics, pd.DataFrame(others, index=frame.index)], axis=1)


STATISTICS = ["mean", "sd", "se", "low", "high", "median", "iqm", "iqm_low", "iqm_high"]
STATISTICS += ["min", "max", "worst_tenth"]


def _statistics(values: np.ndarray, judged: Metric) -> np.ndarray:
    """The columns of STATISTICS for configurations of equally many seeds, `(rows, n)`."""
    several = values.shape[1] > 1
    mean = mean_interval(values)
    middle = bootstrap(values, "iqm", RESAMPLES) if several else None
    sd = values.std(axis=1, ddof=1) if several else np.full(len(values), np.nan)
    sign = 1.0 if judged.higher_is_better else -1.0
    none = np.full(len(values), np.nan)
    columns = [mean.estimate, sd, sd / np.sqrt(values.shape[1]), mean.low, mean.high]
    columns += [np.median(values, axis=1), iqm(values)]
    columns += [middle.low, middle.high] if middle else [none, none]
    columns += [values.min(axis=1), values.max(axis=1), sign * worst_mean(sign * values)]
    return np.column_stack(columns)


def _means(cell: Cell, name: str) -> np.ndarray:
    scores = cell.scores(name)
    there = np.isfinite(scores)
    counts = there.sum(axis=1)
    sums = np.where(there, scores, 0.0).sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(cell), np.nan), where=counts > 0)


def _by_count(scores: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(row numbers, finite values) for each number of seeds that configurations have."""
    there = np.isfinite(scores)
    counts = there.sum(axis=1)
    for n in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == n)
        yield rows, scores[rows][there[rows]].reshape(len(rows), n)


def pairs_table(table: Mapping[str, Mapping[str, Cell]], judged: Metric) -> pd.DataFrame:
    """One row per pair of a configuration and one of the baseline that agrees in all they share.

    The difference is the variant's score minus the baseline's, paired by seed. `holm` says whether
    it differs from 0 after Holm's correction within its environment and variant.
    """
    frames = []
    for row in table.values():
        baseline, *others = row.values()
        frames += [_pairs(cell, baseline, judged) for cell in others]
    frames = [frame for frame in frames if len(frame)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


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


def _pairs(cell: Cell, baseline: Cell, judged: Metric) -> pd.DataFrame:
    ours, theirs = matched(cell, baseline)
    _, mine, base = np.intersect1d(cell.seeds, baseline.seeds, return_indices=True)
    a = cell.scores(judged.name)[:, mine][ours]
    b = baseline.scores(judged.name)[:, base][theirs]
    there = np.isfinite(a) & np.isfinite(b)
    kept = there.any(axis=1)
    ours, theirs, a, b, there = ours[kept], theirs[kept], a[kept], b[kept], there[kept]
    frame = pd.DataFrame({"env": cell.env, "variant": cell.variant}, index=range(len(ours)))
    if not len(frame):
        return frame
    frame["baseline"] = baseline.variant
    frame["configuration"] = [cell.label(number) for number in ours]
    frame["baseline_configuration"] = [baseline.label(number) for number in theirs]
    settings = cell.settings.iloc[ours].reset_index(drop=True)
    frame[list(SETTINGS)] = settings
    frame["metric"] = judged.name
    for name in PAIRED:
        frame[name] = np.nan
    patterns, which = np.unique(there, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(which == number)
        x, y = a[np.ix_(rows, pattern)], b[np.ix_(rows, pattern)]
        flips = int(min(RESAMPLES, max(999, MOST_FLIPS // x.size)))
        frame.loc[rows, PAIRED] = _paired(x, y, flips)
    p_values = frame["p_value"].to_numpy()
    frame["holm"] = holm(p_values)
    return frame


PAIRED = ["n", "mean", "baseline_mean", "difference", "se", "low", "high", "p_value"]
PAIRED += ["wins", "ties", "losses", "seed_correlation", "variance_ratio"]


def _paired(x: np.ndarray, y: np.ndarray, flips: int) -> np.ndarray:
    d = paired_difference(x, y, flips)
    n = np.full(len(x), x.shape[1])
    columns = [n, x.mean(axis=1), y.mean(axis=1), d.mean, d.se, d.low, d.high, d.p_value]
    columns += [d.wins, d.ties, d.losses, d.seed_correlation, d.variance_ratio]
    return np.column_stack([np.broadcast_to(column, n.shape) for column in columns])


def significant(pairs: pd.DataFrame) -> Sequence[str]:
    """For each family of pairs, how many differ from 0 after Holm's correction, in words."""
    sentences = []
    if not len(pairs):
        return sentences
    for (env, variant, baseline), part in pairs.groupby(["env", "variant", "baseline"], sort=False):
        excluding = int(((part["low"] > 0) | (part["high"] < 0)).sum())
        sentences.append(
            f"{env}, {variant} against {baseline} at equal hyperparameters: the 95 % interval of "
            f"{excluding} of {len(part)} differences excludes 0 "
            f"({0.05 * len(part):.1f} expected by chance); {int(part['holm'].sum())} remain after "
            "Holm's correction."
        )
    return sentences
