import json

import numpy as np
import pytest
import yaml
from trial_frames import alphas, table_of, trials_of

from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.selection import (
    Selection,
    environments_of,
    fresh_seeds,
    select,
    settings_of,
    stage_two_spec,
    standing,
    tuning_budget,
)
from hq_ray.errors import InputError
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep
from hq_ray.trial import MAX_SEED

NAN = float("nan")
RETURN = METRICS["final_return"]
CLIFF, GRID, LAKE = "CliffWalking-v1", "VelocityGrid-v0", "FrozenLake-v1"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def awkward_levels():
    """Floats that take all digits, schedules, nulls and lengths."""
    return [
        {"alpha": 0.1 + 0.2, "eps_shift": 1e-6, "eps_decay_episodes": 1000},
        {"alpha": 1 / 3, "eps_shift": 12345.678901234567, "eps_schedule": "constant"},
        {"alpha": 0.2, "eps_shift": 1e16, "alpha_schedule": "inverse", "alpha_end": 1e-300},
        {"alpha": 1.0, "eps_shift": 5e-324, "gamma": 0.0, "episodes": 250, "max_steps": 7},
    ]


def chosen_of(selection, variant, env="Table-v0"):
    return [one for one in selection.chosen if (one.env, one.variant) == (env, variant)]


# Choosing


def test_the_best_means_are_chosen_with_their_spread():
    scores = np.array([[1.0, 2, 3], [7, 8, 9], [4, 5, 6]])
    selection = select(table_of(trials_of("standard", alphas(3), range(3), scores)), "here",
                       "final_return", top=2)  # fmt: skip
    first, second = selection.chosen
    assert (first.rank, first.mean, first.n, first.settings["alpha"]) == (1, 8, 3, 0.5)
    assert (second.rank, second.mean, second.settings["alpha"]) == (2, 5, 0.75)
    assert first.se == pytest.approx(1 / np.sqrt(3))
    assert selection.seeds == [0, 1, 2]
    assert selection.budget == {"Table-v0": 3}


def test_of_costs_the_lowest_are_chosen():
    scores = np.array([[3.0], [1.0], [2.0]])
    table = table_of(trials_of("standard", alphas(3), [0], scores, metric="final_steps"))
    selection = select(table, "here", "final_steps", top=3)
    assert [one.mean for one in selection.chosen] == [1, 2, 3]
    assert [one.se for one in selection.chosen] == [None] * 3


def test_missing_trials_are_seen_and_few_seeds_do_not_win():
    scores = np.array([[1.0, 2, 3, 2], [9, NAN, NAN, NAN], [2, 3, NAN, 4], [NAN] * 4])
    selection = select(table_of(trials_of("standard", alphas(4), range(4), scores)), "here",
                       "final_return", top=5)  # fmt: skip
    assert [(one.settings["alpha"], one.n) for one in selection.chosen] == [(0.6, 3), (0.2, 4)]
    assert selection.budget == {"Table-v0": 2}


def test_every_variant_has_as_many_to_choose_from():
    rising = np.arange(40.0)[:, None]
    frames = [
        trials_of("standard", alphas(5), [0], rising[:5]),
        trials_of("harmonic", alphas(40), [0], rising),
        trials_of("minimum", [{}], [0], [[0.0]]),
    ]
    table = table_of(*frames)
    selection = select(table, "here", "final_return", top=40)
    assert selection.budget == {"Table-v0": 5}
    assert [len(chosen_of(selection, v)) for v in ("standard", "harmonic", "minimum")] == [5, 5, 1]
    best = [select(table, "", "final_return", 1, seed=seed).chosen[1].mean for seed in range(200)]
    # The best of 5 of 0 .. 39 is 5 * 41 / 6 - 1 on average.
    assert np.mean(best) == pytest.approx(5 * 41 / 6 - 1, abs=1.5)
    whole = select(table, "here", "final_return", equal_budget=False)
    assert chosen_of(whole, "harmonic")[0].mean == 39
    assert whole.budget == {"Table-v0": 40}


