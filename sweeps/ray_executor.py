"""Batches as Ray tasks."""

import socket
import time
from dataclasses import dataclass
from functools import partial

import ray
from ray import exceptions

from hq_ray.batch import BatchReport, run_batch
from hq_ray.environments import resolve
from hq_ray.errors import HqRayError, VersionError
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Results
from hq_ray.sweeps.executors import Crash
from hq_ray.sweeps.ownership import holds
from hq_ray.sweeps.ray_life import Pulse, first_line
from hq_ray.training import warm_up
from hq_ray.trial import Trial
from hq_ray.versions import deciding_versions, differing

LOOK_SECONDS = 2.0
NODE_ERRORS = (exceptions.NodeDiedError, exceptions.LocalRayletDiedError)


@dataclass(frozen=True)
class BatchOptions:
    """What every batch of a sweep shares.

    Attributes:
        keep_q_values, engine: see `run_batch`.
        token: of the driver; its batches count only while it holds the results.
        versions: of the driver's code, which the worker's must equal.
    """

    keep_q_values: bool
    engine: str
    token: str
    versions: tuple[tuple[str, str], ...]


@ray.remote(num_cpus=1, max_retries=0)
def _run_batch_task(
    trials: tuple[Trial, ...], results: Results, options: BatchOptions
) -> BatchReport:
    others = differing(options.versions)
    if others:
        raise VersionError(
            f"worker on {socket.gethostname()} must run the driver's code, but there "
            + " and ".join(others)
        )
    return run_batch(
        trials,
        results,
        options.keep_q_values,
        options.engine,
        partial(holds, results.location, options.token),
    )


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

    def __init__(self, results: Results, options: BatchOptions):
        self._cores, self._looked = 1, -LOOK_SECONDS
        self._pulse = Pulse()
        self._arguments = (results, options)
        self._task = _run_batch_task.options(scheduling_strategy="SPREAD", name="hq_ray batch")
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
        reference = self._task.remote(batch, *self._arguments)
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


def executor_on_ray(results: Results, keep_q_values: bool, engine: str, token: str) -> RayExecutor:
    """The executor of one driver, its workers held to this process's versions."""
    options = BatchOptions(keep_q_values, engine, token, deciding_versions())
    return RayExecutor(results, options)


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
