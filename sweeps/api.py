"""Sweeps from Python: `run_sweep(sweep)` and the handle it returns."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from hq_ray.environments import sweep_json_entries
from hq_ray.errors import InputError
from hq_ray.handle import Handle
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.choice import Confirmation, confirmation
from hq_ray.sweeps.driver import Tally
from hq_ray.sweeps.expand import Expanded, check_read, expand
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.plan import planned_counts
from hq_ray.sweeps.run import run_missing
from hq_ray.sweeps.spec import Sweep, read_spec
from hq_ray.sweeps.spec_text import short_repr
from hq_ray.trial import Trial


@dataclass(frozen=True)
class SweepHandle(Handle):
    """A sweep that has run: its results, and what the run did.

    Attributes:
        results: the results folder.
        tally: counts of this run.
        notices: sentences about environments.
    """

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


def run_opened(
    sweep: Sweep,
    place: Results,
    expanded: Expanded,
    options: RunOptions,
    stack: ExitStack | None = None,
) -> Tally:
    """Runs what is missing of a sweep that is opened, and describes it in sweep.json.

    Args and errors as of `run_missing`.
    """

    chosen: Confirmation | None = None

    def confirm() -> Sequence[Trial]:
        nonlocal chosen
        chosen = confirmation(expanded.trials, place, sweep.confirm)
        return chosen.trials

    def describe() -> None:
        told = sweep_json_entries(expanded.environments.values())
        if options.engine != "auto":
            told["engines"] = dict.fromkeys(told["engines"], f"{options.engine}: as asked for")
        told["planned"] = planned_counts(expanded.trials)
        told["confirmed"] = {} if chosen is None else chosen.record
        place.describe(sweep.name, sweep.to_dict(), **told)

    tally = run_missing(
        expanded.trials,
        place,
        options,
        describe=describe,
        stack=stack,
        confirm=None if sweep.confirm is None else confirm,
    )
    if chosen is not None:
        tally.confirmed = chosen.notices
    return tally


def run_sweep(
    sweep: Sweep | Mapping | str | os.PathLike,
    results: str | os.PathLike = "results",
    **options: object,
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
    chosen = RunOptions(**options)
    sweep = as_sweep(sweep)
    place, expanded = open_sweep(sweep, results)
    tally = run_opened(sweep, place, expanded, chosen)
    if tally.interrupted:
        raise KeyboardInterrupt
    return SweepHandle(place, tally, expanded.notices)
