#!/usr/bin/python3
"""The disk under a running agent falls ill and recovers: the agent says so, in its log and its status, tries again and goes on by
itself; what was measured meanwhile is in a frame or in a gap record."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from kill_test import Lives  # noqa: E402
from loop_disk import LoopDisk, have_own_mounts, run  # noqa: E402
from rig import build_dir, slowness, status_of, wait_for  # noqa: E402


class SickDisk(unittest.TestCase):
    SECONDS = 8

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="joulespool-sick-"))

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def status(self, lives):
        lives.agent.check()
        return status_of(lives.spool) or self.last_status  # the socket goes with the disk

    def wait_for_status(self, lives, condition, what):
        self.last_status = None

        def met():
            status = self.status(lives)
            return status if status and condition(status) else None
        return wait_for(met, 30, lambda: f"{what}; status: {self.status(lives)}")

    def live_through(self, lives, fall_ill, recover, word, socket_stays=True):
        """One agent, one illness, no restart."""
        duration_s = self.SECONDS * slowness()
        lives.start(duration_s)
        try:
            self.wait_for_status(lives, lambda status: status["spool"]["queued_frames"] > 0, "frames are stored")
            fall_ill()
            wait_for(lambda: "spool_commit_failed" in lives.agent.log_text(), 20, "the log says so")
            if socket_stays:
                sick = self.wait_for_status(lives, lambda status: status["spool"]["error"] and status["spool"]["commits_failed"] > 0
                                            and any(device["overrun_samples"] for device in status["devices"]), "the status says so")
                self.assertIn(word, sick["spool"]["error"])
                said = subprocess.run([build_dir() / "bin" / "joulespool", "status", "--spool", lives.spool], capture_output=True,
                                      text=True, env=lives.environment, check=False)
                self.assertIn("last error: ", said.stdout)
            else:
                until = time.monotonic() + 1.5 * slowness()
                wait_for(lambda: time.monotonic() > until, 5, "the ring runs over")
            self.assertIn(word, lives.agent.log_text())
            recover()
            wait_for(lambda: "spool_recovered" in lives.agent.log_text(), 20, "it goes on by itself")
            self.wait_for_status(lives, lambda status: not status["spool"]["error"]
                                 and all(device["state"] == "ended" for device in status["devices"]), "all devices ended")
            self.assertEqual(lives.agent.stop(), 0)
        finally:
            lives.agent.kill()
        verified = subprocess.run([build_dir() / "bin" / "joulespool", "spool", "verify", "--spool", lives.spool], capture_output=True,
                                  text=True, env=lives.environment, check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        account = lives.account(duration_s)
        self.assertEqual(account["problems"], [])
        for device in account["devices"]:
            self.assertEqual(device["problems"], [], device["device"])
            self.assertEqual(device["unaccounted"], 0)
            self.assertIn("overrun", device["gaps"])
            self.assertLessEqual(set(device["gaps"]), {"overrun", "disk_full"})

    def lives(self):
        lives = Lives(self.folder)
        lives.flags = ["--capture.ring-ms", "300"]
        return lives

    def live_with_faults(self, number, word):
        library = build_dir() / "tests" / "libdisk_faults.so"
        if slowness() > 1 or not library.exists():
            self.skipTest("NOT TESTED: the library that makes calls fail cannot be loaded before a sanitizer's")
        lives = self.lives()
        sick = lives.spool.with_name("spool.sick")
        lives.environment |= {"LD_PRELOAD": str(library), "DISK_FAULTS": str(lives.spool)}
        self.live_through(lives, lambda: sick.write_text(str(number)), sick.unlink, word)

    def test_a_file_system_that_became_read_only(self):
        self.live_with_faults(1, "Read-only file system")

    def test_a_disk_that_fails_every_call(self):
        self.live_with_faults(2, "rror")

    def test_a_disk_that_is_unmounted_and_mounted_again(self):
        try:
            have_own_mounts()
        except OSError as refused:
            self.skipTest(f"NOT TESTED: mounting is not permitted here: {refused}")
        lives = self.lives()
        with LoopDisk(self.folder / "disk", 64) as disk:
            lives.spool = disk.path / "spool"
            self.live_through(lives, lambda: run("umount", "-l", disk.path),
                              lambda: run("mount", f"/dev/{disk.loop}", disk.path), "unmounted", socket_stays=False)
            run("sync")


if __name__ == "__main__":
    unittest.main(verbosity=2)
