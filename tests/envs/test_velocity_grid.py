from collections import Counter

import numpy as np
import pytest

from hq_ray.envs.velocity_grid import VelocityGridEnv

NOOP, UP, DOWN, LEFT, RIGHT = range(5)


def sure_step(env, state, action):
    """Where an environment without slips goes: ((x, y, vx, vy), reward, terminated)."""
    [(probability, next_state, reward, terminated)] = env.P[env.encode(*state)][action]
    assert probability == 1.0
    return env.decode(next_state), reward, terminated


@pytest.fixture(scope="module")
def sure():
    return VelocityGridEnv(slip_prob=0.0)


@pytest.fixture(scope="module")
def slippery():
    return VelocityGridEnv()


# Hand-worked transitions


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (NOOP, (4, 3, 1, 0)),
        (UP, (4, 2, 1, -1)),
        (DOWN, (4, 4, 1, 1)),
        (LEFT, (3, 3, 0, 0)),
        (RIGHT, (4, 3, 1, 0)),
    ],
)
def test_each_action_accelerates_then_moves(sure, action, expected):
    assert sure_step(sure, (3, 3, 1, 0), action) == (expected, -1.0, False)


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [
        ((0, 3, -1, 0), NOOP, (0, 3, -1, 0)),
        ((0, 3, 0, 0), LEFT, (0, 3, -1, 0)),
        ((7, 3, 0, 0), RIGHT, (7, 3, 1, 0)),
        ((3, 0, 0, 0), UP, (3, 0, 0, -1)),
        ((0, 7, 0, 0), DOWN, (0, 7, 0, 1)),
        ((7, 0, 1, -1), NOOP, (7, 0, 1, -1)),
    ],
)
def test_a_wall_stops_the_position_and_leaves_the_velocity(sure, state, action, expected):
    assert sure_step(sure, state, action)[0] == expected


def test_speed_limit_two_is_reached_in_two_pushes():
    env = VelocityGridEnv(max_speed=2, slip_prob=0.0)
    assert sure_step(env, (0, 3, 0, 0), RIGHT)[0] == (1, 3, 1, 0)
    assert sure_step(env, (1, 3, 1, 0), RIGHT)[0] == (3, 3, 2, 0)
    assert sure_step(env, (3, 3, 2, 0), RIGHT)[0] == (5, 3, 2, 0)
    assert sure_step(env, (5, 3, 2, -1), UP)[0] == (7, 1, 2, -2)
    assert sure_step(env, (6, 1, 2, -2), UP)[0] == (7, 0, 2, -2)


def test_goal_and_cliff_end_the_episode_with_their_own_rewards(sure):
    assert sure_step(sure, (7, 6, 0, 0), DOWN) == ((7, 7, 0, 1), 100.0, True)
    assert sure_step(sure, (6, 6, 1, 1), NOOP) == ((7, 7, 1, 1), 100.0, True)
    assert sure_step(sure, (0, 7, 0, 0), RIGHT) == ((1, 7, 1, 0), -100.0, True)
    assert sure_step(sure, (6, 6, 0, 0), DOWN) == ((6, 7, 0, 1), -100.0, True)
    assert sure_step(sure, (0, 6, 0, 0), DOWN) == ((0, 7, 0, 1), -1.0, False)


# Slips


def naive_distribution(env, state, action):
    """{(x, y, vx, vy): probability} straight from the rules."""
    x, y, vx, vy = state
    pressed = [(0, 0), (0, -1), (0, 1), (-1, 0), (1, 0)][action]
    slips = [(ax, ay) for ax in (-1, 0, 1) for ay in (-1, 0, 1)]
    slips = [slip for slip in slips if all(p in (0, s) for p, s in zip(pressed, slip, strict=True))]
    draws = [(1 - env.slip_prob, pressed)] + [(env.slip_prob / len(slips), s) for s in slips]
    distribution = Counter()
    for probability, (ax, ay) in draws:
        new_vx = int(np.clip(vx + ax, -env.max_speed, env.max_speed))
        new_vy = int(np.clip(vy + ay, -env.max_speed, env.max_speed))
        new_x = int(np.clip(x + new_vx, 0, env.width - 1))
        new_y = int(np.clip(y + new_vy, 0, env.height - 1))
        distribution[new_x, new_y, new_vx, new_vy] += probability
    return distribution


def test_outcomes_come_first_without_a_slip_then_by_ax_and_ay(slippery):
    outcomes = slippery.P[slippery.encode(3, 3, 0, 0)][NOOP]
    decoded = [slippery.decode(next_state) for _, next_state, _, _ in outcomes]
    slips = [(3 + ax, 3 + ay, ax, ay) for ax in (-1, 0, 1) for ay in (-1, 0, 1)]
    slips.remove((3, 3, 0, 0))
    assert decoded == [(3, 3, 0, 0), *slips]
    probabilities = [outcome[0] for outcome in outcomes]
    assert probabilities == pytest.approx([0.95 + 0.05 / 9] + [0.05 / 9] * 8, abs=1e-15)
    # A press leaves the other axis to be drawn.
    outcomes = slippery.P[slippery.encode(3, 3, 0, 0)][RIGHT]
    slips = [(4, 2, 1, -1), (4, 4, 1, 1)]
    assert [slippery.decode(s) for _, s, _, _ in outcomes] == [(4, 3, 1, 0), *slips]
    assert [p for p, *_ in outcomes] == pytest.approx([0.95 + 0.05 / 3, 0.05 / 3, 0.05 / 3])
    assert [type(value) for value in outcomes[0]] == [float, int, float, bool]


