#!/usr/bin/python3
"""The promise, on real parts: whatever fails on the way, every sample is in Kinesis or in a gap record, and energy is exact.

Real mosquitto, a real Kinesis emulator over HTTP, real processes, SIGKILL. After each scenario the whole stream is read back
and compared bit for bit with what the devices measured, by the C++ reader and by the Python one.
JOULESPOOL_SEED chooses the moments of the last scenario; it is printed.
"""
import os
import pathlib
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from rig import REGION, STREAM, TOP, Rig, build_dir, problems_in, slowness, wait_for  # noqa: E402

SECONDS = 6.0  # of the devices' time, per scenario


def devices(seconds=SECONDS, faults="") -> list:
    """A simulated JS110 at full rate and a replayed real JS220 recording; slower where the programs are instrumented."""
    slow = slowness() > 1
    data = TOP / "tests" / "data"
    js110 = f"source=simulated,model=js110,serial=000456,seed=11,load=sleep-ble,duration-s={seconds}"
    js220 = (f"source=replay,model=js220,serial=001122,current-file={data}/js220-ble-event.i.f32,"
             f"voltage-file={data}/js220-ble-event.v.f32,power-file={data}/js220-ble-event.p.f32,loop=true,duration-s={seconds}")
    if slow:
        js110, js220 = js110 + ",rate-hz=100000", js220 + ",rate-hz=100000"
    return [js110 + (f",faults={faults}" if faults else ""), js220]


