#!/usr/bin/python3
"""Kinesis' HTTP API on loopback: kinesalite under node, for tests and the demo.

As a class:    with KinesisEmulator() as emulator: ... emulator.endpoint ...
As a command:  kinesis_emulator.py [--npm DIR] [--port N] [--port-file FILE] [-- command ...]
               Runs the command with KINESIS_ENDPOINT set, and AWS_* set where they are not, and ends with its exit code.
               Without a command: runs until SIGINT or SIGTERM.

kinesalite is looked for in --npm, then in JOULESPOOL_NPM, then in build/npm/node_modules of this source tree.
"""
import argparse
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
ACCESS_KEY = "AKIDEMULATOR"
SECRET_KEY = "emulator-secret"
REGION = "eu-central-1"


class EmulatorError(RuntimeError):
    """The emulator cannot be started; says why."""


def find_kinesalite(npm=None):
    """The path of kinesalite's program, or an EmulatorError that says where it was looked for."""
    folder = npm or os.environ.get("JOULESPOOL_NPM") or os.path.join(TREE, "build", "npm", "node_modules")
    program = os.path.join(folder, "kinesalite", "cli.js")
    if not os.path.isfile(program):
        raise EmulatorError(
            f"the Kinesis emulator is not installed: {program} does not exist; "
            "`npm install --prefix build/npm --no-save kinesalite@3.3.3` in the source tree installs it, "
            "JOULESPOOL_NPM names another node_modules")
    return program


def aws_environment(endpoint=None, environment=None):
    """A copy of the environment with credentials and region of the emulator where none are set."""
    result = dict(os.environ if environment is None else environment)
    if not result.get("AWS_ACCESS_KEY_ID"):
        result.update(AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY)
        result.pop("AWS_SESSION_TOKEN", None)
    if not result.get("AWS_REGION"):
        result["AWS_REGION"] = result.get("AWS_DEFAULT_REGION") or REGION
    if endpoint:
        result["KINESIS_ENDPOINT"] = endpoint
    return result


class KinesisEmulator:
    """One kinesalite process. Its streams live in its memory and end with it."""

    def __init__(self, npm=None, port=0, create_stream_ms=50, shard_limit=200):
        self._program = find_kinesalite(npm)
        self._arguments = ["--createStreamMs", str(create_stream_ms), "--deleteStreamMs", "50", "--updateStreamMs", "50",
                           "--shardLimit", str(shard_limit)]
        self._wanted_port = port
        self._process = None
        self._log = None
        self.port = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self._process.pid if self._process else None

    def start(self, timeout_s=20.0):
        """Returns when it answers."""
        environment = dict(os.environ, LOOPBACK_PORT=str(self._wanted_port))
        environment.pop("NODE_OPTIONS", None)
        self._log = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                ["node", "--max-old-space-size=4096", "-r", os.path.join(HERE, "kinesis_emulator", "preload.js"), self._program,
                 *self._arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, start_new_session=True)
        except FileNotFoundError as error:
            raise EmulatorError("the Kinesis emulator needs node, which is not installed") from error
        self.port = self._read_port(time.monotonic() + timeout_s)
        return self

    def _read_port(self, deadline):
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                self._fail("did not say its address in time")
            byte = os.read(self._process.stdout.fileno(), 1)
            if not byte:
                self._fail("ended at once")
            line += byte
        return int(line.rsplit(b":", 1)[1])

    def _fail(self, why):
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip()
        raise EmulatorError(f"the Kinesis emulator {why}: {said}")

    def check(self):
        """EmulatorError if it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            self._fail("ended by itself")

    def stop(self):
        """Ends the process; does nothing if it is not running."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def run_command(command, environment):
    """Runs it, passes SIGTERM and SIGINT on to it, returns its exit code as a shell would."""
    process = subprocess.Popen(command, env=environment)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    code = process.wait()
    return code if code >= 0 else 128 - code


def main():
    parser = argparse.ArgumentParser(description="Kinesis' HTTP API on 127.0.0.1, for tests.")
    parser.add_argument("--npm", help="node_modules with kinesalite")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--port-file", help="is written (whole, by rename) when the emulator answers")
    parser.add_argument("command", nargs="*", help="after --: runs while the emulator runs")
    options = parser.parse_args()
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    try:
        with KinesisEmulator(npm=options.npm, port=options.port) as emulator:
            if options.port_file:
                with open(options.port_file + ".new", "w", encoding="ascii") as file:
                    file.write(f"{emulator.port}\n")
                os.replace(options.port_file + ".new", options.port_file)
            if options.command:
                return run_command(options.command, aws_environment(emulator.endpoint))
            asked_to_stop.wait()
            return 0
    except EmulatorError as error:
        print(f"kinesis_emulator: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
