from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from made_up import failure, publish, rewrite, trained

from hq_ray import schema
from hq_ray.errors import InputError, ResultsError
from hq_ray.load import load_curves, load_episodes, load_q_values, load_trials, stream_curves
from hq_ray.published import ResultsWarning, problems
from hq_ray.store import DONE, FAILED, Results
from hq_ray.trial import CONFIRMATION


@pytest.fixture
def batch(make_trial):
    return [
        trained(make_trial("standard", seed=0)),
        trained(make_trial("harmonic", seed=1, episodes=1)),
        trained(make_trial("minimum", seed=2, episodes=70), 5, 4),
        trained(make_trial("harmonic", env="FrozenLake-v1", seed=3)),
    ]


@pytest.fixture
def published(results, batch):
    """Two batches."""
    results.publish(batch[:2], keep_q_values=True)
    results.publish(batch[2:][::-1], keep_q_values=True)
    return results


def test_a_sweep_that_has_published_nothing_has_no_trials(results):
    results.describe("sweep", {})
    for load, kind in ((load_trials, schema.TRIALS), (load_episodes, schema.EPISODES)):
        frame = load(results)
        assert (len(frame), list(frame.columns)) == (0, kind.names)


def test_a_trial_counts_once_and_whole_however_often_it_was_published(published, batch, make_trial):
    """As when a failure was retried, or a worker died between publishing and reporting."""
    retried, hopeless = batch[0].trial, make_trial(seed=8)
    for failures in ([retried], [retried, hopeless], [hopeless]):
        published.publish([], [failure(trial) for trial in failures])
    uncommitted = published.publish([batch[0], trained(make_trial(seed=9))])
    published.location.delete(f"trials/{uncommitted}.parquet")
    for again in (batch, *([done] for done in batch)):
        published.publish(again)
    lengths = {done.trial.trial_id: done.trial.episodes for done in batch}
    trials = load_trials(published, quiet=True)
    assert trials["trial_id"].is_unique
    status = trials.set_index("trial_id")["status"].to_dict()
    assert status == dict.fromkeys(lengths, DONE) | {hopeless.trial_id: FAILED}
    curves = load_curves(published, [done.trial for done in batch], ["steps"])
    assert {name: len(of["steps"]) for name, of in curves.items()} == lengths
    episodes = load_episodes(published, quiet=True).groupby("trial_id", observed=False)
    assert episodes.size().to_dict() == lengths


def test_q_values_are_numbered_as_the_environment_does(results, make_trial):
    plain = trained(make_trial(), 2, 3)  # as in older files, where everything began at 0
    log = replace(plain.log, first_state=-7, first_action=5)
    shifted = replace(plain, trial=make_trial(seed=1), log=log)
    results.publish([plain, shifted], keep_q_values=True)
    rows = pd.read_parquet(f"{results.location.path}/q_values")
    rows = rows[rows["trial_id"] == shifted.trial.trial_id]
    assert rows["state"].tolist() == [-7] * 3 + [-6] * 3
    assert rows["action"].tolist() == [5, 6, 7] * 2
    assert rows["q_value"].tolist() == log.q_values.ravel().tolist()
    for table in load_q_values(results, [plain.trial, shifted.trial]).values():
        assert table.tolist() == log.q_values.tolist()


def test_what_is_not_damaged_is_still_read(published):
    bad, good = published.names("trials")
    published.location.write(f"trials/{bad}", b"rubbish")
    damaged = []
    assert len(load_trials(published, damaged=damaged)) == len(published.read("trials", good))
    (sentence,) = damaged
    assert bad in sentence
    with pytest.raises(ResultsError, match=bad):
        load_trials(published)


@pytest.fixture
def grid_trials(make_trial):
    """Two variants, two step sizes, three seeds."""
    return [
        make_trial(variant, env="FrozenLake-v1", seed=seed, alpha=alpha)
        for variant in ("standard", "harmonic")
        for alpha in (0.1, 0.2)
        for seed in range(3)
    ]


@pytest.fixture
def grid(results, grid_trials):
    return publish(results, grid_trials, 3)


@pytest.mark.parametrize(
    ("where", "number"),
    [
        (None, 12),
        ("alpha == 0.2 and variant == 'harmonic' and seed in [0, 1]", 2),
        ("not eps_shift < 1", 6),
        ("status == 'failed'", 0),
        ([("alpha", "==", 0.2)], 6),
        (pc.field("seed") == 1, 4),
    ],
)
def test_which_trials(grid, where, number):
    assert len(load_trials(grid, where)) == number


