import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from hq_ray.pcg64 import agent_generator, agent_stream, environment_stream, pcg64_advance

SEEDS = (0, 1, 42, 2**32, 2**63 - 1)
LOW_64 = 2**64 - 1


@njit
def advance(stream, count):
    high, low = stream[0], stream[1]
    outputs = np.empty(count, np.uint64)
    for i in range(count):
        high, low, outputs[i] = pcg64_advance(high, low, stream[2], stream[3])
    return high, low, outputs


def numpy_generator(stream):
    """NumPy's own generator in the state that a stream of four words describes."""
    state_high, state_low, increment_high, increment_low = map(int, stream)
    generator = np.random.PCG64()
    generator.state = {
        "bit_generator": "PCG64",
        "state": {
            "state": state_high << 64 | state_low,
            "inc": increment_high << 64 | increment_low,
        },
        "has_uint32": 0,
        "uinteger": 0,
    }
    return generator


def state_and_increment(generator):
    return tuple(generator.bit_generator.state["state"].values())


def words(stream):
    high, low, increment_high, increment_low = map(int, stream)
    return high << 64 | low, increment_high << 64 | increment_low


def test_one_step_by_hand():
    # 1 * multiplier + 0: high and low are the multiplier's halves, xored and rotated right by
    # the top six bits of high, 0x23 >> 2 = 8.
    high, low, outputs = advance(np.array([0, 1, 0, 0], np.uint64), 1)
    assert (int(high), int(low)) == (0x2360ED051FC65DA4, 0x4385DF649FCCF645)
    mixed = 0x2360ED051FC65DA4 ^ 0x4385DF649FCCF645
    assert int(outputs[0]) == mixed >> 8 | (mixed & 0xFF) << 56


@given(
    st.lists(st.integers(0, LOW_64), min_size=4, max_size=4),
    st.integers(1, 50),
)
def test_the_raw_outputs_of_numpy_from_any_state(stream, count):
    stream = np.array(stream, np.uint64)
    stream[3] |= np.uint64(1)
    generator = numpy_generator(stream)
    high, low, outputs = advance(stream, count)
    assert np.array_equal(outputs, generator.random_raw(count))
    assert int(high) << 64 | int(low) == generator.state["state"]["state"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_top_53_bits_are_the_doubles_of_numpy(seed):
    _, _, outputs = advance(environment_stream(seed), 1_000)
    doubles = np.random.default_rng(seed).random(1_000)
    assert np.array_equal((outputs >> np.uint64(11)) * 2.0**-53, doubles)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_environment_stream_is_the_one_that_reset_seeds(seed):
    environment = gymnasium.Env()
    environment.reset(seed=seed)
    assert words(environment_stream(seed)) == state_and_increment(environment.np_random)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_agent_stream_is_that_of_its_generator(seed):
    assert words(agent_stream(seed)) == state_and_increment(agent_generator(seed))


def test_the_streams_of_trials_differ():
    streams = [tuple(stream(s)) for s in SEEDS for stream in (agent_stream, environment_stream)]
    assert len(set(streams)) == len(streams)


@pytest.mark.parametrize("stream", [agent_stream, environment_stream])
def test_a_stream_cannot_be_changed(stream):
    with pytest.raises(ValueError, match="read-only"):
        stream(0)[0] = 1
