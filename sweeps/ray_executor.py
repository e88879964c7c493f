"""Runs batches as Ray tasks."""

import socket
import time

import ray
from ray import exceptions

from hq_ray.batch import BatchReport
from hq_ray.environments import resolve
from hq_ray.errors import HqRayError, VersionError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Results
from hq_ray.sweeps.executors import Crash, ExecutorLost, train_batch
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ray_life import first_line, unanswered
from hq_ray.training import warm_up
from hq_ray.trial import Trial
from hq_ray.versions import deciding_versions, differing

LOOK_SECONDS = 2.0
# A cluster's head may be unreachable for a moment.
SILENT_SECONDS = 10.0


@ray.remote(num_cpus=1, max_retries=0)
def _train_batch_task(
    versions: tuple[tuple[str, str], ...],
    results: Results,
    options: RunOptions,
    token: str,
    trials: tuple[Trial, ...],
) -> BatchReport:
    others = differing(versions)
    if others:
        raise VersionError(
            f"worker on {socket.gethostname()} must run the driver's code, but there "
            + " and ".join(others)
        )
    return train_batch(results, options, token, trials)


@ray.remote(num_cpus=1, max_retries=0)
def _warm_task() -> None:
    """Trains one step, which imports and loads what every trial needs."""
    lake = resolve("FrozenLake-v1")
    used = used_hyperparameters("standard", {})
    warm_up([Trial(lake.id, lake.args, lake.fingerprint, "standard", 0, 1, 1, **used)])


def warm_workers() -> None:
    """Starts the second of imports that each worker needs, without waiting for it."""
    for _ in range(max(1, int(ray.cluster_resources().get("CPU", 1)))):
        _warm_task.remote()


class RayExecutor:
    """Runs batches as Ray tasks, spread over the nodes.

    Ray's own retries are off: the driver halves a lost batch, where Ray would repeat all of it.
    """

    def __init__(self, results: Results, options: RunOptions, token: str):
        self._cores, self._looked = 1, -LOOK_SECONDS
        self._silent_since: float | None = None
        # Workers must have the driver's versions of all code that decides the logs.
        self._arguments = (deciding_versions(), results, options, token)
        self._task = _train_batch_task.options(scheduling_strategy="SPREAD", name="hq_ray batch")
        self._flying: list[ray.ObjectRef] = []

    @property
    def cores(self) -> int:
        """Cores of the cluster at present."""
        self._look()
        return self._cores

    def _look(self) -> None:
        """Every few seconds checks that Ray lives and then counts its cores, which may block."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            if self._is_alive():
                self._cores = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def _is_alive(self) -> bool:
        """Whether Ray answers.

        Raises:
            ExecutorLost: a part of it has died, or has not answered for a while.
        """
        problem, now = unanswered(), time.monotonic()
        if problem is None:
            self._silent_since = None
            return True
        self._silent_since = self._silent_since or now
        if now - self._silent_since >= SILENT_SECONDS:
            raise ExecutorLost(problem)
        return False

    def submit(self, batch: tuple[Trial, ...]) -> object:
        """Submits a batch as one task."""
        reference = self._task.remote(*self._arguments, batch)
        self._flying.append(reference)
        return reference

    def wait(self, timeout: float) -> list[tuple[object, BatchReport | Crash]]:
        """Tickets and outcomes of batches that ended; none after `timeout` seconds.

        Raises:
            ExecutorLost: Ray has died.
        """
        self._look()
        if not self._flying:
            return []
        ready, _ = ray.wait(self._flying, num_returns=1, timeout=timeout, fetch_local=False)
        if ready:
            ready, self._flying = ray.wait(
                self._flying, num_returns=len(self._flying), timeout=0, fetch_local=False
            )
        outcomes = [(reference, _outcome(reference)) for reference in ready]
        if any(isinstance(outcome, Crash) for _, outcome in outcomes):
            self._is_alive()  # if Ray has died, the batches are not to blame
        return outcomes

    def cancel(self) -> None:
        """Kills the workers of running batches; a kernel cannot be interrupted otherwise."""
        for reference in self._flying:
            ray.cancel(reference, force=True)
        self._flying = []


def _outcome(reference: ray.ObjectRef) -> BatchReport | Crash:
    try:
        return ray.get(reference)
    except exceptions.RayTaskError as problem:
        cause = problem.cause or problem
        ours = cause if isinstance(cause, HqRayError) else None
        return Crash("error", f"{type(cause).__name__}: {cause}", ours)
    except exceptions.RayError as problem:
        kind = "worker"
        if isinstance(problem, exceptions.NodeDiedError | exceptions.LocalRayletDiedError):
            kind = "node"
        elif isinstance(problem, exceptions.RuntimeEnvSetupError):
            kind = "error"
        return Crash(kind, first_line(problem))
