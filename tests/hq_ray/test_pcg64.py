import gymnasium
import numpy as np
import pytest
from numba import njit

from hq_ray.pcg64 import agent_generator, agent_stream, environment_stream, pcg64_advance


@njit
def advance(stream, count):
    high, low = stream[0], stream[1]
    outputs = np.empty(count, np.uint64)
    for i in range(count):
        high, low, outputs[i] = pcg64_advance(high, low, stream[2], stream[3])
    return outputs


def test_one_step_by_hand():
    # 1 * multiplier + 0: high and low are the multiplier's halves, xored and rotated right by
    # the top six bits of high, 0x23 >> 2 = 8.
    mixed = 0x2360ED051FC65DA4 ^ 0x4385DF649FCCF645
    expected = mixed >> 8 | (mixed & 0xFF) << 56
    assert advance(np.array([0, 1, 0, 0], np.uint64), 1).tolist() == [expected]


@pytest.mark.parametrize("seed", [0, 42, 2**32, 2**63 - 1])
def test_streams_give_the_bits_of_numpy(seed):
    environment = gymnasium.Env()
    environment.reset(seed=seed)
    contract = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0,)))
    for stream, generator in (
        (environment_stream, environment.np_random.bit_generator),
        (agent_stream, agent_generator(seed).bit_generator),
        (agent_stream, contract),
    ):
        outputs = advance(stream(seed), 1_000)
        assert np.array_equal(outputs, generator.random_raw(1_000))
    doubles = np.random.default_rng(seed).random(1_000)
    outputs = advance(environment_stream(seed), 1_000)
    assert np.array_equal((outputs >> np.uint64(11)) * 2.0**-53, doubles)
