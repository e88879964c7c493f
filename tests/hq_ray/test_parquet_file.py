"""Episodes files against those that pyarrow's own writer makes of the same rows."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hq_ray import encoding, parquet_columns, schema
from hq_ray.encoding import FILTERED, encode_episodes
from hq_ray.episode_log import EpisodeLog, Trained
from hq_ray.trial import MAX_SEED, Trial

LOGGED = ("episode_return", "steps", "terminated", "truncated")
SPECIAL = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -1e308]

names = st.sampled_from(["A-v0", "Bé-v1", "a", "module:Env-v0"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=12
)
reals = st.sampled_from([0.0, -0.0, 0.2, -1e308]) | st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**31 - 1)
trials = st.builds(
    Trial,
    env=names,
    env_args=st.sampled_from(["{}", '{"slip_prob":0.1}']),
    fingerprint=st.none(),
    variant=st.sampled_from(["standard", "harmonic"]),
    seed=st.integers(0, MAX_SEED) | st.integers(0, 3),
    episodes=st.integers(1, 40) | st.sampled_from([1000, 1024, 1025, 4000]) | st.integers(1, 10**4),
    max_steps=counts,
    alpha=st.none() | reals,
    alpha_schedule=st.none() | names,
    alpha_end=st.none() | reals,
    alpha_decay_episodes=st.none() | counts,
    alpha_down=st.none() | reals,
    gamma=reals,
    eps_schedule=names,
    eps_start=reals,
    eps_end=st.none() | reals,
    eps_decay_episodes=st.none() | counts,
    eps_shift=st.none() | reals,
)
# How many distinct values a log has decides how it is encoded.
DISTINCT = [1, 2, 3, 200, 257, 3000, 10**9]


@st.composite
def trained(draw):
    trial = draw(trials)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, distinct = trial.episodes, draw(st.sampled_from(DISTINCT))
    returns = rng.integers(0, distinct, n) * draw(st.sampled_from([1.0, -0.1]))
    special = rng.random(n) < draw(st.sampled_from([0.0, 0.1]))
    returns[special] = rng.choice(SPECIAL, special.sum())
    flags = rng.random((2, n)) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    steps = rng.integers(0, min(distinct, 2**31 - 1), n).astype(np.int32)
    success = None if draw(st.booleans()) else flags[1]
    log = EpisodeLog(returns, steps, flags[0], success, np.zeros((1, 1)))
    return Trained(trial, log, "kernel", {}, 0.0, 0.0)


batches = st.lists(trained(), min_size=1, max_size=8)


def made(trial, rng=None):
    """A log like those of small environments."""
    rng = rng or np.random.default_rng(trial.seed)
    steps = rng.poisson(18, trial.episodes).astype(np.int32) + 1
    done = rng.random(trial.episodes) < 0.9
    log = EpisodeLog(100.0 * done - steps, steps, done, done, np.zeros((1, 1)))
    return Trained(trial, log, "kernel", {}, 0.0, 0.0)


def as_pyarrow_has_it(batch):
    """The rows of these trials as a table, column by column from plain arrays."""
    lengths = [done.trial.episodes for done in batch]
    columns = {"episode": pa.array(np.concatenate([np.arange(n, dtype=np.int32) for n in lengths]))}
    for name in LOGGED:
        columns[name] = pa.array(np.concatenate([getattr(done.log, name) for done in batch]))
    columns["success"] = pa.concat_arrays(
        [
            pa.nulls(done.trial.episodes, pa.bool_())
            if done.log.success is None
            else pa.array(done.log.success)
            for done in batch
        ]
    )
    for field in schema.EPISODES:
        if field.name not in columns:
            labels = pa.types.is_dictionary(field.type)
            kind = pa.string() if labels else field.type
            values = pa.array([getattr(done.trial, field.name) for done in batch], kind)
            values = values.take(np.repeat(np.arange(len(batch)), lengths))
            columns[field.name] = values.dictionary_encode() if labels else values
    return pa.table([columns[name] for name in schema.EPISODES.names], schema=schema.EPISODES)


def written_by_pyarrow(batch, group_sizes):
    """A file of the same rows in row groups of so many trials."""
    sink, at = pa.BufferOutputStream(), 0
    with pq.ParquetWriter(sink, schema.EPISODES, write_statistics=list(FILTERED)) as writer:
        for size in group_sizes:
            table = as_pyarrow_has_it(batch[at : at + size])
            writer.write_table(table, row_group_size=len(table))
            at += size
    assert at == len(batch)
    return sink.getvalue()


def opened(buffer, **options):
    return pq.ParquetFile(pa.BufferReader(buffer), **options)


def trials_in_groups(buffer, batch):
    """How many trials each row group holds."""
    metadata = opened(buffer).metadata
    ends = np.cumsum([done.trial.episodes for done in batch])
    rows = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
    assert set(rows) <= set(ends)
    return np.diff(np.searchsorted(ends, rows, "right"), prepend=0)


def bits(column):
    """The column with floats as their bits, as NaNs and zeros would not tell."""
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return column.view(pa.int64()) if pa.types.is_float64(column.type) else column


def check_same(table, expected):
    assert table.schema.equals(expected.schema, check_metadata=True)
    assert table.num_rows == expected.num_rows
    for name in expected.column_names:
        assert bits(table[name]).equals(bits(expected[name])), name


@pytest.fixture
def small_groups(monkeypatch):
    """Row groups and pages so small that a batch of the tests needs several."""
    monkeypatch.setattr(encoding, "ROW_GROUP_ROWS", 3000)
    monkeypatch.setattr(parquet_columns, "PAGE_ROWS", 700)
    monkeypatch.setattr(parquet_columns, "MOST_DISTINCT", 1000)


ANY_BATCH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(batch=batches)
@ANY_BATCH
def test_tables_are_those_that_pyarrow_writes(batch):
    buffer = encode_episodes(batch)
    theirs = written_by_pyarrow(batch, trials_in_groups(buffer, batch))
    check_same(pq.read_table(pa.BufferReader(buffer)), pq.read_table(pa.BufferReader(theirs)))


@given(batch=batches)
@ANY_BATCH
def test_so_they_are_in_many_row_groups_and_pages(small_groups, batch):
    buffer = encode_episodes(batch)
    theirs = written_by_pyarrow(batch, trials_in_groups(buffer, batch))
    check_same(pq.read_table(pa.BufferReader(buffer)), pq.read_table(pa.BufferReader(theirs)))


@given(batch=batches)
@ANY_BATCH
def test_metadata_and_statistics_are_those_of_pyarrow(small_groups, batch):
    buffer = encode_episodes(batch)
    ours = opened(buffer).metadata
    theirs = opened(written_by_pyarrow(batch, trials_in_groups(buffer, batch))).metadata
    assert ours.schema.equals(theirs.schema)
    assert ours.metadata == theirs.metadata
    assert ours.num_rows == theirs.num_rows
    for i in range(theirs.num_row_groups):
        for j in range(theirs.num_columns):
            mine, other = (m.row_group(i).column(j) for m in (ours, theirs))
            assert mine.is_stats_set == other.is_stats_set == (mine.path_in_schema in FILTERED)
            if mine.is_stats_set:
                assert repr(mine.statistics.to_dict()) == repr(other.statistics.to_dict())


@given(batch=batches)
@ANY_BATCH
def test_the_footer_counts_the_bytes_of_the_pages(small_groups, batch):
    buffer = encode_episodes(batch)
    metadata = opened(buffer).metadata
    at = 4
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        columns = [group.column(j) for j in range(metadata.num_columns)]
        for column in columns:
            first = column.dictionary_page_offset or column.data_page_offset
            assert first == at
            at += column.total_compressed_size
            assert column.num_values == group.num_rows
        assert group.total_byte_size == sum(c.total_uncompressed_size for c in columns)
    assert at + metadata.serialized_size + 8 == buffer.size


@given(batch=batches)
@settings(max_examples=20, deadline=None)
def test_the_same_batch_is_the_same_bytes(batch):
    assert encode_episodes(batch) == encode_episodes(batch)


def test_a_file_of_no_trials():
    table = pq.read_table(pa.BufferReader(encode_episodes([])))
    assert table.schema.equals(schema.EPISODES, check_metadata=True)
    assert table.num_rows == 0


@pytest.fixture(scope="module")
def batch(make_trial):
    """Some trials of several kinds and lengths, in two row groups."""
    kinds = [("standard", {}), ("harmonic", {"eps_shift": 1e3}), ("minimum", {})]
    return [
        made(make_trial(variant, seed=seed, episodes=episodes, gamma=0.1 * (seed + 1), **given))
        for seed, episodes in enumerate((60, 2000, 150_000, 100_000, 60, 1))
        for variant, given in kinds[: 1 + seed % 3]
    ]


@pytest.fixture(scope="module")
def buffer(batch):
    return encode_episodes(batch)


@pytest.fixture(scope="module")
def theirs(buffer, batch):
    return written_by_pyarrow(batch, trials_in_groups(buffer, batch))


def test_single_columns_and_row_groups(buffer, theirs):
    mine, other = opened(buffer), opened(theirs)
    assert mine.num_row_groups == other.num_row_groups > 1
    for name in schema.EPISODES.names:
        check_same(mine.read([name]), other.read([name]))
    for i in range(mine.num_row_groups):
        check_same(mine.read_row_group(i), other.read_row_group(i))


@pytest.mark.parametrize("size", [1000, 65_537])
def test_batches_of_rows(buffer, theirs, size):
    columns = ["trial_id", "episode", "episode_return", "success", "eps_shift"]
    pairs = zip(
        opened(buffer).iter_batches(size, columns=columns),
        opened(theirs).iter_batches(size, columns=columns),
        strict=True,
    )
    for mine, other in pairs:
        for name in columns:
            assert mine[name].cast(other[name].type).equals(other[name])


def test_labels_are_read_as_dictionaries(buffer, batch):
    table = opened(buffer, read_dictionary=["trial_id"]).read(["trial_id"])
    assert pa.types.is_dictionary(table["trial_id"].type)
    ids = [name for chunk in table["trial_id"].chunks for name in chunk.dictionary.to_pylist()]
    assert ids == [done.trial.trial_id for done in batch]


@pytest.fixture(scope="module")
def short(batch):
    return [done for done in batch if done.trial.episodes <= 2000]


@pytest.fixture
def folder(tmp_path, short):
    """Three files of this writer and one of pyarrow's, each trial three times."""
    (tmp_path / "a.parquet").write_bytes(encode_episodes(short))
    (tmp_path / "b.parquet").write_bytes(written_by_pyarrow(short, [len(short)]))
    (tmp_path / "c.parquet").write_bytes(encode_episodes(short[:1]))
    (tmp_path / "d.parquet").write_bytes(encode_episodes(short[1:]))
    return tmp_path


