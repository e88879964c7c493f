import pandas as pd
import pytest

from hq_ray.batch import run_batch
from hq_ray.store import DONE, FAILED


@pytest.fixture
def fragile(make_trial, register_acting):
    """Four trials, whose steps do what is said for the seed of the trial."""

    def prepare(steps):
        register_acting("Fragile-v0", lambda env, _: steps.get(env.seed, lambda: 1.0)())
        return [make_trial(env="Fragile-v0", seed=seed, episodes=5) for seed in range(4)]

    return prepare


def raising(problem):
    def step():
        raise problem

    return step


def rows(results):
    return pd.read_parquet(f"{results.location.path}/trials").set_index("seed").sort_index()


def test_a_batch_is_trained_published_and_reported(results, make_trial):
    trials = [make_trial(env="FrozenLake-v1", seed=seed, episodes=5) for seed in range(4)]
    report = run_batch(trials, results, keep_q_values=True)
    assert report.done == tuple(trial.trial_id for trial in trials)
    assert report.reasons == ()
    assert results.published() == dict.fromkeys(report.done, DONE)
    assert report.steps == rows(results)["total_steps"].sum()
    assert 0 < report.train_seconds <= report.seconds
    assert len(results.location.child("q_values").files(".parquet")) == 1


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("cannot be shown")


@pytest.mark.parametrize(
    ("problem", "message", "traced"),
    [
        (ValueError("\udcff is half a character"), "? is half a character", "in step"),
        (ValueError("x" * 10_000_000), "x" * 500, "x" * 3999),
        (StopIteration(3), "3", "in step"),
        (Unprintable(), "its message cannot be read: RuntimeError", "RuntimeError"),
        (SystemExit(1), "1", "in step"),
        (KeyboardInterrupt(1), "1", "in step"),
    ],
    ids=["surrogate", "long", "stop", "unprintable", "exit", "interrupt"],
)
def test_whatever_a_trial_raises_is_a_row_and_its_neighbours_are_done(
    results, fragile, problem, message, traced
):
    trials = fragile(dict.fromkeys((1, 3), raising(problem)))
    report = run_batch(trials, results)
    kind = type(problem).__name__
    assert report.done == (trials[0].trial_id, trials[2].trial_id)
    assert report.reasons == (f"{kind}: {message}",) * 2
    table = rows(results)
    assert table["status"].to_list() == [DONE, FAILED, DONE, FAILED]
    assert table.loc[1, ["error_type", "error_message"]].to_list() == [kind, message]
    assert traced in table.loc[1, "error_traceback"]
    assert len(table.loc[1, "error_traceback"]) <= 4000
    assert table.loc[0, ["error_type", "error_message", "error_traceback"]].isna().all()
    episodes = pd.read_parquet(f"{results.location.path}/episodes")
    assert sorted(episodes["seed"].unique()) == [0, 2]


def test_of_trials_trained_together_one_that_overflows_has_failed(
    results, make_trial, register, table_env
):
    # The values of alpha = 1 are 4e307 times 1, 2, 3, 4, 5 at gamma = 1 - 1e-9.
    register(
        "Doubling-v0", entry_point=lambda: table_env({0: {0: [(1.0, 0, 4e307, False)]}}, [1.0])
    )
    common = {"env": "Doubling-v0", "episodes": 5, "max_steps": 1, "gamma": 1 - 1e-9}
    trials = [make_trial(alpha=alpha, **common) for alpha in (0.1, 1.0, 0.2)]
    report = run_batch(trials, results)
    assert report.done == (trials[0].trial_id, trials[2].trial_id)
    assert report.reasons == (
        "TrialError: episode 4, step 1: the Q value of state 0 and action 0 must be finite, got "
        "inf after a reward of 4e+307",
    )


@pytest.mark.parametrize(
    ("module", "problem"),
    [("ray._private.worker", SystemExit), ("hq_ray.sweeps.driver", KeyboardInterrupt)],
)
def test_a_process_that_is_told_to_stop_publishes_nothing(results, fragile, module, problem):
    handler = {"__name__": module, "problem": problem}
    exec("def handle():\n    raise problem(1)", handler)
    with pytest.raises(problem):
        run_batch(fragile({0: handler["handle"]}), results)
    assert results.published() == {}
