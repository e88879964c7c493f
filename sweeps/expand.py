"""From a spec to trials: the configurations it means, its environments resolved, its trials."""

import hashlib
import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hq_ray.conditions import evaluate
from hq_ray.environments import Environment, resolve
from hq_ray.errors import InputError, shortened
from hq_ray.hyperparameters import HYPERPARAMETERS, Value, used_hyperparameters
from hq_ray.sweeps.parameters import Parameter
from hq_ray.sweeps.plan import TrialSet
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_entries import Configuration
from hq_ray.sweeps.spec_text import suggestion
from hq_ray.trial import Trial
from hq_ray.updates import VARIANTS

# A configuration takes some two kilobytes; ids of ten million trials take a gigabyte.
MOST_CONFIGURATIONS, MOST_TRIALS = 10**6, 10**7


@dataclass(frozen=True)
class Expanded:
    """A spec's trials, and what was found out about its environments.

    Attributes:
        trials: configurations times seeds.
        environments: by `id args`.
        notices: sentences for the person.
    """

    trials: TrialSet
    environments: dict[str, Environment]
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
    _check_size(sweep)
    environments = {}
    for request, place in sweep.environments.items():
        try:
            environments[request] = resolve(request.id, request.arguments)
        except InputError as problem:
            raise InputError(f"{place}: {shortened(str(problem), 500)}") from problem
    templates: dict[str, Trial] = {}
    for configuration in configurations(sweep):
        environment = environments[configuration.env]
        template = Trial(
            env=environment.id,
            env_args=environment.args,
            fingerprint=environment.fingerprint,
            variant=configuration.variant,
            seed=0,
            episodes=configuration.episodes,
            max_steps=configuration.max_steps or environment.max_steps,
            source=environment.source,
            label=configuration.env.label,
            **dict(configuration.hyperparameters),
        )
        # Two names of one environment, or its own step limit spelled out, give the same trial.
        templates.setdefault(template.trial_id, template)
    return Expanded(
        trials=TrialSet(list(templates.values()), sweep.seeds),
        environments={environment.name: environment for environment in environments.values()},
        notices=tuple(dict.fromkeys(n for one in environments.values() for n in one.notices)),
    )


def check_read(sweep: Sweep, trials: TrialSet) -> None:
    """Refuses parameters that make no difference to any trial.

    Raises:
        InputError: no variant of the spec reads one, or no schedule.
    """
    blocks = {None: sweep.parameters or {}, **(sweep.variant_parameters or {})}
    for variant, block in blocks.items():
        place = "parameters" if variant is None else f"variant_parameters.{variant}"
        of = [one for one in trials.configurations if variant in (None, one.variant)]
        read = [
            name for name in HYPERPARAMETERS if any(getattr(one, name) is not None for one in of)
        ]
        for name in block if of else ():
            if name in HYPERPARAMETERS and name not in read:
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
    if sweep.configurations is not None:
        # An entry without lengths has the sweep's.
        filled = (
            replace(
                entry,
                episodes=entry.episodes or sweep.episodes,
                max_steps=entry.max_steps or sweep.max_steps,
            )
            for entry in sweep.configurations
        )
        return list(dict.fromkeys(filled))
    points = [
        (number, variant, point)
        for variant in sweep.variant
        for number, point in enumerate(_points(sweep, variant))
    ]
    points.sort(key=lambda entry: entry[0])
    kinds: dict[tuple, dict[str, Value | None]] = {}
    contradictions: list[tuple[InputError, dict[str, Value | None]]] = []
    for _, variant, point in points:
        episodes = point.pop("episodes", sweep.episodes)
        max_steps = point.pop("max_steps", sweep.max_steps)
        values = {"variant": variant, "episodes": episodes, "max_steps": max_steps}
        try:
            used = used_hyperparameters(variant, point)
        except InputError as problem:
            defaults = {name: row.default for name, row in HYPERPARAMETERS.items()}
            contradictions.append((problem, defaults | point | values))
        else:
            kinds[variant, episodes, max_steps, tuple(used.items())] = used | values
    allowed = _allowed(sweep.constraints, [values for _, values in contradictions])
    for (problem, _), is_allowed in zip(contradictions, allowed, strict=True):
        if is_allowed:
            raise InputError(f"parameters: {problem}; a constraint can exclude it")
    allowed = _allowed(sweep.constraints, list(kinds.values()))
    kept = list(itertools.compress(kinds, allowed))
    if not kept:
        raise InputError("constraints: must leave a configuration, but no configuration meets all")
    return [Configuration(env, *kind) for env in sweep.env for kind in kept]


