"""The update rules: pure scalar functions with one signature, and the table that names them.

Each rule takes `(q_value, target, alpha, alpha_down, eps_shift)` and returns the new Q value. All
arguments are float64 scalars; `q_value`, `target` and `eps_shift` are in units of return, the step
sizes have none. A rule ignores the hyperparameters it does not use, and the table says which it
uses. The functions are compiled into the kernel and called as they are by the Gymnasium loop.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hq_ray.errors import InputError, near_miss

# Floor on the two distances of the harmonic update; below any eps_shift worth choosing.
EPS_DIV = 1e-12


def standard(q_value, target, alpha, alpha_down, eps_shift):
    """Q' = Q + alpha (y - Q): Q-learning (Watkins and Dayan 1992, Machine Learning 8:279-292)."""
    return q_value + alpha * (target - q_value)


def harmonic(q_value, target, alpha, alpha_down, eps_shift):
    """The weighted harmonic mean of Q and y, measured from below both and below zero.

    With s = min(Q, y, 0) - eps_shift, u = Q - s and v = y - s:

        Q' = s + 1 / ((1 - alpha)/u + alpha/v) = Q + alpha_eff (y - Q)
        alpha_eff = alpha u / ((1 - alpha) v + alpha u)

    The right-hand form is computed: it neither cancels nor divides by a small number.
    eps_shift -> infinity gives `standard`; eps_shift -> 0 gives min(Q, y) wherever that is <= 0,
    whatever alpha < 1 is, and the ordinary harmonic mean where both are positive.
    """
    # Subtracting the least is taking the greatest difference: u = max(Q, Q - y, 0) + eps_shift, to
    # the last bit, with a quarter of the operations saved.
    least = min(target, min(q_value, 0.0))
    u = max(q_value - least + eps_shift, EPS_DIV)
    v = max(target - least + eps_shift, EPS_DIV)
    weight = alpha * u
    return q_value + weight / ((1.0 - alpha) * v + weight) * (target - q_value)


def minimum(q_value, target, alpha, alpha_down, eps_shift):
    """Q' = min(Q, y): the worst case seen so far (Heger 1994, ICML, Q-hat-learning)."""
    return min(q_value, target)


def asymmetric(q_value, target, alpha, alpha_down, eps_shift):
    """Q' = Q + alpha (y - Q) upwards and Q + alpha_down (y - Q) downwards.

    Two constant step sizes, in the manner of Mihatsch and Neuneier 2002 (Machine Learning 49).
    """
    step_size = alpha if target > q_value else alpha_down
    return q_value + step_size * (target - q_value)


@dataclass(frozen=True)
class Variant:
    """A row of the table: the rule, the hyperparameters it reads, and one line for people."""

    update: Callable[[float, float, float, float, float], float]
    uses: frozenset[str]
    summary: str


VARIANTS: dict[str, Variant] = {
    "standard": Variant(standard, frozenset({"alpha"}), "Q + alpha (y - Q)"),
    "harmonic": Variant(
        harmonic, frozenset({"alpha", "eps_shift"}), "shifted weighted harmonic mean of Q and y"
    ),
    "minimum": Variant(minimum, frozenset(), "min(Q, y)"),
    "asymmetric": Variant(
        asymmetric, frozenset({"alpha", "alpha_down"}), "alpha upwards, alpha_down downwards"
    ),
}


def parse_variants(text: str) -> tuple[str, ...]:
    """Reads a comma list such as `minimum,harmonic`; `both` in it means standard and harmonic.

    Raises:
        InputError: a name is unknown, empty, or given twice.
    """
    names: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        names += ["standard", "harmonic"] if name == "both" else [name]
    for name in names:
        if name not in VARIANTS:
            known = [*VARIANTS, "both"]
            raise InputError(f"unknown variant {name!r}{near_miss(name, known)}")
    if len(set(names)) < len(names):
        raise InputError(f"each variant must be named once, got {text!r}")
    return tuple(names)
