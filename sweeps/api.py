"""Runs what is missing of a sweep: `run_sweep` for Python, `run_missing` for the commands."""

import os
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

from hq_ray.compiled import on_compiling
from hq_ray.errors import InputError, ResultsError, near_miss, short_repr
from hq_ray.load import Handle
from hq_ray.location import Location
from hq_ray.store import Results, Survey
from hq_ray.sweeps.batching import Batcher
from hq_ray.sweeps.choice import confirmation
from hq_ray.sweeps.driver import Driver, Executor, LocalExecutor, Tally
from hq_ray.sweeps.expand import Expanded, check_read, expand
from hq_ray.sweeps.options import RunOptions, Shard
from hq_ray.sweeps.ownership import Ownership
from hq_ray.sweeps.plan import Plan, plan, planned_counts
from hq_ray.sweeps.progress import Progress, notice
from hq_ray.sweeps.spec import Sweep, read_spec
from hq_ray.sweeps.status import check_sources
from hq_ray.training import warm_up
from hq_ray.upgrade import check_writable

WORKER_GRACE_SECONDS = 1.0
# Seeds are outermost, so the first trials show nearly every kind; the rest compile when they come.
WARMED_TRIALS = 10_000


@dataclass(frozen=True)
class SweepHandle(Handle):
    """A sweep that has run: its results, what the run did, and sentences about environments."""

    tally: Tally
    notices: tuple[str, ...]


def as_sweep(sweep: Sweep | Mapping | str | os.PathLike) -> Sweep:
    """A Sweep, the mapping it is made from, or the path of a spec, as a Sweep."""
    if isinstance(sweep, Sweep):
        return sweep
    if isinstance(sweep, Mapping):
        return Sweep.from_mapping(sweep)
    if isinstance(sweep, str | os.PathLike):
        return read_spec(sweep)
    raise InputError(f"a sweep must be a Sweep, a mapping or a path, got {short_repr(sweep)}")


def open_sweep(sweep: Sweep, results: str | os.PathLike) -> tuple[Results, Expanded]:
    """The folder of a sweep below `results`, and its trials."""
    expanded = expand(sweep)
    check_read(sweep, expanded.trials)
    return Results.at(Location.of(results).child(sweep.name)), expanded


def run_sweep(
    sweep: Sweep | Mapping | str | os.PathLike,
    results: str | os.PathLike = "results",
    **options: Any,
) -> SweepHandle:
    """Runs what is missing of a sweep and returns when it is there.

    Args:
        sweep: a Sweep, the mapping it is made from, or the path of a YAML spec.
        results: folder or URI; the sweep gets a folder of its name in it.
        options: the fields of `RunOptions`, such as `local=True`.

    Raises:
        InputError: the spec or an option cannot be used, or another driver holds the results.
        ResultsError: a batch is damaged, and not to be repaired.
        SweepStopped: too many failures of one kind, or results cannot be written.
        Superseded: another driver has taken over, or the folder is gone.
        KeyboardInterrupt: after Ctrl-C; what finished is published.
    """
    if options.get("local") and options.get("address") is not None:
        raise InputError("a sweep must run either local or at an address, got both")
    known = [field.name for field in fields(RunOptions)]
    for name in options:
        if name not in known:
            raise InputError(f"unknown option {name!r}{near_miss(name, known)}")
    chosen = RunOptions(**options)
    sweep = as_sweep(sweep)
    place, expanded = open_sweep(sweep, results)
    tally = run_missing(sweep, place, expanded, chosen)
    if tally.interrupted:
        raise KeyboardInterrupt
    return SweepHandle(place, tally, expanded.notices)


class Session:
    """Ray in the background: importing it takes 0.3 s, starting it 2 s and stopping it 1.3 s.

    `start` starts it, `close` stops it, and the end of the block waits until it has stopped. See
    `ray_session` for the arguments.
    """

    def __init__(self, **options: Any):
        # One thread starts and stops Ray: Linux kills Ray's processes when the thread that started
        # them ends. Python waits for it before it exits, also after an interrupt.
        self._thread = ThreadPoolExecutor(1, "ray-session")
        self._options = options
        self._ray = ExitStack()
        self._started: Future | None = None

    def start(self) -> Future:
        """Starts Ray in the background, unless that has been done already.

        The future ends when Ray has started, or with an InputError where no cluster answers at the
        address.
        """
        if self._started is None:
            self._started = self._thread.submit(self._start)
        return self._started

    def _start(self) -> None:
        from hq_ray.sweeps.ray_executor import warm_workers
        from hq_ray.sweeps.ray_life import ray_session

        self._ray.enter_context(ray_session(**self._options))
        warm_workers()

    def close(self) -> Future:
        """Lets Ray stop in the background, if it was started."""
        return self._thread.submit(self._ray.close)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *problem: object) -> None:
        self.close().result()
        self._thread.shutdown()


