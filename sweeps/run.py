"""Runs the missing trials of a plan: on Ray, or in this process."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

from hq_ray.compiled import COMPILES, on_compiling
from hq_ray.store import Results, Survey
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.driver import Tally, drive
from hq_ray.sweeps.executors import LocalExecutor, train_batch
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.ownership import Ownership
from hq_ray.sweeps.plan import Plan, TrialSet, ids_of, plan
from hq_ray.sweeps.progress import Progress, notice
from hq_ray.sweeps.session import Session
from hq_ray.sweeps.status import check_sources
from hq_ray.training import warm_up
from hq_ray.trial import Trial
from hq_ray.upgrade import check_writable

WORKER_GRACE_SECONDS = 1.0
# Seeds are outermost, so the first trials show nearly every kind; the rest compile when they come.
WARMED_TRIALS = 10_000


def run_missing(
    trials: Sequence[Trial],
    results: Results,
    options: RunOptions,
    session: Session | None = None,
    describe: Callable[[], None] = lambda: None,
    stack: ExitStack | None = None,
    confirm: Callable[[], Sequence[Trial]] | None = None,
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
        confirm: what is to be run after all of these, by what is published then.

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
    there = Tally(there=looked.n_done, failed_before=len(looked.failed))
    if idle and confirm is not None:
        fresh = plan(confirm(), found.status, options.retry_failed)
        idle = not fresh.missing
        there.add(Tally(there=fresh.n_done, failed_before=len(fresh.failed)))
    if idle and results.description_problem() is None:
        return there
    check_writable(results, found.damaged)
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
        tally.there, tally.failed_before = planned.n_done, len(planned.failed)
        if confirm is not None and not tally.interrupted:
            fresh = plan(confirm(), results.published(), options.retry_failed)
            describe()
            confirmed = _run(fresh.missing, results, options, session, owner)
            confirmed.there, confirmed.failed_before = fresh.n_done, len(fresh.failed)
            tally.add(confirmed)
        if owner.took_over:
            _cleared(results, False, False)
        if mine:
            session.close()
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
    if session is None:
        executor = LocalExecutor(partial(train_batch, results, options, owner.token))
    else:
        executor = session.executor(results, options, owner.token)
    with Progress() as progress:
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
