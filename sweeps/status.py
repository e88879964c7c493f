"""What a results folder holds: counts by configuration, failures by reason, who is at work."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.compute as pc

from hq_ray.errors import InputError
from hq_ray.published import trials_table
from hq_ray.store import DONE, FAILED, Results, Survey
from hq_ray.sweeps.ownership import is_gone, read_owner
from hq_ray.sweeps.plan import Picked, TrialSet, count_by_configuration


@dataclass(frozen=True)
class Status:
    """Counts over committed trials.

    Attributes:
        cells: (env, env_args, variant) -> Counter of `done` and `failed`.
        reasons: `Type: message` -> number of failed trials.
        seconds: summed training time of the done ones.
        holder: the driver at work on the folder, if one is.
        survey: what is damaged, and what is there twice.
    """

    cells: dict[tuple[str, str, str], Counter]
    reasons: Counter
    seconds: float
    holder: dict
    survey: Survey

    def total(self, status: str) -> int:
        """Number of trials with that status."""
        return sum(cell[status] for cell in self.cells.values())


def status(results: Results) -> Status:
    """Counts what is published at this moment, and names what cannot be read."""
    found = results.survey()
    columns = ["trial_id", "env", "env_args", "variant", "status", "train_seconds"]
    columns += ["error_type", "error_message"]
    table = trials_table(results, columns, damaged=[], without=found.damaged)
    counted = table.group_by(["env", "env_args", "variant", "status"]).aggregate(
        [([], "count_all")]
    )
    cells: dict[tuple[str, str, str], Counter] = {}
    for row in counted.to_pylist():
        cell = cells.setdefault((row["env"], row["env_args"], row["variant"]), Counter())
        cell[row["status"]] += row["count_all"]
    failed = table.filter(pc.equal(table["status"], FAILED))
    reasons = Counter(
        f"{kind}: {message}"
        for kind, message in zip(
            failed["error_type"].to_pylist(), failed["error_message"].to_pylist(), strict=True
        )
    )
    done = table.filter(pc.equal(table["status"], DONE))
    owner = read_owner(results.location)
    return Status(
        cells=dict(sorted(cells.items())),
        reasons=reasons,
        seconds=float(pc.sum(done["train_seconds"]).as_py() or 0.0),
        holder={} if not owner or is_gone(owner) else owner,
        survey=found,
    )


def check_sources(results: Results, found: Survey, missing: Picked, trials: TrialSet) -> None:
    """Holds the trials of an environment without a model to one source of its code.

    Args:
        results: the folder.
        found: what is damaged in it.
        missing: those of the trials that are about to be run.
        trials: of the plan.

    Raises:
        InputError: trials of the same environment and fingerprint are there from another source.
    """
    counts = count_by_configuration(missing, trials)
    new: dict[tuple, Counter] = {}
    for one, n in zip(trials.configurations, counts, strict=True):
        if n and one.source is not None and not one.has_model:
            new.setdefault((one.env, one.env_args, one.fingerprint), Counter())[one.source] += n
    if not new:
        return
    columns = ["trial_id", "status", "env", "env_args", "fingerprint", "source"]
    table = trials_table(results, columns, damaged=[], without=found.damaged)
    table = table.filter(pc.equal(table["status"], DONE))
    counted = table.group_by(columns[2:]).aggregate([([], "count_all")])
    for row in counted.to_pylist():
        env, args, source, there = row["env"], row["env_args"], row["source"], row["count_all"]
        for found, n in new.get((env, args, row["fingerprint"]), {}).items():
            if source not in (None, found):
                raise InputError(
                    f"trials of {env} {args} in one folder must come from one source of its code, "
                    f"but {there:,} in {results.location.text} come from {source} and {n:,} more "
                    f"would from {found}: undo the edit, take another folder, or, if it changes "
                    "nothing that is logged, go on with --accept_source"
                )


def count_stale(results: Results, found: Survey, fingerprints: Mapping[str, str | None]) -> int:
    """Trials of these environments that were trained on other versions of them than the present.

    Args:
        results: the folder.
        found: what is damaged in it.
        fingerprints: `id args` -> the present fingerprint, as in sweep.json.
    """
    columns = ["env", "env_args", "fingerprint"]
    table = trials_table(results, columns, damaged=[], without=found.damaged)
    counted = table.group_by(["env", "env_args", "fingerprint"]).aggregate([([], "count_all")])
    return sum(
        row["count_all"]
        for row in counted.to_pylist()
        if fingerprints.get(f"{row['env']} {row['env_args']}", row["fingerprint"])
        != row["fingerprint"]
    )
