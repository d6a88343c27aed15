#!/usr/bin/python3
"""Real instruments, as far as the driver is concerned: the agent reads them through the stand-in driver, in processes of their
own, into a real spool. What it stored is compared with what the instruments measured, sample by sample."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from instrument_rig import InstrumentRig  # noqa: E402
from rig import build_dir, problems_in, slowness, wait_for  # noqa: E402

SLOW = slowness() > 1  # built with a sanitizer: its allocator keeps what was freed, so that memory is printed and not judged
JS110 = {"model": "js110", "serial": "000456", "seed": 1, "load": "sleep-ble"}
JS220_A = {"model": "js220", "serial": "001122", "seed": 2, "load": "cpu"}
JS220_B = {"model": "js220", "serial": "001133", "seed": 3, "load": "ranges"}
MESSAGE_JS110 = 65394  # samples of one message


def periodic(first: int, every: int, length: int) -> str:
    return f"every={every},length={length},offset={first}"


def spans(first: int, every: int, length: int, begin: int, end: int) -> list:
    """Those of periodic() within [begin, end)."""
    return [(at, at + length) for at in range(first, end - length + 1, every) if at >= begin]


def of(account: dict, name: str) -> dict:
    return next(device for device in account["devices"] if device["device"] == name)


def lost_spans(device: dict, reason: str) -> list:
    return [(gap["sample_id_first"], gap["sample_id_end"]) for gap in device["gap_records"] if gap["reason"] == reason]


class Instruments(unittest.TestCase):
    def check(self, account):
        self.assertEqual(problems_in(account), [])

    def test_a_minute_of_three_instruments_with_losses_everywhere(self):
        """JS110 at 2 MS/s and two JS220 at 1 MS/s: no overrun, memory flat, every loss a gap record of its exact length, the
        rest bit for bit. Where programs or machine are too slow for that, with slower instruments."""
        if SLOW or not self.keeps_up(60, speed=1):
            self.assertTrue(self.keeps_up(15, speed=0.2), "overruns")

    def keeps_up(self, seconds, speed) -> bool:
        """False if there was an overrun; all else is asserted."""
        # The js110's at the border of its messages: elsewhere, where within the message cannot be known.
        messages, ticks = (5, 1_000_000) if speed < 1 else (20, 3_000_000)
        losses = {"js110-000456": (messages * MESSAGE_JS110, messages * MESSAGE_JS110 + 1260, 1260),
                  "js220-001122": (ticks, ticks, 25_200), "js220-001133": (ticks + 4, ticks + 4, 252)}
        with InstrumentRig([{"devices": "*", "packed": ""}], ["--wave.mode", "keep", "--spool.budget-bytes", "8GiB"]) as rig:
            rig.world.plug(**JS110, speed=speed, skip=periodic(*losses["js110-000456"]))
            rig.world.plug(**JS220_A, speed=speed, lost=periodic(*losses["js220-001122"]))
            rig.world.plug(**JS220_B, speed=speed, lost_i=periodic(*losses["js220-001133"]))
            rig.agent.start()
            rig.wait_for_devices(losses, "streaming")
            memory, began = [], time.monotonic()
            cpu = rig.cpu_seconds()
            while time.monotonic() < began + seconds:
                wait_for(lambda due=began + len(memory) + 1: time.monotonic() >= due, 5, "a second passes")
                memory.append(rig.rss_bytes())
            cpu = (rig.cpu_seconds() - cpu) / (time.monotonic() - began)
            status = wait_for(rig.status, 20, "the agent answers")
            self.assertEqual(rig.agent.stop(), 0)
            self.assertEqual(rig.sanitizer_reports(), [])
            account = rig.account()
        self.check(account)
        print(f"\n{seconds} s, agent and its processes with what the stand-in computes: {cpu:.2f} CPU s/s")
        overruns = {device["device"]: device["gaps"]["overrun"] for device in account["devices"] if "overrun" in device["gaps"]}
        if overruns:
            print(f"  too slow or too busy a machine for speed {speed}: {overruns}")
            return False
        self.check_memory(memory)
        for device in status["devices"]:
            self.assertGreater(device["cross_check"]["compared"] + device["cross_check"]["skipped"], 0)
            self.assertEqual(device["cross_check"]["beyond"], 0, device["cross_check"])
        for name, loss in losses.items():
            device = of(account, name)
            found = lost_spans(device, "usb_drop")
            self.assertEqual(found, spans(*loss, device["first"], device["end"]), name)
            self.assertEqual(set(device["gaps"]), {"usb_drop"}, name)
            self.assertEqual(device["lives"], 1)
            print(f"  {name}: {device['delivered']} samples bit for bit, {len(found)} losses of {loss[2]} ticks each, all recorded")
        return True

    def check_memory(self, rss_by_second):
        seconds = len(rss_by_second)
        for second in range(0, seconds, max(1, seconds // 6)):
            print(f"  RSS after {second + 1:2} s: {rss_by_second[second] / 1e6:6.1f} MB")
        settled, end = max(rss_by_second[seconds // 6:seconds // 2]), max(rss_by_second[seconds // 2:])
        if not SLOW:
            self.assertLess(end, settled * 1.1 + 4e6, "memory grows")

    def test_ten_times_unplugged_and_plugged_in(self):
        """Settings are kept, streaming resumes within a second after the instrument is back, the other one is not disturbed."""
        with InstrumentRig([{"devices": "js220-*", "current-range": "18mA", "rate-hz": 100000, "packed": ""}, {"devices": "*", "rate-hz": 100000, "packed": ""}],
                           ["--wave.mode", "keep"]) as rig:
            moving, still = rig.world.plug(**JS220_A), rig.world.plug(**JS110)
            rig.agent.start()
            rig.wait_for_devices([moving, still], "streaming")
            resumed = []
            for _ in range(10):
                rig.world.unplug(moving)
                rig.wait_for_devices([moving], "lost")
                samples = rig.device(moving)["samples"]
                rig.world.plug_again(moving)
                back = time.monotonic()
                wait_for(lambda: rig.device(moving)["state"] == "streaming", 10, "it streams again")
                resumed.append(time.monotonic() - back)
                wait_for(lambda: rig.device(moving)["samples"] > samples, 10, "samples come again")
            self.assertEqual(rig.agent.stop(), 0)
            self.assertEqual(rig.sanitizer_reports(), [])
            calls = rig.calls()
            account = rig.account(rate_hz=100000)
        print(f"\nresumed after {', '.join(f'{s:.2f}' for s in resumed)} s")
        self.assertLess(sorted(resumed)[len(resumed) // 2], 1.0 * slowness())  # one of them may meet a busy machine
        self.check(account)
        self.assertEqual(of(account, still)["lives"], 1)
        self.assertEqual(of(account, still)["gaps"], {})
        self.assertEqual(of(account, moving)["lives"], 11)
        self.assertEqual(of(account, moving)["gaps"]["device_lost"]["records"], 10)
        ranges = [call for call in calls if call.topic == "u/js220/001122/s/i/range/select"]
        self.assertEqual([(call.value, call.flags, call.rc) for call in ranges], [("132", 0, 0)] * 11)
        self.assertEqual([call for call in calls if "range" in call.topic and "js110" in call.topic], [])

    def test_an_agent_that_stands_still_for_half_a_minute(self):
        """A consumer that stalls costs a counted gap and bounded memory, nothing else."""
        stall = 10 if SLOW else 30
        with InstrumentRig([{"devices": "*", "packed": ""}], ["--wave.mode", "keep"]) as rig:
            names = [rig.world.plug(**JS110), rig.world.plug(**JS220_A)]
            rig.agent.start()
            rig.wait_for_devices(names, "streaming")
            before = rig.rss_bytes()
            os.kill(rig.agent.process.pid, signal.SIGSTOP)
            stopped, largest = time.monotonic(), 0
            while time.monotonic() < stopped + stall:
                largest = max(largest, rig.rss_bytes())
                wait_for(lambda due=time.monotonic() + 0.5: time.monotonic() >= due, 5, "half a second passes")
            os.kill(rig.agent.process.pid, signal.SIGCONT)
            samples = {name: rig.device(name)["samples"] for name in names}
            wait_for(lambda: all(rig.device(name)["samples"] > samples[name] + 1_000_000 for name in names), 30, "samples come again")
            self.assertEqual(rig.agent.stop(), 0)
            self.assertEqual(rig.sanitizer_reports(), [])
            account = rig.account()
        self.check(account)
        print(f"\nRSS {before / 1e6:.1f} MB before, at most {largest / 1e6:.1f} MB while it stood still")
        if not SLOW:
            self.assertLess(largest, before + 40e6)
        for name in names:
            device = of(account, name)
            self.assertEqual(device["lives"], 1)
            self.assertEqual(set(device["gaps"]), {"overrun"})
            rate = 2e6 if "js110" in name else 1e6
            lost_s = device["gaps"]["overrun"]["samples"] / rate
            print(f"  {name}: {device['gaps']['overrun']['samples']} samples lost ({lost_s:.1f} s) in {device['gaps']['overrun']['records']} records")
            self.assertGreater(lost_s, stall - 6 * slowness())
            self.assertLess(lost_s, stall + 6 * slowness())

    def test_a_killed_agent_lets_go_of_the_instruments_and_goes_on_where_their_counters_are(self):
        with InstrumentRig([{"devices": "*", "packed": ""}], ["--wave.mode", "keep"]) as rig:
            name = rig.world.plug(**JS220_A)
            rig.agent.start()
            wait_for(lambda: (rig.device(name) or {}).get("samples", 0) > 1_000_000, 20, "samples are stored")
            rig.agent.kill()
            rig.agent.start()
            rig.wait_for_devices([name], "streaming")
            samples = rig.device(name)["samples"]
            wait_for(lambda: rig.device(name)["samples"] > samples + 500_000, 20, "samples come again")
            self.assertEqual(rig.agent.stop(), 0)
            account = rig.account()
        self.check(account)
        device = of(account, name)
        self.assertEqual(device["lives"], 1)  # what is missing is counted
        self.assertEqual(device["gaps"]["restart"]["records"], 1)
        self.assertGreater(device["gaps"]["restart"]["samples"], 0)

    def test_a_driver_that_crashes_costs_its_own_instrument_a_moment(self):
        with InstrumentRig([{"devices": "*", "rate-hz": 100000, "packed": ""}], ["--wave.mode", "keep"]) as rig:
            well = rig.world.plug(**JS220_B)
            sick = rig.world.plug(**JS220_A)
            rig.agent.start()
            rig.wait_for_devices([well, sick], "streaming")
            rig.world.set(sick, "crash_at_tick", rig.sample_id_end(sick) + 1_000_000)
            rig.wait_for_event_log("device_lost", sick)
            wait_for(lambda: rig.device(sick)["state"] == "streaming", 20, "it streams again")
            samples = rig.device(sick)["samples"]
            wait_for(lambda: rig.device(sick)["samples"] > samples + 50_000, 20, "samples come again")
            self.assertEqual(rig.agent.stop(), 0)
            account = rig.account(rate_hz=100000)
        self.check(account)
        self.assertEqual(of(account, well)["gaps"], {})
        self.assertEqual(of(account, sick)["lives"], 1)
        self.assertEqual(set(of(account, sick)["gaps"]), {"device_lost"})
        self.assertTrue(any("signal 6" in note["detail"] for note in of(account, sick)["notes"]), of(account, sick)["notes"])

    def test_the_map_to_utc_steps_drifts_and_begins_without_time(self):
        with InstrumentRig([{"devices": "*", "rate-hz": 100000, "packed": ""}], []) as rig:
            stepping = rig.world.plug(**JS220_A)
            unset = rig.world.plug(**JS220_B, clock_1970=1)
            # A js110's map keeps the nominal rate and moves by 10 ms a second: twice the tolerance.
            drifting = rig.world.plug(**JS110, map_drift_ppm=10000)
            rig.agent.start()
            rig.wait_for_devices([stepping, unset, drifting], "streaming")
            rig.world.set(stepping, "map_step", f"{rig.sample_id_end(stepping) + 2_000_000}:50000000")
            rig.world.set(unset, "clock_1970", "")
            least = {stepping: 1, unset: 1, drifting: 3}
            wait_for(lambda: all(rig.device(name)["clock"]["corrections"] >= least[name] for name in least), 30, "all are corrected")
            self.assertEqual(rig.agent.stop(), 0)
            account = rig.account(rate_hz=100000)
        self.check(account)
        step = of(account, stepping)["clock_corrections"]
        self.assertEqual(len(step), 1)
        self.assertNotEqual(step[0]["before"], step[0]["after"])
        first = of(account, unset)["clock_corrections"][0]
        self.assertEqual((first["before"]["quality"], first["after"]["quality"]), (1, 3))  # unsynchronised; the instrument's own
        drift = of(account, drifting)["clock_corrections"]
        self.assertGreaterEqual(len(drift), 3)
        for earlier, later in zip(drift, drift[1:]):
            self.assertEqual(later["before"], earlier["after"])
        self.assertEqual([device["gaps"] for device in account["devices"]], [{}, {}, {}])

    def test_missing_sensor_data_is_counted_in_windows_and_kept_bit_for_bit(self):
        every, length = 1_000_000, 1000  # ticks
        with InstrumentRig([{"devices": "*", "packed": ""}], ["--wave.mode", "keep"]) as rig:
            name = rig.world.plug(**JS220_A, nan=f"every={every}/length={length}")
            rig.agent.start()
            rig.wait_for_devices([name], "streaming")
            first = rig.sample_id_end(name)
            wait_for(lambda: rig.sample_id_end(name) > first + 3 * every, 30, "they are stored")
            self.assertEqual(rig.agent.stop(), 0)
            account = rig.account()
        self.check(account)
        device = of(account, name)
        self.assertEqual(device["gaps"], {})
        missing = sum(max(0, min(at + length, device["end"]) - max(at, device["first"])) for at in range(every, device["end"], every))
        self.assertGreater(missing, 2 * length)
        self.assertEqual(device["missing"], missing // 2)  # 2 ticks a sample

    def test_an_instrument_that_disagrees_with_our_integrals_is_an_event(self):
        with InstrumentRig([{"devices": "*", "packed": ""}], []) as rig:
            name = rig.world.plug(**JS220_A, stats_scale=1.01)
            rig.agent.start()
            rig.wait_for_devices([name], "streaming")
            wait_for(lambda: rig.device(name)["cross_check"]["beyond"] > 0, 30, "the difference is found")
            self.assertEqual(rig.agent.stop(), 0)
            account = rig.account()
        self.check(account)
        self.assertTrue(any(note["note"] == "cross-check" for note in of(account, name)["notes"]))


class BadInput(unittest.TestCase):
    def run_agent(self, rig, **kwargs):
        return subprocess.run([str(word) for word in rig.agent.command], env=rig.environment, capture_output=True, text=True,
                              timeout=60 * slowness(), check=False, **kwargs)

    def test_no_driver_another_library_and_an_old_driver_end_with_what_to_install(self):
        for library, words in (("/nowhere/libjsdrv.so", "/nowhere/libjsdrv.so"), ("libm.so.6", "is not a Joulescope driver")):
            with InstrumentRig([{"devices": "*"}], library=library) as rig:
                ended = self.run_agent(rig)
                self.assertEqual(ended.returncode, 3, ended.stderr)
                self.assertIn(words, ended.stderr)
                self.assertIn("docs/joulescope.md", ended.stderr)
        with InstrumentRig([{"devices": "*"}]) as rig:
            rig.world.set_driver("version", "0x02000002")
            ended = self.run_agent(rig)
            self.assertEqual(ended.returncode, 3, ended.stderr)
            self.assertIn("has version 2.0.2", ended.stderr)

    def test_simulated_devices_need_no_driver(self):
        with InstrumentRig([], ["--device", "source=simulated,model=js220,serial=1"], library="/nowhere/libjsdrv.so") as rig:
            rig.agent.start()
            rig.wait_for_devices(["js220-1"], "streaming")
            self.assertEqual(rig.agent.stop(), 0)

    def test_settings_that_no_instrument_has_are_refused_before_anything_starts(self):
        for device, words in (({"devices": "js110-*", "rate-hz": 300}, "rate-hz = 300: a js110 has 1, 2, 5"),
                              ({"devices": "js220-*", "current-range": "2A"}, "current-range = 2A: a js220 has"),
                              ({"devices": "js320-1", "voltage-range": "5V"}, "voltage-range = 5V: a js320 has"),
                              ({"devices": "js110-1", "current-range": "30A"}, "current-range = \"30A\": must be"),
                              ({"devices": "ppk2-*"}, "no device id begins like that")):
            with InstrumentRig([device]) as rig:
                ended = self.run_agent(rig)
                self.assertEqual(ended.returncode, 2, ended.stderr)
                self.assertIn(words, ended.stderr)

    def test_one_that_is_not_there_one_that_is_deaf_and_one_without_permission_hold_up_nobody(self):
        with InstrumentRig([{"devices": "js220-999999;js110-000456;js220-001122;js220-001133", "packed": ""}]) as rig:
            good, deaf = rig.world.plug(**JS220_A), rig.world.plug(**JS110, deaf=1)
            closed = rig.world.plug(**JS220_B, open_rc=-3)
            rig.agent.start()
            rig.wait_for_devices([good], "streaming")
            rig.wait_for_devices([deaf, closed, "js220-999999"], "trouble")
            self.assertIn("is not connected", rig.device("js220-999999")["detail"])
            self.assertIn("does not answer", rig.device(deaf)["detail"])
            self.assertIn("udev rule", rig.device(closed)["detail"])
            listed = subprocess.run([build_dir() / "bin" / "joulespool", "device", "list", "--json", "--spool", rig.spool], env=rig.environment,
                                    capture_output=True, text=True, check=False)
            self.assertEqual(listed.returncode, 0, listed.stderr)
            self.assertEqual({device["id"]: device["state"] for device in json.loads(listed.stdout)["devices"]},
                             {good: "streaming", deaf: "trouble", closed: "trouble", "js220-999999": "trouble"})
            self.assertEqual(rig.agent.stop(timeout_s=30), 0)

    def test_two_agents_on_one_device(self):
        with InstrumentRig([{"devices": "*", "packed": ""}]) as first:
            name = first.world.plug(**JS220_A)
            first.agent.start()
            first.wait_for_devices([name], "streaming")
            with InstrumentRig([{"devices": "*", "packed": ""}], world=first.world) as second:
                second.agent.start()
                second.wait_for_devices([name], "trouble")
                self.assertIn("another program holds it", second.device(name)["detail"])
                self.assertEqual(first.agent.stop(), 0)
                second.wait_for_devices([name], "streaming")  # by itself, as soon as it is free
                self.assertEqual(second.agent.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
