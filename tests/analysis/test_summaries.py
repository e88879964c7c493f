import gymnasium
import numpy as np
import pandas as pd
import pytest

from hq_ray import schema
from hq_ray.analysis.metrics import DERIVED, METRICS
from hq_ray.analysis.summaries import REFERENCE_COLUMNS, summarise_trials
from hq_ray.environments import load_model
from hq_ray.load import load_trials
from hq_ray.planning import references
from hq_ray.store import DONE, FAILED, Failure, Results
from hq_ray.training import train


@pytest.fixture
def read(tmp_path):
    """The trials frame of trained trials, by way of the store."""

    def publish(trials, failed=()):
        results = Results.at(tmp_path / "sweep")
        lost = [Failure(trial, "ValueError", "no", "Traceback: no") for trial in failed]
        results.publish([train(trial) for trial in trials], lost)
        found = load_trials(results, quiet=True)
        return found.sort_values(["env", "variant", "seed"], ignore_index=True)

    return publish


def row(env="Table-v0", fingerprint=None, episodes=10, **values):
    """A row of a trials frame by hand."""
    plain = dict.fromkeys(("start_value", "optimal_value", *METRICS), np.nan)
    plain |= {"trial_id": "0123456789abcdef", "env": env, "env_args": "{}", "status": DONE}
    plain |= {"variant": "standard", "seed": 7}
    numbers = {"gamma": 0.99, "max_steps": 100, "mean_return": -20.0, "final_return": -15.0}
    rates = {"truncation_rate": 0.0, "success_rate": 1.0, "final_success_rate": 1.0}
    more = {"mean_steps": 20.0, "final_steps": 15.0, "total_steps": int(20 * episodes)}
    row = {**plain, **numbers, **rates, **more, "fingerprint": fingerprint, "episodes": episodes}
    return {**row, **values}


def summary_of(*rows):
    return summarise_trials(pd.DataFrame(rows))[0]


LAKE = "FrozenLake-v1"


def test_every_metric_of_a_trained_trial_by_hand(make_trial, read):
    settings = enumerate([(0.9, 50), (0.5, 20), (0.99, 20)])
    trials = read(
        [make_trial("standard", LAKE, seed=s, gamma=g, max_steps=m) for s, (g, m) in settings]
    )
    frame, notes = summarise_trials(trials)
    assert notes == []
    assert frame["optimal_return"].nunique() == 3
    for (_, trial), (_, found) in zip(trials.iterrows(), frame.iterrows(), strict=True):
        exact = references(load_model(LAKE, "{}"), trial["gamma"], trial["max_steps"])
        assert found["trial_id"] == trial["trial_id"]
        expected = {
            "return_per_step": trial["mean_return"] * 30 / trial["total_steps"],
            "regret": 30 * (exact.optimal_return - trial["mean_return"]),
            "failure_rate": 1 - trial["truncation_rate"] - trial["success_rate"],
            "policy_gap": trial["optimal_value"] - trial["policy_value"],
            "start_bias": trial["start_value"] - trial["policy_value"],
            **{name: trial[name] for name in set(METRICS) & set(trials)},
        }
        unknown = {name for name in METRICS if name.startswith("falls")}
        assert set(METRICS) == {*expected, *unknown}
        for name, value in expected.items():
            assert found[name] == pytest.approx(value, rel=1e-10, abs=1e-12, nan_ok=True), name
        assert found[list(unknown)].isna().all()
        for name in REFERENCE_COLUMNS:
            assert found[name] == getattr(exact, name)


def test_failed_trials_and_none_at_all(make_trial, read):
    trials = [make_trial("standard", "CliffWalking-v1", seed=seed) for seed in range(3)]
    frame = read(trials[:2], trials[2:])
    before = frame.copy(deep=True)
    found = summarise_trials(frame)[0]
    assert found["status"].tolist() == [DONE, DONE, FAILED]
    assert found.loc[2, list(METRICS)].isna().all()
    pd.testing.assert_frame_equal(frame, before)
    empty, notes = summarise_trials(frame.iloc[:0])
    assert notes == []
    assert set(METRICS) <= set(empty)


def test_trials_without_finite_scores_are_left_out_and_named():
    lost = [row(trial_id=str(n), **{name: np.inf}) for n, name in enumerate(METRICS) if n < 7]
    found, notes = summarise_trials(
        pd.DataFrame([row(), *lost, row(trial_id="7", mean_return=np.nan)])
    )
    assert found["status"].tolist() == [DONE] + [FAILED] * 8
    assert found["mean_return"].isna().tolist() == [False] + [True] * 8
    assert notes[0].startswith("8 trials with a return or value that is NaN or infinite left")
    assert notes[0].endswith("4 (standard, seed 7, Table-v0) and 3 more")


