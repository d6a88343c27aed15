"""An outage longer than the spool is large, at many times real time: what was measured is handed to the agent's own writer and spool
(outage_week.cpp), and then sent to Kinesis. Compared is what was handed over with what came: in integers, for each hour.

The device has a lower sample rate than an instrument, so that a week can be computed; windows, commits and the budget are those of the
agent's defaults. The agent is stopped and started once, and killed once."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import simulated  # noqa: E402
from rig import Rig, build_dir, problems_in, rss_bytes, slowness  # noqa: E402

ORIGIN_S = 1_790_000_000
MODEL, LOAD, SEED = "js110", "cpu", 7
TICKS_PER_HOUR = 3600 * simulated.COUNTER_RATE_HZ
STOPPED_S, KILLED_S = 3, 7  # nobody listens after the orderly end, and after the kill


class Outage:
    def __init__(self, seconds, rate_hz, budget_bytes=None, drops="drop:every=43214000000/length=123400"):
        self.seconds, self.rate_hz, self.budget_bytes, self.drops = seconds, rate_hz, budget_bytes, drops
        self.device = (f"source=simulated,model={MODEL},serial=000007,seed={SEED},load={LOAD},rate-hz={rate_hz},packed=gpi0,"
                       f"origin=@{ORIGIN_S},duration-s={seconds},faults={drops}")

    def run(self, spool, begin_s, until_s, labels, kill=False):
        """One run of the agent; what it says of itself."""
        command = [build_dir() / "tests" / "outage_week", "--spool", spool, "--device", self.device, "--from", str(begin_s), "--until", str(until_s),
                   "--set", "wave.mode=upload", *(word for label in labels for word in ("--set", f"labels={label}"))]
        if self.budget_bytes:
            command += ["--set", f"spool.budget-bytes={self.budget_bytes}"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("JOULESPOOL_")}
        command += (["--kill"] if kill else []) + (["--progress"] if self.seconds > 24 * 3600 else [])
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=environment)
        if done.returncode != (-signal.SIGKILL if kill else 0):
            raise AssertionError(f"outage_week: exit {done.returncode}")
        return json.loads(done.stdout)

    def live_through(self, spool):
        """Three runs: one that ends orderly, one that is killed, one until the device ends."""
        first, second = self.seconds * 2 // 7, self.seconds * 4 // 7
        return [self.run(spool, 0, first, ["place=bench"]), self.run(spool, first + STOPPED_S, second, [], kill=True),
                self.run(spool, second + KILLED_S, self.seconds, ["place=desk"])]


class Sums:
    def __init__(self, samples=0, i=0, p=0):
        self.samples, self.i, self.p = samples, i, p

    def __iadd__(self, other):
        self.samples, self.i, self.p = self.samples + other.samples, self.i + other.i, self.p + other.p
        return self

    def __eq__(self, other):
        return (self.samples, self.i, self.p) == (other.samples, other.i, other.p)


def unstored(outage, account, killed):
    """By hour: what the killed run had taken and not stored yet, computed from the formula of the samples."""
    by_hour = {}
    for gap in account["gap_records"]:
        first, end = gap["sample_id_first"], min(gap["sample_id_end"], killed["end_tick"])
        if gap["reason"] != "restart" or not first < end <= gap["sample_id_end"] or first < killed["end_tick"] - 60 * simulated.COUNTER_RATE_HZ:
            continue
        step = simulated.COUNTER_RATE_HZ // outage.rate_hz
        i, v = simulated.samples(MODEL, SEED, LOAD, first, (end - first) // step, outage.rate_hz)
        ticks = np.arange(first, end, step, dtype=np.int64)
        there = simulated.present(outage.drops, ticks)
        i_units, p_units = (np.rint(values.astype(np.float64) * 2**31).astype(np.int64) for values in (i, (i * v).astype(np.float32)))
        for hour in np.unique(ticks // TICKS_PER_HOUR):
            of = there & (ticks // TICKS_PER_HOUR == hour)
            by_hour[int(hour)] = Sums(int(of.sum()), int(i_units[of].sum()), int(p_units[of].sum()))
    return by_hour


def compare(outage, parts, account):
    """What is wrong, as words; nothing, if all is well. And the energy that was handed over and stored."""
    problems = problems_in(account)
    device = account["devices"][0]
    truth, came, all_truth, all_came = {}, {}, Sums(), Sums()
    for part in parts:
        for hour, sums in part["hours"].items():
            truth.setdefault(int(hour), Sums())
            truth[int(hour)] += Sums(sums["samples"], int(sums["i_units"]), int(sums["p_units"]))
    lost = unstored(outage, device, parts[1])
    for hour, sums in lost.items():
        truth[hour] += Sums(-sums.samples, -sums.i, -sums.p)
    for hour in device["hours"]:
        came[hour["hour"]] = Sums(sum(hour["samples_by_window_ticks"].values()), int(hour["i_units"]), int(hour["p_units"]))
    for hour in sorted(truth.keys() | came.keys()):
        if truth.get(hour, Sums()) != came.get(hour, Sums()):
            problems.append(f"hour {hour}: what came differs from what was measured")
        all_truth += truth.get(hour, Sums())
        all_came += came.get(hour, Sums())
    if all_truth != all_came:
        problems.append(f"energy: measured {all_truth.p}, came {all_came.p}; charge: {all_truth.i}, {all_came.i}")
    budget = outage.budget_bytes or 2**30
    problems += [f"the spool took {part['allocated_max_bytes']} bytes of its budget of {budget}" for part in parts if part["allocated_max_bytes"] > budget]
    problems += [f"a commit failed: {part['spool_error']}" for part in parts if part["commits_failed"]]
    handed_over = sum(part["handed_over"]["samples"] for part in parts)
    gaps = sum(of["samples"] for of in device["gaps"].values())
    if device["delivered"] + gaps != device["made"]:
        problems.append(f"{device['made']} samples were made, {device['delivered']} came, {gaps} are in gap records")
    return problems, {"handed_over": handed_over, "taken_and_not_stored": sum(sums.samples for sums in lost.values()), "truth": all_truth, "came": all_came}


def drain(rig, spool, timeout_s):
    """Sends all of the spool; the time it took, what was sent, and the emulator's memory at most."""
    most, done = 0, threading.Event()

    def watch():
        nonlocal most
        while not done.wait(0.5):
            most = max(most, rss_bytes(rig.emulator.pid, "VmRSS"))

    watching = threading.Thread(target=watch)
    watching.start()
    begun = time.monotonic()
    try:
        push = subprocess.run([build_dir() / "bin" / "joulespool", "spool", "push", "--spool", spool, "--broker", rig.broker.uri,
                               "--timeout", f"{int(timeout_s * slowness())}s", "--json"], capture_output=True, text=True, check=False, env=rig.environment)
    finally:
        done.set()
        watching.join()
    if push.returncode != 0:
        raise AssertionError(f"push: exit {push.returncode}: {push.stderr[-2000:]}")
    return {"seconds": time.monotonic() - begun, "emulator_rss_bytes": most, **json.loads(push.stdout)}


