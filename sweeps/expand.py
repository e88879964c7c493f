"""From a spec to trials: the configurations it means, its environments resolved, its trials."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hq_ray.conditions import evaluate
from hq_ray.environments import Environment, resolve
from hq_ray.errors import InputError, shortened
from hq_ray.hyperparameters import HYPERPARAMETERS, Value, used_hyperparameters
from hq_ray.sweeps.parameters import (
    LENGTHS,
    PARAMETERS,
    Distribution,
    Parameter,
    own_parameters,
)
from hq_ray.sweeps.plan import TrialSet
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_entries import (
    SETTINGS,
    Configuration,
    EnvironmentRequest,
    values_of,
)
from hq_ray.sweeps.spec_text import suggestion
from hq_ray.trial import Trial, environment_name
from hq_ray.updates import uncompilable, variant_of

# A configuration takes some two kilobytes; ids of ten million trials take a gigabyte.
MOST_CONFIGURATIONS, MOST_TRIALS = 10**6, 10**7


@dataclass(frozen=True)
class Expanded:
    """A spec's trials, and what was found out about its environments.

    Attributes:
        trials: configurations times seeds.
        environments: by `id args`.
        families: likewise, of which range of arguments it is an instance.
        notices: sentences for the person.
    """

    trials: TrialSet
    environments: dict[str, Environment]
    families: dict[str, str]
    notices: tuple[str, ...]

    @property
    def fingerprints(self) -> dict[str, str]:
        """`id args` -> fingerprint."""
        return {name: environment.fingerprint for name, environment in self.environments.items()}


def expand(sweep: Sweep) -> Expanded:
    """Resolves the environments of a spec and makes its trials.

    Raises:
        InputError: an environment or a hyperparameter cannot be used.
    """
    found = configurations(sweep)
    environments = {env: _resolved(sweep, env) for env in dict.fromkeys(one.env for one in found)}
    templates: dict[tuple, Trial] = {}
    for one in found:
        environment = environments[one.env]
        settings = one.settings
        settings["max_steps"] = settings["max_steps"] or environment.max_steps
        # Two names of one environment, or its own step limit spelled out, give the same trial.
        key = (environment.name, *settings.values())
        if key not in templates:
            templates[key] = Trial(
                env=environment.id,
                env_args=environment.args,
                fingerprint=environment.fingerprint,
                seed=0,
                source=environment.source,
                label=one.env.label,
                **settings,
            )
    return Expanded(
        trials=TrialSet(list(templates.values()), sweep.seeds),
        environments={environment.name: environment for environment in environments.values()},
        families={environments[one].name: one.family for one in environments if one.family},
        notices=tuple(
            dict.fromkeys(
                [
                    *(notice for one in environments.values() for notice in one.notices),
                    *_uncompiled({one.settings["variant"]: None for one in found}),
                ]
            )
        ),
    )


def _uncompiled(variants: Iterable[str]) -> Iterator[str]:
    """A notice for each rule of the user's own that numba cannot compile."""
    for name in variants:
        if reason := uncompilable(name):
            yield (
                f"{name} trains on the Gymnasium loop, some hundred times slower, because numba "
                f"cannot compile its rule: {reason}"
            )


def _resolved(sweep: Sweep, env: EnvironmentRequest) -> Environment:
    try:
        return resolve(env.id, env.arguments, of_range=env.family is not None)
    except InputError as problem:
        if sweep.configurations:
            index = [one.env for one in sweep.configurations].index(env)
            place = f"configurations[{index}].env"
        else:
            ids = {one.id for one in sweep.env}
            place = "env"
            if len(ids) < len(sweep.env):  # a range may have made several of one entry
                place = f"env {environment_name(env.id, env.args)}"
            elif len(ids) > 1:
                place = f"env[{sweep.env.index(env)}]"
        raise InputError(f"{place}: {shortened(str(problem), 500)}") from problem


def check_read(sweep: Sweep, trials: TrialSet) -> None:
    """Refuses parameters that make no difference to any trial.

    Raises:
        InputError: no variant of the spec reads one, or no schedule.
    """
    places = {"parameters": sweep.parameters}
    places |= {f"variant_parameters.{name}": of for name, of in sweep.variant_parameters.items()}
    for place, block in places.items():
        of = [
            one
            for one in trials.configurations
            if place in ("parameters", f"variant_parameters.{one.variant}")
        ]
        read = [
            name for name in HYPERPARAMETERS if any(getattr(one, name) is not None for one in of)
        ]
        read += own_parameters(dict.fromkeys(one.variant for one in of))
        for name in block if of else ():
            if name not in LENGTHS and name not in read:
                raise InputError(
                    f"{place}.{name}: must be read by a variant or schedule of the spec, but none "
                    f"does{suggestion(name, read)}"
                )


def configurations(sweep: Sweep) -> list[Configuration]:
    """Every distinct configuration: as listed, or by environment, sample or grid point, variant.

    A parameter that a variant does not read makes no difference to it, so that points which differ
    in nothing else are one. The same sample gives the same common values to every variant and
    environment.

    Raises:
        InputError: there are too many, none, or values that contradict each other.
    """
    _check_size(sweep)
    if sweep.configurations:
        # An entry without lengths has the sweep's.
        filled = (
            (one.env, (variant, episodes or sweep.episodes, max_steps or sweep.max_steps, *rest))
            for one in sweep.configurations
            for variant, episodes, max_steps, *rest in [one.values]
        )
        return list(dict.fromkeys(Configuration(*one) for one in filled))
    points = [[(variant, point) for point in _points(sweep, variant)] for variant in sweep.variant]
    by_number = itertools.chain.from_iterable(itertools.zip_longest(*points))
    found: dict[tuple, InputError | None] = {}
    for variant, point in filter(None, by_number):
        episodes = point.pop("episodes", sweep.episodes)
        max_steps = point.pop("max_steps", sweep.max_steps)
        problem = None
        try:
            used = used_hyperparameters(variant, point)
        except InputError as contradiction:
            problem = contradiction
            used = {name: point.get(name, row.default) for name, row in HYPERPARAMETERS.items()}
        found[values_of(variant, episodes, max_steps, used)] = problem
    kept = []
    for values, allowed in zip(found, _allowed(sweep, found), strict=True):
        if allowed and found[values] is not None:
            raise InputError(f"parameters: {found[values]}; a constraint can exclude it")
        if allowed:
            kept.append(values)
    if not kept:
        raise InputError("constraints: must leave a configuration, but no configuration meets all")
    return [Configuration(env, values) for env in dict.fromkeys(sweep.env) for values in kept]


