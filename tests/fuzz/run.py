#!/usr/bin/python3
"""Runs the fuzz targets of preset fuzz.

run.py [--build DIR] fuzz TARGET     replays all inputs there are, then looks for new ones for some seconds; must find nothing
run.py [--build DIR] canary TARGET   the same with a planted defect; must find it, and not among the inputs there are
run.py [--build DIR] long MINUTES    all targets, in all minutes together; keeps new inputs, and those that break a decoder"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
REGRESSIONS = TOP / "tests" / "fuzz" / "regressions"
SHORT_SECONDS = 10
CANARY_SECONDS = 600  # most need a few, the slowest one minute; other seeds and slower machines may need more
# A frame is at most 1 MiB; what a decoder may allocate for it at once is far below malloc_limit_mb.
LIMITS = ["-max_len=16384", "-malloc_limit_mb=48", "-rss_limit_mb=1536", "-timeout=20"]
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": "quarantine_size_mb=16:malloc_context_size=8", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Fuzzer:
    def __init__(self, build: pathlib.Path, kind: str, target: str):
        self.target = target
        self.program = build / "tests" / f"{kind}_{target}"
        self.seeds = build / "seeds" / target
        self.learned = build / "corpus" / target  # inputs that reached new code, from one run to the next
        self.findings = build / "findings" / f"{kind}_{target}"
        if not self.program.exists():
            sys.exit(f"{self.program} is not built: ./dev build fuzz")
        self.learned.mkdir(parents=True, exist_ok=True)
        self.findings.mkdir(parents=True, exist_ok=True)

    def known(self) -> list[pathlib.Path]:
        """The folders of inputs that must do no harm."""
        regressions = REGRESSIONS / self.target
        return [self.seeds] + ([regressions] if regressions.exists() else [])

    def call(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([self.program, *LIMITS, f"-artifact_prefix={self.findings}/", *arguments], capture_output=True, text=True,
                              errors="replace", env=ENVIRONMENT, cwd=TOP, check=False)

    def replay(self) -> subprocess.CompletedProcess:
        """Every known input, once, without changes."""
        files = [file for folder in self.known() for file in sorted(folder.iterdir())]
        return self.call(*files)

    def search(self, seconds: int, *more, learn: pathlib.Path) -> subprocess.CompletedProcess:
        return self.call(f"-max_total_time={seconds}", "-print_final_stats=1", *more, learn, *self.known())


def figures(log: str) -> str:
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", log)
    rate = re.search(r"stat::average_exec_per_sec:\s*(\d+)", log)
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    if not (runs and rate and reached):
        return "no figures"
    edges, _, inputs = reached[-1]
    return f"{int(runs[1]):,} inputs, {int(rate[1]):,} a second; {edges} edges reached, {inputs} inputs kept"


def artifact(log: str) -> pathlib.Path | None:
    named = re.search(r"Test unit written to (\S+)", log)
    return pathlib.Path(named[1]) if named else None


def tell_finding(fuzzer: Fuzzer, log: str) -> None:
    print(log[-6000:])
    found = artifact(log)
    print(f"{fuzzer.target}: BROKEN" + (f" by {found}\n  once more: {fuzzer.program} {found}" if found else ""))


def short(fuzzer: Fuzzer) -> int:
    known = fuzzer.replay()
    if known.returncode != 0:
        print(f"{fuzzer.target}: an input that is known breaks it")
        tell_finding(fuzzer, known.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:  # begins with the same inputs each time
        run = fuzzer.search(SHORT_SECONDS, "-seed=1", learn=pathlib.Path(scratch))
    if run.returncode != 0:
        tell_finding(fuzzer, run.stderr)
        return 1
    print(f"{fuzzer.target}: nothing found; {figures(run.stderr)}")
    return 0


def canary(fuzzer: Fuzzer) -> int:
    known = fuzzer.replay()
    if known.returncode != 0:
        print(known.stderr[-6000:])
        print(f"{fuzzer.target}: no search is needed to find the planted defect: a seed reaches it")
        return 1
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        run = fuzzer.search(CANARY_SECONDS, "-seed=1", learn=pathlib.Path(scratch))
    if "heap-buffer-overflow" not in run.stderr or "planted_defect" not in run.stderr:
        print(run.stderr[-6000:])
        print(f"{fuzzer.target}: the planted defect was NOT found in {CANARY_SECONDS} s; {figures(run.stderr)}")
        return 1
    print(f"{fuzzer.target}: the planted defect was found after {time.monotonic() - begin:.1f} s; {figures(run.stderr)}")
    return 0


def keep(fuzzer: Fuzzer, log: str) -> pathlib.Path | None:
    """Puts the input that broke a decoder where every test run replays it."""
    found = artifact(log)
    if not found or not found.exists():
        return None
    folder = REGRESSIONS / fuzzer.target
    folder.mkdir(parents=True, exist_ok=True)
    kind = found.name.split("-")[0]
    kept = folder / f"{kind}-{hashlib.sha256(found.read_bytes()).hexdigest()[:16]}"
    shutil.copyfile(found, kept)
    return kept


def long_run(build: pathlib.Path, minutes: float) -> int:
    names = sorted(program.name.removeprefix("fuzz_") for program in (build / "tests").glob("fuzz_*"))
    fuzzers = [Fuzzer(build, "fuzz", name) for name in names]
    jobs = min(os.cpu_count() or 1, len(fuzzers))
    seconds = int(minutes * 60 / -(-len(fuzzers) // jobs))
    print(f"{len(fuzzers)} targets ({', '.join(names)}), {jobs} at a time, {seconds} s each; what they learn is kept in {build / 'corpus'}", flush=True)

    def one(fuzzer: Fuzzer) -> str | None:
        run = fuzzer.search(seconds, learn=fuzzer.learned)
        if run.returncode == 0:
            print(f"  {fuzzer.target:<12} nothing found; {figures(run.stderr)}", flush=True)
            return None
        kept = keep(fuzzer, run.stderr)
        reason = re.search(r"(does not hold: .*|SUMMARY: .*|ERROR: .*)", run.stderr)
        print(f"  {fuzzer.target:<12} BROKEN: {reason[1] if reason else run.stderr[-500:]}", flush=True)
        return f"{fuzzer.target}: {kept.relative_to(TOP)}\n  once more: {fuzzer.program.relative_to(TOP)} {kept.relative_to(TOP)}" if kept else fuzzer.target

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        broken = [finding for finding in pool.map(one, fuzzers) if finding]
    if not broken:
        print("verdict: nothing found")
        return 0
    print(f"verdict: {len(broken)} of {len(fuzzers)} targets BROKEN; from now on every ./dev test replays these inputs:")
    print("\n".join(broken))
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build" / "fuzz")
    parser.add_argument("what", choices=["fuzz", "canary", "long"])
    parser.add_argument("argument", help="a target, or minutes")
    given = parser.parse_args()
    build = given.build.resolve()
    if given.what == "long":
        try:
            minutes = float(given.argument)
        except ValueError:
            parser.error("minutes are a number")
        return long_run(build, minutes)
    fuzzer = Fuzzer(build, given.what, given.argument)
    return short(fuzzer) if given.what == "fuzz" else canary(fuzzer)


if __name__ == "__main__":
    sys.exit(main())
