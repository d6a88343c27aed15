"""Steers the stand-in driver as standin_world.h does: tests/support/standin/world.h says how, device_plan.h which keys.

    world = StandinWorld(folder)
    environment = os.environ | world.environment()
    device = world.plug(model="js220", serial="001122", lost="2000000-2000252")
"""
import os
import pathlib
import time
from collections import namedtuple

Call = namedtuple("Call", "pid topic value flags rc")


class StandinWorld:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "devices").mkdir(parents=True, exist_ok=True)
        self.devices = {}

    @staticmethod
    def library(build_dir) -> pathlib.Path:
        return pathlib.Path(build_dir) / "tests" / "standin" / "libjsdrv.so"

    def environment(self) -> dict:
        return {"JSDRV_STANDIN_WORLD": str(self.folder)}

    def plug(self, **keys) -> str:
        """There from now on; its counter is new unless powered_utc_ns says otherwise. Returns the name: "js220-001122"."""
        keys.setdefault("powered_utc_ns", time.time_ns())
        name = f"{keys['model']}-{keys['serial']}"
        self.devices[name] = keys
        self._write(name)
        return name

    def unplug(self, name: str):
        (self.folder / "devices" / name).unlink()

    def plug_again(self, name: str):
        """As it was, with a new counter."""
        self.plug(**{key: value for key, value in self.devices[name].items() if key != "powered_utc_ns"})

    def set(self, name: str, key: str, value):
        """Of one that is plugged in. An empty value takes the key away."""
        self.devices[name][key] = value
        self._write(name)

    def set_driver(self, key: str, value):
        """Of the library itself, for those who initialize it later."""
        with open(self.folder / "driver", "a") as file:
            file.write(f"{key}={value}\n")

    def calls(self) -> list:
        log = self.folder / "calls.log"
        rows = [line.split("\t") for line in log.read_text().split("\n")[:-1]] if log.exists() else []
        return [Call(int(pid), topic, value, int(flags), int(rc)) for pid, topic, value, flags, rc in rows]

    def _write(self, name: str):
        path = self.folder / "devices" / name
        next_ = path.with_name("." + name)
        next_.write_text("".join(f"{key}={value}\n" for key, value in self.devices[name].items()))
        os.replace(next_, path)
