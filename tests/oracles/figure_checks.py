"""What the tests of figures share: pixels, and texts that can be read."""

import numpy as np


def render(figure):
    """The pixels of a figure."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


def assert_inside_and_apart(figure, texts):
    """None of these texts leaves the figure; no two of them overlap."""
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    for i, box in enumerate(boxes):
        assert box.x0 >= 0, texts[i]
        assert box.y0 >= 0, texts[i]
        assert box.x1 <= figure.bbox.x1, texts[i]
        assert box.y1 <= figure.bbox.y1, texts[i]
        for j, other in enumerate(boxes[:i]):
            apart = box.x0 >= other.x1 or other.x0 >= box.x1
            # Line boxes of neighbouring lines may touch by a pixel or two of empty descent.
            apart = apart or box.y0 >= other.y1 - 3 or other.y0 >= box.y1 - 3
            assert apart, (texts[i], texts[j])


def assert_texts_inside_and_apart(figure):
    """No text leaves the figure; no two texts overlap."""
    render(figure)
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    assert_inside_and_apart(figure, [text for text in texts if text.get_text()])


def words(figure):
    """All texts of the page and in the panels, ticks and names of axes left out."""
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return " ".join(text.get_text() for text in texts)
