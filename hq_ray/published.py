"""What is published in results folders: the trials, each once, and what is wrong with them."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from hq_ray import schema
from hq_ray.errors import InputError, ResultsError, near_miss
from hq_ray.location import Location
from hq_ray.store import DONE, FAILED, READERS, SWEEP_FILE, Results
from hq_ray.trial import short_fingerprint

# What `problems` looks at.
COUNTED = ("status", "env", "env_args", "variant", "fingerprint")
# Where a trial is: the number of its folder, the name of its files.
PLACED = ("place", "batch")
NO_TRIALS = pa.schema([*schema.TRIALS, ("place", pa.int32()), ("batch", "string")]).empty_table()
# An error message lists this many folders, a sentence about missing trials this many cells.
LISTED, CELLS_NAMED = 10, 5

Place = str | os.PathLike | Location | Results


class ResultsWarning(UserWarning):
    """Results that can be read, but are not all that they seem to be."""


def trials_table(
    results: Results | Sequence[Results],
    columns: Sequence[str] = schema.TRIALS.names,
    damaged: list[str] | None = None,
    where: pc.Expression | None = None,
    order: Sequence[str] = (),
    without: Collection[str] = (),
) -> pa.Table:
    """One row per committed trial, and where it is.

    A trial published as failed and later as done counts once, as done; one that several folders or
    batches hold counts in the first of them.

    Args:
        results: one folder or several.
        columns: of the trials files; those of PLACED are added.
        damaged: list to append an error message to for each unreadable file; None raises the first.
        where: which trials.
        order: columns to sort by; none for the order of the files.
        without: names of trials files that are left out.

    Raises:
        ResultsError: a trials file is damaged or foreign.
    """
    folders = [results] if isinstance(results, Results) else list(results)
    needed = [*columns, *order, *named(where, schema.TRIALS), "trial_id", "status"]
    names = list(dict.fromkeys(needed))

    def read(place: int, name: str) -> pa.Table:
        try:
            table = folders[place].read("trials", name, names)
        except ResultsError as problem:
            if damaged is None:
                raise
            damaged.append(str(problem))
            table = NO_TRIALS.select(names)
        places = pa.repeat(pa.scalar(place, pa.int32()), len(table))
        batches = pa.repeat(name, len(table))
        return table.append_column("place", places).append_column("batch", batches)

    files = [
        (place, name)
        for place, folder in enumerate(folders)
        for name in folder.location.child("trials").files(".parquet")
        if name not in without
    ]
    with readers(folders) as pool:
        tables = pool.map(lambda file: read(*file), files)
        table = _each_once(pa.concat_tables([NO_TRIALS.select([*names, *PLACED]), *tables]))
    if where is not None:
        table = table.filter(where)
    if order:
        table = table.sort_by([(name, "ascending") for name in order])
    return table.select([*columns, *PLACED])


def _each_once(table: pa.Table) -> pa.Table:
    """Of the rows of a trial the one that counts: done before failed, then the first file's."""
    ids = table["trial_id"].combine_chunks().dictionary_encode()
    if len(ids.dictionary) == len(ids):
        return table
    # A retry that succeeded replaces the failure it retried.
    order = np.argsort(pc.not_equal(table["status"], DONE).to_numpy(), kind="stable")
    _, first = np.unique(ids.indices.to_numpy()[order], return_index=True)
    return table.take(pa.array(np.sort(order[first])))


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


def named(where: pc.Expression | None, known: pa.Schema) -> list[str]:
    """The columns that an expression names, and perhaps more."""
    if where is None:
        return []
    words = set(re.findall(r"\w+", str(where)))
    # A column may also be given by its number.
    return known.names if "FieldPath" in words else [name for name in known.names if name in words]


def readers(folders: Sequence[Results]) -> ThreadPoolExecutor:
    """Threads to read files with: one waits for a store, and not for a disk."""
    local = all(folder.location.is_local for folder in folders)
    return ThreadPoolExecutor(pa.cpu_count() if local else READERS)


