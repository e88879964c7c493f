"""The learners: update rules as pure scalar functions, and the table of variants made of them.

A rule takes `(q_value, target, ...)` and returns the new Q value. The names of its other arguments
say which hyperparameters it reads. All arguments are float64 scalars; `q_value`, `target` and
`eps_shift` are in units of return, the step sizes have none. The functions are compiled into the
kernel and called as they are by the Gymnasium loop.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from hq_ray.errors import InputError, near_miss, one_line, shortened
from hq_ray.user_code import import_user_module

# Floor on the two distances of the harmonic update; below any eps_shift worth choosing.
EPS_DIV = 1e-12
TARGETS = ("max", "expected", "sarsa", "double")
# The hyperparameters that only some rules read.
OF_RULES = ("alpha", "alpha_down", "eps_shift")


def standard(q_value, target, alpha):
    """Q' = Q + alpha (y - Q): Q-learning (Watkins and Dayan 1992, Machine Learning 8:279-292)."""
    return q_value + alpha * (target - q_value)


def harmonic(q_value, target, alpha, eps_shift):
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


def minimum(q_value, target):
    """Q' = min(Q, y): the worst case seen so far (Heger 1994, ICML, Q-hat-learning)."""
    return min(q_value, target)


def asymmetric(q_value, target, alpha, alpha_down):
    """Q' = Q + alpha (y - Q) upwards and Q + alpha_down (y - Q) downwards.

    Mihatsch and Neuneier 2002 (Machine Learning 49). A schedule of alpha keeps the ratio of the two
    steps: the downward step is alpha_e (alpha_down / alpha).
    """
    step_size = alpha if target > q_value else alpha_down
    return q_value + step_size * (target - q_value)


@dataclass(frozen=True)
class Variant:
    """A learner: an update rule and the one-step target y that it moves Q towards.

    Attributes:
        update: the rule, `update(q_value, target, ...)`; its further arguments are named after the
            hyperparameters `alpha`, `alpha_down`, `eps_shift` and its own `parameters`.
        target: what follows the reward where the step did not terminate; a' is the next action.
            `max`: gamma max_a Q(s', a). `expected`: gamma E_a Q(s', a) over the epsilon-greedy
            policy (van Seijen et al. 2009). `sarsa`: gamma Q(s', a') (Rummery and Niranjan 1994).
            `double`: two tables, one values what the other prefers (van Hasselt 2010).
        parameters: the rule's own hyperparameters, at most two: name -> default.
        digest: of the module file of a user-defined rule; None for a row of VARIANTS.
    """

    update: Callable[..., float]
    target: str = "max"
    parameters: Mapping[str, float] = field(default_factory=dict)
    digest: str | None = None

    def __post_init__(self) -> None:
        rule = getattr(self.update, "__name__", repr(self.update))
        if self.target not in TARGETS:
            raise InputError(f"unknown target {self.target!r}{near_miss(self.target, TARGETS)}")
        if len(self.parameters) > 2:
            own = ", ".join(self.parameters)
            raise InputError(f"a rule may have two parameters of its own at most, got {own}")
        try:
            arguments = inspect.signature(self.update).parameters
        except (TypeError, ValueError):
            raise InputError(f"a rule must be a Python function, got {self.update!r}") from None
        names, known = list(arguments)[2:], [*OF_RULES, *self.parameters]
        positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
        if len(arguments) < 2 or any(a.kind is not positional for a in arguments.values()):
            raise InputError(
                f"rule {rule} must take (q_value, target, ...), got ({', '.join(arguments)})"
            )
        for name in names:
            if name not in known:
                raise InputError(
                    f"rule {rule} may take {', '.join(known)} after q_value and target, "
                    f"got {name!r}{near_miss(name, known)}"
                )
        for name in self.parameters:
            if name not in names:
                raise InputError(f"rule {rule} must take its parameter {name!r}")

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """Names of what the rule takes after `q_value` and `target`, in order."""
        return tuple(inspect.signature(self.update).parameters)[2:]

    @cached_property
    def unread(self) -> frozenset[str]:
        """Those of OF_RULES that it does not read."""
        return frozenset(OF_RULES) - set(self.arguments)


VARIANTS: dict[str, Variant] = {
    "standard": Variant(standard),
    "harmonic": Variant(harmonic),
    "minimum": Variant(minimum),
    "asymmetric": Variant(asymmetric),
    "sarsa": Variant(standard, "sarsa"),
    "expected_sarsa": Variant(standard, "expected"),
    "double_q": Variant(standard, "double"),
    "harmonic_sarsa": Variant(harmonic, "sarsa"),
    "harmonic_expected_sarsa": Variant(harmonic, "expected"),
    "harmonic_double_q": Variant(harmonic, "double"),
}


@lru_cache(maxsize=256)
def variant_of(name: str) -> Variant:
    """The variant of a name: a row of VARIANTS, or a user-defined `module:name`.

    Raises:
        InputError: there is none.
    """
    module_name, colon, attribute = name.rpartition(":")
    if not colon:
        if name not in VARIANTS:
            known = [*VARIANTS, "both"]
            raise InputError(f"unknown variant {name!r}{near_miss(name, known)}")
        return VARIANTS[name]
    module = import_user_module(module_name, f"the module of variant {name!r}")
    variant = getattr(module, attribute, None)
    if not isinstance(variant, Variant):
        rows = [key for key, value in vars(module).items() if isinstance(value, Variant)]
        raise InputError(
            f"{module_name} must have a Variant {attribute!r}{near_miss(attribute, rows)}"
        )
    digest = hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()[:16]
    return replace(variant, digest=digest)


def variant_stem(name: str) -> str:
    """A variant's name for folders and files, which hold no colon: `my_rules.clipped`."""
    return name.replace(":", ".")


@lru_cache(maxsize=256)
def uncompilable(name: str) -> str | None:
    """Why numba cannot compile the rule of a variant; None where it can."""
    variant = variant_of(name)
    if variant.digest is None:
        return None
    import numba  # slow to import, and seldom needed

    rule = numba.njit(error_model="numpy")(variant.update)
    try:
        rule.compile((numba.float64,) * (2 + len(variant.arguments)))
    except Exception as problem:
        return shortened(one_line(problem), 200)
    returned = rule.nopython_signatures[0].return_type
    numbers = (numba.types.Float, numba.types.Integer)
    return None if isinstance(returned, numbers) else f"it returns {returned}"


def parse_variants(text: str) -> tuple[str, ...]:
    """Reads a comma list such as `minimum,harmonic`; `both` in it means standard and harmonic.

    Raises:
        InputError: a name is unknown, empty, or given twice.
    """
    names: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        names += ["standard", "harmonic"] if name == "both" else [name]
    for name in names:
        variant_of(name)
    if len(set(names)) < len(names):
        raise InputError(f"each variant must be named once, got {text!r}")
    return tuple(names)
