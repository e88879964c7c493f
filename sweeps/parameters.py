"""What a parameter of a sweep takes: listed values or a distribution, checked against its row."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS, Hyperparameter, Value
from sweeps.distributions import KINDS, WIDEST_STD, Distribution
from sweeps.spec_errors import check_known, wrong
from sweeps.yaml_document import read_number


def _count(name: str, default: int, summary: str) -> Hyperparameter:
    must = "a whole number from 1 to 2147483647"
    return Hyperparameter(name, int, default, must, lambda v: 1 <= v < 2**31, summary)


# The two lengths are swept like hyperparameters, though they are settings of the trial.
EPISODES = _count("episodes", 4000, "training length [episodes]")
MAX_STEPS = _count("max_steps", 1000, "step limit of an episode [steps]")
SWEEPABLE: dict[str, Hyperparameter] = {
    **HYPERPARAMETERS,
    "episodes": EPISODES,
    "max_steps": MAX_STEPS,
}


@dataclass(frozen=True)
class Values:
    """Listed values, each once."""

    values: tuple[Value, ...]

    def quantile(self, probability: float) -> Value:
        """Each value equally often, in the order of the list."""
        return self.values[min(int(probability * len(self.values)), len(self.values) - 1)]

    def to_dict(self) -> dict[str, list[Value]]:
        """As in a spec."""
        return {"values": list(self.values)}


Parameter = Values | Distribution


def plain(value: object) -> object:
    """NumPy scalars and arrays as Python's, tuples and ranges as lists; the rest as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return list(value) if isinstance(value, tuple | range) else value


def checked(row: Hyperparameter, value: object, path: str) -> Value:
    """A value that a row of the table allows; text such as `1e-6` counts as its number.

    Raises:
        InputError: the row does not allow it.
    """
    given, value = value, plain(value)
    if isinstance(value, str) and row.kind is not str:
        number = read_number(value)
        value = value if number is None else number
    huge = isinstance(value, int) and value.bit_length() > 1000
    if not isinstance(value, int | float | str) or huge:
        raise wrong(path, f"must be {row.must}", given)
    try:
        return row.check(value)
    except InputError as problem:
        raise InputError(f"{path}: {str(problem).removeprefix(row.name + ' ')}") from None


def read_parameters(given: object, path: str) -> dict[str, Parameter]:
    """Parameters by name, in the order given.

    Raises:
        InputError: not a mapping, an unknown name, or a parameter that is not one.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise wrong(path, "must be a mapping of hyperparameters", given)
    made = {}
    for name, value in given.items():
        check_known(path, "hyperparameter", name, SWEEPABLE)
        made[name] = read_parameter(name, value, f"{path}.{name}")
    return made


def read_parameter(name: str, given: object, path: str) -> Parameter:
    """`{values: [...]}`, `[...]`, a single value, or `{distribution: ..., ...}`.

    Raises:
        InputError: none of these, or a value or bound that the hyperparameter does not allow.
    """
    if isinstance(given, Values | Distribution):
        given = given.to_dict()
    given = plain(given)
    if isinstance(given, list):
        return _listed(name, given, path)
    if not isinstance(given, Mapping):
        return Values((checked(SWEEPABLE[name], given, path),))
    if "distribution" in given:
        return _distribution(name, given, path)
    for key in given:
        check_known(path, "key", key, ("values", "distribution"))
    if not given:
        raise wrong(path, "must have values or a distribution", given)
    values = plain(given["values"])
    if not isinstance(values, list):
        raise wrong(f"{path}.values", "must be a list", values)
    return _listed(name, values, f"{path}.values")


def _listed(name: str, given: list, path: str) -> Values:
    if not given:
        raise wrong(path, "must have at least one value", given)
    values: dict[Value, None] = {}
    for index, value in enumerate(given):
        number = checked(SWEEPABLE[name], value, f"{path}[{index}]")
        if number in values:
            raise InputError(f"{path}[{index}]: must be given once, got {number!r} again")
        values[number] = None
    return Values(tuple(values))


def _distribution(name: str, given: Mapping, path: str) -> Distribution:
    row, kind_name = SWEEPABLE[name], given["distribution"]
    if row.kind is str:
        raise wrong(path, f"must be listed values, {row.must}", dict(given))
    check_known(f"{path}.distribution", "distribution", kind_name, KINDS)
    kind = KINDS[kind_name]
    if row.kind is int and not kind.whole:
        must = "must be int_uniform or int_log_uniform for a whole number"
        raise wrong(f"{path}.distribution", must, kind_name)
    for key in given:
        check_known(path, f"key of {kind_name}", key, ("distribution", *kind.takes))
    numbers = {}
    for key in kind.takes:
        if given.get(key) is not None:
            numbers[key] = _number(given[key], f"{path}.{key}", kind.whole)
        elif key in kind.needs:
            raise InputError(f"{path}.{key}: must be given for {kind_name}")
    made = Distribution(kind_name, **numbers)
    _check_bounds(row, made, path)
    return made


def _number(value: object, path: str, whole: bool) -> float | int:
    number = plain(value)
    if isinstance(number, str):
        number = read_number(number)
    usable = isinstance(number, int | float) and not isinstance(number, bool)
    if not usable or not -1e300 < number < 1e300:
        raise wrong(path, "must be a finite number", value)
    if not whole:
        return float(number)
    if not float(number).is_integer():
        raise wrong(path, "must be a whole number", value)
    return int(number)


def _check_bounds(row: Hyperparameter, of: Distribution, path: str) -> None:
    if of.std is not None and of.std <= 0:
        raise wrong(f"{path}.std", "must be > 0", of.std)
    for side, number, endless in (("min", of.min, -math.inf), ("max", of.max, math.inf)):
        if number is not None:
            checked(row, number, f"{path}.{side}")
        elif not row.holds(endless):
            raise InputError(f"{path}.{side}: must be given, to keep {row.name} {row.must}")
    if KINDS[of.kind].log and of.min <= 0:
        raise wrong(f"{path}.min", f"must be > 0 for {of.kind}", of.min)
    if None not in (of.min, of.max) and of.min >= of.max:
        raise InputError(f"{path}: min must be below max, got {of.min!r} and {of.max!r}")
    if of.kind == "normal":
        _check_reach(of, path)


def _check_reach(of: Distribution, path: str) -> None:
    reach = WIDEST_STD * of.std
    for side, number, beyond in (
        ("min", of.min, of.min is not None and of.min > of.mean + reach),
        ("max", of.max, of.max is not None and of.max < of.mean - reach),
    ):
        if beyond:
            raise wrong(f"{path}.{side}", f"must be within {WIDEST_STD:g} std of the mean", number)
