"""Payloads of codec 2 that our encoder never writes: the C++ and the Python reader take the same ones, to the same bits, and
refuse the same ones."""
import os
import pathlib
import random
import subprocess
import tempfile
import tracemalloc
import unittest

import numpy as np

import joulespool_reader as jr
from joulespool_bytes import Damaged, unzstd
from joulespool_pages import BYTES, CENTRE, DELTA, DELTA2, LINEAR, MEAN8, PAIRS, QUADS, TRIPLES, ZEROS
from joulespool_wave import CORRECTIONS, ELEMENTS, GRID, LATTICE, ORDER, PAGES, RAW, RUNS, SHUFFLED
from made_frames import (coded_pages, escapes, head, page, part, raw, section, signal_in_pages, symbols_of, varint, wave_frame,
                         zigzag, zstd, zstd_of_more)

DIGEST_TOOL = os.path.join(os.environ["JOULESPOOL_TEST_TOOLS"], "digest_tool")
VECTORS = pathlib.Path(__file__).resolve().parents[2] / "vectors" / "frames"
COUNT = 100
ONES, TWOS = raw(1, [1] * COUNT), raw(2, [2] * COUNT)
EXTREME = 2**31 - 1


def with_i(data):
    return section(1, PAGES, data) + TWOS


def one_page(predictor=CENTRE, symbols=ZEROS, kind=ORDER, count=COUNT, runs=(), scale=0, lattices=(), exceptions=(), streams=None,
             low=b"", escaped=None, **of_head):
    """i as one page."""
    if symbols != ZEROS and escaped is None:
        escaped = escapes()
    return with_i(signal_in_pages(page(count, kind, head(predictor, symbols, **of_head), runs, scale), lattices, exceptions,
                                  escapes=escaped or b"", streams=streams, low=low))


def packed(signal=16, coding=ELEMENTS, bits=1, offset=0, stride=1, count=9, data=b"\x55\x01"):
    return section(signal, coding, bytes([bits]) + varint(offset) + varint(stride) + varint(count) + part(data))


def corrections(model, kind, data=b""):
    return section(3, CORRECTIONS, bytes([model | kind << 1]) + data)


def in_classes(rng):
    """Any bytes as symbols, in every class: digits that only an escape should have, bytes above 215 as three digits."""
    for predictor in (CENTRE, DELTA, DELTA2, MEAN8):
        for symbols in (QUADS, TRIPLES, PAIRS, BYTES):
            yield one_page(predictor, symbols, base=rng.randrange(-2**31, 2**31),
                           streams={symbols: symbols_of(symbols, COUNT, rng)})


def with_low_bits(rng):
    for shift in range(1, 25):
        words = (13 * shift + 31) // 32 * 8
        yield one_page(rng.choice((CENTRE, DELTA)), BYTES, shift=shift, streams={4: rng.randbytes(COUNT)},
                       low=rng.randbytes(4 * words),
                       escaped=escapes((3, -EXTREME - 1), (1, EXTREME), (96, shift)))


def with_coefficients(rng):
    for order in (0, 1, 4, 5, 8, 9, 16):
        coefficients = [rng.choice((-32768, 32767, rng.randrange(-4096, 4096))) for _ in range(order)]
        yield one_page(LINEAR, BYTES, base=rng.randrange(-2**31, 2**31), coefficients=coefficients,
                       streams={4: rng.randbytes(COUNT)},
                       escaped=escapes((5, EXTREME), (1, -EXTREME - 1), (94, 1)))


def of_several_pages(rng):
    heads = page(64, ORDER, head(DELTA, QUADS, stream=7, base=1 << 30))
    heads += page(36, GRID, head(MEAN8, BYTES, stream=7, base=-5), scale=126)
    yield with_i(signal_in_pages(heads, escapes=escapes() + escapes((36, 7)), streams={7: rng.randbytes(16 + 36)}))
    heads = b"".join(page(64, GRID, head(CENTRE, ZEROS, base=step), scale=scale) for step, scale in ((9, 3), (-18, 3)))
    heads += page(1, ORDER, head(LINEAR, ZEROS, base=1, coefficients=[]))
    yield section(1, PAGES, signal_in_pages(heads)) + raw(2, [5] * 129)
    heads = page(4096, GRID, head(DELTA2, BYTES)) + page(5, GRID, head(DELTA, ZEROS))
    yield section(1, PAGES, signal_in_pages(heads, escapes=escapes(), streams={4: rng.randbytes(4096)})) + raw(2, [5] * 4101)


