import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hq_ray.errors import HqRayError
from hq_ray.sweeps.ray_life import SESSION_LOCK, SESSION_PREFIX, session_folder

KILLED = """
import os, sys
from hq_ray.sweeps.ray_life import session_folder
with session_folder(sys.argv[1]) as inner:
    os.mkdir(inner)
    os.kill(os.getpid(), 9)
"""


def test_only_what_is_certainly_ours_and_dead_is_removed(tmp_path):
    pytest.importorskip("fcntl")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for place in (tmp_path, elsewhere):
        subprocess.run([sys.executable, "-c", KILLED, place])
    (killed,) = tmp_path.glob(f"{SESSION_PREFIX}*")
    (linked,) = elsewhere.iterdir()
    for name in ("hq-1-mine", "hq-ray-notes", f"{SESSION_PREFIX}without-a-lock"):
        (tmp_path / name / "r").mkdir(parents=True)
    for name, marker in (("elsewhere", {"boot": "another"}), ("of-nobody", {}), ("odd", [1])):
        (tmp_path / f"{SESSION_PREFIX}{name}").mkdir()
        (tmp_path / f"{SESSION_PREFIX}{name}" / SESSION_LOCK).write_text(json.dumps(marker))
    (tmp_path / f"{SESSION_PREFIX}file").touch()
    (tmp_path / f"{SESSION_PREFIX}link").symlink_to(linked)
    if os.geteuid() == 0:
        other = tmp_path / f"{SESSION_PREFIX}another-user"
        other.mkdir()
        (other / SESSION_LOCK).touch()
        os.chown(other, 65534, 65534)
    stays = set(tmp_path.iterdir()) - {killed}
    with session_folder(tmp_path) as inner:
        assert not killed.exists()
        assert json.loads((Path(inner).parent / SESSION_LOCK).read_text())["pid"] == os.getpid()
        with session_folder(tmp_path):
            assert Path(inner).parent.exists(), "its process lives"
    assert set(tmp_path.iterdir()) == stays
    assert (linked / SESSION_LOCK).exists()


def test_a_temporary_folder_that_cannot_be_written_is_said(tmp_path):
    with (
        pytest.raises(HqRayError, match=r"Ray needs a folder in .*: No such file"),
        session_folder(tmp_path / "missing"),
    ):
        pass
