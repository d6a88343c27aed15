"""The Python reader against frames that the C++ code wrote: every bit must be the same."""
import math
import os
import random
import struct
import subprocess
import tempfile
import unittest

import numpy as np
import zstandard

import joulespool_reader as jr
from agent.wire import event_pb2
from made_frames import make_frame, wave_frame
from made_frames import raw as floats_2

TOOLS = os.environ["JOULESPOOL_TEST_TOOLS"]


def slow_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def section(signal, coding, bits, count, data, offset=0, stride=0):
    return struct.pack("<BBBBIIII", signal, coding, bits, 0, count, offset, stride, len(data)) + data


def floats(signal, values):
    return section(signal, jr.RAW, 32, len(values), np.array(values, dtype="<f4").tobytes())


class Checksum(unittest.TestCase):
    def test_is_that_of_the_definition_for_every_length(self):
        self.assertEqual(jr.crc32c(b"123456789"), 0xE3069283)
        source = random.Random(1)
        for size in list(range(70)) + [255, 1023, 4097]:
            data = source.randbytes(size)
            self.assertEqual(jr.crc32c(data), slow_crc32c(data), size)


class OddFrames(unittest.TestCase):
    """Frames with NaN payloads, -0.0, denormals, infinities, own power, inputs, ranges, duplicates, disorder, holes."""

    @classmethod
    def setUpClass(cls):
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        subprocess.run([os.path.join(TOOLS, "write_odd_frames"), cls.directory], check=True)
        cls.devices = jr.collect(jr.frames_from_directory(cls.directory))

    def test_digests_of_both_readers_are_equal(self):
        tool = os.path.join(TOOLS, "digest_tool")
        other = subprocess.run([tool, "--directory", self.directory], check=True, capture_output=True, text=True)
        mine = [line for _, device in sorted(self.devices.items()) for line in jr.digest_lines(device)]
        self.assertGreater(len(mine), 8)
        self.assertEqual(other.stdout.splitlines(), mine)

    def test_second_copies_are_dropped_and_holes_known(self):
        first, second = self.devices["js220-000001"], self.devices["js110-000002"]
        self.assertEqual(first.duplicates, 1)
        self.assertEqual(first.holes(), {})
        self.assertEqual(second.holes(), {(1, jr.WAVE): [(2, 2)]})
        self.assertFalse(self.devices.damaged)

    def test_sample_ids_follow_the_frames(self):
        samples = self.devices["js220-000001"].samples()
        self.assertEqual(len(samples.sample_id), len(samples.p))
        step = np.diff(samples.sample_id)
        self.assertTrue((step[samples.sample_id[:-1] < 4798] == 2).all())
        self.assertEqual(samples.sample_id[0], 4000)

    def test_a_range_takes_its_first_and_not_its_end(self):
        device = self.devices["js220-000001"]
        self.assertEqual(list(device.samples(first=4001, end=4008).sample_id), [4002, 4004, 4006])
        self.assertEqual(list(device.samples(first=4797, end=5003).sample_id), [4798, 5000, 5002])
        self.assertEqual(len(device.samples(axis=0xA2).i), 0)
        self.assertEqual(len(self.devices["js110-000002"].samples(axis=0xA2).i), 200)

    def test_power_is_the_product_and_one_nan(self):
        frame = next(self.devices["js220-000001"].wave())
        i, v, p = frame.i, frame.v, frame.p
        self.assertIn(0x7FC12345, i.view(np.uint32))
        self.assertIn(0x7F800001, v.view(np.uint32))
        nan = np.isnan(p)
        self.assertTrue(nan.any())
        self.assertTrue((p.view(np.uint32)[nan] == 0x7FC00000).all())
        with np.errstate(all="ignore"):
            self.assertTrue((p.view(np.uint32)[~nan] == (i * v).view(np.uint32)[~nan]).all())

    def test_headers_sums_are_those_of_the_samples(self):
        for device in self.devices.values():
            for frame in device.frames(jr.WAVE):
                wave = jr.decode_wave(frame)
                units = []
                valid = np.ones(len(wave.i), dtype=bool)
                for column in (wave.i, wave.v, wave.p):
                    scaled = column.astype(np.float64) * 2.0**31
                    valid &= np.abs(scaled) < 2.0**62
                    units.append(scaled)
                sums = [sum(int(x) for x in np.rint(column[valid])) for column in units]
                self.assertEqual(int(valid.sum()), frame.header.valid)
                self.assertEqual(sums[0], jr.int128(frame.header.i_sum))
                self.assertEqual(sums[2], jr.int128(frame.header.p_sum))

    def test_windows_hold_wide_sums_and_odd_extremes(self):
        windows = self.devices["js220-000001"].windows()
        self.assertEqual(len(windows["count"]), 305)
        self.assertEqual(windows["sample_id_first"][0], 5_000_000_000)
        self.assertEqual(windows["sample_id_first"][101], 5_000_000_000 + 101 * 2000 + 777)
        self.assertEqual(windows["sample_id_end"][101] - windows["sample_id_first"][101], 1000)
        self.assertEqual(windows["v2_sum"][1], 2**117 - 1)
        self.assertEqual(windows["i2_sum"][114], 2**114)
        self.assertTrue(any(value < 0 for value in windows["v_sum"]))
        self.assertEqual(windows["i_min"][0], math.inf)
        self.assertEqual(math.copysign(1, windows["i_min"][1]), -1)
        self.assertEqual(windows["i_max"][1], np.float32(1e-45))

    def test_totals_are_python_integers(self):
        device = self.devices["js220-000001"]
        windows, totals = device.windows(), device.totals(jr.STAT)
        self.assertEqual(totals["p_sum"], sum(windows["p_sum"]))
        self.assertGreater(abs(totals["p_sum"]), 2**64)
        self.assertEqual(totals["samples"], int(windows["count"].sum()))

    def test_events_and_gaps(self):
        device = self.devices["js220-000001"]
        self.assertEqual([event.WhichOneof("kind") for _, event in device.events()],
                         ["started", "gap", "gap", "stopped", "clock_corrected", "device_note", None])
        evicted, restart = device.gaps()
        self.assertEqual((evicted.reason, evicted.lane, evicted.frames.first, evicted.frames.last), (5, jr.WAVE, 3, 9))
        self.assertTrue(restart.open_ended)
        self.assertEqual(restart.sample_id_first, 2**63)
        self.assertEqual(jr.int128(device.events()[3][1].stopped.totals.i_sum), -2**100)

    def test_packed_signals_have_their_own_grid(self):
        packed = {each.signal: each for wave in self.devices["js220-000001"].wave() for each in wave.packed}
        self.assertEqual((packed[16].sample_id, packed[16].stride, len(packed[16].elements)), (1030002 + 1, 1, 1003))
        self.assertEqual(len(packed[4].elements), 1001)
        self.assertLessEqual(packed[4].elements.max(), 15)
        self.assertGreater(packed[4].elements.max(), 1)
        self.assertEqual(packed[19].elements.sum(), 0)

    def test_command_line_prints_what_there_is(self):
        script = jr.__file__
        run = subprocess.run(["/usr/bin/python3", script, "--directory", self.directory, "--device", "js110-000002", "summary"],
                             check=True, capture_output=True, text=True)
        self.assertIn("js110-000002: 0 second copies dropped", run.stdout)
        self.assertIn("not there: wave of epoch 0000000000000001, seq 2..2", run.stdout)
        run = subprocess.run(["/usr/bin/python3", script, "--directory", self.directory, "--device", "js110-9", "digest"],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 1)

    def test_utc_of_a_sample(self):
        header = next(self.devices["js220-000001"].frames(jr.WAVE)).header
        self.assertEqual(jr.utc_ns(header.utc, 2_000_001), 1_767_225_601_000_000_500)
        self.assertIsNone(jr.utc_ns(next(self.devices["js110-000002"].frames(jr.WAVE)).header.utc, 0))


class Damage(unittest.TestCase):
    def defect(self, data):
        with self.assertRaises(jr.Damaged) as caught:
            jr.read_frame(data)
        return str(caught.exception)

    def test_every_defect_of_a_frame_has_its_name(self):
        good = wave_frame(floats(1, [1]) + floats(2, [2]), 1)
        jr.read_frame(good)
        self.assertEqual(self.defect(good[:15]), "too_short")
        self.assertEqual(self.defect(b"X" + good[1:]), "foreign")
        self.assertEqual(self.defect(b"JSF2" + good[4:]), "unknown_version")
        self.assertEqual(self.defect(good[:4] + struct.pack("<I", 20000) + good[8:]), "too_large")
        self.assertEqual(self.defect(good[:8] + struct.pack("<I", 2**32 - 1) + good[12:]), "too_large")
        self.assertEqual(self.defect(good[:-1]), "truncated")
        self.assertEqual(self.defect(good + b"\0"), "trailing_bytes")
        for at in (12, 16, len(good) - 1):
            self.assertEqual(self.defect(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]), "checksum")

    def test_headers_that_contradict_themselves(self):
        for change in (dict(seq=0), dict(epoch=0), dict(codec=0), dict(lane=0), dict(lane=4), dict(decimation=0),
                       dict(counter_rate_hz=0), dict(host="Bench"), dict(sample_id_first=9), dict(valid=2), dict(missing=1), dict(samples=5)):
            fields = dict(sample_id_first=0, sample_id_end=2, samples=1, valid=1)
            fields.update(change)
            self.assertEqual(self.defect(make_frame(b"", **fields)), "header_invalid", change)
        self.assertEqual(self.defect(make_frame(b"", lambda header: header.labels.add(value="x"))), "header_invalid")

    def test_damaged_records_are_counted_and_the_rest_is_read(self):
        good = wave_frame(floats(1, [1]) + floats(2, [2]), 1)
        devices = jr.collect([good, good[:-1], b"", good])
        self.assertEqual(devices.damaged, {"truncated": 1, "too_short": 1})
        self.assertEqual(devices["js220-1"].duplicates, 1)

    def payload_defect(self, payload, samples=2):
        with self.assertRaises(jr.Damaged):
            jr.decode_wave(jr.read_frame(wave_frame(payload, samples)))

    def test_payloads_that_are_not_what_they_say(self):
        i, v = floats(1, [1, 2]), floats(2, [3, 4])
        compress = zstandard.ZstdCompressor().compress
        self.payload_defect(i)
        self.payload_defect(i + v[:-1])
        self.payload_defect(i + v[:10])
        self.payload_defect(i + floats(2, [3]))
        self.payload_defect(i + section(2, jr.RAW, 32, 2, b"1234567"))
        self.payload_defect(i + section(2, jr.ZSTD, 32, 2, b"not zstd"))
        self.payload_defect(i + section(2, jr.ZSTD, 32, 2, compress(bytes(9))))
        self.payload_defect(i + section(2, jr.SPARSE, 32, 2, compress(b"\1abcd")))
        self.payload_defect(i + v + section(16, jr.SHUFFLED, 1, 8, compress(b"1")))
        for more in (i, v, floats(3, [5, 6]) * 2, section(3, jr.SPARSE, 32, 2, compress(b"\1abcd")) + floats(3, [5, 6])):
            self.payload_defect(i + v + more)
        self.payload_defect(i + v + section(3, 77, 32, 2, bytes(8)))
        half = section(16, jr.ZSTD, 1, 2**23, compress(bytes(2**20)))
        jr.decode_wave(jr.read_frame(wave_frame(i + v + 2 * half, 2)))
        self.payload_defect(i + v + 2 * half + section(17, jr.RAW, 1, 1, b"\0"))
        for pairs in (b"\0abcd", b"\3abcd", b"\1abcd\2abcd", b"\1abc", b"\x80", b"\x80\x80\x80\x80\x80\1abcd"):
            self.payload_defect(i + v + section(3, jr.SPARSE, 32, 2, compress(pairs)))

    def test_sections_that_nobody_knows_are_passed_over(self):
        payload = section(99, 77, 3, 1000, b"???") + floats(2, [3, 4]) + floats(1, [1, 2]) + section(200, 0, 64, 0, b"")
        wave = jr.decode_wave(jr.read_frame(wave_frame(payload, 2)))
        self.assertEqual(list(wave.p), [3, 8])

    def test_power_may_be_stored_as_it_is_or_corrected(self):
        base = floats(1, [1, 2]) + floats(2, [3, 4])
        stored = jr.decode_wave(jr.read_frame(wave_frame(base + floats(3, [7, 9]), 2)))
        self.assertEqual(list(stored.p), [7, 9])
        pairs = zstandard.ZstdCompressor().compress(b"\2" + struct.pack("<I", 0x80000000))
        corrected = jr.decode_wave(jr.read_frame(wave_frame(base + section(3, jr.SPARSE, 32, 2, pairs), 2)))
        self.assertEqual(list(corrected.p), [3, -8])

    def test_samples_at_a_lower_rate_stand_where_the_axis_says(self):
        source = random.Random(3)
        for _ in range(200):
            first, samples, factor = source.randrange(1000), source.randrange(60), source.choice((1, 2, 5, 20, 1000))
            places = [first + 2 * k for k in range(samples) if (first // 2 + k) % factor == 0]

            def lower(header):
                header.kept.decimation, header.kept.window_ticks = 2 * factor, 2000

            payload = floats_2(1, range(len(places))) + floats_2(2, [3] * len(places))
            wave = jr.decode_wave(jr.read_frame(wave_frame(payload, samples, first=first, change=lower, codec=2)))
            self.assertEqual([wave.sample_id + k * wave.decimation for k in range(len(wave.p))], places)
            self.assertEqual(list(wave.p), [3 * k for k in range(len(places))])
        for kept in (dict(decimation=3, window_ticks=2000), dict(decimation=4), dict()):
            with self.assertRaises(jr.Damaged):
                jr.read_frame(wave_frame(b"", 10, change=lambda header: header.kept.SetInParent() or [
                    setattr(header.kept, name, value) for name, value in kept.items()]))

    def test_a_gap_of_a_later_version_is_passed_over(self):
        payload = event_pb2.EventPayload()
        payload.events.add().gap.samples_lost = 3
        devices = jr.collect([make_frame(payload.SerializeToString(), lane=jr.EVENT)])
        self.assertEqual(devices["js220-1"].gaps(), [])
        self.assertEqual(devices["js220-1"].totals()["samples_lost"], 0)


class FakeClient:
    """What boto3 answers, for a stream whose one shard was split."""

    def __init__(self, shards):
        self.shards = shards

    def list_shards(self, StreamName=None, NextToken=None):
        names = list(self.shards)
        at = int(NextToken or 0)
        shard = {"ShardId": names[at], **({"ParentShardId": self.shards[names[at]][0]} if self.shards[names[at]][0] else {})}
        return {"Shards": [shard], **({"NextToken": str(at + 1)} if at + 1 < len(names) else {})}

    def get_shard_iterator(self, StreamName, ShardId, ShardIteratorType):
        return {"ShardIterator": f"{ShardId}:0"}

    def get_records(self, ShardIterator, Limit):
        shard, at = ShardIterator.split(":")
        records = self.shards[shard][1][int(at):int(at) + 1]
        closed = any(parent == shard for parent, _ in self.shards.values())
        following = None if closed and not records else f"{shard}:{int(at) + 1}"
        return {"Records": [{"Data": data} for data in records], "NextShardIterator": following, "MillisBehindLatest": 0}


class Stream(unittest.TestCase):
    def test_parents_are_read_before_children(self):
        client = FakeClient({"child": ("parent", [b"c", b"d"]), "parent": (None, [b"a", b"b"]), "late": ("child", [b"e"])})
        self.assertEqual([data for data, _ in jr.read_stream(client, "s")], [b"a", b"b", b"c", b"d", b"e"])


if __name__ == "__main__":
    unittest.main()
