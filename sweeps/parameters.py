"""What a parameter of a sweep may be: a list of values, or a distribution to draw from."""

import contextlib
import math
from collections.abc import Mapping
from functools import partial
from numbers import Integral, Real
from statistics import NormalDist
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS, Value
from hq_ray.schedules import SCHEDULE_KINDS
from hq_ray.sweeps.spec_text import listed, short_repr, suggestion

# What can vary besides the hyperparameters; both are whole numbers >= 1.
LENGTHS = ("episodes", "max_steps")
# Mathematical libraries differ in the last bits of a logarithm; a sample has to be the same value,
# and so the same trial, on every machine.
DIGITS = 12
# Of a normal, at least so much must lie within its bounds.
LEAST_SHARE = 1e-6

V = TypeVar("V")
K = TypeVar("K")


class Part(BaseModel):
    """A mapping in a spec, with known keys only."""

    # Built where a sweep is read, and without the docstrings of attributes, which would be parsed
    # for each of the forty types of parameters: an import of 0.05 s in place of 0.3 s.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: object) -> dict:
        if isinstance(given, Part):
            return given.model_dump()
        if not isinstance(given, Mapping):
            raise ValueError("must be a mapping")
        for key in given:
            if not isinstance(key, str) or key not in cls.model_fields:
                hint = suggestion(key, cls.model_fields)
                raise InputError(f"unknown key {short_repr(key)}{hint}")
        return dict(given)


def plain_number(value: object) -> int | float:
    """A number as Python's own; text such as `'1e-6'` counts as its number, True and False do not.

    Raises:
        ValueError: it is none, or none that a float can hold.
    """
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = int(value) if value.isdecimal() else float(value)
    huge = isinstance(value, Integral) and int(value).bit_length() > 1000
    if isinstance(value, bool) or not isinstance(value, Real) or huge:
        raise ValueError("must be a number")
    return int(value) if isinstance(value, Integral) else float(value)


Length = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(plain_number)]
Finite = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(plain_number)]


def _hyperparameter(value: object, name: str) -> Value:
    row = HYPERPARAMETERS[name]
    try:
        if row.kind is not str:
            return row.check(plain_number(value))
        return row.check(value if isinstance(value, str) else "")
    except ValueError:
        hint = suggestion(value, SCHEDULE_KINDS) if row.kind is str else ""
        message = f"must be {row.must}, got {short_repr(value)}{hint.partition('; known')[0]}"
        raise InputError(message) from None


def value_type(name: str) -> object:
    """The type of one value of a parameter."""
    if name in LENGTHS:
        return Length
    row = HYPERPARAMETERS[name]
    of = Literal[SCHEDULE_KINDS] if row.kind is str else row.kind
    input_type = Annotated[of, Field(description=f"{row.summary}; {row.must}")]
    check = partial(_hyperparameter, name=name)
    return Annotated[row.kind, PlainValidator(check, json_schema_input_type=input_type)]


def items_of(value: object) -> tuple:
    """The items of a list or array."""
    items = listed(value)
    if items is None:
        raise ValueError("must be a list")
    if not items:
        raise InputError("must hold at least one value")
    return tuple(items)


class Values(Part, Generic[V]):
    """A list of values: the whole of it in a grid, one picked at random otherwise."""

    values: Annotated[
        tuple[V, ...],
        BeforeValidator(items_of),
        AfterValidator(lambda values: tuple(dict.fromkeys(values))),
    ]

    @property
    def varies(self) -> bool:
        """Whether there is more than one."""
        return len(self.values) > 1

    def at(self, uniform: float) -> Value:
        """The value that a uniform number in [0, 1) picks."""
        return self.values[min(int(uniform * len(self.values)), len(self.values) - 1)]