@pytest.mark.parametrize(
    ("counts", "budget"),
    [
        ({"standard": 5, "harmonic": 8, "minimum": 1}, 5),
        ({"harmonic": 8, "minimum": 1}, 1),
        ({"standard": 7}, 7),
    ],
)
def test_tuning_budget(counts, budget):
    assert tuning_budget(counts) == budget


def test_nothing_to_choose_from_is_said():
    table = table_of(trials_of("standard", alphas(2), [0], [[1.0], [2.0]]))
    with pytest.raises(InputError, match="needs trials that have success_rate, found none"):
        select(table, "here", "success_rate")


# From one stage to the next


def test_settings_are_plain_values_without_what_is_not_read():
    table = table_of(trials_of("harmonic", awkward_levels(), [0], noise(4, 1)))
    cell = table["Table-v0"]["harmonic"]
    found = [settings_of(cell, number) for number in range(4)]
    constant = next(one for one in found if one["eps_schedule"] == "constant")
    assert "eps_end" not in constant
    assert "alpha_down" not in constant
    assert {type(value) for one in found for value in one.values()} == {float, int, str}
    assert all(type(one["episodes"]) is int for one in found)


def table_with_environments():
    """The same grids on three environments of the learner's own."""
    frames = []
    for place, (env, args) in enumerate(((CLIFF, "{}"), (GRID, '{"max_speed":2}'), (LAKE, "{}"))):
        where = {"env": env, "env_args": args}
        levels = awkward_levels()
        standard = [{k: v for k, v in one.items() if k != "eps_shift"} for one in levels]
        frames.append(trials_of("harmonic", levels, range(5), noise(4, 5, seed=place), **where))
        frames.append(trials_of("standard", standard, range(5), noise(4, 5, seed=9), **where))
        frames.append(trials_of("minimum", [{}], range(5), noise(1, 5), **where))
    return table_of(*frames)


def test_a_selection_survives_yaml_to_the_last_bit():
    table = table_with_environments()
    selection = select(table, "results/one", "final_return", top=4)
    spec = stage_two_spec(selection, "one-stage-2", range(1000, 1030), environments_of(table))
    sweep = Sweep.from_yaml(yaml.safe_dump(spec, sort_keys=False))
    again = Selection.from_dict(json.loads(json.dumps(sweep.to_dict()))["selection"])
    assert again == selection
    assert sweep.seeds == range(1000, 1030) or list(sweep.seeds) == list(range(1000, 1030))


def test_the_second_stage_trains_exactly_what_was_chosen():
    table = table_with_environments()
    selection = select(table, "results/one", "final_return", top=4)
    spec = stage_two_spec(selection, "one-stage-2", range(1000, 1003), environments_of(table))
    trials = [*expand(Sweep.from_yaml(yaml.safe_dump(spec))).trials]
    assert len(trials) == 3 * len(selection.chosen)
    again = Selection.from_dict(spec["selection"])
    for env, row in table.items():
        for variant, cell in row.items():
            chosen = chosen_of(again, variant, env)
            numbers = [one.row(cell) for one in chosen]
            assert sorted(numbers) == list(range(len(cell)))
            means = np.nanmean(cell.scores("final_return"), axis=1)
            assert means[numbers] == pytest.approx([one.mean for one in chosen])
            for one, number in zip(chosen, numbers, strict=True):
                assert settings_of(cell, number) == one.settings


def test_no_anchors_stand_in_the_yaml():
    table = table_of(
        *(
            trials_of(v, alphas(2), range(3), noise(2, 3), env=LAKE, env_args='{"desc":["SG"]}')
            for v in ("standard", "harmonic")
        )
    )
    selection = select(table, "here", "final_return")
    text = yaml.safe_dump(stage_two_spec(selection, "s", range(3), environments_of(table)))
    assert "&" not in text
    assert yaml.safe_load(text)["configurations"][0]["env"] == {"id": LAKE, "desc": ["SG"]}


