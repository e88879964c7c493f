"""Runs the missing trials of a plan: on Ray, or in this process."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from hq_ray.batch import run_batch
from hq_ray.compiled import COMPILES, on_compiling
from hq_ray.store import Results, Survey
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.driver import Tally, drive
from hq_ray.sweeps.executors import Executor, LocalExecutor
from hq_ray.sweeps.ownership import Ownership, holds
from hq_ray.sweeps.plan import Plan, TrialSet, ids_of, plan
from hq_ray.sweeps.progress import notice, progress_on
from hq_ray.sweeps.session import Session
from hq_ray.sweeps.status import check_sources
from hq_ray.training import warm_up
from hq_ray.trial import Trial
from hq_ray.upgrade import check_writable

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
        retry_failed: whether trials that failed before are tried again.
        repair: whether damaged batches are set aside and their trials trained anew.
        accept_source: whether to go on where trials are there from another source of an
            environment's code.
    """

    local: bool = False
    address: str | None = None
    cores: int | None = None
    trials_per_task: int | None = None
    engine: str = "auto"
    keep_q_values: bool = False
    retry_failed: bool = True
    repair: bool = False
    accept_source: bool = False


def run_missing(
    trials: Sequence[Trial],
    results: Results,
    options: RunOptions,
    session: Session | None = None,
    describe: Callable[[], None] = lambda: None,
    stack: ExitStack | None = None,
) -> Tally:
    """Trains and publishes what is missing of trials, with progress on standard error.

    What is missing is decided while this driver holds the results; where nothing is, it need not.

    Args:
        trials: what is asked for, in the order to run.
        results: where to publish.
        options: how to run them.
        session: Ray, already being started; None starts it here.
        describe: writes sweep.json; called before anything is published.
        stack: waits, when it ends, for a Ray that was started here; None waits here.

    Raises:
        SweepStopped: failures of one kind in a row, or the store refuses writes.
        Superseded: another driver has taken over, or the folder is gone.
        ResultsError: a batch is damaged and not to be repaired.
        InputError: no cluster answers at the address, another driver holds the results, they are
            of an older schema, or an environment's trials would come from two sources of its code.
    """
    ids = ids_of(trials)
    looked, found = _look(trials, ids, results, options)
    idle = not looked.missing and not found.damaged
    if idle and results.description_problem() is None:
        return Tally(there=looked.n_done, failed_before=len(looked.failed))
    check_writable(results)
    with ExitStack() as here:
        mine = session is None and not options.local and not idle
        if mine and options.address is not None:
            session = (stack or here).enter_context(Session(options.address))
            session.wait()  # nothing is written before the cluster has answered
        owner = here.enter_context(Ownership(results.location))
        if mine and options.address is None:
            session = (stack or here).enter_context(Session(cores=options.cores))
        repaired = _cleared(results, owner.took_over, options.repair)
        planned, _ = _look(trials, ids, results, options)
        del ids
        describe()
        tally = _run(planned.missing, results, options, session, owner)
        if owner.took_over:
            _cleared(results, False, False)
        if mine:
            session.close()
    tally.there, tally.failed_before = planned.n_done, len(planned.failed)
    tally.repaired = repaired
    return tally


def _look(
    trials: Sequence[Trial], ids: Sequence[str], results: Results, options: RunOptions
) -> tuple[Plan, Survey]:
    found = results.survey()
    if not options.repair:
        found.check()
    planned = plan(trials, found.status, options.retry_failed, ids)
    if isinstance(trials, TrialSet) and not options.accept_source:
        check_sources(results, found, planned.missing, trials)
    return planned, found


def _cleared(results: Results, took_over: bool, repair: bool) -> Mapping[str, str]:
    """Removes what a driver that is gone left uncommitted; returns what was repaired.

    A worker of it that still lives asks who holds the results before it commits, so that after a
    moment what is published stays the same.
    """
    found = results.survey()
    if took_over or found.stray:
        time.sleep(WORKER_GRACE_SECONDS)
        found = results.survey()
    results.clear_unfinished()
    for kind, name in found.stray:
        results.delete(kind, name)
    for name in found.damaged if repair else ():
        results.set_aside(name)
    return found.damaged if repair else {}


def _run(
    missing: Sequence[Trial],
    results: Results,
    options: RunOptions,
    session: Session | None,
    owner: Ownership,
) -> Tally:
    if not missing:
        return Tally()
    if options.engine != "gymnasium":
        _warm_up(missing[:WARMED_TRIALS])
    executor = _executor(results, options, session, owner.token)
    with progress_on(len(missing), executor.cores) as progress:
        batcher = Batcher(missing, executor.cores, options.trials_per_task)
        return drive(batcher, executor, results, progress, owner.check)


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
