"""The plan: which trials a request means, and which of them are still to be run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hq_ray.environments import Environment
from hq_ray.hyperparameters import Value, used_hyperparameters
from hq_ray.store import DONE
from hq_ray.trial import Trial


@dataclass(frozen=True)
class Plan:
    """Planned trials against published ones.

    Attributes:
        trials: everything asked for, each once, in the order to run.
        missing: those of them that are not published as done.
    """

    trials: tuple[Trial, ...]
    missing: tuple[Trial, ...]

    @property
    def n_done(self) -> int:
        """How many of the planned trials are there already."""
        return len(self.trials) - len(self.missing)


def one_configuration_each(
    environment: Environment,
    variants: Sequence[str],
    seeds: Sequence[int],
    episodes: int,
    max_steps: int | None,
    hyperparameters: Mapping[str, Value],
) -> list[Trial]:
    """One configuration per variant over seeds, seeds outermost.

    The order means that an interrupted sweep has every configuration at its first seeds.
    """
    used = {variant: used_hyperparameters(variant, hyperparameters) for variant in variants}
    return [
        Trial(
            env=environment.id,
            env_args=environment.args,
            fingerprint=environment.fingerprint,
            variant=variant,
            seed=seed,
            episodes=episodes,
            max_steps=max_steps or environment.max_steps,
            **used[variant],
        )
        for seed in seeds
        for variant in variants
    ]


def plan(trials: Iterable[Trial], published: Mapping[str, str]) -> Plan:
    """Planned minus published: resume, retry and growth are all this difference.

    Args:
        trials: what is asked for; repeats count once.
        published: status by trial_id; a trial published as failed is still missing.
    """
    distinct = {trial.trial_id: trial for trial in trials}
    missing = [t for trial_id, t in distinct.items() if published.get(trial_id) != DONE]
    return Plan(tuple(distinct.values()), tuple(missing))
