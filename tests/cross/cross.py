#!/usr/bin/python3
"""Builds the pure rooms for 64-bit ARM and compares what they make of samples with what they make of them here.

cross.py BUILD      BUILD: a build of the product; the other architecture's goes into BUILD/aarch64"""
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
EMULATOR = "qemu-aarch64"


def build_aarch64(build: pathlib.Path) -> pathlib.Path:
    """The folder of the programs that EMULATOR runs."""
    folder = build / "aarch64"
    for command in (["cmake", "--preset", "aarch64", "-B", folder], ["cmake", "--build", folder, "-j", str(os.cpu_count() or 1)]):
        made = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            sys.exit(f"{made.stdout[-4000:]}{made.stderr[-4000:]}\ncannot build for aarch64; ./dev installs what is needed for it")
    return folder / "tests"


def digests(command: list, architecture: str) -> list[tuple[str, str, str]]:
    """What of which case; by whom; size and checksum."""
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in lines]
    return [(f"{case} {what}", f"{architecture} {instructions}", f"{size} {checksum}") for case, what, instructions, size, checksum in rows]


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    rows = digests([build / "tests" / "codec_digest"], os.uname().machine)
    rows += digests([EMULATOR, build_aarch64(build) / "codec_digest"], "aarch64 (emulated)")
    by_what: dict[str, dict[str, str]] = {}
    for what, who, digest in rows:
        by_what.setdefault(what, {})[who] = digest
    everybody = {who for _, who, _ in rows}
    different = {what: found for what, found in by_what.items() if len(set(found.values())) > 1 or set(found) != everybody}
    for what, found in different.items():
        print(f"{what}:")
        for who, digest in sorted(found.items()):
            print(f"  {who:<30} {digest}")
    print(f"{len(by_what)} results, each by {', '.join(sorted(everybody))}: {len(different) or 'none'} different")
    refused = [what for what, found in by_what.items() if "samples-" in what and any(digest.startswith("0 ") for digest in found.values())]
    print(f"not decoded: {', '.join(refused) or 'none'}")
    return 1 if different or refused or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