def test_trials_are_rows_sorted_whatever_their_files(grid, grid_trials, tmp_path):
    frame = load_trials(Path(grid.location.path))
    assert list(frame.columns) == schema.TRIALS.names
    keys = ["env", "variant", "alpha", "seed"]
    expected = {one.trial_id: [getattr(one, key) for key in keys] for one in grid_trials}
    assert frame.set_index("trial_id")[keys].T.to_dict("list") == expected
    assert frame[keys].equals(frame[keys].sort_values(keys, ignore_index=True))
    other = publish(Results.at(tmp_path / "other"), grid_trials[::-1])
    moment = ["finished_at"]
    assert load_trials(other.location).drop(columns=moment).equals(frame.drop(columns=moment))


def test_columns_are_those_asked_for(grid):
    frame = load_trials(grid, "alpha == 0.1", ["final_return", "seed"])
    assert list(frame.columns) == ["final_return", "seed"]
    assert load_trials(grid, columns=["seed"])["seed"].equals(load_trials(grid)["seed"])
    frame = load_episodes(grid, "alpha == 0.1", ["episode_return", "seed", "alpha"])
    assert list(frame.columns) == ["episode_return", "seed", "alpha"]
    assert (len(frame), set(frame["alpha"])) == (6 * 30, {0.1})
    assert list(load_episodes(grid).columns) == schema.EPISODES.names
    ids = load_episodes(grid, "episode_return > 2", ["trial_id"])["trial_id"]
    assert ids.cat.categories.tolist() == sorted(ids.unique()) != []


@pytest.mark.parametrize(
    ("where", "query"),
    [
        ("episode >= 10 and alpha == 0.2", None),
        ("steps > 20 and not terminated or seed == 2", None),
        ("steps <= max_steps", None),
        ("not eps_shift > 0 and episode == 3", None),
        ([("alpha", "==", 0.2), ("episode", "<", 5)], "alpha == 0.2 and episode < 5"),
        (pc.field("episode_return") > 0, "episode_return > 0"),
    ],
)
def test_which_episodes(grid, where, query):
    plain = pd.read_parquet(Path(grid.location.path) / "episodes")
    names = [name for name in schema.TRIALS.names if name not in plain.columns]
    trials = load_trials(grid)[["trial_id", *names]]
    plain = plain.astype({"trial_id": str}).merge(trials, on="trial_id")
    expected = plain.query(query or where, engine="python")
    columns = ["trial_id", "variant", "seed", "alpha", "episode", "episode_return", "steps"]
    found, expected = (
        frame[columns].astype({"trial_id": str, "variant": str}).sort_values(columns)
        for frame in (load_episodes(grid, where, columns), expected)
    )
    assert found.to_numpy().tolist() == expected.to_numpy().tolist() != []


def test_episodes_by_what_only_trials_know(grid):
    trials = load_trials(grid)
    best = trials.loc[trials["total_steps"].idxmax()]
    frame = load_episodes(grid, f"total_steps >= {best['total_steps']} and episode < 7")
    assert frame["trial_id"].unique().tolist() == [best["trial_id"]]
    assert frame["episode"].tolist() == list(range(7))
    assert frame["trial_id"].cat.categories.tolist() == [best["trial_id"]]


def test_several_sweeps_count_a_trial_once(published, batch, make_trial, tmp_path):
    other = Results.at(tmp_path / "other")
    more = trained(make_trial(seed=7))
    other.publish([more, batch[0]], [failure(batch[1].trial)])
    places = [str(tmp_path / "other"), published]
    frame = load_trials(places)
    assert sorted(frame["trial_id"]) == sorted(d.trial.trial_id for d in [*batch, more])
    assert set(frame["status"]) == {DONE}
    assert len(load_episodes(places)) == sum(d.trial.episodes for d in [*batch, more])
    assert load_trials(places)["trial_id"].equals(load_trials(places[::-1])["trial_id"])


@pytest.mark.parametrize("load", [load_trials, load_episodes])
def test_unknown_columns_are_named(published, load):
    with pytest.raises(InputError, match="where: unknown name 'alhpa'; did you mean 'alpha'"):
        load(published, "alhpa == 0.2")
    with pytest.raises(InputError, match="unknown column 'alhpa' in columns; did you mean 'alpha'"):
        load(published, columns=["alhpa"])
    with pytest.raises(InputError, match="columns must be a list of names, got 'alpha'"):
        load(published, columns="alpha")


MUST = "results must be a folder that a run or sweep wrote, got "


@pytest.mark.parametrize("load", [load_trials, load_episodes])
def test_places_that_hold_no_results(published, tmp_path, load):
    (tmp_path / "mine").mkdir()
    for place, tail in (
        ("/sweap", "', which is not there; did you mean 'sweep'?"),
        ("/mine", "', which has none"),
        ("", f"', which has none; did you mean '{tmp_path}/sweep'?"),
        ("/no/where", "', which is not there"),
    ):
        with pytest.raises(InputError) as caught:
            load(f"{tmp_path}{place}")
        assert str(caught.value) == f"{MUST}'{tmp_path}{place}{tail}"
    Results.at(tmp_path / "again").publish([], [])
    with pytest.raises(InputError, match="which has none; in it are: again, sweep"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"at least one folder .*, got none"):
        load([])


