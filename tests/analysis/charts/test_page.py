import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from figure_checks import words
from PIL import Image, ImageColor

from hq_ray.analysis.charts.curves import curve_frame, curves_chart, learning_figure
from hq_ray.analysis.charts.page import caption_pixels, picture, save_png, spread
from hq_ray.analysis.charts.style import KNOWN_STYLES, variant_styles


def curve(title="CliffWalking-v1", settings="alpha 0.1"):
    curves = {"harmonic": ([3], np.linspace(-90.0, -13.0, 60)[None])}
    return learning_figure(curves, title=title, quantity="returns", smooth=9, settings=settings)


def test_spreading_moves_only_what_is_too_close():
    np.testing.assert_allclose(spread([0.1, 0.5, 0.9], 0.1), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(spread([0.5, 0.1, 0.5], 0.1), [0.45, 0.1, 0.55])
    np.testing.assert_allclose(spread([1.0, 0.99], 0.1), [1.0, 0.9])
    np.testing.assert_allclose(spread([0.0, -0.2, 0.01], 0.1), [0.1, 0.0, 0.2])


def test_styles_are_those_of_the_field():
    names = [*KNOWN_STYLES, "geometric", "median", "power", "double", "speedy", "a"]
    every = variant_styles(names).values()
    # Also without their colours.
    assert len({style.linestyle for style in every}) == len(names)
    assert len({style.marker for style in every}) == len(names)
    styles = variant_styles(["harmonic", "standard", "geometric"])
    assert list(styles) == ["harmonic", "standard", "geometric"]
    assert (styles["standard"].color, styles["standard"].linestyle) == ("#0072B2", "-")
    assert (styles["harmonic"].color, styles["harmonic"].marker) == ("#D55E00", "s")
    assert len(variant_styles(f"v{i}" for i in range(60))) == 60


def test_long_names_are_wrapped_and_are_no_mathematics():
    name = "a:$x_$-" + "w" * 120
    figure = curve(name, settings="b $y^$ z")
    assert name in figure.get_suptitle().replace("\n", "")
    assert "b $y^$ z" in words(figure)
    picture(figure)


@pytest.mark.parametrize(
    ("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_pictures_of_every_kind_are_the_same_each_time_and_a_png_is_small(kind, start):
    first = picture(curve(), kind)
    assert first.startswith(start)
    assert picture(curve(), kind) == first


def test_a_png_has_the_colours_of_all_its_variants_and_no_software(tmp_path):
    random = np.random.default_rng(0)
    curves = {name: (range(6), random.normal(n, 2, (6, 60))) for n, name in enumerate(KNOWN_STYLES)}
    figure = curves_chart(curve_frame(curves), title="t", label="l")
    save_png(figure, tmp_path / "plots" / "curve.png")
    with Image.open(tmp_path / "plots" / "curve.png") as image:
        assert image.width == 690
        assert "Software" not in image.info
        found = {colour for _, colour in image.convert("RGB").getcolors(10**6)}
    assert {ImageColor.getrgb(style.color) for style in KNOWN_STYLES.values()} <= found


def test_a_caption_can_be_cut_off():
    caption = ["A sentence of some length. " * 9, "Another."]
    frame = curve_frame({"harmonic": ([3], np.linspace(-90.0, -13.0, 60)[None])})
    bare, whole = (
        Image.open(io.BytesIO(picture(curves_chart(frame, title="t", label="l", caption=text))))
        for text in ([], caption)
    )
    assert whole.height - bare.height == caption_pixels(caption) > 100
    cut = whole.crop((0, 0, whole.width, bare.height)).convert("L")
    difference = np.abs(np.asarray(cut, float) - np.asarray(bare.convert("L"), float))
    assert difference.mean() < 1


def test_a_matplotlibrc_and_a_notebook_backend_count_for_nothing(tmp_path):
    rc = "font.size: 40, axes.grid: False, axes.facecolor: black, figure.dpi: 17, savefig.dpi: 17"
    rc += ", savefig.bbox: tight, lines.linewidth: 9, xtick.labelsize: 30, backend: TkAgg"
    (tmp_path / "matplotlibrc").write_text(rc.replace(", ", "\n"))
    save_png(curve(), tmp_path / "new" / "ours.png")
    program = (
        "import sys, hq_ray.analysis.charts; sys.path.append(sys.argv[1]);"
        "from test_page import Path, curve, save_png;"
        "save_png(curve(), Path('theirs.png'));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    settings = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    subprocess.run(command, cwd=tmp_path, env=os.environ | settings, check=True)
    assert (tmp_path / "theirs.png").read_bytes() == (tmp_path / "new" / "ours.png").read_bytes()
