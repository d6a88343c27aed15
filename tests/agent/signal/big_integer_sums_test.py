#!/usr/bin/python3
"""Windows' integer sums against Python's integers, over a stream that both programs make from the same hash.

big_integer_sums_test.py PROGRAM SAMPLES   another seed: JOULESPOOL_TEST_SEED"""
import os
import subprocess
import sys
import time

import numpy as np

SEED = int(os.environ.get("JOULESPOOL_TEST_SEED", "20260103"))
STRETCH = 2048
BLOCK = 8 * STRETCH
U64, U32 = np.uint64, np.uint32
MASK = (1 << 64) - 1


def hashes(seed: int, n: np.ndarray) -> np.ndarray:
    z = n * U64(0x9E3779B97F4A7C15) + U64(seed & MASK)
    z ^= z >> U64(30)
    z *= U64(0xBF58476D1CE4E5B9)
    z ^= z >> U64(27)
    z *= U64(0x94D049BB133111EB)
    z ^= z >> U64(31)
    return z


def values(seed: int, first: int, count: int) -> np.ndarray:
    """Float32 values of a signal, as stream_sums.cpp has them."""
    n = np.arange(first, first + count, dtype=U64)
    random = hashes(seed, n)
    stretches = np.arange(first // STRETCH, (first + count - 1) // STRETCH + 1, dtype=U64)
    kinds = hashes(~seed, stretches)

    def per_sample(x):
        return np.repeat(x, STRETCH)[:count]

    sign = np.where(per_sample(kinds >> U64(8) & U64(1)) != 0, random >> U64(63), per_sample(kinds >> U64(63)))
    spread = per_sample(kinds >> U64(16) & U64(15))
    exponent = per_sample(kinds >> U64(32) & U64(31)) + U64(100) + (random >> U64(32) & spread)
    mantissa = (random & U64(0x7FFFFF)) >> per_sample(kinds >> U64(24) & U64(15))
    bits = sign << U64(31) | exponent << U64(23) | mantissa
    bits = np.where(per_sample(kinds & U64(127)) == 0, U64(0x7FC00000), bits)
    is_any = (random >> U64(52) == 0) & (per_sample(kinds >> U64(60)) > 3)
    any_pattern = random & U64(0xFFFFFFFF)
    exponent = any_pattern >> U64(23) & U64(255)
    any_pattern = np.where((exponent >= 152) & (exponent < 158), any_pattern - U64(16 << 23), any_pattern)
    return np.where(is_any, any_pattern, bits).astype(U32).view(np.float32)


def big_sum(x: np.ndarray) -> int:
    """Of int64, as a Python integer: sums of halves fit 64 bits for 2^31 values."""
    return (int((x >> 32).sum(dtype=np.int64)) << 32) + int((x & 0xFFFFFFFF).sum(dtype=np.int64))


def big_sum_of_squares(x: np.ndarray) -> int:
    """Of int64 below 2^62 in magnitude: (a 2^31 + b)^2 with a and b below 2^31."""
    magnitude = np.abs(x)
    a, b = magnitude >> 31, magnitude & 0x7FFFFFFF
    return (big_sum(a * a) << 62) + (big_sum(a * b) << 32) + big_sum(b * b)


class Reference:
    def __init__(self):
        self.count = self.valid = 0
        self.sums = [0, 0, 0]
        self.squares = [0, 0]
        self.extremes = [np.float32(sign * np.inf) for _ in range(3) for sign in (1, -1)]

    def add(self, i: np.ndarray, v: np.ndarray):
        with np.errstate(all="ignore"):
            signals = [i, v, i * v]
            limit = np.float32(2.0**31)
            valid = (np.abs(signals[0]) < limit) & (np.abs(signals[1]) < limit) & (np.abs(signals[2]) < limit)
        self.count += len(i)
        self.valid += int(valid.sum())
        if not valid.any():
            return
        for at, signal in enumerate(signals):
            x = signal[valid]
            integers = np.rint(x.astype(np.float64) * 2.0**31).astype(np.int64)  # the product is exact; rint: ties to even
            self.sums[at] += big_sum(integers)
            if at < 2:
                self.squares[at] += big_sum_of_squares(integers)
            self.extremes[2 * at] = min(self.extremes[2 * at], x.min())
            self.extremes[2 * at + 1] = max(self.extremes[2 * at + 1], x.max())

    def numbers(self) -> list:
        return [self.count, self.valid, *self.sums, *self.squares, *(float(x) for x in self.extremes)]


def measured(line: str) -> list:
    words = line.split()[1:]
    extremes = np.array([int(word) for word in words[7:]], dtype=U32).view(np.float32)
    return [int(word) for word in words[:7]] + [float(x) for x in extremes]


def main() -> int:
    program, samples = sys.argv[1], int(sys.argv[2])
    begin = time.monotonic()
    answer = subprocess.run([program, str(samples), str(SEED)], capture_output=True, check=True, text=True).stdout.splitlines()
    between = time.monotonic()
    reference = Reference()
    for first in range(0, samples, BLOCK):
        count = min(BLOCK, samples - first)
        reference.add(values(SEED, first, count), values(SEED + 1, first, count))
    expected = reference.numbers()
    names = "count valid i_sum v_sum p_sum i2_sum v2_sum i_min i_max v_min v_max p_min p_max".split()
    wrong = 0
    for line in answer:
        for name, got, want in zip(names, measured(line), expected, strict=True):
            if got != want:
                wrong += 1
                print(f"{line.split()[0]} {name}: {got}, not {want}")
    print(f"seed {SEED}, {samples} samples, {reference.valid} valid, {', '.join(line.split()[0] for line in answer)}: "
          f"{'equal' if wrong == 0 else 'DIFFERENT'} ({between - begin:.1f} s, Python {time.monotonic() - between:.1f} s)")
    print(f"i_sum {expected[2]}, v_sum {expected[3]}, p_sum {expected[4]}, i2_sum {expected[5]}, v2_sum {expected[6]}")
    return 0 if wrong == 0 and len(answer) >= 2 and 0 < reference.valid < samples else 1


if __name__ == "__main__":
    sys.exit(main())
