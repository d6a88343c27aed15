#!/usr/bin/python3
"""The spool of a host that died: its copy is sent to a broker by `joulespool spool push`, from a directory and from a read-only
medium, damaged, refused and interrupted. Real agent, broker, bridge and Kinesis emulator."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from rig import HOST, Rig, build_dir, problems_in, slowness, wait_for  # noqa: E402

SECONDS = 3
RATE_HZ = 100_000


def js220(serial):
    return f"source=simulated,model=js220,serial={serial},seed=5,load=cpu,duration-s={SECONDS},rate-hz={RATE_HZ}"


DEVICES = [js220("001122"), js220("003344")]


def program():
    return str(build_dir() / "bin" / "joulespool")


def spool(*words, environment=None):
    return subprocess.run([program(), "spool", *map(str, words)], capture_output=True, text=True, check=False, env=environment,
                          timeout=60 * slowness())


def answer_of(done):
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


class Push(unittest.TestCase):
    def dead_host(self, rig):
        """A copy of the spool of an agent that never had a broker and was killed when it had everything."""
        rig.broker.process.kill()
        rig.agent.start()
        rig.wait_until_ended(60)
        rig.wait_for_status(lambda status: all(device["samples"] == SECONDS * RATE_HZ for device in status["devices"]), 20,
                            "all samples are in the spool")
        rig.agent.kill()
        copy = rig.folder / "card"
        shutil.copytree(rig.spool, copy, ignore=lambda _, names: [name for name in names if name == "control.sock"])
        rig.broker.start()
        rig.bridge.start()
        return copy

    def check_kinesis(self, rig):
        """Everything is in Kinesis, each frame once, under the host's identity."""
        self.assertEqual(rig.bridge.stop(), 0)
        account = rig.account()
        self.assertEqual(problems_in(account), [])
        for device in account["devices"]:
            self.assertEqual(device["delivered"], SECONDS * RATE_HZ)
            self.assertEqual((device["lost"], device["duplicate_frames"]), (0, 0))
        return account

    def lost_windows(self, account):
        """Samples that were made and are in no window that arrived: all of them are in gap records."""
        self.assertEqual(problems_in(account), [])
        return sum(device["made"] - device["delivered"] for device in account["devices"])

    def push(self, rig, copy, *flags):
        return spool("push", "--spool", copy, "--broker", rig.broker.uri, "--timeout", f"{int(30 * slowness())}s", "--json", *flags,
                     environment=rig.environment)

    def test_a_dead_hosts_copy_arrives_once_and_leaves_the_copy(self):
        with Rig(DEVICES) as rig:
            copy = self.dead_host(rig)
            listed = answer_of(spool("list", "--spool", copy, "--json"))
            done = self.push(rig, copy)
            self.assertEqual(done.returncode, 0, done.stderr)
            pushed = answer_of(done)
            self.assertEqual((pushed["host"], pushed["end"]), (HOST, "all_settled"))
            self.assertEqual(pushed["delivered"], listed["queued_frames"])
            self.assertTrue(pushed["removed"])
            self.assertEqual(answer_of(spool("list", "--spool", copy, "--json"))["queued_frames"], 0)
            self.assertEqual(spool("verify", "--spool", copy).returncode, 0)
            again = self.push(rig, copy)
            self.assertEqual((again.returncode, answer_of(again)["frames"]), (0, 0))
            self.check_kinesis(rig)

    def test_a_read_only_medium_is_sent_and_stays_as_it_is(self):
        with Rig(DEVICES) as rig:
            copy = self.dead_host(rig)
            before = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in copy.rglob("*"))
            mounted = subprocess.run(["mount", "--bind", "-o", "ro", copy, copy], capture_output=True, text=True, check=False)
            if mounted.returncode != 0:
                self.skipTest(f"NOT TESTED: a read-only medium needs the right to mount: {mounted.stderr.strip()}")
            try:
                for verb in ("list", "show", "stat", "verify"):
                    self.assertEqual(spool(verb, "--spool", copy).returncode, 0, verb)
                purge = spool("purge", "--spool", copy, "--all", "--yes")
                self.assertEqual(purge.returncode, 3, purge.stderr)
                done = self.push(rig, copy)
            finally:
                subprocess.run(["umount", copy], check=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertFalse(answer_of(done)["removed"])
            self.assertEqual(before, sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in copy.rglob("*")))
            self.check_kinesis(rig)

    def test_it_waits_for_the_broker_and_survives_its_end(self):
        with Rig(DEVICES) as rig:
            copy = self.dead_host(rig)
            rig.broker.process.kill()
            away = spool("push", "--spool", copy, "--broker", rig.broker.uri, "--timeout", "1s", environment=rig.environment)
            self.assertEqual(away.returncode, 3)
            self.assertIn("the broker cannot be reached", away.stderr)
            push = subprocess.Popen([program(), "spool", "push", "--spool", copy, "--broker", rig.broker.uri], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, env=rig.environment)
            self.assertIn("waiting: the broker cannot be reached", push.stderr.readline())
            second = self.push(rig, copy)
            self.assertEqual(second.returncode, 3)
            self.assertIn(f"is used by process {push.pid}", second.stderr)
            rig.broker.start()
            _, err = push.communicate(timeout=120 * slowness())
            self.assertEqual(push.returncode, 0, err)
            self.check_kinesis(rig)

    def test_ctrl_c_ends_it_orderly(self):
        with Rig(DEVICES) as rig:
            copy = self.dead_host(rig)
            rig.broker.process.kill()
            push = subprocess.Popen([program(), "spool", "push", "--spool", copy, "--broker", rig.broker.uri], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, env=rig.environment)
            push.stderr.readline()  # it waits
            push.send_signal(signal.SIGINT)
            out, err = push.communicate(timeout=30 * slowness())
            self.assertEqual(push.returncode, 1, err)
            self.assertIn("the next push goes on from here", err)
            self.assertIn("0 of ", out)
            rig.broker.start()
            self.assertEqual(self.push(rig, copy).returncode, 0)
            self.check_kinesis(rig)

    def test_damaged_frames_are_set_aside_and_their_gap_records_arrive(self):
        with Rig(DEVICES) as rig:
            copy = self.dead_host(rig)
            damage_a_frame(copy)
            self.assertEqual(spool("verify", "--spool", copy).returncode, 1)
            done = self.push(rig, copy)
            self.assertEqual(done.returncode, 1, done.stderr)
            pushed = answer_of(done)
            self.assertGreater(pushed["damaged"], 0)
            self.assertEqual(pushed["set_aside"], pushed["damaged"])
            self.assertEqual(pushed["delivered"] + pushed["damaged"], pushed["frames"])
            self.assertEqual(rig.bridge.stop(), 0)
            account = rig.account()
            self.assertGreater(self.lost_windows(account), 0)
            self.assertEqual({reason for device in account["devices"] for reason in device["gaps"]}, {"corrupt"})

    def test_a_running_agent_sends_its_spool_itself(self):
        with Rig(DEVICES) as rig:
            rig.bridge.start()
            rig.agent.start()
            wait_for(rig.status, 20, "the agent answers")
            for verb in (["push", "--broker", rig.broker.uri], ["purge", "--all", "--yes"], ["repair", "--into", rig.folder / "new"]):
                refused = spool(*verb, "--spool", rig.spool, environment=rig.environment)
                self.assertEqual(refused.returncode, 3, refused.stderr)
                self.assertIn(f"is used by process {rig.agent.process.pid}", refused.stderr)
            for verb in ("list", "show", "stat", "verify"):
                self.assertEqual(spool(verb, "--spool", rig.spool).returncode, 0, verb)
            rig.wait_until_drained()
            self.assertEqual(rig.agent.stop(), 0)
            self.check_kinesis(rig)

    def test_purged_frames_are_gap_records_in_kinesis(self):
        with Rig(DEVICES) as rig:
            copy = self.dead_host(rig)
            self.assertEqual(self.ask(copy, b"no\n"), 1)
            self.assertEqual(self.ask(copy, b"yes\n"), 0)
            self.assertEqual(spool("verify", "--spool", copy).returncode, 0)
            self.assertEqual(self.push(rig, copy).returncode, 0)
            self.assertEqual(rig.bridge.stop(), 0)
            account = rig.account()
            self.assertEqual(self.lost_windows(account), SECONDS * RATE_HZ)
            purged, whole = account["devices"]
            self.assertEqual((purged["delivered"], set(purged["gaps"])), (0, {"evicted"}))
            self.assertEqual((whole["delivered"], whole["gaps"]), (SECONDS * RATE_HZ, {}))

    def ask(self, copy, answer):
        """What `spool purge` of one device's windows ends with if a person answers so on a terminal."""
        person, terminal = pty.openpty()
        purge = subprocess.Popen([program(), "spool", "purge", "--spool", copy, "--device", "js220-001122", "--lane", "stat"],
                                 stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal)
        os.close(terminal)
        said = b""
        while b"Type yes to go on" not in said:
            said += os.read(person, 4096)
        self.assertIn(b"were never sent and will be lost", said)
        os.write(person, answer)
        code = purge.wait(60 * slowness())
        os.close(person)
        return code


def damage_a_frame(copy):
    """Flips a bit inside a frame in the middle of the log that holds most; a page may be there more than once."""
    log = max(copy.glob("segment-*.db-wal"), key=lambda path: path.stat().st_size)
    data = log.read_bytes()
    frames = [match.start() for match in re.finditer(b"JSF1", data)
              if int.from_bytes(data[match.start() + 8:match.start() + 12], "little") > 1000]  # bytes of payload
    inside = frames[len(frames) // 2] + 500
    part = data[inside:inside + 32]
    log.write_bytes(data.replace(part, bytes([part[0] ^ 1]) + part[1:]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
