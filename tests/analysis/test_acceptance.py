"""What the whole must do, from training to verdict: answers that are known beforehand."""

import numpy as np
import pytest

from hq_ray.training import train


@pytest.fixture
def on_the_cliff(make_trial):
    """Trained trials of CliffWalking by seed, with a constant exploration of 0.1."""

    def run(variant, **given):
        given |= {"env": "CliffWalking-v1", "episodes": 300, "max_steps": 1000}
        given |= {"eps_schedule": "constant", "eps_start": 0.1}
        return [train(make_trial(variant, seed=seed, **given)) for seed in range(8)]

    return run


def early(runs):
    return np.mean([run.log.episode_return[:50].mean() for run in runs])


def test_a_small_eps_shift_learns_on_the_cliff_as_fast_as_alpha_one_which_is_the_minimum(
    on_the_cliff,
):
    """Deterministic and non-positive: at 1e-6 the update is the minimum, whatever alpha."""
    alpha_one, minimum = on_the_cliff("standard", alpha=1.0), on_the_cliff("minimum")
    for one, other in zip(alpha_one, minimum, strict=True):
        assert np.array_equal(one.log.episode_return, other.log.episode_return)
        assert np.array_equal(one.log.q_values, other.log.q_values)
    fastest = early(alpha_one)
    slowest = early(on_the_cliff("standard", alpha=0.05))
    assert slowest < 3 * fastest
    for alpha in (0.05, 0.2, 0.5):
        runs = on_the_cliff("harmonic", alpha=alpha, eps_shift=1e-6)
        assert early(runs) == pytest.approx(fastest, abs=0.2 * abs(fastest))
        for run in runs:
            learned = [run.summary[name] for name in ("policy_value", "start_value")]
            assert learned == pytest.approx([run.summary["optimal_value"]] * 2)
