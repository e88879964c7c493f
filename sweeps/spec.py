"""A sweep as a value, from Python or from YAML: what varies, over which seeds, how it is drawn.

name: alpha-by-schedule
env: [CliffWalking-v1, {id: VelocityGrid-v0, max_speed: 2}]
variant: [standard, {id: harmonic, parameters: {eps_shift: {values: [1.0e-6, 1.0]}}}]
seeds: 0-9
episodes: 4000
method: grid
parameters:
  alpha: {values: [0.05, 0.1, 0.2, 0.4]}
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.trial import MAX_SEED, parse_seeds
from hq_ray.updates import VARIANTS, parse_variants
from sweeps.constraints import check_constraint
from sweeps.distributions import Parameter, listed, read_parameters, whole_number
from sweeps.spec_text import read_yaml, shown

METHODS = ("grid", "random", "sobol")
NAME = re.compile(r"[A-Za-z0-9][\w.,=+\-]*", re.ASCII)
MOST_SEEDS = 10**7
# Aliases of aliases make a short text mean millions of values.
MOST_ARGUMENTS = 10_000


@dataclass(frozen=True)
class EnvironmentRequest:
    """An environment as asked for: its id and its arguments as canonical JSON."""

    id: str
    args: str = "{}"

    @property
    def arguments(self) -> dict:
        """The arguments as a mapping."""
        return json.loads(self.args)


@dataclass(frozen=True)
class Sweep:
    """What a sweep means. Every field accepts what the YAML form does and is checked.

    Attributes:
        name: of the results folder.
        env: an id, a mapping with `id` and arguments, or a list of them.
        variant: a name, `both`, or a list of names and of mappings with `id` and `parameters`.
        seeds: a range, a list, or text such as `0-9`.
        episodes, max_steps: of every trial, unless they are parameters; max_steps None is the
            environment's own.
        method: `grid`, `random` or `sobol`.
        samples: how many are drawn, for random and sobol.
        sample_seed: which ones.
        parameters: by name, values or a distribution; common to all variants.
        constraints: comparisons that a configuration must meet.
        variant_parameters: by variant, what replaces or joins the common ones.
    """

    name: str
    env: tuple[EnvironmentRequest, ...]
    variant: tuple[str, ...] = ("standard", "harmonic")
    seeds: Sequence[int] = range(5)
    episodes: int = 4000
    max_steps: int | None = None
    method: str = "grid"
    samples: int | None = None
    sample_seed: int = 0
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    variant_parameters: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        variants, blocks = _variants(self.variant)
        given = _mapping("variant_parameters", self.variant_parameters)
        for variant in given:
            if variant not in variants:
                hint = near_miss(shown(variant), variants)
                raise InputError(f"variant_parameters: unknown variant {shown(variant)}{hint}")
            if variant in blocks:
                raise InputError(f"variant_parameters.{variant}: must be given once, with variant")
        settle = object.__setattr__
        settle(self, "name", _name(self.name))
        settle(self, "method", _method(self.method))
        settle(self, "env", _environments(self.env))
        settle(self, "variant", variants)
        settle(self, "seeds", _seeds(self.seeds))
        settle(self, "episodes", whole_number("episodes", self.episodes, 1, 2**31 - 1))
        if self.max_steps is not None:
            settle(self, "max_steps", whole_number("max_steps", self.max_steps, 1, 2**31 - 1))
        settle(self, "sample_seed", whole_number("sample_seed", self.sample_seed, 0, MAX_SEED))
        settle(self, "samples", _samples(self.samples, self.method))
        settle(self, "parameters", read_parameters("parameters", self.parameters, self.method))
        blocks |= {variant: (f"variant_parameters.{variant}", given[variant]) for variant in given}
        settle(
            self,
            "variant_parameters",
            {
                variant: read_parameters(path, block, self.method)
                for variant, (path, block) in blocks.items()
            },
        )
        texts = _entries(self.constraints)
        for index, text in enumerate(texts):
            check_constraint(f"constraints[{index}]", text)
        settle(self, "constraints", tuple(texts))

    @classmethod
    def from_mapping(cls, spec: object) -> "Sweep":
        """A sweep from the mapping that YAML gives; a key without a value counts as not given.

        Raises:
            InputError: with the path in the spec of what is wrong.
        """
        spec = _mapping("the spec", spec)
        known = [f.name for f in fields(cls)]
        for key in spec:
            if not isinstance(key, str) or key not in known:
                hint = near_miss(shown(key), known)
                raise InputError(f"the spec: unknown key {shown(key)}{hint}")
        spec = {key: value for key, value in spec.items() if value is not None}
        for key in ("name", "env"):
            if key not in spec:
                raise InputError(f"{key}: must be given in the spec")
        return cls(**spec)

    @classmethod
    def from_yaml(cls, text: str) -> "Sweep":
        """A sweep from YAML text; see the top of this file."""
        return cls.from_mapping(read_yaml(text))

    def to_dict(self) -> dict:
        """The spec as understood, in plain JSON values; `Sweep(**...)` makes it again."""
        return {
            "name": self.name,
            "env": [{"id": request.id, **request.arguments} for request in self.env],
            "variant": list(self.variant),
            "seeds": _seeds_text(self.seeds),
            "episodes": self.episodes,
            "max_steps": self.max_steps,
            "method": self.method,
            "samples": self.samples,
            "sample_seed": self.sample_seed,
            "parameters": {name: p.to_dict() for name, p in self.parameters.items()},
            "constraints": list(self.constraints),
            "variant_parameters": {
                variant: {name: p.to_dict() for name, p in block.items()}
                for variant, block in self.variant_parameters.items()
            },
        }

    def with_overrides(self, overrides: Iterable[str]) -> "Sweep":
        """The sweep with parts replaced, each like `alpha=0.1,0.2`, `seeds=0-99`, `episodes=500`.

        A name that is no key of the spec is a parameter, and gets the values given.

        Raises:
            InputError: not of that form, or what results cannot be used.
        """
        spec = self.to_dict()
        for override in overrides:
            name, equals, text = (part.strip() for part in override.partition("="))
            name = name.replace("-", "_").removeprefix("parameters.")
            if not equals or not name:
                raise InputError(f"--set must be like alpha=0.1,0.2, got {shown(override)}")
            if name in ("parameters", "variant_parameters"):
                raise InputError(f"--set takes one parameter by its own name, got {override!r}")
            if name in ("name", "seeds"):
                spec[name] = text
            elif name == "constraints":
                spec[name] = [text] if text else []
            else:
                _override(spec, name, _override_values(name, text))
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
        raise InputError(f"the spec must be a readable file, got {shown(path)}: {reason}") from None
    try:
        return Sweep.from_yaml(text)
    except InputError as problem:
        raise InputError(f"{path}: {problem}") from None


def _override_values(name: str, text: str) -> list:
    """`0.1,0.2` as a list; `{distribution: ...}` as a list of that."""
    try:
        values = read_yaml(f"[{text}\n]")
    except InputError:
        values = None
    if not isinstance(values, list):
        raise InputError(f"--set {name}: must be values with commas between, got {shown(text)}")
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _override(spec: dict, name: str, values: list) -> None:
    """Puts values in the place of all that the spec says of the name."""
    one = values[0] if len(values) == 1 else values
    lengths = name in ("episodes", "max_steps")
    if name in spec and not (lengths and len(values) != 1):
        spec[name] = one
    elif not lengths and name not in HYPERPARAMETERS:
        raise InputError(f"--set {name}: unknown key{near_miss(name, [*spec, *HYPERPARAMETERS])}")
    if lengths or name in HYPERPARAMETERS:
        for block in (spec["parameters"], *spec["variant_parameters"].values()):
            block.pop(name, None)
        if not lengths or len(values) != 1:
            spec["parameters"][name] = one if isinstance(one, dict) else {"values": values}
    if name == "variant":
        names = _variants(one)[0]
        blocks = spec["variant_parameters"]
        spec["variant_parameters"] = {key: blocks[key] for key in blocks if key in names}
    if name == "method" and one == "grid":
        spec["samples"] = None


def _mapping(path: str, value: object) -> Mapping:
    if not isinstance(value, Mapping):
        raise InputError(f"{path}: must be a mapping, got {shown(value)}")
    return value


def _entries(value: object) -> list:
    items = listed(value)
    return [value] if items is None else items


def _place(path: str, value: object, index: int) -> str:
    return path if listed(value) is None else f"{path}[{index}]"


def _name(name: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > 100:
        raise InputError(
            "name: must start with a letter or digit and hold only letters, digits and "
            f"_ . , = + -, at most 100, got {shown(name)}"
        )
    return name


def _method(method: object) -> str:
    if not isinstance(method, str) or method not in METHODS:
        hint = near_miss(shown(method), METHODS)
        raise InputError(f"method: unknown method {shown(method)}{hint}")
    return method


def _samples(samples: object, method: str) -> int | None:
    if method == "grid":
        if samples is not None:
            raise InputError(f"samples: must not be given for method grid, got {shown(samples)}")
        return None
    if samples is None:
        raise InputError(f"samples: must be given for method {method}")
    return whole_number("samples", samples, 1, 10**7)


def _environments(value: object) -> tuple[EnvironmentRequest, ...]:
    requests = []
    for index, entry in enumerate(_entries(value)):
        path = _place("env", value, index)
        if isinstance(entry, EnvironmentRequest):
            requests.append(entry)
            continue
        entry = {"id": entry} if isinstance(entry, str) else _mapping(path, entry)
        if not isinstance(entry.get("id"), str) or not entry["id"].strip():
            raise InputError(f"{path}: must be an id or a mapping with an id, got {shown(entry)}")
        args = {key: given for key, given in entry.items() if key != "id"}
        requests.append(EnvironmentRequest(entry["id"].strip(), _canonical(path, args)))
    if not requests:
        raise InputError("env: must name at least one environment")
    return tuple(dict.fromkeys(requests))


def _canonical(path: str, args: Mapping) -> str:
    """The arguments as canonical JSON."""
    open_, seen = [args], 0
    while open_ and seen <= MOST_ARGUMENTS:
        value = open_.pop()
        seen += 1
        inside = value.values() if isinstance(value, Mapping) else listed(value)
        open_ += list(inside or ())[:MOST_ARGUMENTS]
    if seen > MOST_ARGUMENTS:
        raise InputError(f"{path}: arguments must be at most {MOST_ARGUMENTS:,} values")
    try:
        return json.dumps(args, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"{path}: arguments must be plain JSON values, but: {reason}") from None


def _variants(value: object) -> tuple[tuple[str, ...], dict[str, tuple[str, object]]]:
    """Names in order, and by name the path and contents of per-variant blocks."""
    names: list[str] = []
    blocks: dict[str, tuple[str, object]] = {}
    for index, entry in enumerate(_entries(value)):
        path = _place("variant", value, index)
        if isinstance(entry, str):
            try:
                names += parse_variants(entry)
            except InputError as problem:
                raise InputError(f"{path}: {problem}") from None
            continue
        entry = _mapping(path, entry)
        for key in entry:
            if key not in ("id", "parameters"):
                hint = near_miss(shown(key), ("id", "parameters"))
                raise InputError(f"{path}: unknown key {shown(key)} of a variant{hint}")
        name = entry.get("id")
        if not isinstance(name, str) or name not in VARIANTS:
            hint = near_miss(shown(name), VARIANTS)
            raise InputError(f"{path}.id: unknown variant {shown(name)}{hint}")
        names.append(name)
        if "parameters" in entry:
            blocks[name] = (f"{path}.parameters", entry["parameters"])
    if not names or len(set(names)) < len(names):
        raise InputError(f"variant: must name each variant once, got {', '.join(names) or 'none'}")
    return tuple(names), blocks


def _seeds(value: object) -> Sequence[int]:
    if isinstance(value, str):
        try:
            return parse_seeds(value)
        except InputError as problem:
            raise InputError(f"seeds: {str(problem).removeprefix('seeds ')}") from None
        except ValueError:
            # More digits than Python makes a number of.
            raise InputError(f"seeds: must be below 2**63, got {shown(value)}") from None
    if isinstance(value, range) and (value[MOST_SEEDS:] or min(value, default=0) < 0):
        raise InputError(f"seeds: must be at most {MOST_SEEDS:,}, from 0, got {shown(value)}")
    seeds = [
        whole_number(_place("seeds", value, index), seed, 0, MAX_SEED)
        for index, seed in enumerate(_entries(value))
    ]
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError("seeds: must be at least one, each given once")
    return tuple(seeds)


def _seeds_text(seeds: Sequence[int]) -> str:
    """Seeds as short text: runs as ranges."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in parts)
