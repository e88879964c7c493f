"""What a parameter of a sweep may be: a list of values, or a distribution to draw from."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from statistics import NormalDist

from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS, Value

DISTRIBUTIONS = ("uniform", "log_uniform", "int_uniform", "int_log_uniform", "normal")
# What can vary besides the hyperparameters; both are whole numbers >= 1.
LENGTHS = ("episodes", "max_steps")
LONGEST = 2**31 - 1


@dataclass(frozen=True)
class Values:
    """A list of values: the whole of it in a grid, one picked at random otherwise."""

    values: tuple[Value, ...]

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
    log_uniform    min (max / min)^u, min > 0
    int_uniform    each whole number in [min, max] alike
    int_log_uniform  the whole part of a log_uniform on [min, max + 1)
    normal         mean + std z, where z is the normal quantile of u, cut to [min, max]
    """

    kind: str
    low: float
    high: float
    mean: float = 0.0
    std: float = 1.0

    def at(self, uniform: float) -> Value:
        """The quantile at a uniform number in [0, 1)."""
        low, high = self.low, self.high
        if self.kind == "uniform":
            return min(low + uniform * (high - low), high)
        if self.kind == "log_uniform":
            return min(max(low * (high / low) ** uniform, low), high)
        if self.kind == "int_uniform":
            return int(low) + min(int(uniform * (high - low + 1)), int(high - low))
        if self.kind == "int_log_uniform":
            return min(max(int(low * ((high + 1) / low) ** uniform), int(low)), int(high))
        normal = NormalDist(self.mean, self.std)
        first, last = normal.cdf(low), normal.cdf(high)
        share = min(max(first + uniform * (last - first), 1e-300), 1 - 2**-53)
        return min(max(normal.inv_cdf(share), low), high)

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
        raise InputError(f"{path}: must be a mapping of parameters, got {spec!r}")
    known = [*HYPERPARAMETERS, *LENGTHS]
    parameters = {}
    for name, given in spec.items():
        if name not in known:
            raise InputError(f"{path}.{name}: unknown parameter{near_miss(str(name), known)}")
        parameters[name] = _parameter(f"{path}.{name}", name, given, method)
    return parameters


def _parameter(path: str, name: str, given: object, method: str) -> Parameter:
    if isinstance(given, Values | Distribution):
        given = given.to_dict()
    if not isinstance(given, Mapping):
        # Shorthand: alpha: [0.1, 0.2] and alpha: 0.1.
        listed = given if isinstance(given, list | tuple) else [given]
        return _values(path, name, listed, shorthand=True)
    kind = given.get("distribution", "values")
    allowed = {
        "values": ("values",),
        "normal": ("distribution", "mean", "std", "min", "max"),
    }.get(kind if isinstance(kind, str) else "", ("distribution", "min", "max"))
    for key in given:
        if key not in (*allowed, "values", "distribution"):
            raise InputError(f"{path}.{key}: unknown key{near_miss(str(key), allowed)}")
    if ("values" in given) == ("distribution" in given):
        raise InputError(f"{path}: must have either values or a distribution, got {dict(given)!r}")
    if "values" in given:
        if not isinstance(given["values"], list | tuple):
            raise InputError(f"{path}.values: must be a list, got {given['values']!r}")
        if len(given) > 1:
            raise InputError(f"{path}: values stand alone, got {dict(given)!r}")
        return _values(path, name, given["values"])
    if kind not in DISTRIBUTIONS:
        hint = near_miss(str(kind), DISTRIBUTIONS)
        raise InputError(f"{path}.distribution: unknown distribution {kind!r}{hint}")
    if method == "grid":
        raise InputError(
            f"{path}: a grid needs values; a distribution is for method random or sobol"
        )
    return _distribution(path, name, kind, given)


def _values(path: str, name: str, given: Sequence, shorthand: bool = False) -> Values:
    if not given:
        raise InputError(f"{path}{'' if shorthand else '.values'}: must hold at least one value")
    where = path if shorthand else f"{path}.values"
    single = shorthand and len(given) == 1
    checked = [
        _checked(where if single else f"{where}[{i}]", name, value) for i, value in enumerate(given)
    ]
    return Values(tuple(dict.fromkeys(checked)))


def _checked(path: str, name: str, value: object) -> Value:
    """A value within the bounds of its parameter; `1e-6` without a dot is text to YAML."""
    if name in LENGTHS:
        return whole_number(path, value, 1, LONGEST)
    row = HYPERPARAMETERS[name]
    if isinstance(value, str) and row.kind is not str:
        with contextlib.suppress(ValueError):
            value = float(value)
    try:
        return row.check(value)
    except InputError as problem:
        raise InputError(f"{path}: {str(problem).removeprefix(name).strip()}") from None


def _distribution(path: str, name: str, kind: str, given: Mapping) -> Distribution:
    integer = name in LENGTHS or HYPERPARAMETERS[name].kind is int
    if name in HYPERPARAMETERS and HYPERPARAMETERS[name].kind is str:
        raise InputError(f"{path}: a name has no distribution; give values")
    if integer != kind.startswith("int_"):
        fitting = "int_uniform or int_log_uniform" if integer else "uniform, log_uniform or normal"
        raise InputError(f"{path}.distribution: must be {fitting} for {name}, got {kind}")
    if kind == "normal":
        mean, std = (_number(f"{path}.{key}", given.get(key)) for key in ("mean", "std"))
        if std <= 0:
            raise InputError(f"{path}.std: must be > 0, got {std!r}")
        missing = [key for key in ("min", "max") if key not in given]
        if missing:
            raise InputError(f"{path}.{missing[0]}: must be given, to keep {name} in its bounds")
    else:
        mean, std = 0.0, 1.0
    low, high = (
        _checked(f"{path}.{key}", name, _number(f"{path}.{key}", given.get(key)))
        for key in ("min", "max")
    )
    if not low < high:
        raise InputError(f"{path}: min must be below max, got {low!r} and {high!r}")
    if "log" in kind and low <= 0:
        raise InputError(f"{path}.min: must be > 0 for {kind}, got {low!r}")
    return Distribution(kind, low, high, mean, std)


def _number(path: str, value: object) -> float:
    if value is None:
        raise InputError(f"{path}: must be given")
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InputError(f"{path}: must be a finite number, got {value!r}")
    return value


def whole_number(path: str, value: object, least: int, most: int) -> int:
    """A whole number within bounds, or an InputError with the path."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole and isinstance(value, float) and value.is_integer():
        value, whole = int(value), True
    if not whole or not least <= value <= most:
        raise InputError(f"{path}: must be a whole number from {least} to {most}, got {value!r}")
    return int(value)
