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

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.trial import MAX_SEED
from sweeps.constraints import check_constraint
from sweeps.distributions import Parameter, read_parameters, whole_number
from sweeps.spec_entries import (
    EnvironmentRequest,
    as_mapping,
    entries,
    read_environments,
    read_seeds,
    read_variants,
    seeds_text,
)
from sweeps.spec_text import near_miss_of, read_yaml, shown

METHODS = ("grid", "random", "sobol")
NAME = re.compile(r"[A-Za-z0-9][\w.,=+\-]*", re.ASCII)


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
        variants, blocks = read_variants(self.variant)
        given = as_mapping("variant_parameters", self.variant_parameters)
        for variant in given:
            if variant not in variants:
                hint = near_miss_of(variant, variants)
                raise InputError(f"variant_parameters: unknown variant {shown(variant)}{hint}")
            if variant in blocks:
                raise InputError(f"variant_parameters.{variant}: must be given once, with variant")
        settle = object.__setattr__
        settle(self, "name", _name(self.name))
        settle(self, "method", _method(self.method))
        settle(self, "env", read_environments(self.env))
        settle(self, "variant", variants)
        settle(self, "seeds", read_seeds(self.seeds))
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
        texts = entries(self.constraints)
        for index, text in enumerate(texts):
            check_constraint(f"constraints[{index}]", text)
        settle(self, "constraints", tuple(texts))

    @classmethod
    def from_mapping(cls, spec: object) -> "Sweep":
        """A sweep from the mapping that YAML gives; a key without a value counts as not given.

        Raises:
            InputError: with the path in the spec of what is wrong.
        """
        spec = as_mapping("the spec", spec)
        known = [f.name for f in fields(cls)]
        for key in spec:
            if not isinstance(key, str) or key not in known:
                hint = near_miss_of(key, known)
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
            "seeds": seeds_text(self.seeds),
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
            name, equals, text = (part.strip() for part in str(override).partition("="))
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
        names = read_variants(one)[0]
        blocks = spec["variant_parameters"]
        spec["variant_parameters"] = {key: blocks[key] for key in blocks if key in names}
    if name == "method" and one == "grid":
        spec["samples"] = None


def _name(name: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > 100:
        raise InputError(
            "name: must start with a letter or digit and hold only letters, digits and "
            f"_ . , = + -, at most 100, got {shown(name)}"
        )
    return name


def _method(method: object) -> str:
    if not isinstance(method, str) or method not in METHODS:
        hint = near_miss_of(method, METHODS)
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
