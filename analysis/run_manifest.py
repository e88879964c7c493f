"""What `hq-ray run` wrote into a folder of outputs, and from which setting.

The paths of logs, figures and films are fixed and name no environment. So each folder has a list of
what was written there: a run of another setting replaces the files on it, all of which can be made
again from the results, and touches no other file. Comparisons have their tag in their names; those
of other tags stay.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hq_ray.analysis.run_paths import make_folders
from hq_ray.errors import InputError
from hq_ray.location import Location
from hq_ray.sweeps.progress import notice

COMPARISON = re.compile(r"compare/([^/\\]+)_mean_se_(returns|steps)\.png")
# All else that `hq-ray run` ever writes; a list that names anything more is not believed.
OF_ONE_TRIAL = re.compile(
    r"[^/\\.][^/\\]*/(s\d+/[^/\\]+_(returns|steps)\.csv"
    r"|(learning|steps)_curve_s\d+\.png|greedy_s\d+\.(mp4|gif))"
)
Setting = Mapping[str, object]
DIFFERENCES_NAMED = 3


class OutputRoot:
    """One folder of outputs during a run.

    Attributes:
        folder: where the files lie.
        flag: the flag that names another folder.
        setting: all that decides what the files hold, except variants and seeds; `tag` among it.
    """

    def __init__(self, folder: Path, flag: str, setting: Setting):
        self.folder, self.flag, self.setting = folder, flag, setting
        text = json.dumps(setting, sort_keys=True)
        self._mine = hashlib.sha256(text.encode()).hexdigest()[:16]
        # Logs, figures and films may share a folder, and each kind has its own list.
        kind = flag.removeprefix("--").removesuffix("_root").removesuffix("s")
        self._list = f".hq_ray_{kind}s.json"

    def check(self, files: Collection[Path]) -> None:
        """Refuses to write over files that no run is known to have written.

        Raises:
            InputError: some are there, or the list is damaged.
        """
        known, _ = self._read()
        foreign = [
            path
            for path in files
            if os.path.lexists(path) and not (self._name(path) in known and self._is_inside(path))
        ]
        if foreign:
            more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
            raise InputError(
                f"{foreign[0]}{more} must be written by this run, but there is such a file and no "
                f"note that `hq-ray run` wrote it; move it away, or name another folder with "
                f"{self.flag}"
            )

    def earlier(self) -> list[Setting]:
        """The settings of the files that `writing` would remove."""
        known, settings = self._read()
        there = (k for name, k in self._stale(known).items() if (self.folder / name).exists())
        return [settings[key] for key in dict.fromkeys(there)]

    @contextmanager
    def writing(self, files: Collection[Path]) -> Iterator[None]:
        """A block that may write these files, after those of other settings have gone.

        Killed at any moment it leaves no file that is not on the list; the next run goes on.
        """
        made: list[Path] = []
        try:
            make_folders(self.folder, made)
            with _alone(self.folder):
                self.check(files)
                known, settings = self._read()
                stale = self._stale(known)
                for name in stale:
                    self._remove(name)
                known = {name: key for name, key in known.items() if name not in stale}
                known |= dict.fromkeys(map(self._name, files), self._mine)
                settings = {**settings, self._mine: self.setting}
                self._write(known, settings)
                try:
                    yield
                finally:
                    with suppress(OSError):
                        there = {n: k for n, k in known.items() if (self.folder / n).exists()}
                        self._write(there, settings)
        finally:
            for folder in reversed(made):
                with suppress(OSError):  # not empty
                    folder.rmdir()

    def _stale(self, known: Mapping[str, str]) -> dict[str, str]:
        """Those of other settings, without the comparisons of other tags."""
        names = {name: COMPARISON.fullmatch(name) for name in known}
        tag = self.setting["tag"]
        of_this_tag = {name for name, found in names.items() if not found or found[1] == tag}
        return {n: key for n, key in known.items() if key != self._mine and n in of_this_tag}

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _is_inside(self, path: Path) -> bool:
        """Whether it lies in the folder itself; a link may lead anywhere."""
        return not path.is_symlink() and path.resolve().is_relative_to(self.folder.resolve())

    def _remove(self, name: str) -> None:
        """Removes a file, and its folders where they are empty then."""
        path = self.folder / name
        if not self._is_inside(path):
            return
        path.unlink(missing_ok=True)
        for folder in Path(name).parents[:-1]:
            with suppress(OSError):  # not empty
                (self.folder / folder).rmdir()

    def _read(self) -> tuple[dict[str, str], dict[str, Setting]]:
        """The key of each file's setting, and the setting of each key."""
        path = self.folder / self._list
        try:
            info = json.loads(path.read_bytes())
            files, settings = dict(info["files"]), dict(info["settings"])
            sound = all(
                (OF_ONE_TRIAL.fullmatch(name) or COMPARISON.fullmatch(name)) and dict(settings[key])
                for name, key in files.items()
            )
        except FileNotFoundError:
            return {}, {}
        except (ValueError, TypeError, KeyError, RecursionError):
            sound = False
        if not sound:
            raise InputError(
                f"{path} must be the list of what `hq-ray run` wrote there, but it is damaged; "
                f"empty the folder, or name another with {self.flag}"
            )
        return files, settings

    def _write(self, files: Mapping[str, str], settings: Mapping[str, Setting]) -> None:
        place = Location.of(self.folder)
        if files:
            used = {key: settings[key] for key in dict.fromkeys(files.values())}
            info = {"files": files, "settings": used}
            place.write(self._list, json.dumps(info, indent=1).encode())
        else:
            place.delete(self._list)


def replaced(roots: Sequence[OutputRoot]) -> str | None:
    """One sentence on what writing to these folders will remove; None where that is nothing."""
    some = [(root, setting) for root in roots for setting in root.earlier()]
    if not some:
        return None
    differences = [
        f"{name} {setting.get(name)}"
        for root, setting in some
        for name in root.setting
        if setting.get(name) != root.setting[name]
    ]
    folders = " and ".join(dict.fromkeys(str(root.folder) for root, _ in some))
    flags = " and ".join(dict.fromkeys(root.flag for root, _ in some))
    return (
        f"{folders} held files of an earlier run with "
        f"{', '.join(list(dict.fromkeys(differences))[:DIFFERENCES_NAMED])}, which this run "
        f"replaces; to keep both, name other folders with {flags}"
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other run writes here."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network disk without locks
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                notice(f"waiting for another run that writes to {folder}")
                fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
