"""The Python reader: frames for which a merged one stands that came count for nothing (agent/wire/FORMAT.md, section 3)."""
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

import joulespool_reader as jr
from made_frames import make_frame, stat_frame

TOOLS = os.environ["JOULESPOOL_TEST_TOOLS"]


def device_of(frames):
    devices = jr.collect(frames)
    assert not devices.damaged, devices.damaged
    return devices["js220-1"]


class Replaced(unittest.TestCase):
    old = [stat_frame([(at, 1000, 5)], seq=1 + at // 2000) for at in range(0, 8000, 2000)]
    merged = stat_frame([(0, 3000, 5)], seq=5, replaces=[(1, 1, 3)], window_ticks=20000)

    def test_those_that_do_not_come_are_no_hole(self):
        device = device_of([self.old[3], self.merged])
        self.assertEqual(device.holes(), {})
        self.assertEqual(device.totals()["samples"], 4000)
        self.assertEqual(device.totals()["i_sum"], 20000)
        self.assertEqual(device.replaced_frames(), 0)

    def test_those_that_come_are_ignored_before_and_after(self):
        for frames in ([*self.old, self.merged], [self.merged, *self.old], [self.old[0], self.merged, *self.old[2:]]):
            device = device_of(frames)
            self.assertEqual(device.totals()["frames"], 2)
            self.assertEqual(device.totals()["p_sum"], 40000)
            self.assertEqual(device.windows()["sample_id_first"].tolist(), [0, 6000])
            self.assertEqual(device.windows()["sample_id_end"].tolist(), [6000, 8000])
            self.assertEqual(device.holes(), {})
            self.assertEqual(device.replaced_frames(), len(frames) - 2)
            self.assertIn(f"{len(frames) - 2} more frames of lane stat", "\n".join(jr.summary_lines(device)))

    def test_a_hole_beside_them_stays(self):
        device = device_of([self.old[0], stat_frame([(2000, 1000, 5)], seq=9, replaces=[(1, 3, 4), (1, 7, 7)], window_ticks=1)])
        self.assertEqual(device.holes(), {(1, jr.STAT): [(2, 2), (5, 6), (8, 8)]})

    def test_a_merged_frame_may_be_replaced_and_epochs_may_differ(self):
        again = stat_frame([(0, 4000, 5)], seq=2, epoch=7, replaces=[(1, 1, 5)], window_ticks=200000)
        for frames in ([*self.old, self.merged, again], [again, self.merged, *self.old]):
            device = device_of(frames)
            self.assertEqual(device.totals(), dict(frames=1, samples=4000, valid=4000, i_sum=20000, p_sum=40000, samples_lost=0))
            self.assertEqual(device.holes(), {(7, jr.STAT): [(1, 1)]})
            self.assertEqual([line.split()[1] for line in jr.digest_lines(device)], [f"{7:016x}"])

    def test_other_devices_and_lanes_are_not_meant(self):
        wave = make_frame(b"", lambda header: header.replaces.add(epoch=1, first=1, last=1), seq=2)
        other = stat_frame([(0, 1000, 5)], device="js220-2")
        devices = jr.collect([self.old[0], other, wave, stat_frame([(0, 1000, 5)], seq=2, device="js220-2", replaces=[(1, 1, 1)])])
        self.assertEqual(devices["js220-1"].totals()["frames"], 1)
        self.assertEqual(devices["js220-2"].totals()["frames"], 1)

    def test_headers_that_cannot_be(self):
        for replaces in ([(0, 1, 1)], [(1, 0, 1)], [(1, 2, 1)], [(1, 1, 5)], [(2, 1, 2**64 - 1)], [(2, 1, 1)] * 257):
            with self.assertRaises(jr.Damaged, msg=replaces[0]):
                jr.read_frame(stat_frame([(0, 1000, 5)], seq=5, replaces=replaces))
        jr.read_frame(stat_frame([(0, 1000, 5)], seq=5, replaces=[(2, 1, 2**64 - 2)] + [(1, 1, 4)] * 255))


class History:
    """Frames of an outage: merged again and again, of which some came although they had been replaced."""

    def __init__(self, source):
        self.source, self.next_seq, self.epoch = source, 1, 1
        waiting, at, self.units, self.came = [], 0, {}, []
        for _ in range(source.randrange(3, 40)):
            choice = source.randrange(8)
            if choice == 0:
                self.epoch, self.next_seq = self.epoch + 1, 1
            elif choice < 4 and len(waiting) > 1:
                first = source.randrange(len(waiting) - 1)
                end = source.randrange(first + 2, len(waiting) + 1)
                waiting[first:end] = [self.merge(waiting[first:end])]
            else:
                current = source.randrange(-2**60, 2**60)
                self.units[at] = current
                waiting.append(self.made([(at, 1000, current)], []))
                at += 2000
        self.came += [frame for frame, _, _ in waiting]

    def made(self, windows, replaces):
        frame = stat_frame(windows, seq=self.next_seq, epoch=self.epoch, replaces=replaces, window_ticks=20000 if replaces else 0)
        self.next_seq += 1
        return frame, windows, replaces + [(self.epoch, self.next_seq - 1, self.next_seq - 1)]

    def merge(self, frames):
        self.came += [frame for frame, _, _ in frames if self.source.randrange(3) == 0]  # their acks were lost
        return self.made([window for _, windows, _ in frames for window in windows], [seqs for _, _, names in frames for seqs in names])


class Histories(unittest.TestCase):
    def test_sums_are_exact_whatever_came_in_whatever_order(self):
        seed, ignored = random.randrange(1 << 32), 0
        for step in range(150):
            with self.subTest(seed=seed, step=step):
                source = random.Random(seed + step)
                history = History(source)
                if not history.came:
                    continue
                frames = history.came + source.sample(history.came, len(history.came) // 3)
                source.shuffle(frames)
                device = device_of(frames)
                totals, windows = device.totals(), device.windows()
                self.assertEqual(totals["samples"], 1000 * len(history.units))
                self.assertEqual(totals["i_sum"], 1000 * sum(history.units.values()))
                self.assertEqual(totals["p_sum"], 2000 * sum(history.units.values()))
                self.assertEqual(sum(windows["p_sum"]), totals["p_sum"])
                self.assertEqual(windows["sample_id_first"].tolist(), sorted(history.units))
                self.assertEqual(device.holes(), {})
                ignored += device.replaced_frames()
                self.compare_digests(device, frames if step < 5 else [])
        self.assertGreater(ignored, 100, seed)

    def compare_digests(self, device, frames):
        if not frames:
            return
        with tempfile.TemporaryDirectory() as directory:
            for at, frame in enumerate(frames):
                (pathlib.Path(directory) / f"{at:04}").write_bytes(frame)
            other = subprocess.run([os.path.join(TOOLS, "digest_tool"), "--directory", directory], check=True, capture_output=True,
                                   text=True)
        self.assertEqual(other.stdout.splitlines(), jr.digest_lines(device))


if __name__ == "__main__":
    unittest.main()
