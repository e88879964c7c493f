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
from dataclasses import dataclass, fields
from pathlib import Path

from hq_ray.errors import InputError
from hq_ray.sweeps.constraints import check_constraint
from hq_ray.sweeps.distributions import LONGEST, Parameter, read_parameters, whole_number
from hq_ray.sweeps.spec_entries import (
    EnvironmentRequest,
    as_mapping,
    entries,
    read_environments,
    read_seeds,
    read_variants,
    seeds_text,
)
from hq_ray.sweeps.spec_list import PRODUCT_KEYS, Configuration, read_configurations
from hq_ray.sweeps.spec_overrides import override
from hq_ray.sweeps.spec_text import near_miss_of, read_yaml, shown
from hq_ray.trial import MAX_SEED

METHODS = ("grid", "random", "sobol")
NAME = re.compile(r"[A-Za-z0-9][\w.,=+\-]*", re.ASCII)


@dataclass(frozen=True)
class Sweep:
    """What a sweep means. Every field accepts what the YAML form does and is checked.

    Attributes:
        name: of the results folder.
        env: an id, a mapping with `id` and arguments, or a list of them.
        variant: a name, `both` (the default), or a list of names and of mappings with `id` and
            `parameters`.
        seeds: a range, a list, or text such as `0-9`.
        episodes, max_steps: of every trial, unless they are parameters or a listed configuration
            has its own; max_steps None is the environment's own.
        method: `grid` (the default), `random` or `sobol`.
        samples: how many are drawn, for random and sobol.
        sample_seed: which ones; 0 by default.
        parameters: by name, values or a distribution; common to all variants.
        constraints: comparisons that a configuration must meet.
        variant_parameters: by variant, what replaces or joins the common ones.
        configurations: each spelled out, in the place of env, variant, method, samples,
            sample_seed, parameters, constraints and variant_parameters, which are then None.
    """

    name: str
    env: tuple[EnvironmentRequest, ...] | None = None
    variant: tuple[str, ...] | None = None
    seeds: Sequence[int] = range(5)
    episodes: int = 4000
    max_steps: int | None = None
    method: str | None = None
    samples: int | None = None
    sample_seed: int | None = None
    parameters: Mapping[str, Parameter] | None = None
    constraints: tuple[str, ...] | None = None
    variant_parameters: Mapping[str, Mapping[str, Parameter]] | None = None
    configurations: tuple[Configuration, ...] | None = None

    def __post_init__(self) -> None:
        # Refused before anything else is looked at, as it shows what kind of spec is meant.
        if self.configurations is not None:
            self._check_alone()
        elif self.env is None:
            raise InputError("env: must be given in the spec, unless configurations are")
        self._settle(
            name=_name(self.name),
            seeds=read_seeds(self.seeds),
            episodes=whole_number("episodes", self.episodes, 1, LONGEST),
        )
        if self.max_steps is not None:
            self._settle(max_steps=whole_number("max_steps", self.max_steps, 1, LONGEST))
        if self.configurations is not None:
            self._settle(configurations=read_configurations(self.configurations))
        else:
            self._settle_product()

    def _settle(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_alone(self) -> None:
        for key in PRODUCT_KEYS:
            if getattr(self, key) is not None:
                raise InputError(
                    f"{key}: must not be given together with configurations, "
                    f"got {shown(getattr(self, key))}"
                )

    def _settle_product(self) -> None:
        variants, blocks = read_variants("both" if self.variant is None else self.variant)
        given = as_mapping("variant_parameters", _given(self.variant_parameters, {}))
        for variant in given:
            if variant not in variants:
                hint = near_miss_of(variant, variants)
                raise InputError(f"variant_parameters: unknown variant {shown(variant)}{hint}")
            if variant in blocks:
                raise InputError(f"variant_parameters.{variant}: must be given once, with variant")
        blocks |= {variant: (f"variant_parameters.{variant}", given[variant]) for variant in given}
        method = _method(_given(self.method, "grid"))
        texts = entries(_given(self.constraints, ()))
        for index, text in enumerate(texts):
            check_constraint(f"constraints[{index}]", text)
        self._settle(
            env=read_environments(self.env),
            variant=variants,
            method=method,
            samples=_samples(self.samples, method),
            sample_seed=whole_number("sample_seed", _given(self.sample_seed, 0), 0, MAX_SEED),
            parameters=read_parameters("parameters", _given(self.parameters, {}), method),
            constraints=tuple(texts),
            variant_parameters={
                variant: read_parameters(path, block, method)
                for variant, (path, block) in blocks.items()
            },
        )

    @property
    def environments(self) -> dict[EnvironmentRequest, str]:
        """Each environment that is asked for, with its place in the spec."""
        if self.configurations is None:
            of = self.env
            return {env: f"env[{i}]" if len(of) > 1 else "env" for i, env in enumerate(of)}
        places: dict[EnvironmentRequest, str] = {}
        for index, configuration in enumerate(self.configurations):
            places.setdefault(configuration.env, f"configurations[{index}].env")
        return places

    @classmethod
    def from_mapping(cls, spec: object) -> "Sweep":
        """A sweep from the mapping that YAML gives; a key without a value counts as not given.

        Raises:
            InputError: with the path in the spec of what is wrong.
        """
        spec = dict(as_mapping("the spec", spec))
        spec.pop("selection", None)  # a note of earlier versions, on where configurations come from
        known = [f.name for f in fields(cls)]
        for key in spec:
            if not isinstance(key, str) or key not in known:
                hint = near_miss_of(key, known)
                raise InputError(f"the spec: unknown key {shown(key)}{hint}")
        spec = {key: value for key, value in spec.items() if value is not None}
        if "name" not in spec:
            raise InputError("name: must be given in the spec")
        return cls(**spec)

    @classmethod
    def from_yaml(cls, text: str) -> "Sweep":
        """A sweep from YAML text; see the top of this file."""
        return cls.from_mapping(read_yaml(text))

    def to_dict(self) -> dict:
        """The spec as understood, in plain JSON values; `Sweep(**...)` makes it again."""
        spec = {
            "name": self.name,
            "seeds": seeds_text(self.seeds),
            "episodes": self.episodes,
            "max_steps": self.max_steps,
        }
        if self.configurations is None:
            spec |= self._product_to_dict()
        else:
            spec["configurations"] = [entry.to_dict() for entry in self.configurations]
        return {f.name: spec[f.name] for f in fields(self) if f.name in spec}

    def _product_to_dict(self) -> dict:
        return {
            "env": [request.to_dict() for request in self.env],
            "variant": list(self.variant),
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

        A name that is no key of the spec is a parameter, and gets the values given. With listed
        configurations, `name`, `seeds`, `episodes` and `max_steps` can be replaced.

        Raises:
            InputError: not of that form, or what results cannot be used.
        """
        return Sweep.from_mapping(override(self.to_dict(), overrides))


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


def _given(value: object, default: object) -> object:
    return default if value is None else value


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
