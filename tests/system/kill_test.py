#!/usr/bin/python3
"""kill -9, over and over: real agents on one spool, each killed at a random moment of its life (starting, committing, making room in
a small budget) and started again. In the end every sample that the devices measured is in a frame or in a gap record, and no
sequence number ever stood for two contents.

JOULESPOOL_KILLS: how many (200; the survival run takes 500). JOULESPOOL_SEED: the seed of the moments, printed."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from loopback_port import free_port  # noqa: E402
from rig import Process, build_dir, sanitizer_reports_in, slowness, status_of, wait_for  # noqa: E402

DEVICES = 3
START_S = 0.08  # about as long as an agent needs to be there


class Lives:
    def __init__(self, folder: pathlib.Path):
        self.folder, self.spool = folder, folder / "spool"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("JOULESPOOL_")}
        self.origin_utc_s = round(time.time() + 1 + slowness(), 3)
        self.port = free_port()  # nobody listens there
        self.contents = {}  # of every frame ever seen
        self.agent = None
        # Windows of 0.1 ms fill the budget of 16 MiB soon, so that there is room to be made.
        self.flags = ["--spool.budget-bytes", "16MiB", "--spool.commit-window-ms", "15", "--stat.window-us", "100",
                      "--wave.mode", "upload", "--wave.rate-hz", "10000"]

    def devices(self, duration_s=0.0):
        rate_hz = int(200_000 / slowness())
        for number in range(DEVICES):
            duration = f",duration-s={duration_s:.3f}" if duration_s else ""
            yield from ("--device", f"source=simulated,model=js220,serial=00000{number},seed={number},load=cpu,rate-hz={rate_hz},"
                                    f"origin=@{self.origin_utc_s:.3f}{duration}")

    def start(self, duration_s=0.0):
        self.agent = Process("agent", self.folder, [
            build_dir() / "bin" / "joulespool", "run", "--host", "rig-1", "--mqtt.uri", f"tcp://127.0.0.1:{self.port}",
            "--spool.directory", self.spool, *self.flags, *self.devices(duration_s)], self.environment)
        return self.agent.start()

    def begin(self):
        """The first life sees the first samples of each device: of what is measured before, nobody could know."""
        self.start()

        def stored():
            self.agent.check()
            return len({name.split()[0] for name in self.look() if " stat " in name}) == DEVICES
        wait_for(stored, 30, "the first windows of each device are stored")
        self.agent.kill()

    def live(self, seconds):
        """One life, cut off. AssertionError if it ended by itself."""
        agent = self.start()
        try:
            agent.process.wait(seconds * slowness())
        except subprocess.TimeoutExpired:
            agent.kill()
            return
        agent.check()

    def look(self):
        """Each frame that is stored now is the one that was seen under its name before."""
        answer = subprocess.run([build_dir() / "tests" / "frame_names", self.spool], capture_output=True, text=True, check=False)
        if answer.returncode not in (0, 1):
            raise AssertionError(f"the spool cannot be read: {answer.stderr}")
        for line in answer.stdout.splitlines():
            name, content, intact = line.rsplit(" ", 2)
            if intact != "intact":
                raise AssertionError(f"{name} is damaged")
            if self.contents.setdefault(name, content) != content:
                raise AssertionError(f"{name} stood for two contents")
        return answer.stdout.splitlines()

    def settle(self):
        """The last life ends as it should."""
        duration_s = round(time.time() + 1.5 * slowness() - self.origin_utc_s, 3)
        self.start(duration_s)

        def ended():
            self.agent.check()
            status = status_of(self.spool)
            return status and all(device["state"] == "ended" for device in status["devices"])
        wait_for(ended, 30, "all devices ended")
        status = status_of(self.spool)
        code = self.agent.stop()
        return duration_s, status, code

    def account(self, duration_s):
        answer = subprocess.run([build_dir() / "tests" / "account", "--spool", self.spool, *self.devices(duration_s)],
                                env=self.environment, capture_output=True, text=True, check=False)
        if answer.returncode not in (0, 1):
            raise AssertionError(f"account: exit {answer.returncode}: {answer.stderr}")
        return json.loads(answer.stdout)


class Kills(unittest.TestCase):
    def test_agents_that_are_killed_at_any_moment_lose_no_sample_without_a_record(self):
        kills = int(os.environ.get("JOULESPOOL_KILLS") or 200 / slowness())
        seed = int(os.environ.get("JOULESPOOL_SEED") or random.SystemRandom().randrange(1, 1 << 31))
        print(f"seed {seed}, {kills} kills", flush=True)
        chance = random.Random(seed)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="joulespool-kills-"))
        lives = Lives(folder)
        try:
            lives.begin()
            for number in range(kills):
                in_start = chance.random() < 0.25
                lives.live(chance.uniform(0, START_S) if in_start else START_S + chance.uniform(0, 0.25))
                with self.subTest(life=number):
                    lives.look()
            duration_s, status, code = lives.settle()
            self.assertEqual(code, 0)
            self.assertEqual(sanitizer_reports_in(lives.agent.log_text()), [])
            self.check_end(lives, kills, duration_s, status)
        except BaseException:
            lives.agent.kill()
            print(f"kept for a look: {folder}", file=sys.stderr)
            raise
        shutil.rmtree(folder, ignore_errors=True)

    def check_end(self, lives, kills, duration_s, status):
        names = lives.look()
        numbers = sorted(int(name.split()[3]) for name in names if " event " in name and name.startswith("js220-000000"))
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))  # events are never dropped
        self.assertEqual(len({name.split()[1] for name in names}), 1)  # a kill is no reason for a new epoch
        verified = subprocess.run([build_dir() / "bin" / "joulespool", "spool", "verify", "--spool", lives.spool], capture_output=True,
                                  text=True, env=lives.environment, check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.assertLessEqual(status["spool"]["disk_bytes"], status["spool"]["budget_bytes"])
        account = lives.account(duration_s)
        devices = account["devices"]
        print(f"survived: kill -9 of agents; {kills} of {kills}; {sum(device['made'] for device in devices)} samples, "
              f"unaccounted {sum(device['unaccounted'] for device in devices)}; {len(devices)} devices, "
              f"{sum(device['lost'] for device in devices)} samples in gap records", flush=True)
        self.assertEqual(account["problems"], [])
        for device in account["devices"]:
            self.assertEqual(device["problems"], [], device["device"])
            self.assertEqual(device["unaccounted"], 0)
            self.assertLessEqual(set(device["gaps"]), {"restart", "evicted", "overrun"})
            print(f"{device['device']}: {device['made']} samples, {device['delivered']} in windows, {device['delivered_wave']} in waveforms, "
                  f"{device['gaps']}", flush=True)
        self.check_canary(lives, duration_s)

    def check_canary(self, lives, duration_s):
        """The account sees what is gone: the largest segment. The smallest hold nothing but events."""
        largest = max(lives.spool.glob("segment-*.db-wal"), key=lambda log: log.stat().st_size)
        for file in lives.spool.glob(largest.name.removesuffix("-wal") + "*"):
            file.unlink()
        unaccounted = sum(device["unaccounted"] for device in lives.account(duration_s)["devices"])
        print(f"canary: a segment that is gone in silence; seen {int(unaccounted > 0)} of 1; unaccounted {unaccounted}", flush=True)
        self.assertGreater(unaccounted, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
