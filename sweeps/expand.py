"""From a spec to trials: the configurations it means, its environments resolved, its trials."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from hq_ray.conditions import evaluate
from hq_ray.environments import Environment, resolve
from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS, Value, used_hyperparameters
from hq_ray.sweeps.parameters import LENGTHS, Distribution, Parameter, parameters_of
from hq_ray.sweeps.plan import TrialSet
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_entries import EnvironmentRequest
from hq_ray.sweeps.spec_text import placed
from hq_ray.trial import Trial, environment_name
from hq_ray.updates import uncompilable, variant_of

# A configuration takes a kilobyte; of ten million trials the published ids take a gigabyte.
MOST_CONFIGURATIONS, MOST_TRIALS = 10**6, 10**7
# What makes a configuration besides its environment.
READ = (*HYPERPARAMETERS, "rule", "rule_args")
SETTINGS = ("variant", *LENGTHS, *READ)


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

    The configurations are as listed, or by environment, sample or grid point, variant; each counts
    once. A parameter that a variant does not read makes no difference to it, so that points which
    differ in nothing else are one. The same sample gives the same common values to every variant
    and environment.

    Raises:
        InputError: an environment or a hyperparameter cannot be used, or there are too many
            configurations, none, or values that contradict each other.
    """
    _check_size(sweep)
    asked = []
    for number, one in enumerate(sweep.configurations):
        settings, problem = _settings(sweep, one.variant, one.values)
        if problem is not None:
            raise placed(f"configurations[{number}]", problem)
        asked.append((one.env, settings))
    if not sweep.configurations:
        points = _product(sweep)
        asked = [(env, settings) for env in dict.fromkeys(sweep.env) for settings in points]
    environments: dict[EnvironmentRequest, Environment] = {}
    for env in dict.fromkeys(env for env, _ in asked):
        try:
            environments[env] = resolve(env.id, env.arguments, of_range=env.family is not None)
        except InputError as problem:
            several = len(sweep.env) > 1 or sweep.configurations
            name = f"env {environment_name(env.id, env.args)}" if several else "env"
            raise placed(name, problem) from problem
    templates: dict[tuple, Trial] = {}
    for env, settings in asked:
        environment = environments[env]
        values = dict(zip(SETTINGS, settings, strict=True))
        values["max_steps"] = values["max_steps"] or environment.max_steps
        # Two names of one environment, or its own step limit spelled out, give the same trial.
        key = (environment.key, *values.values())
        if key not in templates:
            templates[key] = Trial(
                env=environment.id,
                env_args=environment.args,
                fingerprint=environment.fingerprint,
                seed=0,
                source=environment.source,
                label=env.label,
                **values,
            )
    notices = [notice for one in environments.values() for notice in one.notices]
    notices += [
        f"{name} trains on the Gymnasium loop, some hundred times slower, because numba cannot "
        f"compile its rule: {reason}"
        for name in dict.fromkeys(settings[0] for _, settings in asked)
        if (reason := uncompilable(name))
    ]
    return Expanded(
        trials=TrialSet(list(templates.values()), sweep.seeds),
        environments={environment.key: environment for environment in environments.values()},
        families={environments[one].key: one.family for one in environments if one.family},
        notices=tuple(dict.fromkeys(notices)),
    )


def check_read(sweep: Sweep, trials: TrialSet) -> None:
    """Refuses parameters that make no difference to any trial.

    Raises:
        InputError: no variant of the spec reads one, or no schedule; a listed configuration has one
            that it does not read.
    """
    blocks: list[tuple[str, Mapping, Sequence]]
    blocks = [("parameters", sweep.parameters, trials.configurations)]
    for variant, own in sweep.variant_parameters.items():
        some = [one for one in trials.configurations if one.variant == variant]
        blocks.append((f"variant_parameters.{variant}", own, some))
    for number, one in enumerate(sweep.configurations):
        values, _ = _settings(sweep, one.variant, one.values)
        settings = SimpleNamespace(**dict(zip(SETTINGS, values, strict=True)))
        blocks.append((f"configurations[{number}]", one.values, [settings]))
    for place, block, configurations in blocks:
        read = [
            name
            for name in parameters_of({one.variant for one in configurations})
            if any(getattr(one, name, 0) is not None for one in configurations)
        ]
        for name in block if configurations else ():
            if name not in read:
                raise InputError(
                    f"{place}.{name}: must be read by a variant or schedule of the spec, but none "
                    f"does{near_miss(name, read)}"
                )


