"""What `hq-ray run` does: train what is missing, then write logs, figures and films from disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.load import load_curves, load_q_values
from hq_ray.cli_options import say
from hq_ray.encoding import encode_csv
from hq_ray.environments import Environment, make, resolve
from hq_ray.errors import InputError, near_miss
from hq_ray.hyperparameters import HYPERPARAMETERS, Value
from hq_ray.location import Location
from hq_ray.run_paths import RunPaths, check_writable, checked_tag
from hq_ray.spaces import observation_encoder
from hq_ray.store import Results
from hq_ray.training import ENGINES, train
from hq_ray.trial import Trial
from sweeps.batching import parse_trials_per_task
from sweeps.driver import Tally
from sweeps.plan import Plan, one_configuration_each, plan
from sweeps.run import RunOptions, run_missing
from sweeps.session import Session

# Figure file and log names speak of returns and steps; the columns are one entry each.
QUANTITIES = {"returns": "episode_return", "steps": "steps"}
Curves = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Request:
    """A run as asked for, checked as far as that goes without the environment."""

    env: str
    env_args: Mapping[str, object]
    variants: Sequence[str]
    seeds: Sequence[int]
    episodes: int
    max_steps: int | None
    hyperparameters: Mapping[str, Value]
    smooth: int
    tasks: frozenset[str]
    record_video: bool
    video_max_steps: int
    tag: str | None
    results: str
    log_root: Path
    plots_root: Path
    videos_root: Path
    options: RunOptions

    @classmethod
    def from_flags(
        cls,
        *,
        task: str,
        local: bool,
        address: str | None,
        cores: int | None,
        trials_per_task: str,
        engine: str,
        log_root: str,
        plots_root: str,
        videos_root: str,
        **flags: object,
    ) -> "Request":
        """A request from the flags of the command line."""
        if engine not in ENGINES:
            raise InputError(f"unknown engine {engine!r}{near_miss(engine, ENGINES)}")
        return cls(
            tasks=frozenset({"train", "plot", "compare"} if task == "all" else {task}),
            log_root=Path(log_root),
            plots_root=Path(plots_root),
            videos_root=Path(videos_root),
            options=RunOptions(
                local=local,
                address=address,
                cores=cores,
                trials_per_task=parse_trials_per_task(trials_per_task),
                engine=engine,
                keep_q_values=True,
            ),
            **flags,
        )


def run(request: Request) -> int:
    """Does the tasks of a request; returns the exit code, 1 if a trial failed.

    Raises:
        InputError: something asked for cannot be; nothing has been written.
        SweepStopped: training ended early.
    """
    environment = resolve(request.env, request.env_args)
    for notice in environment.notices:
        say(f"Notice: {notice}")
    trials = one_configuration_each(
        environment,
        request.variants,
        request.seeds,
        request.episodes,
        request.max_steps,
        request.hyperparameters,
    )
    tag = checked_tag(request.tag, environment.id, environment.args)
    paths = RunPaths(tag, request.log_root, request.plots_root, request.videos_root)
    location = Location.of(request.results).child(tag)
    results = Results.at(location)
    planned = plan(trials, results.published())
    if planned.missing and "train" not in request.tasks:
        raise InputError(
            f"trials must be trained before their figures can be drawn, but {len(planned.missing)} "
            f"of {len(trials)} are not in {location.text}; use --task train or --task all"
        )
    check_writable(_output_folders(request, paths, location))
    return _run_checked(request, environment, planned, results, paths)


def _output_folders(request: Request, paths: RunPaths, location: Location) -> list[Path]:
    folders = []
    if "train" in request.tasks:
        folders += [paths.log_root, *([Path(location.path)] if location.is_local else [])]
    if request.tasks & {"plot", "compare"}:
        folders.append(paths.plots_root)
    if request.record_video:
        folders.append(paths.videos_root)
    return folders


def _run_checked(
    request: Request, environment: Environment, planned: Plan, results: Results, paths: RunPaths
) -> int:
    trials: Sequence[Trial] = list(planned.trials)
    code, session = 0, None
    if "train" in request.tasks:
        session, tally = _train(request, environment, planned, results)
        code = 1 if tally.failed else 0
        if tally.interrupted:
            say(f"Interrupted with {tally.done} trials trained; the same command resumes.")
            return 130
        published = results.published()
        trials = [trial for trial in trials if published.get(trial.trial_id) == "done"]
        if not trials:
            return code
    if session is not None:
        session.close()
    curves = load_curves(results, trials, list(QUANTITIES.values()))
    if "train" in request.tasks:
        _write_logs(trials, curves, paths)
    if request.tasks & {"plot", "compare"}:
        _draw(request, environment, trials, curves, paths)
    if request.record_video:
        _film(request, environment, trials, results, paths)
    if session is not None:
        session.join()
    return code


def _train(
    request: Request, environment: Environment, planned: Plan, results: Results
) -> tuple[Session | None, Tally]:
    where = results.location.text
    if not planned.missing:
        say(f"All {len(planned.trials)} trials are already in {where}; nothing to train.")
        return None, Tally()
    results.describe(
        Path(results.location.path).name,
        {
            "env": {"id": environment.id, **dict(request.env_args)},
            "variant": list(request.variants),
            "seeds": list(request.seeds),
            "episodes": request.episodes,
            "max_steps": request.max_steps or environment.max_steps,
            "parameters": dict(request.hyperparameters),
        },
        {f"{environment.id} {environment.args}": environment.fingerprint},
    )
    options = request.options
    session = None if options.local else Session(options.address, options.cores)
    try:
        tally = run_missing(planned.missing, results, options, session)
    except BaseException:
        if session is not None:
            session.join()
        raise
    already = f", {planned.n_done} were there" if planned.n_done else ""
    say(f"Trained {tally.done} trials ({tally.steps / 1e6:.2f} M steps{already}): {where}")
    for reason, count in tally.reasons.most_common(5):
        say(f"{count} failed: {reason}")
    return session, tally


def _write_logs(trials: Sequence[Trial], curves: Curves, paths: RunPaths) -> None:
    for trial in trials:
        for quantity, column in QUANTITIES.items():
            path = paths.log(trial, quantity)
            content = encode_csv(column, curves[trial.trial_id][column])
            Location.of(path.parent).write(path.name, content)
    say(f"Logs: {paths.log_root}")


def _settings(trials: Sequence[Trial]) -> str:
    """The hyperparameters that these trials read, for a caption."""
    words = []
    for name in (*HYPERPARAMETERS, "max_steps"):
        values = dict.fromkeys(getattr(trial, name) for trial in trials)
        words += [f"{name} {value}" for value in values if value is not None]
    return ", ".join(words)


def _draw(
    request: Request,
    environment: Environment,
    trials: Sequence[Trial],
    curves: Curves,
    paths: RunPaths,
) -> None:
    from analysis.figures import compare_figure, curve_figure, save_png

    env = environment.id if environment.args == "{}" else f"{environment.id} {environment.args}"
    for quantity, column in QUANTITIES.items():
        if "plot" in request.tasks:
            for trial in trials:
                figure = curve_figure(
                    curves[trial.trial_id][column],
                    variant=trial.variant,
                    seed=trial.seed,
                    env=env,
                    quantity=quantity,
                    smooth=request.smooth,
                    settings=_settings([trial]),
                )
                save_png(figure, paths.curve(trial, quantity))
        if "compare" in request.tasks:
            by_variant = _stacked(trials, curves, column)
            figure = compare_figure(
                by_variant,
                env=env,
                quantity=quantity,
                smooth=request.smooth,
                planned={variant: len(request.seeds) for variant in by_variant},
                settings=_settings(trials),
            )
            save_png(figure, paths.comparison(quantity))
    say(f"Figures: {paths.plots_root}")


def _stacked(trials: Sequence[Trial], curves: Curves, column: str) -> dict[str, object]:
    import numpy as np

    variants = dict.fromkeys(trial.variant for trial in trials)
    return {
        variant: np.stack([curves[t.trial_id][column] for t in trials if t.variant == variant])
        for variant in variants
    }


def _film(
    request: Request,
    environment: Environment,
    trials: Sequence[Trial],
    results: Results,
    paths: RunPaths,
) -> None:
    from hq_ray.video import NotFilmable, film_greedy

    tables = load_q_values(results, trials)
    for trial in trials:
        q_values = tables.get(trial.trial_id)
        if q_values is None:
            q_values = train(trial, request.options.engine).log.q_values

        def made(trial: Trial = trial) -> object:
            return make(trial.env, trial.env_args, trial.max_steps, render_mode="rgb_array")

        _, encode = observation_encoder(make(trial.env, trial.env_args).observation_space)
        try:
            film_greedy(
                made,
                q_values,
                encode,
                paths.video_stem(trial),
                seed=trial.seed,
                max_steps=request.video_max_steps,
            )
        except NotFilmable as problem:
            say(f"Notice: no video: {problem}")
            return
    say(f"Videos: {paths.videos_root}")
