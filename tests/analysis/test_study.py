import numpy as np
import pytest
from small_sweeps import train

from hq_ray.analysis.figures import figures_of
from hq_ray.analysis.study import name_of, study
from hq_ray.environments import load_model
from hq_ray.load import stream_curves
from hq_ray.planning import references
from hq_ray.store import Results

LAKE = "FrozenLake-v1"


@pytest.fixture
def published(tmp_path):
    """Results of a sweep of three variants."""

    def publish(name="one", variant=("standard", "harmonic", "minimum"), **changes):
        return Results.at(train(tmp_path, name, variant=list(variant), **changes))

    return publish


def test_a_study_holds_what_was_read(published):
    place = published()
    found = study([place])
    assert list(found.table) == [LAKE]
    assert list(found.table[LAKE]) == ["standard", "harmonic", "minimum"]
    assert [len(cell) for cell in found.cells] == [2, 4, 1]
    assert name_of(found.results) == "one"
    assert found.lead == (
        "28 trials, 7 configurations, 3 variants, 1 environment. Judged by mean return."
    )
    pairs = [(one.variant, one.baseline) for one in found.comparisons]
    assert pairs == [("harmonic", "standard"), ("minimum", "standard")]
    assert found.notes == []
    for key, side in found.chosen.items():
        ids = side.trials["trial_id"].tolist()
        (curves,) = (columns for _, columns in stream_curves(place, [ids], ["episode_return"]))
        assert np.array_equal(found.curves[key]["episode_return"], curves["episode_return"])
    optimum = references(load_model(LAKE, "{}"), 0.99, 100).optimal_return
    assert {cell.optimum("optimal_return") for cell in found.cells} == {optimum}


def test_a_sweep_and_more_of_it_are_one(published):
    places = [published(), published(name="more", seeds="3-6")]
    found = study(places, metric_name="policy_value")
    assert name_of(found.results) == "one-and-more"
    # The curves are of the configurations that are compared.
    for one in found.comparisons:
        assert found.chosen[one.env, one.variant].number == one.ours.number
    assert found.chosen[LAKE, "standard"].number == found.comparisons[0].base.number
    assert found.cells[0].seeds.tolist() == list(range(7))
    assert found.notes == []
    whole = study([published(name="whole", seeds="0-6")], with_references=False)
    # A digest of the trials, not of their files.
    assert whole.data_digest == found.data_digest != study(places[:1]).data_digest


def test_great_seeds_of_a_spec_confirm_nothing(published):
    found = study([published(seeds=f"{2**63 - 4}-{2**63 - 1}", parameters={"eps_shift": 1.0})])
    assert {one.block for one in found.comparisons} == {None}
    assert found.cells[0].seeds.tolist() == list(range(2**63 - 4, 2**63))


def test_names_of_figures_tell_environments_apart(published):
    env = [LAKE, {"id": LAKE, "map_name": "8x8"}]
    found = study([published(env=env, seeds="0-1")])
    names = {one.name for one in figures_of(found)}
    assert {"pairs_FrozenLake-v1", "pairs_FrozenLake-v1_map_name_8x8"} <= names
    worlds = [{"map_name": "4x4"}, {"map_name": "8x8"}, {"is_slippery": False}]
    labels = ["foo", "foo 0", "foo?"]
    env = [{"id": LAKE, "label": label, **one} for label, one in zip(labels, worlds, strict=True)]
    names = {one.name for one in figures_of(study([published(env=env, name="x", seeds="0-1")]))}
    assert len({name for name in names if name.startswith("pairs")}) == 3
