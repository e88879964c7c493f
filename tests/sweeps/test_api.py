import json

import pytest

from hq_ray.errors import InputError
from hq_ray.sweeps.api import as_sweep, run_sweep
from hq_ray.sweeps.spec import Sweep

SPEC = {
    "name": "mine",
    "env": "FrozenLake-v1",
    "seeds": "0-2",
    "episodes": 20,
    "parameters": {"alpha": [0.1, 0.2]},
}


def test_the_handle_has_trials_and_episodes(tmp_path):
    handle = run_sweep(Sweep(**SPEC), tmp_path, local=True)
    trials = handle.trials()
    assert (handle.tally.done, handle.tally.failed) == (12, 0)
    assert set(trials["status"]) == {"done"}
    assert trials.groupby(["variant", "alpha"])["seed"].apply(sorted).tolist() == [[0, 1, 2]] * 4
    assert len(handle.episodes()) == 12 * 20
    some = trials["trial_id"][:2].tolist()
    part = handle.episodes(["trial_id", "episode_return"], f"trial_id in {some}")
    assert list(part.columns) == ["trial_id", "episode_return"]
    assert len(part) == 40


def test_a_sweep_a_mapping_and_a_file_are_the_same(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(json.dumps(SPEC))
    assert as_sweep(path) == as_sweep(str(path)) == as_sweep(SPEC) == Sweep(**SPEC)


@pytest.mark.parametrize(
    ("sweep", "options", "message"),
    [
        (3, {}, "a sweep must be a Sweep, a mapping or a path, got 3"),
        (SPEC | {"seed": 1}, {}, "the spec: unknown key 'seed'; did you mean 'seeds'?"),
        (SPEC | {"env": "Nowhere-v9"}, {}, "env: unknown environment 'Nowhere-v9'"),
        (SPEC, {"address": "a:1"}, "a sweep must run either local or at an address, got both"),
        (SPEC, {"engine": "kernle"}, "unknown engine 'kernle'; did you mean 'kernel'?"),
        (SPEC, {"core": 2}, "unknown option 'core'; did you mean 'cores'?"),
        (SPEC, {"cores": 0}, "cores: must be a whole number from 1, got 0"),
        (SPEC, {"trials_per_task": 0}, "trials_per_task: must be a whole number from 1, "),
    ],
)
def test_misuse_raises_and_writes_nothing(tmp_path, sweep, options, message):
    with pytest.raises(InputError) as caught:
        run_sweep(sweep, tmp_path / "results", local=True, **options)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []
