"""The whole system on loopback, for system tests, the demo and benchmarks: broker, Kinesis emulator, bridge and agent as real
processes on free ports, all stopped by the pid they were started with."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE))

from kinesis_emulator import REGION, KinesisEmulator, aws_environment  # noqa: E402
from loopback_port import free_port  # noqa: E402

STREAM = "joulespool"
HOST = "rig-1"


def build_dir() -> pathlib.Path:
    return pathlib.Path(os.environ.get("JOULESPOOL_BUILD", TOP / "build" / "release"))


def slowness() -> float:
    """How much slower the programs under test are than what ships: deadlines are multiplied by it."""
    return float(os.environ.get("JOULESPOOL_SLOWNESS", "1"))


def wait_for(condition, timeout_s: float, what):
    """The first true value of condition(), asked again and again; AssertionError after the deadline, with `what` (words, or a
    function that gives them then)."""
    deadline = time.monotonic() + timeout_s * slowness()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s * slowness():.0f} s in vain: {what() if callable(what) else what}")
        time.sleep(0.02)  # between two looks; what ends the wait is the condition


class Process:
    """A program that is started, killed and started again under one name; its output goes to <folder>/<name>.log."""

    def __init__(self, name: str, folder: pathlib.Path, command: list, environment: dict):
        self.name, self.folder, self.command, self.environment = name, folder, [str(word) for word in command], environment
        self.process = None
        self.log = folder / f"{name}.log"

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                                            start_new_session=True)
        return self

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def check(self):
        """AssertionError if it ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended by itself with exit code {self.process.returncode}:\n{self.log_text()[-2000:]}")

    def freeze(self):
        """SIGSTOP: it is there and does nothing, until it is killed."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self):
        """SIGKILL: no goodbye."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self, timeout_s: float = 20) -> int:
        """SIGTERM, and the exit code; SIGKILL and an AssertionError if it does not end."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s * slowness())
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end on SIGTERM; its log: {self.log}") from None

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def cpu_seconds(pid: int) -> float:
    """0 if it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid: int, which: str) -> int:
    """VmRSS or VmHWM; 0 if it has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(which)), 0)


def sanitizer_reports_in(log: str) -> list:
    marks = ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "ERROR: LeakSanitizer")
    return [line for line in log.splitlines() if any(mark in line for mark in marks)]


class Broker:
    """A real mosquitto. Its store is in memory only, so a restart begins with an empty one."""

    def __init__(self, folder: pathlib.Path, environment: dict):
        self.port = free_port()
        conf = folder / "mosquitto.conf"
        conf.write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\nlog_type warning\n")
        mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = Process("mosquitto", folder, [mosquitto, "-c", conf], environment)

    @property
    def uri(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self):
        self.process.start()
        wait_for(lambda: accepts(self.port), 10, "mosquitto accepts connections")
        return self


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def status_of(spool: pathlib.Path):
    """What the agent of this spool says of itself; None if none answers."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(spool / "control.sock"))
            client.sendall(b'{"version":1,"request":"status"}\n')
            return json.loads(b"".join(iter(lambda: client.recv(65536), b"")))
    except (OSError, ValueError):
        return None


