#!/usr/bin/python3
"""Signs random requests with ours (argument: the program sigv4_tool) and with botocore: the same signature every time.

Another seed: JOULESPOOL_TEST_SEED.
"""
import base64
import datetime
import json
import os
import random
import string
import subprocess
import sys
import unittest

import botocore.auth
import botocore.awsrequest
import botocore.credentials

TOOL = sys.argv.pop(1)
SEED = int(os.environ.get("JOULESPOOL_TEST_SEED", "20260102"))
BLANKS = [" ", "  ", "\t", " \t "]
WORDS = ["a", "x-amz-json-1.1", "100%", "q;v=1", "Ünïcödé", "電力", "a,b", '"quoted"', "\U0001f50b", "=", "'"]
# Prefixes of one another, names around '-' in the order of characters, mixed case, names that are not signed.
NAMES = ["x", "x-amz", "x-amz-a", "x-amz-a-b", "X-Amz-A-B-C", "x-amza", "content-type", "Content-Type-Extra", "content",
         "x-amz-target", "X-AMZ-TARGET-2", "range", "accept", "user-agent", "Expect", "x-amzn-trace-id", "zz_top", "a1", "a-1"]


def random_value(rng):
    text = "".join(rng.choice(WORDS) + rng.choice(BLANKS + [""]) for _ in range(rng.randrange(5)))
    return rng.choice(["", " ", "\t"]) + text


def random_path(rng):
    pieces = ["a", "b%20c", ".", "..", "", "~user", "x_y", "%C3%A4", "a+b", "a=b", "a:b@c", "(1)", "!$&'*"]
    return "/" + "/".join(rng.choice(pieces) for _ in range(rng.randrange(6)))


def random_query(rng):
    pairs = [rng.choice(["a", "b", "a-b", "A", "%20", "c=", "d=1", "d=0", "a=2", "a=1", "a=%2F", "z=x=y", ""])
             for _ in range(rng.randrange(5))]
    return "&".join(pairs)


def random_request(rng):
    letters = string.ascii_letters + string.digits + "/+="
    scheme = rng.choice(["http", "https"])
    host = rng.choice(["127.0.0.1", "kinesis.eu-central-1.amazonaws.com", "Example.ORG", "[::1]", "a-b.c"])
    port = rng.choice(["", "", ":80", ":443", ":4567", ":65535"])
    query = random_query(rng)
    names = [rng.choice(NAMES) for _ in range(rng.randrange(8))]
    second = rng.randrange(0, 4102444800)
    return {
        "method": rng.choice(["POST", "GET", "PUT"]),
        "url": f"{scheme}://{host}{port}{rng.choice([random_path(rng), '', '/'])}{'?' + query if query else ''}",
        "headers": [[name, random_value(rng)] for name in names],
        "body": base64.b64encode(rng.randbytes(rng.choice([0, 0, 1, 63, 64, 65, 1000, 100000]))).decode(),
        "access_key": "AKID" + "".join(rng.choices(string.ascii_uppercase, k=rng.randrange(1, 17))),
        "secret_key": "".join(rng.choices(letters, k=rng.choice([1, 40, 60, 64, 100]))),
        "token": rng.choice(["", "".join(rng.choices(letters, k=rng.randrange(1, 1000)))]),
        "region": rng.choice(["eu-central-1", "us-east-1", "cn-north-1"]),
        "service": rng.choice(["kinesis", "sts"]),
        "time_ns": second * 10**9 + rng.randrange(10**9),
    }


def sign_with_botocore(request):
    stamp = datetime.datetime.fromtimestamp(request["time_ns"] // 10**9, datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aws = botocore.awsrequest.AWSRequest(method=request["method"], url=request["url"], data=base64.b64decode(request["body"]))
    for name, value in request["headers"]:
        aws.headers[name] = value
    aws.headers["X-Amz-Date"] = stamp
    if request["token"]:
        aws.headers["X-Amz-Security-Token"] = request["token"]
    aws.context["timestamp"] = stamp
    credentials = botocore.credentials.Credentials(request["access_key"], request["secret_key"], request["token"] or None)
    auth = botocore.auth.SigV4Auth(credentials, request["service"], request["region"])
    signature = auth.signature(auth.string_to_sign(aws, auth.canonical_request(aws)), aws)
    signed = auth.signed_headers(auth.headers_to_sign(aws))
    return stamp, f"AWS4-HMAC-SHA256 Credential={auth.scope(aws)}, SignedHeaders={signed}, Signature={signature}"


class SigV4AgainstBotocore(unittest.TestCase):
    def setUp(self):
        self.tool = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def tearDown(self):
        self.tool.stdin.close()
        self.assertEqual(self.tool.wait(10), 0)
        self.tool.stdout.close()

    def sign_with_ours(self, request):
        self.tool.stdin.write(json.dumps(request) + "\n")
        self.tool.stdin.flush()
        return json.loads(self.tool.stdout.readline())

    def test_random_requests_get_the_same_signature(self):
        rng = random.Random(SEED)
        for number in range(1500):
            request = random_request(rng)
            with self.subTest(seed=SEED, number=number, request={**request, "body": len(request["body"])}):
                ours = self.sign_with_ours(request)
                stamp, authorization = sign_with_botocore(request)
                self.assertEqual(ours.get("x-amz-date"), stamp, ours)
                self.assertEqual(ours["authorization"], authorization)
                self.assertEqual(ours.get("x-amz-security-token", ""), request["token"])

    def test_the_comparison_would_see_a_difference(self):
        request = random_request(random.Random(SEED))
        _, authorization = sign_with_botocore(request)
        self.assertNotEqual(self.sign_with_ours({**request, "secret_key": request["secret_key"] + "x"})["authorization"],
                            authorization)


if __name__ == "__main__":
    unittest.main()
