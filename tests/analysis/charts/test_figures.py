import gc
import weakref

import numpy as np
import pytest
from figure_checks import assert_inside_and_apart, render
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from PIL import Image
from scipy.stats import t as student_t

from hq_ray.analysis.charts.captions import (
    SE_COVERAGE,
    drawn_curves,
    interval_words,
    off_scale_words,
    variant_words,
    window_words,
)
from hq_ray.analysis.charts.figure_bands import limits_of
from hq_ray.analysis.charts.figures import compare_figure, curve_figure, save_png
from hq_ray.analysis.charts.labels import spread
from hq_ray.analysis.charts.page import text_width, wrap_text
from hq_ray.analysis.charts.style import KNOWN_STYLES, variant_styles
from hq_ray.analysis.reading.smoothing import trailing_mean
from hq_ray.analysis.statistics.means import smooth_seeds
from hq_ray.errors import InputError

LENGTHS = (1, 2, 150, 151, 152, 4000)
SETTINGS = "alpha 0.2, gamma 0.99, epsilon linear 1.0 to 0.05 over 3500 episodes, " * 3


def learning(n_seeds, n_episodes, final=85.0, seed=0):
    rng = np.random.default_rng(seed)
    rise = np.linspace(-200, final, n_episodes // 2 + 1)
    mean = np.concatenate([rise, np.full(n_episodes, final)])[:n_episodes]
    return mean + rng.normal(0, 20, (n_seeds, n_episodes))


def cliff(n_seeds, n_episodes=1000, seed=0):
    early = -50_000 * np.exp(-np.arange(n_episodes) / 20)
    return early - np.random.default_rng(seed).integers(13, 30, (n_seeds, n_episodes))


def one(values, **changes):
    names = {"variant": "harmonic", "seed": 3, "env": "CliffWalking-v1", "quantity": "returns"}
    return curve_figure(values, **({"smooth": 151, "settings": SETTINGS} | names | changes))


def compare(curves, **changes):
    names = {"env": "VelocityGrid-v0", "quantity": "returns", "smooth": 151}
    planned = {variant: len(values) for variant, values in curves.items()}
    return compare_figure(curves, **({"settings": SETTINGS, "planned": planned} | names | changes))


def words(figure):
    texts = [text.get_text() for text in (*figure.texts, *figure.axes[0].texts)]
    return " ".join(texts)


def assert_texts_inside_and_apart(figure):
    """No text leaves the figure; no two texts overlap."""
    axes = figure.axes[0]
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    texts = [text for text in (*figure.texts, *axes.texts, *labels) if text.get_text()]
    assert_inside_and_apart(figure, texts)


@pytest.mark.parametrize("n_episodes", LENGTHS)
def test_curves_of_every_length_draw_without_warnings(n_episodes):
    for quantity in ("returns", "steps"):
        figure = one(np.abs(learning(1, n_episodes)[0]), quantity=quantity, optimum=12.0)
        render(figure)
        assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize("n_episodes", LENGTHS)
@pytest.mark.parametrize("n_seeds", [1, 2, 5, 30])
def test_comparisons_of_every_size_draw_without_warnings(n_episodes, n_seeds):
    curves = {
        "standard": learning(n_seeds, n_episodes),
        "harmonic": learning(n_seeds, n_episodes, seed=1),
    }
    figure = compare(curves)
    render(figure)
    assert_texts_inside_and_apart(figure)


@pytest.mark.parametrize("n_variants", [1, 2, 3, 4, 7])
def test_comparisons_of_few_and_many_variants_draw_without_warnings(n_variants):
    names = ["standard", "harmonic", "minimum", "asymmetric", "geometric", "median", "power"]
    curves = {name: learning(3, 300, 85 - i) for i, name in enumerate(names[:n_variants])}
    env = "VelocityGrid-v0(width=12, height=10, max_speed=2, slip_prob=0.125, cliff_penalty=-250)"
    figure = compare(curves, env=env, smooth=20)
    render(figure)
    assert_texts_inside_and_apart(figure)
    for name in curves:
        assert f"{name} (n = 3)" in words(figure)


@pytest.mark.parametrize("value", [0.0, -13.0, 1e-9, -123456.75, 3e8])
def test_constant_data_draws_a_level_line(value):
    figure = compare({"standard": np.full((5, 200), value), "harmonic": np.full((5, 200), value)})
    render(figure)
    low, high = figure.axes[0].get_ylim()
    assert low < value < high
    assert_texts_inside_and_apart(figure)


def test_a_curve_shows_the_smoothed_values_only():
    values = learning(1, 300)[0]
    figure = one(values, smooth=50)
    assert figure.axes[0].get_xlabel() == "episode"
    assert figure.axes[0].get_ylabel() == "episode return [reward units]"
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() != "None"]
    drawn = {
        x: y
        for line in lines
        for x, y in zip(*line.get_data(), strict=True)
        if line.get_color() == "#D55E00"
    }
    assert [drawn[t] for t in range(1, 301)] == trailing_mean(values, 50).tolist()
    assert "trailing mean over 50 episodes; first 49 points average what there is" in words(figure)
    assert "CliffWalking-v1: harmonic, seed 3" in words(figure)


