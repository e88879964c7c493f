"""What is published in results folders: the trials, each once, and what is wrong with them."""

import os
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hq_ray import schema
from hq_ray.conditions import Condition, filtered, named
from hq_ray.errors import InputError, ResultsError, did_you_mean, some_of
from hq_ray.location import Location
from hq_ray.store import DONE, FAILED, READERS, Results
from hq_ray.trial import (
    CONFIRMATION,
    environment_key,
    environment_name,
    short_fingerprint,
    trials_text,
)

# What `problems` looks at.
OF_CELL = ["env", "env_args", "variant"]
COUNTED = [*OF_CELL, "status", "role", "fingerprint", "rule"]
# Where a trial is stored: the number of its folder, the name of its files.
LOCATION_COLUMNS = ("place", "batch")
NO_TRIALS = pa.schema([*schema.TRIALS, ("place", pa.int32()), ("batch", "string")]).empty_table()

Place = str | os.PathLike | Location | Results


class ResultsWarning(UserWarning):
    """Results that can be read, but are not all that they seem to be."""


def trials_table(
    results: Results | Sequence[Results],
    columns: Sequence[str] = schema.TRIALS.names,
    damaged: list[str] | None = None,
    where: Sequence[Condition] = (),
    without: Collection[str] = (),
) -> pa.Table:
    """One row per committed trial in the order of the files, and where it is.

    A trial published as failed and later as done counts once, as done, and one that failed again as
    it failed last; one that several folders or batches hold as done counts in the first of them.

    Args:
        results: one folder or several.
        columns: of the trials files; LOCATION_COLUMNS are added.
        damaged: list to append an error message to for each unreadable file; None raises the first.
        where: conditions on trials, see `conditions.conditions`.
        without: names of trials files that are left out.

    Raises:
        ResultsError: a trials file is damaged or foreign.
    """
    folders = [results] if isinstance(results, Results) else list(results)
    needed = ["trial_id", "status", "finished_at"]
    names = list(dict.fromkeys([*columns, *named(where, schema.TRIALS), *needed]))

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
        for name in folder.names("trials")
        if name not in without
    ]
    with ThreadPoolExecutor(READERS) as pool:
        tables = pool.map(lambda file: read(*file), files)
        table = pa.concat_tables([NO_TRIALS.select([*names, *LOCATION_COLUMNS]), *tables])
    ids = table["trial_id"].combine_chunks().dictionary_encode()
    if len(ids.dictionary) < len(ids):
        # Done before failed, because a retry replaces the failure; the last of several failures.
        failed = pc.not_equal(table["status"], DONE).to_numpy()
        age = -table["finished_at"].cast("int64").to_numpy()
        order = np.lexsort([age * failed, failed])
        _, first = np.unique(ids.indices.to_numpy()[order], return_index=True)
        table = table.take(pa.array(np.sort(order[first])))
    return filtered(table, where).select([*columns, *LOCATION_COLUMNS])


def opened(results: Place | Sequence[Place]) -> list[Results]:
    """The results folders at one place or several.

    Raises:
        InputError: one of them is not there, or no run or sweep wrote it.
    """
    if isinstance(results, str | os.PathLike | Location | Results):
        results = [results]
    if not results:
        raise InputError("results must be at least one folder that a run or sweep wrote, got none")
    folders = [place if isinstance(place, Results) else Results.at(place) for place in results]
    for folder in folders:
        if not folder.is_there():
            raise _no_results(folder.location)
    return folders


def _no_results(location: Location) -> InputError:
    must = f"results must be a folder that a run or sweep wrote, got {location.text!r}"
    if not location.exists():
        path = PurePosixPath(location.path)
        hint = did_you_mean(path.name, replace(location, path=str(path.parent)).folders())
        return InputError(f"{must}, which is not there{hint}")
    below = [name for name in location.folders() if Results(location.child(name)).is_there()]
    inside = f"; in it are: {some_of(below, 10)}" if below else ""
    if len(below) == 1:
        inside = f"; did you mean {location.child(below[0]).text!r}?"
    return InputError(f"{must}, which has none{inside}")


