"""ext4 on a loop device, plain or behind a slow card's speed, for benchmarks. Root only.

Mounts are this process's own (and its children's), and the loop device goes with its mount: nothing is left behind, however the
process ends."""
import ctypes
import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18
SECTOR_BYTES = 512  # of /sys/block/*/stat, whatever the device has


def system_call(name: str, *arguments) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def have_own_mounts() -> None:
    """Once per process, before any disk. OSError: not permitted."""
    system_call("unshare", CLONE_NEWNS)
    system_call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)


class Card:
    """What an SD card of this speed would make of it (slow_card.py)."""

    def __init__(self, write_mb_per_s: float, read_mb_per_s: float, flush_ms: float):
        self.write_mb_per_s, self.read_mb_per_s, self.flush_ms = write_mb_per_s, read_mb_per_s, flush_ms

    def __str__(self) -> str:
        return (f"a model of an SD card under the loop device: writes at {self.write_mb_per_s:g} MB/s, reads at {self.read_mb_per_s:g} MB/s, "
                f"each flush {self.flush_ms:g} ms, one request at a time")


class LoopDisk:
    """The image file `image`, made with so many MiB if it is not there, mounted at `path` while this is open."""

    def __init__(self, image: pathlib.Path, mib: int, card: Card | None = None):
        self.image, self.mib, self.card = image, mib, card
        self.path = image.with_suffix(".mount")
        self.server = None

    def __enter__(self) -> "LoopDisk":
        self.path.mkdir(exist_ok=True)
        if not self.image.exists():
            self._make()
        device = self._served() if self.card else self.image
        try:
            run("mount", "-o", "loop,noatime", device, self.path)
        except Exception:
            self._end_server()
            raise
        self.loop = self._loop_name()
        return self

    def __exit__(self, *_) -> None:
        run("umount", self.path)
        self._end_server()

    def _make(self) -> None:
        with open(self.image, "wb") as file:
            file.truncate(self.mib << 20)
        # The tables now and not by the kernel while it is measured; few inodes, nothing held back for root.
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-i", "65536", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", self.image)

    def _served(self) -> pathlib.Path:
        front = self.image.with_suffix(".card")
        front.touch()
        card = self.card
        speeds = (card.write_mb_per_s * 1e6, card.read_mb_per_s * 1e6, card.flush_ms)
        self.server = subprocess.Popen(["/usr/bin/python3", HERE / "slow_card.py", front, self.image, str(self.mib << 20), *map(str, speeds)],
                                       stdout=subprocess.PIPE, text=True)
        if self.server.stdout.readline().strip() != "ready":
            self.server.wait()
            raise OSError(f"no card over {front}: see above")
        return front

    def _end_server(self) -> None:
        if self.server:
            run("umount", self.image.with_suffix(".card"))
            self.server.wait()
            self.server = None

    def _loop_name(self) -> str:
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            device, where, *_ = line.split()
            if where == str(self.path):
                return pathlib.Path(device).name
        raise OSError(f"{self.path} is not mounted")

    def written_bytes(self) -> int:
        """What the device has been given so far; all that is to be written is, on return."""
        subprocess.run(["sync", "-f", self.path], check=True)
        return int(pathlib.Path(f"/sys/block/{self.loop}/stat").read_text().split()[6]) * SECTOR_BYTES


def run(*command) -> None:
    done = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def drop_page_cache() -> None:
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
