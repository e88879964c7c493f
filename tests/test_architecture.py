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


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down_without_cycles_and_below_hq_ray(name):
    assert name not in below(name)
    allowed = PACKAGES[: PACKAGES.index(package_of(name)) + 1]
    assert {package_of(other) for other in GRAPH[name]} <= set(allowed)
    others = {"envs", "sweeps", "analysis"}
    assert not {other.partition(".")[0] for other in imported(MODULES[name])} & others
    # `hq-ray run` trains too, and commands start what they command.
    if name.startswith(ANALYSIS) and name.split(".")[-1] not in {"commands", "run", "run_outputs"}:
        assert not below(name) & LOOPS


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("ray", {f"hq_ray.sweeps.{name}" for name in ("ray_executor", "ray_life")}),
        ("matplotlib", {name for name in MODULES if name.startswith(f"{ANALYSIS}.charts.")}),
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
    # The walk has found all packages.
    assert "hq_ray.compiled" in GRAPH["hq_ray.kernel"]
    assert {package_of(name) for name in MODULES} == set(PACKAGES)


def test_files_are_short_and_topics_and_compiled_without_fastmath():
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert "fastmath=True" not in text, path
            assert len(text.splitlines()) <= 400, path
            assert path.stem not in {"utils", "helpers", "common", "misc"}, path
