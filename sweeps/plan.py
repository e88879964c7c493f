"""The plan: which trials a request means, and which of them are still to be run."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hq_ray.schema import DONE, FAILED
from hq_ray.sweeps.options import Shard
from hq_ray.trial import Trial, environment_key, id_by_seed, seeded


class TrialSet(Sequence[Trial]):
    """Configurations times seeds, seeds outermost; trials are made when they are looked at.

    In this order an interrupted sweep has every configuration at its first seeds. Because trials
    are made late, a million of them take a few megabytes.
    """

    def __init__(self, configurations: Sequence[Trial], seeds: Sequence[int]):
        self.configurations = configurations
        self.seeds = seeds
        self._maker = cache(lambda number: seeded(configurations[number]))

    def __len__(self) -> int:
        return len(self.configurations) * len(self.seeds)

    def __getitem__(self, index: int) -> Trial:  # type: ignore[override]
        seed, number = divmod(range(len(self))[index], len(self.configurations))
        return self._maker(number)(self.seeds[seed])

    def ids(self, places: Iterable[int] | None = None) -> Iterator[str]:
        """The ids of the trials at some places; of all, in order."""
        makers = list(map(id_by_seed, self.configurations))
        for place in range(len(self)) if places is None else places:
            seed, number = divmod(place, len(makers))
            yield makers[number](self.seeds[seed])

    def places(self, shard: Shard) -> np.ndarray:
        """Where the trials of a shard are, rising, by the rule of `Shard.has`; computes no ids."""
        first = [int(trial.config_id, 16) % shard.of for trial in self.configurations]
        turn = np.array([seed % shard.of for seed in self.seeds], np.int32)[:, None]
        return np.flatnonzero((turn + np.array(first, np.int32)) % shard.of == shard.number - 1)


class Picked(Sequence[Trial]):
    """Some trials of a sequence, by index."""

    def __init__(self, trials: Sequence[Trial], indices: np.ndarray):
        self.trials, self.indices = trials, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Trial:  # type: ignore[override]
        return self.trials[self.indices[index]]


@dataclass(frozen=True)
class Plan:
    """Planned trials against published ones.

    Attributes:
        trials: everything asked for, in the order to run.
        missing: those of them to be run: not published, or failed and to be retried.
        failed: those of them that are published as failed and not to be retried.
    """

    trials: Sequence[Trial]
    missing: Picked
    failed: Picked

    @property
    def n_done(self) -> int:
        """How many of the planned trials are there already."""
        return len(self.trials) - len(self.missing) - len(self.failed)


def count_by_configuration(picked: Picked, trials: TrialSet) -> list[int]:
    """How many of the picked trials each configuration of the set has."""
    n = len(trials.configurations)
    return np.bincount(picked.indices % n, minlength=n).tolist()


def planned_counts(trials: TrialSet) -> dict[str, dict[str, int]]:
    """How many trials are planned, by environment (`id args`) and variant, for sweep.json."""
    counts: dict[str, dict[str, int]] = {}
    for trial in trials.configurations:
        by_variant = counts.setdefault(environment_key(trial.env, trial.env_args), Counter())
        by_variant[trial.variant] += len(trials.seeds)
    return counts


def plan(
    trials: Sequence[Trial],
    published: Mapping[str, str],
    retry_failed: bool = False,
    shard: Shard | None = None,
) -> Plan:
    """Planned minus published (status by trial_id): resume, retry and growth are this difference.

    With `retry_failed`, a trial published as failed is missing; of a set, a shard alone may count.
    """
    places = np.arange(len(trials))
    ids: Iterator[str] = (trial.trial_id for trial in trials)
    if isinstance(trials, TrialSet):
        places = places if shard is None else trials.places(shard)
        ids = trials.ids(map(int, places))
    states = np.zeros(len(places), np.int8)
    if published:
        numbers = {None: 0, FAILED: 0 if retry_failed else 1, DONE: 2}
        states = np.fromiter((numbers[published.get(i)] for i in ids), np.int8, len(places))
    missing, failed = (Picked(trials, places[states == state]) for state in (0, 1))
    return Plan(Picked(trials, places), missing, failed)