def _settings(
    sweep: Sweep, variant: str, given: Mapping[str, Any]
) -> tuple[tuple, InputError | None]:
    """The values that make a configuration, in the order of SETTINGS, and how they contradict each
    other, if they do.

    None is a hyperparameter that is not read, and a step limit that the environment decides.

    Args:
        sweep: has the lengths that are not given.
        variant: of the configuration.
        given: its parameters; others have their defaults.
    """
    values = {name: given[name] for name in given if name not in LENGTHS}
    problem = None
    try:
        used = used_hyperparameters(variant, values)
    except InputError as contradiction:
        problem = contradiction
        used = {name: row.default for name, row in HYPERPARAMETERS.items()} | values
    lengths = [given.get(name, getattr(sweep, name)) for name in LENGTHS]
    return (variant, *lengths, *map(used.get, READ)), problem


def _product(sweep: Sweep) -> list[tuple]:
    """The settings of every distinct sample or grid point that meets the constraints."""
    points = [
        [_settings(sweep, variant, point) for point in _points(sweep, variant)]
        for variant in sweep.variant
    ]
    by_number = itertools.chain.from_iterable(itertools.zip_longest(*points))
    found = dict(filter(None, by_number))
    allowed = _allowed(sweep, list(found))
    kept = [settings for settings, ok in zip(found, allowed, strict=True) if ok]
    for settings in kept:
        if found[settings] is not None:
            raise InputError(f"parameters: {found[settings]}; a constraint can exclude it")
    if not kept:
        raise InputError("constraints: must leave a configuration, but no configuration meets all")
    return kept


def _allowed(sweep: Sweep, points: Sequence[tuple]) -> np.ndarray:
    """Whether each configuration meets all constraints, or may for all that is known of it."""
    allowed = np.ones(len(points), bool)
    if not sweep.constraints:
        return allowed
    columns: dict[str, Sequence] = dict(zip(SETTINGS, zip(*points, strict=True), strict=True))
    own = [json.loads(text or "{}") for text in columns["rule_args"]]
    for name in parameters_of(sweep.variant).keys() - columns.keys():
        columns[name] = [values.get(name) for values in own]
    for number, text in enumerate(sweep.constraints):
        try:
            allowed &= [holds is not False for holds in evaluate(text, columns)]
        except InputError as problem:
            raise placed(f"constraints[{number}]", problem) from None
    return allowed


def _parameters(sweep: Sweep, variant: str) -> dict[str, Any]:
    """The parameters that a variant may read, in a grid with values only."""
    unread = set(variant_of(variant).unread)
    if "alpha" in unread:
        unread |= {name for name in HYPERPARAMETERS if name.startswith("alpha_")}
    known = parameters_of([variant]).keys() - unread
    of = sweep.parameters | sweep.variant_parameters.get(variant, {})
    return {name: parameter for name, parameter in of.items() if name in known}


def _check_size(sweep: Sweep) -> None:
    """Refuses a sweep that would not fit in memory, before any of it is made.

    Raises:
        InputError: it means too many configurations or trials; the message names what to lower.
    """
    products: list[dict[str, int]] = []
    for variant in sweep.variant:
        if sweep.samples is not None:
            factors = {"samples": sweep.samples}
        else:
            grid = _parameters(sweep, variant)
            factors = {f"parameters.{name}": len(values) for name, values in grid.items()}
        products.append({"env": len(sweep.env), **factors})
    if sweep.configurations:
        products = [{"configurations": len(sweep.configurations)}]
    count = sum(math.prod(factors.values()) for factors in products)
    what, found, most = "configurations", count, MOST_CONFIGURATIONS
    if count <= most:
        what, found, most = "trials", count * len(sweep.seeds), MOST_TRIALS
        products.append({"seeds": len(sweep.seeds)})
    if found > most:
        size, name = max((size, name) for of in products for name, size in of.items())
        raise InputError(
            f"{name}: must be fewer than {size:,}, because the spec means {found:,} {what}, "
            f"and may mean at most {most:,}"
        )


def _points(sweep: Sweep, variant: str) -> Iterator[dict[str, Value]]:
    """The values of a variant's parameters, point by point."""
    parameters = _parameters(sweep, variant)
    if sweep.samples is None:
        for values in itertools.product(*parameters.values()):
            yield dict(zip(parameters, values, strict=True))
        return
    uniforms = _uniforms(sweep, list(parameters), sweep.samples)
    for i in range(sweep.samples):
        yield {name: _drawn(of, float(uniforms[name][i])) for name, of in parameters.items()}


def _drawn(parameter: Parameter, uniform: float) -> Value:
    """The value that a uniform number in [0, 1) picks."""
    if isinstance(parameter, Distribution):
        return parameter.at(uniform)
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
