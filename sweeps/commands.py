"""The commands of specs: init, schema, plan, sweep."""

import json
import os
from collections import Counter
from contextlib import ExitStack
from typing import Any

import click
from rich.filesize import decimal

from hq_ray.cli import SETTINGS, Count, flags, ray_flags, say
from hq_ray.errors import InputError
from hq_ray.store import Results, Survey
from hq_ray.sweeps.api import open_sweep, run_missing
from hq_ray.sweeps.choice import problem_of
from hq_ray.sweeps.driver import Tally
from hq_ray.sweeps.estimate import estimate
from hq_ray.sweeps.expand import Expanded
from hq_ray.sweeps.options import RunOptions
from hq_ray.sweeps.plan import Plan, count_by_configuration, plan
from hq_ray.sweeps.progress import notice
from hq_ray.sweeps.results_commands import print_table, tell_damage
from hq_ray.sweeps.spec import Sweep, read_spec
from hq_ray.sweeps.status import check_sources, count_stale
from hq_ray.trial import environment_name, trials_text

# What starting and stopping Ray takes.
RAY_SECONDS = 3.0
TEMPLATE = """\
# `hq-ray plan sweep.yaml` counts the trials of this sweep, `hq-ray sweep sweep.yaml` runs them.
# `hq-ray schema` prints a JSON schema, by which editors complete and check this file.
name: my-sweep                # written to results/my-sweep
env:                          # one or more: an id, or an id with arguments of its own
  - CliffWalking-v1
  - {id: VelocityGrid-v0, max_speed: 2}
variant: [standard, harmonic]
seeds: 0-9
episodes: 4000
# max_steps: 200              # of an episode; by default the environment's own limit
method: grid                  # or random or sobol, with `samples: 64`
parameters:                   # every combination is run
  alpha: [0.05, 0.1, 0.2, 0.4]
  eps_shift: [1e-6, 1.0, 100.0]
  # For random and sobol also: eps_shift: {distribution: log_uniform, min: 1e-6, max: 1e3}
# constraints: [eps_end <= eps_start]
# confirm: {seeds: 30, metric: mean_return}   # then run the best ones on fresh seeds
"""


@click.command(name="init", context_settings=SETTINGS)
@click.argument("file", default="sweep.yaml")
def init_command(file: str) -> None:
    """Write a commented spec to FILE [default: sweep.yaml]."""
    try:
        with open(file, "x", encoding="utf-8") as spec:
            spec.write(TEMPLATE)
    except FileExistsError:
        raise InputError(f"init must write a new file, but {file!r} is there") from None
    say(f"Wrote {file}. To see what it would run: hq-ray plan {file}")


@click.command(name="schema", context_settings=SETTINGS)
def schema_command() -> None:
    """Print the JSON schema of a spec, for editors."""
    print(json.dumps(Sweep.model_json_schema(), indent=2))


spec_flags = flags(
    click.argument("spec"),
    click.option(
        "--set",
        "overrides",
        multiple=True,
        help="Replace part of the spec: --set alpha=0.1,0.2 --set seeds=0-99.",
    ),
    click.option("--results", default="results", help="Folder or URI of the results folders."),
)


def _open(spec: str, overrides: tuple[str, ...], results: str) -> tuple[Sweep, Results, Expanded]:
    sweep = read_spec(spec)
    if overrides:
        sweep = sweep.with_overrides(list(overrides))
    place, expanded = open_sweep(sweep, results)
    tell_opened(place, expanded)
    return sweep, place, expanded


def tell_opened(place: Results, expanded: Expanded) -> None:
    """Says what is to be known of a sweep before it runs."""
    for sentence in expanded.notices:
        say(f"Notice: {sentence}")
    if problem := place.description_problem():
        say(f"Damaged: {problem}")


@click.command(name="plan", context_settings=SETTINGS)
@spec_flags
@click.option("--no_pilot", is_flag=True, help="Do not run pilot trials; no estimate.")
@click.option("--retry_failed", is_flag=True, help="Count failed trials as missing.")
@click.option("--cores", type=Count(), help="Cores to estimate for [default: all].")
def plan_command(no_pilot: bool, retry_failed: bool, cores: int | None, **what: Any) -> None:
    """Count the trials of SPEC that are new, done and failed, and estimate what is missing."""
    sweep, place, expanded = _open(**what)
    survey = place.survey()
    planned = plan(expanded.trials, survey.status, retry_failed)
    _print_counts(place, survey, expanded, planned)
    if sweep.confirm is not None:
        pairs = {(problem_of(trial), trial.variant) for trial in expanded.trials.configurations}
        fresh = len(pairs) * sweep.confirm.top * sweep.confirm.seeds
        say(
            f"Then the best configurations by {sweep.confirm.metric} are confirmed on "
            f"{sweep.confirm.seeds} fresh seeds: up to {trials_text(fresh)}"
        )
    tell_damage(survey)
    if not planned.missing or no_pilot:
        return
    notice("running pilot trials for the estimate; --no_pilot leaves them out")
    cost = estimate(planned, expanded.trials)
    for reason in cost.failures:
        say(f"A pilot trial failed, and the estimate leaves out its kind: {reason}")
    if cost.piloted:
        cores = cores or os.cpu_count() or 1
        say(
            f"Estimate from {cost.piloted} pilot trials: {cost.core_seconds / 3600:.3g} core-hours,"
            f" {_duration(cost.core_seconds / cores)} on {cores} cores, "
            f"{decimal(int(cost.disk_bytes))} on disk"
        )