class Distribution(Part, Generic[V, K]):
    """A distribution by its quantile function, in the unit of its parameter.

    uniform        min + u (max - min)
    log_uniform    log x uniform in [log min, log max], min > 0
    int_uniform    each whole number in [min, max] alike
    int_log_uniform  the whole part of a log_uniform on [min, max + 1)
    normal         the quantile of a normal given that it lies in [min, max]

    Values that are no whole numbers are rounded to 12 significant digits.
    """

    distribution: K
    min: V
    max: V

    varies: ClassVar[bool] = True

    @model_validator(mode="after")
    def _check(self) -> "Distribution":
        if not self.min < self.max:
            raise InputError(f"min must be below max, got {self.min!r} and {self.max!r}")
        if "log" in self.distribution and self.min <= 0:
            raise InputError(f".min: must be > 0 for {self.distribution}, got {self.min!r}")
        return self

    def at(self, uniform: float) -> Value:
        """The quantile at a uniform number in [0, 1)."""
        is_whole = self.distribution.startswith("int_")
        value = self._quantile(uniform, self.min, self.max + 1 if is_whole else self.max)
        rounded = float(f"{value:.{DIGITS}g}")
        value = math.floor(rounded) if is_whole else rounded
        return min(max(value, self.min), self.max)

    def _quantile(self, uniform: float, low: float, high: float) -> float:
        if "log" in self.distribution:
            return math.exp(math.log(low) + uniform * (math.log(high) - math.log(low)))
        return low + uniform * (high - low)


class Normal(Distribution[V, Literal["normal"]], Generic[V]):
    """A normal cut to [min, max]."""

    mean: Finite
    std: Finite

    @model_validator(mode="after")
    def _check_share(self) -> "Normal":
        if self.std <= 0:
            raise InputError(f".std: must be > 0, got {self.std!r}")
        low, high = self._shares
        if not high - low >= LEAST_SHARE:
            raise InputError(
                f"min and max must enclose a part of the normal, got [{self.min!r}, {self.max!r}] "
                f"with mean {self.mean!r} and std {self.std!r}"
            )
        return self

    @property
    def _shares(self) -> tuple[float, float]:
        """How much of the normal lies below min and below max."""
        normal = NormalDist(self.mean, self.std)
        return normal.cdf(self.min), normal.cdf(self.max)

    def _quantile(self, uniform: float, low: float, high: float) -> float:
        first, last = self._shares
        share = min(max(first + uniform * (last - first), 1e-300), 1 - 2**-53)
        return NormalDist(self.mean, self.std).inv_cdf(share)


Parameter = Values | Distribution


def _spelled_out(given: object) -> object:
    """`[0.1, 0.2]` and `0.1` as a mapping with values."""
    if isinstance(given, Mapping | Part):
        if not given:
            raise ValueError("must have either values or a distribution")
        return given
    return {"values": [given] if listed(given) is None else given}


def _kind(given: object) -> str:
    if isinstance(given, Parameter):
        given = given.model_dump()
    if not isinstance(given, Mapping) or "distribution" not in given:
        return "(values)"
    return "(normal)" if given["distribution"] == "normal" else "(distribution)"


def _parameter_type(name: str) -> object:
    value = value_type(name)
    input_type = value | list[value] | Values[value]
    spelled_out = BeforeValidator(_spelled_out, json_schema_input_type=input_type)
    kinds = Annotated[Values[value], spelled_out, Tag("(values)")]
    row = HYPERPARAMETERS.get(name)
    if row is None or row.kind is int:
        drawn = Distribution[value, Literal["int_uniform", "int_log_uniform"]]
        kinds |= Annotated[drawn, Tag("(distribution)")] | Annotated[drawn, Tag("(normal)")]
    elif row.kind is float:
        drawn = Distribution[value, Literal["uniform", "log_uniform"]]
        kinds |= Annotated[drawn, Tag("(distribution)")] | Annotated[Normal[value], Tag("(normal)")]
    else:
        return Annotated[Values[value], spelled_out]
    return Annotated[kinds, Discriminator(_kind)]


PARAMETERS = (*HYPERPARAMETERS, *LENGTHS)
_Parameters = create_model(
    "Parameters", __base__=Part, **{name: (_parameter_type(name), None) for name in PARAMETERS}
)


def _in_order(given: object, handler: ValidatorFunctionWrapHandler) -> dict[str, Parameter]:
    checked = handler(given)
    return {name: getattr(checked, name) for name in given}


Parameters = Annotated[_Parameters, WrapValidator(_in_order)]