class Promise(unittest.TestCase):
    def run_rig(self, disturb, expect_gaps=(), possible_gaps=(), proxy=False, faults="", seconds=SECONDS, agent_flags=()):
        """Runs agent and bridge, calls disturb(rig) meanwhile, drains, and settles the account. The reasons of gap records are
        those of expect_gaps, and perhaps some of possible_gaps."""
        with Rig(devices(seconds, faults), ["--wave.mode", "upload", "--uplink.ack-timeout-ms", "1500", *agent_flags], proxy=proxy) as rig:
            rig.bridge.start()
            rig.agent.start()
            disturb(rig)
            if not rig.bridge.running():
                rig.bridge.start()
            if not rig.agent.running():
                rig.agent.start()
            rig.wait_until_drained()
            self.assertEqual(rig.agent.stop(), 0)
            self.assertEqual(rig.bridge.stop(), 0)
            self.assertEqual(rig.sanitizer_reports(), [])
            account = rig.account()
            self.assertEqual(problems_in(account), [])
            reasons = {reason for device in account["devices"] for reason in device["gaps"]}
            self.assertLessEqual(set(expect_gaps), reasons)
            self.assertLessEqual(reasons, set(expect_gaps) | set(possible_gaps))
            self.assertEqual({device["energy_source_units"] for device in account["devices"]},
                             {device["energy_cloud_units"] for device in account["devices"]})
            self.check_spool_is_whole(rig)
            self.check_readers_agree(rig)
            if rig.proxy is not None:
                self.assertEqual(rig.proxy.counters()["bad_signatures"], 0)
            return account

    def check_spool_is_whole(self, rig):
        verified = subprocess.run([build_dir() / "bin" / "joulespool", "spool", "verify", "--spool", rig.spool], capture_output=True, text=True,
                                  check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def check_readers_agree(self, rig):
        """The Python reader, written from the format's documents alone, gives the same digests as the C++ one."""
        environment = dict(rig.environment, PYTHONPATH=str(build_dir() / "python"))
        where = ["--endpoint", rig.emulator.endpoint, "--region", REGION, "--stream", STREAM]
        python = subprocess.run(["/usr/bin/python3", TOP / "cloud-bridge/reader/python/joulespool_reader.py", *where, "digest"],
                                env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(python.returncode, 0, python.stderr)
        ours = subprocess.run([build_dir() / "tests" / "digest_tool", *where], env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(ours.returncode, 0, ours.stderr)
        self.assertEqual(python.stdout, ours.stdout)
        self.assertGreater(len(python.stdout.splitlines()), 3)

    def wait_until_streaming(self, rig, acked=20):
        rig.wait_for_status(lambda status: status["uplink"]["frames_acked"] >= acked, 30, "frames are acked")

    def test_1_clean_run(self):
        account = self.run_rig(lambda rig: None)
        self.assertEqual([device["lost"] for device in account["devices"]], [0, 0])

    def test_2_broker_killed_and_restarted_with_an_empty_store(self):
        def disturb(rig):
            self.wait_until_streaming(rig)
            rig.broker.process.kill()
            rig.wait_for_status(lambda status: not status["uplink"]["connected"], 20, "the agent notices that the broker is gone")
            rig.wait_for_status(lambda status: status["spool"]["queued_frames"] > 0, 20, "frames wait in the spool")
            rig.broker.start()
        self.run_rig(disturb)

    def test_3_bridge_killed_with_frames_in_flight(self):
        def disturb(rig):
            self.wait_until_streaming(rig)
            rig.bridge.freeze()  # so that they are still in flight when it is killed
            rig.wait_for_status(lambda status: status["uplink"]["unacked_frames"] > 0, 20, "frames are in flight")
            rig.bridge.kill()
            rig.wait_for_status(lambda status: not status["uplink"]["bridge_online"], 20, "the agent learns that the bridge is gone")
            rig.bridge.start()
        self.run_rig(disturb)

    def test_4_agent_killed(self):
        def disturb(rig):
            self.wait_until_streaming(rig)
            rig.agent.kill()
            rig.agent.start()
        account = self.run_rig(disturb, expect_gaps={"restart"})
        for device in account["devices"]:
            self.assertGreater(device["lost"], 0)

    def test_5_kinesis_refuses_fails_and_throttles(self):
        def disturb(rig):
            self.wait_until_streaming(rig)
            for mode, parameters in (("refuse", {}), ("http_500", {}), ("accept_then_drop", {}), ("partial", {"probability": 0.3, "seed": 7})):
                before = rig.proxy.counters()["requests"]
                rig.proxy.set_mode(mode, **parameters)
                if mode == "refuse":
                    rig.wait_for_status(lambda status: not status["uplink"]["bridge_accepting"], 30, "the bridge says that Kinesis is away")
                else:
                    wait_for(lambda: rig.proxy.counters()["requests"] >= before + 4, 90, f"requests meet the mode {mode}")  # pauses of up to 10 s
            rig.proxy.set_mode("ok")
        account = self.run_rig(disturb, proxy=True, seconds=2 * SECONDS)  # requests must meet every mode
        self.assertGreater(sum(device["duplicate_frames"] for device in account["devices"]), 0)

    def test_7_a_budget_for_waveforms(self):
        """Every sample is accounted for and energy is exact, whatever of the waveform the budget leaves; and it holds."""
        budget = 100_000

        def disturb(rig):
            self.wait_until_streaming(rig)
            rig.agent.kill()
            rig.agent.start()
        account = self.run_rig(disturb, expect_gaps={"restart"}, agent_flags=("--wave.budget-bytes-per-s", str(budget)))
        for device in account["devices"]:
            rate_hz = 100_000 if slowness() > 1 else 2_000_000 if device["device"].startswith("js110") else 1_000_000
            runs = 2  # each of them may have carried over a second's worth
            self.assertLessEqual(device["wave_bytes"], budget * (device["delivered_wave"] / rate_hz + runs))
            self.assertEqual(device["delivered_wave"], device["delivered"])
        lowered = [ticks for ticks in account["devices"][0]["wave_frames_by_decimation"] if ticks not in ("1", "2", "20")]
        self.assertTrue(lowered, account["devices"][0]["wave_frames_by_decimation"])

    def test_6_everything_at_once(self):
        seed = int(os.environ.get("JOULESPOOL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)

        def disturb(rig):
            self.wait_until_streaming(rig)
            ends = time.monotonic() + SECONDS * slowness()
            while time.monotonic() < ends:
                what = chance.choice(["broker", "bridge", "agent", "kinesis"])
                if what == "broker":
                    rig.broker.process.kill()
                    rig.broker.start()
                elif what == "bridge":
                    rig.bridge.kill()
                    rig.bridge.start()
                elif what == "agent":
                    rig.agent.kill()
                    rig.agent.start()
                else:
                    mode = chance.choice([("refuse", {}), ("http_500", {}), ("partial", {"probability": 0.5, "seed": seed}),
                                          ("accept_then_drop", {})])
                    rig.proxy.set_mode(mode[0], **mode[1])
                self.stand_for(chance.uniform(0.2, 1.2) * slowness())
            rig.proxy.set_mode("ok")
        self.run_rig(disturb, expect_gaps={"usb_drop"}, possible_gaps={"restart", "device_lost"}, proxy=True,
                     faults="drop:every=700000/length=1260;lose:every=5000000/length=200000")

    def stand_for(self, seconds):
        """Lets a disturbance last: the passing of time is the condition here."""
        ends = time.monotonic() + seconds
        wait_for(lambda: time.monotonic() >= ends, seconds + 1, "time passes")


if __name__ == "__main__":
    unittest.main(verbosity=2)
