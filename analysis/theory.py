"""What the harmonic update does, in closed form: its effective step size, its utility, its limit.

`q_value`, `target`, `delta` = y - Q and `eps_shift` are in units of return, step sizes have none.
Where Q <= 0 and y <= 0, the *non-positive regime* (rewards <= 0 and Q from 0), the update depends
on delta alone, and it is risk-averse: a step of about alpha U(delta) with a concave utility U.
Noise in y then lowers the value by about Var(y) / eps_shift, however small alpha is.

Utilities of the TD error: Shen, Tobia, Sommer and Obermayer 2014, Neural Computation 26:1298-1328.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from hq_ray.errors import InputError
from hq_ray.updates import EPS_DIV

Values = float | np.ndarray


def effective_step_size(
    q_value: Values, target: Values, alpha: Values, eps_shift: Values
) -> np.ndarray:
    """The share of the way from Q to y that the harmonic update goes, elementwise.

        alpha_eff = alpha u / ((1 - alpha) v + alpha u),   Q' = Q + alpha_eff (y - Q)
        u = max(Q, Q - y, 0) + eps_shift,   v = max(y, y - Q, 0) + eps_shift

    It is below alpha where y > Q and above alpha where y < Q. The operations and their order are
    those of `hq_ray.updates.harmonic`, so Q + alpha_eff (y - Q) has the bits of the update.
    """
    least = np.minimum(target, np.minimum(q_value, 0.0))
    u = np.maximum(q_value - least + eps_shift, EPS_DIV)
    v = np.maximum(target - least + eps_shift, EPS_DIV)
    weight = alpha * u
    return weight / ((1.0 - np.asarray(alpha)) * v + weight)


def harmonic_step(delta: Values, alpha: Values, eps_shift: Values) -> np.ndarray:
    """Q' - Q for a TD error delta in the non-positive regime, elementwise.

        delta >= 0:   alpha eps delta / (eps + (1 - alpha) delta)         < alpha eps / (1 - alpha)
        delta < 0:    alpha (eps + |delta|) delta / (eps + alpha |delta|)   -> delta

    with eps = eps_shift: upwards no step is longer than a bound, downwards a great error is
    taken whole.
    """
    delta = np.asarray(delta, dtype=float)
    q_value, target = np.minimum(-delta, 0.0), np.minimum(delta, 0.0)
    return effective_step_size(q_value, target, alpha, eps_shift) * delta


def utility(delta: Values, eps_shift: Values) -> np.ndarray:
    """U(delta), the step of a small alpha divided by alpha, in the non-positive regime.

        U = delta / (1 + delta / eps_shift)   above 0,   delta (1 + |delta| / eps_shift)   below

    Concave and increasing, with U ~ delta - delta^2 / eps_shift near 0: an exponential utility of
    risk aversion 2 / eps_shift.
    """
    delta = np.asarray(delta, dtype=float)
    rise, drop = np.maximum(delta, 0.0), np.maximum(-delta, 0.0)
    return rise / (1 + rise / eps_shift) - drop * (1 + drop / eps_shift)


def fixed_point(
    outcomes: Sequence[float], probabilities: Sequence[float], eps_shift: float
) -> float:
    """The Q at which a noisy target moves it no more on average: E[U(y - Q)] = 0, small alpha.

    It lies between the least outcome (eps_shift -> 0) and the mean (eps_shift -> infinity). Where
    eps_shift is far above the spread of y it is E[y] - Var(y) / eps_shift.

    Args:
        outcomes: the values of the target y, all <= 0, in units of return.
        probabilities: of each, with sum 1.
        eps_shift: > 0, in units of return.

    Raises:
        InputError: an outcome is positive; shift them below 0 first.
    """
    values, weights = np.asarray(outcomes, dtype=float), np.asarray(probabilities, dtype=float)
    if (values > 0).any():
        raise InputError(f"the utility of the TD error holds for targets <= 0; given {outcomes!r}")

    def expected_utility(q_value: float) -> float:
        return float(weights @ utility(values - q_value, eps_shift))

    low, high = float(values.min()), float(values.max())
    # Rounding may leave no change of sign where eps_shift puts the root on an end.
    if expected_utility(low) <= 0:
        return low
    return float(brentq(expected_utility, low, high, xtol=1e-13 * (high - low), rtol=1e-14))
