"""Readers on a real stream over HTTP: both digests, and what tail, export and check say of it."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import boto3

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import joulespool_reader as jr  # noqa: E402
from kinesis_emulator import REGION, KinesisEmulator, aws_environment  # noqa: E402

TOOLS = pathlib.Path(os.environ["JOULESPOOL_TEST_TOOLS"])
BRIDGE = pathlib.Path(os.environ["JOULESPOOL_BRIDGE"])
STREAM = "odd"


class RealStream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = cls.enterClassContext(KinesisEmulator())
        cls.environment = aws_environment()
        os.environ.update({name: cls.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")})
        cls.client = boto3.client("kinesis", endpoint_url=cls.emulator.endpoint, region_name=REGION)
        cls.client.create_stream(StreamName=STREAM, ShardCount=3)
        deadline = time.monotonic() + 20
        while cls.client.describe_stream(StreamName=STREAM)["StreamDescription"]["StreamStatus"] != "ACTIVE":
            assert time.monotonic() < deadline, "the stream does not become active"
        cls.directory = cls.enterClassContext(tempfile.TemporaryDirectory())
        subprocess.run([TOOLS / "write_odd_frames", cls.directory], check=True)
        for data in jr.frames_from_directory(cls.directory):
            cls.client.put_record(StreamName=STREAM, Data=data, PartitionKey=jr.read_frame(data).header.device.id)

    def bridge(self, *arguments):
        where = ["--kinesis.endpoint", self.emulator.endpoint, "--kinesis.region", REGION, "--kinesis.stream", STREAM]
        return self.run_tool(BRIDGE, arguments[0], *where, *arguments[1:])

    def run_tool(self, *command):
        environment = dict(self.environment, PYTHONPATH=os.environ["PYTHONPATH"])
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    def test_both_readers_find_in_the_stream_what_was_written(self):
        where = ["--stream", STREAM, "--endpoint", self.emulator.endpoint, "--region", REGION]
        written = self.run_tool(TOOLS / "digest_tool", "--directory", self.directory)
        ours = self.run_tool(TOOLS / "digest_tool", *where)
        python = self.run_tool("/usr/bin/python3", jr.__file__, *where, "digest")
        self.assertEqual([written.returncode, ours.returncode, python.returncode], [0, 0, 0], python.stderr)
        self.assertEqual(ours.stdout, written.stdout)
        self.assertEqual(python.stdout, written.stdout)
        self.assertGreater(len(written.stdout.splitlines()), 8)

    def test_check_names_what_is_missing(self):
        run = self.bridge("check", "--device", "js110-000002", "--json")
        self.assertEqual(run.returncode, 1, run.stderr)
        answer = json.loads(run.stdout)
        self.assertFalse(answer["complete"])
        self.assertIn({"epoch": f"{1:016x}", "lane": "wave", "seq_first": 2, "seq_last": 2}, answer["missing_frames"])
        self.assertIn((1, 11), [(each["sample_id_first"], each["sample_id_end"]) for each in answer["missing_samples"]])
        self.assertEqual(answer["stream"]["duplicates"], 1)
        self.assertIn("NOT complete", self.bridge("check", "--device", "js110-000002").stdout)

    def test_check_of_an_unknown_device_or_an_absent_kinesis(self):
        self.assertEqual(self.bridge("check", "--device", "js220-9").returncode, 1)
        self.assertEqual(self.bridge("check").returncode, 2)
        self.assertEqual(self.bridge("check", "--device", "js220-9", "--from", "yesterday").returncode, 2)
        self.assertEqual(self.bridge("check", "--device", "js220-9", "--kinesis.stream", "absent").returncode, 2)
        self.assertEqual(self.bridge("check", "--device", "js220-9", "--kinesis.endpoint", "http://127.0.0.1:1").returncode, 3)

    def test_export_of_samples_gives_every_float_back(self):
        run = self.bridge("export", "--what", "samples", "--device", "js220-000001", "--sample-from", "1000000",
                          "--sample-to", "1020000", "--label", "run=7", "--label", "build=")
        self.assertEqual(run.returncode, 0, run.stderr)
        rows = [line.split(",") for line in run.stdout.splitlines()]
        self.assertEqual(rows[0], ["utc", "device", "sample_id", "i_a", "v_v", "p_w"])
        samples = jr.collect(jr.frames_from_directory(self.directory))["js220-000001"].samples(first=1000000, end=1020000)
        self.assertEqual([int(row[2]) for row in rows[1:]], list(samples.sample_id))
        for column, values in ((3, samples.i), (4, samples.v), (5, samples.p)):
            read = [jr.np.float32(row[column]) for row in rows[1:]]
            self.assertTrue(jr.np.array_equal(jr.np.array(read), values, equal_nan=True))

    def test_export_of_windows(self):
        run = self.bridge("export", "--device", "js220-000001")
        self.assertEqual(run.returncode, 0, run.stderr)
        header, *rows = [line.split(",") for line in run.stdout.splitlines()]
        windows = jr.collect(jr.frames_from_directory(self.directory))["js220-000001"].windows()
        for name in ("i_sum", "v_sum", "p_sum", "i2_sum", "v2_sum"):
            self.assertEqual([int(row[header.index(name)]) for row in rows], list(windows[name]))
        self.assertEqual(self.bridge("export", "--device", "js220-000001", "--label", "run=8").stdout.count("\n"), 1)

    def test_tail_shows_every_device(self):
        run = self.bridge("tail", "--from-oldest", "--rounds", "1", "--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        lines = {line["device"]: line for line in map(json.loads, run.stdout.splitlines())}
        self.assertEqual(set(lines), {"js110-000002", "js220-000001"})
        self.assertEqual(lines["js220-000001"]["duplicates"], 1)
        self.assertEqual(lines["js220-000001"]["gaps"], 2)
        self.assertGreater(lines["js110-000002"]["samples_per_s"], 0)


if __name__ == "__main__":
    unittest.main()
