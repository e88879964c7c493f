"""The state of a results folder: counts by configuration, failures by reason, the driver."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from hq_ray.errors import InputError
from hq_ray.published import COUNTED, count_rows, explored, is_stale, trials_table
from hq_ray.store import DONE, FAILED, Results, Survey
from hq_ray.sweeps.ownership import holders
from hq_ray.sweeps.plan import Picked, TrialSet, count_by_configuration
from hq_ray.trial import CONFIRMATION, environment_key, environment_name, trials_text

COUNTS = ("planned", DONE, FAILED, "missing", "confirmed")
# What makes another problem of an environment.
OF_PROBLEM = ("episodes", "max_steps", "gamma")


@dataclass(frozen=True)
class Status:
    """Counts over committed trials.

    Attributes:
        cells: (env, env_args, variant) -> Counter of `done`, `failed` and `confirmed`, and where
            sweep.json says so, `planned` and `missing`.
        mixed: sentences on other versions of environments, and on settings that no one spec asked
            for together.
        reasons: `Type: message` -> number of failed trials.
        seconds: total training time of the done trials.
        holders: the drivers at work: none, one, or some of shards.
        survey: damaged files and repeated trials.
    """

    cells: dict[tuple[str, str, str], Counter]
    mixed: list[str]
    reasons: Counter
    seconds: float
    holders: list[dict]
    survey: Survey

    @property
    def totals(self) -> Counter:
        """The sum of all cells."""
        return sum(self.cells.values(), Counter())


def status(results: Results) -> Status:
    """The present state of a results folder."""
    survey = results.survey()
    columns = [*COUNTED, "train_seconds", "error_type", "error_message", *OF_PROBLEM]
    table = trials_table(results, columns, damaged=[], without=survey.damaged)
    description = results.description()
    cells: dict[tuple[str, str, str], Counter] = {}
    for name, counts in description.get("planned", {}).items():
        env, _, args = name.partition(" ")
        for variant, count in counts.items():
            cells[env, args, variant] = Counter(planned=count)
    stale: Counter = Counter()
    fingerprints = description.get("fingerprints", {})
    rows = count_rows(table, COUNTED)
    for row in rows:
        if is_stale(row, fingerprints):
            name = environment_name(row["env"], row["env_args"])
            stale[f"{row['variant']} on {name}" if row["rule"] else name] += row["count_all"]
            continue
        cell = cells.setdefault((row["env"], row["env_args"], row["variant"]), Counter())
        confirmed = row["role"] == CONFIRMATION and row["status"] == DONE
        cell["confirmed" if confirmed else row["status"]] += row["count_all"]
    n_explored = explored(rows, fingerprints)
    for (env, args, variant), cell in cells.items():
        cell.update(dict.fromkeys((DONE, FAILED, "confirmed"), 0))
        if "planned" in cell:
            cell["missing"] = max(
                0, cell["planned"] - n_explored[environment_key(env, args), variant]
            )
    failed = table.filter(pc.equal(table["status"], FAILED))
    reasons: Counter = Counter()
    for row in count_rows(failed, ["error_type", "error_message"]):
        reasons[f"{row['error_type']}: {row['error_message']}"] += row["count_all"]
    done = table.filter(pc.equal(table["status"], DONE))
    return Status(
        cells=dict(sorted(cells.items())),
        mixed=[
            f"{trials_text(n)} of {name} were trained with another version and are not counted"
            for name, n in sorted(stale.items())
        ]
        + _mixed(table, description.get("spec", {})),
        reasons=reasons,
        seconds=float(pc.sum(done["train_seconds"]).as_py() or 0.0),
        holders=holders(results.location),
        survey=survey,
    )


def _mixed(table: pa.Table, spec: Mapping) -> list[str]:
    """For each environment and setting of its problems that has several values, a sentence, unless
    the last spec asked for several.
    """
    blocks = [spec.get("parameters") or {}, *(spec.get("variant_parameters") or {}).values()]
    blocks += spec.get("configurations") or []
    sentences = []
    for name in OF_PROBLEM:
        if any(name in block for block in blocks):
            continue
        values: dict[str, list] = {}
        for row in count_rows(table, ["env", "env_args", name]):
            env = environment_name(row["env"], row["env_args"])
            values.setdefault(env, []).append(row[name])
        sentences += [
            f"{env} has trials with {name} {' and '.join(map(str, sorted(different)))}, which are "
            "compared separately"
            for env, different in values.items()
            if len(different) > 1
        ]
    return sentences


def check_sources(results: Results, survey: Survey, missing: Picked, trials: TrialSet) -> None:
    """Checks that all trials of an environment without a model come from one source of its code,
    those that are published and those that are missing.

    Raises:
        InputError: some of the same environment and fingerprint come from another source.
    """
    counts = count_by_configuration(missing, trials)
    new: dict[tuple, Counter] = {}
    for trial, n in zip(trials.configurations, counts, strict=True):
        if n and trial.source is not None and not trial.has_model:
            key = (trial.env, trial.env_args, trial.fingerprint)
            new.setdefault(key, Counter())[trial.source] += n
    if not new:
        return
    columns = ["trial_id", "status", "env", "env_args", "fingerprint", "source"]
    table = trials_table(results, columns, damaged=[], without=survey.damaged)
    table = table.filter(pc.equal(table["status"], DONE))
    for row in count_rows(table, columns[2:]):
        key = (row["env"], row["env_args"], row["fingerprint"])
        for source, n in new.get(key, {}).items():
            if row["source"] not in (None, source):
                raise InputError(
                    f"trials of {row['env']} {row['env_args']} in one folder must come from one "
                    f"source of its code, but {row['count_all']:,} in {results.location.text} come "
                    f"from {row['source']} and {n:,} more would from {source}: undo the edit, take "
                    "another folder, or, if it changes nothing that is logged, go on with "
                    "--accept_source"
                )


def count_stale(results: Results, survey: Survey, fingerprints: Mapping[str, str | None]) -> int:
    """Number of trials that were trained with another version of their environment or rule.

    `fingerprints` has the present ones, as sweep.json does.
    """
    columns = ["env", "env_args", "variant", "fingerprint", "rule"]
    table = trials_table(results, columns, damaged=[], without=survey.damaged)
    rows = count_rows(table, columns)
    return sum(row["count_all"] for row in rows if is_stale(row, fingerprints))
