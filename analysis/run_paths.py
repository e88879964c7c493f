"""Where `hq-ray run` puts its files, and whether it may."""

import json
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hq_ray.errors import InputError
from hq_ray.trial import Trial

TAG = re.compile(r"[A-Za-z0-9][\w.,=+\-]*", re.ASCII)
UNSAFE = re.compile(r"[^\w.,=+\-]+", re.ASCII)
LONGEST_TAG = 100


@dataclass(frozen=True)
class RunPaths:
    """Every output path of a run except the results themselves."""

    tag: str
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


def checked_tag(tag: str | None, env: str, env_args: str) -> str:
    """The tag given, or one made of the environment's id and arguments.

    Raises:
        InputError: it could not be a file name.
    """
    if tag is None:
        settings = ",".join(f"{name}={value}" for name, value in json.loads(env_args).items())
        made = "-".join(filter(None, [env.rpartition(":")[2], settings]))
        return UNSAFE.sub("_", made).strip("_.")[:LONGEST_TAG]
    if not TAG.fullmatch(tag):
        raise InputError(
            "tag must start with a letter or digit and hold only letters, digits and _ . , = + -, "
            f"got {tag!r}"
        )
    return tag


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
