#!/usr/bin/python3
"""Runs every verb of `joulespool spool` as a new user would, against real processes: on a running host, on the copy of a dead host's
card and on a damaged spool. Writes what was typed and what came between the markers of docs/operations.md.

operations_transcript.py [FILE]: another file with the same markers. The figures differ from run to run; the order does not."""
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from rig import TOP, Rig, build_dir, wait_for  # noqa: E402

BEGIN, END = "<!-- transcript: begin -->\n", "<!-- transcript: end -->\n"
SECONDS = 20
LINES_MAX = 24  # of an answer; the rest is left out
DEVICES = [f"source=simulated,model=js220,serial=001122,seed=1,load=sleep-ble,duration-s={SECONDS},rate-hz=100000",
           f"source=simulated,model=js110,serial=000456,seed=2,load=cpu,duration-s={SECONDS},rate-hz=100000"]


class Transcript:
    def __init__(self, names: dict, environment: dict):
        self.names, self.environment, self.text = names, environment, []

    def title(self, text: str):
        self.text.append(f"\n### {text}\n\n")

    def say(self, text: str):
        self.text.append(text + "\n\n")

    def run(self, *words, typed=None):
        """Runs `joulespool words`; `typed`: what a person answers on a terminal."""
        command = [str(build_dir() / "bin" / "joulespool"), *map(str, words)]
        answer, code = self.on_terminal(command, typed) if typed is not None else self.piped(command)
        lines = answer.rstrip("\n").split("\n")
        if len(lines) > LINES_MAX:
            lines = lines[:LINES_MAX] + [f"... ({len(lines) - LINES_MAX} more lines)"]
        shown = self.shown("$ joulespool " + " ".join(map(str, words)) + "\n" + "\n".join(lines))
        self.text.append("```\n" + shown + (f"\n(exit code {code})" if code else "") + "\n```\n\n")
        return code

    def shown(self, text: str) -> str:
        for real, nice in self.names.items():
            text = text.replace(str(real), nice)
        return "\n".join(line.rstrip() for line in text.split("\n"))

    def piped(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=300, env=self.environment)
        return done.stdout, done.returncode

    def on_terminal(self, command, typed):
        person, terminal = pty.openpty()
        process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
                                   env=self.environment)
        os.close(terminal)
        said, answered = b"", False
        while True:
            try:
                part = os.read(person, 4096)
            except OSError:  # the other side is closed: it has ended
                break
            if not part:
                break
            said += part
            if not answered and b"Type yes" in said:
                os.write(person, typed.encode() + b"\n")
                answered = True
        code = process.wait()
        os.close(person)
        # A progress bar that was taken away again is not shown.
        return re.sub(r"[^\n]*\r(\x1b\[K)?(?!\n)", "", said.decode().replace("\r\n", "\n")), code


