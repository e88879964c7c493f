"""From a spec to trials: the configurations it means, its environments resolved, its trials."""

import hashlib
import itertools
import json
import math
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from hq_ray.sweeps.spec_text import placing
from hq_ray.trial import Trial, environment_name
from hq_ray.updates import uncompilable, variant_of

# A configuration takes a kilobyte; of ten million trials the published ids take a gigabyte.
MOST_CONFIGURATIONS, MOST_TRIALS = 10**6, 10**7
# What makes a configuration besides its environment. None is a hyperparameter that is not read, and
# a step limit that the environment decides.
SETTINGS = ("variant", *LENGTHS, *HYPERPARAMETERS, "rule", "rule_args")
# They, and how they contradict each other, if they do.
Settings: Any = namedtuple("Settings", (*SETTINGS, "problem"))  # type: ignore[misc]


@dataclass(frozen=True)
class Expanded:
    """A spec's trials, and what was found out about its environments.

    Attributes:
        trials: configurations times seeds.
        environments: by `id args`.
        families: likewise, of which range of arguments it is an instance.
        notices: sentences for the user.
    """

    trials: TrialSet
    environments: dict[str, Environment]
    families: dict[str, str]
    notices: tuple[str, ...]

    @property
    def fingerprints(self) -> dict[str, str]:
        """By `id args` those of the environments, by variant those of user-defined rules."""
        rules = {trial.variant: trial.rule for trial in self.trials.configurations if trial.rule}
        return {key: env.fingerprint for key, env in self.environments.items()} | rules


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
    points = [] if sweep.configurations else _product(sweep)
    asked = [(env, settings) for env in dict.fromkeys(sweep.env) for settings in points]
    for number, listed in enumerate(sweep.configurations):
        settings = _settings(sweep, listed.variant, listed.values)
        if settings.problem:
            raise InputError(f"configurations[{number}]: {settings.problem}")
        asked.append((listed.env, settings))
    environments: dict[EnvironmentRequest, Environment] = {}
    for env in dict.fromkeys(env for env, _ in asked):
        several = len(sweep.env) > 1 or sweep.configurations
        with placing(f"env {environment_name(env.id, env.args)}" if several else "env"):
            environments[env] = resolve(env.id, json.loads(env.args), of_range=bool(env.family))
    templates: dict[tuple, Trial] = {}
    for env, settings in asked:
        environment = environments[env]
        values = {name: getattr(settings, name) for name in SETTINGS}
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
    notices = [notice for environment in environments.values() for notice in environment.notices]
    notices += [
        f"{variant} trains on the Gymnasium loop, some hundred times slower, because numba cannot "
        f"compile its rule: {reason}"
        for variant in dict.fromkeys(settings.variant for _, settings in asked)
        if (reason := uncompilable(variant))
    ]
    return Expanded(
        trials=TrialSet(list(templates.values()), sweep.seeds),
        environments={environment.key: environment for environment in environments.values()},
        families={environments[env].key: env.family for env in environments if env.family},
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
        trained = [trial for trial in trials.configurations if trial.variant == variant]
        blocks.append((f"variant_parameters.{variant}", own, trained))
    for number, listed in enumerate(sweep.configurations):
        settings = _settings(sweep, listed.variant, listed.values)
        blocks.append((f"configurations[{number}]", listed.values, [settings]))
    for place, block, configurations in blocks:
        read = [
            name
            for name in parameters_of({settings.variant for settings in configurations})
            if any(getattr(settings, name, 0) is not None for settings in configurations)
        ]
        for name in block if configurations else ():
            if name not in read:
                raise InputError(
                    f"{place}.{name}: must be read by a variant or schedule of the spec, but none "
                    f"does{near_miss(name, read)}"
                )


def _settings(sweep: Sweep, variant: str, given: Mapping[str, Any]) -> Any:
    """The settings of a configuration: those given, the lengths of the sweep, and defaults."""
    values = {name: given[name] for name in given if name not in LENGTHS}
    problem = None
    try:
        used = used_hyperparameters(variant, values)
    except InputError as contradiction:
        problem = str(contradiction)
        used = {name: row.default for name, row in HYPERPARAMETERS.items()} | values
    used |= {name: given.get(name, getattr(sweep, name)) for name in LENGTHS}
    return Settings._make((variant, *map(used.get, SETTINGS[1:]), problem))


def _product(sweep: Sweep) -> list[Any]:
    """The settings of every distinct sample or grid point that meets the constraints."""
    points = [
        [_settings(sweep, variant, point) for point in _points(sweep, variant)]
        for variant in sweep.variant
    ]
    by_number = itertools.chain.from_iterable(itertools.zip_longest(*points))
    distinct = list(dict.fromkeys(filter(None, by_number)))
    allowed = list(itertools.compress(distinct, _allowed(sweep, distinct)))
    for settings in allowed:
        if settings.problem:
            raise InputError(f"parameters: {settings.problem}; a constraint can exclude it")
    if not allowed:
        raise InputError("constraints: must leave a configuration, but no configuration meets all")
    return allowed


def _allowed(sweep: Sweep, points: Sequence[Any]) -> np.ndarray:
    """Whether each configuration meets all constraints; one on a value that it lacks is met."""
    allowed = np.ones(len(points), bool)
    if not sweep.constraints:
        return allowed
    columns = {name: [getattr(settings, name) for settings in points] for name in SETTINGS}
    own = [json.loads(text or "{}") for text in columns["rule_args"]]
    for name in parameters_of(sweep.variant).keys() - columns.keys():
        columns[name] = [values.get(name) for values in own]
    for number, text in enumerate(sweep.constraints):
        with placing(f"constraints[{number}]"):
            allowed &= [holds is not False for holds in evaluate(text, columns)]
    return allowed


def _parameters(sweep: Sweep, variant: str) -> dict[str, Any]:
    """The parameters of a variant, without those that its rule cannot read."""
    unread = set(variant_of(variant).unread)
    if "alpha" in unread:
        unread |= {name for name in HYPERPARAMETERS if name.startswith("alpha_")}
    known = parameters_of([variant]).keys() - unread
    given = sweep.parameters | sweep.variant_parameters.get(variant, {})
    return {name: parameter for name, parameter in given.items() if name in known}


def _check_size(sweep: Sweep) -> None:
    """Refuses a sweep that would not fit in memory, before any of it is made.

    Raises:
        InputError: it means too many configurations or trials; the message names what to lower.
    """
    count = len(sweep.configurations)
    factors = [(count, "configurations"), (len(sweep.env), "env")]
    for variant in sweep.variant:
        grid = _parameters(sweep, variant)
        sizes = [(sweep.samples or 1, "samples")]
        if sweep.samples is None:
            sizes = [(len(values), f"parameters.{name}") for name, values in grid.items()]
        count += len(sweep.env) * math.prod(size for size, _ in sizes)
        factors += sizes
    for what, factor, most in (
        ("configurations", 1, MOST_CONFIGURATIONS),
        ("trials", len(sweep.seeds), MOST_TRIALS),
    ):
        if count * factor > most:
            size, name = max(factors)
            raise InputError(
                f"{name}: must be fewer than {size:,}, because the spec means {count * factor:,} "
                f"{what}, and may mean at most {most:,}"
            )
        factors.append((len(sweep.seeds), "seeds"))


def _points(sweep: Sweep, variant: str) -> Iterator[dict[str, Value]]:
    """The values of a variant's parameters, point by point."""
    parameters = _parameters(sweep, variant)
    if sweep.samples is None:
        for values in itertools.product(*parameters.values()):
            yield dict(zip(parameters, values, strict=True))
        return
    uniforms = _uniforms(sweep, list(parameters), sweep.samples)
    for i in range(sweep.samples):
        yield {name: _drawn(given, float(uniforms[name][i])) for name, given in parameters.items()}


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

    varied = {
        name
        for block in (sweep.parameters, *sweep.variant_parameters.values())
        for name, values in block.items()
        if isinstance(values, Distribution) or len(values) > 1
    }
    uniforms = dict.fromkeys(names, np.zeros(samples))
    if not varied:
        return uniforms
    engine = qmc.Sobol(len(varied), scramble=True, rng=np.random.default_rng(sweep.sample_seed))
    points = engine.random_base2(math.ceil(math.log2(samples)))[:samples]
    return uniforms | dict(zip(sorted(varied), points.T, strict=True))
