"""The commands of results: status, replay, verify, upgrade."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hq_ray.cli import SETTINGS, Count, engine_flag, say
from hq_ray.store import DONE, FAILED, Results, Survey
from hq_ray.trial import environment_name, trials_text


def print_table(
    title: str, words: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence]
) -> None:
    """Prints a table whose columns are words on the left and numbers on the right."""
    # As Text, so that brackets in a name are not taken for markup.
    table = Table(title=Text(title))
    for name in (*words, *numbers):
        table.add_column(name, justify="right" if name in numbers else "left")
    for row in rows:
        table.add_row(*(Text(cell if isinstance(cell, str) else f"{cell:,}") for cell in row))
    Console().print(table)


def tell_damage(survey: Survey) -> None:
    """Says what is damaged in a folder, and what is there twice."""
    for sentence in survey.damaged.values():
        say(f"Damaged: {sentence}")
    if survey.damaged:
        say("`hq-ray sweep --repair` moves such batches out of the way and trains them anew")
    if survey.repeated:
        say(
            f"Several batches hold the same {trials_text(survey.repeated)}, as after copying "
            "folders together; each counts once"
        )


@click.command(name="status", context_settings=SETTINGS)
@click.argument("results")
def status_command(results: str) -> None:
    """Count the trials in RESULTS, or in each sweep below it, and failures by reason."""
    from hq_ray.published import opened
    from hq_ray.sweeps.status import COUNTS, status

    place = Results.at(results)
    if not place.is_there():
        rows = []
        for name in place.location.folders():
            sweep = Results.at(place.location.child(name))
            if sweep.is_there():
                totals = status(sweep).totals
                rows.append([name, *(totals[column] for column in COUNTS)])
        if not rows:
            opened(place)  # which says what is wrong
        print_table(place.location.text, ["sweep"], COUNTS, rows)
        return
    state = status(place)
    rows = [
        [environment_name(env, args), variant, *(cell.get(name, "–") for name in COUNTS)]
        for (env, args, variant), cell in state.cells.items()
    ]
    print_table(place.location.text, ["env", "variant"], COUNTS, rows)
    if state.reasons:
        print_table("failures", ["reason"], ["trials"], state.reasons.most_common(20))
    say(
        f"{trials_text(state.totals[DONE])} done, {state.totals[FAILED]:,} failed, "
        f"{state.totals['confirmed']:,} of confirmation, {state.seconds:,.1f} s of training"
    )
    for sentence in state.mixed:
        say(f"Notice: {sentence}")
    if problem := place.description_problem():
        say(f"Damaged: {problem}")
    tell_damage(state.survey)
    for holder in state.holders:
        part = f"shard {holder['shard']} of it" if "shard" in holder else "it"
        say(f"Process {holder['pid']} on {holder['host']} is at work on {part}.")


@click.command(name="replay", context_settings=SETTINGS)
@click.argument("results")
@click.argument("trial_id")
@click.option("--video", is_flag=True, help="Film its greedy policy.")
@click.option("--video_max_steps", type=Count(), default=300, help="Longest film [steps].")
@click.option("--videos_root", default="videos", help="Folder of the film.")
@engine_flag
def replay_command(
    results: str, trial_id: str, video: bool, video_max_steps: int, videos_root: str, engine: str
) -> int:
    """Retrain the trial TRIAL_ID (or the beginning of one) of RESULTS and compare its log."""
    from hq_ray.published import opened
    from hq_ray.sweeps.verify import find_trial, incomparable, replay, stored_trials
    from hq_ray.training import train
    from hq_ray.updates import variant_stem
    from hq_ray.video import NotFilmable, film_trial

    (place,) = opened(results)
    trial = find_trial(stored_trials(place), trial_id)
    differs: list[str] = []
    outcome = f"{trial.episodes:,} episodes, every byte the same"
    if reason := incomparable(trial):
        outcome = f"{reason}, so its log cannot be compared"
    else:
        ((_, differs),) = replay(place, [trial], engine)
        if differs:
            outcome = f"differs in {', '.join(differs)}"
    say(f"Trial {trial.trial_id} ({trial.env}, {trial.variant}, seed {trial.seed}): {outcome}.")
    if video:
        path = Path(videos_root) / f"{variant_stem(trial.variant)}_{trial.trial_id}.mp4"
        try:
            q_values = train(trial, engine).log.q_values
            film_trial(trial, q_values, path, max_steps=video_max_steps)
            say(f"Video: {path}")
        except NotFilmable as problem:
            say(f"Notice: no video: {problem}")
    return 1 if differs else 0


@click.command(name="verify", context_settings=SETTINGS)
@click.argument("results")
@click.option("--sample", default="1%", help="Size of the sample: '1%' or a number.")
@click.option("--sample_seed", type=int, default=0, help="Seed of the sample.")
@engine_flag
def verify_command(results: str, sample: str, sample_seed: int, engine: str) -> int:
    """Retrain a random sample of the trials in RESULTS and compare their logs, byte for byte."""
    from hq_ray.published import opened
    from hq_ray.sweeps.verify import draw, incomparable, replay, stored_trials

    (place,) = opened(results)
    every = stored_trials(place)
    drawn = draw(every, sample, sample_seed)
    reasons = {trial.trial_id: incomparable(trial) for trial in drawn}
    compared = [trial for trial in drawn if reasons[trial.trial_id] is None]
    different = 0
    for trial, differs in replay(place, compared, engine):
        if differs:
            different += 1
            say(f"{trial.trial_id} differs in {', '.join(differs)}")
    say(f"Verified {len(compared):,} of {len(every):,} trials: {different:,} differ.")
    for reason, count in Counter(filter(None, reasons.values())).items():
        say(f"{trials_text(count)} cannot be compared: {reason}.")
    return 1 if different else 0


@click.command(name="upgrade", context_settings=SETTINGS)
@click.argument("results")
def upgrade_command(results: str) -> int:
    """Rewrite RESULTS of an older schema in place; run it again if it was interrupted."""
    from hq_ray.published import opened
    from hq_ray.sweeps.ownership import Ownership
    from hq_ray.upgrade import upgrade

    (place,) = opened(results)
    with Ownership(place.location):
        damaged = upgrade(place)
    for sentence in damaged:
        say(f"Damaged: {sentence}")
    say(f"Upgraded to the current schema: {place.location.text}")
    return 1 if damaged else 0


COMMANDS = {
    "status": status_command,
    "replay": replay_command,
    "verify": verify_command,
    "upgrade": upgrade_command,
}
