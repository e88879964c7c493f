"""What is published in one or several results folders, as Arrow tables."""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from hq_ray import schema
from hq_ray.errors import InputError, near_miss
from hq_ray.location import Location
from hq_ray.reading.trial_files import PLACED, trial_files
from hq_ray.store import DONE, READERS, SCHEMAS, SWEEP_FILE, Results

Place = str | os.PathLike | Location | Results
# So many folders are listed where none has a similar name.
LISTED = 10


def opened(results: Place | Sequence[Place]) -> list[Results]:
    """The results folders at one place or several.

    Raises:
        InputError: one of them is not there, or no run or sweep wrote it.
    """
    single = isinstance(results, str | os.PathLike | Location | Results)
    places = [results] if single else list(results)
    if not places:
        raise InputError("results must be at least one folder that a run or sweep wrote, got none")
    folders = [place if isinstance(place, Results) else Results.at(place) for place in places]
    for folder in folders:
        if not _has_results(folder.location):
            raise _no_results(folder.location)
    return folders


def _has_results(location: Location) -> bool:
    return location.child(SWEEP_FILE).exists() or bool(location.child("trials").files(".parquet"))


def _no_results(location: Location) -> InputError:
    must = f"results must be a folder that a run or sweep wrote, got {location.text!r}"
    if not location.exists():
        path = PurePosixPath(location.path)
        siblings = _folders(location, str(path.parent))
        hint = near_miss(path.name, siblings)
        known = len(siblings) > LISTED and "did you mean" not in hint
        return InputError(f"{must}, which is not there{'' if known else hint}")
    below = [
        name for name in _folders(location, location.path) if _has_results(location.child(name))
    ]
    inside = f"; did you mean {location.child(below[0]).text!r}?" if len(below) == 1 else ""
    if len(below) > 1:
        inside = f"; in it are: {', '.join(below[:LISTED])}"
    return InputError(f"{must}, which has none{inside}")


def _folders(location: Location, path: str) -> list[str]:
    """Names of the folders at a path; none where it cannot be listed."""
    try:
        found = location.filesystem.get_file_info(fs.FileSelector(path))
    except OSError:
        return []
    names = [info.base_name for info in found if info.type == fs.FileType.Directory]
    return sorted(name for name in names if not name.startswith((".", "_")))


def trials_table(
    results: Results | Sequence[Results],
    columns: Sequence[str] = schema.TRIALS.names,
    damaged: list[str] | None = None,
    where: pc.Expression | None = None,
    order: Sequence[str] = (),
) -> pa.Table:
    """One row per committed trial, with the place that it lies at.

    A trial published as failed and later as done counts once, as done; one that several folders or
    batches hold counts in the first of them.

    Args:
        results: one folder or several.
        columns: of the trials files. Three more say where the trial lies: `place`, the number of
            the folder, `batch`, the name of its file, and `first_row` among its episodes there.
        damaged: takes a sentence for each file that cannot be read, and the rest is read; None
            raises the first of them.
        where: which trials.
        order: columns to sort by; none for the order in which trials lie in the files.

    Raises:
        ResultsError: a trials file is damaged or foreign.
    """
    folders = [results] if isinstance(results, Results) else list(results)
    needed = {*columns, *named(where, schema.TRIALS)}
    names = [name for name in schema.TRIALS.names if name in needed]
    table = trial_files(folders, damaged).table(names, order, damaged)
    return (table if where is None else table.filter(where)).select([*columns, *PLACED])


def named(where: pc.Expression | None, known: pa.Schema) -> list[str]:
    """The columns that an expression names, and perhaps more."""
    if where is None:
        return []
    words = set(re.findall(r"\w+", str(where)))
    # A column may also be given by its number.
    return known.names if "FieldPath" in words else [name for name in known.names if name in words]


def rows_of(
    results: Results | Sequence[Results],
    kind: str,
    trials: pa.Table,
    columns: Sequence[str],
    where: pc.Expression | None = None,
) -> Iterator[pa.Table]:
    """The rows of trials, a table for each file that some of them lie in.

    Args:
        results: as given to `trials_table`.
        kind: `episodes` or `q_values`.
        trials: rows of `trials_table`; those that are not done are passed over.
        columns: of the files.
        where: which rows.

    Raises:
        ResultsError: an episodes file is damaged, foreign or not there.
    """
    folders = [results] if isinstance(results, Results) else list(results)
    done = trials.filter(pc.equal(trials["status"], DONE))
    # A trial that two batches hold is read from the one that `trials_table` chose.
    wanted: dict[tuple[int, str], list[str]] = {}
    pairs = zip(*(done[n].to_pylist() for n in ("place", "batch", "trial_id")), strict=True)
    for place, batch, trial_id in sorted(pairs):
        wanted.setdefault((place, batch), []).append(trial_id)
    if kind == "q_values":
        # Q tables are kept where they were asked for.
        kept = [set(folder.location.child(kind).files(".parquet")) for folder in folders]
        wanted = {file: ids for file, ids in wanted.items() if file[1] in kept[file[0]]}
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(
            lambda file: folders[file[0]].read(kind, file[1], columns, wanted[file], where), wanted
        )


def table_of(
    results: Results, kind: str, trial_ids: Collection[str], columns: Sequence[str] | None
) -> pa.Table:
    """The rows of the given trials in one table, its labels as plain strings."""
    trials = trials_table(results, ["trial_id", "status"])
    mine = pc.is_in(trials["trial_id"], pa.array(list(trial_ids), pa.string()))
    full = SCHEMAS[kind]
    # Each file has a dictionary of its own.
    plain = pa.schema(
        pa.field(field.name, _plain(field.type), field.nullable)
        for field in full
        if columns is None or field.name in columns
    )
    tables = [t.cast(plain) for t in rows_of(results, kind, trials.filter(mine), plain.names)]
    return pa.concat_tables([plain.empty_table(), *tables])


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
