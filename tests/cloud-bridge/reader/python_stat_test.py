"""The Python reader of lane stat, codec 2: against what the C++ encoder made, on golden frames, and on bytes that are not what
they claim to be."""
import os
import pathlib
import random
import subprocess
import tempfile
import unittest
import warnings

import numpy as np

import joulespool_stat as stat
from joulespool_bytes import Damaged
from joulespool_frame import SUMS, decode_events, halves_of, read_frame
from made_frames import zigzag

TOOLS = os.environ["JOULESPOOL_TEST_TOOLS"]
VECTORS = pathlib.Path(__file__).resolve().parents[2] / "vectors" / "frames"
SUM_ORDER = ("i_sum", "v_sum", "i2_sum", "p_sum", "v2_sum")
LAYOUT = np.dtype([(name, "<u8") for name in ("sample_id_first", "sample_id_end", "count", "valid")] +
                  [(name, "<u8", 2) for name in SUM_ORDER] + [(name, "<u4") for name in stat.EXTREMES])


def models_of(payload):
    """{column: model}, 0 for an empty one."""
    reader = stat._Reader(payload)
    if reader.varint() == 0:
        return {}
    reader.varint(), reader.varint(), reader.u8()
    return {name: (reader.body().rest + b"\0")[0] for name in ("state", *stat.PLACES, *stat.SUMS, *stat.EXTREMES)}


class Payloads(unittest.TestCase):
    def test_every_bit_of_every_window_comes_back(self):
        seed = random.randrange(1 << 32)
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([f"{TOOLS}/write_stat_payloads", directory, str(seed)], check=True)
            payloads = sorted(pathlib.Path(directory).glob("*.payload"))
            self.assertEqual(len(payloads), 36)
            for path in payloads:
                with self.subTest(path.stem, seed=seed):
                    self.compare(path.read_bytes(), path.with_suffix(".windows").read_bytes())

    def compare(self, payload, expected):
        first, rows = int.from_bytes(expected[:8], "little"), np.frombuffer(expected, LAYOUT, offset=8)
        columns = stat.decode(payload, first)
        for name in LAYOUT.names:
            column = columns[name]
            if name in SUMS:
                column = halves_of(column)
            np.testing.assert_array_equal(column.view(np.uint32) if name in stat.EXTREMES else column, rows[name], name)


class Golden(unittest.TestCase):
    """Vectors have what their names say; vectors_test.py compares what is in them."""

    def models(self, name):
        return models_of(read_frame((VECTORS / f"stat-codec2-{name}.frame").read_bytes()).payload)

    def having(self, name, bit):
        return {column for column, model in self.models(name).items() if model & bit}

    def test_each_shows_its_feature(self):
        for column in ("state", "sample_id_first", "count", "valid"):
            self.assertEqual(self.models("constant")[column], 0)
        self.assertEqual(self.having("noise", stat.HALVED) & set(stat.SUMS), {"i2_sum", "v2_sum"})
        self.assertLessEqual({"i_min", "i_max", "v_min"}, self.having("quiet", stat.UNITS))
        self.assertLessEqual({"i_sum", "v_sum", "v_min"}, self.having("noise", stat.SHIFT))
        self.assertLessEqual({"i_sum", "i2_sum", "i_max"}, self.having("states", stat.BY_STATE))
        self.assertLessEqual({"v_sum", "p_sum", "v2_sum", "v_min", "v_max"}, self.having("states", stat.SLOPE))
        self.assertLessEqual({"i_min", "v_min", "p_min"}, self.having("tables", stat.DICTIONARY))
        self.assertIn("i_sum", self.having("previous", stat.PREVIOUS))
        self.assertEqual(self.having("wide", stat.WIDE), set(stat.SUMS))
        self.assertEqual(self.having("odd-extremes", stat.UNITS) & set(stat.EXTREMES), set())
        self.assertLessEqual({"p_min", "p_max"}, self.having("states", stat.FORMULA))

    def test_a_merged_frame_stands_for_another(self):
        merged, replaced = (read_frame((VECTORS / f"stat-codec2-{name}.frame").read_bytes()).header
                            for name in ("merged", "replaced"))
        self.assertEqual([(frames.epoch, frames.first, frames.last) for frames in merged.replaces], [(0xE0, 41, 41), (0xE1, 1, 2)])
        self.assertEqual((replaced.epoch, replaced.seq), (0xE1, 2))
        self.assertEqual((merged.kept.decimation, merged.kept.window_ticks), (0, 20000))
        self.assertEqual(merged.samples, 90000)
        gap = decode_events(read_frame((VECTORS / "event-merged-lost.frame").read_bytes()))[0].gap
        self.assertEqual((gap.epoch, gap.frames.first, gap.frames.last), (merged.epoch, merged.seq, merged.seq))
        self.assertEqual(gap.replaced, merged.replaces)

    def test_all_model_bits_are_in_use(self):
        used = 0
        for path in VECTORS.glob("stat-codec2-*.frame"):
            for model in models_of(read_frame(path.read_bytes()).payload).values():
                used |= model
        self.assertEqual(used, 255)


