"""Every way to start, in a folder whose envs, sweeps and analysis are the user's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

HOME = Path(__file__).resolve().parent.parent
NAMES = ("envs", "sweeps", "analysis")
OWN = (HOME / "tests/oracles/own_worlds.py").read_text()
SCRIPT = """
import sys

import hq_ray

if __name__ == "__main__":
    local = "--local" in sys.argv
    handle = hq_ray.run_sweep("mine.yaml", local=local, cores=None if local else 1)
    assert (handle.trials()["status"] == "done").all()
    for name in {"envs", "sweeps", "analysis"} & set(sys.modules):
        assert "site-packages" not in str(sys.modules[name])
        assert hq_ray.__path__[-1] not in str(sys.modules[name])
"""
# Without the finder that an editable install adds: only PYTHONPATH is left.
UNINSTALLED = """
import runpy, sys
sys.meta_path[:] = [one for one in sys.meta_path if "editable" not in repr(one).lower()]
sys.argv[0] = "hq-ray"
runpy.run_module("hq_ray", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A folder into which the wheel is installed, without the source tree."""
    place, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    for name in ("hq_ray", "envs", "sweeps", "analysis"):
        shutil.copytree(HOME / name, source / name)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(HOME / name, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    made = subprocess.run([*pip, place, source], capture_output=True, text=True, cwd=place)
    if made.returncode != 0 and "setuptools" in made.stderr:
        pytest.skip("a wheel cannot be built here: setuptools cannot be fetched")
    assert made.returncode == 0, made.stderr
    return place


@pytest.fixture
def start(request, tmp_path):
    """A function that runs arguments of the command in one of the ways to start it."""

    def run(way, *arguments):
        path = {"checkout": HOME, "wheel": way == "wheel" and request.getfixturevalue("wheel")}
        path = path.get(way) or os.environ.get("PYTHONPATH", "")
        environment = {**os.environ, "PYTHONPATH": str(path)}
        begin = {
            "command": [str(Path(sys.executable).with_name("hq-ray"))],
            "module": [sys.executable, "-m", "hq_ray"],
            "script": [sys.executable, "mine.py"],
            "checkout": [sys.executable, "-c", UNINSTALLED],
            "wheel": [sys.executable, "-c", UNINSTALLED],
        }[way]
        given = arguments if way != "script" else arguments[2:]
        done = subprocess.run(
            [*begin, *given], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def project(tmp_path, kind):
    """Makes a project with all three names in use; returns the id of its own environment."""
    for name in NAMES:
        if kind == "modules":
            (tmp_path / f"{name}.py").write_text("")
        else:
            (tmp_path / name).mkdir()
            if kind == "packages":
                (tmp_path / name / "__init__.py").write_text("")
    place = "envs.py" if kind == "modules" else "envs/maze.py"
    (tmp_path / place).write_text(OWN)
    env = "envs:Crossing-v3" if kind == "modules" else "envs.maze:Crossing-v3"
    (tmp_path / "mine.yaml").write_text(
        f"name: mine\nenv: [{{id: '{env}'}}, FrozenLake-v1]\nseeds: 0-1\nepisodes: 5\n"
    )
    (tmp_path / "mine.py").write_text(SCRIPT)
    return env


@pytest.mark.parametrize(
    ("way", "kind", "where"),
    [
        ("command", "packages", "--cores=1"),
        ("module", "modules", "--local"),
        ("script", "packages", "--cores=1"),
        ("checkout", "folders", "--local"),
        ("checkout", "packages", "--cores=1"),
        ("checkout", "modules", "--local"),
        ("wheel", "packages", "--local"),
    ],
)
def test_every_way_to_start_finds_its_own_packages_and_the_users(way, kind, where, start, tmp_path):
    env = project(tmp_path, kind)
    start(way, "sweep", "mine.yaml", where)
    trials = pd.read_parquet(tmp_path / "results/mine/trials")
    assert set(trials["env"]) == {env, "FrozenLake-v1"}
    assert (trials["status"] == "done").all()


def test_a_project_trains_draws_and_reports(start, tmp_path):
    env = project(tmp_path, "packages")
    flags = ["--seeds", "0-1", "--episodes", "5", "--smooth", "2", "--local"]
    start("command", "run", "--env", env, *flags)
    start("command", "report", "results/Crossing-v3")
    assert (tmp_path / "plots/compare/Crossing-v3_mean_se_returns.png").is_file()
    assert (tmp_path / "reports/Crossing-v3/report.html").is_file()


def test_workers_too_find_libraries_before_the_users_files_of_their_names(start, tmp_path):
    for name in ("numpy", "random", "json", "click", "gymnasium", "ray"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} of the user')")
    (tmp_path / "rewards.py").write_text("STEP = -2.0")
    maze = OWN.replace("import numpy", "import rewards\nimport numpy", 1)
    (tmp_path / "maze.py").write_text(maze.replace("-self.toll", "rewards.STEP"))
    spec = "name: mine\nenv: maze:Crossing-v3\nseeds: 0-1\nepisodes: 5\n"
    (tmp_path / "mine.yaml").write_text(spec)
    start("command", "sweep", "mine.yaml", "--cores", "1")
    trials = pd.read_parquet(tmp_path / "results/mine/trials")
    assert (trials["status"] == "done").all()
