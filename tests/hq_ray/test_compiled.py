"""Where compiled code is kept, and what happens where it cannot be."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from standard_error import complaints

import hq_ray
from hq_ray import compiled

HOME = Path(hq_ray.__file__).resolve().parent.parent
COMPILING = "compiling the training loops"
# Without the finder that an editable install adds: the tree on PYTHONPATH is the one that runs.
# Ray, or another thread, may set a variable of numba's at any time.
START = """
import os, runpy, sys
sys.meta_path[:] = [one for one in sys.meta_path if "editable" not in repr(one).lower()]
sys.argv[0] = "hq-ray"
import hq_ray.compiled
os.environ["NUMBA_NUM_THREADS"] = "1"
runpy.run_module("hq_ray", run_name="__main__", alter_sys=True)
"""
# What is compiled soonest, and what is said of it.
SMALL = """
import os
import numpy as np
import hq_ray.compiled
from hq_ray.planning import _ends_surely
os.environ["NUMBA_NUM_THREADS"] = "1"
with hq_ray.compiled.on_compiling(print):
    _ends_surely(np.zeros(2, int), np.empty(0, int), np.ones(1, bool))
"""
RUN = ["run", "--env", "FrozenLake-v1", "--variants", "standard", "--seeds", "0", "--episodes", "5"]
RUN += ["--task", "train"]


def _obey_permissions():
    """Root obeys the permissions of files too, once it has given away what overrides them."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def hq_ray_in(folder, tree, *arguments, code=START, **variables):
    folder.mkdir(exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(tree), **variables},
        capture_output=True,
        text=True,
        preexec_fn=_obey_permissions if os.name == "posix" and os.geteuid() == 0 else None,
    )


@pytest.fixture
def installed(tmp_path):
    """A read-only copy of the packages, and a home in which nothing can be written either."""
    if sys.platform != "linux":
        pytest.skip("permissions are taken from root as on Linux")
    tree = tmp_path / "tree"
    for package in ("hq_ray", "envs", "sweeps", "analysis"):
        ignored = shutil.ignore_patterns("*.nb[ic]")
        shutil.copytree(HOME / package, tree / package, ignore=ignored)
    (tmp_path / "home").mkdir()
    folders = [path for path in [*tree.rglob("*"), tmp_path / "home"] if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    yield tree
    for folder in folders:
        folder.chmod(0o755)


def test_a_read_only_installation_trains_for_a_user_without_a_home(installed, tmp_path):
    done = hq_ray_in(tmp_path, installed, *RUN, "--local", HOME=str(tmp_path / "home"))
    assert (done.returncode, complaints(done.stderr)) == (0, "")
    (told,) = [line for line in done.stderr.splitlines() if COMPILING in line]
    assert told.startswith(f"{COMPILING} in every process")
    assert "NUMBA_CACHE_DIR" in told
    assert done.stdout.startswith("Ran 1 trial (")
    assert not list(tmp_path.rglob("*.nb[ic]"))


def test_compiled_code_is_kept_where_the_user_says(installed, tmp_path):
    asked = tmp_path / "asked"
    # Even a user who asks for no compiled code gets it: the kernel has no other form.
    variables = {"NUMBA_CACHE_DIR": str(asked), "NUMBA_DISABLE_JIT": "1"}
    variables["HOME"] = str(tmp_path / "home")
    told = [hq_ray_in(tmp_path, installed, code=SMALL, **variables).stdout for _ in range(2)]
    assert told == [f"{COMPILING}, once on this machine\n", ""]
    assert list(asked.rglob("*.nbc"))


def test_what_is_compiled_is_told_once_and_damaged_code_is_compiled_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled.config, "CACHE_DIR", str(tmp_path))

    def successor(x):
        return x + 1

    def double(x):
        return 2 * x

    def notices():
        told = []
        with compiled.on_compiling(told.append):
            kept = [compiled.njit(cache=True)(one) for one in (successor, double)]
            assert [one(2) for one in kept * 2] == [3, 4, 3, 4]
        return len(told)

    assert (notices(), notices()) == (1, 0)
    for path in tmp_path.rglob("*.nb[ic]"):
        path.write_bytes(b"")
    assert (notices(), notices()) == (1, 0)


def test_a_full_disk_under_the_compiled_code_is_no_failure(monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert compiled.njit(cache=True)(lambda x: x + 1)(2) == 3
