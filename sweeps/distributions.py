"""What a parameter of a sweep may be: a list of values, or a distribution to draw from."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from statistics import NormalDist

import numpy as np

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS, Value
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.sweeps.spec_text import near_miss_of, place_of, shown

DISTRIBUTIONS = ("uniform", "log_uniform", "int_uniform", "int_log_uniform", "normal")
# What can vary besides the hyperparameters; both are whole numbers >= 1.
LENGTHS = ("episodes", "max_steps")
LONGEST = 2**31 - 1
# Mathematical libraries differ in the last bits of a logarithm; a sample has to be the same value,
# and so the same trial, on every machine.
DIGITS = 12
# Of a normal, at least so much must lie within its bounds.
LEAST_SHARE = 1e-6


@dataclass(frozen=True)
class Values:
    """A list of values: the whole of it in a grid, one picked at random otherwise."""

    values: tuple[Value, ...]

    @property
    def varies(self) -> bool:
        """Whether there is more than one."""
        return len(self.values) > 1

    def at(self, uniform: float) -> Value:
        """The value that a uniform number in [0, 1) picks."""
        return self.values[min(int(uniform * len(self.values)), len(self.values) - 1)]

    def to_dict(self) -> dict:
        """The form in a spec."""
        return {"values": list(self.values)}


@dataclass(frozen=True)
class Distribution:
    """A distribution by its quantile function, in the unit of its parameter.

    uniform        min + u (max - min)
    log_uniform    log x uniform in [log min, log max], min > 0
    int_uniform    each whole number in [min, max] alike
    int_log_uniform  the whole part of a log_uniform on [min, max + 1)
    normal         the quantile of a normal given that it lies in [min, max]

    Values that are no whole numbers are rounded to 12 significant digits.
    """

    kind: str
    low: float
    high: float
    mean: float = 0.0
    std: float = 1.0

    def at(self, uniform: float) -> Value:
        """The quantile at a uniform number in [0, 1)."""
        low, high = self.low, self.high
        if self.kind.startswith("int_"):
            high += 1
        if self.kind == "normal":
            normal, (first, last) = NormalDist(self.mean, self.std), self.shares()
            share = min(max(first + uniform * (last - first), 1e-300), 1 - 2**-53)
            value = normal.inv_cdf(share)
        elif "log" in self.kind:
            value = math.exp(math.log(low) + uniform * (math.log(high) - math.log(low)))
        else:
            value = low + uniform * (high - low)
        rounded = float(f"{value:.{DIGITS}g}")
        value = math.floor(rounded) if self.kind.startswith("int_") else rounded
        return min(max(value, self.low), self.high)

    @property
    def varies(self) -> bool:
        """True: bounds lie apart."""
        return True

    def shares(self) -> tuple[float, float]:
        """How much of the normal lies below min and below max."""
        normal = NormalDist(self.mean, self.std)
        return normal.cdf(self.low), normal.cdf(self.high)

    def to_dict(self) -> dict:
        """The form in a spec."""
        spec = {"distribution": self.kind}
        if self.kind == "normal":
            spec |= {"mean": self.mean, "std": self.std}
        bounds = {"min": self.low, "max": self.high}
        return spec | {name: bound for name, bound in bounds.items() if math.isfinite(bound)}


Parameter = Values | Distribution


def read_parameters(path: str, spec: object, method: str) -> dict[str, Parameter]:
    """Parameters by name, checked.

    Raises:
        InputError: with the path in the spec of what is wrong.
    """
    if not isinstance(spec, Mapping):
        raise InputError(f"{path}: must be a mapping of parameters, got {shown(spec)}")
    known = [*HYPERPARAMETERS, *LENGTHS]
    parameters = {}
    for name, given in spec.items():
        if name not in known:
            hint = near_miss_of(name, known)
            raise InputError(f"{place_of(path, name)}: unknown parameter{hint}")
        parameters[name] = _parameter(f"{path}.{name}", name, given, method)
    return parameters


def _parameter(path: str, name: str, given: object, method: str) -> Parameter:
    if isinstance(given, Values | Distribution):
        given = given.to_dict()
    if not isinstance(given, Mapping):
        # Shorthand: alpha: [0.1, 0.2] and alpha: 0.1.
        items = listed(given)
        return _values(path, name, [given] if items is None else items, path, items is None)
    kind = given.get("distribution", "values")
    allowed = {
        "values": ("values",),
        "normal": ("distribution", "mean", "std", "min", "max"),
    }.get(kind if isinstance(kind, str) else "", ("distribution", "min", "max"))
    for key in given:
        if key not in (*allowed, "values", "distribution"):
            hint = near_miss_of(key, allowed)
            raise InputError(f"{path}: unknown key {shown(key)}{hint}")
    if ("values" in given) == ("distribution" in given):
        raise InputError(f"{path}: must have either values or a distribution, got {shown(given)}")
    if "values" in given:
        items = listed(given["values"])
        if items is None:
            raise InputError(f"{path}.values: must be a list, got {shown(given['values'])}")
        if len(given) > 1:
            raise InputError(f"{path}: values must stand alone, got {shown(given)}")
        return _values(path, name, items, f"{path}.values")
    if kind not in DISTRIBUTIONS:
        hint = near_miss_of(kind, DISTRIBUTIONS)
        raise InputError(f"{path}.distribution: unknown distribution {shown(kind)}{hint}")
    if method == "grid":
        raise InputError(
            f"{path}: a grid needs values; a distribution is for method random or sobol"
        )
    return _distribution(path, name, kind, given)


def listed(value: object) -> list | None:
    """A list, tuple, range or array as a list; None for anything else."""
    if isinstance(value, np.ndarray):
        return value.tolist() if value.ndim else None
    return list(value) if isinstance(value, list | tuple | range) else None


def _values(path: str, name: str, given: Sequence, where: str, single: bool = False) -> Values:
    if not given:
        raise InputError(f"{where}: must hold at least one value")
    checked = [
        checked_value(where if single else f"{where}[{i}]", name, value)
        for i, value in enumerate(given)
    ]
    return Values(tuple(dict.fromkeys(checked)))


def checked_value(path: str, name: str, value: object) -> Value:
    """A value within the bounds of its parameter; text such as `'1e-6'` counts as its number."""
    if name in LENGTHS:
        return whole_number(path, value, 1, LONGEST)
    row = HYPERPARAMETERS[name]
    number = value if row.kind is str else _from_text(value)
    scalar = isinstance(number, str | Real) and not is_huge(number)
    try:
        # What is no scalar is refused as `row` refuses, without being compared.
        return row.check(number if scalar else None)
    except InputError:
        hint = near_miss_of(value, SCHEDULE_KINDS) if isinstance(value, str) else ""
        hint = hint if row.kind is str else ""
        raise InputError(f"{path}: must be {row.must}, got {shown(value)}{hint}") from None


def _from_text(value: object) -> object:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def is_huge(value: object) -> bool:
    """Whether it is a whole number that no float holds."""
    return isinstance(value, Integral) and int(value).bit_length() > 1000


def _distribution(path: str, name: str, kind: str, given: Mapping) -> Distribution:
    integer = name in LENGTHS or HYPERPARAMETERS[name].kind is int
    if name in HYPERPARAMETERS and HYPERPARAMETERS[name].kind is str:
        raise InputError(f"{path}: must be values, for a name has no distribution")
    if integer != kind.startswith("int_"):
        fitting = "int_uniform or int_log_uniform" if integer else "uniform, log_uniform or normal"
        raise InputError(f"{path}.distribution: must be {fitting} for {name}, got {kind}")
    if kind == "normal":
        mean, std = (_number(f"{path}.{key}", given.get(key)) for key in ("mean", "std"))
        if std <= 0:
            raise InputError(f"{path}.std: must be > 0, got {std!r}")
    else:
        mean, std = 0.0, 1.0
    low, high = (
        checked_value(f"{path}.{key}", name, _number(f"{path}.{key}", given.get(key)))
        for key in ("min", "max")
    )
    if not low < high:
        raise InputError(f"{path}: min must be below max, got {low!r} and {high!r}")
    if "log" in kind and low <= 0:
        raise InputError(f"{path}.min: must be > 0 for {kind}, got {low!r}")
    made = Distribution(kind, low, high, mean, std)
    if kind == "normal" and not made.shares()[1] - made.shares()[0] >= LEAST_SHARE:
        raise InputError(
            f"{path}: min and max must enclose a part of the normal, got [{low!r}, {high!r}] with "
            f"mean {mean!r} and std {std!r}"
        )
    return made


def _number(path: str, value: object) -> float:
    if value is None:
        raise InputError(f"{path}: must be given")
    number = _from_text(value)
    usable = isinstance(number, Real) and not isinstance(number, bool) and not is_huge(number)
    if not usable or not abs(number) < 1e300:
        raise InputError(f"{path}: must be a finite number, got {shown(value)}")
    return int(number) if isinstance(number, Integral) else float(number)


def whole_number(path: str, value: object, least: int, most: int) -> int:
    """A whole number within bounds, or an InputError with the path."""
    number = _from_text(value) if isinstance(value, str) and not value.isdecimal() else value
    if isinstance(value, str) and value.isdecimal() and len(value) < 30:
        number = int(value)
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if isinstance(number, float) and number.is_integer():
        number, whole = int(number), True
    if not whole or not least <= number <= most:
        raise InputError(
            f"{path}: must be a whole number from {least} to {most}, got {shown(value)}"
        )
    return int(number)