def test_a_folder_of_old_and_new_files(folder, short):
    once = as_pyarrow_has_it(short).to_pandas()
    frame = pd.read_parquet(folder)
    assert frame.dtypes.astype(str).tolist() == once.dtypes.astype(str).tolist()
    labels = {f.name: str for f in schema.EPISODES if pa.types.is_dictionary(f.type)}
    expected = pd.concat([once.astype(labels)] * 3, ignore_index=True)
    pd.testing.assert_frame_equal(frame.astype(labels), expected)


def test_pandas_reads_columns_and_filters(folder, short):
    columns = ["trial_id", "variant", "gamma", "episode_return"]
    filters = [("variant", "==", "harmonic"), ("gamma", ">", 0.15)]
    frame = pd.read_parquet(folder, columns=columns, filters=filters)
    kept = [d for d in short if d.trial.variant == "harmonic" and d.trial.gamma > 0.15]
    assert 0 < len(kept) < len(short)
    assert len(frame) == 3 * sum(done.trial.episodes for done in kept)
    assert set(frame["trial_id"]) == {done.trial.trial_id for done in kept}
    assert list(frame.columns) == columns


def test_a_dataset_of_files(folder, short):
    dataset = ds.dataset(folder)
    assert dataset.count_rows() == 3 * sum(done.trial.episodes for done in short)
    last = dataset.to_table(columns=["seed", "steps"], filter=ds.field("episode") == 1999)
    expected = [done for done in short if done.trial.episodes > 1999]
    assert last.num_rows == 3 * len(expected) > 0
    assert set(last["steps"].to_pylist()) == {int(done.log.steps[1999]) for done in expected}


