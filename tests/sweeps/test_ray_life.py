import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hq_ray.errors import HqRayError
from hq_ray.sweeps.ray_life import SESSION_MARKER, SESSION_PREFIX, session_folder

KILLED = """
import os, sys
from hq_ray.sweeps.ray_life import session_folder
with session_folder(sys.argv[1]):
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The session folder of a process that was killed."""
    place = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, place])
    (folder,) = place.iterdir()
    return folder


def leave(folder, marker):
    """A session folder of a killed process, with Ray's in it."""
    (folder / "r").mkdir(parents=True)
    if marker is not None:
        (folder / SESSION_MARKER).write_text(marker)


def test_a_session_folder_is_private_says_whose_it_is_and_goes(tmp_path):
    before = os.umask(0)
    try:
        with session_folder(tmp_path) as inner:
            private = Path(inner).parent
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
            assert json.loads((private / SESSION_MARKER).read_text())["pid"] == os.getpid()
            with session_folder(tmp_path):
                assert private.exists(), "its process lives"
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="elsewhere nothing is removed")
def test_only_what_is_certainly_ours_and_dead_is_removed(killed, tmp_path):
    of_dead = json.loads((killed / SESSION_MARKER).read_text())
    with session_folder(tmp_path) as inner:
        of_this = json.loads((Path(inner).parent / SESSION_MARKER).read_text())
    odd = [{"host": "another"}, {"boot": "another"}, {"pid_namespace": "pid:[1]"}, of_this]
    odd += [{"pid": number} for number in (1.5, True, "1")]
    odd += [{name: None} for name in of_dead]
    markers = [json.dumps({**of_dead, **change}) for change in odd]
    lacking = [{key: of_dead[key] for key in of_dead if key != name} for name in of_dead]
    markers += [json.dumps(marker) for marker in lacking]
    markers += ["", json.dumps(of_dead)[:-9], "[1]", "[" * 100_000, None]
    for number, marker in enumerate(markers):
        leave(tmp_path / f"{SESSION_PREFIX}{number}", marker)
    for name in ("hq-1-mine", "hq-999999999-mine", "hq-ray-notes"):
        (tmp_path / name).mkdir()
    (tmp_path / f"{SESSION_PREFIX}file").write_text(json.dumps(of_dead))
    (tmp_path / f"{SESSION_PREFIX}link").symlink_to(killed)
    if os.geteuid() == 0:
        leave(tmp_path / f"{SESSION_PREFIX}another-user", json.dumps(of_dead))
        os.chown(tmp_path / f"{SESSION_PREFIX}another-user", 65534, 65534)
    stays = set(tmp_path.iterdir())
    leave(tmp_path / f"{SESSION_PREFIX}killed", json.dumps(of_dead))
    leave(tmp_path / f"{SESSION_PREFIX}reused", json.dumps({**of_dead, "pid": os.getpid()}))
    with session_folder(tmp_path):
        pass
    assert set(tmp_path.iterdir()) == stays
    assert (killed / SESSION_MARKER).exists()


def test_a_temporary_folder_that_cannot_be_written_is_said(tmp_path):
    with (
        pytest.raises(HqRayError, match=r"Ray needs a folder in .*: No such file"),
        session_folder(tmp_path / "missing"),
    ):
        pass
