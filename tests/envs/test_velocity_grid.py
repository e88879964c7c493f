from collections import Counter

import numpy as np
import pytest

from hq_ray.envs.velocity_grid import VelocityGridEnv

NOOP, UP, DOWN, LEFT, RIGHT = range(5)


@pytest.fixture(scope="module")
def slippery():
    return VelocityGridEnv()


@pytest.mark.parametrize(
    ("state", "action", "expected", "reward"),
    [
        # Each action accelerates, then moves.
        ((3, 3, 1, 0), NOOP, (4, 3, 1, 0), -1.0),
        ((3, 3, 1, 0), UP, (4, 2, 1, -1), -1.0),
        ((3, 3, 1, 0), DOWN, (4, 4, 1, 1), -1.0),
        ((3, 3, 1, 0), LEFT, (3, 3, 0, 0), -1.0),
        ((1, 3, 1, 0), RIGHT, (3, 3, 2, 0), -1.0),
        # The speed has a limit, and a wall stops the position and leaves the velocity.
        ((3, 3, 2, 0), RIGHT, (5, 3, 2, 0), -1.0),
        ((6, 1, 2, -2), UP, (7, 0, 2, -2), -1.0),
        # Goal and cliff end the episode with their own rewards.
        ((7, 6, 0, 0), DOWN, (7, 7, 0, 1), 100.0),
        ((0, 7, 0, 0), RIGHT, (1, 7, 1, 0), -100.0),
    ],
)
def test_steps_by_hand(state, action, expected, reward):
    env = VelocityGridEnv(max_speed=2, slip_prob=0.0)
    [(probability, next_state, paid, terminated)] = env.P[env.encode(*state)][action]
    assert (probability, env.decode(next_state), paid) == (1.0, expected, reward)
    assert terminated == (reward != -1.0)


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
    row = slippery.P[slippery.encode(3, 3, 0, 0)]
    decoded = [slippery.decode(next_state) for _, next_state, _, _ in row[NOOP]]
    slips = [(3 + ax, 3 + ay, ax, ay) for ax in (-1, 0, 1) for ay in (-1, 0, 1)]
    slips.remove((3, 3, 0, 0))
    assert decoded == [(3, 3, 0, 0), *slips]
    # A press leaves the other axis to be drawn.
    decoded = [slippery.decode(next_state) for _, next_state, _, _ in row[RIGHT]]
    assert decoded == [(4, 3, 1, 0), (4, 2, 1, -1), (4, 4, 1, 1)]
    assert [type(value) for value in row[RIGHT][0]] == [float, int, float, bool]


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


def test_states_are_numbered_from_the_first_row_on():
    env = VelocityGridEnv(width=5, height=3, max_speed=2)
    states = range(env.observation_space.n)
    assert len(states) == 5 * 3 * 25
    assert [env.encode(*env.decode(state)) for state in states] == list(states)
    assert (env.decode(0), env.decode(1)) == ((0, 0, -2, -2), (0, 0, -1, -2))
    assert env.encode(2, 1, 1, -1) == ((1 * 5 + 2) * 5 + 1) * 5 + 3


def test_what_is_no_state_and_no_action_is_refused(slippery):
    for state in ((8, 0, 0, 0), (0, -1, 0, 0), (0, 0, 2, 0), (0, 0, 0, -2)):
        with pytest.raises(ValueError, match=r"0 <= x < 8.*got \(x, y, vx, vy\)"):
            slippery.encode(*state)
    for number in (-1, 576):
        with pytest.raises(ValueError, match=rf"\[0, 576\), got {number}"):
            slippery.decode(number)
    slippery.reset(seed=0)
    with pytest.raises(ValueError, match="action must be an integer from 0 to 4, got 5"):
        slippery.step(5)


def test_the_start_is_at_rest_in_the_lower_left_corner_and_steps_tell_probabilities(slippery):
    state = slippery.encode(0, 7, 0, 0)
    assert slippery.initial_state_distrib.sum() == slippery.initial_state_distrib[state] == 1.0
    assert slippery.reset(seed=3) == (state, {"prob": 1.0})
    for action in range(5):
        before, (state, *_, info) = state, slippery.step(action)
        assert info["prob"] in [p for p, ahead, *_ in slippery.P[before][action] if ahead == state]


def test_text_shows_grid_velocity_and_action_where_asked_for(slippery):
    env = VelocityGridEnv(width=4, height=3, slip_prob=0.0, render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == (
        ". . . .\n. . . .\nA C C G\nposition (0, 2)  velocity (+0, +0)  action -\n"
    )
    env.step(UP)
    assert env.render() == (
        ". . . .\nA . . .\nS C C G\nposition (0, 1)  velocity (+0, -1)  action up\n"
    )
    with pytest.warns(UserWarning, match="render_mode="):
        assert slippery.render() is None


def test_pictures_differ_by_position_and_by_velocity():
    env = VelocityGridEnv(render_mode="rgb_array")
    pictures = []
    for state in [(0, 7, 0, 0), (3, 3, 0, 0), (3, 3, 1, 0), (3, 3, 0, -1)]:
        env.s = env.encode(*state)
        pictures.append(env.render())
    assert {(p.shape, p.dtype.name) for p in pictures} == {((432, 432, 3), "uint8")}
    assert len({p.tobytes() for p in pictures}) == 4
    assert np.array_equal(env.render(), pictures[-1])


def test_start_floor_cliff_and_goal_differ_in_lightness():
    env = VelocityGridEnv(width=5, height=3, render_mode="rgb_array")
    env.s = env.encode(3, 0, 0, 0)
    grey = env.render() @ np.array([0.299, 0.587, 0.114])
    # Floor, start, cliff and goal.
    tiles = [grey[24:-24, 24:-24][48 * y :, 48 * x :] for x, y in ((0, 0), (0, 2), (2, 2), (4, 2))]
    levels = [tile[:48, :48].mean() for tile in tiles]
    assert min(np.diff(sorted(levels))) > 10
    assert min(levels) == levels[2]


@pytest.mark.parametrize(("width", "height", "max_speed"), [(2, 2, 3), (25, 2, 1), (3, 41, 1)])
def test_every_size_has_frames_that_video_codecs_take(width, height, max_speed):
    env = VelocityGridEnv(width, height, max_speed, render_mode="rgb_array")
    env.s = env.encode(width - 1, 0, max_speed, -max_speed)
    frame = env.render()
    assert frame.shape[0] % 16 == frame.shape[1] % 16 == 0
    assert max(frame.shape) < 1500
