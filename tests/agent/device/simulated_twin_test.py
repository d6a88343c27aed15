"""Compares tests/support/simulated.py with the C++ simulation, bit for bit.  usage: simulated_twin_test.py DUMP_PROGRAM"""

import pathlib
import subprocess
import sys
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import simulated  # noqa: E402

DUMP = sys.argv.pop(1)
SEEDS = [0, 1, 42, 2**64 - 1]
DAY = 86_400 * simulated.COUNTER_RATE_HZ
FAULTS = "nan:7-31; nan:every=30001,length=13"


def dump(model, seed, load, rate, first, count, faults):
    """i, v and the rest, from the C++ program."""
    arguments = [DUMP, model, str(seed), load, str(rate), str(first), str(count), faults]
    raw = subprocess.run(arguments, check=True, capture_output=True).stdout
    return (np.frombuffer(raw, "<u4", count), np.frombuffer(raw, "<u4", count, 4 * count), raw[8 * count:])


def pack(values, bits):
    if bits == 4:
        values = np.append(values, np.zeros(len(values) % 2, np.uint8))
        return (values[0::2] | values[1::2] << 4).astype(np.uint8).tobytes()
    return np.packbits(values, bitorder="little").tobytes()


class Twin(unittest.TestCase):
    def check(self, model, seed, load, rate, first, count, faults=""):
        case = (model, seed, load, rate, first, count, faults)
        i, v, rest = dump(*case)
        mine_i, mine_v = simulated.samples(model, seed, load, first, count, rate, faults)
        self.assertEqual((0, 0), ((i != mine_i.view("<u4")).sum(), (v != mine_v.view("<u4")).sum()), case)
        ticks = simulated.ticks_of(model, first, count, rate)
        if model == "js220":
            ticks = np.arange(first, first + count * (simulated.COUNTER_RATE_HZ // (rate or 1_000_000)))
        names = ["range", "gpi0", "gpi1"] + (["gpi2", "gpi3"] if model == "js220" else [])
        packed = b"".join(pack(simulated.packed_signal(model, seed, load, name, ticks), 4 if name == "range" else 1)
                          for name in names)
        self.assertEqual(packed, rest, case)
        return i.view("<f4"), v.view("<f4")

    def test_every_load_of_every_model_from_the_start(self):
        for model in ("js110", "js220"):
            for load in simulated.SEGMENTS:
                for seed in SEEDS:
                    i, v = self.check(model, seed, load, 0, 0, 250_000)
                    self.assertTrue(np.isfinite(i).all() and np.isfinite(v).all())

    def test_odd_spans_late_in_a_long_run(self):
        for model, step in (("js110", 1), ("js220", 2)):
            for load in simulated.SEGMENTS:
                for first, count in ((199_998, 3), (20_000 * step + 4, 1), (400 * DAY, 100_001), (400 * DAY + 9_996, 12)):
                    self.check(model, 42, load, 0, first, count)

    def test_every_tick_around_range_changes(self):
        for offset in range(0, 8):  # a span may begin within the smoothed samples
            self.check("js110", 3, "ranges", 0, 30_000 + offset, 20_000)

    def test_lower_rates(self):
        for model in ("js110", "js220"):
            for load in simulated.SEGMENTS:
                for rate, count in ((500_000, 100_001), (10_000, 2_001), (1_000, 301), (10, 21)):
                    self.check(model, 9, load, rate, 20 * simulated.COUNTER_RATE_HZ, count)

    def test_nan_with_payload(self):
        for model in ("js110", "js220"):
            i, v = self.check(model, 5, "cpu", 0, 0, 100_000, FAULTS)
            self.assertGreater(np.isnan(i).sum(), 30)
            self.assertGreater(len(np.unique(i.view("<u4")[np.isnan(i)])), 2)
            self.assertTrue((np.isnan(i) == np.isnan(v)).all())

    def test_wrong_faults_are_refused_by_both(self):
        for text in ("drop", "drop:1", "stop:1-2", "drop:every=5", "nan:1-2,3-4"):
            with self.assertRaises(ValueError):
                simulated.parse_faults(text)
            with self.assertRaises(subprocess.CalledProcessError):
                dump("js110", 1, "cpu", 0, 0, 1, text)

    def test_present_knows_what_is_missing(self):
        present = simulated.present("drop:10-20; lose:every=100,length=2; nan:0-5", np.arange(0, 300))
        self.assertEqual([*range(10, 20), 100, 101, 200, 201], list(np.flatnonzero(~present)))


if __name__ == "__main__":
    unittest.main()