def test_the_warm_up_is_drawn_lighter():
    lines = one(learning(1, 300)[0], smooth=50).axes[0].lines
    lighter = [line for line in lines if line.get_alpha()]
    assert [line.get_xdata()[[0, -1]].tolist() for line in lighter] == [[1, 50]]


def test_the_band_is_the_error_over_smoothed_seeds():
    values = {"standard": learning(5, 200), "harmonic": learning(3, 200, seed=1)}
    axes = compare(values, smooth=30).axes[0]
    for band, (name, seeds) in zip(axes.patches, values.items(), strict=True):
        smoothed = np.array([trailing_mean(seed, 30) for seed in seeds])
        error = smoothed.std(axis=0, ddof=1) / np.sqrt(len(seeds))
        corners = band.get_xy()[:400]
        np.testing.assert_allclose(corners[:200, 1], smoothed.mean(axis=0) - error)
        np.testing.assert_allclose(corners[200:, 1], (smoothed.mean(axis=0) + error)[::-1])
        assert corners[:200, 0].tolist() == list(range(1, 201))
        assert to_hex(band.get_facecolor()).upper() == KNOWN_STYLES[name].color


def test_one_seed_has_no_band_and_says_so():
    figure = compare({"standard": learning(1, 200), "harmonic": learning(1, 200, seed=1)})
    assert not figure.axes[0].patches
    assert "n = 1: no interval." in words(figure)
    assert "band" not in words(figure)


def thin_lines(figure):
    return [line for line in figure.axes[0].lines if line.get_alpha() and line.get_linewidth() < 1]


@pytest.mark.parametrize(("n_seeds", "n_lines"), [(1, 0), (2, 2), (4, 4), (5, 0)])
def test_two_to_four_seeds_are_also_drawn_one_by_one(n_seeds, n_lines):
    figure = compare({"standard": learning(n_seeds, 200)})
    assert len(thin_lines(figure)) == n_lines
    assert ("Thin lines: single seeds." in words(figure)) == (n_lines > 0)


def test_the_caption_names_interval_and_replicates():
    assert interval_words({"standard": 30, "harmonic": 30}) == (
        "Line: mean; band: ±1 standard error over n = 30 seeds, about 68 %."
    )
    assert interval_words({"standard": 5, "harmonic": 3, "minimum": 1}) == (
        "Line: mean; band: ±1 standard error over n seeds (standard 5, harmonic 3), about 68 %"
        " for many seeds, 58 % at n = 3, 63 % at n = 5. Thin lines: single seeds."
        " n = 1: no interval for minimum."
    )


def test_the_coverage_of_one_standard_error_is_students():
    for n, percent in SE_COVERAGE.items():
        assert percent == round(100 * (2 * student_t.cdf(1, n - 1) - 1))


def test_the_caption_names_the_window():
    assert window_words(151, 100) == "window 151 > 100 episodes: running mean"
    assert window_words(151, 151).startswith("trailing mean over 151 episodes; first 150 points")
    assert window_words(2, 9).startswith("trailing mean over 2 episodes; first point averages")
    assert window_words(1, 9) == "window 1: not smoothed"


def test_missing_seeds_are_shown_in_the_label():
    assert variant_words("harmonic", 4, 5) == "harmonic (n = 4 of 5)"
    figure = compare({"harmonic": learning(4, 200)}, planned={"harmonic": 5})
    assert "harmonic (n = 4 of 5)" in words(figure)


