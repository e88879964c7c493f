"""Run options: how trials are run, from the flags of a command to the task of a batch."""

import re
from dataclasses import dataclass

from hq_ray.errors import InputError, near_miss
from hq_ray.training import ENGINES


@dataclass(frozen=True)
class Shard:
    """One of several disjoint parts of a sweep, each of which may have a driver of its own."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard that `3/16` names, the third of sixteen.

        Raises:
            InputError: it names none.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(
                f"shard: must be like 3/16, the third of sixteen, from 1/16 to 16/16, got {text!r}"
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.of}"

    def has(self, config_id: str, seed: int) -> bool:
        """Whether a trial is in it; the shards take turns along the seeds of a configuration."""
        return (int(config_id, 16) + seed) % self.of == self.number - 1


@dataclass(frozen=True)
class RunOptions:
    """How trials are run; none of it changes what is logged.

    Attributes:
        local: train in this process, without Ray, whatever the address.
        address: a Ray cluster to join; None starts an embedded one and stops it again.
        cores: of the embedded one; None for all.
        max_cores: most cores to ask a cluster's autoscaler for.
        trials_per_task: None for as many as make about a second.
        shard: such as `3/16`, to run only that part of a sweep; None for all of it.
        engine: `auto`, `kernel` or `gymnasium`.
        keep_q_values: whether final Q tables are stored.
        retry_failed: whether trials that failed before are tried again.
        repair: whether damaged batches are set aside and their trials trained anew.
        accept_source: whether to go on where trials are there from another source of an
            environment's code.

    Raises:
        InputError: a value cannot be used.
    """

    local: bool = False
    address: str | None = None
    cores: int | None = None
    max_cores: int = 1000
    trials_per_task: int | None = None
    shard: str | None = None
    engine: str = "auto"
    keep_q_values: bool = False
    retry_failed: bool = False
    repair: bool = False
    accept_source: bool = False

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"unknown engine {self.engine!r}{near_miss(self.engine, ENGINES)}")
        if self.part is not None and self.repair:
            raise InputError("repair must be done by a driver of the whole sweep, without shard")
        for name in ("cores", "max_cores", "trials_per_task"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 1):
                raise InputError(f"{name}: must be a whole number from 1, got {number!r}")

    @property
    def part(self) -> Shard | None:
        """The shard that `shard` names."""
        return None if self.shard is None else Shard.parse(str(self.shard))
