"""Rewrites results of an older schema in place, with the same trials, ids and episodes.

Each file is replaced whole and `sweep.json` last. So a folder that is upgraded half way can be
read, and the same call goes on where it stopped.
"""

import shlex
from collections.abc import Container

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.progress import track

from hq_ray import schema
from hq_ray.encoding import encode_table
from hq_ray.errors import InputError, ResultsError
from hq_ray.store import SCHEMAS, Results


def check_writable(results: Results, damaged: Container[str]) -> None:
    """Refuses results of an older schema, whose files must not be mixed with new ones.

    Args:
        results: the folder.
        damaged: names of batches to leave out.

    Raises:
        InputError: they are.
    """
    version = results.description().get("schema_version")
    names = [name for name in results.names("trials") if name not in damaged]
    if version is None and names:
        version = _version(results, "trials", names[0])
    if version is not None and version < schema.SCHEMA_VERSION:
        text = results.location.text
        raise InputError(
            f"results at {text} must have schema version {schema.SCHEMA_VERSION} to be added to, "
            f"got {version}; hq-ray upgrade {shlex.quote(text)} rewrites them, ids kept"
        )


def _version(results: Results, kind: str, name: str) -> int:
    """The schema that a file was written with; the present one where it does not say."""
    with results.open(kind, name) as file:
        metadata = file.schema_arrow.metadata or {}
        return int(metadata.get(schema.METADATA_KEY, schema.SCHEMA_VERSION))


def upgrade(results: Results) -> list[str]:
    """Upgrades a folder that nobody writes to; files of uncommitted batches are removed.

    Progress is shown on standard error where that is a terminal.

    Returns:
        An error message for each file that cannot be read; it stays as it is.
    """
    results.clear(results.survey().stray)
    files = [(kind, name) for kind in SCHEMAS for name in results.names(kind)]
    console = Console(stderr=True)
    hidden = not console.is_terminal
    damaged = []
    for kind, name in track(files, "upgrading", console=console, transient=True, disable=hidden):
        try:
            if _version(results, kind, name) < schema.SCHEMA_VERSION:
                results.location.write(f"{kind}/{name}", _rewritten(results, kind, name))
        except ResultsError as problem:
            damaged.append(str(problem))
    description = results.description()
    if description:
        results.write_description(description | {"schema_version": schema.SCHEMA_VERSION})
    return damaged


def _rewritten(results: Results, kind: str, name: str) -> pa.Buffer:
    if kind != "episodes":
        return encode_table(results.read(kind, name), kind)
    trials = results.read("trials", name, ["trial_id", "config_id"])
    with results.open(kind, name) as file:
        table = file.read()
    rows = pc.index_in(table["trial_id"].cast("string"), trials["trial_id"])
    # A trial that is not in the trials file was never committed.
    table = table.append_column("config_id", trials["config_id"].take(rows)).filter(rows.is_valid())
    return encode_table(schema.conformed(table, schema.EPISODES), "episodes")
