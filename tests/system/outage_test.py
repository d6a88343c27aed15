#!/usr/bin/python3
"""An outage that is longer than the spool is large: old windows are merged, old waveforms dropped, and every sample's energy arrives, to
the last unit. The agent's own writer and spool in fast motion, then broker, bridge and Kinesis emulator in real time."""
import os
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
sys.path.insert(0, str(HERE.parent / "bench"))
from outage_week import Outage, compare, go_through, print_outage  # noqa: E402
from rig import slowness  # noqa: E402


class LongOutage(unittest.TestCase):
    def test_an_outage_costs_resolution_and_waveforms_but_no_energy(self):
        outage = Outage(int(1800 / slowness()), 2000, budget_bytes=16 * 2**20, drops="drop:every=314200000/length=123400")
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            parts, pushed, account = go_through(outage, pathlib.Path(folder) / "spool")
        print_outage(outage, parts, pushed, account)
        problems, sums = compare(outage, parts, account)
        self.assertEqual(problems, [])
        device = account["devices"][0]
        self.assertGreater(sum(part["frames_merged"] for part in parts), 0)
        self.assertGreater(device["merged_frames"], 0)
        self.assertLess(device["delivered_wave"], device["delivered"])
        self.assertGreater(device["delivered_wave"], 0)
        lengths = {ticks for hour in device["hours"] for ticks in hour["samples_by_window_ticks"]}
        self.assertGreater(len(lengths), 1)
        # What is in no frame is what was dropped, what the killed agent had not stored, and what came while nobody listened.
        self.assertEqual(set(device["gaps"]), {"evicted", "restart", "usb_drop"})
        self.assertEqual(device["gaps"]["evicted"]["samples"], 0)  # of waveforms only
        self.assertEqual(device["gaps"]["restart"]["records"], 2)
        self.assertEqual(sums["handed_over"] - sums["taken_and_not_stored"], device["delivered"])


if __name__ == "__main__":
    unittest.main()
