"""Runs the missing trials of a plan: on Ray, or in this process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hq_ray.batch import run_batch
from hq_ray.compiled import COMPILES, on_compiling
from hq_ray.store import Results
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.driver import Tally, drive
from hq_ray.sweeps.executors import Executor, LocalExecutor
from hq_ray.sweeps.ownership import Ownership, holds
from hq_ray.sweeps.progress import notice, progress_on
from hq_ray.sweeps.session import Session
from hq_ray.training import warm_up
from hq_ray.trial import Trial

WORKER_GRACE_SECONDS = 1.0
# Seeds are outermost, so the first trials show nearly every kind; the rest compile when they come.
WARMED_TRIALS = 10_000


@dataclass(frozen=True)
class RunOptions:
    """How trials are run; none of it changes what is logged.

    Attributes:
        local: in this process, without Ray.
        address: of a Ray cluster to join; None starts an embedded one.
        cores: of the embedded one; None for all.
        trials_per_task: None for as many as fit.
        engine: `auto`, `kernel` or `gymnasium`.
        keep_q_values: whether final Q tables are stored.
    """

    local: bool = False
    address: str | None = None
    cores: int | None = None
    trials_per_task: int | None = None
    engine: str = "auto"
    keep_q_values: bool = False


def run_missing(
    missing: Sequence[Trial],
    results: Results,
    options: RunOptions,
    session: Session | None = None,
    describe: Callable[[], None] = lambda: None,
) -> Tally:
    """Trains and publishes trials, with progress on standard error.

    Args:
        missing: trials to run, in order.
        results: where to publish.
        options: how to run them.
        session: Ray, already being started; None starts and stops it here.
        describe: writes sweep.json; called once the results are held and before anything else.

    Raises:
        SweepStopped: failures of one kind in a row, or the store refuses writes.
        InputError: no cluster answers at the address, or another driver holds the results.
    """
    if not missing:
        return Tally()
    if not options.local and session is None:
        with Session(options.address, options.cores) as session:
            return run_missing(missing, results, options, session, describe)
    if options.address is not None and session is not None:
        session.wait()  # nothing is written before the cluster has answered
    with Ownership(results.location) as owner:
        describe()
        _clear_uncommitted(results)
        if options.engine != "gymnasium":
            _warm_up(missing[:WARMED_TRIALS])
        executor = _executor(results, options, session, owner.token)
        with progress_on(len(missing), executor.cores) as progress:
            batcher = Batcher(missing, executor.cores, options.trials_per_task)
            return drive(batcher, executor, results, progress)


def _warm_up(trials: Sequence[Trial]) -> None:
    """Compiles once here while Ray starts, instead of by every worker at once."""
    if not COMPILES:
        notice(
            "NUMBA_DISABLE_JIT is set, so every trial trains on the Gymnasium loop, "
            "some hundred times slower"
        )
        return
    with on_compiling(notice):
        warm_up(trials)


def _executor(
    results: Results, options: RunOptions, session: Session | None, token: str
) -> Executor:
    if session is None:
        run = partial(
            run_batch,
            results=results,
            keep_q_values=options.keep_q_values,
            engine=options.engine,
            may_commit=partial(holds, results.location, token),
        )
        return LocalExecutor(run)
    return session.executor(results, options.keep_q_values, options.engine, token)


def _clear_uncommitted(results: Results) -> None:
    """Removes what a killed driver's workers had written and not committed.

    A worker that still lives asks who holds the results before it commits, so that after a moment
    what is uncommitted stays so.
    """
    results.clear_unfinished()
    if not results.uncommitted():
        return
    time.sleep(WORKER_GRACE_SECONDS)
    for kind, name in results.uncommitted():
        results.delete(kind, name)