def test_notes_say_why_references_are_missing(make_trial, read):
    trials = read([make_trial("standard", "Blackjack-v1", seed=seed) for seed in range(2)])
    gone = trials.assign(env="Gone-v0", fingerprint="0123456789abcdef").iloc[:1]
    other = trials.assign(env="FrozenLake-v1", fingerprint="0123456789abcdef").iloc[:1]
    frame, notes = summarise_trials(pd.concat([trials, gone, other], ignore_index=True))
    assert frame[["regret", *REFERENCE_COLUMNS]].isna().all(axis=None)
    begin = "regret is null for"
    assert notes[0] == (
        f"{begin} 2 trials: Blackjack-v1 was trained without a model to compute exact values from"
    )
    assert notes[2].startswith(f"{begin} 1 trial: Gone-v0 cannot be made here (")
    assert notes[1].startswith(f"{begin} 1 trial: the model of FrozenLake-v1 must")
    assert len(notes) == 3


def test_failures_are_whole_episodes_and_unknown_where_they_end_none(make_trial, read):
    trials = read([make_trial("standard", env) for env in ("CliffWalking-v1", LAKE)])
    rate = summarise_trials(trials)[0].set_index("env")["failure_rate"]
    assert np.isnan(rate["CliffWalking-v1"])
    assert 0 < rate[LAKE] <= 1
    # 1 - 0.7 - 0.3 is not 0 in binary.
    found = summary_of(row(truncation_rate=0.7, success_rate=0.3))
    assert found["failure_rate"].tolist() == [0.0]


def test_falls_are_recovered_from_the_returns_of_a_random_walker():
    rng, episodes, returns, steps, falls = np.random.default_rng(0), 23, 0.0, 0, 0
    env = gymnasium.make("CliffWalkingSlippery-v1", max_episode_steps=150)
    for episode in range(episodes):
        state, _ = env.reset(seed=0 if episode == 0 else None)
        over = False
        while not over:
            last, (state, reward, terminated, truncated, _) = state, env.step(rng.integers(4))
            # A jump to the start over several cells, or over none.
            distance = abs(state // 12 - last // 12) + abs(state % 12 - last % 12)
            falls += state == 36 and (distance > 1 or reward == -100)
            returns, steps, over = returns + reward, steps + 1, terminated or truncated
    assert falls > 20
    log = {"mean_return": returns / episodes, "mean_steps": steps / episodes, "total_steps": steps}
    found = summary_of(row("CliffWalkingSlippery-v1", episodes=episodes, **log)).iloc[0]
    assert found["falls"] == falls
    assert found["falls_per_episode"] == falls / episodes
    assert found["falls_per_1000_steps"] == pytest.approx(1000 * falls / steps, rel=1e-14)


def test_falls_of_long_runs_survive_the_rounding_of_means():
    # 3 * (1/3) and its like: means whose multiples are not whole.
    rng = np.random.default_rng(0)
    episodes, total_steps = rng.integers(1, 10**6, 300), rng.integers(1, 10**9, 300)
    falls = np.minimum(rng.integers(0, 10**8, 300), total_steps)
    trials = pd.DataFrame([row("CliffWalking-v1")] * 300).assign(
        episodes=episodes,
        total_steps=total_steps,
        mean_steps=total_steps / episodes,
        mean_return=-(total_steps + 99 * falls) / episodes,
    )
    assert summarise_trials(trials)[0]["falls"].tolist() == falls.tolist()


def test_falls_are_known_on_the_cliffs_alone():
    found = summary_of(row("gymnasium:CliffWalkingSlippery-v12"), row("mine:CliffWalking-v1"))
    assert found["falls"].tolist() == pytest.approx([0.0, np.nan], nan_ok=True)
    assert found["falls_per_episode"].notna().tolist() == [True, False]


def test_every_metric_has_words_and_one_sign():
    for name, row in METRICS.items():
        assert (row.name, row.summary[-1]) == (name, ".")
        assert row.axis_label.startswith(row.label)
    assert set(schema.BETTER) == set(METRICS) & set(schema.TRIALS.names) - {"q_bias"}
    assert {name for name, row in METRICS.items() if not row.sign} == {"q_bias", "start_bias"}
    assert not DERIVED.keys() & schema.BETTER.keys()
    assert METRICS["final_steps"].axis_label == "length of final episodes [steps]"