def _allowed(sweep: Sweep, found: Mapping[tuple, object]) -> list[bool]:
    """Whether each configuration meets all constraints, or may for all that is known of it."""
    rows = []
    if sweep.constraints:
        absent = dict.fromkeys((*SETTINGS, *own_parameters(sweep.variant)))
        rows = [absent | Configuration(sweep.env[0], values).named for values in found]
    try:
        columns = [evaluate(text, rows) for text in sweep.constraints]
    except InputError as problem:
        raise InputError(f"constraints: {problem}") from None
    return [all(column[i] is not False for column in columns) for i in range(len(found))]


def _parameters(sweep: Sweep, variant: str) -> dict[str, Parameter]:
    of = {**sweep.parameters, **sweep.variant_parameters.get(variant, {})}
    known = (*PARAMETERS, *variant_of(variant).parameters)
    return {name: parameter for name, parameter in of.items() if name in known}


def _grid(sweep: Sweep, variant: str) -> dict[str, tuple[Value, ...]]:
    """The values of the parameters that a variant may read."""
    unread = set(variant_of(variant).unread)
    if "alpha" in unread:
        unread |= {name for name in HYPERPARAMETERS if name.startswith("alpha_")}
    parameters = _parameters(sweep, variant)
    return {n: of for n, of in parameters.items() if n not in unread and isinstance(of, tuple)}


def _check_size(sweep: Sweep) -> None:
    """Refuses a sweep that would not fit in memory, before any of it is made.

    Raises:
        InputError: it means too many configurations or trials; the message names what to lower.
    """
    sizes = {"env": len(sweep.env)}
    if sweep.configurations:
        sizes = {"configurations": len(sweep.configurations)}
        count = len(sweep.configurations)
    elif sweep.samples is not None:
        sizes["samples"] = sweep.samples
        count = len(sweep.env) * len(sweep.variant) * sweep.samples
    else:
        grids = [
            {f"parameters.{name}": len(values) for name, values in grid.items()}
            for grid in (_grid(sweep, variant) for variant in sweep.variant)
        ]
        count = len(sweep.env) * sum(math.prod(grid.values()) for grid in grids)
        sizes |= {name: size for grid in grids for name, size in grid.items()}
    if count > MOST_CONFIGURATIONS:
        what, found, most = "configurations", count, MOST_CONFIGURATIONS
    else:
        what, found, most = "trials", count * len(sweep.seeds), MOST_TRIALS
        sizes["seeds"] = len(sweep.seeds)
    if found > most:
        name = max(sizes, key=lambda name: sizes[name])
        raise InputError(
            f"{name}: must be fewer than {sizes[name]:,}, because the spec means {found:,} {what}, "
            f"and may mean at most {most:,}"
        )


def _points(sweep: Sweep, variant: str) -> Iterator[dict[str, Value]]:
    """The values of a variant's parameters, point by point."""
    if sweep.samples is None:
        grid = _grid(sweep, variant)
        for values in itertools.product(*grid.values()):
            yield dict(zip(grid, values, strict=True))
        return
    parameters = _parameters(sweep, variant)
    uniforms = _uniforms(sweep, list(parameters), sweep.samples)
    for i in range(sweep.samples):
        yield {name: _drawn(of, uniforms[name][i]) for name, of in parameters.items()}


def _drawn(parameter: Parameter, uniform: float) -> Value:
    """The value that a uniform number in [0, 1) picks."""
    if isinstance(parameter, Distribution):
        return parameter.at(float(uniform))
    return parameter[int(uniform * len(parameter))]


def _uniforms(sweep: Sweep, names: list[str], samples: int) -> dict[str, np.ndarray]:
    """For each parameter, a uniform number per sample; number i depends on i and not on samples.

    random: a stream for each parameter, keyed by its name, so that another parameter changes none.
    sobol: a scrambled Sobol sequence (Matousek 1998, Journal of Complexity 14:527-556) over the
    names in order, all variants together; a parameter of one value takes no dimension.
    """
    if sweep.method == "random":
        streams = {}
        for name in names:
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
            seeds = np.random.SeedSequence([sweep.sample_seed, key])
            streams[name] = np.random.Generator(np.random.PCG64(seeds)).random(samples)
        return streams
    from scipy.stats import qmc

    blocks = [sweep.parameters, *sweep.variant_parameters.values()]
    varied = {
        n
        for block in blocks
        for n, of in block.items()
        if isinstance(of, Distribution) or len(of) > 1
    }
    uniforms = dict.fromkeys(names, np.zeros(samples))
    if not varied:
        return uniforms
    engine = qmc.Sobol(len(varied), scramble=True, rng=np.random.default_rng(sweep.sample_seed))
    points = engine.random_base2(math.ceil(math.log2(samples)))[:samples]
    return uniforms | dict(zip(sorted(varied), points.T, strict=True))
