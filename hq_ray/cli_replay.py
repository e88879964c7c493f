"""`hq-ray replay` and `hq-ray verify`: whether stored logs are what their trials give."""

from pathlib import Path

import click

from hq_ray.cli_options import SETTINGS, say


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
    from sweeps.verify import find_trial, replay, stored_trials

    place = Results.at(results)
    trial = find_trial(stored_trials(place), trial_id)
    (verdict,) = replay(place, [trial], engine)
    about = f"{trial.trial_id} ({trial.env}, {trial.variant}, seed {trial.seed})"
    if verdict.same:
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
    return 0 if verdict.same else 1


@click.command(name="verify", context_settings=SETTINGS)
@click.argument("results")
@click.option("--sample", default="1%", help="How many: '1%' or a number.")
@click.option("--sample_seed", type=int, default=0, help="Which ones.")
@click.option("--engine", default="auto", help="auto, kernel or gymnasium.")
def verify_command(results: str, sample: str, sample_seed: int, engine: str) -> int:
    """Retrain a random sample of the trials in RESULTS and compare their logs, byte for byte."""
    from hq_ray.store import Results
    from sweeps.verify import replay, stored_trials
    from sweeps.verify import sample as draw

    place = Results.at(results)
    every = stored_trials(place)
    chosen = draw(every, sample, sample_seed)
    different = 0
    for verdict in replay(place, chosen, engine):
        if not verdict.same:
            different += 1
            say(f"{verdict.trial.trial_id} differs in {', '.join(verdict.differs)}")
    say(f"Verified {len(chosen):,} of {len(every):,} trials: {different:,} differ.")
    return 1 if different else 0


COMMANDS = {"replay": replay_command, "verify": verify_command}
