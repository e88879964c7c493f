import numpy as np
import pytest

from hq_ray import load
from hq_ray.analysis.reading.curves import mean_curves
from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.statistics.means import mean_and_se
from hq_ray.episode_log import EpisodeLog, Trained
from hq_ray.store import Results


@pytest.fixture
def done(make_trial):
    """Five configurations of three seeds; all but the first know of success."""

    def log(trial):
        random = np.random.default_rng(int(trial.trial_id, 16))
        steps = random.integers(1, 50, 40, dtype=np.int32)
        success = random.random(40) < 0.5 if trial.fingerprint else None
        return EpisodeLog(random.normal(size=40), steps, steps > 9, success, np.zeros((1, 1)))

    trials = [
        make_trial(
            seed=seed, episodes=40, env="FrozenLake-v1" if number else None, gamma=number / 9
        )
        for number in range(5)
        for seed in range(3)
    ]
    return [Trained(trial, log(trial), "kernel", {}, 0.0, 0.0) for trial in trials]


@pytest.mark.parametrize("window", [1, 7])
def test_mean_curves_smooth_each_seed_and_then_average(tmp_path, done, window, monkeypatch):
    results = Results.at(tmp_path / "sweep")
    for first in range(4):
        results.publish(done[first::4])
    monkeypatch.setattr(load, "BUDGET_BYTES", 2000)
    groups = [[one.trial.trial_id for one in done[at : at + 3]] for at in range(0, 15, 3)]
    found = mean_curves(results, groups, ["episode_return", "success"], window)
    assert [list(means) for means in found] == [["episode_return"]] + [
        ["episode_return", "success"]
    ] * 4
    for number, means in enumerate(found):
        for name, mean in means.items():
            logs = [getattr(one.log, name) for one in done[3 * number : 3 * number + 3]]
            by_hand = mean_and_se(trailing_mean(np.array(logs, float), window))
            assert mean.mean.tobytes() == by_hand.mean.tobytes()
            assert mean.se.tobytes() == by_hand.se.tobytes()
            assert mean.n == 3


def test_mean_curve_by_hand(tmp_path, make_trial):
    def with_returns(seed, returns):
        trial = make_trial(seed=seed, episodes=3)
        steps = np.array([5, 6, 7], np.int32)
        log = EpisodeLog(np.array(returns), steps, steps > 5, None, np.zeros((1, 1)))
        return Trained(trial, log, "kernel", {}, 0.0, 0.0)

    done = [with_returns(0, [0.0, 2.0, 4.0]), with_returns(1, [2.0, 4.0, 8.0])]
    results = Results.at(tmp_path / "hand")
    results.publish(done)
    group = [one.trial.trial_id for one in done]
    (found,) = mean_curves(results, [group], ["episode_return", "terminated"], 2)
    assert found["episode_return"].mean.tolist() == [1.0, 2.0, 4.5]
    assert found["episode_return"].se.tolist() == pytest.approx([1.0, 1.0, 1.5])
    assert found["terminated"].mean.tolist() == [0.0, 0.5, 1.0]
    (alone,) = mean_curves(results, [group[:1]], ["episode_return"], 2)
    assert alone["episode_return"].se is None
