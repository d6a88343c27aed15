#!/usr/bin/python3
"""A block device like an SD card: a file whose writes and flushes take their time, served through FUSE, under a loop device.

slow_card.py FILE BACKING BYTES WRITE_BYTES_PER_S READ_BYTES_PER_S FLUSH_MS

Mounts itself over FILE; what is written goes to BACKING. One request at a time, as a card without a command queue works. Says
"ready" on stdout, and ends when FILE is unmounted. Needs root and nothing but the kernel (module fuse)."""
import ctypes
import errno
import os
import signal
import stat
import struct
import sys
import time

# linux/fuse.h
GETATTR, SETATTR, OPEN, READ, WRITE, RELEASE, FSYNC, FLUSH, INIT = 3, 4, 14, 15, 16, 18, 20, 25, 26
WITHOUT_REPLY = (2, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
DIRECT_IO = 1  # of an open file: the page cache above the loop device is the only one
IN_HEADER, OUT_HEADER = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ")
WRITE_MAX = 1 << 20


class Card:
    def __init__(self, backing: str, size: int, write_bytes_per_s: float, read_bytes_per_s: float, flush_s: float):
        self.file = os.open(backing, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self.file, size)
        self.size, self.flush_s = size, flush_s
        self.write_bytes_per_s, self.read_bytes_per_s = write_bytes_per_s, read_bytes_per_s
        self.busy_until = 0.0

    def take(self, seconds: float) -> None:
        """The time of one request; what the sleep before took too long is made good."""
        now = time.monotonic()
        self.busy_until = max(self.busy_until, now - 0.001) + seconds
        if self.busy_until > now:
            time.sleep(self.busy_until - now)

    def attributes(self) -> bytes:
        times = (0, 0, 0, 0, 0, 0)
        return struct.pack("<QII", 3600, 0, 0) + struct.pack("<QQQQQQIIIIIIIIII", 1, self.size, self.size // 512, *times,
                                                            stat.S_IFREG | 0o600, 1, 0, 0, 0, 4096, 0)

    def answer(self, operation: int, body: memoryview) -> bytes | int:
        """What the kernel asked for, or an error number."""
        if operation == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, BIG_WRITES | MAX_PAGES, 12, 10, WRITE_MAX, 1, WRITE_MAX // 4096, 0, 0)
        if operation in (GETATTR, SETATTR):
            return self.attributes()
        if operation == OPEN:
            return struct.pack("<QII", 0, DIRECT_IO, 0)
        if operation == READ:
            offset, size = struct.unpack_from("<8xQI", body)
            self.take(size / self.read_bytes_per_s)
            return os.pread(self.file, size, offset)
        if operation == WRITE:
            offset, size = struct.unpack_from("<8xQI", body)
            self.take(size / self.write_bytes_per_s)
            return struct.pack("<II", os.pwrite(self.file, body[40:40 + size], offset), 0)
        if operation == FSYNC:
            self.take(self.flush_s)
            return b""
        return b"" if operation in (RELEASE, FLUSH) else errno.ENOSYS


def mount(path: str) -> int:
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=100600,user_id=0,group_id=0,max_read={WRITE_MAX}"
    if libc.mount(b"slow_card", path.encode(), b"fuse.slow_card", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {path}: {os.strerror(ctypes.get_errno())}")
    return device


def serve(device: int, card: Card) -> None:
    buffer = bytearray(WRITE_MAX + 8192)
    while True:
        try:
            size = os.readv(device, [buffer])
        except OSError as error:
            if error.errno == errno.ENODEV:  # unmounted
                return
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue
            raise
        _, operation, unique, *_ = IN_HEADER.unpack_from(buffer)
        if operation in WITHOUT_REPLY:
            continue
        reply = card.answer(operation, memoryview(buffer)[IN_HEADER.size:size])
        code, content = (-reply, b"") if isinstance(reply, int) else (0, reply)
        os.writev(device, [OUT_HEADER.pack(OUT_HEADER.size + len(content), code, unique), content])


def main() -> None:
    path, backing, size, write_bytes_per_s, read_bytes_per_s, flush_ms = sys.argv[1:]
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: its user must not leave it behind
    card = Card(backing, int(size), float(write_bytes_per_s), float(read_bytes_per_s), float(flush_ms) / 1000)
    device = mount(path)
    print("ready", flush=True)
    serve(device, card)


if __name__ == "__main__":
    main()
