import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_up import trained

from hq_ray.encoding import encode_episodes, encode_q_values, encode_trials
from hq_ray.trial import MAX_SEED, TRIAL_FIELDS, EpisodeLog, Trained

NUMBERS = ("episode_return", "steps", "terminated", "truncated")
VARIANTS = ("standard", "harmonic", "minimum", "asymmetric")

floats = st.floats() | st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, -1.0])


@st.composite
def logs(draw):
    episodes = draw(st.integers(1, 12))
    flags = arrays(np.bool_, episodes)
    return EpisodeLog(
        draw(arrays(np.float64, episodes, elements=floats)),
        draw(arrays(np.int32, episodes, elements=st.integers(0, 2**31 - 1))),
        draw(flags),
        draw(st.none() | flags),
        draw(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=floats)),
    )


def decode(buffer):
    return pq.read_table(pa.BufferReader(buffer))


def rows_of(table, trial):
    return table.filter(pc.equal(table["trial_id"].cast(pa.string()), trial.trial_id))


@given(found=st.lists(logs(), min_size=1, max_size=6))
@settings(max_examples=30)
def test_trials_and_their_logs_come_back_bit_for_bit(make_trial, found):
    batch = []
    for number, log in enumerate(found):
        kind = {"variant": VARIANTS[number % 4], "seed": (0, MAX_SEED)[number // 4]}
        trial = make_trial(episodes=len(log.steps), **kind)
        summary = {"total_steps": 2**40, "mean_return": -0.0}
        batch.append(Trained(trial, log, "kernel", summary, 0.0, 0.0))
    table, q_table = decode(encode_episodes(batch)), decode(encode_q_values(batch))
    assert table.num_rows == sum(done.trial.episodes for done in batch)
    for done, trial_row in zip(batch, decode(encode_trials(batch, [])).to_pylist(), strict=True):
        for name in (*TRIAL_FIELDS, "trial_id", "config_id"):
            assert trial_row[name] == getattr(done.trial, name)
        assert (trial_row["total_steps"], str(trial_row["mean_return"])) == (2**40, "-0.0")
        assert trial_row["error_type"] is trial_row["final_return"] is None
        rows = rows_of(table, done.trial)
        assert rows["episode"].to_pylist() == list(range(done.trial.episodes))
        for name in NUMBERS:
            assert rows[name].to_numpy().tobytes() == getattr(done.log, name).tobytes()
        success = [None] * done.trial.episodes if done.log.success is None else done.log.success
        assert rows["success"].to_pylist() == list(success)
        for name in ("config_id", "env", "env_args", "variant", "seed"):
            assert set(rows[name].to_pylist()) == {getattr(done.trial, name)}
        rows = rows_of(q_table, done.trial)
        states, actions = np.indices(done.log.q_values.shape, np.int32)
        assert rows["state"].to_numpy().tobytes() == states.tobytes()
        assert rows["action"].to_numpy().tobytes() == actions.tobytes()
        assert rows["q_value"].to_numpy().tobytes() == done.log.q_values.tobytes()


def test_long_trials_are_cut_into_row_groups(make_trial):
    batch = [trained(make_trial(seed=seed, episodes=100_000)) for seed in range(5)]
    file = pq.ParquetFile(pa.BufferReader(encode_episodes(batch)))
    assert file.num_row_groups == 4
    table = file.read(["seed", "episode"])
    assert table["seed"].to_numpy().tolist() == np.repeat(range(5), 100_000).tolist()
    assert table["episode"].to_numpy().tolist() == list(range(100_000)) * 5
