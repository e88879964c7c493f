"""What `hq-ray run` writes besides the results: CSV logs, figures and films.

The paths are fixed and name no environment. So each folder has a list of what was written there and
from which setting: a run of another setting replaces the files on it, all of which can be made
again from the results, and touches no other file. Comparisons have their tag in their names; those
of other tags stay.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hq_ray.analysis.words import format_number
from hq_ray.cli import say
from hq_ray.encoding import encode_csv
from hq_ray.errors import InputError, some_of
from hq_ray.hyperparameters import HYPERPARAMETERS, Value
from hq_ray.load import load_curves, load_q_values, load_trials
from hq_ray.location import Location
from hq_ray.store import Results
from hq_ray.sweeps.ownership import take_lock
from hq_ray.sweeps.progress import notice
from hq_ray.training import train
from hq_ray.trial import UNSEEDED, Trial, environment_name
from hq_ray.updates import variant_stem

# By quantity, as files name it: the column of episodes, and the name of a trial's figure.
DRAWN = {"returns": ("episode_return", "learning_curve"), "steps": ("steps", "steps_curve")}


@dataclass(frozen=True)
class Outputs:
    """What a run makes of its trials, and where: the flags of these names.

    The tag is None until the environment is known.
    """

    task: str
    smooth: int
    record_video: bool
    video_max_steps: int
    tag: str | None
    log_root: Path
    plots_root: Path
    videos_root: Path

    def makes(self, task: str) -> bool:
        """Whether a task is to be done."""
        return self.task in (task, "all")


class File(NamedTuple):
    """A file to write: what it shows of which trials."""

    path: Path
    quantity: str
    trials: Sequence[Trial]


@dataclass(frozen=True)
class OutputRoot:
    """A folder that a run writes to.

    Attributes:
        kind: `logs`, `plots` or `videos`; folders may be shared, and each kind has its own list.
        flag: the flag that names another folder.
        folder: where the files go.
        setting: all that decides what the files hold, except variants and seeds; `tag` among it.
        files: the files to write.
    """

    kind: str
    flag: str
    folder: Path
    setting: Mapping[str, Any]
    files: Sequence[File]

    def check(self) -> tuple[list[Path], list[Path]]:
        """The files of earlier runs that stay, and those that this run removes.

        It removes those of another setting, without the comparisons of other tags.

        Raises:
            InputError: it would write over a file that is not on the list, or the list is damaged.
        """
        # Looked for before the list is read, since files are listed before they are written.
        there = [file.path for file in self.files if os.path.lexists(file.path)]
        setting, ours = self._read()
        if foreign := [str(path) for path in there if path not in ours]:
            raise InputError(
                f"this run would write over {some_of(foreign, 1)}, which `hq-ray run` did not "
                f"write; move it away, or name another folder with {self.flag}"
            )
        if setting == self.setting:
            return ours, []
        mine = f"{self.setting['tag']}_mean_se_"
        kept = [p for p in ours if p.parent.name == "compare" and not p.name.startswith(mine)]
        return kept, [path for path in ours if path not in kept]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A block that may write the files, after those of another setting have gone.

        Killed at any moment it leaves no file that is not on the list; the next run goes on.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            with suppress(OSError):  # Windows opens no folder
                number = os.open(self.folder, os.O_RDONLY)
                stack.callback(os.close, number)
                if take_lock(number) is False:
                    notice(f"waiting for another run that writes to {self.folder}")
                    take_lock(number, wait=True)
            kept, stale = self.check()
            for path in stale:
                self._remove(path)
            listed = list(dict.fromkeys([*kept, *(file.path for file in self.files)]))
            self._write(listed)
            try:
                yield
            finally:
                with suppress(OSError):
                    self._write([path for path in listed if path.exists()])

    def _remove(self, path: Path) -> None:
        """Removes a file, and its folders where they are empty then."""
        path.unlink()
        with suppress(OSError):  # not empty
            while (path := path.parent) != self.folder:
                path.rmdir()

    def _read(self) -> tuple[Mapping[str, Any], list[Path]]:
        """The setting of the last run, and those of the listed files that are there.

        What a link leads to is not in the folder, whatever the list says.
        """
        path, root = self.folder / f".hq_ray_{self.kind}.json", self.folder.resolve()
        try:
            info = json.loads(path.read_bytes())
            plain = {name: root / name for name in info["files"]}
            inside = [n for n, one in plain.items() if one == one.resolve() and root in one.parents]
            return dict(info["setting"]), [self.folder / n for n in inside if plain[n].exists()]
        except FileNotFoundError:
            return {}, []
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(
                f"{path} must be the list of what `hq-ray run` wrote there, but it is damaged; "
                f"empty the folder, or name another with {self.flag}"
            ) from None

    def _write(self, listed: Sequence[Path]) -> None:
        """Writes the list; without a file there is neither a list nor an empty folder."""
        names = [path.relative_to(self.folder).as_posix() for path in listed]
        info = {"setting": self.setting, "files": names}
        place, name = Location.of(self.folder), f".hq_ray_{self.kind}.json"
        place.write(name, json.dumps(info, indent=1).encode())
        if not listed:
            place.delete(name)
            self.folder.rmdir()


def output_roots(
    outputs: Outputs, trials: Sequence[Trial], given: Mapping[str, Value]
) -> list[OutputRoot]:
    """The folders that the task writes to, each with the files of these trials.

    Of the setting are the hyperparameters given and the defaults of all others, also of those that
    these variants do not read: their files stay beside those of another variant.
    """
    names = ("env", "env_args", "episodes", "max_steps")
    setting = {name: getattr(trials[0], name) for name in names}
    setting |= {name: given.get(name, row.default) for name, row in HYPERPARAMETERS.items()}
    setting |= {"tag": outputs.tag, "model": trials[0].fingerprint}
    drawn, filmed = {"smooth": outputs.smooth}, {"video_max_steps": outputs.video_max_steps}
    logs, figures, films = [], [], []
    for trial in trials:
        name, seed = variant_stem(trial.variant), f"s{trial.seed}"
        for quantity, (_, curve) in DRAWN.items():
            if outputs.makes("train"):
                path = outputs.log_root / name / seed / f"{name}_{quantity}.csv"
                logs.append(File(path, quantity, [trial]))
            if outputs.makes("plot"):
                path = outputs.plots_root / name / f"{curve}_{seed}.png"
                figures.append(File(path, quantity, [trial]))
        if outputs.record_video:
            films.append(File(outputs.videos_root / name / f"greedy_{seed}.mp4", "film", [trial]))
    for quantity in DRAWN if outputs.makes("compare") else ():
        path = outputs.plots_root / "compare" / f"{outputs.tag}_mean_se_{quantity}.png"
        figures.append(File(path, quantity, trials))
    roots = (
        OutputRoot("logs", "--log_root", outputs.log_root, setting, logs),
        OutputRoot("plots", "--plots_root", outputs.plots_root, setting | drawn, figures),
        OutputRoot("videos", "--videos_root", outputs.videos_root, setting | filmed, films),
    )
    return [root for root in roots if root.files]


def write_outputs(
    outputs: Outputs, trials: Sequence[Trial], given: Mapping[str, Value], results: Results
) -> None:
    """Writes logs, figures and films of done trials, and says what they replace."""
    roots = output_roots(outputs, trials, given)
    curves = load_curves(results, trials, [column for column, _ in DRAWN.values()])
    replaced = [root for root in roots if root.check()[1]]
    if replaced:
        folders = " and ".join(dict.fromkeys(str(root.folder) for root in replaced))
        flags = " and ".join(root.flag for root in replaced)
        say(
            f"Notice: {folders} held files of an earlier run of another environment or setting, "
            f"which this run replaces; to keep both, name other folders with {flags}"
        )
    for root in roots:
        with root.writing():
            if root.kind == "logs":
                for path, quantity, (trial,) in root.files:
                    column, _ = DRAWN[quantity]
                    content = encode_csv(column, curves[trial.trial_id][column])
                    Location.of(path.parent).write(path.name, content)
                say(f"Logs: {root.folder}")
            elif root.kind == "plots":
                _draw(root, curves, outputs.smooth)
            else:
                _film(root, results, outputs.video_max_steps)
    if outputs.makes("train"):
        _say_who_is_ahead(trials, results)


def _draw(root: OutputRoot, curves: Mapping[str, Mapping[str, np.ndarray]], smooth: int) -> None:
    from hq_ray.analysis.charts.curves import learning_figure
    from hq_ray.analysis.charts.page import save_png

    for path, quantity, trials in root.files:
        column, _ = DRAWN[quantity]
        parts: dict[str, list[Trial]] = {}
        for trial in trials:
            parts.setdefault(trial.variant, []).append(trial)
        title = f"{environment_name(trial.env, trial.env_args)}: {' vs '.join(parts)}"
        if path.parent.name != "compare":
            title += f", seed {trial.seed}"
        shown = {
            variant: ([t.seed for t in part], np.stack([curves[t.trial_id][column] for t in part]))
            for variant, part in parts.items()
        }
        figure = learning_figure(
            shown, title=title, quantity=quantity, smooth=smooth, settings=_caption(trials)
        )
        save_png(figure, path)
    say(f"Figures: {root.folder}")


def _caption(trials: Sequence[Trial]) -> str:
    """The hyperparameters that these trials read."""
    words = []
    for name in (*HYPERPARAMETERS, "max_steps"):
        values = dict.fromkeys(getattr(trial, name) for trial in trials)
        words += [f"{name} {value}" for value in values if value is not None]
    own = {name: value for trial in trials for name, value in trial.rule_values.items()}
    return ", ".join(words + [f"{name} {value}" for name, value in own.items()])


def _film(root: OutputRoot, results: Results, max_steps: int) -> None:
    """Films each trial's greedy policy; says which cannot be filmed, and goes on."""
    from hq_ray.video import NotFilmable, film_trial

    tables = load_q_values(results, [trial for file in root.files for trial in file.trials])
    refused: dict[str, list[str]] = {}
    for path, _, (trial,) in root.files:
        q_values = tables.get(trial.trial_id)
        if q_values is None:
            q_values = train(trial).log.q_values
        try:
            film_trial(trial, q_values, path, max_steps=max_steps)
        except NotFilmable as problem:
            refused.setdefault(str(problem), []).append(f"{trial.variant} seed {trial.seed}")
    for sentence, names in refused.items():
        say(f"Notice: no video of {some_of(names, 3)}: {sentence}")
    if sum(map(len, refused.values())) < len(root.files):
        say(f"Videos: {root.folder}")