def _allowed(constraints: Sequence[str], rows: Sequence[Mapping[str, object]]) -> list[bool]:
    """Whether each row meets all constraints, or may for all that is known of it."""
    try:
        found = [evaluate(text, rows) for text in constraints if rows]
    except InputError as problem:
        raise InputError(f"constraints: {problem}") from None
    return [all(of[i] is not False for of in found) for i in range(len(rows))]


def _parameters(sweep: Sweep, variant: str) -> dict[str, Parameter]:
    """The parameters of a variant; of a grid only those that it may read."""
    parameters = {**sweep.parameters, **sweep.variant_parameters.get(variant, {})}
    if sweep.method != "grid":
        return parameters
    unread = {"alpha", "alpha_down", "eps_shift"} - VARIANTS[variant].uses
    if "alpha" in unread:
        unread |= {name for name in HYPERPARAMETERS if name.startswith("alpha_")}
    return {name: of for name, of in parameters.items() if name not in unread}


def _check_size(sweep: Sweep) -> None:
    """Refuses a sweep that would not fit in memory, before any of it is made.

    Raises:
        InputError: it means too many configurations or trials; the message names what to lower.
    """
    sizes = {"seeds": len(sweep.seeds)}
    if sweep.configurations is not None:
        sizes["configurations"] = count = len(sweep.configurations)
    elif sweep.method == "grid":
        sizes["env"], count = len(sweep.env), 0
        for variant in sweep.variant:
            grid = _parameters(sweep, variant)
            sizes |= {f"parameters.{name}": len(of.values) for name, of in grid.items()}
            count += len(sweep.env) * math.prod(len(of.values) for of in grid.values())
    else:
        sizes |= {"env": len(sweep.env), "samples": sweep.samples}
        count = len(sweep.env) * len(sweep.variant) * sweep.samples
    for what, found, most in (
        ("configurations", count, MOST_CONFIGURATIONS),
        ("trials", count * len(sweep.seeds), MOST_TRIALS),
    ):
        if found > most:
            varied = [name for name in sizes if what == "trials" or name != "seeds"]
            name = max(varied, key=sizes.get)
            raise InputError(
                f"{name}: must be fewer than {sizes[name]:,}, because the spec means {found:,} "
                f"{what}, and may mean at most {most:,}"
            )


def _points(sweep: Sweep, variant: str) -> Iterator[dict[str, Value]]:
    """The values of a variant's parameters, point by point."""
    parameters = _parameters(sweep, variant)
    if sweep.method == "grid":
        product = itertools.product(*(p.values for p in parameters.values()))
        return (dict(zip(parameters, values, strict=True)) for values in product)
    uniforms = _uniforms(sweep, parameters)
    return (
        {name: parameters[name].at(float(uniforms[name][i])) for name in parameters}
        for i in range(sweep.samples)
    )


def _uniforms(sweep: Sweep, parameters: Mapping[str, Parameter]) -> dict[str, np.ndarray]:
    """For each parameter, a uniform number per sample; number i depends on i and not on samples.

    random: a stream for each parameter, keyed by its name, so that another parameter changes none.
    sobol: a scrambled Sobol sequence (Matousek 1998, Journal of Complexity 14:527-556) over the
    names in order, all variants together; a parameter of one value takes no dimension.
    """
    if sweep.method == "random":
        streams = {}
        for name in parameters:
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
            seeds = np.random.SeedSequence([sweep.sample_seed, key])
            streams[name] = np.random.Generator(np.random.PCG64(seeds)).random(sweep.samples)
        return streams
    from scipy.stats import qmc

    blocks = sweep.variant_parameters.values()
    varied = [*sweep.parameters.items(), *(item for block in blocks for item in block.items())]
    names = sorted({name for name, parameter in varied if parameter.varies})
    fixed = dict.fromkeys(parameters, np.zeros(sweep.samples))
    if not names:
        return fixed
    engine = qmc.Sobol(len(names), scramble=True, rng=np.random.default_rng(sweep.sample_seed))
    with warnings.catch_warnings():
        # A number of points that is no power of two is less balanced, which is the person's choice.
        warnings.simplefilter("ignore", UserWarning)
        columns = engine.random(sweep.samples).T
    return fixed | dict(zip(names, columns, strict=True))