def test_filters_skip_row_groups(buffer, tmp_path):
    (tmp_path / "two.parquet").write_bytes(buffer)
    metadata = opened(buffer).metadata
    gamma = schema.EPISODES.get_field_index("gamma")
    first = metadata.row_group(0).column(gamma).statistics.max
    fragment = next(ds.dataset(tmp_path).get_fragments())
    kept = fragment.split_by_row_group(ds.field("gamma") > first)
    assert 0 < len(kept) < metadata.num_row_groups


def plain_rows(frame):
    frame = frame.astype(object)
    return frame.where(frame.notna(), None).to_numpy().tolist()


def expected_rows(batch):
    return plain_rows(as_pyarrow_has_it(batch).to_pandas())


@pytest.fixture
def short_file(tmp_path, short):
    path = tmp_path / "short.parquet"
    path.write_bytes(encode_episodes(short))
    return path


def test_polars_reads_the_same(short_file, short):
    polars = pytest.importorskip("polars")
    names = schema.EPISODES.names
    frame = polars.read_parquet(short_file)
    assert frame.columns == names
    assert [list(row) for row in frame.rows()] == expected_rows(short)
    late = (
        polars.scan_parquet(short_file).filter(polars.col("gamma") > 0.15).select("seed").collect()
    )
    assert late.height == sum(done.trial.episodes for done in short if done.trial.gamma > 0.15)


