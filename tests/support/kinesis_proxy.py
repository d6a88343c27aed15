"""A proxy before the Kinesis emulator that is as strict as AWS and can be told to fail.

    with KinesisEmulator() as emulator, KinesisProxy(emulator.endpoint) as proxy:
        proxy.set_mode("partial", probability=0.3, seed=7)
        ... requests to proxy.endpoint ...
        assert not proxy.bad_signatures

Every request's signature is computed again by botocore from the request's own headers; a wrong one is remembered and answered
with 403, as is a time that is more than five minutes off. PutRecords above the limits is answered with 400.

Modes:
  ok                          passes on
  refuse                      the listening socket and all connections are closed: connects are refused
  http_500, http_503          every request is answered so
  throttle_all                every request is answered with ProvisionedThroughputExceededException
  partial(probability, seed)  so much of the records of PutRecords is refused, each with ProvisionedThroughputExceededException;
                              the others are passed on
  accept_then_drop            passes on, then resets the connection instead of answering: stored, but the client cannot know
  slow(ms)                    passes on after that time, or at once when the mode changes
"""
import datetime
import http.client
import http.server
import json
import random
import re
import socket
import struct
import sys
import threading
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from kinesis_emulator import ACCESS_KEY, REGION, SECRET_KEY
from loopback_port import free_port

RECORDS_MAX = 500
REQUEST_BYTES_MAX = 5 * 1024 * 1024
RECORD_BYTES_MAX = 1024 * 1024
CLOCK_TOLERANCE_S = 300
UPSTREAM_IDLE_MAX_S = 2.0  # node closes idle connections after 5 s; ours is renewed before that
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/kinesis/aws4_request, "
                           r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")
MODES = ("ok", "refuse", "http_500", "http_503", "throttle_all", "partial", "accept_then_drop", "slow")
THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException",
             "ErrorMessage": "Rate exceeded for shard shardId-000000000000 in stream under account 000000000000."}


def signature_problem(headers, path, body, secrets, region, now_s):
    """Why AWS would refuse this request: (error type, message), or None."""
    match = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if not match:
        return "IncompleteSignatureException", "no well-formed Authorization header"
    access_key, date, scope_region, signed, signature = match.groups()
    signed_names = signed.split(";")
    must_be_signed = {"host"} | {name.lower() for name in headers.keys() if name.lower().startswith("x-amz-")}
    if not must_be_signed <= set(signed_names) or "x-amz-date" not in signed_names:
        return "InvalidSignatureException", f"not signed: {sorted(must_be_signed - set(signed_names))}"
    stamp = headers["x-amz-date"]
    if access_key not in secrets:
        return "UnrecognizedClientException", "The security token included in the request is invalid."
    if scope_region != region or date != stamp[:8]:
        return "InvalidSignatureException", "Credential should be scoped to a valid region and date."
    signed_at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    if abs(signed_at - now_s) > CLOCK_TOLERANCE_S:
        return "InvalidSignatureException", f"Signature expired: {stamp} is not within 5 min of now"
    request = botocore.awsrequest.AWSRequest(method="POST", url=f"http://{headers['host']}{path}", data=body)
    for name, value in headers.items():
        if name.lower() in signed_names:
            request.headers[name] = value
    request.context["timestamp"] = stamp
    auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(access_key, secrets[access_key]), "kinesis", region)
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if expected != signature:
        return "InvalidSignatureException", "The request signature we calculated does not match the signature you provided."
    return None


def decoded_size(text):
    return len(text) * 3 // 4 - text[-2:].count("=")


