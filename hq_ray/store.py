"""A results folder: what is published in it, and how a batch is published.

<results>/sweep.json                the spec as understood, versions, model fingerprints
<results>/episodes/<batch>.parquet  one row per episode
<results>/q_values/<batch>.parquet  final Q tables, where asked for
<results>/trials/<batch>.parquet    one row per trial; written last, so it commits the batch
"""

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, NonNegativeInt
from pydantic_core import from_json

from hq_ray import encoding, schema
from hq_ray.errors import HqRayError, InputError, ResultsError
from hq_ray.location import Location
from hq_ray.trial import SEMANTICS_VERSION, TRIAL_FIELDS, Failure, Trained, Trial, batch_name
from hq_ray.versions import versions

SWEEP_FILE = "sweep.json"
SHARD_FILE = re.compile(r"sweep-\d+-of-\d+\.json")
DAMAGED = "_damaged"
DONE, FAILED = schema.DONE, schema.FAILED
# In the order in which a batch is written.
SCHEMAS = {"episodes": schema.EPISODES, "q_values": schema.Q_VALUES, "trials": schema.TRIALS}
READERS = 8
# The end of a file that is read for its footer; some of a few row groups are a tenth as long.
FOOTER_BYTES = 2**16
# Mappings of sweep.json that grow with its environments, rules and problems.
PER_ENVIRONMENT = ("fingerprints", "sources", "engines", "planned", "confirmed", "families")


class _Description(BaseModel, strict=True):
    """What readers of sweep.json rely on."""

    schema_version: int
    name: str
    spec: dict[str, object] = {}
    fingerprints: dict[str, str | None] = {}
    sources: dict[str, str | None] = {}
    engines: dict[str, str] = {}
    planned: dict[str, dict[str, NonNegativeInt]] = {}
    confirmed: dict[str, list] = {}
    families: dict[str, str] = {}
    versions: dict[str, str | None] = {}


class Superseded(HqRayError):
    """A driver that no longer holds the results, or a worker of one: it publishes nothing more."""

    @classmethod
    def at(cls, location: Location) -> "Superseded":
        """The error for results at a place, which were taken over, or are not there any more."""
        return cls(
            f"another driver has taken over the results at {location.text}, or the folder is gone"
        )


@dataclass(frozen=True)
class Survey:
    """What is published in a results folder.

    Attributes:
        status: `done` or `failed` by trial_id, without damaged batches; done wins.
        damaged: file name of a batch -> which of its files is missing, cut short or foreign.
        repeated: trials that several batches hold as done.
        stray: (folder, name) of episodes and Q tables of no batch, as a killed driver leaves them.
    """

    status: Mapping[str, str]
    damaged: Mapping[str, str]
    repeated: int
    stray: Sequence[tuple[str, str]]

    def refuse_damage(self) -> None:
        """Refuses damage: which trials a damaged file held may be impossible to know, so that
        training what seems to be missing could publish some of them twice.

        Raises:
            ResultsError: a batch is damaged.
        """
        if self.damaged:
            first, more = next(iter(self.damaged.values())), len(self.damaged) - 1
            others = f" (and {more:,} more damaged)" if more else ""
            raise ResultsError(
                f"{first.rstrip('.')}{others}; --repair moves the files of damaged batches to "
                f"{DAMAGED} and trains their trials anew"
            )