def test_a_cell_without_the_configuration_has_no_row_for_it():
    table = table_of(trials_of("harmonic", awkward_levels(), [0], noise(4, 1)))
    cell = table["Table-v0"]["harmonic"]
    (one, *_) = select(table, "here", "final_return").chosen
    assert one.row(cell) is not None
    for change in ({"alpha": 0.123}, {"alpha_down": 0.5}, {"eps_schedule": None}, {"beta": 1}):
        other = type(one)(**{**vars(one), "settings": {**one.settings, **change}})
        assert other.row(cell) is None


@pytest.mark.parametrize(
    ("used", "n", "expected"),
    [
        ([], 3, range(0, 3)),
        ([0, 4], 30, range(1000, 1030)),
        ([999], 1, range(1000, 1001)),
        ([5, 1000], 2, range(2000, 2002)),
    ],
)
def test_fresh_seeds_are_above_all_used_ones(used, n, expected):
    assert fresh_seeds(used, n) == expected


def test_seeds_come_to_an_end():
    with pytest.raises(InputError, match="fresh seeds must lie above all used ones"):
        fresh_seeds([MAX_SEED], 1)


def test_several_models_of_an_environment_have_no_second_stage():
    frames = [
        trials_of("standard", [{}], [seed], [[1.0]], fingerprint=mark)
        for seed, mark in enumerate(("a" * 16, "b" * 16))
    ]
    with pytest.raises(InputError, match=r"one model of each environment.*fingerprint == "):
        environments_of(table_of(*frames))


@pytest.mark.parametrize(
    "change",
    [
        {"chosen": 5},
        {"chosen": [{"env": "A-v0"}]},
        {"metric": "final_retrun"},
        {"surplus": 1},
        {"chosen": [{"env": "A", "variant": "standard", "rank": 1, "settings": 3, "mean": 1.0,
                     "se": None, "n": 1}]},
    ],
)  # fmt: skip
def test_what_is_no_selection_is_refused(change):
    content = select(table_with_environments(), "here", "final_return").to_dict()
    with pytest.raises(InputError, match="must be one that `hq-ray select` wrote"):
        Selection.from_dict({**content, **change})
    with pytest.raises(InputError):
        Selection.from_dict({"note": "from a paper"})


# Who stands in the second stage


def second_stage(selection, scores):
    """Cells in which the chosen ones have these scores, by variant and rank."""
    frames = []
    for variant in ("standard", "harmonic"):
        chosen = chosen_of(selection, variant)
        levels = [dict(one.settings) for one in chosen]
        frames.append(trials_of(variant, levels, range(1000, 1003), scores[variant]))
    return table_of(*frames)


def first_selection():
    frames = [trials_of(v, alphas(3), range(4), noise(3, 4)) for v in ("standard", "harmonic")]
    return select(table_of(*frames), "here", "final_return", top=3)


def test_the_first_rank_stands():
    selection = first_selection()
    table = second_stage(selection, dict.fromkeys(("standard", "harmonic"), noise(3, 3)))
    found, notes = standing(selection, table, RETURN)
    assert notes == []
    for one in selection.chosen:
        if one.rank == 1:
            assert found[one.env, one.variant] == one.row(table[one.env][one.variant])


def test_the_next_rank_stands_in_for_one_that_failed_and_is_named():
    selection = first_selection()
    failed = noise(3, 3)
    failed[0] = NAN
    table = second_stage(selection, {"standard": noise(3, 3), "harmonic": failed})
    found, notes = standing(selection, table, RETURN)
    second = next(one for one in chosen_of(selection, "harmonic") if one.rank == 2)
    assert found["Table-v0", "harmonic"] == second.row(table["Table-v0"]["harmonic"])
    assert notes == [
        "harmonic on Table-v0: what stage one ranked 1 has no final return here; rank 2 stands in"
    ]


def test_nothing_stands_in_where_nothing_is():
    selection = first_selection()
    failed = np.full((3, 3), NAN)
    table = second_stage(selection, {"standard": noise(3, 3), "harmonic": failed})
    found, notes = standing(selection, table, RETURN)
    assert list(found) == [("Table-v0", "standard")]
    assert notes == [
        "harmonic on Table-v0: what stage one ranked 1 and 2 and 3 has no final return here; "
        "nothing stands in"
    ]