def on_lattices():
    lattices = [(0.5, 1e-7), (-3.25, 0.0), (2.0**53, 2.0**-30), (-2.0**53, 2.0**129)]
    runs = [(0, 1), (1, 30), (2, 40), (3, 20), (0, 9)]
    data = signal_in_pages(page(COUNT, LATTICE, head(DELTA, BYTES), runs), lattices,
                           [(3, 2, 0x7FC00001), (0, 1, 1 << 31), (50, 44, 5)],
                           escapes=escapes((1, -EXTREME), (4, 1 << 30)), streams={4: bytes(range(100, 200))})
    v = signal_in_pages(page(64, GRID, head(CENTRE, ZEROS, base=3)) + page(36, LATTICE, head(DELTA, ZEROS, base=2), [(0, 36)]),
                        [(1.5, 0.1)], [(70, 3, 0x7F800000)])
    both = section(1, PAGES, data) + section(2, PAGES, v)
    yield both
    yield both + corrections(1, 0)
    yield both + corrections(1, 1, varint(2) + part(varint(1) + zigzag(-EXTREME - 1) + varint(99) + zigzag(EXTREME)))
    yield both + corrections(1, 2, coded_pages(head(DELTA, PAIRS), escapes=escapes(), streams={3: bytes(range(64))}))
    yield both + corrections(0, 0)


def of_packed_signals():
    ramp = varint(1) + b"".join(varint(run) for run in (1, 200, 3, 129, 1))
    far = packed(data=b"\xFF\xFF", offset=2**32 - 1, stride=2**32 - 1)
    yield packed() + ONES + TWOS + far + section(99, 77, b"???") + section(0, 0, b"")
    yield ONES + TWOS + packed(23, RUNS, count=334, data=ramp) + packed(4, ELEMENTS, 4, count=3, data=b"\x21\xF3")
    yield ONES + TWOS + packed(5, RUNS, 4, count=300, data=b"\x0F" + varint(299) + b"\0\1") + packed(20, RUNS, count=0, data=b"")


def of_exceptions():
    yield one_page(exceptions=[(0, 1, 1), (0, 1, 0), (97, 1, 0xFFFFFFFF)])
    yield one_page(exceptions=[(0, COUNT, 0x80000000)])


def of_compressed_parts(rng):
    values = np.frombuffer(rng.randbytes(4 * COUNT), dtype="<u4")
    planes = b"".join((values >> (8 * k)).astype(np.uint8).tobytes() for k in range(4))
    for options in ({"level": 19, "write_checksum": True}, {"level": 1}, {"level": 3}):
        yield section(1, SHUFFLED, zstd(planes, **options)) + TWOS
    heads = page(COUNT, ORDER, head(CENTRE, ZEROS, base=5))
    yield with_i(varint(0) + varint(0) + part(b"") + part(heads, zstd(heads)) + part(b"") + b"\0" + varint(0))


def taken():
    rng = random.Random(1)
    cases = [*in_classes(rng), *with_low_bits(rng), *with_coefficients(rng), *on_lattices(), *of_packed_signals(),
             *of_exceptions(), *of_compressed_parts(rng)]
    cases = [(case, COUNT) for case in cases]
    cases += list(zip(of_several_pages(rng), (100, 129, 4101)))
    cases.append((b"\1\0\x90\x83\0" + ONES[4:] + TWOS, COUNT))  # a varint with a byte too many
    cases.append((section(1, PAGES, signal_in_pages(b"")) + section(2, RAW, b"") + corrections(0, 2, coded_pages(b"")), 0))
    cases.append((packed(), 0))
    cases.append((one_page(kind=GRID, scale=-127, base=1), COUNT))  # 2^127
    return cases


