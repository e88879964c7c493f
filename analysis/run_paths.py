"""What `hq-ray run` makes besides the results, where it puts that, and whether it may."""

import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hq_ray.environments import Environment
from hq_ray.errors import InputError
from hq_ray.trial import Trial

UNSAFE = re.compile(r"[^\w.,+\-]+", re.ASCII)
LONGEST_TAG = 100


@dataclass(frozen=True)
class Outputs:
    """What a run makes of its trials, and every path except those of the results.

    Attributes:
        tasks: of `train` (which writes the CSV logs), `plot` and `compare`.
        smooth: window of the curves [episodes].
        record_video: whether to film.
        video_max_steps: longest film [steps].
        tag: name of the results and of the comparisons.
        log_root, plots_root, videos_root: folders.
    """

    tasks: frozenset[str]
    smooth: int
    record_video: bool
    video_max_steps: int
    tag: str | None
    log_root: Path
    plots_root: Path
    videos_root: Path

    def log(self, trial: Trial, quantity: str) -> Path:
        """CSV log of one trial; `quantity` is `returns` or `steps`."""
        folder = self.log_root / trial.variant / f"s{trial.seed}"
        return folder / f"{trial.variant}_{quantity}.csv"

    def curve(self, trial: Trial, quantity: str) -> Path:
        """Figure of one trial."""
        stem = {"returns": "learning_curve", "steps": "steps_curve"}[quantity]
        return self.plots_root / trial.variant / f"{stem}_s{trial.seed}.png"

    def comparison(self, quantity: str) -> Path:
        """Figure of all variants, mean and standard error over seeds."""
        return self.plots_root / "compare" / f"{self.tag}_mean_se_{quantity}.png"

    def video_stem(self, trial: Trial) -> Path:
        """Film of one trial's greedy policy, without suffix."""
        return self.videos_root / trial.variant / f"greedy_s{trial.seed}"

    def folders(self) -> list[Path]:
        """The folders that the tasks write to."""
        return [
            *([self.log_root] if "train" in self.tasks else ()),
            *([self.plots_root] if self.tasks & {"plot", "compare"} else ()),
            *([self.videos_root] if self.record_video else ()),
        ]


def default_tag(environment: Environment) -> str:
    """A tag made of the environment's id and arguments."""
    arguments = json.loads(environment.args)
    settings = ",".join(f"{name}-{value}" for name, value in arguments.items())
    made = "-".join(filter(None, [environment.id.rpartition(":")[2], settings]))
    return UNSAFE.sub("_", made).strip("_.")[:LONGEST_TAG]


def check_writable(folders: Iterable[Path]) -> None:
    """Proves that files can be made in each folder, and leaves no trace of the proof.

    Raises:
        InputError: one of them cannot be written to.
    """
    for folder in folders:
        made: list[Path] = []
        try:
            make_folders(folder, made)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except FileExistsError as problem:
            raise InputError(
                f"output folder {str(folder)!r} must be a folder, but "
                f"{problem.filename!r} is something else"
            ) from None
        except OSError as problem:
            reason = os.strerror(problem.errno) if problem.errno else str(problem)
            raise InputError(
                f"output folder {str(folder)!r} must be writable, but: {reason}"
            ) from None
        finally:
            for path in reversed(made):
                path.rmdir()


def make_folders(folder: Path, made: list[Path]) -> None:
    """Makes a folder and those above it, each added to `made` as soon as it is there."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folders(folder.parent, made)
    folder.mkdir()
    made.append(folder)
