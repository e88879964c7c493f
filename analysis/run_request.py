"""A run as asked for on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hq_ray.hyperparameters import Value
from hq_ray.sweeps.batching import parse_trials_per_task
from hq_ray.sweeps.run import RunOptions
from hq_ray.training import check_engine


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
        repair: bool,
        accept_source: bool,
        log_root: str,
        plots_root: str,
        videos_root: str,
        **flags: object,
    ) -> "Request":
        """A request from the flags of the command line."""
        check_engine(engine)
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
                repair=repair,
                accept_source=accept_source,
            ),
            **flags,
        )
