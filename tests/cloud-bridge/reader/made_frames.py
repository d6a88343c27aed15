"""Frames and payloads by the book (agent/wire/FORMAT.md, agent/codec/FORMAT-wave.md): an own writer, so that anything can be put
anywhere, what our encoder never writes and what no reader may take."""
import struct

import numpy as np
import zstandard

import joulespool_reader as jr
from agent.wire import frame_pb2
from joulespool_pages import PAIRS, QUADS, TRIPLES, ZEROS


def make_frame(payload, change=lambda header: None, device="js220-1", **fields):
    header = frame_pb2.FrameHeader(host="bench", lane=jr.WAVE, epoch=1, seq=1, codec=1, axis=5, counter_rate_hz=2000000,
                                   decimation=2)
    header.device.id = device
    for name, value in fields.items():
        setattr(header, name, value)
    change(header)
    head = header.SerializeToString()
    prefix = b"JSF1" + struct.pack("<II", len(head), len(payload))
    return prefix + struct.pack("<I", jr.crc32c(prefix + head + payload)) + head + payload


def wave_frame(payload, samples, seq=1, first=0, **fields):
    return make_frame(payload, sample_id_first=first, sample_id_end=first + 2 * samples, samples=samples, valid=samples, seq=seq,
                      **fields)


def stat_frame(windows, seq=1, replaces=(), window_ticks=0, **fields):
    """`windows`: (first sample_id, samples, current of each in units) of 2 ticks per sample; power is twice as much. Codec 1."""
    first, end = windows[0][0], max(at + 2 * samples for at, samples, _ in windows)
    columns = {"sample_id_first": np.diff([at for at, _, _ in windows], prepend=first), "length": [2 * n for _, n, _ in windows],
               "count": [n for _, n, _ in windows], "valid": [n for _, n, _ in windows],
               "i_sum": [n * i for _, n, i in windows], "p_sum": [2 * n * i for _, n, i in windows]}
    payload = b""
    for signal, (name, bits, dtype) in jr.WINDOW_COLUMNS.items():
        values = columns.get(name, [0] * len(windows))
        data = jr.halves_of(values).tobytes() if dtype is None else np.array(values, dtype=dtype).tobytes()
        payload += struct.pack("<BBBBIIII", signal, jr.RAW, bits, 0, len(windows), 0, 0, len(data)) + data

    def change(header):
        for name in ("i_sum", "p_sum"):
            total = sum(columns[name])
            getattr(header, name).high, getattr(header, name).low = total >> 64, total & 2**64 - 1
        for epoch, first_seq, last_seq in replaces:
            header.replaces.add(epoch=epoch, first=first_seq, last=last_seq)
        if window_ticks:
            header.kept.window_ticks = window_ticks

    samples = sum(n for _, n, _ in windows)
    return make_frame(payload, change, lane=jr.STAT, sample_id_first=first, sample_id_end=end, samples=samples, valid=samples,
                      seq=seq, **fields)


# --- codec 2 -----------------------------------------------------------------------------------------------------------------

def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def zigzag(value):
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def part(data, compressed=None):
    """`compressed`: None, or the zstd frame."""
    if not data:
        return varint(0)
    return varint(len(data)) + (varint(0) + data if compressed is None else varint(len(compressed)) + compressed)


def zstd(data, **options):
    return zstandard.ZstdCompressor(**options).compress(data)


def zstd_of_more(size, blocks):
    """A zstd frame that says it holds `size` bytes, and holds `blocks` blocks of 128 KiB of zeros, 4 bytes each."""
    head = b"\x28\xB5\x2F\xFD\x80\x58" + struct.pack("<I", size)  # with the size in 4 bytes, and a window of 2 MiB
    block = struct.pack("<I", 1 << 20 | 1 << 1)[:3] + b"\0"  # its size from bit 3 on, and that it is one byte again and again
    return head + (blocks - 1) * block + bytes([block[0] | 1]) + block[1:]


def section(signal, coding, data):
    return bytes([signal, coding]) + varint(len(data)) + data


def raw(signal, values):
    return section(signal, 0, np.asarray(values, dtype="<f4").tobytes())


def page(count, kind, head, runs=(), scale=0):
    """What heads say of one page of a signal; runs: (lattice, count), the last one's count is not written."""
    data = varint(count) + bytes([kind])
    if kind == 0:
        data += varint(len(runs)) + b"".join(varint(lattice) + varint(length) for lattice, length in runs[:-1])
        data += varint(runs[-1][0]) if runs else b""
    return data + (zigzag(scale) if kind == 1 else b"") + head


def head(predictor, symbols, base=0, shift=0, stream=None, coefficients=None):
    data = bytes([predictor | symbols << 3])
    if symbols != ZEROS:
        data += bytes([shift | (symbols if stream is None else stream) << 5])
    data += zigzag(base)
    return data if coefficients is None else data + bytes([len(coefficients)]) + b"".join(map(zigzag, coefficients))


def coded_pages(heads, escapes=b"", streams=None, low=b""):
    """`streams`: {number: bytes}."""
    streams = streams or {}
    present = sum(1 << stream for stream in streams)
    return (part(heads) + part(escapes) + bytes([present]) + b"".join(part(streams[stream]) for stream in sorted(streams)) +
            varint(len(low) // 4) + low)


def signal_in_pages(heads, lattices=(), exceptions=(), **coded):
    """exceptions: (gap, count, difference of bits)"""
    data = varint(len(lattices)) + b"".join(struct.pack("<dd", *lattice) for lattice in lattices)
    places = b"".join(varint(gap) + varint(count) for gap, count, _ in exceptions)
    data += varint(len(exceptions)) + part(places + b"".join(struct.pack("<I", bits) for _, _, bits in exceptions))
    return data + coded_pages(heads, **coded)


def escapes(*pairs):
    """Of one page: (gap, value)."""
    return b"".join(varint(gap) + zigzag(value) for gap, value in pairs) + b"\0"


def symbols_of(symbols, count, random):
    """Any bytes that a stream of this class may have."""
    per = {QUADS: 64, TRIPLES: 48, PAIRS: 32}.get(symbols)
    return random.randbytes(count if per is None else -(-count // per) * 16)
