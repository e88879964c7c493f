"""Ray Tune as one sets it up for short trials: reused actors, no loggers, few checkpoints."""

import contextlib
import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contenders import Outcome, Run, load_loops, train_one, write_summaries
from jobs import VARIANTS, Job, trials_of
from machine import cores

from hq_ray.sweeps.ray_executor import ray_session

# Otherwise Tune writes three logs a trial, and its own state every few seconds.
SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_AIR_NEW_OUTPUT": "0",
}
os.environ.update(SETTINGS)

from ray import tune  # noqa: E402  (reads the settings)


class TuneTrial(tune.Trainable):
    """One trial is one step. An actor trains trial after trial."""

    def setup(self, config: dict) -> None:
        """Loads the loops, once per actor."""
        load_loops()
        self.reset_config(config)

    def reset_config(self, new_config: dict) -> bool:
        """Takes the next trial."""
        self.chosen = new_config
        return True

    def step(self) -> dict:
        """Trains the trial and writes its file."""
        began = time.time()
        kinds = dict(zip(VARIANTS, self.chosen["kinds"], strict=True))
        kind = kinds[self.chosen["variant"]]
        trial = type(kind)(**{**kind.identity, "seed": self.chosen["seed"]})
        row = train_one(trial, Path(self.chosen["folder"]))
        return {"row": row, "began": began, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a trial that is lost is trained again."""

    def load_checkpoint(self, checkpoint: str) -> None:
        """Nothing."""


@contextmanager
def tune_session() -> Iterator[Run]:
    """Ray is started here; Tune starts its actors at each run, which is not counted."""
    with ray_session():
        yield _run


def _run(job: Job, n_trials: int, folder: Path) -> Outcome:
    episodes = folder / "episodes"
    episodes.mkdir(parents=True)
    tuner = tune.Tuner(
        tune.with_resources(TuneTrial, {"cpu": 1}),
        param_space={
            "kinds": trials_of(job, len(VARIANTS)),
            "folder": str(episodes),
            "variant": tune.grid_search(list(VARIANTS)),
            "seed": tune.grid_search(list(range(n_trials // len(VARIANTS)))),
        },
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        results = tuner.fit()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
    told = [result.metrics for result in results]
    rows = [metrics["row"] for metrics in told]
    write_summaries(rows, folder)
    seconds = time.time() - min(metrics["began"] for metrics in told)
    return Outcome(len(rows), seconds, sum(row["train_seconds"] for row in rows), cores())
