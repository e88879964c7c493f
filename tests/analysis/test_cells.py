import numpy as np
import pandas as pd
import pytest
from trial_frames import alphas, table_of, trials_of

from hq_ray.analysis.cells import PROBLEM, SETTING_COLUMNS, cells_by_problem
from hq_ray.hyperparameters import HYPERPARAMETERS
from hq_ray.sweeps.expand import expand
from hq_ray.sweeps.spec import Sweep

NAN, FAILED = float("nan"), float("inf")


def only(*frames):
    ((cell,),) = (row.values() for row in table_of(*frames).values())
    return cell


def test_a_cell_is_configurations_by_seeds_and_failed_trials_are_tried_without_a_score():
    scores = [[3, 1, 2], [6, FAILED, NAN], [FAILED] * 3]
    cell = only(trials_of("standard", alphas(3), [3, 1, 2], scores))
    assert (cell.env, cell.variant, len(cell)) == ("Table-v0", "standard", 2)
    assert (cell.seeds.tolist(), cell.common_seeds.tolist()) == ([1, 2, 3], [1, 3])
    assert np.array_equal(cell.scores("final_return"), [[1, 2, 3], [NAN, NAN, 6]], equal_nan=True)
    assert list(cell.settings) == list(SETTING_COLUMNS)
    assert cell.settings["alpha"].tolist() == [0.25, 0.5]
    assert cell.settings["eps_shift"].isna().all()
    assert table_of(trials_of("standard", [{}], [0], [[FAILED]])) == {}


LISTED = [
    {"env": "FrozenLake-v1", "variant": variant, "alpha": alpha, "gamma": 0.99, "eps_end": end}
    # Not the order of any grid.
    for alpha, end in ((0.3, 0.1), (0.1, 0.0), (0.3, 0.0), (0.2, 0.1))
    for variant in ("harmonic", "standard")
]
GRID = {"eps_end": [0.1, 0.0], "eps_schedule": ["linear", "constant"]}
GRID |= {"eps_shift": [10.0, 0.1, 1.0], "alpha": [0.5, 0.1]}
GRIDS = {"env": "FrozenLake-v1", "variant": ["standard", "harmonic"], "parameters": GRID}
GRIDS |= {"variant_parameters": {"harmonic": {"alpha": [0.7, 0.9]}}}


@pytest.mark.parametrize("spec", [{"configurations": LISTED}, GRIDS])
def test_configurations_stand_in_the_order_of_the_plan(spec):
    sweep = Sweep.from_mapping({"name": "x", **spec})
    planned = {}
    for one in expand(sweep).trials.configurations:
        every = {name: getattr(one, name) for name in HYPERPARAMETERS}
        read = {name: of for name, of in every.items() if of is not None}
        planned.setdefault(one.variant, []).append(read)
    frames = [trials_of(v, levels, [0], [[1.0]] * len(levels)) for v, levels in planned.items()]
    trials = pd.concat(frames, ignore_index=True).sample(frac=1, random_state=0)
    for variant, cell in cells_by_problem(trials, [sweep.to_dict()])["Table-v0"].items():
        settings = cell.settings[list(HYPERPARAMETERS)].to_dict("records")
        read = [{name: of for name, of in one.items() if pd.notna(of)} for one in settings]
        assert read == planned[variant]


def test_problems_are_told_apart_by_arguments_model_lengths_and_discount():
    levels = [{"episodes": 200}, {"gamma": 1.0}, {"gamma": 0.999999999999}]
    frames = [
        trials_of("standard", levels, [0], [[1], [2], [3]], env="A-v0"),
        trials_of("standard", alphas(2), [0], [[1], [2]], env="A-v0"),
        *(
            trials_of("standard", [{}], [0], [[1]], env="B-v0", fingerprint=model)
            for model in ("b" * 16, "c" * 16, None)
        ),
        trials_of("standard", [{}], [0], [[1]], env="B-v0", env_args='{"a":1}', max_steps=9),
        trials_of("standard", [{}], [0], [[1]], env="C-v0", fingerprint="a" * 16),
    ]
    table = table_of(*frames)
    assert {label: len(row["standard"]) for label, row in table.items()} == {
        "A-v0, episodes 100, gamma 0.99": 2,
        "A-v0, episodes 100, gamma 0.999999999999": 1,
        "A-v0, episodes 100, gamma 1": 1,
        "A-v0, episodes 200, gamma 0.99": 1,
        "B-v0 (model bbbbbbbb)": 1,
        "B-v0 (model cccccccc)": 1,
        "B-v0 (no model)": 1,
        "B-v0, a 1": 1,
        "C-v0": 1,
    }
    problem = table["B-v0, a 1"]["standard"].problem_values(PROBLEM)
    assert problem == ("B-v0", '{"a":1}', None, 100, 9, 0.99)