class Damage(unittest.TestCase):
    def defect(self, payload):
        try:
            stat.decode(bytes(payload), 0)
        except Damaged as defect:
            return str(defect)
        return ""

    def column(self, place, body):
        return bytes((1, 2, 10, 1)) + bytes(place) + bytes((len(body),)) + bytes(body) + bytes(15 - place)

    def test_what_claims_to_be_windows_is_refused_for_what_is_wrong_with_it(self):
        self.assertEqual(self.defect(self.column(1, ())), "")
        self.assertEqual(self.defect(b"\x81\x80\x04"), "more windows than a frame may hold")
        for payload in (b"", b"\0\0", bytes((1, 0, 10, 1)) + bytes(16), bytes((1, 2, 10, 0)) + bytes(16),
                        bytes((1, 2, 10, 9)) + bytes(16), bytes((1, 2, 10, 1)) + bytes(15)):
            self.assertNotEqual(self.defect(payload), "", payload)
        for place, body, reason in (
                (0, (1, 255, 4), "a state that does not exist"), (0, (0x11, 255, 0), "states that are not known yet"),
                (1, (1, 64, 0), "a number code"), (1, (1,), "cut off"), (1, (1, 0, 0), "numbers are cut off"),
                (1, (1, 255, 0, 9), "does not have the size"), (1, (0x81, 3, 255, 0), "a model that"), (1, (0, 255, 0), "a model that"),
                (5, (0x41, 128, 255, 0), "more bits left out"), (5, (0x81, 65, 255, 0), "more bits left out"),
                (10, (0x45, 64, 255, 0), "more bits left out"), (1, (0x21, 0), "a table that"), (1, (0x21, 2, 0, 255), "a table that"),
                (1, (0x21, 1, 0, 255, 255, 2), "beyond the table"), (4, (1, 255, 2), "more valid samples")):
            self.assertIn(reason, self.defect(self.column(place, body)), body)

    def test_integers_at_the_limits_wrap_around_without_a_warning(self):
        to_first = zigzag(2**63 - 1) + b"\4"  # k 0, the centre, and the distance 1 as class 2: one above the largest
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for model in (0x01, 0x09):  # at the centre, and from window to window
                columns = stat.decode(self.column(1, bytes((model, 0)) + to_first), 0)
                self.assertEqual(columns["sample_id_end"].tolist(), [2**63])

    def test_cut_off_or_flipped_bytes_are_refused_or_windows(self):
        for name in ("states", "anything", "tables"):
            payload = read_frame((VECTORS / f"stat-codec2-{name}.frame").read_bytes()).payload
            for size in range(0, len(payload), 29):
                self.assertNotEqual(self.defect(payload[:size]), "")
            for bit in range(0, 8 * len(payload), 233):
                flipped = bytearray(payload)
                flipped[bit // 8] ^= 1 << bit % 8
                self.defect(flipped)


if __name__ == "__main__":
    unittest.main()
