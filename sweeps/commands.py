"""The commands of sweeps: plan, sweep, status, replay, verify, upgrade."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hq_ray.cli import SETTINGS, Count, ray_flags, say
from hq_ray.errors import InputError

if TYPE_CHECKING:
    from contextlib import ExitStack

    from hq_ray.store import Results, Survey
    from hq_ray.sweeps.driver import Tally
    from hq_ray.sweeps.expand import Expanded
    from hq_ray.sweeps.options import RunOptions
    from hq_ray.sweeps.spec import Sweep


def spec_flags(command: click.Command) -> click.Command:
    """The spec, its overrides and where its results lie."""
    command = click.option("--results", default="results", help="Folder or URI of all results.")(
        command
    )
    command = click.option(
        "--set",
        "overrides",
        multiple=True,
        help="Replace part of the spec: --set alpha=0.1,0.2 --set seeds=0-99.",
    )(command)
    return click.argument("spec")(command)


def _open(spec: str, overrides: tuple[str, ...], results: str) -> "tuple[Sweep, Results, Expanded]":
    from hq_ray.sweeps.api import open_sweep
    from hq_ray.sweeps.spec import read_spec

    sweep = read_spec(spec)
    if overrides:
        sweep = sweep.with_overrides(list(overrides))
    place, expanded = open_sweep(sweep, results)
    tell_opened(place, expanded)
    return sweep, place, expanded


def tell_opened(place: "Results", expanded: "Expanded") -> None:
    """Says what is to be known of a sweep before it runs."""
    for notice in expanded.notices:
        say(f"Notice: {notice}")
    if problem := place.description_problem():
        say(f"Damaged: {problem}")


@click.command(name="plan", context_settings=SETTINGS)
@spec_flags
@click.option("--no_pilot", is_flag=True, help="Do not run pilot trials; no estimate.")
@click.option("--retry_failed", is_flag=True, help="Count failed trials as to be run.")
@click.option("--cores", type=Count(), help="Cores to estimate for [default: all].")
def plan_command(
    spec: str,
    overrides: tuple[str, ...],
    results: str,
    no_pilot: bool,
    retry_failed: bool,
    cores: int | None,
) -> None:
    """Count the trials of SPEC that are new, done and failed, and estimate what is missing."""
    from hq_ray.sweeps.plan import plan

    sweep, place, expanded = _open(spec, overrides, results)
    found = place.survey()
    planned = plan(expanded.trials, found.status, retry_failed)
    _show_counts(place, found, expanded, planned)
    if sweep.confirm is not None:
        from hq_ray.sweeps.choice import problem_of

        pairs = {(problem_of(one), one.variant) for one in expanded.trials.configurations}
        fresh = len(pairs) * sweep.confirm.top * sweep.confirm.seeds
        say(
            f"Then the best configurations by {sweep.confirm.metric} are confirmed on "
            f"{sweep.confirm.seeds} fresh seeds: up to {_trials(fresh)}"
        )
    _show_damage(found)
    if no_pilot or not planned.missing:
        return
    from hq_ray.sweeps.estimate import estimate
    from hq_ray.sweeps.progress import notice

    cores = cores or os.cpu_count() or 1
    notice("running pilot trials for the estimate; --no_pilot leaves them out")
    cost = estimate(planned, expanded.trials, cores)
    for reason in cost.failures:
        say(f"A pilot trial failed, and its kind is not in the estimate: {reason}")
    if not cost.piloted:
        return
    say(
        f"Estimate from {cost.piloted} pilot trials: {cost.core_seconds / 3600:.3g} core-hours, "
        f"{_duration(cost.wall_seconds)} on {cores} cores, {_size(cost.disk_bytes)} on disk, "
        f"{_size(cost.memory_bytes)} of memory"
    )


def _show_counts(place: object, found: "Survey", expanded: object, planned: object) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hq_ray.sweeps.plan import count_by_configuration
    from hq_ray.sweeps.status import check_sources, count_stale

    stale = count_stale(place, found, expanded.fingerprints)
    new = count_by_configuration(planned.missing, expanded.trials)
    failed = count_by_configuration(planned.failed, expanded.trials)
    n_seeds = len(expanded.trials.seeds)
    cells: dict[tuple[str, str], Counter] = {}
    for template, missing, bad in zip(expanded.trials.configurations, new, failed, strict=True):
        shown = template.label or f"{template.env} {template.env_args}".removesuffix(" {}")
        cell = cells.setdefault((shown, template.variant), Counter())
        cell.update(new=missing, failed=bad, done=n_seeds - missing - bad, configurations=1)
    # As Text, so that brackets in a name are not taken for markup.
    table = Table(title=Text(place.location.text))
    for name in ("env", "variant"):
        table.add_column(name)
    columns = ("configurations", "new", "done", "failed")
    for name in columns:
        table.add_column(name, justify="right")
    for (shown, variant), cell in cells.items():
        table.add_row(Text(shown), variant, *(f"{cell[name]:,}" for name in columns))
    Console().print(table)
    for name, environment in expanded.environments.items():
        say(f"{name.removesuffix(' {}')} trains with engine {environment.engine}")
    say(
        f"{len(planned.trials):,} trials: {len(planned.missing):,} new, {planned.n_done:,} done, "
        f"{len(planned.failed):,} failed"
    )
    if stale:
        say(
            f"{stale:,} stale trials in the folder were trained on other versions of these "
            "environments, and are neither counted nor run again"
        )
    try:
        check_sources(place, found, planned.missing, expanded.trials)
    except InputError as problem:
        say(f"Notice: {problem}")


@click.command(name="sweep", context_settings=SETTINGS)
@spec_flags
@click.option("--retry_failed", is_flag=True, help="Try trials again that failed before.")
@click.option("--keep_q_values", is_flag=True, help="Store final Q tables.")
@click.option("--confirm", type=Count(), help="Run the best configurations on so many fresh seeds.")
@ray_flags
def sweep_command(
    spec: str, overrides: tuple[str, ...], results: str, confirm: int | None, **options: object
) -> int:
    """Run what is missing of SPEC: the first time, after a crash, or after it grew."""
    from hq_ray.sweeps.options import RunOptions

    chosen = RunOptions(**options)
    if confirm is not None:
        overrides = (*overrides, f"confirm={confirm}")
    opened = _open(spec, overrides, results)
    tally = run_and_tell(*opened, chosen)
    if tally.interrupted:
        return 130
    if tally.done or tally.failed:
        say(f"Look at it with: hq-ray status {opened[1].location.text}")
    return 1 if tally.failed or tally.failed_before else 0


def run_and_tell(
    sweep: "Sweep",
    place: "Results",
    expanded: "Expanded",
    options: "RunOptions",
    stack: "ExitStack | None" = None,
) -> "Tally":
    """Runs what is missing of an opened sweep and says what was done; see `run_opened`."""
    from hq_ray.sweeps.api import run_opened

    tally = run_opened(sweep, place, expanded, options, stack)
    where = place.location.text
    for sentence in tally.repaired.values():
        say(f"Set aside: {sentence}")
    if tally.failed_before:
        say(f"{_trials(tally.failed_before)} failed before; --retry_failed tries again")
    if not (tally.done or tally.failed or tally.interrupted):
        say(_nothing_left(tally, where))
        return tally
    already = f", {tally.there:,} were there" if tally.there else ""
    say(
        f"Ran {_trials(tally.done)} ({tally.steps / 1e6:,.1f} M steps, "
        f"{_duration(tally.train_seconds)} of training{already}): {where}"
    )
    for reason, count in tally.reasons.most_common(5):
        say(f"{count} failed: {reason}")
    if tally.interrupted:
        say("Interrupted; the same command resumes.")
    else:
        for sentence in tally.confirmed:
            say(sentence)
    return tally


def _trials(count: int) -> str:
    return "1 trial" if count == 1 else f"{count:,} trials"


def _nothing_left(tally: "Tally", where: str) -> str:
    if not tally.there:
        return f"No other trial is asked for; nothing to run in {where}."
    which = "The other " if tally.failed_before else "All " if tally.there > 1 else "The "
    verb = "is" if tally.there == 1 else "are"
    return f"{which}{_trials(tally.there)} {verb} done in {where}; nothing to run."


def _show_damage(found: "Survey") -> None:
    for sentence in found.damaged.values():
        say(f"Damaged: {sentence}")
    if found.damaged:
        say("`hq-ray sweep --repair` moves such batches out of the way and trains them anew")
    if found.repeated:
        say(
            f"{_trials(found.repeated)} lie in several batches, as after copying folders together; "
            "each counts once"
        )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


@click.command(name="status", context_settings=SETTINGS)
@click.argument("results")
def status_command(results: str) -> None:
    """Count the trials in RESULTS, or in each sweep below it, and failures by reason."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hq_ray.store import DONE, FAILED, Results
    from hq_ray.sweeps.status import status

    place = Results.at(results)
    if not place.location.exists():
        raise InputError(f"results must be a folder that a run or sweep wrote, got {results!r}")
    columns = ("planned", DONE, FAILED, "missing", "confirmed")
    console = Console()
    table = Table(title=Text(place.location.text))
    below = place.location.folders()
    if "trials" not in below:
        table.add_column("sweep")
        for name in columns:
            table.add_column(name, justify="right")
        for name in below:
            sweep = Results.at(place.location.child(name))
            if "trials" in sweep.location.folders():
                counted = status(sweep)
                counts = [counted.total(column) for column in columns]
                table.add_row(Text(name), *(f"{count:,}" for count in counts))
        console.print(table)
        return
    found = status(place)
    # As Text, so that brackets in a message are not taken for markup.
    for name in ("env", "variant"):
        table.add_column(name)
    for name in columns:
        table.add_column(name, justify="right")
    for (env, args, variant), cell in found.cells.items():
        shown = env if args == "{}" else f"{env} {args}"
        counts = [f"{cell[name]:,}" if name in cell else "–" for name in columns]
        table.add_row(Text(shown), variant, *counts)
    console.print(table)
    if found.reasons:
        failures = Table(title="failures")
        failures.add_column("trials", justify="right")
        failures.add_column("reason")
        for reason, count in found.reasons.most_common(20):
            failures.add_row(f"{count:,}", Text(reason))
        console.print(failures)
    say(
        f"{found.total(DONE):,} trials done, {found.total(FAILED):,} failed, "
        f"{found.total('confirmed'):,} of confirmation, {found.seconds:,.1f} s of training"
    )
    for sentence in found.mixed:
        say(f"Notice: {sentence}")
    if problem := place.description_problem():
        say(f"Damaged: {problem}")
    _show_damage(found.survey)
    if found.holder:
        who = "Process {pid} on {host}" if {"pid", "host"} <= found.holder.keys() else "A driver"
        say(f"{who.format(**found.holder)} is at work on it.")


