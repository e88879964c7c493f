"""What the tests of figures share: texts that can be read."""

from matplotlib.text import Text


def assert_texts_inside_and_apart(figure):
    """No text leaves the figure; no two texts overlap."""
    figure.canvas.draw()
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes._left_title]
        for axis in (axes.xaxis, axes.yaxis):
            # Ticks beyond the limits are not drawn.
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks()
            texts += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    texts = [text for text in texts if text.get_text()]
    renderer = figure.canvas.get_renderer()
    # Of an annotation the text alone, without its leader.
    boxes = [Text.get_window_extent(text, renderer) for text in texts]
    for i, box in enumerate(boxes):
        assert min(box.x0, box.y0) >= 0, texts[i]
        assert box.x1 <= figure.bbox.x1, texts[i]
        assert box.y1 <= figure.bbox.y1, texts[i]
        for j, other in enumerate(boxes[:i]):
            apart = box.x0 >= other.x1 or other.x0 >= box.x1
            # Line boxes of neighbouring lines may touch by a pixel or two of empty descent.
            apart = apart or box.y0 >= other.y1 - 3 or other.y0 >= box.y1 - 3
            assert apart, (texts[i], texts[j])


def words(figure):
    """All texts of the page and in the panels, ticks and names of axes left out."""
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    return " ".join(word for text in texts for word in text.get_text().split())