def count_rows(table: pa.Table, columns: Sequence[str]) -> list[dict]:
    """The distinct rows of some columns, each with its number as `count_all`."""
    return table.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()


def problems(results: Place | Sequence[Place], trials: pd.DataFrame | pa.Table) -> list[str]:
    """What a reader of these trials must know, a sentence each; none if all is well.

    A sweep.json that cannot be used; failed trials; environments and rules whose trials come from
    different versions of them; trials that sweep.json plans and that are not there.

    Args:
        results: where they were loaded from.
        trials: as `load_trials` gives them, at least the columns COUNTED.
    """
    if isinstance(trials, pd.DataFrame):
        trials = pa.Table.from_pandas(trials[COUNTED])
    folders = opened(results)
    sentences = [problem for folder in folders if (problem := folder.description_problem())]
    rows = count_rows(trials, COUNTED)
    if failed := sum(row["count_all"] for row in rows if row["status"] == FAILED):
        sentences.append(
            f"{failed:,} of {len(trials):,} trials failed and enter no curve and no average"
        )
    versions: dict[tuple[str, str], Counter] = {}
    for row in rows:
        env, model = environment_name(row["env"], row["env_args"]), row["fingerprint"]
        of_env = versions.setdefault((env, "models of it, and must not be compared"), Counter())
        of_env[short_fingerprint(model)] += row["count_all"]
        rule = row["variant"], "versions of its rule, which count as configurations"
        versions.setdefault(rule, Counter())[str(row["rule"])[:8]] += row["count_all"]
    for (name, what), counts in sorted(versions.items()):
        if len(counts) > 1:
            listed = ", ".join(f"{mark}: {trials_text(n)}" for mark, n in sorted(counts.items()))
            sentences.append(
                f"trials of {name} were trained on {len(counts)} different {what} ({listed})"
            )
    for folder in folders:
        described = folder.description()
        plan, fingerprints = planned_trials(described), described.get("fingerprints", {})
        if plan - explored(rows, fingerprints):
            # The trials given may be only some of those that are there.
            every = count_rows(trials_table(folder, COUNTED), COUNTED)
            if missing := (plan - explored(every, fingerprints)).total():
                sentences.append(
                    f"{missing:,} of {plan.total():,} planned trials are not in "
                    f"{folder.location.text}; hq-ray status counts them"
                )
    return sentences


def planned_trials(description: Mapping) -> Counter:
    """The number of planned trials by (`env args`, variant), as a sweep.json says."""
    planned = description.get("planned", {})
    return Counter(
        {(env, variant): n for env, row in planned.items() for variant, n in row.items()}
    )


def explored(rows: Sequence[Mapping], fingerprints: Mapping[str, str | None]) -> Counter:
    """The number of explored trials, done or failed, by (`env args`, variant), without stale ones.

    Args:
        rows: of `count_rows`, by COUNTED.
        fingerprints: the present ones, as in sweep.json.
    """
    counts: Counter = Counter()
    for row in rows:
        if row["role"] != CONFIRMATION and not is_stale(row, fingerprints):
            counts[environment_key(row["env"], row["env_args"]), row["variant"]] += row["count_all"]
    return counts


def is_stale(row: Mapping[str, Any], fingerprints: Mapping[str, str | None]) -> bool:
    """Whether a trial was trained with another version of its environment or rule than now."""
    model, rule = row["fingerprint"], row["rule"]
    present = fingerprints.get(environment_key(row["env"], row["env_args"]), model)
    return (present, fingerprints.get(row["variant"], rule)) != (model, rule)


def warn(folders: Sequence[Results], trials: pa.Table) -> None:
    """Gives the sentences of `problems` as warnings to the caller's caller."""
    for sentence in problems(folders, trials):
        warnings.warn(sentence, ResultsWarning, stacklevel=3)