def _say_who_is_ahead(trials: Sequence[Trial], results: Results) -> None:
    """The mean final return of each variant and, if seeds are paired, its lead over the first."""
    frame = load_trials(results, quiet=True)
    frame = frame[frame["trial_id"].isin([trial.trial_id for trial in trials])]
    scores = frame.pivot(index="seed", columns="variant", values="final_return")

    def mean_and_se(values: pd.Series) -> str:
        error = values.sem()
        mean = format_number(float(f"{values.mean():.4g}"))
        return mean + (f" ± {format_number(float(f'{error:.3g}'))}" if error == error else "")

    first, *others = dict.fromkeys(trial.variant for trial in trials)
    means = ", ".join(f"{variant} {mean_and_se(scores[variant])}" for variant in (first, *others))
    say(f"Final return (mean ± standard error over seeds): {means}")
    if trials[0].fingerprint == UNSEEDED:
        return  # no seeds are paired
    for other in others:
        leads = (scores[other] - scores[first]).dropna()
        n = f"on {len(leads)} seed{'s' * (len(leads) != 1)}"
        if leads.mean() > 0:
            say(f"{other} is ahead of {first} by {mean_and_se(leads)} {n}")
        elif leads.mean() < 0:
            say(f"{first} is ahead of {other} by {mean_and_se(-leads)} {n}")
        elif len(leads):
            say(f"{first} and {other} are level {n}")
