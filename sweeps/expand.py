"""From a spec to trials: environments resolved, configurations made into trials to be."""

from collections.abc import Sequence
from dataclasses import dataclass

from hq_ray.environments import Environment, resolve
from hq_ray.errors import InputError
from hq_ray.sweeps.plan import TrialSet
from hq_ray.sweeps.space import configurations
from hq_ray.sweeps.spec import Sweep
from hq_ray.sweeps.spec_entries import EnvironmentRequest
from hq_ray.trial import Trial


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
    environments = {env: _resolved(env, place) for env, place in sweep.environments.items()}
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
            **dict(configuration.hyperparameters),
        )
        # Two names of one environment, or its own step limit spelled out, give the same trial.
        templates.setdefault(template.trial_id, template)
    return Expanded(
        trials=TrialSet(list(templates.values()), sweep.seeds),
        environments={environment.name: environment for environment in environments.values()},
        notices=_notices(list(environments.values())),
    )


def _resolved(request: EnvironmentRequest, place: str) -> Environment:
    try:
        return resolve(request.id, request.arguments)
    except InputError as problem:
        raise InputError(f"{place}: {problem}") from problem


def _notices(environments: Sequence[Environment]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n for environment in environments for n in environment.notices))