def limit_problem(request):
    """Why AWS would refuse this PutRecords request, or None."""
    records = request["Records"]
    sizes = [decoded_size(record["Data"]) + len(record["PartitionKey"].encode()) for record in records]
    if not 1 <= len(records) <= RECORDS_MAX:
        return f"{len(records)} records in a request"
    if max(sizes) > RECORD_BYTES_MAX:
        return f"a record of {max(sizes)} bytes"
    if sum(sizes) > REQUEST_BYTES_MAX:
        return f"a request of {sum(sizes)} bytes"
    return None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy = None  # set by the subclass that KinesisProxy makes

    def setup(self):
        super().setup()
        self._upstream = None
        self._upstream_used_s = 0.0
        self.proxy.connection_made(self.connection)

    def finish(self):
        self.proxy.connection_lost(self.connection)
        if self._upstream:
            self._upstream.close()
        super().finish()

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.proxy.clock_offset_s if timestamp is None else timestamp)

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        operation = self.headers.get("x-amz-target", "").rpartition(".")[2]
        mode, parameters, mode_changed = self.proxy.begin_request(len(body))
        problem = signature_problem(self.headers, self.path, body, self.proxy.secrets, self.proxy.region,
                                    time.time() + self.proxy.clock_offset_s)
        if problem:
            self.proxy.remember_bad_signature(operation, problem)
            return self.answer_error(403, *problem)
        if mode == "slow":
            mode_changed.wait(parameters["ms"] / 1000.0)
        if mode == "http_500":
            return self.answer_error(500, "InternalFailure", "internal error")
        if mode == "http_503":
            return self.answer(503, b"<html>Service Unavailable</html>", "text/html")
        if mode == "throttle_all":
            return self.answer_error(400, "ProvisionedThroughputExceededException", "Rate exceeded")
        if operation == "PutRecords":
            return self.put_records(body, mode, parameters)
        return self.finish_request(mode, *self.forward(body))

    def put_records(self, body, mode, parameters):
        request = json.loads(body)
        excess = limit_problem(request)
        if excess:
            self.proxy.remember_limit_violation(excess)
            return self.answer_error(400, "InvalidArgumentException", excess)
        records = request["Records"]
        refused = self.proxy.choose_refused(len(records)) if mode == "partial" else set()
        if refused:
            status, answer = self.put_some(request, refused)
        else:
            status, answer = self.forward(body)
        self.proxy.count_records(len(records) - len(refused) if status == 200 else 0, len(refused))
        return self.finish_request(mode, status, answer)

    def put_some(self, request, refused):
        """Passes on what is not refused; the answers in the order of the records."""
        records = request["Records"]
        passed = [record for i, record in enumerate(records) if i not in refused]
        outcomes = []
        if passed:
            status, answer = self.forward(json.dumps({**request, "Records": passed}).encode())
            if status != 200:
                return status, answer
            outcomes = json.loads(answer)["Records"]
        left = iter(outcomes)
        merged = [THROTTLED if i in refused else next(left) for i in range(len(records))]
        failed = sum("ErrorCode" in outcome for outcome in merged)
        return 200, json.dumps({"FailedRecordCount": failed, "Records": merged}).encode()

    def forward(self, body):
        """The emulator's (status, body)."""
        if self._upstream and time.monotonic() - self._upstream_used_s > UPSTREAM_IDLE_MAX_S:
            self._upstream.close()
            self._upstream = None
        if not self._upstream:
            self._upstream = http.client.HTTPConnection(self.proxy.upstream_netloc, timeout=60)
            self._upstream.connect()
            self._upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length", "expect")}
        try:
            self._upstream.request("POST", self.path, body=body, headers=headers)
            response = self._upstream.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._upstream.close()
            self._upstream = None
            return 503, json.dumps({"__type": "ServiceUnavailable", "message": f"emulator: {error!r}"}).encode()
        self._upstream_used_s = time.monotonic()
        return response.status, answer

    def finish_request(self, mode, status, answer):
        if mode == "accept_then_drop":
            self.proxy.reset(self.connection)
            self.close_connection = True
        else:
            self.answer(status, answer)

    def answer_error(self, status, error_type, message):
        self.answer(status, json.dumps({"__type": error_type, "message": message}).encode())

    def answer(self, status, body, content_type="application/x-amz-json-1.1"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self._headers_buffer.append(b"\r\n")
        head = b"".join(self._headers_buffer)
        self._headers_buffer = []
        self.wfile.write(head + body)


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def shutdown_request(self, request):
        reset = struct.pack("ii", 1, 0)
        if request.fileno() >= 0 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == reset:
            self.close_request(request)  # without the orderly end that comes first otherwise
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ValueError, TimeoutError)):  # ValueError: closed under the reader
            super().handle_error(request, client_address)


class KinesisProxy:
    """Threads of this process. All members may be called from any thread."""

    def __init__(self, upstream, port=0, secrets=None, region=REGION, clock_offset_s=0.0):
        self.upstream_netloc = urllib.parse.urlsplit(upstream).netloc
        self.secrets = dict(secrets or {ACCESS_KEY: SECRET_KEY})
        self.region = region
        self.clock_offset_s = clock_offset_s  # how far AWS' clock is ahead of ours
        self.port = port or free_port()
        self.bad_signatures = []   # (operation, (error type, message))
        self.limit_violations = []
        self._lock = threading.Lock()
        self._mode = ("ok", {})
        self._mode_changed = threading.Event()
        self._random = random.Random(0)
        self._counters = dict.fromkeys(("requests", "records_forwarded", "records_refused", "bytes"), 0)
        self._connections = set()
        self._server = None
        self._thread = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._open()
        return self

    def stop(self):
        self._mode_changed.set()
        self._close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def set_mode(self, mode, **parameters):
        """In force from the next request on; see the top of this file."""
        if mode not in MODES:
            raise ValueError(f"mode {mode}: must be one of {MODES}")
        with self._lock:
            self._mode = (mode, parameters)
            self._random = random.Random(parameters.get("seed", 0))
            self._mode_changed.set()
            self._mode_changed = threading.Event()
        if mode == "refuse":
            self._close()
        elif self._server is None:
            self._open()

    def counters(self):
        """Requests, records passed on and refused, bytes of request bodies; wrong signatures and limits as numbers."""
        with self._lock:
            return {**self._counters, "bad_signatures": len(self.bad_signatures), "limit_violations": len(self.limit_violations)}

    # What follows is for the handlers.

    def begin_request(self, size):
        with self._lock:
            self._counters["requests"] += 1
            self._counters["bytes"] += size
            return *self._mode, self._mode_changed

    def count_records(self, forwarded, refused):
        with self._lock:
            self._counters["records_forwarded"] += forwarded
            self._counters["records_refused"] += refused

    def remember_bad_signature(self, operation, problem):
        with self._lock:
            self.bad_signatures.append((operation, problem))

    def remember_limit_violation(self, excess):
        with self._lock:
            self.limit_violations.append(excess)

    def choose_refused(self, count):
        with self._lock:
            probability = self._mode[1].get("probability", 0.0)
            return {i for i in range(count) if self._random.random() < probability}

    def connection_made(self, connection):
        with self._lock:
            self._connections.add(connection)
            if self._server is None:  # accepted just before the end
                connection.shutdown(socket.SHUT_RDWR)

    def connection_lost(self, connection):
        with self._lock:
            self._connections.discard(connection)

    @staticmethod
    def reset(connection):
        """The connection's close sends RST."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _open(self):
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def _close(self):
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # gone already