def refused_pages():
    """of i"""
    zeros = head(CENTRE, ZEROS)
    for heads in (b"", page(99, ORDER, zeros), page(101, ORDER, zeros), page(63, ORDER, zeros) + page(37, ORDER, zeros),
                  page(0, ORDER, zeros),
                  page(COUNT, 3, zeros), page(COUNT, ORDER, b"\5\0"), page(COUNT, ORDER, b"\x28\0\0"),
                  page(COUNT, ORDER, b"\x40\0"),
                  page(COUNT, GRID, zeros, scale=127), page(COUNT, GRID, zeros, scale=-128),
                  page(COUNT, LATTICE, zeros, [(0, COUNT)]),
                  page(COUNT, ORDER, zeros) + b"\0", page(COUNT, ORDER, zeros)[:-1],
                  page(COUNT, ORDER, head(LINEAR, ZEROS, coefficients=[0] * 17)),
                  page(COUNT, ORDER, b"\0" + b"\x80" * 10 + b"\0"), page(COUNT, ORDER, b"\0" + b"\xFF" * 9 + b"\2"),
                  b"\x80" * 11):
        yield signal_in_pages(heads)
    for runs in ([], [(1, 100)], [(0, 101), (0, 0)], [(0, 100), (0, 0)], [(0, 0), (0, 100)], [(0, 1)] * 101):
        yield signal_in_pages(page(COUNT, LATTICE, zeros, runs), [(0, 1)])
    yield signal_in_pages(page(4097, ORDER, zeros))
    yield signal_in_pages(page(COUNT, ORDER, zeros), [(0, 1)] * 65)


def refused_symbols():
    pairs = page(COUNT, ORDER, head(CENTRE, PAIRS))
    quads_shifted = page(COUNT, ORDER, head(CENTRE, QUADS, shift=1))
    shifted = page(COUNT, ORDER, head(CENTRE, BYTES, shift=25))
    low = page(COUNT, ORDER, head(CENTRE, BYTES, shift=1))
    symbols = {3: bytes(64)}
    for data in (dict(heads=pairs), dict(heads=pairs, streams=symbols), dict(heads=pairs, streams={3: bytes(63)}, escapes=b"\0"),
                 dict(heads=pairs, streams={3: bytes(65)}, escapes=b"\0"),
                 dict(heads=pairs, streams={2: bytes(64)}, escapes=b"\0"),
                 dict(heads=pairs, streams=symbols | {5: b"1"}, escapes=b"\0"),
                 dict(heads=pairs, streams=symbols, escapes=b"\0\0"),
                 dict(heads=pairs, streams=symbols, escapes=varint(101) + b"\0\0"),
                 dict(heads=pairs, streams=symbols, escapes=b"\1\0"),
                 dict(heads=pairs, streams=symbols, escapes=varint(2**63) * 2 + b"\0"),
                 dict(heads=pairs, streams=symbols, escapes=b"\x80"),
                 dict(heads=pairs, streams=symbols, escapes=varint(2**64 - 1) + b"\0\1\0\0"),
                 dict(heads=pairs, streams=symbols, escapes=b"\0", low=bytes(4)),
                 dict(heads=pairs, streams=symbols, escapes=bytes(2000)),
                 dict(heads=quads_shifted, streams={1: bytes(32)}, escapes=b"\0", low=bytes(32)),
                 dict(heads=shifted, streams={4: bytes(COUNT)}, escapes=b"\0", low=bytes(4 * 88)),
                 dict(heads=low, streams={4: bytes(COUNT)}, escapes=b"\0", low=bytes(28)),
                 dict(heads=low, streams={4: bytes(COUNT)}, escapes=b"\0", low=bytes(36))):
        yield signal_in_pages(**data)
    good = signal_in_pages(pairs, streams=symbols, escapes=b"\0")
    yield good + b"\0"
    yield from (good[:size] for size in range(len(good)))


def refused_exceptions():
    heads = page(COUNT, ORDER, head(CENTRE, ZEROS))
    rest = coded_pages(heads)
    for exceptions in ([(101, 1, 0)], [(100, 1, 0)], [(0, 101, 0)], [(90, 5, 0), (5, 1, 0)], [(2**40, 1, 0)], [(0, 2**40, 0)]):
        yield signal_in_pages(heads, exceptions=exceptions)
    for data in (varint(1) + part(b"\0\1\0\0\0"), varint(1) + part(b"\0\1" + bytes(5)), varint(1) + part(b""),
                 varint(0) + part(b"1"), varint(101) + part(b"\0\1\0\0\0\0" * 101),
                 varint(1) + part(b"\x80\0\x81\0" + bytes(7))):
        yield varint(0) + data + rest