@click.command(name="replay", context_settings=SETTINGS)
@click.argument("results")
@click.argument("trial_id")
@click.option("--video", is_flag=True, help="Film its greedy policy.")
@click.option("--video_max_steps", type=int, default=300, help="Longest film [steps].")
@click.option("--videos_root", default="videos", help="Folder of the film.")
@click.option("--engine", default="auto", help="auto, kernel or gymnasium.")
def replay_command(
    results: str, trial_id: str, video: bool, video_max_steps: int, videos_root: str, engine: str
) -> int:
    """Retrain the trial TRIAL_ID (or the beginning of one) of RESULTS and compare its log."""
    from hq_ray.store import Results
    from hq_ray.sweeps.verify import find_trial, replay, stored_trials

    place = Results.at(results)
    trial = find_trial(stored_trials(place), trial_id)
    (verdict,) = replay(place, [trial], engine)
    about = f"{trial.trial_id} ({trial.env}, {trial.variant}, seed {trial.seed})"
    if not verdict.comparable:
        say(f"Trial {about}: its environment is unseeded, so its log cannot be compared.")
    elif verdict.same:
        say(f"Trial {about}: {trial.episodes:,} episodes, every byte the same.")
    else:
        say(f"Trial {about}: differs in {', '.join(verdict.differs)}.")
    if video:
        from hq_ray.training import train
        from hq_ray.video import NotFilmable, film_trial

        stem = Path(videos_root) / f"{trial.variant}_{trial.trial_id}"
        try:
            q_values = train(trial, engine).log.q_values
            path = film_trial(trial, q_values, stem, max_steps=video_max_steps)
            say(f"Video: {path}")
        except NotFilmable as problem:
            say(f"Notice: no video: {problem}")
    return 0 if verdict.same or not verdict.comparable else 1


