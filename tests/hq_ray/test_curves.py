"""Episodes read back: curves of groups of trials."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import failure, publish, rewrite

from hq_ray import load
from hq_ray.errors import InputError, ResultsError
from hq_ray.load import stream_curves
from hq_ray.store import Results

COLUMNS = ("episode_return", "steps", "terminated", "truncated", "success")


@pytest.fixture(scope="session")
def grid(make_trial):
    """Twelve configurations of three seeds, of three lengths, by configuration."""
    return [
        [
            make_trial(variant, env="FrozenLake-v1", seed=s, alpha=alpha, episodes=episodes)
            for s in range(3)
        ]
        for variant in ("standard", "harmonic")
        for alpha in (0.1, 0.2)
        for episodes in (1, 40, 200)
    ]


@pytest.fixture(scope="session")
def groups(grid):
    return [[trial.trial_id for trial in group] for group in grid]


@pytest.fixture(scope="session")
def trials(grid):
    return [trial for group in grid for trial in group]


@pytest.fixture(scope="session")
def results(tmp_path_factory, trials):
    return publish(Results.at(tmp_path_factory.mktemp("curves") / "sweep"), trials, 5)


@pytest.fixture
def other(tmp_path):
    return Results.at(tmp_path / "other")


def as_bytes(stream):
    return {
        number: {name: (array.dtype, array.shape, array.tobytes()) for name, array in found.items()}
        for number, found in stream
    }


@pytest.fixture(scope="session")
def expected(results):
    """What pandas makes of the same files, for any groups."""
    frame = pd.read_parquet(Path(results.location.path) / "episodes")
    logs = dict(list(frame.astype({"trial_id": str, "success": float}).groupby("trial_id")))

    def curves(groups):
        return as_bytes(
            (n, {name: np.stack([logs[one][name].to_numpy() for one in group]) for name in COLUMNS})
            for n, group in enumerate(groups)
        )

    return curves


@pytest.mark.parametrize(("n_batches", "budget"), [(5, 3000), (5, 2**28), (1, 5000), (36, 5000)])
def test_equal_to_a_groupby(other, trials, groups, expected, n_batches, budget, monkeypatch):
    monkeypatch.setattr(load, "BUDGET_BYTES", budget)
    shuffled = [trials[i] for i in np.random.default_rng(n_batches).permutation(len(trials))]
    stream = list(stream_curves(publish(other, shuffled, n_batches), groups, COLUMNS))
    assert [number for number, _ in stream] == list(range(len(groups)))
    assert as_bytes(stream) == expected(groups)


@given(st.lists(st.tuples(st.integers(0, 11), st.lists(st.integers(0, 2), min_size=1, max_size=4))))
@settings(max_examples=20)
def test_any_groups_in_any_order_and_any_trial_again(results, groups, expected, picked):
    some = [[groups[number][seed] for seed in seeds] for number, seeds in picked]
    assert as_bytes(stream_curves(results, some, COLUMNS)) == expected(some)


def test_several_sweeps(other, tmp_path, groups, trials, expected):
    publish(other, trials[:20], 2)
    second = publish(Results.at(tmp_path / "second"), trials[15:], 3)
    assert as_bytes(stream_curves([other, second], groups, COLUMNS)) == expected(groups)


def test_no_more_is_read_at_once_than_the_budget_and_a_group(results, groups, monkeypatch):
    parts, read = [], load._logs

    def noted(*arguments):
        parts.append(read(*arguments))
        return parts[-1]

    monkeypatch.setattr(load, "_logs", noted)
    largest = 3 * 200 * 8
    for budget in (6000, 1000):
        monkeypatch.setattr(load, "BUDGET_BYTES", budget)
        parts.clear()
        dict(stream_curves(results, groups, ["episode_return"]))
        sizes = [sum(log["episode_return"].nbytes for log in part.values()) for part in parts]
        assert sum(sizes) == 8 * 4 * 3 * (1 + 40 + 200)
        assert max(sizes) < budget + largest


def test_only_the_row_groups_that_hold_them_are_decoded(other, trials, groups, monkeypatch):
    rewrite(publish(other, trials), "episodes", lambda table: table, row_group_size=40)
    read, decode = [], pq.ParquetFile.read_row_groups

    def noted(file, groups, columns, **options):
        read.append((groups, columns))
        return decode(file, groups, columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    dict(stream_curves(other, [groups[0]], ["steps"]))
    assert read == [([0], ["trial_id", "episode", "steps"])]


@pytest.mark.parametrize("rows", [7, 10**6])
def test_files_that_another_tool_wrote(other, trials, groups, expected, rows):
    def plain(table):
        ids = table["trial_id"].cast(pa.string())
        return table.set_column(0, "trial_id", ids).replace_schema_metadata(None)

    rewrite(publish(other, trials, 2), "episodes", plain, row_group_size=rows)
    assert as_bytes(stream_curves(other, groups, COLUMNS)) == expected(groups)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.take(np.arange(len(t))[::-1]), "its episodes 0 to .* in .*parquet, got 40"),
        (lambda t: t.slice(0, len(t) - 1), "must have its episodes .*parquet, got 199"),
        (lambda t: pa.concat_tables([t, t]), "must have its episodes 0 to .* in order in"),
        (lambda t: t.slice(0, 0), "must have its episodes 0 to 0 in order in .*parquet, got 0"),
        (lambda t: t.drop_columns(["trial_id"]), "must be a Parquet file of this .*: .*trial_id"),
    ],
    ids=["reversed", "cut", "twice", "empty", "no ids"],
)
def test_files_that_do_not_hold_their_trials_are_named(other, trials, groups, change, message):
    rewrite(publish(other, trials), "episodes", change)
    with pytest.raises(ResultsError, match=message):
        list(stream_curves(other, groups, ["steps"]))


def test_a_flipped_byte_is_never_read_as_curves(other, make_trial):
    """Wherever it is, the curves are the same, or the error names the file."""
    trials = [make_trial(env="FrozenLake-v1", seed=seed) for seed in range(3)]
    results = publish(other, trials)
    group = [trial.trial_id for trial in trials]
    expected = as_bytes(stream_curves(results, [group], COLUMNS))
    (file,) = (Path(results.location.path) / "episodes").iterdir()
    content = file.read_bytes()
    refused = []
    for at in range(0, len(content), 29):
        flipped = bytearray(content)
        flipped[at] ^= 0x80
        file.write_bytes(flipped)
        try:
            found = as_bytes(stream_curves(results, [group], COLUMNS))
        except ResultsError as problem:
            refused.append(str(problem))
        else:
            assert found == expected
    assert len(refused) > len(content) // 60
    assert all(f"episodes/{file.name}" in message for message in refused)


def test_trials_that_are_not_done_are_named(other, trials, groups, make_trial):
    results = publish(other, trials)
    failed = make_trial(seed=77)
    results.publish([], [failure(failed)])
    wanted = [*groups, [failed.trial_id], ["0" * 16]]
    with pytest.raises(ResultsError) as caught:
        stream_curves(results, wanted, ["steps"])
    assert str(caught.value) == (
        f"trials must be published as done in {results.location.text}, but 2 of 38 are not: "
        + ", ".join(sorted([failed.trial_id, "0" * 16]))
    )


@pytest.mark.parametrize(
    ("seeds", "column", "message"),
    [
        ([], "steps", "those of group 1 have none: it is empty"),
        ([(0, 0), (1, 0)], "steps", "those of group 1 have 1 and 40"),
        ([(0, 0)], "step", "unknown column 'step' in columns; did you mean 'steps'?"),
        ([(0, 0)], "variant", "unknown column 'variant' in columns; known: seed, episode"),
    ],
)
def test_groups_and_columns_that_cannot_be(results, groups, seeds, column, message):
    group = [groups[number][seed] for number, seed in seeds]
    with pytest.raises(InputError, match=message):
        stream_curves(results, [groups[0], group], [column])