class Rig:
    """with Rig(devices) as rig: ... Everything it started is gone at the end; the folder is kept if something went wrong.

    The devices come without origin: their sample 0 is lead_s() after broker and emulator are there, for the agent to be up before: what
    is measured earlier nobody could know of."""

    def __init__(self, devices: list, agent_flags=(), bridge_flags=(), proxy=False, shards=2):
        self.devices, self.agent_flags, self.bridge_flags, self.shards = devices, list(agent_flags), list(bridge_flags), shards
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="joulespool-rig-"))
        self.wants_proxy = proxy
        self.origin_utc_s = None
        self.proxy = None
        self.emulator = self.broker = self.bridge = self.agent = None

    @staticmethod
    def lead_s() -> float:
        return 2 + slowness()

    @property
    def spool(self) -> pathlib.Path:
        return self.folder / "spool"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def _start(self):
        self.emulator = KinesisEmulator().start()
        endpoint = self.emulator.endpoint
        if self.wants_proxy:
            from kinesis_proxy import KinesisProxy
            self.proxy = KinesisProxy(endpoint)
            self.proxy.start()
            endpoint = self.proxy.endpoint
        # The programs read JOULESPOOL_*: what steers the tests must not reach them.
        self.environment = {name: value for name, value in aws_environment().items() if not name.startswith("JOULESPOOL_")}
        self.broker = Broker(self.folder, self.environment).start()
        self.bridge = Process("bridge", self.folder, [
            build_dir() / "bin" / "joulespool-bridge", "run", "--mqtt.uri", self.broker.uri, "--kinesis.endpoint", endpoint,
            "--kinesis.region", REGION, "--kinesis.stream", STREAM, "--kinesis.create-stream", "--kinesis.shards", self.shards,
            "--dead-letter.directory", self.folder / "dead-letters", *self.bridge_flags], self.environment)
        self.origin_utc_s = round(time.time() + self.lead_s(), 3)
        self.devices = [f"{device},origin=@{self.origin_utc_s:.3f}" for device in self.devices]
        devices = [word for device in self.devices for word in ("--device", device)]
        self.agent = Process("agent", self.folder, [
            build_dir() / "bin" / "joulespool", "run", "--host", HOST, "--mqtt.uri", self.broker.uri,
            "--spool.directory", self.spool, *devices, *self.agent_flags], self.environment)

    def __exit__(self, kind, *_):
        for process in (self.agent, self.bridge, self.broker and self.broker.process):
            if process is not None:
                process.kill()
        if self.proxy is not None:
            self.proxy.stop()
        if self.emulator is not None:
            self.emulator.stop()
        if kind in (None, KeyboardInterrupt):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"kept for a look: {self.folder}", file=sys.stderr)

    def status(self):
        """The running agent's status, or None if it does not answer. AssertionError if a process ended by itself."""
        for process in (self.agent, self.bridge, self.broker.process):
            process.check()
        self.emulator.check()
        return status_of(self.spool)

    def kinesis(self):
        import boto3
        return boto3.client("kinesis", endpoint_url=self.emulator.endpoint, region_name=REGION,
                            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"])

    def drained(self) -> bool:
        """All devices have ended and nothing waits in the spool."""
        status = self.status()
        return bool(status and all(device["state"] == "ended" for device in status["devices"])
                    and status["spool"]["queued_frames"] == 0)

    def wait_for_status(self, condition, timeout_s: float, what: str):
        """The first status for which condition(status) is true."""
        def met():
            status = self.status()
            return status if status and condition(status) else None
        return wait_for(met, timeout_s, lambda: f"{what}; status: {self.status()}")

    def wait_until_ended(self, timeout_s: float):
        return self.wait_for_status(lambda status: all(device["state"] == "ended" for device in status["devices"]), timeout_s, "all devices ended")

    def wait_until_drained(self, timeout_s: float = 150):
        """By default long enough for agent and bridge to try again after their longest pauses, 30 s each."""
        return wait_for(self.drained, timeout_s, lambda: f"all devices ended and the spool is empty; status: {self.status()}")

    def sanitizer_reports(self) -> list:
        """What sanitizers said in the logs, also of processes that were killed later."""
        return [line for process in (self.agent, self.bridge) for line in sanitizer_reports_in(process.log_text())]

    def account(self) -> dict:
        """Reads the stream back and compares it with the sources; problems are in the answer."""
        devices = [word for device in self.devices for word in ("--device", device)]
        answer = subprocess.run([build_dir() / "tests" / "account", "--endpoint", self.emulator.endpoint, "--region", REGION,
                                 "--stream", STREAM, *devices], env=self.environment, capture_output=True, text=True, check=False)
        if answer.returncode not in (0, 1):
            raise AssertionError(f"account: exit {answer.returncode}: {answer.stderr}")
        return json.loads(answer.stdout)


def problems_in(account: dict) -> list:
    return account["problems"] + [f"{device['device']}: {problem}" for device in account["devices"] for problem in device["problems"]]
