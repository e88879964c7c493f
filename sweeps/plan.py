"""The plan: which trials a request means, and which of them are still to be run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from hq_ray.schema import DONE, FAILED
from hq_ray.sweeps.options import Shard
from hq_ray.trial import Trial, id_by_seed, seeded


class TrialSet(Sequence[Trial]):
    """Configurations times seeds, seeds outermost; trials are made when they are looked at.

    The order means that an interrupted sweep has every configuration at its first seeds; making
    trials late, that a million of them are a few megabytes.
    """

    def __init__(self, configurations: Sequence[Trial], seeds: Sequence[int]):
        self.configurations = configurations
        self.seeds = seeds
        self._makers: list[Callable[[int], Trial] | None] = [None] * len(configurations)

    def __len__(self) -> int:
        return len(self.configurations) * len(self.seeds)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked": ...
    def __getitem__(self, index: int | slice) -> "Trial | Picked":
        if isinstance(index, slice):
            return Picked(self, np.arange(len(self))[index])
        seed, number = divmod(range(len(self))[index], len(self.configurations))
        make = self._makers[number]
        if make is None:
            make = self._makers[number] = seeded(self.configurations[number])
        return make(self.seeds[seed])

    def ids(self) -> Iterator[str]:
        """The trial ids, in order."""
        makers = list(map(id_by_seed, self.configurations))
        for seed in self.seeds:
            yield from (make(seed) for make in makers)


class Picked(Sequence[Trial]):
    """Some trials of a sequence, by index."""

    def __init__(self, trials: Sequence[Trial], indices: np.ndarray):
        self.trials, self.indices = trials, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked": ...
    def __getitem__(self, index: int | slice) -> "Trial | Picked":
        if isinstance(index, slice):
            return Picked(self.trials, self.indices[index])
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
    for configuration in trials.configurations:
        of = counts.setdefault(f"{configuration.env} {configuration.env_args}", {})
        of[configuration.variant] = of.get(configuration.variant, 0) + len(trials.seeds)
    return counts


def plan(
    trials: Sequence[Trial],
    published: Mapping[str, str],
    retry_failed: bool = True,
    shard: Shard | None = None,
) -> Plan:
    """Planned minus published: resume, retry and growth are all this difference.

    Args:
        trials: what is asked for, each once.
        published: status by trial_id.
        retry_failed: whether a trial published as failed is to be run again.
        shard: the part of the trials that counts; None for all.
    """
    ids = trials.ids() if isinstance(trials, TrialSet) else (trial.trial_id for trial in trials)
    states = np.zeros(len(trials), np.int8)
    elsewhere = 3
    if published or shard is not None:
        of = {None: 0, FAILED: 0 if retry_failed else 1, DONE: 2}
        found = (
            of[published.get(one)] if shard is None or shard.has(one) else elsewhere for one in ids
        )
        states = np.fromiter(found, np.int8, len(trials))
    missing, failed = (Picked(trials, np.flatnonzero(states == state)) for state in (0, 1))
    if shard is not None:
        trials = Picked(trials, np.flatnonzero(states != elsewhere))
    return Plan(trials, missing, failed)
