"""Runs batches as Ray tasks."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import ray
from ray import exceptions
from ray.autoscaler.sdk import request_resources
from ray.util.metrics import Counter, Gauge

from hq_ray.batch import BatchReport
from hq_ray.environments import resolve
from hq_ray.errors import HqRayError, InputError, VersionError, first_line, reason_of
from hq_ray.hyperparameters import used_hyperparameters
from hq_ray.store import Results
from hq_ray.sweeps.driver import Batch, Crash, ExecutorLost, train_batch
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ownership import card_name
from hq_ray.sweeps.ray_life import ANSWER_SECONDS, unanswered
from hq_ray.training import warm_up
from hq_ray.trial import Trial, environment_name
from hq_ray.versions import deciding_versions, differing

WAIT_SECONDS = 0.2
LOOK_SECONDS = 2.0
# A cluster's head may be unreachable for a moment.
SILENT_SECONDS = 10.0
# What Ray's Prometheus endpoint shows of a sweep on a cluster.
COUNTERS = {
    "hq_trials_done": "Trials that were trained and published",
    "hq_trials_failed": "Trials that were published as failed",
    "hq_steps": "Environment steps trained",
    "hq_training_seconds": "Seconds that workers spent in training loops",
}


@ray.remote(num_cpus=1, max_retries=0)
def _train_batch_task(
    versions: tuple[tuple[str, str], ...],
    results: Results,
    options: RunOptions,
    token: str,
    batch: Batch,
) -> BatchReport:
    if others := differing(versions):
        raise VersionError(
            f"worker on {socket.gethostname()} must run the driver's code, but there "
            + " and ".join(others)
        )
    if results.location.is_local and not results.location.child(card_name(options.part)).exists():
        raise InputError(
            f"results at {results.location.text} must be where every node can write, but the "
            f"worker on {socket.gethostname()} does not find there what the driver wrote: give a "
            "folder on a disk that they share, or a URI such as s3://bucket/prefix"
        )
    return train_batch(results, options, token, batch)


@ray.remote(num_cpus=1, max_retries=0)
def _warm_task() -> None:
    """Trains one step, which imports and loads what every trial needs."""
    lake = resolve("FrozenLake-v1")
    used: dict[str, Any] = used_hyperparameters("standard", {})
    warm_up([Trial(lake.id, lake.args, lake.fingerprint, "standard", 0, 1, 1, **used)])


def warm_workers() -> None:
    """Has each worker spend its second of imports now, without waiting for it."""
    for _ in range(_count_cores()):
        _warm_task.remote()


def _count_cores() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def _answer(ask: Callable[[], Any]) -> Any:
    """What Ray answers.

    Raises:
        TimeoutError: it does not, as when its GCS dies meanwhile: Ray waits for one forever.
    """
    answer: Future = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as problem:
            answer.set_exception(problem)

    threading.Thread(target=run, daemon=True).start()
    return answer.result(ANSWER_SECONDS)


class RayExecutor:
    """Runs batches as Ray tasks, spread over the nodes.

    Ray's own retries are off: the driver halves a lost batch, where Ray would repeat all of it.
    """

    def __init__(self, results: Results, options: RunOptions, token: str):
        self._cores, self._looked = 0, -LOOK_SECONDS
        self._asked_for, self._asked = 0, -LOOK_SECONDS
        # Without an address Ray was started here, and has no autoscaler.
        self._most_cores = 0 if options.address is None else options.max_cores
        self._answered = time.monotonic()
        # Workers must have the driver's versions of all code that decides the logs.
        self._arguments = (deciding_versions(), results, options, token)
        self._flying: dict[ray.ObjectRef, Batch] = {}
        self._sweep = results.location.path.rpartition("/")[2]
        # By environment: a new task for every batch would be a new function to Ray.
        self._tasks: dict[str, Any] = {}
        self._in_flight: Gauge | None = None
        if options.address is not None:
            text = "Batches submitted and not ended"
            self._in_flight = Gauge("hq_batches_in_flight", text, ("sweep",))
            self._counters = [Counter(name, text, ("sweep",)) for name, text in COUNTERS.items()]

    @property
    def cores(self) -> int:
        """Cores of the cluster at present."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            if self._is_alive():
                with suppress(TimeoutError):
                    self._cores = _answer(_count_cores)
        return self._cores

    def ask_for(self, cores: int) -> None:
        """Tells the cluster's autoscaler how many cores the remaining work could use.

        The request stays until it is replaced, also if this process dies.
        """
        cores = min(cores, self._most_cores)
        now = time.monotonic()
        if cores == self._asked_for or (cores and now - self._asked < LOOK_SECONDS):
            return
        with suppress(ExecutorLost):
            if self._is_alive():
                self._asked_for, self._asked = cores, now
                with suppress(TimeoutError):
                    _answer(partial(request_resources, num_cpus=cores))

    def _is_alive(self) -> bool:
        """Whether Ray answers.

        Raises:
            ExecutorLost: a part of it has died, or has not answered for a while.
        """
        problem = unanswered()
        if problem is None:
            self._answered = time.monotonic()
        elif time.monotonic() - self._answered >= SILENT_SECONDS:
            raise ExecutorLost(problem)
        return problem is None

    def submit(self, batch: Batch) -> None:
        """Submits a batch as one task, which Ray's dashboard shows by sweep and environment."""
        first, *others = {(trial.env, trial.env_args) for trial in batch}
        env = f"{len(others) + 1} environments" if others else environment_name(*first)
        if env not in self._tasks:
            name = f"hq_ray batch: {self._sweep}, {env}"
            self._tasks[env] = _train_batch_task.options(scheduling_strategy="SPREAD", name=name)
        self._flying[self._tasks[env].remote(*self._arguments, batch)] = batch

    def wait(self) -> list[tuple[Batch, BatchReport | Crash]]:
        """Batches that ended and their outcomes; see `Executor.wait`."""
        if not self._flying:
            time.sleep(WAIT_SECONDS)
            return []
        flying = list(self._flying)
        ready, _ = ray.wait(flying, timeout=WAIT_SECONDS, fetch_local=False)
        if ready:
            ready, _ = ray.wait(flying, num_returns=len(flying), timeout=0, fetch_local=False)
        outcomes = [(self._flying.pop(reference), _outcome(reference)) for reference in ready]
        if any(isinstance(outcome, Crash) for _, outcome in outcomes):
            self._is_alive()  # if Ray has died, the batches are not to blame
        if self._in_flight is not None:
            self._in_flight.set(len(self._flying), {"sweep": self._sweep})
            for _, outcome in outcomes:
                if isinstance(outcome, BatchReport):
                    self._count(outcome)
        return outcomes

    def _count(self, report: BatchReport) -> None:
        """Adds a report to the counters of Ray's metrics."""
        amounts = (len(report.done), len(report.reasons), report.steps, report.train_seconds)
        for counter, amount in zip(self._counters, amounts, strict=True):
            if amount:  # Ray raises on an increment of 0
                counter.inc(amount, {"sweep": self._sweep})

    def cancel(self) -> None:
        """Kills the workers of running batches; a kernel cannot be interrupted otherwise."""
        for reference in self._flying:
            ray.cancel(reference, force=True)
        self._flying = {}


def _outcome(reference: ray.ObjectRef) -> BatchReport | Crash:
    try:
        return ray.get(reference)
    except exceptions.RayTaskError as problem:
        cause = problem.cause or problem
        ours = cause if isinstance(cause, HqRayError) else None
        return Crash("error", reason_of(cause), ours)
    except exceptions.RayError as problem:
        kind = "worker"
        if isinstance(problem, exceptions.NodeDiedError | exceptions.LocalRayletDiedError):
            kind = "node"
        elif isinstance(problem, exceptions.RuntimeEnvSetupError):
            kind = "error"
        return Crash(kind, first_line(reason_of(problem)))
