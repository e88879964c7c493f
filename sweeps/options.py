"""Run options: how trials are run, from the flags of a command to the task of a batch."""

from dataclasses import dataclass

from hq_ray.errors import InputError
from hq_ray.training import check_engine


@dataclass(frozen=True)
class RunOptions:
    """How trials are run; none of it changes what is logged.

    Attributes:
        local: train in this process, without Ray, whatever the address.
        address: a Ray cluster to join; None starts an embedded one and stops it again.
        cores: of the embedded one; None for all.
        max_cores: most cores to ask a cluster's autoscaler for.
        trials_per_task: None for as many as make about a second.
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
    engine: str = "auto"
    keep_q_values: bool = False
    retry_failed: bool = False
    repair: bool = False
    accept_source: bool = False

    def __post_init__(self) -> None:
        check_engine(self.engine)
        for name in ("cores", "max_cores", "trials_per_task"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 1):
                raise InputError(f"{name}: must be a whole number from 1, got {number!r}")