def told(results, load=load_trials, **options):
    """What is loaded, and the warnings that come with it."""
    with pytest.warns(ResultsWarning) as caught:
        frame = load(results, **options)
    assert {warning.filename for warning in caught} == {__file__}
    return frame, [str(warning.message) for warning in caught]


def test_failures_and_different_models_are_told(published, make_trial):
    published.publish([], [failure(make_trial(seed=8)), failure(make_trial(seed=9))])
    old = make_trial(env="FrozenLake-v1", seed=11)
    published.publish([trained(replace(old, fingerprint="0" * 16))])
    sentences = [
        "2 of 7 trials failed and enter no curve and no average",
        "trials of FrozenLake-v1 were trained on 2 different models of it, and must not be "
        f"compared (00000000: 1 trial, {old.fingerprint[:8]}: 1 trial)",
    ]
    frame, found = told(published)
    assert found == problems(published, frame) == sentences
    assert told(published, columns=["seed"])[1] == sentences
    assert told(published, load_episodes, columns=["steps"])[1] == sentences
    assert len(load_trials(published, "status == 'done' and env != 'FrozenLake-v1'")) == 3
    assert len(load_trials(published, quiet=True)) == 7


def test_missing_trials_are_told(published, batch):
    planned = {
        "Table-v0 {}": {"standard": 3, "harmonic": 1, "minimum": 2},
        "FrozenLake-v1 {}": {"harmonic": 1},
    }
    published.describe("a", {}, planned=planned)
    frame, found = told(published)
    # A choice among the trials is no lack of them, and does not hide one.
    assert found == problems(published, frame[:1])
    assert found == [
        f"3 of 7 planned trials are not in {published.location.text}; hq-ray status counts them"
    ]
    planned["Table-v0 {}"] |= {"standard": 1, "minimum": 1}
    published.describe("a", {}, planned=planned)
    assert problems(published, frame[:1]) == []


def test_confirmation_and_stale_trials_hide_no_missing_one(published, make_trial):
    lake = make_trial(env="FrozenLake-v1", seed=2**62)
    others = [replace(lake, role=CONFIRMATION), replace(lake, fingerprint="0" * 16)]
    published.publish([trained(one) for one in others])
    plan = {"planned": {"FrozenLake-v1 {}": {"standard": 1}}}
    published.describe("a", {}, **plan, fingerprints={"FrozenLake-v1 {}": lake.fingerprint})
    assert f"1 of 1 planned trials are not in {published.location.text}; " in told(published)[1][-1]


def test_the_last_of_several_failures_counts(published, make_trial):
    trials = [make_trial(seed=seed) for seed in range(10, 18)]
    for trial in trials:  # names of batches are digests, so the later one may stand first
        published.publish([trained(replace(trial, seed=99))], [failure(trial, "first")])
        published.publish([], [failure(trial, "second")])
    frame = load_trials(published, "status == 'failed'", quiet=True)
    assert frame["error_message"].tolist() == ["second"] * len(trials)


def test_columns_that_older_files_lack_are_null_or_named(published, batch):
    rewrite(published, "trials", lambda table: table.drop_columns(["policy_value", "engine"]))
    frame = load_trials(published, "policy_value is None")
    assert len(frame) == len(batch)
    assert (frame["policy_value"].isna().all(), frame["policy_value"].dtype) == (True, np.float64)
    assert len(load_trials(published, "engine == 'kernel'")) == 0
    for name in ("steps", "success"):
        rewrite(published, "episodes", lambda table, name=name: table.drop_columns([name]))
        with pytest.raises(ResultsError, match=rf"episodes/.*\.parquet must be .*{name}"):
            load_episodes(published, columns=[name])
    assert len(load_episodes(published, columns=["episode_return"])) > 0


def test_results_in_an_object_store(object_store, grid_trials):
    place = "s3://bucket/some/sweep"
    publish(Results.at(place), grid_trials)
    assert len(load_trials(place, "seed == 1")) == 4
    assert len(load_episodes(place, "seed == 1 and episode < 3")) == 12
    ((_, curves),) = stream_curves(place, [[one.trial_id for one in grid_trials[:3]]], ["steps"])
    assert curves["steps"].shape == (3, 30)
    with pytest.raises(InputError, match="which is not there; did you mean 'sweep'"):
        load_trials("s3://bucket/some/sweap")
    with pytest.raises(InputError, match=f"has none; did you mean '{place}'"):
        load_trials("s3://bucket/some")
