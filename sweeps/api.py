"""Sweeps from Python: `run_sweep(sweep)` and the handle it returns."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hq_ray.errors import InputError, near_miss, short_repr
from hq_ray.load import Handle
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.driver import Tally
from hq_ray.sweeps.expand import Expanded, check_read, expand
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.run import run_missing
from hq_ray.sweeps.spec import Sweep, read_spec


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
    known = [field.name for field in fields(RunOptions) if field.init]
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