def test_variants_of_different_length_are_drawn_to_their_own_ends():
    curves = {"standard": learning(5, 200), "harmonic": learning(5, 300)}
    ends = [band.get_xy()[:, 0].max() for band in compare(curves).axes[0].patches]
    assert ends == [200, 300]


def test_settings_appear_in_full_over_several_lines():
    figure = one(learning(1, 200)[0])
    assert " ".join(SETTINGS.split()) in words(figure)


def test_names_with_dollar_signs_are_not_read_as_mathematics():
    figure = compare({"my_$rule$_x": learning(2, 20)}, env="a:$x_$-v0", settings="b $y^$ z")
    render(figure)
    assert "a:$x_$-v0: my_$rule$_x" in words(figure)


def test_well_behaved_returns_are_shown_whole():
    curve = smooth_seeds(learning(5, 1000), 20)
    low, high = limits_of(drawn_curves(curve), "returns")
    assert low < curve.seeds.mean(axis=0).min()
    assert high > curve.seeds.mean(axis=0).max()
    assert off_scale_words({"standard": curve}, (low, high)) == ""
    assert "off scale" not in words(compare({"standard": learning(5, 1000)}))


def test_an_enormous_start_leaves_the_axis_in_words():
    values = cliff(5)
    figure = compare({"standard": values, "harmonic": values}, smooth=20)
    low, high = figure.axes[0].get_ylim()
    assert -200 < low < -30
    assert -30 < high < 0
    first = values[:, 0].mean()
    assert f"off scale: standard starts at {first:,.0f} (on scale from episode" in words(figure)
    assert f"harmonic starts at {first:,.0f}" in words(figure)
    assert_texts_inside_and_apart(figure)


def test_steps_leave_the_axis_upwards():
    figure = one(-cliff(1)[0], quantity="steps", smooth=20)
    assert figure.axes[0].get_ylabel() == "steps per episode [steps]"
    low, high = figure.axes[0].get_ylim()
    assert 0 < low < 20
    assert high < 200
    assert "off scale: starts at 50,0" in words(figure)


def test_a_band_or_a_single_seed_beyond_the_axis_is_told_too():
    curve = smooth_seeds(np.array([[0.0, 0.0, 0.0, 0.0], [-40.0, 0.0, 0.0, 0.0]]), 1)
    told = off_scale_words({"standard": curve}, (-30.0, 10.0))
    assert told == "off scale: (band or single seed) starts at -40 (on scale from episode 2)"


def test_close_line_ends_get_labels_apart():
    curves = {"standard": np.full((5, 99), -13.0), "harmonic": np.full((5, 99), -13.01)}
    figure = compare(curves)
    render(figure)
    assert_texts_inside_and_apart(figure)
    labels = sorted(figure.axes[0].texts, key=lambda text: text.get_position()[1])
    assert [label.get_text().split()[0] for label in labels] == ["harmonic", "standard"]


