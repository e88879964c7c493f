"""The hyperparameters of a trial: one table that flags, specs, columns and checks are made from."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from hq_ray.errors import InputError, near_miss
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.updates import variant_of

Value = float | int | str


@dataclass(frozen=True)
class Hyperparameter:
    """A row of the table.

    Attributes:
        name: the same in code, spec, flags, Parquet columns and on axes.
        kind: float, int or str.
        default: the value of a trial that does not say.
        must: what has to hold, as the error message puts it.
        holds: whether it does.
        summary: one line for people, with the unit.
    """

    name: str
    kind: type
    default: Value
    must: str
    holds: Callable[[Any], bool]
    summary: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The kinds of schedule that it may be, where it is text."""
        return tuple(filter(self.holds, ALPHA_KINDS))

    def check(self, value: Any) -> Any:
        """The value as its kind, or an InputError that says what must hold and what was given."""
        checked = value if self.kind is str else _as_number(value, self.kind)
        if checked is None or not self.holds(checked):
            hint = near_miss(value, self.choices) if self.kind is str else ""
            raise InputError(f"{self.name} must be {self.must}, got {value!r}{hint}")
        return checked


def _as_number(value: Any, kind: type) -> float | int | None:
    # float32 and NumPy integers are numbers too; True and "0.1" are not.
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    if kind is float:
        # Adding zero makes -0.0 the 0.0 that it equals, so that the two are one trial.
        return float(value) + 0.0 if math.isfinite(value) else None
    if isinstance(value, Integral):
        return int(value)
    return int(float(value)) if float(value).is_integer() else None


# What must hold, and whether it does.
STEP_SIZE = "in (0, 1]", lambda v: 0 < v <= 1
PROBABILITY = "in [0, 1]", lambda v: 0 <= v <= 1
COUNT = "a whole number from 1 to 2147483647", lambda v: 1 <= v < 2**31
POSITIVE = "a finite number > 0", lambda v: v > 0
FINITE = "a finite number", lambda v: True
POWER = "in (0.5, 1]", lambda v: 0.5 < v <= 1
ALPHA_KINDS = (*SCHEDULE_KINDS, "visits")
KIND = "one of " + ", ".join(SCHEDULE_KINDS), lambda v: v in SCHEDULE_KINDS
ALPHA_KIND = "one of " + ", ".join(ALPHA_KINDS), lambda v: v in ALPHA_KINDS

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    name: Hyperparameter(name, type(default), default, must, holds, summary)
    for name, default, (must, holds), summary in (
        ("alpha", 0.2, STEP_SIZE, "step size"),
        ("alpha_schedule", "constant", ALPHA_KIND, "how alpha moves over episodes, or by visits"),
        ("alpha_end", 0.05, STEP_SIZE, "step size that alpha_schedule ends at"),
        ("alpha_decay_episodes", 3500, COUNT, "length of alpha_schedule [episodes]"),
        ("alpha_power", 0.8, POWER, "alpha n^-alpha_power at the n-th visit, for visits"),
        ("alpha_down", 0.5, STEP_SIZE, "step size downwards, for asymmetric"),
        ("gamma", 0.99, PROBABILITY, "discount"),
        ("eps_schedule", "linear", KIND, "how epsilon moves over episodes"),
        ("eps_start", 1.0, PROBABILITY, "first exploration probability"),
        ("eps_end", 0.05, PROBABILITY, "last exploration probability"),
        ("eps_decay_episodes", 3500, COUNT, "length of eps_schedule [episodes]"),
        ("eps_shift", 1e-6, POSITIVE, "shift of harmonic [reward units]"),
    )
}


def own_rows(variant: str) -> dict[str, Hyperparameter]:
    """Rows of the parameters that a user-defined rule has of its own."""
    defaults = variant_of(variant).parameters.items()
    return {name: Hyperparameter(name, float, value, *FINITE, "") for name, value in defaults}


def used_hyperparameters(variant: str, values: Mapping[str, Value]) -> dict[str, Any]:
    """The values that decide a trial's log; None for those that this trial does not read.

    A standard trial has no eps_shift, a constant schedule has no end and no length. Trials that
    differ only in what they do not read are therefore one and the same trial.

    What is not among the values takes its default.

    Raises:
        InputError: an unknown name, a value out of bounds, or bounds that contradict each other.
    """
    rule, own = variant_of(variant), own_rows(variant)
    known = HYPERPARAMETERS | own
    for name in values:
        if name not in known:
            raise InputError(f"unknown hyperparameter {name!r}{near_miss(name, known)}")
    chosen: dict[str, Any] = {
        name: row.check(values[name]) if name in values else row.default
        for name, row in known.items()
    }
    unused = set(rule.unread)
    for prefix, start in (("alpha", "alpha"), ("eps", "eps_start")):
        kind, ends = chosen[f"{prefix}_schedule"], (f"{prefix}_end", f"{prefix}_decay_episodes")
        if start in unused:
            unused |= {f"{prefix}_schedule", *ends}
        elif kind in ("constant", "visits"):
            unused |= set(ends)
        elif kind == "exponential" and min(chosen[start], chosen[ends[0]]) <= 0:
            raise InputError(
                f"{start} and {ends[0]} must be > 0 for an exponential {prefix}_schedule, "
                f"got {chosen[start]!r} and {chosen[ends[0]]!r}"
            )
    if "alpha" in unused or chosen["alpha_schedule"] != "visits":
        unused.add("alpha_power")
    if not unused & {"alpha_down", "alpha_end"}:
        down = chosen["alpha_end"] * (chosen["alpha_down"] / chosen["alpha"])
        if down > 1:
            raise InputError(
                "alpha_end * (alpha_down / alpha), the last step downwards, must be at most 1, "
                f"got {down!r}"
            )
    used = {name: None if name in unused else chosen[name] for name in HYPERPARAMETERS}
    if rule.digest is None:
        return used
    arguments = {name: chosen[name] for name in own}
    return used | {
        "rule": rule.digest,
        "rule_args": json.dumps(arguments, sort_keys=True) if own else None,
    }