def refused_power():
    both = ONES + TWOS
    zeros, one = head(CENTRE, ZEROS), page(COUNT, LATTICE, head(CENTRE, ZEROS), [(0, COUNT)])
    for data in (b"", b"\6", b"\7", b"\x80", b"\0\0", b"\1", b"\2", b"\4", b"\2" + varint(101) + part(b"\1\2" * 101),
                 b"\2" + varint(1) + part(b"\0\2"), b"\2" + varint(1) + part(varint(101) + b"\2"),
                 b"\2" + varint(1) + part(b"\1"), b"\2" + varint(1) + part(b"\1\2\1"), b"\2" + varint(2) + part(b"\1\2"),
                 b"\2" + varint(2) + part(varint(100) + b"\2\1\2"), b"\2" + varint(0) + part(b"") + b"\0",
                 b"\4" + coded_pages(b""), b"\4" + coded_pages(zeros * 2), b"\4" + coded_pages(page(COUNT, ORDER, zeros))):
        yield both + section(3, CORRECTIONS, data)
    yield both + section(3, 4, b"")
    yield both + section(3, RAW, bytes(396))
    for i, v in ((ONES, 2), (TWOS, 1)):  # one of the two is on no lattice
        yield i + section(v, PAGES, signal_in_pages(one, [(0, 1)])) + section(3, CORRECTIONS, b"\1")


def refused_packed():
    both = ONES + TWOS
    for fields in (dict(bits=2), dict(bits=0), dict(offset=2**32), dict(stride=2**32), dict(count=17), dict(count=8),
                   dict(count=2**24 + 1),
                   dict(count=2**63), dict(coding=2), dict(coding=RUNS, data=b""), dict(coding=RUNS, data=b"\2\x09"),
                   dict(coding=RUNS, data=b"\0\x0A"),
                   dict(coding=RUNS, data=b"\0\x08"), dict(coding=RUNS, data=b"\0\x08\0\1"), dict(coding=RUNS, data=b"\0\x09\0"),
                   dict(coding=RUNS, data=b"\x80\0\x09"), dict(coding=RUNS, bits=4, data=b"\x10\x09"),
                   dict(coding=RUNS, bits=4, data=b"\1\x08"),
                   dict(coding=RUNS, bits=4, data=b"\1\x08\1"), dict(coding=RUNS, bits=4, data=b"\1\x0A"),
                   dict(coding=RUNS, data=bytes(80)),
                   dict(coding=RUNS, count=0, data=b"\0"), dict(coding=RUNS, bits=4, data=b"\x81\0\x09")):
        yield both + packed(**fields)
    yield both + packed()[:-1]
    yield both + section(16, ELEMENTS, b"")
    yield both + section(16, ELEMENTS, bytes([1]) + varint(0) * 2 + varint(9) + part(b"\1\2") + b"\0")
    yield both + packed(count=2**23, coding=RUNS, data=b"\0" + varint(2**23)) * 2 + packed()


def refused_sections():
    yield b""
    yield ONES
    yield TWOS
    yield ONES + TWOS + ONES
    yield ONES + TWOS + b"\1"
    yield ONES + TWOS + b"\x63\0\5abcd"
    yield ONES + TWOS + b"\x63\0" + b"\xFF" * 9 + b"\1"
    yield ONES + section(2, CORRECTIONS, b"\0")
    yield ONES + section(2, 4, b"")
    yield ONES + raw(2, [1] * (COUNT - 1))
    yield ONES + raw(2, [1] * (COUNT + 1))
    for data in (b"", b"not zstd", zstd(bytes(399)), zstd(bytes(401)), zstd(bytes(400), write_content_size=False),
                 zstd(bytes(400))[:-1]):
        yield ONES + section(2, SHUFFLED, data)


def refused_numbers():
    """Numbers beyond their width, lattices that could make a NaN, more behind a zstd frame."""
    pairs, symbols, zeros = page(COUNT, ORDER, head(CENTRE, PAIRS)), {3: bytes(64)}, page(COUNT, ORDER, head(CENTRE, ZEROS))
    for value in (2**31, -2**31 - 1, 2**32, 2**62):
        yield with_i(signal_in_pages(pairs, streams=symbols, escapes=escapes((1, value))))
        yield ONES + TWOS + section(3, CORRECTIONS, b"\2" + varint(1) + part(b"\1" + zigzag(value)))
    for coefficient in (2**15, -2**15 - 1, 2**16):
        yield with_i(signal_in_pages(page(COUNT, ORDER, head(LINEAR, ZEROS, coefficients=[coefficient]))))
    yield with_i(signal_in_pages(zeros, exceptions=[(5, 0, 1)]))
    for lattice in ((np.nan, 1), (np.inf, 1), (-2.0**54, 1), (0, np.nan), (0, np.inf), (0, -1e-9), (0, 2.0**130)):
        yield with_i(signal_in_pages(zeros, [lattice]))
    yield ONES + section(2, SHUFFLED, zstd_of_more(4 * COUNT, 1))
    for more in (zstd(b""), zstd(b"1"), b"\x50\x2A\x4D\x18\0\0\0\0", b"1"):
        yield ONES + section(2, SHUFFLED, zstd(bytes(400)) + more)


