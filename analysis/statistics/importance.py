"""Which hyperparameters the score depends on: exact functional analysis of variance of a grid.

With cell means mu(x) over a full factorial of N configurations, all weighted equally:

    f_k(x_k)        = E[mu | x_k] - E[mu]
    f_kl(x_k, x_l)  = E[mu | x_k, x_l] - f_k - f_l - E[mu]
    share of k      = Var(f_k) / Var(mu),  Var with 1 / N

after Hutter, Hoos and Leyton-Brown (2014), An Efficient Approach for Assessing Hyperparameter
Importance. The effects are orthogonal projections of mu, so noise of variance se2 in each cell adds
df / N * mean(se2) to a variance, where df is prod(levels - 1) for an effect and N - 1 for Var(mu).
That much is subtracted. What falls below 0 is clipped, and what is left of all effects is scaled to
sum to 1; without clipping that is division by Var(mu) less its noise.

In a grid with holes the effects are not orthogonal, and shares would depend on how one divides what
they have in common. So the shares are those of a full factorial inside the grid. A hyperparameter
that some configurations do not read is joined with the one that decides this into one factor; then
the level with the most holes is left out, again and again until there are none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from hq_ray.analysis.statistics.grid import Grid, grid_of
from hq_ray.analysis.statistics.means import seed_means

JOINED = " + "
ROUNDING = 1e-12
# Far fewer configurations than combinations are a random search: no factorial worth the name.
SPARSE = 1000


@dataclass(frozen=True)
class Importance:
    """Shares of the variance over configurations.

    Attributes:
        shares: of each factor and each pair of factors, 0 to 1, of sum <= 1; the rest belongs to
            interactions of more factors. Empty without a factorial.
        note: what was left out or joined, in words; empty when there is nothing to say.
        n_used: configurations in the factorial.
        n_configs: configurations given.
    """

    shares: dict[tuple[str, ...], float]
    note: str
    n_used: int
    n_configs: int


@dataclass(frozen=True, eq=False)
class Factorial:
    """A full factorial inside a grid.

    Attributes:
        names: of the factors, those with more than one level.
        rows: `(n_levels, ..)` with one axis per factor, row of the configuration.
        notes: what was left out or joined.
        n_configs: configurations given.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    notes: tuple[str, ...]
    n_configs: int


def importance(scores: np.ndarray, settings: pd.DataFrame) -> Importance:
    """Shares of the variance of the means over seeds, with the noise of each effect subtracted.

    The noise of an effect is the mean over its cells of Var_seeds(effect of one seed) / n_seeds.
    This is unbiased also when configurations share the luck of a seed: what all of them share is in
    no effect, and assuming independent noise would subtract it.

    Args:
        scores: `(n_configs, n_seeds)`. Seeds count that all configurations of the factorial have;
            with fewer than two of them the noise is not known.
        settings: `(n_configs, n_hyperparameters)`, no two rows alike.
    """
    factorial = _factorial(settings, ~np.isnan(scores).all(axis=1))
    if not factorial.names:
        return _shared_out({}, (0.0, 0.0), 0.0, factorial, ())
    shared = ~np.isnan(scores[factorial.rows.ravel()]).any(axis=0)
    n_lacking = np.count_nonzero(~shared)
    if len(shared) - n_lacking > 1:
        table = scores[factorial.rows][..., shared]
        words = f"{n_lacking} of {len(shared)} seeds left out, which some configurations lack"
        notes = (words,) if n_lacking else ()
    else:
        table = seed_means(scores)[factorial.rows][..., None]
        notes = ("the noise is not known, and nothing is subtracted",)
    scale = np.abs(table).max()
    table = table - table.reshape(-1, table.shape[-1])[0]
    effects = _effects(table, len(factorial.names))
    parts = {factors: _variance_and_noise(effect) for factors, effect in effects.items()}
    total = _variance_and_noise(table - table.mean(axis=tuple(range(table.ndim - 1))))
    return _shared_out(parts, total, scale, factorial, notes)


def _variance_and_noise(effect: np.ndarray) -> tuple[float, float]:
    """Of an effect `(.., n_seeds)`: variance of its mean over seeds, and the noise in that."""
    n = effect.shape[-1]
    noise = effect.var(axis=-1, ddof=1).mean() / n if n > 1 else 0.0
    return float(np.mean(effect.mean(axis=-1) ** 2)), float(noise)


def _effects(table: np.ndarray, n_factors: int) -> dict[tuple[int, ...], np.ndarray]:
    """Effects of all factors and pairs of them; axes beyond the factors are carried along."""
    axes = range(n_factors)
    effects = {(): table.mean(axis=tuple(axes), keepdims=True)}
    for size in range(1, min(2, n_factors) + 1):
        for factors in combinations(axes, size):
            others = tuple(axis for axis in axes if axis not in factors)
            effect = table.mean(axis=others, keepdims=True)
            for smaller in range(size):
                for part in combinations(factors, smaller):
                    effect = effect - effects[part]
            effects[factors] = effect
    del effects[()]
    return effects


