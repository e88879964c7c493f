"""The way through the house: imports point down, without cycles, and Ray stays at the edge."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From the ground up: each may import itself and what stands before it, all below `hq_ray`.
PACKAGES = ("envs", "hq_ray", "sweeps", "analysis")
LOOPS = {"hq_ray.kernel", "hq_ray.gymnasium_loop", "hq_ray.training", "hq_ray.batch"}
ANALYSIS = "hq_ray.analysis"


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "hq_ray" else ("hq_ray", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(name):
    second = [*name.split("."), ""][1]
    return second if second in PACKAGES else "hq_ray"


MODULES = {
    module_name(path): ast.parse(path.read_text())
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
}


CHARTS = {name for name in MODULES if name.startswith(f"{ANALYSIS}.charts.")}


def imported(tree):
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


GRAPH = {
    name: {other for other in imported(tree) if other in MODULES and other not in (name, "hq_ray")}
    for name, tree in MODULES.items()
}


def below(name, seen=None):
    seen = set() if seen is None else seen
    for other in GRAPH[name] - seen:
        seen.add(other)
        below(other, seen)
    return seen


def test_there_are_modules():
    known = {"hq_ray.kernel", "hq_ray.load", "hq_ray.sweeps.driver", "hq_ray.envs.velocity_grid"}
    assert known <= set(MODULES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_reaches_itself(name):
    assert name not in below(name)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_layers(name):
    allowed = PACKAGES[: PACKAGES.index(package_of(name)) + 1]
    assert {package_of(other) for other in GRAPH[name]} <= set(allowed)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_our_packages_are_imported_below_hq_ray_only(name):
    others = {"envs", "sweeps", "analysis"}
    assert not {other.partition(".")[0] for other in imported(MODULES[name])} & others


# `hq-ray run` trains too, and commands start what they command.
TRAINS = {"commands", "run", "run_outputs"}


@pytest.mark.parametrize("name", sorted(n for n in MODULES if n.startswith(ANALYSIS)))
def test_analysis_never_reaches_the_loops(name):
    if name.removeprefix(f"{ANALYSIS}.") not in TRAINS:
        assert not below(name) & LOOPS


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("ray", {f"hq_ray.sweeps.{name}" for name in ("ray_executor", "ray_life")}),
        ("matplotlib", CHARTS),
        ("imageio_ffmpeg", {"hq_ray.video"}),
        (
            "click",
            {"hq_ray.cli", "hq_ray.sweeps.commands", "hq_ray.sweeps.results_commands"}
            | {f"{ANALYSIS}.commands", f"{ANALYSIS}.run"},
        ),
        ("jinja2", {f"{ANALYSIS}.report.page"}),
    ],
)
def test_libraries_stay_at_home(library, homes):
    users = {
        name
        for name, tree in MODULES.items()
        if any(other.partition(".")[0] == library for other in imported(tree))
    }
    assert users == homes


def test_what_is_compiled_goes_by_the_module_that_finds_its_cache():
    users = {name for name, tree in MODULES.items() if "numba.njit" in imported(tree)}
    assert users == set()
    assert "hq_ray.compiled" in GRAPH["hq_ray.kernel"]


def test_no_attic_and_no_fastmath():
    attics = {"utils", "helpers", "common", "misc"}
    assert not {name for name in MODULES if name.rpartition(".")[2] in attics}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert "fastmath=True" not in path.read_text(), path


def test_files_stay_short():
    longer = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert {name: lines for name, lines in longer.items() if lines > 400} == {}
