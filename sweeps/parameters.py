"""What a parameter of a sweep may be: a list of values, or a distribution to draw from."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from numbers import Integral, Real
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationInfo,
    create_model,
    model_validator,
)

from hq_ray.errors import InputError
from hq_ray.hyperparameters import HYPERPARAMETERS, Value
from hq_ray.sweeps.spec_text import listed, short_repr, suggestion, validated
from hq_ray.updates import variant_of

# What can vary besides the hyperparameters; both are whole numbers >= 1.
LENGTHS = ("episodes", "max_steps")
PARAMETERS = (*HYPERPARAMETERS, *LENGTHS)
# The least share of a normal that must lie within its bounds.
LEAST_SHARE = 1e-6


class Part(BaseModel):
    """A mapping in a spec, with known keys only."""

    # Built where a sweep is read, and without the docstrings of attributes, which would be parsed
    # for each type of parameter: an import of 0.05 s in place of 0.3 s.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: object) -> dict:
        if isinstance(given, Part):
            return given.model_dump(exclude_none=True)
        return known_keys(given, cls.model_fields)


def known_keys(given: object, known: Mapping[str, object]) -> dict:
    """A mapping as a dict; an unknown key is refused with the near miss."""
    if not isinstance(given, Mapping):
        raise ValueError("must be a mapping")
    for key in given:
        if not isinstance(key, str) or key not in known:
            raise InputError(f"unknown key {short_repr(key)}{suggestion(key, known)}")
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
        return row.check(value if row.kind is str else plain_number(value))
    except ValueError:
        hint = suggestion(value, row.kinds) if row.kind is str else ""
        message = f"must be {row.must}, got {short_repr(value)}{hint.partition('; known')[0]}"
        raise InputError(message) from None


def value_type(name: str) -> Any:
    """The type of one value of a parameter; of a rule of the user's own, any finite number."""
    if name not in HYPERPARAMETERS:
        return Length if name in LENGTHS else Finite
    row = HYPERPARAMETERS[name]
    of: Any = Literal[row.kinds] if row.kind is str else row.kind
    input_type: Any = Annotated[of, Field(description=f"{row.summary}; {row.must}")]
    check = partial(_hyperparameter, name=name)
    return Annotated[row.kind, PlainValidator(check, json_schema_input_type=input_type)]


def items_of(value: object, place: str = "") -> list:
    """The items of a list or array."""
    items = listed(value)
    if items is None:
        raise InputError(f"{place}must be a list, got {short_repr(value)}")
    if not items:
        raise InputError(f"{place}must hold at least one value")
    return items


def _values(given: object) -> list:
    """The items of `{values: [0.1, 0.2]}`, `[0.1, 0.2]` or `0.1`."""
    if not isinstance(given, Mapping):
        return items_of([given] if listed(given) is None else given)
    if not given:
        raise ValueError("must have either values or a distribution")
    return items_of(known_keys(given, {"values": None})["values"], ".values: ")


