"""The way through the house: imports point down, without cycles, and Ray stays at the edge."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("envs", "hq_ray", "sweeps", "analysis")
# The command line is the roof: it may import everything and is imported by nothing below.
COMMANDS = {"cli", "cli_jobs", "cli_options", "cli_plot", "cli_reading", "cli_replay", "cli_report"}
COMMANDS |= {"cli_run", "cli_status", "cli_sweep"}
RUN = {"run_outputs", "run_paths", "run_request", "run_tasks"}
ROOF = {f"hq_ray.{name}" for name in COMMANDS | RUN | {"__main__"}}
LOOPS = {"hq_ray.kernel", "hq_ray.gymnasium_loop", "hq_ray.training", "hq_ray.batch"}
# Figures are drawn in modules of that name, on the page that these three lay out.
DRAWING = {"analysis.drawing.labels", "analysis.drawing.page", "analysis.drawing.panels"} | {
    f"analysis.drawing.{path.stem}" for path in (ROOT / "analysis/drawing").glob("figure*.py")
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


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
    name: {other for other in imported(tree) if other in MODULES and other != name}
    for name, tree in MODULES.items()
}


def below(name, seen=None):
    seen = set() if seen is None else seen
    for other in GRAPH[name] - seen:
        seen.add(other)
        below(other, seen)
    return seen


def test_there_are_modules():
    assert {"hq_ray.kernel", "sweeps.driver", "analysis.load", "envs.velocity_grid"} <= set(MODULES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_reaches_itself(name):
    assert name not in below(name)


@pytest.mark.parametrize("name", sorted(set(MODULES) - ROOF))
def test_layers(name):
    package = name.partition(".")[0]
    allowed = {
        "envs": {"envs"},
        "hq_ray": {"hq_ray", "envs"},
        "sweeps": {"sweeps", "hq_ray", "envs"},
        "analysis": {"analysis", "hq_ray", "envs"},
    }[package]
    others = GRAPH[name] - ({"analysis", "analysis.load"} if package == "sweeps" else set())
    assert {other.partition(".")[0] for other in others} <= allowed
    assert not GRAPH[name] & ROOF


@pytest.mark.parametrize("name", sorted(n for n in MODULES if n.startswith("analysis")))
def test_analysis_never_reaches_the_loops(name):
    assert not below(name) & LOOPS


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("ray", {"sweeps.jobs", "sweeps.ray_executor", "sweeps.ray_map"}),
        ("matplotlib", DRAWING),
        ("imageio", {"hq_ray.video"}),
        ("click", {f"hq_ray.{name}" for name in COMMANDS}),
        ("jinja2", {"analysis.reporting.report_page"}),
    ],
)
def test_libraries_stay_at_home(library, homes):
    users = {
        name
        for name, tree in MODULES.items()
        if any(other.partition(".")[0] == library for other in imported(tree))
    }
    assert users == homes


def test_no_attic_and_no_fastmath():
    attics = {"utils", "helpers", "common", "misc"}
    assert not {name for name in MODULES if name.rpartition(".")[2] in attics}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert "fastmath=True" not in path.read_text(), path


def test_files_stay_short():
    # The compiled loop is one function on purpose, and says why.
    longer = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "hq_ray/kernel.py"
    }
    assert {name: lines for name, lines in longer.items() if lines > 300} == {}