def problems(results: Place | Sequence[Place], trials: pd.DataFrame | pa.Table) -> list[str]:
    """What a reader of these trials must know, a sentence each; none if all is well.

    A sweep.json without sense; failed trials; environments whose trials were trained on different
    models; trials that sweep.json plans and that are not there.

    Args:
        results: where they were loaded from.
        trials: as `load_trials` gives them, at least the columns COUNTED.
    """
    if isinstance(trials, pd.DataFrame):
        trials = pa.Table.from_pandas(trials[list(COUNTED)])
    counts, folders = _counted(trials, COUNTED), opened(results)
    told = [problem for folder in folders if (problem := folder.description_problem())]
    return [*told, *_failed(counts), *_mixed_models(counts), *_not_there(folders, counts)]


def warn(folders: Sequence[Results], trials: pa.Table) -> None:
    """Gives the sentences of `problems` as warnings to the caller's caller."""
    for sentence in problems(folders, trials):
        warnings.warn(sentence, ResultsWarning, stacklevel=3)


def _counted(trials: pa.Table, columns: Sequence[str]) -> list[dict]:
    """The distinct values of columns, and in `n` how many trials have them."""
    counts = trials.group_by(list(columns)).aggregate([([], "count_all")])
    return counts.rename_columns([*columns, "n"]).to_pylist()


def _failed(counts: Sequence[dict]) -> Iterator[str]:
    number = sum(row["n"] for row in counts if row["status"] == FAILED)
    if number:
        trials = sum(row["n"] for row in counts)
        yield f"{number:,} of {trials:,} trials failed and enter no curve and no average"


def _mixed_models(counts: Sequence[dict]) -> Iterator[str]:
    models: dict[str, Counter] = {}
    for row in counts:
        prints = models.setdefault(f"{row['env']} {row['env_args']}", Counter())
        prints[short_fingerprint(row["fingerprint"])] += row["n"]
    for env, prints in sorted(models.items()):
        if len(prints) > 1:
            shown = ", ".join(f"{mark}: {n:,} trials" for mark, n in sorted(prints.items()))
            yield (
                f"trials of {env} were trained on {len(prints)} different models of it and "
                f"must not be compared ({shown})"
            )


def _cells(counts: Sequence[dict]) -> Counter:
    """(`env args`, variant) -> number of trials."""
    there: Counter = Counter()
    for row in counts:
        there[f"{row['env']} {row['env_args']}", row["variant"]] += row["n"]
    return there


def _not_there(folders: Sequence[Results], counts: Sequence[dict]) -> Iterator[str]:
    plans = [_planned(folder) for folder in folders]
    there = _cells(counts)
    if all(there[cell] >= number for plan in plans for cell, number in plan.items()):
        return
    # Perhaps they are there and only not among these.
    for folder, plan in zip(folders, plans, strict=True):
        columns = ["env", "env_args", "variant"]
        there = _cells(_counted(trials_table(folder, columns), columns))
        short = {cell: plan[cell] - there[cell] for cell in plan if there[cell] < plan[cell]}
        if short:
            cells = [f"{plan[c] - n:,} of {plan[c]:,} {c[1]} on {c[0]}" for c, n in short.items()]
            more = f" and {len(cells) - CELLS_NAMED} more" if len(cells) > CELLS_NAMED else ""
            yield (
                f"{sum(short.values()):,} of {sum(plan.values()):,} planned trials are not in "
                f"{folder.location.text}: there are {', '.join(cells[:CELLS_NAMED])}{more}"
            )


def _planned(folder: Results) -> dict[tuple[str, str], int]:
    """(`env args`, variant) -> number of trials; empty where sweep.json does not say."""
    planned = folder.description().get("planned", {})
    return {(env, variant): n for env, cells in planned.items() for variant, n in cells.items()}


def checked_columns(columns: Sequence[str], known: pa.Schema) -> list[str]:
    """The columns asked for, each once.

    Raises:
        InputError: one is unknown.
    """
    if isinstance(columns, str):
        raise InputError(f"columns must be a list of names, got {columns!r}")
    for name in columns:
        if name not in known.names:
            raise InputError(f"unknown column {name!r} in columns{near_miss(name, known.names)}")
    return list(dict.fromkeys(columns))
