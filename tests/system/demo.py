#!/usr/bin/python3
"""The main job end to end, about a minute: two devices, agent, broker, bridge, Kinesis emulator; the broker is killed, the bridge
is killed, the agent is killed; then everything is read back from Kinesis and compared with what the devices measured.

demo.py [SEED]: the seed chooses the moments of the kills. Exit 0 only if every sample is accounted for and the energies agree."""
import json
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from rig import TOP, Rig, problems_in  # noqa: E402

SECONDS = 36  # of the devices' time
UNITS = 2.0 ** 31


def devices() -> list:
    data = TOP / "tests" / "data"
    return [
        f"source=simulated,model=js110,serial=000456,seed=1,load=sleep-ble,duration-s={SECONDS}",
        f"source=replay,model=js220,serial=001122,current-file={data}/js220-ble-event.i.f32,voltage-file={data}/js220-ble-event.v.f32,"
        f"power-file={data}/js220-ble-event.p.f32,loop=true,duration-s={SECONDS}",
    ]


class Schedule:
    """What happens when: seconds since the start -> what to say and do."""

    def __init__(self, rig: Rig, seed: int):
        chance = random.Random(seed)
        broker_at, bridge_at, agent_at = chance.uniform(5, 9), chance.uniform(15, 19), chance.uniform(24, 29)
        self.steps = [
            (broker_at, "kill the broker (SIGKILL, nothing kept)", rig.broker.process.kill),
            (broker_at + 4, "start the broker, empty", rig.broker.start),
            (bridge_at, "kill the bridge (SIGKILL)", rig.bridge.kill),
            (bridge_at + 2, "start the bridge", rig.bridge.start),
            (agent_at, "kill the agent (SIGKILL)", rig.agent.kill),
            (agent_at + 1, "start the agent", rig.agent.start),
        ]

    def run_due(self, now_s: float):
        while self.steps and self.steps[0][0] <= now_s:
            _, text, action = self.steps.pop(0)
            print(f"         >>> {text}", flush=True)
            action()


def si(value: float, unit: str) -> str:
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def size(count: float) -> str:
    return si(count, "B")


def show_second(now_s: float, status):
    if status is None:
        print(f"{now_s:6.0f} s  agent: not there", flush=True)
        return
    power = "  ".join(f"{device['id']} {si(device['power_w'], 'W'):>9} {device['state']:<9}" for device in status["devices"])
    spool, uplink = status["spool"], status["uplink"]
    far = "broker away" if not uplink["connected"] else "bridge away" if not uplink["bridge_online"] else \
        "Kinesis away" if not uplink["bridge_accepting"] else "delivering"
    print(f"{now_s:6.0f} s  {power} spool {size(spool['disk_bytes']):>8}  backlog {spool['queued_frames']:5} frames "
          f"{size(spool['queued_bytes']):>8}  oldest {spool['oldest_queued_age_s']:5.1f} s  {far}", flush=True)


def run(rig: Rig, schedule: Schedule) -> bool:
    began = time.monotonic()
    next_line = 0.0
    while True:
        now_s = time.monotonic() - began
        schedule.run_due(now_s)
        if now_s >= next_line:
            show_second(now_s, rig.status())
            next_line += 1
        if not schedule.steps and rig.drained():
            show_second(now_s, rig.status())
            return True
        if now_s > SECONDS * 5:
            print("the spool did not drain", flush=True)
            return False
        time.sleep(0.05)


def table(account: dict, status: dict):
    columns = account["devices"]
    def row(name, *values):
        print(f"  {name:<34}" + "".join(f"{value:>26}" for value in values))
    def each(name, show):
        row(name, *(show(device) for device in columns))
    print()
    row("", *(device["device"] for device in columns))
    each("samples made", lambda d: f"{d['made']:,}")
    each("  delivered, bit for bit", lambda d: f"{d['delivered_wave']:,}")
    each("  in gap records", lambda d: f"{d['lost']:,}")
    for reason in sorted({reason for device in columns for reason in device["gaps"]}):
        each(f"    {reason}", lambda d: f"{d['gaps'].get(reason, {}).get('samples', 0):,}")
    each("  unaccounted", lambda d: f"{d['unaccounted']:,}")
    each("duplicate frames dropped", lambda d: f"{d['duplicate_frames']:,}")
    each("energy at the device, units", lambda d: f"{int(d['energy_source_units']):,}")
    each("energy in the cloud, units", lambda d: f"{int(d['energy_cloud_units']):,}")
    each("energy in the cloud", lambda d: f"{d['energy_j']:.9f} J")
    each("compression of i and v", lambda d: f"{d['raw_bytes'] / max(1, d['wave_bytes']):.2f} : 1")
    print()
    row("bytes on each leg", "")
    row("  samples (i, v as float32)", size(sum(d["raw_bytes"] for d in columns)))
    row("  frames, each once", size(sum(d["frame_bytes"] for d in columns)))
    row("  agent to broker, last run", size(status["uplink"]["bytes_published"]))
    row("  bridge to Kinesis", size(account["record_bytes"]))
    print("\n  1 unit is 2^-31 W for one sample. Made = 0 .. duration x rate of each device; the agent knows nothing of the check.")


def main() -> int:
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(1, 1 << 31)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end like Ctrl-C: everything is stopped
    print(f"seed {seed}: starting mosquitto, the Kinesis emulator, the bridge and the agent", flush=True)
    with Rig(devices(), ["--wave.mode", "upload", "--uplink.ack-timeout-ms", "2000", "--labels", "run=demo"]) as rig:
        rig.bridge.start()
        rig.agent.start()
        drained = run(rig, Schedule(rig, seed))
        status = rig.status()
        codes = {process.name: process.stop() for process in (rig.agent, rig.bridge)}
        print("reading all of Kinesis back and comparing every sample with the devices ...", flush=True)
        account = rig.account()
        table(account, status)
        problems = problems_in(account) + [f"{name} ended with exit code {code}" for name, code in codes.items() if code != 0]
        if not drained:
            problems.append("the spool was not drained")
        for problem in problems:
            print(f"  PROBLEM: {problem}")
        if problems:
            print(json.dumps(account, indent=2), file=sys.stderr)
        print("\n  " + ("FAILED" if problems else "every sample is accounted for, and the energies are equal to the last unit"))
        return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running", file=sys.stderr)
        sys.exit(130)
