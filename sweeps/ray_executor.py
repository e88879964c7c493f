"""Batches as Ray tasks."""

import socket
import time

import ray
from ray import exceptions

from hq_ray.batch import BatchReport
from hq_ray.environments import resolve
from hq_ray.errors import HqRayError, VersionError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Results
from hq_ray.sweeps.executors import Crash, train_batch
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ray_life import Pulse, first_line
from hq_ray.training import warm_up
from hq_ray.trial import Trial
from hq_ray.versions import deciding_versions, differing

LOOK_SECONDS = 2.0
NODE_ERRORS = (exceptions.NodeDiedError, exceptions.LocalRayletDiedError)


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
    """Trains one step, so that this worker has imported and loaded what every trial needs."""
    lake = resolve("FrozenLake-v1")
    used = used_hyperparameters("standard", {})
    warm_up([Trial(lake.id, lake.args, lake.fingerprint, "standard", 0, 1, 1, **used)])


def warm_workers() -> None:
    """Has every core's worker import what trials need, a second's work each, without waiting."""
    for _ in range(max(1, int(ray.cluster_resources().get("CPU", 1)))):
        _warm_task.remote()


class RayExecutor:
    """Runs batches as Ray tasks, spread over the nodes; each may be lost and none is repeated.

    Ray's own retries are off: the driver halves a lost batch, where Ray would run all of it again.
    """

    def __init__(self, results: Results, options: RunOptions, token: str):
        self._cores, self._looked = 1, -LOOK_SECONDS
        self._pulse = Pulse()
        # A worker's code must be of the versions that decide the logs here.
        self._arguments = (deciding_versions(), results, options, token)
        self._task = _train_batch_task.options(scheduling_strategy="SPREAD", name="hq_ray batch")
        self._flying: list[ray.ObjectRef] = []

    @property
    def cores(self) -> int:
        """Cores of the cluster now; nodes come and go."""
        self._look()
        return self._cores

    def _look(self) -> None:
        """Every few seconds: whether Ray lives, and only then, how many cores it has."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            if self._pulse.check():
                self._cores = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def submit(self, batch: tuple[Trial, ...]) -> object:
        """Submits a batch as one task."""
        reference = self._task.remote(*self._arguments, batch)
        self._flying.append(reference)
        return reference

    def wait(self, timeout: float) -> list[tuple[object, BatchReport | Crash]]:
        """What has finished; waits for the first for up to `timeout` seconds.

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
            self._pulse.check()  # what is lost with Ray is no fault of its trials
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
        cause = problem.cause
        if not isinstance(cause, HqRayError):
            cause = None
        shown = problem.cause if problem.cause is not None else problem
        return Crash("error", f"{type(shown).__name__}: {shown}", cause)
    except NODE_ERRORS as problem:
        return Crash("node", first_line(problem))
    except exceptions.RuntimeEnvSetupError as problem:
        return Crash("error", first_line(problem))
    except exceptions.RayError as problem:
        return Crash("worker", first_line(problem))