@dataclass(frozen=True)
class Results:
    """One sweep's results folder."""

    location: Location

    @classmethod
    def at(cls, place: str | os.PathLike | Location) -> "Results":
        """The results folder at a path, URI or location, which need not exist yet.

        Raises:
            InputError: it is a file, or was written by a newer schema.
        """
        results = cls(place if isinstance(place, Location) else Location.of(place))
        results.description()
        return results

    def is_there(self) -> bool:
        """Whether a run or sweep has written here."""
        return self.location.child(SWEEP_FILE).exists() or bool(self.names("trials"))

    def names(self, kind: str) -> list[str]:
        """Sorted names of the files of `trials`, `episodes` or `q_values`."""
        return self.location.child(kind).files(".parquet")

    def description(self) -> dict:
        """The contents of sweep.json; empty where there is none yet, or no sense in it.

        Raises:
            InputError: it was written by a newer schema.
        """
        return self._description() or {}

    def description_problem(self) -> str | None:
        """A sentence about a sweep.json that cannot be used."""
        if self._description() is not None:
            return None
        return (
            f"{self.location.child(SWEEP_FILE).text} is damaged and is ignored; the next sweep "
            "rewrites it"
        )

    def shard_files(self) -> list[str]:
        """Names of the files beside sweep.json in which drivers of shards describe the sweep."""
        return [name for name in self.location.files(".json") if SHARD_FILE.fullmatch(name)]

    def _description(self) -> dict | None:
        merged: dict = {}
        for entry in (self._entry(SWEEP_FILE), *map(self._entry, self.shard_files())):
            if entry is None:
                return None
            for key, value in entry.items():
                merged[key] = merged.get(key, {}) | value if key in PER_ENVIRONMENT else value
        return merged

    def _entry(self, name: str) -> dict | None:
        """A description of the sweep in a file; empty where there is none, None if unusable."""
        try:
            entry = from_json(self.location.read(name))
            version = entry.get("schema_version") if isinstance(entry, dict) else None
            if type(version) is int and version > schema.SCHEMA_VERSION:
                raise InputError(
                    f"results at {self.location.text} must have schema version "
                    f"{schema.SCHEMA_VERSION} or older, got {version}; update hq_ray to read them"
                )
            _Description.model_validate(entry)
            return entry
        except FileNotFoundError:
            return {}
        except NotADirectoryError:
            must = f"results must be a folder, but {self.location.text} is a file, or is below one"
            raise InputError(must) from None
        except InputError:
            raise
        except (IsADirectoryError, ValueError):
            return None

    def describe(
        self, name: str, spec: Mapping, shard: object = None, **entries: Mapping[str, object]
    ) -> None:
        """Writes sweep.json: the spec as understood, versions, environments old and new.

        Args:
            name: of the sweep.
            spec: plain JSON values.
            shard: such as `3-of-16`, which has a file of its own until the next sweep of the whole.
            entries: by `id args` of each environment, beside what an earlier call said of others:
                `fingerprints` and `sources` as its trials have them, `engines` (which trains it,
                and why), `planned` (variant -> number of trials), `families` (of which it is an
                instance). By variant: `fingerprints` of rules of the user's own. By problem:
                `confirmed`, what was chosen, by block of fresh seeds.
        """
        before = self.description()
        now = {
            "schema_version": schema.SCHEMA_VERSION,
            "semantics_version": SEMANTICS_VERSION,
            "name": name,
            "spec": dict(spec),
            **{key: {**before.get(key, {}), **entries.get(key, {})} for key in PER_ENVIRONMENT},
            "versions": versions(),
        }
        self.write_description(now, SWEEP_FILE if shard is None else f"sweep-{shard}.json")
        for file in self.shard_files() if shard is None else ():
            self.location.delete(file)

    def write_description(self, description: Mapping, file: str = SWEEP_FILE) -> None:
        """Replaces sweep.json, or the description by the driver of a shard."""
        self.location.write(file, (json.dumps(description, indent=2) + "\n").encode())

    def published(self) -> Mapping[str, str]:
        """Status (`done` or `failed`) by trial_id over every committed batch; done wins.

        Raises:
            ResultsError: a batch is damaged.
        """
        survey = self.survey()
        survey.refuse_damage()
        return survey.status

    def survey(
        self, includes: Callable[[str, int], bool] | None = None, every_page: bool = False
    ) -> Survey:
        """What is published, what is damaged, and what belongs to nothing.

        Args:
            includes: which trials are looked at, by `config_id` and seed; None for all.
            every_page: whether a damaged page is looked for, which takes reading all there is.
        """
        columns = ["trial_id", "status", *([] if includes is None else ["config_id", "seed"])]
        names = self.names("trials")
        # After the trials, whose episodes have been there for longer.
        files = {kind: set(self.names(kind)) for kind in ("episodes", "q_values")}
        status: dict[str, str] = {}
        damaged: dict[str, str] = {}
        repeated: set[str] = set()
        logged = set()

        def read(name: str) -> pa.Table | None:
            try:
                for kind in SCHEMAS if every_page else ():
                    if kind == "trials" or name in files[kind]:
                        self._check_pages(kind, name)
                table = self.read("trials", name, [*columns, "episodes"])
                done = table.filter(pc.field("status") == DONE)
                if len(done):
                    self._check_footer("episodes", name, pc.sum(done["episodes"]).as_py())
                    if name in files["q_values"]:
                        self._check_footer("q_values", name)
                return table.select(columns)
            except ResultsError as problem:
                # A driver at work may have taken the batch away meanwhile.
                if self.location.child(f"trials/{name}").exists():
                    damaged[name] = str(problem)
                return None

        with ThreadPoolExecutor(READERS) as pool:
            for name, batch in zip(names, pool.map(read, names), strict=True):
                values = [column.to_pylist() for column in batch.columns] if batch else []
                for trial_id, how, *identity in zip(*values, strict=True):
                    if how == DONE:
                        logged.add(name)
                    if (includes is None or includes(*identity)) and status.get(trial_id) != DONE:
                        status[trial_id] = sys.intern(how)  # one text for a million rows
                    elif how == DONE and trial_id in status:
                        repeated.add(trial_id)
        stray = [(kind, n) for kind in files for n in sorted(files[kind] - logged - damaged.keys())]
        return Survey(status, dict(sorted(damaged.items())), len(repeated), stray)

    def _check_pages(self, kind: str, name: str) -> None:
        with self.open(kind, name) as file:
            for number in range(file.num_row_groups):
                file.read_row_group(number, use_threads=False)

    def _check_footer(self, kind: str, name: str, rows: int | None = None) -> None:
        """Checks that a file is there, whole and has so many rows, without reading them.

        Raises:
            ResultsError: it is not; the message names it.
        """
        with self._naming(kind, name):
            size = self.location.size(f"{kind}/{name}")
            end = self.location.read(f"{kind}/{name}", max(0, size - FOOTER_BYTES))
            needed = int.from_bytes(end[-8:-4], "little") + 8
            if len(end) < needed <= size:
                end = self.location.read(f"{kind}/{name}", size - needed)
            footer = pq.read_metadata(pa.BufferReader(end))
            if rows is not None and footer.num_rows != rows:
                raise ValueError(f"it must have {rows:,} rows, got {footer.num_rows:,}")
            if footer.num_row_groups:
                last = footer.row_group(footer.num_row_groups - 1)
                column = last.column(last.num_columns - 1)
                start = column.dictionary_page_offset or column.data_page_offset
                if start + column.total_compressed_size > size - needed:
                    raise ValueError("bytes before its footer are missing")

    def set_aside(self, name: str) -> None:
        """Moves the files of a damaged batch to where nobody reads them; only while nobody writes.

        They may be worth something to whoever put them there.
        """
        for file in (f"{kind}/{name}" for kind in reversed(SCHEMAS)):
            with contextlib.suppress(FileNotFoundError):
                self.location.write(f"{DAMAGED}/{file}", self.location.read(file))
                self.location.delete(file)

    def clear(self, stray: Iterable[tuple[str, str]]) -> None:
        """Removes what killed writers left: hidden files, and those of no batch.

        Only while nobody writes.
        """
        for kind, name in stray:
            self.location.delete(f"{kind}/{name}")
        for folder in (self.location, *map(self.location.child, SCHEMAS)):
            folder.clear_unfinished()

    @contextlib.contextmanager
    def open(self, kind: str, name: str) -> Iterator[pq.ParquetFile]:
        """One file of `trials`, `episodes` or `q_values`, opened to read parts of it.

        Raises:
            ResultsError: it is missing, damaged or foreign; the message names it.
        """
        with self._naming(kind, name):
            path = f"{self.location.path}/{kind}/{name}"
            if not self.location.is_local:
                # Whole, by requests that are repeated when they fail.
                path = pa.BufferReader(self.location.read(f"{kind}/{name}"))
            yield pq.ParquetFile(
                path,
                read_dictionary=["trial_id"] if kind == "episodes" else None,
                pre_buffer=False,
                page_checksum_verification=True,
            )

    @contextlib.contextmanager
    def _naming(self, kind: str, name: str) -> Iterator[None]:
        """Turns what goes wrong while a file is read into a ResultsError that names the file."""
        try:
            yield
        except HqRayError:
            raise
        except (pa.ArrowException, OSError, KeyError, ValueError) as problem:
            raise ResultsError(
                f"{self.location.child(f'{kind}/{name}').text} must be a Parquet file of this "
                f"sweep: {problem}"
            ) from None

    def read(self, kind: str, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Columns of one file of `trials`, `episodes` or `q_values`; None for all.

        Raises:
            ResultsError: the file is damaged or foreign; the message names it.
        """
        full = SCHEMAS[kind]
        wanted = pa.schema([full.field(column) for column in columns or full.names])
        with self.open(kind, name) as file:
            stored = file.schema_arrow.names
            table = file.read([n for n in wanted.names if n in stored], use_threads=False)
            if kind == "trials" and "config_id" in wanted.names and "config_id" not in stored:
                identity = pa.schema([full.field(column) for column in TRIAL_FIELDS])
                trials = schema.conformed(file.read(use_threads=False), identity).to_pylist()
                ids = [Trial(**trial).config_id for trial in trials]
                table = table.append_column("config_id", pa.array(ids, pa.string()))
            return schema.conformed(table, wanted)

    def publish(
        self,
        trained: Sequence[Trained],
        failures: Sequence[Failure] = (),
        keep_q_values: bool = False,
        may_commit: Callable[[], bool] = lambda: True,
    ) -> str:
        """Writes a batch, its trials file last, and returns the batch's name.

        Args:
            trained, failures: the batch's trials.
            keep_q_values: whether final Q tables are stored.
            may_commit: asked before anything is written, and again right before the trials file.

        Raises:
            Superseded: `may_commit` said no; the batch does not count.
        """
        trials = [done.trial for done in trained] + [failure.trial for failure in failures]
        name = f"{batch_name(trials)}.parquet"
        if not may_commit():
            raise Superseded.at(self.location)
        if trained:
            self.location.write(f"episodes/{name}", encoding.encode_episodes(trained))
            if keep_q_values:
                self.location.write(f"q_values/{name}", encoding.encode_q_values(trained))
        # Made before the question, so that little time lies between the answer and the commit.
        content = encoding.encode_trials(trained, failures)
        if not may_commit():
            # What was written stays uncommitted, and the new driver clears it away.
            raise Superseded.at(self.location)
        self.location.write(f"trials/{name}", content)
        return name.removesuffix(".parquet")