def test_duckdb_reads_the_same(short_file, short):
    duckdb = pytest.importorskip("duckdb")
    rows = duckdb.sql(f"select * from '{short_file}'").fetchall()
    assert [list(row) for row in rows] == expected_rows(short)
    late = duckdb.sql(f"select count(*) from '{short_file}' where gamma > 0.15").fetchall()
    assert late == [(sum(done.trial.episodes for done in short if done.trial.gamma > 0.15),)]


@pytest.mark.parametrize("n_distinct", [2, 70_000, 10**9])
def test_a_trial_of_a_million_episodes(make_trial, n_distinct):
    rng = np.random.default_rng(0)
    trial = make_trial(episodes=1_000_003)
    flags = rng.random(trial.episodes) < 0.5
    returns = rng.integers(0, n_distinct, trial.episodes) * 0.1
    steps = rng.integers(0, 9, trial.episodes).astype(np.int32)
    log = EpisodeLog(returns, steps, flags, flags, np.zeros((1, 1)))
    batch = [Trained(trial, log, "kernel", {}, 0.0, 0.0), made(make_trial(seed=1))]
    table = pq.read_table(pa.BufferReader(encode_episodes(batch)))
    check_same(table.combine_chunks(), as_pyarrow_has_it(batch))


def test_very_short_trials_share_pages(make_trial):
    batch = [made(make_trial(seed=seed, episodes=1 + seed % 3)) for seed in range(600)]
    buffer = encode_episodes(batch)
    check_same(pq.read_table(pa.BufferReader(buffer)), as_pyarrow_has_it(batch))
    metadata = pq.read_metadata(io.BytesIO(buffer))
    episode = metadata.row_group(0).column(schema.EPISODES.get_field_index("episode"))
    assert episode.total_compressed_size < 300


def test_a_log_of_another_length_is_refused(make_trial):
    done = made(make_trial(episodes=30))
    longer = Trained(make_trial(episodes=31), done.log, "kernel", {}, 0.0, 0.0)
    with pytest.raises(ValueError, match="must have 31 entries, got 30"):
        encode_episodes([longer])


def test_a_null_where_none_may_be_is_refused(make_trial):
    trial = make_trial(episodes=30)
    lacking = Trial(**{**trial.identity, "fingerprint": None, "gamma": None})
    done = made(trial)
    with pytest.raises(ValueError, match="'gamma' must have no nulls"):
        encode_episodes([Trained(lacking, done.log, "kernel", {}, 0.0, 0.0)])
