from itertools import pairwise

import numpy as np
import pytest

from hq_ray.analysis.charts.level_axis import hyperparameter_label, level_axis
from hq_ray.analysis.charts.page import shorten, text_width


@pytest.mark.parametrize(
    ("levels", "scale", "positions"),
    [
        ([0.4, 0.1, 0.2, 0.1], "linear", [0.1, 0.2, 0.4]),
        ([1, 20], "log", [1, 20]),
        ([1, 19], "linear", [1, 19]),
        ([1e-6, 1e3, 1.0], "log", [1e-6, 1, 1e3]),
        ([0.0, 1e-3, 1.0], "linear", [0, 1, 2]),
        ([-1.0, 0.0, 1.0], "linear", [-1, 0, 1]),
        (["linear", "constant", "inverse"], "linear", [0, 1, 2]),
        ([None, 0.5, "auto", 0.1], "linear", [0, 1, 2, 3]),
        ([0.3], "linear", [0.3]),
        ([0.0], "linear", [0.0]),
        ([], "linear", []),
    ],
)
def test_levels_lie_where_they_should(levels, scale, positions):
    axis = level_axis(levels)
    assert axis.scale == scale
    assert axis.positions.tolist() == positions


def test_words_follow_numbers_in_the_order_given():
    axis = level_axis([None, 0.5, "auto", 0.1, True])
    assert axis.texts == ("0.1", "0.5", "none", "auto", "True")
    assert axis.at(["auto", 0.1]).tolist() == [3, 0]
    assert axis.is_categorical
    assert level_axis([3, 1, 2], evenly=True).positions.tolist() == [0, 1, 2]


def test_a_level_is_the_same_whatever_its_type():
    levels = [1, np.int32(2), 1.0, 2.0]
    axis = level_axis(levels)
    assert axis.levels == (1.0, 2.0)
    assert axis.at(np.float64([2, 1])).tolist() == [2, 1]


def test_texts_have_more_digits_where_three_do_not_tell_levels_apart():
    assert level_axis([0.12345, 0.5]).texts == ("0.123", "0.5")
    assert level_axis([0.12345, 0.12349]).texts == ("0.12345", "0.12349")


@pytest.mark.parametrize("width", [60, 200, 500])
@pytest.mark.parametrize(
    "levels",
    [
        np.geomspace(1e-6, 1e3, 30).tolist(),
        np.linspace(0.1, 1, 30).tolist(),
        [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100, 1000],
        [f"schedule {i}" for i in range(12)],
    ],
)
def test_tick_texts_never_touch(levels, width):
    axis = level_axis(levels)
    low, high = axis.positions[0], axis.positions[-1]
    positions, texts = axis.ticks((low, high), width)
    assert positions == axis.positions.tolist()
    scaled = np.log10(positions) if axis.scale == "log" else np.array(positions)
    middles = (scaled - scaled[0]) / (scaled[-1] - scaled[0]) * width
    shown = [(m, text_width(text, 9.0) / 2) for m, text in zip(middles, texts, strict=True) if text]
    assert shown
    for (left, half), (right, other) in pairwise(shown):
        assert left + half < right - other


def test_powers_of_ten_keep_their_texts():
    axis = level_axis([1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0])
    _, texts = axis.ticks((1e-3, 1.0), 130)
    assert {"0.001", "0.01", "0.1", "1"} <= set(texts)


def test_words_that_fit_are_whole_and_others_lose_their_middle():
    axis = level_axis(["linear", "exponential"])
    assert axis.ticks((-0.5, 1.5), 200)[1] == ["linear", "exponential"]
    squeezed = axis.ticks((-0.5, 1.5), 80)[1]
    assert squeezed[1].startswith("e")
    assert "…" in squeezed[1]


def test_names_have_units():
    assert hyperparameter_label("eps_shift") == "eps_shift [reward units]"
    assert hyperparameter_label("eps_decay_episodes") == "eps_decay_episodes [episodes]"
    assert hyperparameter_label("alpha") == "alpha"
    assert hyperparameter_label("unknown$_1") == "unknown$_1"


def test_shortened_texts_keep_both_ends_and_fit():
    text = 'VelocityGrid-v0 {"max_speed": 2}'
    assert shorten(text, 1000, 9.5) == text
    for width in (150, 80, 40):
        short = shorten(text, width, 9.5)
        assert text_width(short, 9.5) <= width
        head, tail = short.split("…")
        assert text.startswith(head)
        assert text.endswith(tail)
