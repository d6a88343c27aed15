#!/usr/bin/python3
"""What goes wrong around the promise, on real parts: full disks, damaged frames, foreign messages, two agents, no broker."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from rig import Rig, build_dir, problems_in, slowness, wait_for  # noqa: E402


def js220(seconds, rate_hz=100_000, serial="001122"):
    return f"source=simulated,model=js220,serial={serial},seed=5,load=cpu,duration-s={seconds},rate-hz={rate_hz}"


def run(*words, environment=None):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, env=environment, timeout=60 * slowness())


def agent():
    return build_dir() / "bin" / "joulespool"


class BadInput(unittest.TestCase):
    def settle(self, rig):
        rig.wait_until_drained()
        self.assertEqual(rig.agent.stop(), 0)
        self.assertEqual(rig.bridge.stop(), 0)
        self.assertEqual(rig.sanitizer_reports(), [])
        account = rig.account()
        self.assertEqual(problems_in(account), [])
        return account["devices"][0]

    def test_no_broker_is_no_reason_to_stop(self):
        with Rig([js220(3)]) as rig:
            rig.broker.process.kill()
            rig.bridge.start()
            rig.agent.start()
            rig.wait_for_status(lambda status: status["spool"]["queued_frames"] > 3, 30, "frames are spooled")
            said = run(agent(), "status", "--spool", rig.spool)
            self.assertEqual(said.returncode, 0, said.stderr)
            self.assertIn("broker not connected", said.stdout)
            rig.broker.start()
            self.assertEqual(self.settle(rig)["lost"], 0)

    def test_a_second_agent_on_the_same_spool_is_refused(self):
        with Rig([js220(2)]) as rig:
            rig.bridge.start()
            rig.agent.start()
            wait_for(rig.status, 20, "the first agent answers")
            second = run(*rig.agent.command, environment=rig.environment)
            self.assertEqual(second.returncode, 3)
            self.assertIn(str(rig.agent.process.pid), second.stderr)
            self.assertEqual(self.settle(rig)["lost"], 0)

    def test_settings_that_cannot_be_are_refused_with_file_and_line(self):
        with Rig([js220(1)]) as rig:
            path = rig.folder / "bad.toml"
            path.write_text('host = "h"\n[spool]\nbudget-byte = 5\ncommit-window-ms = "soon"\n[wave]\nmode = "sometimes"\n')
            refused = run(agent(), "config", "check", path, environment=rig.environment)
            self.assertEqual(refused.returncode, 2)
            for text in ("bad.toml:3", "budget-bytes", "bad.toml:4", "bad.toml:6", "off, keep or upload"):
                self.assertIn(text, refused.stderr)

    def test_a_full_disk_costs_a_gap_record_and_nothing_else(self):
        seconds = 6
        with Rig([js220(seconds, rate_hz=1_000_000)], ["--wave.mode", "upload"]) as rig:
            rig.spool.mkdir()
            mounted = run("mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", rig.spool)
            if mounted.returncode != 0:
                self.skipTest(f"NOT TESTED: a full disk needs the right to mount a small file system: {mounted.stderr.strip()}")
            try:
                rig.broker.process.kill()
                rig.bridge.start()
                rig.agent.start()
                rig.wait_for_status(lambda status: status["spool"].get("error"), 60, "the disk is full, and the status says so")
                rig.broker.start()
                device = self.settle(rig)
                self.assertEqual(set(device["gaps"]), {"disk_full"})
                self.assertGreater(device["delivered"], 0)
            finally:
                rig.agent.kill()
                run("umount", rig.spool)

    def test_a_spool_over_its_budget_drops_the_oldest_waveform_and_keeps_all_energy(self):
        seconds = 8
        with Rig([js220(seconds, rate_hz=1_000_000)], ["--wave.mode", "upload", "--spool.budget-bytes", "16MiB"]) as rig:
            rig.broker.process.kill()
            rig.bridge.start()
            rig.agent.start()
            rig.wait_until_ended(60)
            rig.broker.start()
            rig.wait_until_drained()
            self.assertEqual(rig.agent.stop(), 0)
            self.assertEqual(rig.bridge.stop(), 0)
            account = rig.account()
            self.assertEqual(problems_in(account), [])
            device = account["devices"][0]
            self.assertEqual(set(device["gaps"]), {"evicted"})
            self.assertEqual(device["lost"], 0)  # of windows nothing is lost
            self.assertEqual(device["delivered"], device["made"])
            self.assertLess(device["delivered_wave"], device["made"])

    def test_damaged_frames_in_the_spool_are_set_aside_with_a_gap_record(self):
        with Rig([js220(3)], ["--wave.mode", "upload"]) as rig:
            rig.broker.process.kill()
            rig.bridge.start()
            rig.agent.start()
            rig.wait_until_ended(60)
            rig.agent.stop()
            self.damage_a_wave_frame(rig.spool)
            verified = run(agent(), "spool", "verify", "--spool", rig.spool)
            self.assertEqual(verified.returncode, 1, verified.stdout + verified.stderr)
            rig.broker.start()
            rig.agent.start()
            device = self.settle(rig)
            self.assertEqual(set(device["gaps"]), {"corrupt"})
            self.assertEqual(device["lost"], 0)
            self.assertEqual(len(list((rig.spool / "quarantine").iterdir())), 1)

    def damage_a_wave_frame(self, spool):
        """Changes bytes on the medium, more than a page of the log has beside its content: in a frame that is followed by 20,000
        bytes without another one."""
        for log in sorted(spool.glob("segment-*.db-wal")):
            content = bytearray(log.read_bytes())
            begins = [match.start() for match in re.finditer(b"JSF1", content)]
            large = [begin for begin, end in zip(begins, begins[1:]) if end - begin > 20_000]
            if len(large) > 2:
                at = large[len(large) // 2] + 10_000
                content[at:at + 64] = bytes(byte ^ 1 for byte in content[at:at + 64])
                log.write_bytes(content)
                return
        self.fail("no log has frames of lane wave")

    def test_foreign_messages_are_counted_kept_aside_and_hurt_nobody(self):
        with Rig([js220(4)]) as rig:
            rig.bridge.start()
            rig.agent.start()
            rig.wait_for_status(lambda status: status["uplink"]["frames_acked"] > 0, 30, "frames arrive")
            part = self.part_of("stranger")
            for payload in (b"hello", b"JSF1", b"JSF2" + bytes(100), b"JSF1" + bytes(100), os.urandom(1000)):
                sent = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(rig.broker.port), "-q", "1", "-V", "5", "-s", "-t",
                                       f"joulespool/v1/data/{part:02x}/stranger/stat"], input=payload, check=False, timeout=20)
                self.assertEqual(sent.returncode, 0)
            dead = rig.folder / "dead-letters"
            wait_for(lambda: dead.is_dir() and len(list(dead.glob("*.frame"))) >= 5, 20, "what is no frame is kept aside")
            self.assertEqual(self.settle(rig)["lost"], 0)
            reasons = {path.name.split("-", 3)[-1] for path in dead.glob("*.frame")}
            self.assertGreater(len(reasons), 2, reasons)

    @staticmethod
    def part_of(host):
        value = 2166136261
        for byte in host.encode():
            value = (value ^ byte) * 16777619 % 2 ** 32
        return value % 64


if __name__ == "__main__":
    unittest.main(verbosity=2)
