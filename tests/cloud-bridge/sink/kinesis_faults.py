#!/usr/bin/python3
"""The sink (argument: the program kinesis_tool) behind a proxy that verifies like AWS and fails on demand."""
import json
import os
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import kinesis_emulator  # noqa: E402
import kinesis_proxy  # noqa: E402

import boto3  # noqa: E402
import botocore.config  # noqa: E402

TOOL = sys.argv.pop(1)
PATIENT_MS = 30_000  # the machine may be busy
IMPATIENT_MS = 1_000


class Tool:
    """One running kinesis_tool: its connection and what it learnt of the clock stay over commands."""

    def __init__(self, endpoint, stream, timeout_ms, **environment):
        self.process = subprocess.Popen([TOOL, endpoint, stream, str(timeout_ms)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env={**kinesis_emulator.aws_environment(), **environment})

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def put(self, records=10, size=1000, key="js220-000001"):
        return self.ask(f"put {records} {size} {key}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class KinesisFaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.emulator = kinesis_emulator.KinesisEmulator().start()

    @classmethod
    def tearDownClass(cls):
        cls.emulator.stop()

    def setUp(self):
        self.proxy = self.start_proxy()
        self.stream = self._testMethodName[:100]
        self.boto = self.boto_client(self.emulator.endpoint)
        self.boto.create_stream(StreamName=self.stream, ShardCount=1)
        self.wait_until_active()
        self.tool = self.start_tool(self.proxy)

    def wait_until_active(self):
        deadline = time.monotonic() + 10
        while self.boto.describe_stream(StreamName=self.stream)["StreamDescription"]["StreamStatus"] != "ACTIVE":
            self.assertLess(time.monotonic(), deadline)

    def start_proxy(self, **options):
        proxy = kinesis_proxy.KinesisProxy(self.emulator.endpoint, **options).start()
        self.addCleanup(proxy.stop)
        return proxy

    def start_tool(self, proxy, timeout_ms=PATIENT_MS, **environment):
        tool = Tool(proxy.endpoint, self.stream, timeout_ms, **environment)
        self.addCleanup(tool.close)
        return tool

    def boto_client(self, endpoint, secret=kinesis_emulator.SECRET_KEY):
        client = boto3.client("kinesis", endpoint_url=endpoint, region_name=kinesis_emulator.REGION,
                              aws_access_key_id=kinesis_emulator.ACCESS_KEY, aws_secret_access_key=secret,
                              config=botocore.config.Config(retries={"total_max_attempts": 1}))
        self.addCleanup(client.close)
        return client

    def stored(self):
        """Numbers of the records in the stream, as boto3 reads them from the emulator."""
        iterator = self.boto.get_shard_iterator(StreamName=self.stream, ShardId="shardId-000000000000",
                                                ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        return [int(record["Data"][:8]) for record in self.boto.get_records(ShardIterator=iterator)["Records"]]

    def assert_fails(self, answer, code="unreachable"):
        self.assertEqual(answer.get("code"), code, answer)

    def assert_well(self):
        self.assertEqual(self.tool.put()["outcomes"], "s" * 10)
        self.assertEqual(self.proxy.bad_signatures, [])
        self.assertEqual(self.proxy.limit_violations, [])

    def test_every_request_has_a_signature_that_botocore_gives_too(self):
        for size, count in ((0, 1), (1, 500), (100, 500), (122880, 40), (1048000, 5)):
            self.assertEqual(self.tool.put(count, size)["outcomes"], "s" * count)
        read = self.tool.ask("read")
        self.assertEqual(len(read["numbers"]), 1046)
        self.assertEqual(read["damaged"], 0)
        self.assert_well()
        counters = self.proxy.counters()
        self.assertEqual(counters["records_forwarded"], 1056)
        self.assertEqual(counters["records_refused"], 0)
        self.assertGreaterEqual(counters["requests"], 8)

    def test_what_boto3_reads_is_what_was_put(self):
        self.tool.put(20)
        self.assertEqual(self.stored(), list(range(20)))

    def test_a_client_killed_in_the_middle_of_a_request_costs_the_emulator_nothing(self):
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", self.emulator.port)) as client:
                client.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n" + bytes(5000))
            self.assertEqual(self.tool.put()["outcomes"], "s" * 10)
        self.emulator.check()
        self.assertEqual(len(self.stored()), 100)

    def test_a_session_token_is_signed_too(self):
        tool = self.start_tool(self.proxy, AWS_SESSION_TOKEN="FwoGZXIvYXdzEXAMPLE//token==")
        self.assertEqual(tool.put()["outcomes"], "s" * 10)
        self.assertEqual(self.proxy.bad_signatures, [])

    def test_wrong_keys_are_refused_and_said(self):
        tool = self.start_tool(self.proxy, AWS_SECRET_ACCESS_KEY="wrong")
        answer = tool.put()
        self.assert_fails(answer, "usage")
        self.assertIn("InvalidSignatureException", answer["error"])
        self.assertEqual(self.proxy.bad_signatures[0][0], "PutRecords")
        self.assertEqual(self.stored(), [])

    def test_the_proxy_refuses_wrong_signatures_of_others_and_passes_right_ones(self):
        self.boto_client(self.proxy.endpoint).list_shards(StreamName=self.stream)
        self.assertEqual(self.proxy.bad_signatures, [])
        with self.assertRaises(Exception):
            self.boto_client(self.proxy.endpoint, "wrong").list_shards(StreamName=self.stream)
        self.assertEqual(len(self.proxy.bad_signatures), 1)

    def test_a_clock_that_is_an_hour_off_costs_one_request(self):
        for offset_s in (3600, -3600):
            proxy = self.start_proxy(clock_offset_s=offset_s)
            tool = self.start_tool(proxy)
            for _ in range(3):
                self.assertEqual(tool.put()["outcomes"], "s" * 10)
            self.assertEqual(len(proxy.bad_signatures), 1)

    def test_refused_connections_are_unreachable_until_they_are_not(self):
        self.assert_well()
        self.proxy.set_mode("refuse")
        for _ in range(2):
            self.assert_fails(self.tool.put())
        self.proxy.set_mode("ok")
        self.assert_well()

    def test_server_errors_are_unreachable(self):
        for mode in ("http_500", "http_503", "throttle_all"):
            self.proxy.set_mode(mode)
            self.assert_fails(self.tool.put())
        self.assertEqual(self.stored(), [])
        self.proxy.set_mode("ok")
        self.assert_well()

    def test_partial_failures_are_said_per_record_in_order(self):
        self.proxy.set_mode("partial", probability=0.4, seed=7)
        expected = []
        for request in range(5):
            outcomes = self.tool.put(100)["outcomes"]
            self.assertEqual(set(outcomes), {"s", "t"})
            expected += [request * 100 + i for i, outcome in enumerate(outcomes) if outcome == "s"]
        self.assertEqual(self.stored(), expected)
        counters = self.proxy.counters()
        self.assertEqual(counters["records_forwarded"], len(expected))
        self.assertEqual(counters["records_refused"], 500 - len(expected))
        self.proxy.set_mode("partial", probability=1.0, seed=1)
        self.assertEqual(self.tool.put(10)["outcomes"], "t" * 10)

    def test_the_same_seed_refuses_the_same_records(self):
        outcomes = []
        for _ in range(2):
            self.proxy.set_mode("partial", probability=0.5, seed=11)
            outcomes.append(self.tool.put(50)["outcomes"])
        self.assertEqual(outcomes[0], outcomes[1])

    def test_an_answer_that_is_lost_says_nothing_though_the_records_are_stored(self):
        self.proxy.set_mode("accept_then_drop")
        self.assert_fails(self.tool.put(10))
        self.assertEqual(sorted(set(self.stored())), list(range(10)))
        self.proxy.set_mode("ok")
        self.assert_well()

    def test_a_slow_server_ends_with_the_timeout(self):
        self.proxy.set_mode("slow", ms=60_000)
        begin = time.monotonic()
        self.assert_fails(self.start_tool(self.proxy, IMPATIENT_MS).put())
        self.assertLess(time.monotonic() - begin, PATIENT_MS / 1000)
        self.proxy.set_mode("ok")
        self.assert_well()

    def test_a_slow_server_in_time_is_well(self):
        self.proxy.set_mode("slow", ms=50)
        self.assertEqual(self.tool.put()["outcomes"], "s" * 10)

    def test_the_proxy_is_fast_enough_for_system_tests(self):
        answers = [self.tool.put(40, 122880) for _ in range(20)]
        rate = 20 * 40 * 122880 / sum(answer["seconds"] for answer in answers) / 1e6
        print(f"through the verifying proxy: {rate:.0f} MB/s", flush=True)
        self.assertEqual(self.proxy.bad_signatures, [])


if __name__ == "__main__":
    unittest.main()
