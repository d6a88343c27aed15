"""Ports of 127.0.0.1 for servers of tests."""
import itertools
import os
import socket

FIRST, COUNT = 20_000, 12_768  # below those that Linux gives to clients, and to servers that take any: 32768 and up
EACH = 37                      # a process' own before it comes to another's

_tried = itertools.count()


def free_port() -> int:
    """One that nobody listens on. A server can be killed and started again on it: neither a client nor another test's server gets it
    meanwhile, as they could one that the kernel chose."""
    for tried in itertools.islice(_tried, COUNT):
        port = FIRST + (os.getpid() * EACH + tried) % COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError(f"no free port from {FIRST} to {FIRST + COUNT - 1}")
