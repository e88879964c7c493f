"""The dynamics of VelocityGrid as a transition table.

The two axes move independently of each other, and the number of a state is the sum of one part per
axis, x * n**2 + (vx + max_speed) and y * width * n**2 + (vy + max_speed) * n, with
n = 2 * max_speed + 1 speeds. So the table of a grid is put together from one short table per axis.
"""

from hq_ray.envs.table_env import Outcome, Table

ACCELERATIONS = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
"""(ax, ay) of the actions noop, up, down, left, right; y grows downwards."""

Arrival = tuple[float, bool]
"""(reward, terminated) of landing in a state."""


def transition_table(
    width: int, height: int, max_speed: int, slip_prob: float, arrivals: list[Arrival]
) -> Table:
    """Lists the outcomes of every state and action.

    Args:
        width: cells along x.
        height: cells along y.
        max_speed: greatest speed per axis.
        slip_prob: probability that the step slips.
        arrivals: one entry per state.

    Returns:
        `P[state][action]`, each a list with one entry per next state: first the one without a
        slip, then the others by ax and then ay in the order -1, 0, +1. What cannot happen is left
        out. The probabilities sum to 1 within rounding.
    """
    n_speeds = 2 * max_speed + 1
    along_x = _axis_moves(width, max_speed, n_speeds**2, 1)
    along_y = _axis_moves(height, max_speed, width * n_speeds**2, n_speeds)
    pairs = (
        (along_x[x][vx], along_y[y][vy])
        for y in range(height)
        for x in range(width)
        for vy in range(n_speeds)
        for vx in range(n_speeds)
    )
    return {
        state: {
            action: _outcomes(moves_x, moves_y, acceleration, slip_prob, arrivals)
            for action, acceleration in enumerate(ACCELERATIONS)
        }
        for state, (moves_x, moves_y) in enumerate(pairs)
    }


def _axis_moves(
    length: int, max_speed: int, position_stride: int, velocity_stride: int
) -> list[list[dict[int, int]]]:
    """`moves[position][velocity + max_speed][acceleration]`, the axis's part of the next state.

        v' = clip(v + a, -max_speed, max_speed);  x' = clip(x + v', 0, length - 1)

    A wall stops the position and leaves the velocity.
    """

    def part(position: int, velocity: int, acceleration: int) -> int:
        velocity = min(max(velocity + acceleration, -max_speed), max_speed)
        position = min(max(position + velocity, 0), length - 1)
        return position * position_stride + (velocity + max_speed) * velocity_stride

    speeds = range(-max_speed, max_speed + 1)
    return [[{a: part(x, v, a) for a in (-1, 0, 1)} for v in speeds] for x in range(length)]


def _outcomes(
    moves_x: dict[int, int],
    moves_y: dict[int, int],
    acceleration: tuple[int, int],
    slip_prob: float,
    arrivals: list[Arrival],
) -> list[Outcome]:
    ax, ay = acceleration
    weights = {moves_x[ax] + moves_y[ay]: 1.0 - slip_prob} if slip_prob < 1.0 else {}
    if slip_prob > 0.0:
        # An axis that is not pressed gets any of -1, 0, +1, all equally likely.
        parts_x = [moves_x[ax]] if ax else moves_x.values()
        parts_y = [moves_y[ay]] if ay else moves_y.values()
        slips = [part_x + part_y for part_x in parts_x for part_y in parts_y]
        for state in slips:
            weights[state] = weights.get(state, 0.0) + slip_prob / len(slips)
    return [(weight, state, *arrivals[state]) for state, weight in weights.items()]