def refused():
    cases = [with_i(data) for data in (*refused_pages(), *refused_symbols(), *refused_exceptions())]
    cases += [*refused_power(), *refused_packed(), *refused_sections(), *refused_numbers()]
    return [(case, COUNT) for case in cases]


def damaged_vectors(count):
    """Golden frames with a few bytes changed, cut out or put in."""
    rng = random.Random(2)
    frames = [jr.read_frame(path.read_bytes()) for path in sorted(VECTORS.glob("wave-codec2-*.frame"))]
    for _ in range(count):
        frame = rng.choice(frames)
        payload = bytearray(frame.payload)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            at = rng.randrange(len(payload) + 1)
            how = rng.randrange(4)
            if how == 0:
                payload[at:at] = rng.randbytes(1)
            elif how == 1:
                del payload[at:at + rng.randrange(1, 4)]
            elif at < len(payload):
                payload[at] = rng.choice((payload[at] ^ 1 << rng.randrange(8), rng.randrange(256), 0, 255))
        yield bytes(payload), frame.header.samples


class OddPayloads(unittest.TestCase):
    def read(self, cases):
        """Two dicts, of the C++ and of the Python reader: number of the case -> digests; those that are missing were refused."""
        names = [f"case-{number}" for number in range(len(cases))]
        with tempfile.TemporaryDirectory() as directory:
            for name, (payload, samples) in zip(names, cases):
                (pathlib.Path(directory) / name).write_bytes(wave_frame(payload, samples, codec=2, device=name))
            run = subprocess.run([DIGEST_TOOL, "--directory", directory], capture_output=True, text=True, check=False)
            self.assertIn(run.returncode, (0, 1), run.stderr)
            devices = jr.collect(jr.frames_from_directory(directory))
        self.assertEqual((len(devices), devices.damaged), (len(cases), {}))
        theirs, ours = {}, {}
        for line in run.stdout.splitlines():
            theirs.setdefault(names.index(line.split()[0]), []).append(line)
        for number, name in enumerate(names):
            try:
                ours[number] = jr.digest_lines(devices[name])
            except jr.Damaged:
                pass
        return theirs, ours

    def test_both_readers_take_the_same_bits_from_whatever_the_format_allows(self):
        cases = taken()
        theirs, ours = self.read(cases)
        self.assertEqual(sorted(ours), list(range(len(cases))))
        self.assertEqual(theirs, ours)

    def test_both_readers_refuse_what_the_format_does_not_allow(self):
        theirs, ours = self.read(refused())
        self.assertEqual((theirs, ours), ({}, {}))

    def test_both_readers_agree_on_damaged_payloads(self):
        cases = list(damaged_vectors(int(os.environ.get("JOULESPOOL_DAMAGED_VECTORS", "500"))))
        theirs, ours = self.read(cases)
        self.assertGreater(len(ours), len(cases) // 50)
        self.assertGreater(len(cases) - len(ours), len(cases) // 4)
        for number in sorted({*theirs, *ours}):
            self.assertEqual(theirs.get(number), ours.get(number), cases[number])

    def test_a_zstd_frame_takes_no_more_memory_than_it_says(self):
        size = 8 << 20
        self.assertEqual(unzstd(zstd_of_more(size, 64), size), bytes(size))
        for claimed in (0, 1000, size):
            tracemalloc.start()
            try:
                with self.assertRaises(Damaged):
                    unzstd(zstd_of_more(claimed, 2000), claimed)  # 250 MiB
                self.assertLess(tracemalloc.get_traced_memory()[1], 3 * size)
            finally:
                tracemalloc.stop()


if __name__ == "__main__":
    unittest.main()