def _print_counts(place: Results, survey: Survey, expanded: Expanded, planned: Plan) -> None:
    new = count_by_configuration(planned.missing, expanded.trials)
    failed = count_by_configuration(planned.failed, expanded.trials)
    n_seeds = len(expanded.trials.seeds)
    cells: dict[tuple[str, str], Counter] = {}
    for template, missing, bad in zip(expanded.trials.configurations, new, failed, strict=True):
        name = template.label or environment_name(template.env, template.env_args)
        cell = cells.setdefault((name, template.variant), Counter())
        cell.update(new=missing, failed=bad, done=n_seeds - missing - bad, configurations=1)
    counts = ("configurations", "new", "done", "failed")
    rows = [[*key, *(cell[name] for name in counts)] for key, cell in cells.items()]
    print_table(place.location.text, ("env", "variant"), counts, rows)
    engines: dict[tuple[str, str], list[str]] = {}
    for environment in expanded.environments.values():
        name = environment_name(environment.id, environment.args)
        engines.setdefault((environment.id, environment.engine), []).append(name)
    for (env, engine), names in engines.items():
        name = names[0] if len(names) == 1 else f"{env} ({len(names)} environments)"
        say(f"{name} trains with engine {engine}")
    say(
        f"{trials_text(len(planned.trials))}: {len(planned.missing):,} new, "
        f"{planned.n_done:,} done, {len(planned.failed):,} failed"
    )
    # Stale trials are none of the planned ones, whose ids are of the present environments.
    others = len(survey.status) > planned.n_done + len(planned.failed)
    if others and (stale := count_stale(place, survey, expanded.fingerprints)):
        say(
            f"{stale:,} stale trials in the folder were trained with other versions of these "
            "environments or rules, and are neither counted nor run again"
        )
    try:
        check_sources(place, survey, planned.missing, expanded.trials)
    except InputError as problem:
        say(f"Notice: {problem}")


@click.command(name="sweep", context_settings=SETTINGS)
@spec_flags
@click.option("--retry_failed", is_flag=True, help="Retry trials that failed before.")
@click.option("--keep_q_values", is_flag=True, help="Store final Q tables.")
@click.option("--shard", help="Run only a part of the trials, such as 3/16.")
@click.option("--confirm", type=Count(), help="Fresh seeds to confirm the best configurations on.")
@ray_flags
def sweep_command(
    spec: str, overrides: tuple[str, ...], results: str, confirm: int | None, **flags: Any
) -> int:
    """Run what is missing of SPEC: the first time, after a crash, or after it grew."""
    options = RunOptions(**flags)
    if confirm is not None:
        overrides = (*overrides, f"confirm.seeds={confirm}")
    sweep, place, expanded = _open(spec, overrides, results)
    tally = run_and_tell(sweep, place, expanded, options)
    if tally.interrupted:
        return 130
    if tally.done or tally.failed:
        if not options.local and options.address is None and tally.train_seconds < RAY_SECONDS:
            say("Starting Ray took longer than training; --local would have been quicker.")
        say(f"Look at it with: hq-ray status {place.location.text}")
    return 1 if tally.failed or tally.failed_before else 0


def run_and_tell(
    sweep: Sweep,
    place: Results,
    expanded: Expanded,
    options: RunOptions,
    stack: ExitStack | None = None,
) -> Tally:
    """Runs what is missing of an opened sweep and says what was done; see `run_missing`."""
    tally = run_missing(sweep, place, expanded, options, stack)
    where, before = place.location.text, tally.done_before
    for sentence in tally.repaired.values():
        say(f"Set aside: {sentence}")
    if tally.failed_before:
        say(f"{trials_text(tally.failed_before)} failed before; --retry_failed tries again")
    if tally.done or tally.failed or tally.interrupted:
        already = f", {before:,} were there" if before else ""
        say(
            f"Ran {trials_text(tally.done)} ({tally.steps / 1e6:,.1f} M steps, "
            f"{_duration(tally.train_seconds)} of training{already}): {where}"
        )
    elif tally.failed_before:
        say(f"Nothing else to run in {where}: {trials_text(before)} done.")
    else:
        done = "The 1 trial is" if before == 1 else f"All {before:,} trials are"
        say(f"{done} done in {where}; nothing to run.")
    for reason, count in tally.reasons.most_common(5):
        say(f"{count} failed: {reason}")
    if tally.interrupted:
        say("Interrupted; the same command resumes.")
    else:
        for sentence in tally.confirmed:
            say(sentence)
    return tally


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


COMMANDS = {
    "init": init_command,
    "schema": schema_command,
    "plan": plan_command,
    "sweep": sweep_command,
}