def run_missing(
    sweep: Sweep,
    results: Results,
    expanded: Expanded,
    options: RunOptions,
    stack: ExitStack | None = None,
) -> Tally:
    """Trains and publishes what is missing of an opened sweep, with progress on standard error.

    What is missing is decided while this driver holds the results. A Ray that was started here is
    waited for at the end of `stack`; without one, here.

    Raises:
        InputError: no cluster answers at the address, another driver holds the results, they are
            of an older schema, or an environment's trials would come from two sources of its code.
        HqRayError: of the other kinds that `run_sweep` names.
    """
    shard = options.part
    with Ownership(results.location, shard) as owner, ExitStack() as here:
        names = {n for trial in expanded.trials.configurations for n in (trial.env, trial.variant)}
        modules = {name.rpartition(":")[0] for name in names} - {""}
        session = Session(address=options.address, cores=options.cores, modules=modules)
        (stack or here).enter_context(session)
        survey = _survey(results, owner.took_over, options)
        if not options.repair:
            survey.refuse_damage()
        check_writable(results, survey.damaged)
        explored = plan(expanded.trials, survey.status, options.retry_failed, shard)
        if not options.accept_source:
            check_sources(results, survey, explored.missing, expanded.trials)
        if explored.missing and options.address is not None and not options.local:
            session.start().result()  # nothing is written before the cluster has answered
        _clear(results, survey, shard)
        for name in survey.damaged:
            results.set_aside(name)
        tally = Tally(repaired=survey.damaged)
        unclear = results.description_problem() is not None or bool(results.shard_files())
        if explored.missing or survey.damaged or unclear:
            _describe(sweep, results, expanded, options, {})
        _train(explored, tally, results, options, session, owner)
        if sweep.confirm is not None and shard is not None:
            tally.confirmed = ["Confirmation is left to a run without --shard, after all shards"]
        elif sweep.confirm is not None and not tally.interrupted:
            fresh, chosen, tally.confirmed = confirmation(expanded.trials, results, sweep.confirm)
            confirmed = plan(fresh, results.published(), options.retry_failed)
            if confirmed.missing:
                _describe(sweep, results, expanded, options, chosen)
            _train(confirmed, tally, results, options, session, owner)
        session.close()
        if owner.took_over:
            _clear(results, results.survey(), shard)
    return tally


def _survey(results: Results, took_over: bool, options: RunOptions) -> Survey:
    """What is published, once a driver that is gone has no worker left that could publish more.

    Workers ask who holds the results before they commit.
    """
    includes = None if options.part is None else options.part.has
    survey = results.survey(includes, options.repair)
    if took_over or survey.stray:
        time.sleep(WORKER_GRACE_SECONDS)
        survey = results.survey(includes, options.repair)
    return survey


def _clear(results: Results, survey: Survey, shard: Shard | None) -> None:
    """Removes what a killed driver left; of a shard, only files that begin with a trial of it."""
    if shard is None:
        results.clear(survey.stray)
        return
    for kind, name in reversed(survey.stray):  # Q tables before the episodes, which tell whose
        with suppress(ResultsError):  # another driver may have taken it away
            first = results.read("episodes", name, ["config_id", "seed"])[:1].to_pylist()
            if first and shard.has(**first[0]):
                results.location.child(kind).delete(name)


def _describe(
    sweep: Sweep, results: Results, expanded: Expanded, options: RunOptions, confirmed: Mapping
) -> None:
    """Writes sweep.json."""
    engines = {key: environment.engine for key, environment in expanded.environments.items()}
    if options.engine != "auto":
        engines = dict.fromkeys(engines, f"{options.engine}: as asked for")
    results.describe(
        sweep.name,
        sweep.to_dict(),
        options.part,
        fingerprints=expanded.fingerprints,
        sources={key: environment.source for key, environment in expanded.environments.items()},
        engines=engines,
        families=expanded.families,
        planned=planned_counts(expanded.trials),
        confirmed=confirmed,
    )


def _train(
    planned: Plan,
    tally: Tally,
    results: Results,
    options: RunOptions,
    session: Session,
    owner: Ownership,
) -> None:
    """Trains what is missing of a plan, and counts it and what is not."""
    tally.done_before += planned.n_done
    tally.failed_before += len(planned.failed)
    if not planned.missing:
        return
    if not options.local:
        session.start()
    if options.engine != "gymnasium":
        with on_compiling(notice):  # once here while Ray starts, instead of by every worker at once
            warm_up(islice(planned.missing, WARMED_TRIALS))
    if options.local:
        executor: Executor = LocalExecutor(results, options, owner.token)
    else:
        from hq_ray.sweeps.ray_executor import RayExecutor

        session.start().result()
        executor = RayExecutor(results, options, owner.token)
    batcher = Batcher(planned.missing, options.trials_per_task)
    with Progress() as progress:
        Driver(batcher, executor, results, progress, owner.check, tally).run()
