"""A sweep as a value, from Python or from YAML: what varies, over which seeds, how it is drawn.

`hq-ray init` writes an example, `docs/sweeps.md` explains it.
"""

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from hq_ray.errors import InputError, near_miss, one_line, short_repr
from hq_ray.sweeps.parameters import (
    LENGTHS,
    Distribution,
    Parameters,
    Part,
    checked,
    parameters_of,
    plain_number,
)
from hq_ray.sweeps.spec_entries import (
    Confirm,
    EnvironmentRequest,
    Environments,
    Listed,
    OneOrMore,
    Seed,
    Seeds,
    VariantEntry,
    VariantName,
)
from hq_ray.sweeps.spec_text import placing, read_yaml, sentence
from hq_ray.trial import FIRST_FRESH_SEED, environment_name, seeds_text

# No `=`, which DuckDB, Polars and pyarrow take for a partition of the data.
NAME = re.compile(r"[A-Za-z0-9][\w.,+\-]{0,99}", re.ASCII)
# What listed configurations take the place of.
PRODUCT_KEYS = ["env", "variant", "method", "samples", "sample_seed", "constraints"]
PRODUCT_KEYS += ["parameters", "variant_parameters"]


def _name(name: object) -> str:
    text = name if isinstance(name, str) else ""
    if NAME.fullmatch(text):
        return text
    fitting = re.sub(r"[^\w.,+-]+", "-", text[:100], flags=re.ASCII)
    hint = f"; did you mean {fitting!r}?" if NAME.fullmatch(fitting) else ""
    raise InputError(
        "must start with a letter or digit and hold only letters, digits and _ . , + -, at most "
        f"100, got {short_repr(name)}{hint}"
    )


def _flat(entries: Iterable[tuple]) -> tuple:
    return tuple(itertools.chain.from_iterable(entries))


def _flat_environments(entries: Iterable[tuple]) -> tuple:
    names: dict[EnvironmentRequest, tuple] = {}
    for env in _flat(entries):
        if names.setdefault(env, (env.label, env.family)) != (env.label, env.family):
            env_text = environment_name(env.id, env.args)
            raise InputError(f"must have {env_text} in one entry, got it in two that differ")
    families = [entry[0].family for entry in entries if len(entry) > 1]
    for name in families:
        if families.count(name) > 1:
            raise InputError(f"must give each range a label of its own, got {name!r} twice")
    return _flat(entries)


class Sweep(Part):
    """What a sweep means. Every field accepts what the YAML form does and is checked."""

    name: Annotated[str, BeforeValidator(_name)]
    """Name of the sweep and of its results folder."""
    env: Annotated[OneOrMore[Environments], AfterValidator(_flat_environments)] = ()
    """An id, or a mapping of `id` and arguments, of which `0-49` is each number; or a list."""
    variant: Annotated[
        OneOrMore[VariantEntry], AfterValidator(_flat), Field(validate_default=True)
    ] = ("both",)
    """A name, `module:name`, `both` (the default), or mappings with `id` and `parameters`."""
    seeds: Seeds = tuple(range(5))
    """A range, a list, or text such as `0-9`."""
    episodes: Annotated[int, BeforeValidator(partial(checked, LENGTHS["episodes"]))] = 4000
    """Training length [episodes]; a parameter or a listed configuration may override it."""
    max_steps: Annotated[int | None, BeforeValidator(partial(checked, LENGTHS["max_steps"]))] = None
    """Step limit of an episode, overridden likewise [default: the environment's own limit]."""
    method: Literal["grid", "random", "sobol"] = "grid"
    """How parameters are combined."""
    samples: Annotated[int, Field(ge=1), BeforeValidator(plain_number)] | None = None
    """Number of samples, for random and sobol."""
    sample_seed: Seed = 0
    """Seed of the sampling."""
    parameters: Parameters = Field({})
    """What varies in every variant: by name, a list of values or a distribution."""
    constraints: OneOrMore[str] = ()
    """Conditions that every configuration must meet, such as `eps_end <= eps_start`."""
    variant_parameters: dict[VariantName, Parameters] = Field({})
    """Parameters of single variants, which override or extend `parameters`."""
    confirm: Confirm | None = None
    """`{seeds: 30, metric: mean_return, top: 1}` runs the best configurations on fresh seeds."""
    configurations: Annotated[tuple[Listed, ...], Field(min_length=1)] = ()
    """Configurations one by one, instead of env, variant, method, samples, sample_seed, parameters,
    constraints and variant_parameters."""

    def __init__(self, /, **given: Any):
        # A key without a value counts as not given.
        given = {key: value for key, value in given.items() if value is not None}
        try:
            super().__init__(**given)
        except ValidationError as problem:
            text = str(sentence(problem, given))
            raise InputError(text[1:] if text[0] == "." else f"the spec: {text}") from None

    @model_validator(mode="after")
    def _settle(self) -> "Sweep":
        """Checks what depends on several keys, and gathers the parameters of single variants."""
        names = [block.id for block in self.variant]
        own = dict(self.variant_parameters)
        for block in self.variant:
            if block.parameters is not None:
                if block.id in own:
                    raise InputError(f".variant_parameters.{block.id}: must be given once")
                own[block.id] = block.parameters
        if problem := next(self._contradictions(names, own), None):
            raise InputError(problem)
        self.__dict__.update(variant=tuple(names), variant_parameters=own)
        return self

    def _contradictions(self, names: list[str], own: Mapping[str, Mapping]) -> Iterator[str]:
        if self.confirm is not None and max(self.seeds) >= FIRST_FRESH_SEED:
            yield f".seeds: must be below 2**62 in a sweep that confirms, got {max(self.seeds)}"
        for key in PRODUCT_KEYS if self.configurations else ():
            if key in self.model_fields_set:
                yield f".{key}: must not be given together with configurations"
        if not self.env and not self.configurations:
            yield ".env: must be at least one environment, unless configurations are given"
        if not names or len(set(names)) < len(names):
            yield f".variant: must name each variant once, got {short_repr(names)}"
        for name in own:
            if name not in names:
                yield f".variant_parameters: unknown variant {name!r}{near_miss(name, names)}"
        if self.method != "grid":
            if self.samples is None:
                yield f".samples: must be given for method {self.method}"
            return
        if self.samples is not None:
            yield ".samples: must not be given for method grid"
        for block in (self.parameters, *own.values()):
            for name, parameter in block.items():
                if isinstance(parameter, Distribution):
                    must = "a grid needs values; a distribution is for method random or sobol"
                    yield f".parameters.{name}: {must}"

    @classmethod
    def from_mapping(cls, spec: object) -> "Sweep":
        """A sweep from the mapping that YAML gives.

        Raises:
            InputError: with the path in the spec of what is wrong.
        """
        if not isinstance(spec, Mapping):
            raise InputError(f"the spec: must be a mapping, got {short_repr(spec)}")
        for key in spec:
            if not isinstance(key, str):
                raise InputError(f"the spec: unknown key {short_repr(key)}")
        # Specs of earlier versions have a note on where their configurations come from.
        return cls(**{key: value for key, value in spec.items() if key != "selection"})

    @classmethod
    def from_yaml(cls, text: str) -> "Sweep":
        """A sweep from YAML text."""
        return cls.from_mapping(read_yaml(text))

    def to_dict(self) -> dict[str, Any]:
        """The spec as understood, in plain JSON values; `Sweep(**...)` makes it again."""
        without = PRODUCT_KEYS if self.configurations else ["configurations"]
        plain = {name: _plain(value) for name, value in self if name not in without}
        return plain | {"seeds": seeds_text(self.seeds)}

    def with_overrides(self, overrides: Iterable[str]) -> "Sweep":
        """The sweep with parts replaced, each like `alpha=0.1,0.2`, `seeds=0-99`, `episodes=500`.

        A name that is no key of the spec is a parameter, and gets the values given. With listed
        configurations, `name`, `seeds`, `confirm`, `episodes` and `max_steps` can be replaced.

        Raises:
            InputError: not of that form, or what results cannot be used.
        """
        # Environments as they are: what is written out no longer knows its range.
        spec = self.to_dict() | ({} if self.configurations else {"env": self.env})
        for text in overrides:
            _override(spec, text)
        return Sweep.from_mapping(spec)