def _shared_out(
    parts: dict[tuple[int, ...], tuple[float, float]],
    total: tuple[float, float],
    scale: float,
    factorial: Factorial,
    notes: Sequence[str],
) -> Importance:
    """Shares from (variance, noise in it) of each effect and of everything, for scores of `scale`.

    Means of one constant over different numbers of seeds differ in their last digit; that is
    nothing, not variance.
    """
    nothing = ROUNDING * total[0] + (ROUNDING * scale) ** 2
    left = {factors: variance - noise for factors, (variance, noise) in parts.items()}
    rest = total[0] - total[1] - sum(left.values())
    kept = {factors: value if value > nothing else 0.0 for factors, value in left.items()}
    whole = sum(kept.values()) + (rest if rest > nothing else 0.0)
    names = {factors: tuple(factorial.names[k] for k in factors) for factors in parts}
    if not parts:
        notes = (*notes, "nothing varies within a full factorial")
    elif whole == 0:
        notes = (*notes, "the means vary no more than noise would make them")
    return Importance(
        shares={names[f]: float(value / whole) if whole else 0.0 for f, value in kept.items()},
        note="; ".join([*factorial.notes, *notes]),
        n_used=factorial.rows.size,
        n_configs=factorial.n_configs,
    )


def _factorial(settings: pd.DataFrame, known: np.ndarray) -> Factorial:
    """The full factorial that is left of the configurations with a score."""
    grid = grid_of(settings)
    rows = np.flatnonzero(known)
    without = f"{np.count_nonzero(~known)} of {len(known)} configurations have no score"
    notes = [] if known.all() else [without]
    names, codes = [], []
    for factor in _joined(grid, rows):
        names.append(JOINED.join(grid.names[k] for k in factor))
        codes.append(np.unique(grid.codes[rows][:, factor], axis=0, return_inverse=True)[1].ravel())
        if len(factor) > 1:
            notes.append(f"{names[-1]} taken as one, since not all configurations read all of them")
    table = np.stack(codes, axis=1) if codes else np.empty((len(rows), 0), dtype=int)
    inside = _full_subgrid(table)
    if len(inside) < len(rows):
        notes.append(f"combinations are missing: {len(inside)} of {len(rows)} configurations used")
    table, rows = table[inside], rows[inside]
    several = [k for k in range(len(names)) if len(np.unique(table[:, k])) > 1]
    fixed = [names[k] for k in range(len(names)) if k not in several and codes[k].any()]
    if fixed and len(rows):
        notes.append(f"{', '.join(fixed)} left with one level")
    shape = [len(np.unique(table[:, k])) for k in several]
    order = np.lexsort(table[:, several[::-1]].T) if several else np.arange(len(rows))
    names = tuple(names[k] for k in several)
    return Factorial(names, rows[order].reshape(shape or -1), tuple(notes), len(known))


def _joined(grid: Grid, rows: np.ndarray) -> list[list[int]]:
    """Columns in groups: each that some rows do not read goes with the one that decides which."""
    codes, unread = grid.codes[rows], grid.unread[rows]
    group = list(range(len(grid.names)))
    for column in range(len(group)):
        if not unread[:, column].any() or unread[:, column].all():
            continue
        deciding = [
            (bool(unread[:, other].any()), len(np.unique(codes[:, other])), other)
            for other in range(len(group))
            if other != column and _decides(codes[:, other], unread[:, column])
        ]
        if deciding:
            old, new = group[column], group[min(deciding)[2]]
            group = [new if one == old else one for one in group]
    return [[k for k, one in enumerate(group) if one == g] for g in dict.fromkeys(group)]


def _decides(levels: np.ndarray, unread: np.ndarray) -> bool:
    """Whether each level of one hyperparameter has another one unread always or never."""
    counts = np.bincount(levels)
    times = np.bincount(levels, unread)
    return bool(((times == 0) | (times == counts)).all())


def _full_subgrid(codes: np.ndarray) -> np.ndarray:
    """Rows of `codes` `(n_rows, n_factors)` that are a full factorial, found greedily.

    While combinations are missing, the level goes of whose combinations the least share is there;
    among ties the one with fewest rows, then of the last factor, its last level.
    """
    rows = np.arange(len(codes))
    while len(rows):
        counts = [np.bincount(column) for column in codes[rows].T]
        sizes = [np.count_nonzero(count) for count in counts]
        n_cells = math.prod(int(size) for size in sizes)
        if n_cells == len(rows):
            break
        if n_cells > SPARSE * len(rows):
            return rows[:0]
        _, _, factor, level = min(
            (count[level] * size, count[level], -k, -level)
            for k, (count, size) in enumerate(zip(counts, sizes, strict=True))
            for level in np.flatnonzero(count)
        )
        rows = rows[codes[rows, -factor] != -level]
    return rows
