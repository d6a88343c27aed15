"""How the codec's cost moves from change to change, where times of two runs cannot be compared: a trend, not a claim."""
import os
import pathlib
import re
import resource
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cross"))
from cross import EMULATOR, build_aarch64  # noqa: E402

FRAME_SAMPLES = 1 << 16  # of codec_work
WORKS = ("encode", "decode", "windows")


def instructions(command: list) -> int:
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1])


def cpu_ns(command: list) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True)
    return (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before) * 1e9


def per_sample(measure, command: list, frames: int) -> float:
    """Of `frames` more frames than one."""
    return (measure([*command, str(1 + frames)]) - measure([*command, "1"])) / (frames * FRAME_SAMPLES)


def trend_table(build: pathlib.Path) -> None:
    native, foreign = build / "tests" / "codec_work", build_aarch64(build) / "codec_work"
    print("\ntrend: JS110-like samples with own power, one thread, per (i, v, p) sample; no claim: compare with earlier runs of this table")
    print(f"  {'':<10}{os.uname().machine + ' instructions':>22}{'ns here':>10}{'aarch64 emulated, ns':>23} | emulated / here")
    for work in WORKS:
        count = per_sample(instructions, [native, work], 2)
        here = per_sample(cpu_ns, [native, work], 400)
        emulated = per_sample(cpu_ns, [EMULATOR, foreign, work], 20)
        print(f"  {work:<10}{count:22.1f}{here:10.2f}{emulated:23.1f} | {emulated / here:.1f}")
    print("  instructions: by callgrind, baseline instruction set; emulated: by qemu-aarch64, whose vector instructions are slow")
