"""The command as it is started: `python -m hq_ray` in a process of its own."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import hq_ray as hq

SLOW_IMPORTS = ("numba", "ray", "pandas", "matplotlib", "pyarrow", "scipy", "gymnasium")
AS_MAIN = """
import json, runpy, sys
sys.argv = ["hq-ray", *sys.argv[1:]]
try:
    runpy.run_module("hq_ray", run_name="__main__")
except SystemExit as end:
    print(json.dumps([end.code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def hq_ray(folder, *arguments, start=("-m", "hq_ray")):
    command = [sys.executable, *start, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_version_is_the_installed_one(tmp_path):
    done = hq_ray(tmp_path, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"hq-ray {version('hq-ray')}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "usage", "error"),
    [
        (["--help"], 0, "Usage: hq-ray", ""),
        (["run", "-h"], 0, "Usage: hq-ray", ""),
        (
            ["run", "--env", "VelocityGrid-v0", "--task", "trian"],
            2,
            "",
            "Error: unknown task 'trian'; did you mean 'train'?\n",
        ),
    ],
)
def test_help_and_typos_are_quick_because_nothing_slow_is_imported(
    tmp_path, arguments, code, usage, error
):
    done = hq_ray(tmp_path, *arguments, start=("-c", AS_MAIN))
    *printed, last = done.stdout.splitlines()
    ended, modules = json.loads(last)
    assert (ended, done.stderr) == (code, error)
    assert "".join(printed[:1]).startswith(usage)
    assert [name for name in SLOW_IMPORTS if name in modules] == []


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ("FrozenLak-v1", "unknown environment 'FrozenLak-v1'; did you mean 'FrozenLake-v1'?"),
        # A module that exits does not end the command as if all were well.
        ("leaving:Env-v0", "the module of environment 'leaving:Env-v0' must be importable, but: "
         "SystemExit: 0"),
    ],
)  # fmt: skip
def test_a_bad_input_ends_the_process_with_2(tmp_path, env, sentence):
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)")
    done = hq_ray(tmp_path, "run", "--env", env)
    expected = (2, "", f"Error: env: {sentence}\n")
    assert (done.returncode, done.stdout, done.stderr) == expected
    assert not (tmp_path / "results").exists()


def test_the_public_names_are_listed_for_whoever_completes_them():
    assert dir(hq) == sorted(hq.__all__)
    assert all(getattr(hq, name) is not None for name in hq.__all__)
