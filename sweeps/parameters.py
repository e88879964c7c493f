"""What a parameter of a sweep may be: a list of values, or a distribution to draw from."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from statistics import NormalDist
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from hq_ray.errors import InputError, did_you_mean, short_repr
from hq_ray.hyperparameters import COUNT, HYPERPARAMETERS, Hyperparameter, Value, own_rows
from hq_ray.sweeps.spec_text import known_keys, listed, placed, placing, sentence

# What can vary besides the hyperparameters.
LENGTHS = {
    "episodes": Hyperparameter("episodes", int, 4000, *COUNT, "length of training"),
    "max_steps": Hyperparameter("max_steps", int, 1000, *COUNT, "step limit of an episode"),
}
PARAMETERS = HYPERPARAMETERS | LENGTHS
# The least share of a normal that must lie within its bounds.
LEAST_SHARE = 1e-6


def parameters_of(variants: Iterable[str]) -> dict[str, Hyperparameter]:
    """Rows of all that may vary: ours, and the parameters of user-defined rules."""
    rows = dict(PARAMETERS)
    for variant in variants:
        rows |= own_rows(variant)
    return rows


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


Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(plain_number)]


def checked(row: Hyperparameter, value: object, place: str = "") -> Any:
    """One value of a parameter.

    Raises:
        InputError: it cannot be; the message starts with the place.
    """
    try:
        return row.check(value if row.kind is str else plain_number(value))
    except ValueError:
        hint = did_you_mean(value, row.choices) if row.kind is str else ""
        raise placed(place, f"must be {row.must}, got {short_repr(value)}{hint}") from None


class Part(BaseModel):
    """A mapping in a spec, with known keys only."""

    # Validators are built when a sweep is first read, which makes the import 0.25 s faster.
    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: object) -> object:
        return given if isinstance(given, cls) else known_keys(given, cls.model_fields)


REAL_KINDS = ("uniform", "log_uniform", "normal")
WHOLE_KINDS = ("int_uniform", "int_log_uniform")
_Kind: Any = Literal[(*REAL_KINDS, *WHOLE_KINDS)]


class Distribution(Part):
    """A distribution by its quantile function, in the unit of its parameter.

    uniform        min + u (max - min)
    log_uniform    log x uniform in [log min, log max], min > 0
    int_uniform    each whole number in [min, max] alike
    int_log_uniform  the whole part of a log_uniform on [min, max + 1)
    normal         the quantile of a normal with `mean` and `std` given that it lies in [min, max]
    """

    distribution: _Kind
    min: Number
    max: Number
    mean: Number | None = None
    std: Annotated[Number, Field(gt=0)] | None = None

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
        if kind == "normal":
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


def _parameter(row: Hyperparameter, given: object) -> Parameter:
    """The values of `{values: [0.1, 0.2]}`, `[0.1, 0.2]` or `0.1`, or a distribution."""
    is_drawn = isinstance(given, Mapping) and "distribution" in given and row.kind is not str
    if is_drawn or isinstance(given, Distribution):
        return _distribution(row, given)
    if isinstance(given, Mapping):
        if not given:
            raise ValueError("must have either values or a distribution")
        values = known_keys(given, ["values"])["values"]
        with placing(".values"):
            if listed(values) is None:
                raise ValueError(f"must be a list, got {short_repr(values)}")
            return _parameter(row, values)
    items = listed(given)
    if items is None:
        return (checked(row, given),)
    if not items:
        raise ValueError("must hold at least one value")
    values = [checked(row, item, f"[{number}]") for number, item in enumerate(items)]
    return tuple(dict.fromkeys(values))


def _distribution(row: Hyperparameter, given: Any) -> Distribution:
    try:
        drawn = Distribution.model_validate(given)
    except ValidationError as problem:
        raise sentence(problem, given) from None
    kinds = WHOLE_KINDS if row.kind is int else REAL_KINDS
    if drawn.distribution not in kinds:
        must = f"must be one of {', '.join(kinds)}"
        raise InputError(f".distribution: {must}, got {drawn.distribution!r}")
    ends = {end: checked(row, getattr(drawn, end), f".{end}") for end in ("min", "max")}
    return drawn.model_copy(update=ends)


def _parameters(given: object, info: ValidationInfo) -> dict[str, Parameter]:
    """Parameters by name, in the order given, in which a grid varies them."""
    variants = [block.id for block in info.data.get("variant", ())]
    rows = parameters_of([*variants, info.data["id"]] if "id" in info.data else variants)
    parameters = {}
    for name, value in known_keys(given, rows).items():
        with placing(f".{name}"):
            parameters[name] = _parameter(rows[name], value)
    return parameters


# JSON schema of the parameters, for completion in editors. User-defined rules may add others.
SCHEMA = {
    name: {
        "description": f"{row.summary}; {row.must}",
        "examples": list(row.choices) if row.kind is str else [row.default],
    }
    for name, row in PARAMETERS.items()
}
_FORMS = {
    "values": {"type": "array"},
    **{name: {"type": "number"} for name in Distribution.model_fields},
    "distribution": {"enum": [*REAL_KINDS, *WHOLE_KINDS]},
}
_ROWS = {name: {**schema, "properties": _FORMS} for name, schema in SCHEMA.items()}
Parameters = Annotated[
    dict[str, Any],
    PlainValidator(_parameters),
    WithJsonSchema({"type": "object", "properties": _ROWS}),
]