def test_spreading_moves_only_what_is_too_close():
    np.testing.assert_allclose(spread([0.1, 0.5, 0.9], 0.1), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(spread([0.5, 0.1, 0.5], 0.1), [0.45, 0.1, 0.55])
    np.testing.assert_allclose(spread([1.0, 0.99], 0.1), [1.0, 0.9])
    np.testing.assert_allclose(spread([0.0, -0.2, 0.01], 0.1), [0.1, 0.0, 0.2])


def test_wrapping_fits_the_width_and_breaks_long_words():
    lines = wrap_text("alpha 0.2, " * 8 + "x" * 200, 200.0, 8.0, max_lines=99)
    assert all(text_width(line, 8.0) <= 200 for line in lines)
    assert "".join(lines).replace(" ", "") == "alpha0.2," * 8 + "x" * 200
    assert wrap_text("one two three", 25.0, 8.0, max_lines=2)[1].endswith("…")
    assert wrap_text("  ", 25.0, 8.0) == []


def test_styles_differ_in_dashes_and_markers_without_their_colours():
    names = [*KNOWN_STYLES, "geometric", "median", "power", "double", "speedy", "a"]
    styles = list(variant_styles(names).values())
    assert len({style.linestyle for style in styles}) == len(names)
    assert len({style.marker for style in styles}) == len(names)


def test_styles_are_those_of_the_field_and_stable():
    styles = variant_styles(["harmonic", "standard", "geometric"])
    assert list(styles) == ["harmonic", "standard", "geometric"]
    assert (styles["standard"].color, styles["standard"].linestyle) == ("#0072B2", "-")
    assert (styles["harmonic"].color, styles["harmonic"].marker) == ("#D55E00", "s")
    assert styles["geometric"] == variant_styles(["geometric"])["geometric"]
    for name in ("minimum", "asymmetric"):
        red, green, blue = (KNOWN_STYLES[name].color[i : i + 2] for i in (1, 3, 5))
        assert red == green == blue
    assert len(variant_styles(f"v{i}" for i in range(60))) == 60


def test_png_has_its_size_and_the_same_bytes_each_time(tmp_path):
    curves = {"standard": learning(5, 300), "harmonic": learning(2, 300, seed=1)}
    paths = [tmp_path / "plots" / name / "curve.png" for name in "ab"]
    for path in paths:
        save_png(compare(curves), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as image:
        assert image.size == (1350, 750)
        assert "Software" not in image.info
    assert [path.name for path in paths[0].parent.iterdir()] == ["curve.png"]


def test_saving_replaces_and_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "curve.png"
    figure = one(learning(1, 20)[0])
    save_png(figure, str(path))
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", fail)
    with pytest.raises(OSError, match="disk full"):
        save_png(figure, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_figures_are_not_kept_alive():
    figure = weakref.ref(one(learning(1, 20)[0]))
    gc.collect()
    assert figure() is None


def test_unusable_input_is_refused():
    with pytest.raises(InputError, match="unknown quantity 'return'; did you mean 'returns'"):
        one(np.ones(3), quantity="return")
    with pytest.raises(InputError, match=r"\(n_episodes,\); given shape \(2, 3\)"):
        one(np.ones((2, 3)))
    with pytest.raises(InputError, match="at least one variant"):
        compare({})
    with pytest.raises(InputError, match=r"whole number >= 1; given 0"):
        compare({"standard": np.ones((2, 3))}, smooth=0)
    with pytest.raises(InputError, match=r"given shape \(3,\)"):
        compare({"standard": np.ones(3)})


def raw_lines(figure):
    return [line for line in figure.axes[0].lines if line.get_alpha() == 0.35]


def test_raw_values_are_drawn_only_where_they_are_asked_for():
    values = learning(1, 300)[0]
    assert not raw_lines(one(values, smooth=50))
    assert "raw values" not in words(one(values, smooth=50))
    (line,) = raw_lines(one(values, smooth=50, raw=True))
    assert line.get_xdata().tolist() == list(range(1, 301))
    assert line.get_ydata().tolist() == values.tolist()
    assert line.get_zorder() < 2
    assert "Faint: raw values of each episode." in words(one(values, smooth=50, raw=True))


def test_raw_values_are_thinned_and_keep_their_extremes():
    values = learning(1, 50_000)[0]
    values[20_001] = 500.0
    (line,) = raw_lines(one(values, raw=True))
    assert len(line.get_xdata()) <= 1202
    assert line.get_ydata().max() == 500.0


@pytest.mark.parametrize("n_episodes", LENGTHS)
def test_raw_curves_of_every_length_draw_without_warnings(n_episodes):
    figure = one(learning(1, n_episodes)[0], raw=True, optimum=12.0)
    render(figure)
    assert_texts_inside_and_apart(figure)


def test_raw_values_beyond_the_axis_are_counted():
    values = cliff(1)[0]
    figure = one(values, smooth=20, raw=True)
    low, high = figure.axes[0].get_ylim()
    assert low <= np.quantile(values[500:], 0.01)
    n_out = np.count_nonzero((values < low) | (values > high))
    assert f"raw values off scale in {n_out} of 1,000 episodes, as far as -50,0" in words(figure)


def test_shares_have_an_axis_from_0_to_1():
    figure = one((learning(1, 200)[0] > 0).astype(float), quantity="success", smooth=20)
    assert figure.axes[0].get_ylabel() == "episodes that succeed [share]"
    assert figure.axes[0].get_ylim() == (-0.03, 1.03)
