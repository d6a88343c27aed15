"""The long forms of the spool's survival tests, and what they lost, in one table."""
import os
import re
import subprocess
import sys
import tempfile
import time

from rig import TOP, build_dir

SURVIVED = re.compile(r"^survived: (.+?); (\d+) of (\d+); (\d+) samples, unaccounted (\d+); (.*)$", re.M)
CANARY = re.compile(r"^canary: (.+?); seen (\d+) of (\d+); unaccounted (\d+)$", re.M)

POWER_CUTS, KILLS, FLIPS, MODEL_STEPS, HISTORIES = 10_000, 500, 2_000, 100_000, 20


class Trial:
    """A test program, which of its cases, and how often it tries. `lines`: how many lines of the table it owes."""

    def __init__(self, program: str, cases: str, environment: dict, survived: int, canaries: int):
        self.program, self.cases, self.environment = program, cases, environment
        self.survived, self.canaries = survived, canaries

    def command(self) -> list:
        if self.program.endswith(".py"):
            return [sys.executable, str(TOP / self.program)]
        return [str(build_dir() / "tests" / self.program), f"--test-case={self.cases}"]


TRIALS = [
    Trial("test_spool_power_cuts", "*", {"JOULESPOOL_POWER_CUTS": POWER_CUTS}, 1, 1),
    Trial("tests/system/kill_test.py", "", {"JOULESPOOL_KILLS": KILLS}, 1, 1),
    Trial("test_spool", "damage: whatever bits*,damage: the test finds*", {"JOULESPOOL_FLIPS": FLIPS}, 1, 1),
    Trial("test_spool_disk_calls", "*", {"JOULESPOOL_EVERY_CALL": 1}, 5, 1),
    Trial("test_spool_full_disks", "*", {}, 3, 0),
    Trial("test_spool", "spool: random appends*", {"JOULESPOOL_MODEL_STEPS": MODEL_STEPS}, 1, 0),
    Trial("test_account", "*", {"JOULESPOOL_HISTORIES": HISTORIES}, 1, 1),
]


def run(trial: Trial) -> bool:
    """Prints its lines of the table. False: something was lost, or not all was tried, or a canary was not seen."""
    environment = os.environ | {name: str(value) for name, value in trial.environment.items()} | {"JOULESPOOL_BUILD": str(build_dir())}
    began = time.monotonic()
    answer = subprocess.run(trial.command(), cwd=TOP, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    seconds = time.monotonic() - began
    survived, canaries = SURVIVED.findall(answer.stdout), CANARY.findall(answer.stdout)
    well = answer.returncode == 0 and len(survived) == trial.survived and len(canaries) == trial.canaries
    for what, done, planned, samples, unaccounted, detail in survived:
        well = well and int(done) == int(planned) > 0 and int(unaccounted) == 0
        print(f"  {what:<48}{int(done):>9,} of {int(planned):>7,}{int(samples):>17,}{int(unaccounted):>13,}{seconds:>8.0f}  {detail}", flush=True)
    for what, seen, tried, unaccounted in canaries:
        well = well and int(seen) > 0 and int(unaccounted) > 0
        verdict = "fails as it must" if int(seen) > 0 else "IS NOT SEEN"
        print(f"  {'canary: ' + what:<48}{int(seen):>9,} of {int(tried):>7,}{'':>17}{int(unaccounted):>13,}{'':>8}  {verdict}", flush=True)
    if not well:
        with tempfile.NamedTemporaryFile("w", prefix="joulespool-survive-", suffix=".log", delete=False) as log:
            log.write(answer.stdout)
        print(f"  {trial.program}: exit code {answer.returncode}, {len(survived)} of {trial.survived} lines, {len(canaries)} of "
              f"{trial.canaries} canaries; see {log.name}", flush=True)
    return well


def print_survival_table() -> bool:
    print(f"\nsurvival: {POWER_CUTS:,} simulated power cuts, {KILLS} kill -9 of real agents, {FLIPS:,} bit flips, full disks at every step and call\n"
          f"  {'':<48}{'done of planned':>20}{'samples':>17}{'unaccounted':>13}{'s':>8}", flush=True)
    began = time.monotonic()
    well = all([run(trial) for trial in TRIALS])
    print(f"  {'0 unaccounted samples' if well else 'NOT WELL'}; {(time.monotonic() - began) / 60:.0f} minutes")
    return well
