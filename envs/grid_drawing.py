"""Draws grid worlds with numpy alone: the tiles once, then the agent on a copy of them.

Shapes are given by their signed distance d in pixels (negative inside); a pixel is covered to the
share clip(1/2 - d, 0, 1), which makes smooth edges. Colours differ in lightness too, so that a
frame can be read in greyscale. A wall half a cell thick surrounds the cells.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

Colour = tuple[int, int, int]

WALL, FLOOR, FLOOR_LINE = (150, 145, 138), (244, 241, 234), (219, 214, 203)
CLIFF, CLIFF_STRIPE = (52, 44, 54), (146, 60, 54)
START, WIND = (92, 128, 176), (176, 194, 214)
GOAL, FLAG, POLE = (176, 217, 174), (26, 122, 62), (40, 48, 44)
AGENT, INK, PAPER = (232, 140, 32), (28, 30, 40), (255, 255, 255)


def cell_size(width: int, height: int) -> int:
    """Pixels per cell: a multiple of 16, as video codecs like, smaller for large grids."""
    longest = max(width, height)
    return 48 if longest < 20 else 32 if longest < 40 else 16


def draw_tiles(rows: Sequence[str]) -> np.ndarray:
    """Draws the tiles of a grid inside its wall; `rows` are as long as each other.

    S is the start, G the goal, C a cliff, 1 and 2 wind upwards, and any other letter floor.

    Returns:
        uint8 ((len(rows) + 1) * cell, (len(rows[0]) + 1) * cell, 3).
    """
    height, width = len(rows), len(rows[0])
    cell = cell_size(width, height)
    frame = np.full(((height + 1) * cell, (width + 1) * cell, 3), WALL, np.uint8)
    centres = _pixel_centres(frame[:cell, :cell])
    for y, row in enumerate(rows):
        for x, letter in enumerate(row):
            left, top = x * cell + cell // 2, y * cell + cell // 2
            tile = frame[top : top + cell, left : left + cell]
            tile[:] = FLOOR
            tile[[0, -1]] = tile[:, [0, -1]] = FLOOR_LINE
            if letter in TILES:
                TILES[letter](tile, *centres)
    return frame


def draw_agent(frame: np.ndarray, cell: int, x: int, y: int, vx: int, vy: int) -> None:
    """Draws the agent into a frame: a disc, and an arrow as long as its velocity."""
    columns, tail_x, tip_x = _span(x, vx, cell, frame.shape[1])
    rows, tail_y, tip_y = _span(y, vy, cell, frame.shape[0])
    window = frame[rows, columns]
    px, py = _pixel_centres(window)
    distance = np.hypot(px - tail_x, py - tail_y)
    _paint(window, distance - 0.38 * cell, INK)
    _paint(window, distance - 0.34 * cell, PAPER)
    _paint(window, distance - 0.29 * cell, AGENT)
    if vx or vy:
        _draw_arrow(window, (tail_x, tail_y), (tip_x, tip_y), cell)
    else:
        _paint(window, distance - 0.09 * cell, INK)


def draw_ring(n_states: int, state: int) -> np.ndarray:
    """Draws states as dots on a ring, clockwise from the top, with the agent on one of them.

    Returns:
        uint8 (384, 384, 3).
    """
    frame = np.full((384, 384, 3), FLOOR, np.uint8)
    px, py = _pixel_centres(frame)
    px, py = px - 192, py - 192
    turn = 2 * np.pi / n_states

    def distance(which: np.ndarray | int) -> np.ndarray:
        return np.hypot(px - 160 * np.sin(which * turn), py + 160 * np.cos(which * turn))

    nearest = np.rint(np.arctan2(px, -py) / turn)
    _paint(frame, distance(nearest) - min(8.0, 320 / n_states), START)
    for radius, colour in ((17, INK), (15, PAPER), (13, AGENT)):
        _paint(frame, distance(state) - radius, colour)
    return frame


def _span(position: int, velocity: int, cell: int, size: int) -> tuple[slice, float, float]:
    """The pixels that the agent touches along one axis, and its arrow's ends among them."""
    tail = (position + 1) * cell
    tip = tail + velocity * cell
    first = max(min(tail, tip) - cell // 2, 0)
    last = min(max(tail, tip) + cell // 2, size)
    return slice(first, last), tail - first, tip - first


def _draw_arrow(
    window: np.ndarray, tail: tuple[float, float], tip: tuple[float, float], cell: int
) -> None:
    px, py = _pixel_centres(window)
    length = np.hypot(tip[0] - tail[0], tip[1] - tail[1])
    unit_x, unit_y = (tip[0] - tail[0]) / length, (tip[1] - tail[1]) / length
    along = (px - tail[0]) * unit_x + (py - tail[1]) * unit_y
    across = np.abs((py - tail[1]) * unit_x - (px - tail[0]) * unit_y)
    neck = length - 0.32 * cell
    shaft = np.hypot(along - np.clip(along, 0.0, neck), across) - 0.06 * cell
    head = np.maximum(neck - along, 0.87 * across - 0.49 * (length - along))
    arrow = np.minimum(shaft, head)
    _paint(window, arrow - 0.04 * cell, PAPER)
    _paint(window, arrow, INK)


def _draw_start(tile: np.ndarray, px: np.ndarray, py: np.ndarray) -> None:
    cell = len(tile)
    ring = np.hypot(px - cell / 2, py - cell / 2) - 0.43 * cell
    _paint(tile, np.abs(ring) - 0.045 * cell, START)


def _draw_cliff(tile: np.ndarray, px: np.ndarray, py: np.ndarray) -> None:
    cell = len(tile)
    tile[:] = CLIFF
    period = cell / 3
    stripe = np.abs((px + py) % period - period / 2) - period / 6
    _paint(tile, np.maximum(stripe, 0.1 * cell - py), CLIFF_STRIPE)


def _draw_goal(tile: np.ndarray, px: np.ndarray, py: np.ndarray) -> None:
    cell = len(tile)
    tile[1:-1, 1:-1] = GOAL
    pole = np.maximum(np.abs(px - 0.32 * cell) - 0.04 * cell, np.abs(py - 0.5 * cell) - 0.36 * cell)
    cloth = np.maximum(0.36 * cell - px, np.abs(py - 0.32 * cell) - (0.82 * cell - px) * 0.4)
    _paint(tile, cloth, FLAG)
    _paint(tile, pole, POLE)


def _draw_wind(tile: np.ndarray, px: np.ndarray, py: np.ndarray, strength: int) -> None:
    cell = len(tile)
    aside = np.abs(px - cell / 2)
    for k in range(strength):
        tip = (0.5 - 0.12 * strength + 0.24 * k) * cell
        slope = np.abs(py - tip - aside) * 0.71 - 0.04 * cell
        _paint(tile, np.maximum(slope, aside - 0.2 * cell), WIND)


TILES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], None]] = {
    "S": _draw_start,
    "C": _draw_cliff,
    "G": _draw_goal,
    "1": partial(_draw_wind, strength=1),
    "2": partial(_draw_wind, strength=2),
}


def _pixel_centres(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = frame.shape[:2]
    return np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5


def _paint(frame: np.ndarray, distance: np.ndarray, colour: Colour) -> None:
    cover = np.clip(0.5 - distance, 0.0, 1.0)[..., None]
    frame[:] = np.rint(frame * (1.0 - cover) + np.array(colour) * cover)
