#!/usr/bin/python3
"""Speed, memory and latency, each beside a reference measured in the same run.

bench.py [codec|signal|reading|agent|latency|spool|trend|survive|week ...]   default: all but survive and week, which take about 15
minutes and an hour and count losses, not speed."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from codec_table import print_codec_table  # noqa: E402
from outage_week import print_outage_week  # noqa: E402
from rig import Rig, build_dir, cpu_seconds, problems_in, rss_bytes  # noqa: E402
from spool_table import print_spool_table  # noqa: E402
from standin_world import StandinWorld  # noqa: E402
from survive import print_survival_table  # noqa: E402
from trend import trend_table  # noqa: E402

SECONDS = 20
RATE = 2_000_000


def js110(seconds: float) -> str:
    return f"source=simulated,model=js110,serial=000456,seed=1,load=sleep-ble,duration-s={seconds}"


def codec_table() -> bool:
    return print_codec_table(json.loads(subprocess.run([build_dir() / "tests" / "codec_bench"], capture_output=True, check=True).stdout))


def window_codec_table() -> bool:
    rows = json.loads(subprocess.run([build_dir() / "tests" / "window_codec_bench"], capture_output=True, check=True).stdout)
    print("\nwindows of lane stat, frames of 250: bytes and CPU ns per window, one thread")
    print(f"  {'':<18}{'memcpy':>8} |{'zstd -1':>9}{'ns':>6} |{'codec 1':>9}{'ns':>6} |{'codec 2':>9}{'encode':>8}{'decode':>8} | codec 2 / codec 1")
    for row in rows:
        print(f"  {row['model'] + ' ' + row['load']:<18}{row['memcpy_ns']:8.0f} |{row['zstd1_bytes']:9.1f}{row['zstd1_ns']:6.0f} |{row['codec1_bytes']:9.1f}"
              f"{row['codec1_ns']:6.0f} |{row['bytes']:9.1f}{row['encode_ns']:8.0f}{row['decode_ns']:8.0f} | {row['bytes'] / row['codec1_bytes']:.2f}")
    means = {name: sum(row[name] for row in rows) / len(rows) for name in ("codec1_bytes", "bytes", "encode_ns", "decode_ns")}
    print(f"  mean: {means['bytes']:.1f} bytes for {means['codec1_bytes']:.1f} with codec 1, encode {means['encode_ns']:.0f}, decode {means['decode_ns']:.0f} ns")
    return all(row["decoded"] for row in rows)


def signal_table() -> list:
    rows = json.loads(subprocess.run([build_dir() / "tests" / "signal_bench"], capture_output=True, check=True).stdout)
    print("\nsignal path beside the codec: CPU ns per (i, v) sample, one thread")
    print(f"  {'':<18}{'memcpy':>8}{'zstd -1':>9} |{'windows':>9}{'crc32c':>8}{'simulate':>10} | windows / memcpy")
    for row in rows:
        print(f"  {row['model'] + ' ' + row['load']:<18}{row['memcpy_ns']:8.2f}{row['zstd1_ns']:9.2f} |{row['windows_ns']:9.2f}"
              f"{row['crc32c_ns']:8.2f}{row['simulate_ns']:10.2f} | {row['windows_ns'] / row['memcpy_ns']:.1f}")
    return rows


def statistics_table():
    rows = json.loads(subprocess.run([build_dir() / "tests" / "statistics_bench"], capture_output=True, check=True).stdout)
    sets = list(rows["windows"][0]["ns"])
    print("\nwindows of 2000 samples: CPU ns per sample and signal, of i, v and p, one thread; in brackets without a power of their own")
    print(f"  {'':<20}{'memcpy':>8}{'read':>8}{'plain':>8} |" + "".join(f"{name:>10}{'(i, v)':>8}" for name in sets) + " | baseline / memcpy")
    for row in rows["windows"]:
        print(f"  {row['name']:<20}{row['memcpy_ns']:8.2f}{row['read_ns']:8.2f}{row['plain_ns']:8.2f} |"
              + "".join(f"{row['ns'][name]:10.2f}{row['without_p_ns'][name]:8.2f}" for name in sets)
              + f" | {row['ns']['baseline'] / row['memcpy_ns']:.1f}")
    print("\nrolling statistics over the last N windows: CPU ns per window")
    for row in rows["rolling"]:
        print(f"  N = {row['windows']:<8}{row['step_ns']:8.0f}, with median and 99 % of i {row['step_and_quantiles_ns']:8.0f}")


def decimation_table():
    rows = json.loads(subprocess.run([build_dir() / "tests" / "decimation_bench"], capture_output=True, check=True).stdout)
    sets = list(rows[0]["ns"])
    print("\nwaveforms at a lower rate: CPU ns per input sample and signal, of i, v and p, one thread; response from 0 to 0.4 of the new rate")
    print(f"  {'':<8}{'memcpy':>8} |" + "".join(f"{name:>10}" for name in sets) + f" |{'aliases':>10}{'ripple':>9}{'at 0.4':>9}  dB | baseline / memcpy")
    for row in rows:
        print(f"  {'/' + str(row['factor']):<8}{row['memcpy_ns']:8.2f} |" + "".join(f"{row['ns'][name]:10.2f}" for name in sets)
              + f" |{row['alias_db']:10.1f}{row['ripple_db']:9.4f}{row['edge_db']:9.4f}     | {row['ns']['baseline'] / row['memcpy_ns']:.0f}")


def reading_table() -> bool:
    """What it costs to get an instrument's samples from the driver into the agent's ring, at four times real time."""
    with tempfile.TemporaryDirectory(prefix="joulespool-bench-") as folder:
        world = StandinWorld(folder)
        world.plug(model="js110", serial="000456", speed=4)
        world.plug(model="js220", serial="001122", speed=4)
        answer = subprocess.run([build_dir() / "tests" / "reading_bench", world.library(build_dir()), "5"], capture_output=True, check=True,
                                env=os.environ | world.environment())
    rows = json.loads(answer.stdout)
    print("\nreading instruments: CPU ns per (i, v) sample, four times real time")
    print(f"  {'':<8}{'memcpy':>8}{'bare callback':>15} |{'reading':>9}{'of it ours':>12}{'consumer':>10}{'overruns':>10} | reading / bare")
    for row in rows:
        print(f"  {row['model']:<8}{row['memcpy_ns']:8.2f}{row['bare_ns']:15.2f} |{row['reading_ns']:9.2f}{row['reading_ns'] - row['bare_ns']:12.2f}"
              f"{row['consumer_ns']:10.2f}{row['overruns']:10} | {row['reading_ns'] / row['bare_ns']:.2f}")
    print("  bare callback: counts only; both include what the driver does on its callback thread; consumer: takes the blocks out of the ring")
    return all(row["overruns"] == 0 for row in rows)


def agent_table(rows: list):
    """One simulated JS110 at 2 MS/s, full rate uploaded, the whole way to the emulator."""
    with Rig([js110(SECONDS + 4)], ["--wave.mode", "upload"]) as rig:
        rig.bridge.start()
        rig.agent.start()
        pid = rig.agent.process.pid
        time.sleep(4)  # past the start
        cpu, wall = cpu_seconds(pid), time.monotonic()
        time.sleep(SECONDS - 2)
        cpu, wall = cpu_seconds(pid) - cpu, time.monotonic() - wall
        rss, peak = rss_bytes(pid, "VmRSS"), rss_bytes(pid, "VmHWM")
        rig.wait_until_drained()
        device = rig.status()["devices"][0]
        rig.agent.stop()
        rig.bridge.stop()
        account = rig.account()
    row = rows[0]
    simulate = row["simulate_ns"] * RATE / 1e9
    print("\nagent: JS110 at 2 MS/s, i and v, full rate uploaded")
    print(f"  CPU seconds per wall second        {cpu / wall:.3f}   (of which the simulation itself: {simulate:.3f})")
    print(f"  memcpy of the same samples         {row['memcpy_ns'] * RATE / 1e9:.4f}   agent / memcpy   {cpu / wall * 1e9 / RATE / row['memcpy_ns']:.0f}")
    print(f"  zstd -1 of the same samples        {row['zstd1_ns'] * RATE / 1e9:.4f}   agent / zstd -1  {cpu / wall * 1e9 / RATE / row['zstd1_ns']:.1f}")
    print(f"  memory: RSS {rss / 1e6:.1f} MB, peak {peak / 1e6:.1f} MB")
    print(f"  overruns: {device['samples_lost']} samples lost, ring at most {device['ring_peak'] * 100:.0f} % full")
    print(f"  account: {problems_in(account) or 'complete, bit for bit'}")
    return not problems_in(account) and device["samples_lost"] == 0


def latency_table():
    """Sample to Kinesis, steady state, each window of lane stat: its last sample's UTC to Kinesis' arrival time stamp."""
    print("\nlatency from sample to Kinesis, lane stat, ms")
    well = True
    for name, flags in (("default settings", []), ("full rate uploaded too", ["--wave.mode", "upload"])):
        with Rig([js110(SECONDS)], flags) as rig:
            rig.bridge.start()
            rig.agent.start()
            rig.wait_until_drained()
            rig.agent.stop()
            rig.bridge.stop()
            account = rig.account()
        device = account["devices"][0]
        well = well and not problems_in(account)
        print(f"  {name:<26} p50 {device['latency_p50_ms']:6.0f}   p99 {device['latency_p99_ms']:6.0f}")
    return well


def main() -> int:
    tables = ["codec", "signal", "reading", "agent", "latency", "spool", "trend"]
    wanted = sys.argv[1:] or tables
    unknown = set(wanted) - {*tables, "survive", "week"}
    if unknown:
        print(f"unknown: {' '.join(sorted(unknown))}; there are {', '.join(tables)}, survive, week", file=sys.stderr)
        return 2
    well = codec_table() if "codec" in wanted else True
    if "codec" in wanted:
        well = window_codec_table() and well
    rows = signal_table() if {"signal", "agent"} & set(wanted) else []
    if "signal" in wanted:
        statistics_table()
        decimation_table()
    if "reading" in wanted:
        well = reading_table() and well
    if "agent" in wanted:
        well = agent_table(rows) and well
    if "latency" in wanted:
        well = latency_table() and well
    if "spool" in wanted:
        well = print_spool_table() and well
    if "survive" in wanted:
        well = print_survival_table() and well
    if "week" in wanted:
        well = print_outage_week() and well
    if "trend" in wanted:
        trend_table(build_dir())
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
