"""The table of the spool: appending beside a plain file, opening after a crash, disk use, and commits in a spool of many pieces."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from codec_table import Aims  # noqa: E402
from loop_disk import Card, LoopDisk, drop_page_cache, have_own_mounts  # noqa: E402
from rig import build_dir  # noqa: E402

CARD = Card(write_mb_per_s=14, read_mb_per_s=40, flush_ms=4)
LOADS = {"120-kib-x-8": "120 KiB x 8", "20-kib-x-50": "20 KiB x 50", "64-kib-x-1": "64 KiB x 1", "default": "agent's default"}
BATCHES = ("120-kib-x-8", "20-kib-x-50")  # of about 1 MiB: what the aims are for
REPEATS = 3

OF_RAW, WRITE_AMPLIFICATION, TAIL_OF_RAW, OPEN_S = 0.8, 1.06, 1.5, 0.5
MORE_MEMORY_MIB = 2  # of 10 GiB than of 1 GiB, and it is still called the same

SMALL_MIB, LARGE_MIB = 1024, 10 * 1024
BESIDE_MIB = 512  # on the disk beside the frames: file system, segments begun
MEMORY_LEFT_MIB = 3 * 1024


def bench(*words) -> dict:
    return json.loads(subprocess.run([build_dir() / "tests" / "spool_bench", *map(str, words)], stdout=subprocess.PIPE, check=True).stdout)


def quantile(values: list, share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def median(values: list) -> float:
    return quantile(values, 0.5)


class Runs:
    """Repeated runs of one kind: the plain file, or the spool."""

    def __init__(self):
        self.mb_per_s, self.amplification, self.cpu_ms_per_mib, self.times_ms = [], [], [], []

    def add(self, result: dict, written_bytes: int) -> None:
        payload = result["payload_bytes"]
        self.mb_per_s.append(payload / sum(result["times_ms"]) / 1e3)
        self.amplification.append(written_bytes / payload)
        self.cpu_ms_per_mib.append(result["cpu_ms"] / payload * 2**20)
        self.times_ms += result["times_ms"]

    def tail_ms(self) -> float:
        return quantile(self.times_ms, 0.99)


def compared(disk: LoopDisk, load: str, mib: int, *words) -> tuple[Runs, Runs]:
    """The plain file, the spool, the plain file, the spool ..."""
    both = {"raw": Runs(), "spool": Runs()}
    for _ in range(REPEATS):
        for what, runs in both.items():
            folder = disk.path / "run"
            folder.mkdir()
            before = disk.written_bytes()
            result = bench("append", what, folder, load, mib, *words)
            runs.add(result, disk.written_bytes() - before)
            shutil.rmtree(folder)
    return both["raw"], both["spool"]


def print_append(name: str, raw: Runs, spool: Runs) -> None:
    ratios = [ours / theirs for ours, theirs in zip(spool.mb_per_s, raw.mb_per_s)]
    print(f"  {name:<26}{median(raw.mb_per_s):8.1f}{median(spool.mb_per_s):8.1f}{median(ratios):7.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
          f" |{median(raw.amplification):7.3f}{median(spool.amplification):7.3f} |{median(raw.times_ms):7.1f}{median(spool.times_ms):7.1f}"
          f" |{raw.tail_ms():7.1f}{spool.tail_ms():7.1f} |{median(raw.cpu_ms_per_mib):7.2f}{median(spool.cpu_ms_per_mib):7.2f}", flush=True)


def print_append_head(device: str) -> None:
    print(f"\nspool: appending, on {device}; raw: the same bytes appended to a preallocated file, fdatasync per transaction")
    print(f"  {'':<26}{'raw':>8}{'spool':>8}{'':>19} |{'raw':>7}{'spool':>7} |{'raw':>7}{'spool':>7} |{'raw':>7}{'spool':>7} |{'raw':>7}{'spool':>7}")
    print(f"  {'':<26}{'MB/s':>16}{'spool / raw':>19} |{'written/bytes':>14} |{'p50 ms':>14} |{'p99 ms':>14} |{'CPU ms/MiB':>14}")


def append_fast(folder: pathlib.Path) -> None:
    with LoopDisk(folder / "fast.image", 1024) as disk:
        print_append_head("ext4 on a loop device in memory (what it costs in CPU)")
        for load, name in LOADS.items():
            print_append(name, *compared(disk, load, 96))


def append_to_card(folder: pathlib.Path, aims: Aims) -> None:
    with LoopDisk(folder / "card.image", 1024, CARD) as disk:
        print_append_head(f"ext4 on {CARD}")
        for load, name in LOADS.items():
            raw, spool = compared(disk, load, 48 if load in BATCHES else 12)
            print_append(name, raw, spool)
            if load in BATCHES:
                aims.at_least(f"{name}: MB/s, spool / raw", median([a / b for a, b in zip(spool.mb_per_s, raw.mb_per_s)]), OF_RAW, "")
                aims.at_most(f"{name}: bytes written per byte", median(spool.amplification), WRITE_AMPLIFICATION, "")
        for load in (BATCHES[0], "default"):
            raw, spool = compared(disk, load, 64 if load in BATCHES else 16, "drained")
            print_append(LOADS[load] + ", drained", raw, spool)
            aims.at_most(f"{LOADS[load]}: p99 with a concurrent drain", spool.tail_ms(), TAIL_OF_RAW * raw.tail_ms() + CARD.flush_ms, "ms")


def available_memory_mib() -> int:
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:"))


def kill_in_mid_commit(spool: pathlib.Path, budget_mib: int, commits: int) -> None:
    """SIGKILL while the commit after these is under way."""
    process = subprocess.Popen([build_dir() / "tests" / "spool_bench", "commit", spool, str(budget_mib)], stdout=subprocess.PIPE, text=True)
    for _ in range(commits):
        process.stdout.readline()
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def open_crashed(folder: pathlib.Path, mib: int) -> dict:
    """A spool of so many MiB, filled at full speed; then everything else as a card would do it."""
    image, budget_mib = folder / "life.image", mib + mib // 4 + BESIDE_MIB
    disk_mib = mib + mib // 16 + BESIDE_MIB
    with LoopDisk(image, disk_mib) as disk:
        bench("fill", disk.path / "spool", budget_mib, mib)
    with LoopDisk(image, disk_mib, CARD) as disk:
        spool = disk.path / "spool"
        kill_in_mid_commit(spool, budget_mib, 28)
        drop_page_cache()
        look = bench("look", spool)
        drop_page_cache()
        opened = bench("open", spool, budget_mib)
        again = bench("open", spool, budget_mib)
    image.unlink()
    return {"look": look, "open": opened, "again": again}


def opening(folder: pathlib.Path, aims: Aims) -> bool:
    large_mib = LARGE_MIB
    if available_memory_mib() < LARGE_MIB * 17 // 16 + MEMORY_LEFT_MIB:
        large_mib = max(2 * SMALL_MIB, (available_memory_mib() - MEMORY_LEFT_MIB) * 3 // 4 // 1024 * 1024)
        print(f"\nspool: less than {LARGE_MIB // 1024} GiB of memory are free for the device, so the large spool has {large_mib // 1024} GiB")
    print(f"\nspool: opening after SIGKILL in mid-commit, nothing in the page cache, on {CARD}; ms")
    print(f"  {'':<9}|{'agent: opened':>14}{'+ first frame':>15}{'+ first commit':>16}{'peak RSS MiB':>14} |"
          f"{'command: opened':>17}{'+ usage':>9}{'+ first frame':>15}{'peak RSS MiB':>14}", flush=True)
    results = []
    for mib in (SMALL_MIB, large_mib):
        results.append(open_crashed(folder, mib))
        opened, look = results[-1]["open"], results[-1]["look"]
        print(f"  {mib / 1024:4.0f} GiB |{opened['open_ms']:14.0f}{opened['first_frame_ms']:15.0f}{opened['first_commit_ms']:16.0f}"
              f"{opened['peak_rss_mib']:14.1f} |{look['open_ms']:17.0f}{look['usage_ms']:9.0f}{look['first_frame_ms']:15.0f}{look['peak_rss_mib']:14.1f}",
              flush=True)
    small, large = (result["open"] for result in results)
    aims.at_most(f"{large_mib // 1024} GiB, crashed: opened", large["open_ms"] / 1e3, OPEN_S, "s")
    aims.at_most(f"{large_mib // 1024} GiB: peak RSS above that of 1 GiB", large["peak_rss_mib"] - small["peak_rss_mib"], MORE_MEMORY_MIB, "MiB")
    return all(result[what]["intact"] for result in results for what in ("open", "again"))


def budget(folder: pathlib.Path, aims: Aims) -> bool:
    print("\nspool: blocks on disk over a life of several times the budget, after each commit")
    well = True
    with LoopDisk(folder / "budget.image", 1024) as disk:
        for budget_mib, appended_mib in ((32, 100), (128, 320)):
            result = bench("budget", disk.path / "spool", budget_mib, appended_mib)
            shutil.rmtree(disk.path / "spool")
            most = result["most_bytes"] / result["budget_bytes"]
            print(f"  budget {budget_mib:4} MiB: at most {most:.3f} of it; {result['appended_bytes'] >> 20} MiB in {result['commits']} commits, "
                  f"{result['evicted_frames']} frames evicted, {result['merged_frames']} merged; frames in it at the end {result['payload_bytes'] / result['budget_bytes']:.2f} of the budget")
            aims.at_most(f"disk use at most, of a budget of {budget_mib} MiB", most, 1, "")
            well = well and most <= 1
    return well


def pieces(folder: pathlib.Path) -> None:
    print("\nspool: commits beside runs of frames, in memory; ms")
    print(f"  {'runs':>8}{'append':>9}{'of it CPU':>11}{'longest':>9}{'one ack':>9}{'peak RSS MiB':>14}")
    for runs in (1_000, 10_000, 50_000):
        with tempfile.TemporaryDirectory(dir=folder) as spool:
            row = bench("runs", spool, runs)
        print(f"  {runs:8}{row['append_ms']:9.2f}{row['append_cpu_ms']:11.2f}{row['append_max_ms']:9.2f}{row['ack_ms']:9.2f}{row['peak_rss_mib']:14.1f}")


def print_spool_table() -> bool:
    aims, well = Aims(), True
    with contextlib.ExitStack() as stack:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="joulespool-bench-", dir=memory)))
        try:
            have_own_mounts()
            append_fast(folder)
            append_to_card(folder, aims)
            well = budget(folder, aims) and well
            well = opening(folder, aims) and well
        except OSError as error:
            print(f"\nspool: SKIPPED from here on: appending, disk use and opening are measured on loop devices, which needs root and FUSE ({error})")
        pieces(folder)
    print("\n" + "\n".join(aims.lines))
    return well
