"""What `hq-ray run` makes from published trials: CSV logs, figures, films."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from hq_ray.analysis.run_manifest import OutputRoot
from hq_ray.analysis.run_paths import Outputs
from hq_ray.cli import say
from hq_ray.encoding import encode_csv
from hq_ray.environments import Environment
from hq_ray.hyperparameters import HYPERPARAMETERS, Value
from hq_ray.load import load_q_values
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.expand import Expanded
from hq_ray.training import n_final, train
from hq_ray.trial import Trial

# Figure file and log names speak of returns and steps; the columns are one entry each.
QUANTITIES = {"returns": "episode_return", "steps": "steps"}
# So many trials without a film are named in a sentence.
TRIALS_NAMED = 3
Curves = Mapping[str, Mapping[str, object]]


def output_files(outputs: Outputs, trials: Sequence[Trial]) -> dict[str, list[Path]]:
    """What the tasks write of these trials, by the flag of the folder."""
    from hq_ray.video import film_path

    files: dict[str, list[Path]] = {}
    if "train" in outputs.tasks:
        files["--log_root"] = [outputs.log(trial, one) for trial in trials for one in QUANTITIES]
    if outputs.tasks & {"plot", "compare"}:
        curves = [outputs.curve(trial, one) for trial in trials for one in QUANTITIES]
        comparisons = [outputs.comparison(one) for one in QUANTITIES]
        files["--plots_root"] = [
            *(curves if "plot" in outputs.tasks else ()),
            *(comparisons if "compare" in outputs.tasks else ()),
        ]
    if outputs.record_video:
        files["--videos_root"] = [film_path(outputs.video_stem(trial)) for trial in trials]
    return files


def output_roots(
    outputs: Outputs, expanded: Expanded, given: Mapping[str, Value]
) -> dict[str, OutputRoot]:
    """The folder of each flag, with the setting that decides what its files hold.

    Of the setting are the hyperparameters given and the defaults of all others, also of those that
    these variants do not read: their files stay beside those of another variant.
    """
    (environment,) = expanded.environments.values()
    trained = expanded.trials.configurations[0]
    setting = {
        "env": environment.id,
        "env_args": environment.args,
        "episodes": trained.episodes,
        "max_steps": trained.max_steps,
        **{name: given.get(name, row.default) for name, row in HYPERPARAMETERS.items()},
        "tag": outputs.tag,
        "model": environment.fingerprint,
    }
    drawn, filmed = {"smooth": outputs.smooth}, {"video_max_steps": outputs.video_max_steps}
    return {
        "--log_root": OutputRoot(outputs.log_root, "--log_root", setting),
        "--plots_root": OutputRoot(outputs.plots_root, "--plots_root", setting | drawn),
        "--videos_root": OutputRoot(outputs.videos_root, "--videos_root", setting | filmed),
    }


def write_logs(outputs: Outputs, trials: Sequence[Trial], curves: Curves) -> None:
    """Writes two CSV files per trial, returns and steps by episode."""
    for trial in trials:
        for quantity, column in QUANTITIES.items():
            path = outputs.log(trial, quantity)
            content = encode_csv(column, curves[trial.trial_id][column])
            Location.of(path.parent).write(path.name, content)
    say(f"Logs: {outputs.log_root}")


def say_who_is_ahead(trials: Sequence[Trial], curves: Curves) -> None:
    """The mean final return of each variant and, by seed, its lead over the first one."""
    import numpy as np

    scores: dict[str, dict[int, float]] = {}
    for trial in trials:
        returns = curves[trial.trial_id]["episode_return"]
        final = returns[-n_final(len(returns)) :].mean()
        if math.isfinite(final):
            scores.setdefault(trial.variant, {})[trial.seed] = float(final)
    if not scores:
        return

    def words(values: Sequence[float]) -> str:
        error = np.std(values, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        spread = "" if math.isnan(error) else f" ± {error:.3g}"
        return f"{np.mean(values):,.4g}{spread}"

    means = ", ".join(f"{variant} {words([*of.values()])}" for variant, of in scores.items())
    say(f"Final return (mean ± standard error over seeds): {means}")
    first, *others = scores
    for other in others:
        common = sorted(scores[first].keys() & scores[other].keys())
        leads = [scores[other][seed] - scores[first][seed] for seed in common]
        if not leads:
            continue
        mean = float(np.mean(leads))
        n = f"on {len(common)} seed{'s' * (len(common) > 1)}"
        if mean > 0:
            say(f"{other} is ahead of {first} by {words(leads)} {n}")
        elif mean < 0:
            say(f"{first} is ahead of {other} by {words([-lead for lead in leads])} {n}")
        else:
            say(f"{first} and {other} are level {n}")


def _settings(trials: Sequence[Trial]) -> str:
    """The hyperparameters that these trials read, for a caption."""
    words = []
    for name in (*HYPERPARAMETERS, "max_steps"):
        values = dict.fromkeys(getattr(trial, name) for trial in trials)
        words += [f"{name} {value}" for value in values if value is not None]
    return ", ".join(words)


def draw(
    outputs: Outputs,
    environment: Environment,
    trials: Sequence[Trial],
    curves: Curves,
    n_seeds: int,
) -> None:
    """Draws each trial's curves, the comparison over seeds, or both, as the tasks say.

    `n_seeds` is how many were asked for; some may have failed.
    """
    from hq_ray.analysis.charts.trials import compare_figure, curve_figure, save_png

    trials = _drawable(trials, curves)
    if not trials:
        return
    env = environment.name.removesuffix(" {}")
    for quantity, column in QUANTITIES.items():
        if "plot" in outputs.tasks:
            for trial in trials:
                figure = curve_figure(
                    curves[trial.trial_id][column],
                    variant=trial.variant,
                    seed=trial.seed,
                    env=env,
                    quantity=quantity,
                    smooth=outputs.smooth,
                    settings=_settings([trial]),
                )
                save_png(figure, outputs.curve(trial, quantity))
        if "compare" in outputs.tasks:
            by_variant = _stacked(trials, curves, column)
            figure = compare_figure(
                by_variant,
                env=env,
                quantity=quantity,
                smooth=outputs.smooth,
                planned=dict.fromkeys(by_variant, n_seeds),
                settings=_settings(trials),
            )
            save_png(figure, outputs.comparison(quantity))
    say(f"Figures: {outputs.plots_root}")


def _drawable(trials: Sequence[Trial], curves: Curves) -> list[Trial]:
    """The trials without those that would have failed today, and says so."""
    import numpy as np

    sound = [t for t in trials if np.isfinite(curves[t.trial_id]["episode_return"]).all()]
    if len(sound) < len(trials):
        lost = [trial for trial in trials if trial not in sound]
        say(f"Notice: a return that is NaN or infinite is not drawn: {_named(lost)}")
    return sound


def _named(trials: Sequence[Trial]) -> str:
    names = ", ".join(f"{trial.variant} seed {trial.seed}" for trial in trials[:TRIALS_NAMED])
    more = f" and {len(trials) - TRIALS_NAMED} more" if len(trials) > TRIALS_NAMED else ""
    return names + more


def _stacked(trials: Sequence[Trial], curves: Curves, column: str) -> dict[str, object]:
    import numpy as np

    variants = dict.fromkeys(trial.variant for trial in trials)
    return {
        variant: np.stack([curves[t.trial_id][column] for t in trials if t.variant == variant])
        for variant in variants
    }


def film(outputs: Outputs, trials: Sequence[Trial], results: Results, engine: str) -> None:
    """Films each trial's greedy policy; says which cannot be filmed, and goes on."""
    from hq_ray.video import NotFilmable, film_trial

    tables = load_q_values(results, trials)
    refused: dict[str, list[Trial]] = {}
    for trial in trials:
        q_values = tables.get(trial.trial_id)
        if q_values is None:
            q_values = train(trial, engine).log.q_values
        try:
            stem = outputs.video_stem(trial)
            film_trial(trial, q_values, stem, max_steps=outputs.video_max_steps)
        except NotFilmable as problem:
            refused.setdefault(str(problem), []).append(trial)
    for sentence, some in refused.items():
        say(f"Notice: no video of {_named(some)}: {sentence}")
    if sum(map(len, refused.values())) < len(trials):
        say(f"Videos: {outputs.videos_root}")
