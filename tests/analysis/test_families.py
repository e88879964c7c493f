"""A family of environments: one verdict, whose replicates are the instances."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from small_sweeps import fresh
from trial_frames import alphas, table_of, trials_of

import hq_ray as hq
from hq_ray.analysis.families import compare_all, family_labels
from hq_ray.analysis.metrics import METRICS
from hq_ray.analysis.verdict import judge, numbers
from hq_ray.cli import run_command_line

RETURN = METRICS["final_return"]
N_INSTANCES, SEEDS = 6, [*range(4), *fresh(0, 3)]


def test_each_instance_gives_one_score():
    rng = np.random.default_rng(0)
    # By variant: (n_instances, n_configurations, n_seeds)
    scores = {name: rng.normal(size=(N_INSTANCES, 2, 7)) for name in ("standard", "harmonic")}
    scores["harmonic"] += 0.5
    for of in scores.values():
        best = of[..., :4].mean(axis=-1).argmax(axis=-1)
        of[range(N_INSTANCES), 1 - best, 4:] = np.nan  # not chosen, so not confirmed
    instances = [json.dumps({"instance": number}) for number in range(N_INSTANCES)]
    frames = [
        trials_of(variant, alphas(2), SEEDS, part, env_args=args)
        for variant, of in scores.items()
        for args, part in zip(instances, of, strict=True)
    ]
    frames.append(trials_of("standard", alphas(1), range(4), [[1, 2, 3, 4]], env="Alone-v0"))
    frames.append(trials_of("harmonic", alphas(1), range(4), [[2, 2, 2, 2]], env="Alone-v0"))
    table = table_of(*frames)
    named = {f"Table-v0 {args}": "Table-v0" for args in instances}
    families = family_labels(table, [{"families": named}])
    assert set(families.values()) == {"Table-v0"}
    alone, found = compare_all(table, RETURN, families=families)
    assert (alone.env, found.env, found.n_comparisons) == ("Alone-v0", "Table-v0", 2)
    means = {name: np.nanmean(of[..., 4:], axis=(1, 2)) for name, of in scores.items()}
    expected = stats.ttest_rel(means["harmonic"], means["standard"])
    row = numbers(found, "final_return")
    assert row["n"] == N_INSTANCES
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    assert [row["low"], row["high"]] == pytest.approx(list(expected.confidence_interval()))
    assert row["mean"] == pytest.approx(means["harmonic"].mean())
    assert "6 paired instances" in judge(found).sentence
    assert found.block == 0
    first = next(iter(families))
    (few,) = compare_all({first: table[first]}, RETURN, families=families)
    assert "too few instances, 1 compared where 2 are needed" in judge(few).sentence


SPEC = """
name: grids
env: [{id: VelocityGrid-v0, width: 4-6}, CliffWalking-v1]
variant: [standard, expected_sarsa]
seeds: 0-2
episodes: 60
parameters: {alpha: [0.1, 0.5]}
confirm: {seeds: 3}
"""


def test_a_range_in_a_spec_has_one_verdict_and_one_section(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPEC)
    assert run_command_line(["sweep", "spec.yaml", "--local"]) == 0
    capsys.readouterr()
    assert run_command_line(["compare", "results/grids"]) == 0
    assert "n = 3 paired instances" in " ".join(capsys.readouterr().out.split())
    verdicts = hq.compare("results/grids")
    assert verdicts["env"].tolist() == ["CliffWalking-v1", "VelocityGrid-v0, width 4-6"]
    assert set(verdicts["basis"]) == {"confirmed"}
    trials = hq.load_trials("results/grids", "role == 'confirmation' and env == 'VelocityGrid-v0'")
    means = trials.groupby(["env_args", "variant"])["mean_return"].mean().unstack()
    difference = (means["expected_sarsa"] - means["standard"]).mean()
    assert verdicts["difference"][1] == pytest.approx(difference, rel=1e-10)
    assert set(hq.curves("results/grids")["env"]) == {"CliffWalking-v1"}
    assert hq.curves("results/grids", "env == 'VelocityGrid-v0'")["env"].tolist() == []
    page = Path(hq.report("results/grids")).read_text()
    assert page.count('<details class="environment"') == 2