def read_spec(path: str | os.PathLike) -> Sweep:
    """The sweep in a YAML file.

    Raises:
        InputError: there is no such file, or it is no spec; the message names it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError, TypeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise InputError(
            f"the spec must be a readable file, got {short_repr(path)}: {reason}"
        ) from None
    with placing(str(path)):
        return Sweep.from_yaml(text)


def _plain(value: object) -> object:
    """A part of a sweep in plain JSON values."""
    if isinstance(value, EnvironmentRequest):
        return value.in_a_spec()
    if isinstance(value, BaseModel | Mapping):
        return {name: _plain(part) for name, part in dict(value).items() if part is not None}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _override(spec: dict[str, Any], text: str) -> None:
    """Replaces a part of a spec as `Sweep.to_dict` makes it."""
    name, equals, given = (part.strip() for part in str(text).partition("="))
    name = one_line(name).replace("-", "_").removeprefix("parameters.")
    if not equals or not name:
        raise InputError(f"--set must be like alpha=0.1,0.2, got {short_repr(text)}")
    is_list = "configurations" in spec
    parameters = {} if is_list else parameters_of(spec["variant"])
    blocks = ("configurations", "parameters", "variant_parameters")
    known = [*(key for key in spec if key not in blocks), *parameters]
    key, dot, part = name.partition(".")
    if key not in known or (dot and key != "confirm"):
        what = " of listed configurations" if is_list else ""
        raise InputError(f"--set {name}: unknown key{what}{near_miss(name, known)}")
    if key in ("name", "seeds", "constraints"):
        spec[key] = given or []
        return
    value = _value(name, given)
    for block in (*spec.get("variant_parameters", {}).values(), *spec.get("configurations", ())):
        block.pop(key, None)
    spec.get("parameters", {}).pop(key, None)
    if key in parameters and (key not in LENGTHS or isinstance(value, list)):
        spec["parameters"][key] = value
    elif part:
        spec[key] = (spec[key] or {}) | {part: value}
    elif key == "variant":
        chosen = Sweep(name="a", env="a", variant=value)
        own = spec["variant_parameters"] | chosen.variant_parameters
        spec["variant"] = chosen.variant
        spec["variant_parameters"] = {name: own[name] for name in chosen.variant if name in own}
    else:
        spec[key] = value
    if key == "method" and value == "grid":
        spec["samples"] = None


def _value(name: str, text: str) -> object:
    """`0.1,0.2` as a list; `0.1` or `{distribution: ...}` as itself."""
    try:
        values = read_yaml(f"[{text}\n]")
    except InputError:
        values = None
    if not isinstance(values, list):
        raise InputError(
            f"--set {name}: must be values with commas between, got {short_repr(text)}"
        )
    return values[0] if len(values) == 1 else values
