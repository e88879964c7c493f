"""PCG64 inside compiled code: the same bits as `numpy.random.PCG64`, without leaving the kernel.

The generator is PCG XSL-RR 128/64 (O'Neill 2014, "PCG: A family of simple fast space-efficient
statistically good algorithms for random number generation", HMC-CS-2014-0905):

    state  <- state * MULTIPLIER + increment   (mod 2**128)
    output <- rotate_right(high ^ low, high >> 58)

and a double in [0, 1) is `(output >> 11) * 2**-53`. A stream here is a uint64 array of four:
state high, state low, increment high, increment low.
"""

from functools import lru_cache

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645


@intrinsic
def pcg64_advance(typing_context, high, low, increment_high, increment_low):
    """One step: (high, low, increment_high, increment_low) -> (high, low, raw output), all uint64.

    LLVM's 128-bit multiply, which numba lacks, becomes one widening and two ordinary multiplies.
    """
    uint64 = types.uint64
    signature = types.UniTuple(uint64, 3)(uint64, uint64, uint64, uint64)

    def codegen(context, builder, signature, arguments):
        i64, i128 = ir.IntType(64), ir.IntType(128)
        shift = ir.Constant(i128, 64)

        def wide(high, low):
            return builder.or_(
                builder.shl(builder.zext(high, i128), shift), builder.zext(low, i128)
            )

        state = wide(arguments[0], arguments[1])
        increment = wide(arguments[2], arguments[3])
        state = builder.add(builder.mul(state, ir.Constant(i128, MULTIPLIER)), increment)
        high = builder.trunc(builder.lshr(state, shift), i64)
        low = builder.trunc(state, i64)
        mixed = builder.xor(high, low)
        rotate = builder.module.declare_intrinsic(
            "llvm.fshr", [i64], ir.FunctionType(i64, [i64, i64, i64])
        )
        output = builder.call(rotate, [mixed, mixed, builder.lshr(high, ir.Constant(i64, 58))])
        return context.make_tuple(builder, signature.return_type, [high, low, output])

    return signature, codegen


def agent_generator(seed: int) -> np.random.Generator:
    """The behaviour policy's stream, as a NumPy generator."""
    sequence = np.random.SeedSequence(seed, spawn_key=(0,))
    return np.random.Generator(np.random.PCG64(sequence))


@lru_cache(maxsize=4096)
def agent_stream(seed: int) -> np.ndarray:
    """The behaviour policy's stream: uint64 (4,), read-only."""
    return _stream(agent_generator(seed).bit_generator)


@lru_cache(maxsize=4096)
def environment_stream(seed: int) -> np.ndarray:
    """The stream that `env.reset(seed=seed)` starts: uint64 (4,), read-only."""
    return _stream(np.random.PCG64(np.random.SeedSequence(seed)))


def _stream(generator: np.random.BitGenerator) -> np.ndarray:
    state, increment = generator.state["state"].values()
    parts = [word for value in (state, increment) for word in (value >> 64, value & (2**64 - 1))]
    stream = np.array(parts, np.uint64)
    stream.flags.writeable = False
    return stream
