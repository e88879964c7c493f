"""A results folder: what is published in it, and how a batch is published.

<results>/sweep.json                the spec as understood, versions, model fingerprints
<results>/episodes/<batch>.parquet  one row per episode
<results>/q_values/<batch>.parquet  final Q tables, where asked for
<results>/trials/<batch>.parquet    one row per trial; written last, so it commits the batch
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hq_ray import encoding, schema
from hq_ray.episode_log import Trained
from hq_ray.errors import InputError, ResultsError
from hq_ray.location import Location
from hq_ray.trial import SEMANTICS_VERSION, Trial

SWEEP_FILE = "sweep.json"
DONE, FAILED = "done", "failed"
VERSIONED = ("gymnasium", "numpy", "numba", "pyarrow", "pandas", "ray")


@dataclass(frozen=True)
class Failure:
    """A trial that raised instead of training."""

    trial: Trial
    error_type: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Results:
    """One sweep's results folder."""

    location: Location

    @classmethod
    def at(cls, text: str | os.PathLike) -> "Results":
        """The results folder at a path or URI, which need not exist yet.

        Raises:
            InputError: it was written by a newer schema, or sweep.json is not ours.
        """
        results = cls(Location.of(text))
        results._check_version()
        return results

    def _check_version(self) -> None:
        info = self.description()
        found = info.get("schema_version", 0 if info else schema.SCHEMA_VERSION)
        if not isinstance(found, int) or found > schema.SCHEMA_VERSION:
            raise InputError(
                f"results at {self.location.text} must have schema version "
                f"{schema.SCHEMA_VERSION} or older, got {found}; update hq_ray to read them"
            )

    def description(self) -> dict:
        """The contents of sweep.json; empty where there is none yet."""
        if not self.location.child(SWEEP_FILE).exists():
            return {}
        try:
            info = json.loads(self.location.read(SWEEP_FILE))
        except ValueError as problem:
            raise ResultsError(
                f"{self.location.child(SWEEP_FILE).text} must be JSON: {problem}"
            ) from None
        if not isinstance(info, dict):
            raise ResultsError(f"{self.location.child(SWEEP_FILE).text} must be a JSON object")
        return info

    def describe(self, name: str, spec: Mapping, fingerprints: Mapping[str, str | None]) -> None:
        """Writes sweep.json: the spec as understood, versions, fingerprints old and new."""
        before = self.description()
        now = {
            "schema_version": schema.SCHEMA_VERSION,
            "semantics_version": SEMANTICS_VERSION,
            "name": name,
            "spec": dict(spec),
            "fingerprints": {**before.get("fingerprints", {}), **fingerprints},
            "versions": versions(),
        }
        if now != before:
            self.location.write(SWEEP_FILE, (json.dumps(now, indent=2) + "\n").encode())

    def published(self) -> dict[str, str]:
        """Status (`done` or `failed`) by trial_id over every committed batch; done wins."""
        status: dict[str, str] = {}
        for name in self.location.child("trials").files(".parquet"):
            table = self.read("trials", name, ["trial_id", "status"])
            pairs = zip(table["trial_id"].to_pylist(), table["status"].to_pylist(), strict=True)
            for trial_id, found in pairs:
                if status.get(trial_id) != DONE:
                    status[trial_id] = found
        return status

    def read(self, kind: str, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One file of `trials`, `episodes` or `q_values`.

        Raises:
            ResultsError: the file is damaged or foreign; the message names it.
        """
        folder = self.location.child(kind)
        try:
            return pq.read_table(
                f"{folder.path}/{name}",
                columns=None if columns is None else list(columns),
                filesystem=folder.filesystem,
                partitioning=None,
            )
        except (pa.ArrowException, OSError, KeyError) as problem:
            raise ResultsError(
                f"{folder.child(name).text} must be a Parquet file of this sweep: {problem}"
            ) from None

    def publish(
        self,
        trained: Sequence[Trained],
        failures: Sequence[Failure] = (),
        keep_q_values: bool = False,
    ) -> str:
        """Writes a batch, its trials file last, and returns the batch's name.

        The name is a digest of the trial ids, so that the same batch run twice replaces itself.
        """
        ids = [done.trial.trial_id for done in trained] + [f.trial.trial_id for f in failures]
        batch = hashlib.sha256(",".join(sorted(ids)).encode()).hexdigest()[:16]
        name = f"{batch}.parquet"
        if trained:
            self.location.child("episodes").write(name, encoding.encode_episodes(trained))
            if keep_q_values:
                self.location.child("q_values").write(name, encoding.encode_q_values(trained))
        rows = [_done_row(done) for done in trained] + [_failed_row(f) for f in failures]
        self.location.child("trials").write(name, encoding.encode_trials(rows))
        return batch


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _done_row(done: Trained) -> dict:
    return {
        **encoding.trial_columns(done.trial),
        **done.summary,
        "status": DONE,
        "engine": done.engine,
        "train_seconds": done.train_seconds,
        "evaluate_seconds": done.evaluate_seconds,
        "finished_at": _now(),
    }


def _failed_row(failure: Failure) -> dict:
    return {
        **encoding.trial_columns(failure.trial),
        "status": FAILED,
        "finished_at": _now(),
        "error_type": failure.error_type,
        "error_message": failure.message,
        "error_traceback": failure.traceback,
    }


def versions() -> dict[str, str | None]:
    """Versions of this software and of what decides its numbers."""
    found = {name: importlib.metadata.version(name) for name in VERSIONED}
    try:
        ours = importlib.metadata.version("hq-ray")
    except importlib.metadata.PackageNotFoundError:
        ours = None
    return {
        "hq_ray": ours,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        **found,
    }


def _git_commit() -> str | None:
    here = Path(__file__).resolve().parent
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() if told.returncode == 0 else None