@pytest.mark.parametrize("slip_prob", [0.3, 1.0])
def test_the_whole_table_equals_its_naive_twin(slip_prob):
    env = VelocityGridEnv(4, np.int64(3), 2, slip_prob, goal_reward=7, cliff_penalty=-30.5)
    assert list(env.P) == list(range(4 * 3 * 25))
    for state, row in env.P.items():
        for action, outcomes in row.items():
            expected = naive_distribution(env, env.decode(state), action)
            expected = {key: p for key, p in expected.items() if p > 0}
            assert {env.decode(s): p for p, s, _, _ in outcomes} == pytest.approx(expected)
            for _, next_state, reward, terminated in outcomes:
                x, y, _, _ = env.decode(next_state)
                tile = {(1, 2): -30.5, (2, 2): -30.5, (3, 2): 7.0}.get((x, y), -1.0)
                assert (reward, terminated) == (tile, tile != -1.0)


# The table and the environment


def test_encode_and_decode_are_inverse():
    env = VelocityGridEnv(width=5, height=3, max_speed=2)
    states = range(env.observation_space.n)
    assert len(states) == 5 * 3 * 25
    assert [env.encode(*env.decode(state)) for state in states] == list(states)
    assert env.decode(0) == (0, 0, -2, -2)
    assert env.decode(1) == (0, 0, -1, -2)
    assert env.encode(2, 1, 1, -1) == ((1 * 5 + 2) * 5 + 1) * 5 + 3


def test_what_is_no_state_is_refused(sure):
    for state in ((8, 0, 0, 0), (0, -1, 0, 0), (0, 0, 2, 0), (0, 0, 0, -2)):
        with pytest.raises(ValueError, match=r"0 <= x < 8.*got \(x, y, vx, vy\)"):
            sure.encode(*state)
    for number in (-1, 576):
        with pytest.raises(ValueError, match=rf"\[0, 576\), got {number}"):
            sure.decode(number)


def test_the_start_is_at_rest_in_the_lower_left_corner(slippery):
    assert slippery.initial_state_distrib.sum() == 1.0
    assert slippery.initial_state_distrib[slippery.encode(0, 7, 0, 0)] == 1.0
    assert slippery.reset(seed=3) == (slippery.encode(0, 7, 0, 0), {"prob": 1.0})


def test_a_step_tells_the_probability_of_what_happened(slippery):
    state, _ = slippery.reset(seed=1)
    for action in range(5):
        before, (state, *_, info) = state, slippery.step(action)
        assert info["prob"] in [p for p, ahead, *_ in slippery.P[before][action] if ahead == state]


def test_an_unknown_action_is_refused(slippery):
    with pytest.raises(ValueError, match="action must be an integer from 0 to 4, got 5"):
        slippery.step(5)


# Rendering


def test_text_shows_grid_velocity_and_action():
    env = VelocityGridEnv(width=4, height=3, slip_prob=0.0, render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == (
        ". . . .\n. . . .\nA C C G\nposition (0, 2)  velocity (+0, +0)  action -\n"
    )
    env.step(UP)
    assert env.render() == (
        ". . . .\nA . . .\nS C C G\nposition (0, 1)  velocity (+0, -1)  action up\n"
    )


def test_pictures_differ_by_position_and_by_velocity():
    env = VelocityGridEnv(render_mode="rgb_array")
    env.reset(seed=0)
    pictures = []
    for state in [(0, 7, 0, 0), (3, 3, 0, 0), (3, 3, 1, 0), (3, 3, 0, -1)]:
        env.s = env.encode(*state)
        pictures.append(env.render())
    assert all(p.shape == (432, 432, 3) and p.dtype == np.uint8 for p in pictures)
    assert len({p.tobytes() for p in pictures}) == 4
    assert np.array_equal(env.render(), pictures[-1])


def test_start_floor_cliff_and_goal_differ_in_lightness():
    env = VelocityGridEnv(width=5, height=3, render_mode="rgb_array")
    env.s = env.encode(3, 0, 0, 0)
    grey = env.render() @ np.array([0.299, 0.587, 0.114])
    cells = {
        name: grey[24 + 48 * y : 72 + 48 * y, 24 + 48 * x : 72 + 48 * x].mean()
        for name, x, y in [("floor", 0, 0), ("start", 0, 2), ("cliff", 2, 2), ("goal", 4, 2)]
    }
    levels = sorted(cells.values())
    assert min(np.diff(levels)) > 10
    assert cells["cliff"] == levels[0]


@pytest.mark.parametrize(("width", "height", "max_speed"), [(2, 2, 3), (25, 2, 1), (3, 41, 1)])
def test_every_size_has_frames_that_video_codecs_take(width, height, max_speed):
    env = VelocityGridEnv(width, height, max_speed, render_mode="rgb_array")
    env.s = env.encode(width - 1, 0, max_speed, -max_speed)
    frame = env.render()
    assert frame.shape[0] % 16 == frame.shape[1] % 16 == 0
    assert max(frame.shape) < 1500


def test_rendering_without_a_mode_warns(slippery):
    with pytest.warns(UserWarning, match="render_mode="):
        assert slippery.render() is None
