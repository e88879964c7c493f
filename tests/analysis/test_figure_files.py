from pathlib import Path

import pytest
from small_sweeps import make_up, train

from hq_ray.analysis.figure_files import write_per_seed
from hq_ray.analysis.study import study
from hq_ray.store import Results


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = train(tmp_path_factory.mktemp("results"), parameters={"alpha": [0.1, 0.5]})
    return study([Results.at(folder)])


@pytest.mark.parametrize(("every", "n_trials"), [(False, 8), (True, 16)])
def test_each_trial_has_its_own_two_figures(tiny, tmp_path, every, n_trials):
    told = []
    write_per_seed(tiny, every, str(tmp_path), "png", lambda *counts: told.append(counts))
    drawn = list(Path(tmp_path).rglob("*.png"))
    assert {path.name for path in drawn} == {"seed_returns.png", "seed_steps.png"}
    assert len({path.read_bytes() for path in drawn}) == len(drawn) == 2 * n_trials
    assert {path.parts[-4] for path in drawn} == {"standard", "harmonic"}
    assert told[-1] == ("drawing trials", n_trials, n_trials)


def test_folders_of_hostile_names_are_plain(tmp_path):
    found = study([Results.at(make_up(tmp_path / "made", n_alphas=2))])
    out = tmp_path / "out"
    write_per_seed(found, False, str(out), "png", lambda *counts: None)
    folders = {path.parent.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert folders
    for folder in folders:
        assert set(folder) <= set("abcdefghijklmnopqrstuvwxyzAS0123456789._-/")
        assert folder.startswith("per_seed/")
