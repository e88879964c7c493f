import numpy as np
import pytest
from figure_checks import assert_inside_and_apart

from hq_ray.analysis.charts.figure_health import health_figure

LONG = 'VelocityGrid-v0 {"max_speed": 2, "width": 12, "height": 14, "cliff_penalty": -250.0}'
VARIANTS = ("standard", "harmonic", "minimum", "asymmetric")


def row(env="CliffWalking-v1", variant="standard", **changes):
    seconds = np.exp(np.random.default_rng(0).normal(-4, 1, 12))
    counts = {"planned": 15, "done": 12, "failed": 2, "seeds": [5, 4, 3]}
    return (
        {"env": env, "variant": variant, "seconds": seconds, "truncated": 0.066} | counts | changes
    )


def health(rows):
    return health_figure(rows, title="Health of a sweep", caption=["data 1a2b", "n"])


def texts_of(figure):
    texts = list(figure.texts)
    for axes in figure.axes:
        texts += axes.texts
        if axes.axison:
            texts += [axes.yaxis.label, *axes.get_xticklabels()]
    return [text for text in texts if text.get_text()]


def words(figure):
    return [text.get_text() for text in texts_of(figure)]


def assert_texts_inside_and_apart(figure):
    assert_inside_and_apart(figure, texts_of(figure))


HARD = {
    "one": [row()],
    "nothing done": [row(done=0, failed=0, seconds=np.empty(0), seeds=[], truncated=None)],
    "zero seconds": [row(seconds=np.zeros(2))],
    "mathematics": [row("my:$env_x$-v0", "my_$rule$_x")],
    "large": [
        row(env, variant, planned=1_200_000, done=1_100_000, failed=99_999, seeds=[28, 30])
        for env in ("CliffWalking-v1", LONG, *(f"Env{i}-v0" for i in range(6)))
        for variant in (*VARIANTS, "a_variant_with_a_very_long_name")
    ],
}


@pytest.mark.parametrize("name", HARD)
def test_all_texts_are_inside_and_apart(name):
    figure = health(HARD[name])
    figure.canvas.draw()
    assert_texts_inside_and_apart(figure)


def test_bars_are_shares_of_the_plan_and_numbers_stand_beside_them():
    figure = health([row()])
    done, failed, missing = figure.axes[0].patches
    assert [bar.get_width() for bar in (done, failed, missing)] == [12 / 15, 2 / 15, 1 / 15]
    assert failed.get_hatch() != missing.get_hatch()
    assert done.get_hatch() is None
    assert {"80 %", "12", "2", "1", "3", "3 to 5", "6.6 %"} <= set(words(figure))


def test_what_is_nearly_whole_is_not_called_whole():
    figure = health([row(planned=100_000, done=99_999, failed=0, truncated=1e-5)])
    assert {"> 99.9 %", "< 0.1 %"} <= set(words(figure))


def test_rows_without_a_plan_say_so():
    figure = health([row(planned=None), row(variant="harmonic")])
    told = " ".join(words(figure))
    assert "number of planned trials unknown for 1 of 2 lines" in told
    assert "of ?" in words(figure)


def test_seconds_are_trials_or_twenty_quantiles_and_quantiles_stay_as_they_are():
    seconds = np.exp(np.random.default_rng(1).normal(size=500))
    quantiles = np.quantile(seconds, (np.arange(20) + 0.5) / 20)
    dots = [health([row(seconds=given)]).axes[2].lines[0] for given in (seconds, quantiles)]
    for line in dots:
        np.testing.assert_allclose(line.get_xdata(), quantiles)
    few = health([row(seconds=np.array([1.0, 3.0]))]).axes[2].lines[0]
    assert few.get_xdata().tolist() == [1.0, 3.0]


def test_environments_stand_above_their_variants_in_the_order_given():
    rows = [row(env, variant) for variant in VARIANTS[:2] for env in ("B-v0", "A-v0")]
    names = [text.get_text() for text in health(rows).axes[0].texts][-6:]
    assert names == ["B-v0", "standard", "harmonic", "A-v0", "standard", "harmonic"]


def test_times_and_truncations_are_left_out_when_there_are_none():
    assert len(health(HARD["nothing done"]).axes) == 2
    assert len(health([row()]).axes) == 4
