"""Which hyperparameters the score depends on: exact functional analysis of variance of a grid.

With cell means mu(x) over a full factorial of N configurations, all weighted equally:

    f_k(x_k)        = E[mu | x_k] - E[mu]
    f_kl(x_k, x_l)  = E[mu | x_k, x_l] - f_k - f_l - E[mu]
    share of k      = Var(f_k) / Var(mu),  Var with 1 / N

after Hutter, Hoos and Leyton-Brown (2014), An Efficient Approach for Assessing Hyperparameter
Importance. The effects are orthogonal projections of mu, so noise adds to each variance its mean
over the cells; that much is subtracted. What falls below 0 is clipped, and what is left of all
effects is scaled to sum to 1. Of a grid with holes nothing is said: its effects are not orthogonal.
"""

import math
from itertools import combinations

import numpy as np
import pandas as pd

ROUNDING = 1e-12


def importance(scores: np.ndarray, settings: pd.DataFrame) -> tuple[dict, str]:
    """Shares of the variance of the means over seeds, with the noise of each effect subtracted.

    The noise of an effect is the mean over its cells of Var_seeds(effect of one seed) / n_seeds.
    This is unbiased also when configurations share the luck of a seed: what all of them share is in
    no effect, and assuming independent noise would subtract it.

    Args:
        scores: `(n_configs, n_seeds)`. Seeds count that all configurations have; with fewer than
            two of them the noise is not known.
        settings: `(n_configs, n_hyperparameters)`, no two rows alike. One that some configurations
            do not read is one factor with its schedule, `alpha_schedule` or `eps_schedule`.

    Returns:
        The shares by the names of a factor or pair, of sum <= 1; the rest belongs to interactions
        of more factors, and there are none without a full factorial. And what is unknown, in words.
    """
    known = np.flatnonzero(~np.isnan(scores).all(axis=1))
    codes = _factors(settings.iloc[known])
    if not codes:
        return {}, "nothing varies"
    sizes = [len(np.unique(column)) for column in codes.values()]
    if (n_whole := math.prod(sizes)) != len(known):
        return {}, f"no full grid, {len(known)} of {n_whole} combinations, so nothing is shared out"
    rows = known[np.lexsort([*codes.values()][::-1])].reshape(sizes)
    table = scores[rows]
    note = ""
    complete = ~np.isnan(table).reshape(-1, table.shape[-1]).any(axis=0)
    if complete.sum() > 1:
        table = table[..., complete]
        if not complete.all():
            lacking = np.count_nonzero(~complete)
            note = f"{lacking} of {len(complete)} seeds left out, which some configurations lack"
    else:
        table = pd.DataFrame(scores).mean(axis=1).to_numpy()[rows][..., None]
        note = "the noise is not known, and nothing is subtracted"
    # Means of one constant over different numbers of seeds differ in their last digit.
    scale = np.abs(table).max()
    table = table - table.reshape(-1, table.shape[-1])[0]
    variance, noise = _variance_and_noise(table - table.mean(axis=tuple(range(len(sizes)))))
    nothing = ROUNDING * variance + (ROUNDING * scale) ** 2
    parts = {names: _variance_and_noise(e) for names, e in _effects(table, [*codes]).items()}
    left = {names: v - n for names, (v, n) in parts.items()}
    rest = variance - noise - sum(left.values())
    kept = {names: value if value > nothing else 0.0 for names, value in left.items()}
    whole = sum(kept.values()) + (rest if rest > nothing else 0.0)
    shares = {names: float(value / whole) if whole else 0.0 for names, value in kept.items()}
    return shares, note


def _factors(settings: pd.DataFrame) -> dict[str, np.ndarray]:
    """Level numbers of each factor that has several levels, by its hyperparameters' names."""
    groups: dict[str, list[str]] = {}
    for name in settings:
        schedule = f"{name.split('_')[0]}_schedule"
        joined = settings[name].isna().any() and schedule in settings
        groups.setdefault(schedule if joined else name, []).append(name)
    codes = {}
    for key, names in groups.items():
        number = settings.groupby(names, dropna=False).ngroup().to_numpy()
        if len(np.unique(number)) > 1:
            codes[" + ".join(sorted(names, key=lambda name: name != key))] = number
    return codes


def _variance_and_noise(effect: np.ndarray) -> tuple[float, float]:
    """Of an effect `(.., n_seeds)`: variance of its mean over seeds, and the noise in that."""
    n = effect.shape[-1]
    noise = effect.var(axis=-1, ddof=1).mean() / n if n > 1 else 0.0
    return float(np.mean(effect.mean(axis=-1) ** 2)), float(noise)


def _effects(table: np.ndarray, names: list[str]) -> dict[tuple[str, ...], np.ndarray]:
    """Effects of all factors and pairs of them; the axis of the seeds is carried along."""
    axes = range(len(names))
    mean = table.mean(axis=tuple(axes), keepdims=True)
    single = {
        k: table.mean(axis=tuple(a for a in axes if a != k), keepdims=True) - mean for k in axes
    }
    effects: dict[tuple[str, ...], np.ndarray] = {(names[k],): e for k, e in single.items()}
    for k, m in combinations(axes, 2):
        both = table.mean(axis=tuple(a for a in axes if a not in (k, m)), keepdims=True)
        effects[names[k], names[m]] = both - single[k] - single[m] - mean
    return effects
