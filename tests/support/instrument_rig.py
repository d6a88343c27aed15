"""An agent that reads instruments through the stand-in driver into its spool: no broker, no cloud."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from loopback_port import free_port
from rig import HOST, Process, build_dir, cpu_seconds, rss_bytes, sanitizer_reports_in, status_of, wait_for
from standin_world import StandinWorld


def descendants(pid: int) -> list:
    """Processes that this one started, and those they started."""
    found = []
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
    except OSError:
        return found
    for child in sorted({int(child) for child in children}):
        found += [child, *descendants(child)]
    return found


class InstrumentRig:
    """with InstrumentRig([{"devices": "js220-*", "rate-hz": 1000}]) as rig: each is one [[device]] with source joulescope."""

    def __init__(self, selections: list, agent_flags=(), library=None, world=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="joulespool-instruments-"))
        self.world = world or StandinWorld(self.folder / "world")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("JOULESPOOL_")} | self.world.environment()
        config = self.folder / "joulespool.toml"
        config.write_text("".join(
            "[[device]]\nsource = \"joulescope\"\n" + "".join(f"{key} = {self.toml(key, value)}\n" for key, value in selection.items())
            for selection in selections))
        self.agent = Process("agent", self.folder, [
            build_dir() / "bin" / "joulespool", "run", "--config", config, "--host", HOST, "--mqtt.uri", f"tcp://127.0.0.1:{free_port()}",
            "--spool.directory", self.spool, "--driver.library", library or self.world.library(build_dir()), *agent_flags], self.environment)

    @staticmethod
    def toml(key: str, value) -> str:
        if key in ("devices", "packed"):
            return json.dumps([word for word in value.split(";") if word])
        return json.dumps(value)

    @property
    def spool(self) -> pathlib.Path:
        return self.folder / "spool"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.agent.kill()
        if kind in (None, KeyboardInterrupt):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"kept for a look: {self.folder}", file=sys.stderr)

    def status(self):
        """The running agent's status, or None if it does not answer. AssertionError if it ended by itself."""
        self.agent.check()
        return status_of(self.spool)

    def device(self, name: str):
        """One device's status; None if it is not known."""
        status = wait_for(self.status, 20, "the agent answers")
        return next((device for device in status["devices"] if device["id"] == name), None)

    def sample_id_end(self, name: str) -> int:
        """Up to where samples of one device are stored; waits for the first."""
        return wait_for(lambda: (self.device(name) or {}).get("sample_id_end", 0), 20, f"samples of {name}")

    def wait_for_devices(self, names, state: str):
        for name in names:
            wait_for(lambda name=name: (self.device(name) or {}).get("state") == state, 30,
                     lambda name=name: f"{name} is {state}; status: {self.device(name)}")

    def wait_for_event_log(self, event: str, device: str):
        wait_for(lambda: any(f" {event} " in line and device in line for line in self.agent.log_text().splitlines()), 30, f"{event} of {device}")

    def calls(self) -> list:
        return self.world.calls()

    def processes(self) -> list:
        return [self.agent.process.pid, *descendants(self.agent.process.pid)]

    def rss_bytes(self) -> int:
        return sum(rss_bytes(pid, "VmRSS") for pid in self.processes())

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.processes())

    def sanitizer_reports(self) -> list:
        return sanitizer_reports_in(self.agent.log_text())

    def account(self, rate_hz=0) -> dict:
        """Reads the spool and compares it with what the instruments measured; problems are in the answer."""
        devices = []
        for keys in self.world.devices.values():
            extra = (f",rate-hz={rate_hz}" if rate_hz else "") + (f",faults=nan:{keys['nan']}" if "nan" in keys else "")
            devices += ["--device", f"source=simulated,model={keys['model']},serial={keys['serial']},seed={keys['seed']},load={keys['load']}{extra}"]
        answer = subprocess.run([build_dir() / "tests" / "account", "--spool", self.spool, "--instruments", *devices], env=self.environment,
                                capture_output=True, text=True, check=False)
        if answer.returncode not in (0, 1):
            raise AssertionError(f"account: exit {answer.returncode}: {answer.stderr}")
        return json.loads(answer.stdout)
