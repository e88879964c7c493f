"""The entries of a spec: its environments, variants, seeds and listed configurations."""

import itertools
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from hq_ray.errors import InputError, one_line, short_repr
from hq_ray.schema import BETTER, JOINED, OF_ANALYSIS
from hq_ray.sweeps.parameters import SCHEMA, Parameters, Part, checked, parameters_of, plain_number
from hq_ray.sweeps.spec_text import known_keys, listed
from hq_ray.trial import BLOCK, MAX_SEED, MOST_SEEDS, canonical, environment_name, parse_seeds
from hq_ray.updates import VARIANTS, parse_variants, variant_of

T = TypeVar("T")
# Of an argument of an environment: `0-49` is the whole numbers from 0 to 49.
RANGE = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
MOST_INSTANCES = 10**4


def _entries(value: object) -> list:
    """The items of a list, or the one value that stands for a list of itself."""
    items = listed(value)
    return [value] if items is None else items


class _OneInPlaceOfAList:
    def __get_pydantic_json_schema__(self, core: dict, handler: GetJsonSchemaHandler) -> dict:
        schema = handler(core)
        return {"anyOf": [schema["items"], schema]}


OneOrMore = Annotated[tuple[T, ...], BeforeValidator(_entries), _OneInPlaceOfAList()]


# --- environments


@dataclass(frozen=True)
class EnvironmentRequest:
    """An environment as asked for: its id, its arguments as canonical JSON, what to call it.

    `family` names the entry whose range of arguments it is an instance of.
    """

    id: str
    args: str = "{}"
    label: str | None = field(default=None, compare=False)
    family: str | None = field(default=None, compare=False)

    def in_a_spec(self) -> dict[str, Any]:
        """The form in a spec."""
        label = {} if self.label is None else {"label": self.label}
        return {"id": self.id, **label, **json.loads(self.args)}


def _environments(entry: Any) -> tuple[EnvironmentRequest, ...]:
    """The environments of an entry: several where an argument is a range such as `0-49`."""
    if isinstance(entry, EnvironmentRequest):
        return (entry,)
    args = dict(entry) if isinstance(entry, Mapping) else {"id": entry}
    name, label = args.pop("id", None), args.pop("label", None)
    if not isinstance(name, str) or not name.strip():
        raise ValueError("must be an id or a mapping with an id")
    if label is not None and not (isinstance(label, str) and 0 < len(label.strip()) <= 100):
        raise InputError(f".label: must be text of at most 100 letters, got {short_repr(label)}")
    label, name = label and one_line(label), name.strip()
    ranges = {key: numbers for key, value in args.items() if (numbers := _range(key, value))}
    if math.prod(map(len, ranges.values())) > MOST_INSTANCES:
        longest = max(ranges, key=lambda key: len(ranges[key]))
        raise InputError(
            f".{longest}: ranges must make at most {MOST_INSTANCES:,} environments, "
            f"got {args[longest]!r}"
        )
    fixed = {key: value for key, value in args.items() if key not in ranges}
    named = [f"{key} {args[key]}" for key in ranges]
    family = label or ", ".join([environment_name(name, canonical(fixed)), *named])
    requests = tuple(
        EnvironmentRequest(
            name,
            canonical({**args, **dict(zip(ranges, values, strict=True))}),
            label and ", ".join([label, *map("{} {}".format, ranges, values)]),
            family if ranges else None,
        )
        for values in itertools.product(*ranges.values())
    )
    text = max((request.label or "" for request in requests), key=len)
    if len(text) > 100:
        raise InputError(
            f".label: must be text of at most 100 letters with its range, got {short_repr(text)}"
        )
    return requests


def _range(name: str, value: object) -> range | None:
    """The whole numbers that an argument means, if it is a range."""
    match = RANGE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    first, last = map(int, match.groups())
    if last < first:
        raise InputError(
            f".{name}: a range must rise, got {value!r}; did you mean '{last}-{first}'?"
        )
    return range(first, last + 1)


def _environment(entry: Any) -> EnvironmentRequest:
    requests = _environments(entry)
    if len(requests) > 1:
        raise ValueError("must be one environment, without a range of arguments")
    return requests[0]


Environment = Annotated[EnvironmentRequest, PlainValidator(_environment)]
Environments = Annotated[
    Any, PlainValidator(_environments, json_schema_input_type=str | dict[str, Any])
]


# --- variants


def _variant(name: object) -> str:
    names = parse_variants(name) if isinstance(name, str) else ()
    if len(names) != 1:
        raise ValueError("must be the name of one variant")
    for own in variant_of(names[0]).parameters:
        if own in OF_ANALYSIS.union(JOINED.names):
            raise InputError(
                f"a parameter of a rule must have a name of its own, but {names[0]} has {own!r}, "
                "which is a column of the results or of tables made from them"
            )
    return names[0]


# A name of VARIANTS, or `module:name`.
_ROW: Any = Literal[(*VARIANTS,)] | Annotated[str, Field(pattern=":")]
VariantName = Annotated[str, PlainValidator(_variant, json_schema_input_type=_ROW)]


class VariantBlock(Part):
    """A variant, and parameters of its own where it has them."""

    id: VariantName
    parameters: Parameters | None = None


def _blocks(given: object) -> list:
    return [{"id": id} for id in parse_variants(given)] if isinstance(given, str) else [given]


_Names: Any = Literal[(*VARIANTS, "both")] | Annotated[str, Field(pattern="[,:]")]
VariantEntry: Any = Annotated[
    tuple[VariantBlock, ...],
    BeforeValidator(_blocks, json_schema_input_type=_Names | VariantBlock),
]


# --- seeds and confirmation


def _seeds(given: object, handler: Callable[[object], tuple[int, ...]]) -> tuple[int, ...]:
    if isinstance(given, str):
        try:
            return parse_seeds(given)
        except InputError as problem:
            raise InputError(str(problem).removeprefix("seeds ")) from None
    if not isinstance(given, range) or len(given) <= MOST_SEEDS:
        given = handler(given)
        if 0 < len(given) <= MOST_SEEDS and len(set(given)) == len(given):
            return given
    raise InputError(f"must be at least one and at most {MOST_SEEDS:,}, each given once")


Seed = Annotated[int, Field(ge=0, le=MAX_SEED), BeforeValidator(plain_number)]
Seeds = Annotated[
    OneOrMore[Seed],
    WrapValidator(_seeds),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "integer", "array")]}),
]
_Metric: Any = Literal[(*BETTER,)]


class Confirm(Part):
    """How a sweep confirms what it chooses."""

    seeds: Annotated[int, Field(ge=1, le=BLOCK), BeforeValidator(plain_number)] = 30
    """Number of fresh seeds."""
    metric: _Metric = "mean_return"
    """Metric to choose the configurations by and to compare them by."""
    top: Annotated[int, Field(ge=1), BeforeValidator(plain_number)] = 1
    """Number of configurations per problem and variant."""


# --- listed configurations


class Listed(BaseModel):
    """A configuration by itself: `env`, `variant`, and the values that it is given."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        defer_build=True,
        json_schema_extra=lambda schema: schema["properties"].update(SCHEMA),
    )

    env: Environment
    variant: VariantName

    @property
    def values(self) -> dict[str, Any]:
        """Those that it is given, by name."""
        return self.model_extra or {}

    @model_validator(mode="after")
    def _check(self) -> "Listed":
        rows = parameters_of([self.variant])
        given = known_keys(self.values, (*type(self).model_fields, *rows))
        self.__pydantic_extra__ = {
            name: checked(rows[name], value, f".{name}")
            for name, value in given.items()
            if value is not None
        }
        return self
