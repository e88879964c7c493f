"""The commands of results: status, replay, verify, upgrade."""

from pathlib import Path

import click

from hq_ray.cli import SETTINGS, say
from hq_ray.errors import InputError
from hq_ray.sweeps.commands import tell_damage


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
        counts = [
            "–" if name in ("planned", "missing") and name not in cell else f"{cell[name]:,}"
            for name in columns
        ]
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
    tell_damage(found.survey)
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

        path = Path(videos_root) / f"{trial.variant}_{trial.trial_id}.mp4"
        try:
            q_values = train(trial, engine).log.q_values
            film_trial(trial, q_values, path, max_steps=video_max_steps)
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
    "status": status_command,
    "replay": replay_command,
    "verify": verify_command,
    "upgrade": upgrade_command,
}