class Distribution(Part):
    """A distribution by its quantile function, in the unit of its parameter.

    uniform        min + u (max - min)
    log_uniform    log x uniform in [log min, log max], min > 0
    int_uniform    each whole number in [min, max] alike
    int_log_uniform  the whole part of a log_uniform on [min, max + 1)
    normal         the quantile of a normal with `mean` and `std` given that it lies in [min, max]
    """

    distribution: str
    min: float
    max: float
    mean: Finite | None = None
    std: Finite | None = None

    @model_validator(mode="after")
    def _check(self) -> "Distribution":
        kind = self.distribution
        if not self.min < self.max:
            raise InputError(f"min must be below max, got {self.min!r} and {self.max!r}")
        if "log" in kind and self.min <= 0:
            raise InputError(f".min: must be > 0 for {kind}, got {self.min!r}")
        for name in ("mean", "std"):
            if (getattr(self, name) is None) is (kind == "normal"):
                must = "must be given" if kind == "normal" else "must be left out"
                raise InputError(f".{name}: {must} for {kind}")
        if self.std is not None:
            if self.std <= 0:
                raise InputError(f".std: must be > 0, got {self.std!r}")
            _, low, high = self._normal()
            if not high - low >= LEAST_SHARE:
                raise InputError(
                    f"min and max must enclose a part of the normal, got [{self.min!r}, "
                    f"{self.max!r}] with mean {self.mean!r} and std {self.std!r}"
                )
        return self

    def _normal(self) -> tuple[NormalDist, float, float]:
        """The normal, and its shares below min and below max."""
        normal = NormalDist(self.mean or 0.0, self.std or 0.0)
        return normal, normal.cdf(self.min), normal.cdf(self.max)

    def at(self, uniform: float) -> Value:
        """The quantile at a uniform number in [0, 1).

        It is rounded to 12 significant digits: mathematical libraries differ in the last bits of a
        logarithm, and a sample must be the same trial on every machine.
        """
        is_whole = self.distribution.startswith("int_")
        low, high = self.min, self.max + is_whole
        if "log" in self.distribution:
            value = math.exp(math.log(low) + uniform * (math.log(high) - math.log(low)))
        elif self.distribution == "normal":
            normal, first, last = self._normal()
            share = min(max(first + uniform * (last - first), 1e-300), 1 - 2**-53)
            value = normal.inv_cdf(share)
        else:
            value = low + uniform * (high - low)
        rounded = float(f"{value:.12g}")
        return min(max(math.floor(rounded) if is_whole else rounded, self.min), self.max)


Parameter = tuple[Value, ...] | Distribution


def _kind(given: object) -> str:
    drawn = isinstance(given, Mapping) and "distribution" in given
    return "(distribution)" if drawn or isinstance(given, Distribution) else "(values)"


def _parameter_type(name: str) -> Any:
    value = value_type(name)
    input_type: Any = value | list[value] | dict[Literal["values"], list[value]]  # type: ignore[valid-type]
    values: Any = Annotated[
        tuple[value, ...],  # type: ignore[valid-type]
        BeforeValidator(_values, json_schema_input_type=input_type),
        AfterValidator(lambda values: tuple(dict.fromkeys(values))),
    ]
    kind: type = int if name in LENGTHS else float
    if name in HYPERPARAMETERS:
        kind = HYPERPARAMETERS[name].kind
    if kind is str:
        return values
    kinds: Any = Literal["uniform", "log_uniform", "normal"]
    if kind is int:
        kinds = Literal["int_uniform", "int_log_uniform"]
    typed: dict[str, Any] = {"distribution": (kinds, ...), "min": (value, ...), "max": (value, ...)}
    drawn: Any = create_model(f"{name}_distribution", __base__=Distribution, **typed)
    tagged: Any = Annotated[values, Tag("(values)")] | Annotated[drawn, Tag("(distribution)")]
    return Annotated[tagged, Discriminator(_kind)]


_FIELDS: dict[str, Any] = {name: (_parameter_type(name), None) for name in PARAMETERS}
_Parameters = create_model("Parameters", __base__=Part, **_FIELDS)


class _OwnToo(Part):
    # In the JSON schema any name may be a parameter of a rule of the user's own.
    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})


_Described = create_model("Parameters", __base__=_OwnToo, **_FIELDS)


def own_parameters(variants: Iterable[str]) -> tuple[str, ...]:
    """Names of the hyperparameters that rules of the user's own have."""
    return tuple(dict.fromkeys(name for one in variants for name in variant_of(one).parameters))


def named_so_far(info: ValidationInfo) -> list[str]:
    """The variants that the mapping around what is validated names."""
    entries = info.data.get("variant", ())
    return [block.id for entry in entries for block in entry] + [
        info.data[key] for key in ("id",) if key in info.data
    ]


@lru_cache(maxsize=64)
def _with_own(names: tuple[str, ...]) -> type[BaseModel]:
    fields: dict[str, Any] = {name: (_parameter_type(name), None) for name in names}
    return create_model("Parameters", __base__=_Parameters, **fields) if names else _Parameters


def _parameters(given: Any, info: ValidationInfo) -> dict[str, Parameter]:
    checked = validated(_with_own(own_parameters(named_so_far(info))), given)
    # In the order given, in which a grid varies them.
    return {name: getattr(checked, name) for name in given}


Parameters = Annotated[
    dict[str, Any], PlainValidator(_parameters, json_schema_input_type=_Described)
]
