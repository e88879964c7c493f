"""Sweeps of trials of several lengths, the work that the sweep benchmarks give."""

from dataclasses import dataclass, field

from hq_ray.sweeps.api import as_sweep
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep
from hq_ray.trial import Trial

VARIANTS = ("standard", "harmonic")


@dataclass(frozen=True)
class Job:
    """A kind of trial.

    Attributes:
        length: what training one takes in a batch on one core, roughly.
        env, env_args: the environment.
        episodes: of a trial, which are the rows it writes.
    """

    length: str
    env: str
    episodes: int
    env_args: dict = field(default_factory=dict)


LENGTHS = (
    Job("0.1 ms", "FrozenLake-v1", 600),
    Job("1 ms", "FrozenLake-v1", 5000),
    Job("5 ms", "CliffWalking-v1", 6000),
    Job("20 ms", "CliffWalking-v1", 5000, {"is_slippery": True}),
)


def sweep_of(job: Job, n_trials: int) -> Sweep:
    """The job's sweep: both variants, half of the trials each, epsilon falling for 7/8 of them."""
    return as_sweep(
        {
            "name": "benchmark",
            "env": {"id": job.env, **job.env_args},
            "variant": list(VARIANTS),
            "seeds": f"0-{max(n_trials // len(VARIANTS), 1) - 1}",
            "episodes": job.episodes,
            "parameters": {"eps_decay_episodes": max(job.episodes * 7 // 8, 1)},
        }
    )


def trials_of(job: Job, n_trials: int) -> list[Trial]:
    """The same trials as values."""
    return list(expand(sweep_of(job, n_trials)).trials)