def go_through(outage, spool):
    """(parts, what push said, account)"""
    parts = outage.live_through(spool)
    with Rig([]) as rig:
        rig.devices = [outage.device]
        rig.bridge.start()
        pushed = drain(rig, spool, 60)
        assert rig.bridge.stop() == 0
        return parts, pushed, rig.account()


def resolution_of(hour):
    """Of lane stat, in words: the lengths of its windows, and the part of the samples that came with each."""
    windows = hour["samples_by_window_ticks"]
    every = sum(windows.values())
    lengths = sorted((int(ticks) * 1000 // simulated.COUNTER_RATE_HZ, samples) for ticks, samples in windows.items())
    if len(lengths) == 1:
        return f"{lengths[0][0]} ms"
    return ", ".join(f"{length} ms ({100 * samples / every:.0f} %)" for length, samples in lengths)


def resolution_table(hours):
    """Hours with the same resolution are joined: [[first, last, words, part of the hours' samples that came as waveform]]"""
    rows = []
    for hour in hours:
        wave = hour["wave_samples"] / max(1, sum(hour["samples_by_window_ticks"].values()))
        words = resolution_of(hour)
        if rows and rows[-1][1] + 1 == hour["hour"] and rows[-1][2] == words and wave == rows[-1][3]:
            rows[-1][1] = hour["hour"]
        else:
            rows.append([hour["hour"], hour["hour"], words, wave])
    return rows


def print_outage_week() -> bool:
    outage = Outage(7 * 24 * 3600, 2000)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="joulespool-week-", dir=memory) as folder:
        print("\na week without a network, 1 GiB of spool, default settings and the waveform uploaded; this takes a while", flush=True)
        parts, pushed, account = go_through(outage, pathlib.Path(folder) / "spool")
    return print_outage(outage, parts, pushed, account)


def print_outage(outage, parts, pushed, account) -> bool:
    problems, sums = compare(outage, parts, account)
    device = account["devices"][0]
    budget = outage.budget_bytes or 2**30
    wall_s, cpu_s = (sum(part[name] for part in parts) for name in ("wall_s", "cpu_s"))
    print(f"  simulated: {outage.seconds / 3600:.0f} h of a {MODEL} at {outage.rate_hz} samples/s, load {LOAD}, in {wall_s:.0f} s: "
          f"{outage.seconds / wall_s:.0f} times real time; CPU {cpu_s:.0f} s; peak RSS {max(part['rss_max_bytes'] for part in parts) / 2**20:.1f} MiB")
    for part, how in zip(parts, ("stopped", "killed", "the device ended"), strict=True):
        print(f"    run until {part['end_tick'] / TICKS_PER_HOUR:6.1f} h ({how}): {part['commits']} commits, {part['frames_merged']} frames merged, "
              f"{part['frames_evicted']} dropped; disk at most {part['allocated_max_bytes'] / budget:.3f} of the budget")
    made = {lane: sum(part["made_bytes"].get(lane, 0) for part in parts) for lane in ("stat", "wave", "merged")}
    print(f"  made: lane stat {made['stat'] / outage.seconds / 1000:.1f} kB/s, lane wave {made['wave'] / outage.seconds / 1000:.1f} kB/s, merged frames "
          f"{made['merged'] / outage.seconds / 1000:.1f} kB/s; ", end="")
    print(f"written to files: {parts[-1]['written_bytes'] / parts[-1]['appended_bytes']:.2f} times the bytes of the frames")
    print(f"  sent: {pushed['delivered']} frames, {account['record_bytes'] / 2**20:.0f} MiB, in {pushed['seconds']:.0f} s "
          f"({account['record_bytes'] / 2**20 / pushed['seconds']:.1f} MiB/s); emulator at most {pushed['emulator_rss_bytes'] / 2**20:.0f} MiB of memory")
    print(f"  samples: {device['made']} made, {device['delivered']} in windows that came, {device['lost']} in gap records: "
          + ", ".join(f"{reason} {of['samples']} in {of['records']}" for reason, of in device["gaps"].items())
          + f"; {device['unaccounted']} unaccounted; taken by the killed agent and not stored: {sums['taken_and_not_stored']}")
    for name, truth, came in (("energy", sums["truth"].p, sums["came"].p), ("charge", sums["truth"].i, sums["came"].i)):
        print(f"  {name}, 2^-31 units per sample: measured {truth}, came {came}, difference {came - truth}")
    print("  served, by hour since the beginning:    windows    | waveform, part of the samples")
    for first, last, words, wave in resolution_table(device["hours"]):
        print(f"    {first:4}..{last + 1:<4} {words:<44} {'none' if wave == 0 else f'{100 * wave:.0f} %'}")
    for problem in problems:
        print(f"  WRONG: {problem}")
    return not problems