@click.command(name="verify", context_settings=SETTINGS)
@click.argument("results")
@click.option("--sample", default="1%", help="How many: '1%' or a number.")
@click.option("--sample_seed", type=int, default=0, help="Which ones.")
@click.option("--engine", default="auto", help="auto, kernel or gymnasium.")
def verify_command(results: str, sample: str, sample_seed: int, engine: str) -> int:
    """Retrain a random sample of the trials in RESULTS and compare their logs, byte for byte."""
    from hq_ray.store import Results
    from hq_ray.sweeps.verify import replay, stored_trials
    from hq_ray.sweeps.verify import sample as draw

    place = Results.at(results)
    every = stored_trials(place)
    chosen = draw(every, sample, sample_seed)
    different = unseeded = 0
    for verdict in replay(place, chosen, engine):
        if not verdict.comparable:
            unseeded += 1
        elif not verdict.same:
            different += 1
            say(f"{verdict.trial.trial_id} differs in {', '.join(verdict.differs)}")
    verified = len(chosen) - unseeded
    say(f"Verified {verified:,} of {len(every):,} trials: {different:,} differ.")
    if unseeded:
        say(f"{unseeded:,} trials of unseeded environments cannot be compared.")
    return 1 if different else 0


@click.command(name="upgrade", context_settings=SETTINGS)
@click.argument("results")
def upgrade_command(results: str) -> int:
    """Rewrite RESULTS of an older schema in place; interrupted, the same command goes on."""
    from rich.console import Console
    from rich.progress import track

    from hq_ray.published import opened
    from hq_ray.sweeps.ownership import Ownership
    from hq_ray.upgrade import upgrade

    (place,) = opened(results)
    console = Console(stderr=True)
    with Ownership(place.location):
        damaged = upgrade(
            place,
            lambda files: track(
                files, "upgrading", console=console, transient=True, disable=not console.is_terminal
            ),
        )
    for sentence in damaged:
        say(f"Damaged: {sentence}")
    say(f"Of the present schema: {place.location.text}")
    return 1 if damaged else 0


COMMANDS = {
    "plan": plan_command,
    "sweep": sweep_command,
    "status": status_command,
    "replay": replay_command,
    "verify": verify_command,
    "upgrade": upgrade_command,
}