def damage(spool: pathlib.Path):
    """A worn card: some bits of the log's middle are not what was written."""
    log = max(spool.glob("segment-*.db-wal"), key=lambda path: path.stat().st_size)
    data = bytearray(log.read_bytes())
    frames = [match.start() for match in re.finditer(b"JSF1", data)
              if int.from_bytes(data[match.start() + 8:match.start() + 12], "little") > 1000]
    for frame in frames[len(frames) // 2:len(frames) // 2 + 3]:
        part = bytes(data[frame + 500:frame + 532])
        for match in list(re.finditer(re.escape(part), data)):  # a page may be there more than once
            data[match.start()] ^= 0x10
    log.write_bytes(data)


def copy_of(spool: pathlib.Path, to: pathlib.Path):
    shutil.copytree(spool, to, ignore=lambda _, names: [name for name in names if name == "control.sock"])


def on_a_running_host(rig: Rig, say: Transcript, settings: pathlib.Path, spool):
    say.title("On a running host")
    say.say("The broker has been away for some seconds, so frames wait. All of this reads only, beside the agent.")
    say.run("spool", "list", *spool)
    say.run("spool", "list", *spool, "--since", "2s")
    say.run("spool", "stat", "--config", settings)
    say.run("spool", "show", *spool, "--device", "js220-001122", "--lane", "stat", "--frames-max", "5")
    say.run("spool", "show", *spool, "--device", "js220-001122", "--lane", "stat", "--seq", "3")
    say.run("spool", "show", *spool, "--device", "js220-001122", "--lane", "event", "--seq", "1")
    say.run("spool", "verify", *spool)
    say.run("spool", "export", *spool, "--device", "js220-001122", "--from", "0", "--to", "8000")
    say.run("spool", "plot", *spool, "--device", "js220-001122", "--since", "2s")
    say.say("What would change the spool is refused while the agent has it:")
    say.run("spool", "purge", *spool, "--all")


def on_a_dead_hosts_card(rig: Rig, say: Transcript, card: pathlib.Path):
    say.title("On a dead host's card")
    say.say("The host is gone without ever having reached the broker; its card, or a copy of the spool's directory, is on another "
            "machine. No agent, no settings, no lock.")
    say.run("spool", "list", "--spool", card)
    say.run("spool", "purge", "--spool", card, "--device", "js110-000456", "--lane", "stat", "--before",
            f"@{rig.origin_utc_s + 1:.3f}", typed="yes")
    say.run("spool", "push", "--spool", card, "--broker", rig.broker.uri)
    say.run("spool", "list", "--spool", card)


def on_a_damaged_spool(say: Transcript, broken: pathlib.Path, repaired: pathlib.Path):
    say.title("On a damaged spool")
    say.say("The same card, but some bits of it are not what was written.")
    say.run("spool", "verify", "--spool", broken)
    say.run("spool", "repair", "--spool", broken, "--into", repaired)
    say.run("spool", "verify", "--spool", repaired)
    say.say("`push` sends what can be read either way: a damaged spool needs no repair for it.")


def record() -> str:
    with tempfile.TemporaryDirectory(prefix="joulespool-operations-") as folder, Rig(DEVICES) as rig:
        folder = pathlib.Path(folder)
        card, broken, repaired = folder / "card", folder / "broken", folder / "repaired"
        settings = folder / "joulespool.toml"
        settings.write_text(f'host = "rig-1"\n[spool]\ndirectory = "{rig.spool}"\ncard-endurance-bytes = "40TiB"\n')
        say = Transcript({rig.spool: "/var/lib/joulespool/spool", settings: "/etc/joulespool/joulespool.toml", card: "/mnt/card",
                          broken: "/mnt/broken", repaired: "/var/tmp/repaired", rig.broker.uri: "tcp://broker:1883"}, rig.environment)
        rig.broker.process.kill()
        rig.agent.start()
        rig.wait_for_status(lambda status: all(device["samples"] > 400_000 for device in status["devices"]), 60, "frames wait")
        on_a_running_host(rig, say, settings, ["--spool", rig.spool])
        rig.wait_until_ended(120)
        rig.wait_for_status(lambda status: all(device["samples"] == SECONDS * 100_000 for device in status["devices"]), 60,
                            "everything is in the spool")
        rig.agent.kill()
        copy_of(rig.spool, card)
        copy_of(rig.spool, broken)
        damage(broken)
        rig.broker.start()
        rig.bridge.start()
        wait_for(lambda: rig.bridge.running(), 10, "the bridge runs")
        on_a_dead_hosts_card(rig, say, card)
        on_a_damaged_spool(say, broken, repaired)
        return "".join(say.text)


def main(path: pathlib.Path) -> int:
    document = path.read_text()
    before, found_begin, rest = document.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found_begin or not found_end:
        print(f"{path}: has no place for the transcript", file=sys.stderr)
        return 2
    path.write_text(before + BEGIN + record() + END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else TOP / "docs" / "operations.md"))
