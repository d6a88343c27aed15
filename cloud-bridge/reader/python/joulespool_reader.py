#!/usr/bin/python3
"""Reads Joulespool's samples, windows and gaps back from Kinesis as numpy arrays.

Written from agent/wire/FORMAT.md and agent/codec/FORMAT.md. Needs protobuf, zstandard and numpy (boto3 for Kinesis), and the
generated modules agent.wire.frame_pb2 and event_pb2: put <build>/python on PYTHONPATH.

    import boto3, joulespool_reader as jr
    devices = jr.collect(jr.read_stream(boto3.client("kinesis"), "joulespool"))
    wave = devices["js220-001122"].samples()     # .sample_id .i .v .p
    windows = devices["js220-001122"].windows()  # dict of arrays; sums as Python ints
"""
import argparse
import collections
import dataclasses
import hashlib
import os
import re
import struct
import sys

import numpy as np
import zstandard
from google.protobuf.message import DecodeError

from agent.wire import event_pb2, frame_pb2

EVENT, STAT, WAVE = 1, 2, 3
LANE_NAMES = {EVENT: "event", STAT: "stat", WAVE: "wave"}
GAP_REASONS = {1: "usb_drop", 2: "overrun", 3: "device_lost", 4: "disk_full", 5: "evicted", 6: "corrupt", 7: "restart", 8: "rejected"}

PREFIX_BYTES = 16
HEADER_BYTES_MAX = 16 * 1024
FRAME_BYTES_MAX = 1024 * 1024 - 1024
SAMPLES_MAX = 1 << 20
PACKED_ELEMENTS_MAX = 1 << 24
WINDOWS_MAX = 65536
LABELS_MAX, LABEL_BYTES_MAX = 32, 128
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


class Damaged(Exception):
    """Bytes that are not what FORMAT.md says; str() is the reason."""


# --- CRC-32C -----------------------------------------------------------------------------------------------------------------
# The CRC's state is linear: state(ab) = shift(state(a), len(b)) xor state(b). So neighbours are combined pairwise, all pairs of a
# level at once, from 4-byte words up.

def _byte_tables(shift):
    """The operator `shift` (on arrays of uint32) as four tables, one per byte of its argument."""
    return [shift(np.arange(256, dtype=np.uint32) << np.uint32(8 * k)) for k in range(4)]


def _apply(tables, x):
    return (tables[0][x & np.uint32(255)] ^ tables[1][(x >> np.uint32(8)) & np.uint32(255)] ^
            tables[2][(x >> np.uint32(16)) & np.uint32(255)] ^ tables[3][x >> np.uint32(24)])


def _shift_zero_bytes(count):
    def shift(x):
        for _ in range(8 * count):
            x = (x >> np.uint32(1)) ^ np.where(x & np.uint32(1), np.uint32(0x82F63B78), np.uint32(0))
        return x
    return shift


_ONE_BYTE = _byte_tables(_shift_zero_bytes(1))[0]
_LEVELS = [_byte_tables(_shift_zero_bytes(4))]  # _LEVELS[k]: over 4 * 2^k bytes


def _level(k):
    while len(_LEVELS) <= k:
        last = _LEVELS[-1]
        _LEVELS.append(_byte_tables(lambda x: _apply(last, _apply(last, x))))
    return _LEVELS[k]


def crc32c(data):
    """CRC-32C (Castagnoli) of bytes."""
    data = bytes(data)
    if len(data) < 4:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = (crc >> 8) ^ int(_ONE_BYTE[(crc ^ byte) & 0xFF])
        return crc ^ 0xFFFFFFFF
    padded = np.zeros((len(data) + 3) // 4 * 4, dtype=np.uint8)  # zero bytes in front do not change a state of zero
    padded[len(padded) - len(data):] = np.frombuffer(data, dtype=np.uint8)
    padded[len(padded) - len(data):][:4] ^= 0xFF  # the initial value
    words = padded.view("<u4").astype(np.uint32)
    k = 0
    while len(words) > 1:
        if len(words) % 2:
            words = np.concatenate((np.zeros(1, dtype=np.uint32), words))
        words = _apply(_level(k), words[0::2]) ^ words[1::2]
        k += 1
    return int(_apply(_LEVELS[0], words)[0]) ^ 0xFFFFFFFF


# --- frames ------------------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Frame:
    header: object  # frame_pb2.FrameHeader
    payload: bytes
    bytes: int
    arrival: object = None  # datetime of the arrival in Kinesis, if known

    @property
    def id(self):
        return (self.header.device.id, self.header.epoch, self.header.lane, self.header.seq)


def _is_valid(h):
    named = ID.match(h.host) and ID.match(h.device.id)
    numbered = h.lane in LANE_NAMES and h.seq > 0 and h.epoch > 0 and h.codec > 0
    placed = h.sample_id_end >= h.sample_id_first and h.decimation > 0 and h.counter_rate_hz > 0
    if not (named and numbered and placed):
        return False
    counted = (h.valid <= h.samples <= (h.sample_id_end - h.sample_id_first) // h.decimation and h.missing == h.samples - h.valid)
    labelled = len(h.labels) <= LABELS_MAX and all(
        0 < len(label.key.encode()) <= LABEL_BYTES_MAX and len(label.value.encode()) <= LABEL_BYTES_MAX for label in h.labels)
    return counted and labelled


def read_frame(data):
    """A checked Frame; raises Damaged with the defect's name."""
    if len(data) < PREFIX_BYTES:
        raise Damaged("too_short")
    magic, header_size, payload_size, checksum = struct.unpack_from("<4sIII", data)
    if magic[:3] != b"JSF":
        raise Damaged("foreign")
    if magic[3:] != b"1":
        raise Damaged("unknown_version")
    size = PREFIX_BYTES + header_size + payload_size
    if header_size > HEADER_BYTES_MAX or size > FRAME_BYTES_MAX:
        raise Damaged("too_large")
    if len(data) != size:
        raise Damaged("truncated" if len(data) < size else "trailing_bytes")
    if crc32c(data[:12] + data[PREFIX_BYTES:]) != checksum:
        raise Damaged("checksum")
    header = frame_pb2.FrameHeader()
    try:
        header.ParseFromString(data[PREFIX_BYTES:PREFIX_BYTES + header_size])
    except DecodeError:
        raise Damaged("header") from None
    if not _is_valid(header):
        raise Damaged("header_invalid")
    return Frame(header, data[PREFIX_BYTES + header_size:], len(data))


def int128(proto):
    return (proto.high << 64) + proto.low


def utc_ns(utc, sample_id):
    """UTC of a sample by a header's map, in nanoseconds since 1970; None if the map says nothing."""
    if utc.quality == 0 or utc.counter_rate_hz <= 0:
        return None
    ticks = int(sample_id) - utc.sample_id
    whole = int(ticks / utc.counter_rate_hz)
    return utc.utc_ns + whole * 10**9 + round((ticks - whole * utc.counter_rate_hz) * 1e9 / utc.counter_rate_hz)


# --- payloads ----------------------------------------------------------------------------------------------------------------

Section = collections.namedtuple("Section", "signal coding bits count offset stride data")
RAW, SHUFFLED, ZSTD, SPARSE = 0, 1, 2, 3


def read_sections(payload):
    at, sections = 0, []
    while at < len(payload):
        if len(payload) - at < 20:
            raise Damaged("a section header is cut off")
        signal, coding, bits, _, count, offset, stride, size = struct.unpack_from("<BBBBIIII", payload, at)
        at += 20
        if size > len(payload) - at:
            raise Damaged("a section is longer than the payload")
        sections.append(Section(signal, coding, bits, count, offset, stride, payload[at:at + size]))
        at += size
    return sections


def _unzstd(section, size_min, size_max):
    try:
        size = zstandard.get_frame_parameters(section.data).content_size
        if not size_min <= size <= size_max:
            raise Damaged("compressed size does not match the count")
        if size == 0:
            return b""
        return zstandard.ZstdDecompressor().decompress(section.data)
    except zstandard.ZstdError as error:
        raise Damaged(f"signal {section.signal}: {error}") from None


def section_bytes(section):
    """The bytes of a section's elements (codings raw, shuffled, zstd)."""
    size = (section.count * section.bits + 7) // 8
    if section.coding == RAW:
        if len(section.data) != size:
            raise Damaged("raw size does not match the count")
        return section.data
    data = _unzstd(section, size, size)
    if section.coding == ZSTD:
        return data
    if section.coding != SHUFFLED or section.bits not in (32, 64, 128):
        raise Damaged(f"signal {section.signal}: coding {section.coding} does not hold these elements")
    planes = np.frombuffer(data, dtype=np.uint8).reshape(section.bits // 8, section.count)
    return planes.T.tobytes()


def read_corrections(section):
    """(positions, xors) of a sparse section."""
    data = _unzstd(section, 1, 9 * section.count)
    raw = np.frombuffer(data, dtype=np.uint8)
    distances, xors, at = [], [], 0
    while at < len(data):
        # As far as every distance takes one byte, pairs are 5 bytes each: all of them at once.
        pairs = raw[at:at + (len(data) - at) // 5 * 5].reshape(-1, 5)
        long = np.flatnonzero(pairs[:, 0] & 0x80)
        short = len(pairs) if len(long) == 0 else int(long[0])
        distances.append(pairs[:short, 0].astype(np.int64))
        xors.append(pairs[:short, 1:].copy().view("<u4").reshape(-1))
        at += 5 * short
        if at == len(data):
            break
        distance, shift = 0, 0
        while True:
            if at >= len(data) or shift > 28:
                raise Damaged("a correction is cut off")
            distance |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                break
        if len(data) - at < 4:
            raise Damaged("a correction is cut off")
        distances.append(np.array([distance], dtype=np.int64))
        xors.append(np.frombuffer(data, dtype="<u4", count=1, offset=at))
        at += 4
    distances, xors = np.concatenate(distances), np.concatenate(xors).astype(np.uint32)
    positions = np.cumsum(distances) - 1
    if (distances < 1).any() or positions[-1] >= section.count:
        raise Damaged("a correction is outside the section")
    return positions, xors


def product(i, v):
    """Power as FORMAT.md predicts it."""
    with np.errstate(all="ignore"):
        p = (i * v).astype(np.float32)
    p.view(np.uint32)[np.isnan(p)] = 0x7FC00000
    return p


Packed = collections.namedtuple("Packed", "signal sample_id stride elements")


@dataclasses.dataclass
class WaveFrame:
    """Samples of one frame; element k has sample_id + k * decimation."""
    header: object
    sample_id: int
    decimation: int
    i: np.ndarray
    v: np.ndarray
    p: np.ndarray
    packed: list


def _floats(section):
    return np.frombuffer(section_bytes(section), dtype="<f4").astype(np.float32)


def _unpack(section):
    data = np.frombuffer(section_bytes(section), dtype=np.uint8)
    if section.bits == 1:
        return np.unpackbits(data, count=section.count, bitorder="little")
    nibbles = np.empty(2 * len(data), dtype=np.uint8)
    nibbles[0::2], nibbles[1::2] = data & 15, data >> 4
    return nibbles[:section.count]


def decode_wave(frame):
    h = frame.header
    if h.codec != 1:
        raise Damaged(f"unknown codec {h.codec}")
    if h.samples > SAMPLES_MAX or h.samples * h.decimation != h.sample_id_end - h.sample_id_first:
        raise Damaged("its samples do not follow each other without a gap")
    columns, corrections, packed = {}, None, []
    for section in read_sections(frame.payload):
        if section.signal in (1, 2, 3):
            if section.bits != 32 or section.count != h.samples:
                raise Damaged("a signal does not have as many samples as the frame")
            if section.signal == 3 and section.coding == SPARSE:
                corrections = read_corrections(section)
            else:
                columns[section.signal] = _floats(section)
        elif section.bits in (1, 4):
            if section.count > PACKED_ELEMENTS_MAX:
                raise Damaged("more elements than a frame may hold")
            packed.append(Packed(section.signal, h.sample_id_first + section.offset, section.stride, _unpack(section)))
    if 1 not in columns or 2 not in columns:
        raise Damaged("current or voltage is missing")
    i, v = columns[1], columns[2]
    if 3 in columns:
        p = columns[3]
    else:
        p = product(i, v)
        if corrections is not None:
            p.view(np.uint32)[corrections[0]] ^= corrections[1]
    return WaveFrame(h, h.sample_id_first, h.decimation, i, v, p, packed)


WINDOW_COLUMNS = {  # signal: (name, bits, numpy type)
    64: ("sample_id_first", 64, "<u8"), 65: ("length", 32, "<u4"), 66: ("count", 32, "<u4"), 67: ("valid", 32, "<u4"),
    68: ("i_sum", 128, None), 69: ("v_sum", 128, None), 70: ("p_sum", 128, None), 71: ("i2_sum", 128, None), 72: ("v2_sum", 128, None),
    73: ("i_min", 32, "<f4"), 74: ("i_max", 32, "<f4"), 75: ("v_min", 32, "<f4"), 76: ("v_max", 32, "<f4"),
    77: ("p_min", 32, "<f4"), 78: ("p_max", 32, "<f4"),
}


SUMS = [name for name, bits, _ in WINDOW_COLUMNS.values() if bits == 128]
EXTREMES = [name for name, _, dtype in WINDOW_COLUMNS.values() if dtype == "<f4"]


def python_ints(halves):
    """A column of 128-bit sums, (n, 2) uint64 with the low half first, as an array of Python ints."""
    high = np.ascontiguousarray(halves[:, 1]).view("<i8").astype(object)
    return high * (1 << 64) + halves[:, 0].astype(object)


def decode_stat(frame):
    """dict of columns: sample_id_first, sample_id_end, count, valid, extremes as float32, sums as (n, 2) uint64, low half first."""
    h = frame.header
    if h.codec != 1:
        raise Damaged(f"unknown codec {h.codec}")
    columns, count = {}, None
    for section in read_sections(frame.payload):
        count = section.count if count is None else count
        if section.count != count or count > WINDOWS_MAX:
            raise Damaged("columns of different length")
        if section.signal not in WINDOW_COLUMNS:
            continue
        name, bits, dtype = WINDOW_COLUMNS[section.signal]
        if section.bits != bits or name in columns:
            raise Damaged(f"column {name} has the wrong width or is there twice")
        data = section_bytes(section)
        columns[name] = np.frombuffer(data, dtype="<u8").reshape(-1, 2) if dtype is None else np.frombuffer(data, dtype=dtype)
    if count and len(columns) != len(WINDOW_COLUMNS):
        raise Damaged("columns are missing")
    if not count:
        columns = {name: np.zeros((0, 2) if dtype is None else 0, dtype=dtype or "<u8") for name, _, dtype in WINDOW_COLUMNS.values()}
    columns["sample_id_first"] = np.cumsum(columns["sample_id_first"], dtype=np.uint64) + np.uint64(h.sample_id_first)
    columns["sample_id_end"] = columns["sample_id_first"] + columns.pop("length").astype(np.uint64)
    if (columns["valid"] > columns["count"]).any():
        raise Damaged("a window has more valid samples than samples")
    return columns


def decode_events(frame):
    payload = event_pb2.EventPayload()
    if frame.header.codec != 1:
        raise Damaged(f"unknown codec {frame.header.codec}")
    try:
        payload.ParseFromString(frame.payload)
    except DecodeError:
        raise Damaged("the list of events does not parse") from None
    return list(payload.events)


# --- devices -----------------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Samples:
    sample_id: np.ndarray  # uint64
    i: np.ndarray          # A, float32
    v: np.ndarray          # V
    p: np.ndarray          # W


class Device:
    """The frames of one device, each once; in seq order within each sequence once sorted()."""

    def __init__(self, device_id):
        self.id = device_id
        self.sequences = {}  # (epoch, lane) -> {seq: Frame}, in the order of their first appearance
        self.duplicates = 0

    def add(self, frame):
        frames = self.sequences.setdefault((frame.header.epoch, frame.header.lane), {})
        if frame.header.seq in frames:
            self.duplicates += 1
        else:
            frames[frame.header.seq] = frame

    def frames(self, lane):
        """Frames of a lane, sequence after sequence, each in seq order."""
        for (_, of_lane), frames in self.sequences.items():
            if of_lane == lane:
                for seq in sorted(frames):
                    yield frames[seq]

    def wave(self):
        """Decoded frames of lane wave, one by one: for more samples than fit into memory."""
        return (decode_wave(frame) for frame in self.frames(WAVE))

    def samples(self, axis=None, first=0, end=2**64):
        """All samples of an axis (None: of every axis, one after the other) with first <= sample_id < end."""
        parts = []
        for frame in self.frames(WAVE):
            h = frame.header
            if axis not in (None, h.axis) or h.sample_id_first >= end or h.sample_id_end <= first:
                continue
            wave = decode_wave(frame)
            sample_id = np.uint64(wave.sample_id) + np.arange(len(wave.i), dtype=np.uint64) * np.uint64(wave.decimation)
            element = lambda tick: min(max(0, -((h.sample_id_first - tick) // h.decimation)), h.samples)  # first one not before
            keep = slice(element(first), element(end))
            parts.append([column[keep] for column in (sample_id, wave.i, wave.v, wave.p)])
        if not parts:
            parts = [[np.zeros(0, np.uint64)] + [np.zeros(0, np.float32)] * 3]
        return Samples(*(np.concatenate(column) for column in zip(*parts)))

    def windows(self, axis=None):
        """All windows of an axis (None: of every axis) as a dict of arrays; sums are arrays of Python ints."""
        parts = [decode_stat(frame) for frame in self.frames(STAT) if axis in (None, frame.header.axis)]
        if not parts:
            return {}
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {name: python_ints(column) if name in SUMS else column for name, column in columns.items()}

    def events(self):
        """(frame header, event_pb2.Event) in order."""
        return [(frame.header, event) for frame in self.frames(EVENT) for event in decode_events(frame)]

    def gaps(self):
        """event_pb2.Gap in order, of reasons known to GAP_REASONS."""
        return [event.gap for _, event in self.events() if event.WhichOneof("kind") == "gap" and event.gap.reason in GAP_REASONS]

    def totals(self, lane=STAT):
        """samples, valid, i_sum (2^-31 A), p_sum (2^-31 W) of a lane by its headers, and samples_lost of the gaps for all lanes."""
        headers = [frame.header for frame in self.frames(lane)]
        return {"frames": len(headers), "samples": sum(h.samples for h in headers), "valid": sum(h.valid for h in headers),
                "i_sum": sum(int128(h.i_sum) for h in headers), "p_sum": sum(int128(h.p_sum) for h in headers),
                "samples_lost": sum(gap.samples_lost for gap in self.gaps() if gap.lane == 0)}

    def holes(self):
        """{(epoch, lane): [(first, last)]} of seqs up to the highest that did not come. Gaps may explain them."""
        holes = {}
        for key, frames in self.sequences.items():
            last = 0
            for seq in sorted(frames):
                if seq > last + 1:
                    holes.setdefault(key, []).append((last + 1, seq - 1))
                last = seq
        return holes


class Devices(dict):
    """Device by id, and `damaged`: how many records were dropped, by reason."""

    def __init__(self):
        super().__init__()
        self.damaged = collections.Counter()


def collect(records, device=None):
    """Records (bytes, or (bytes, arrival)) -> Devices. Damaged ones are counted, second copies dropped."""
    devices = Devices()
    for record in records:
        data, arrival = record if isinstance(record, tuple) else (record, None)
        try:
            frame = read_frame(data)
        except Damaged as defect:
            devices.damaged[str(defect)] += 1
            continue
        frame.arrival = arrival
        if device in (None, frame.header.device.id):
            devices.setdefault(frame.header.device.id, Device(frame.header.device.id)).add(frame)
    return devices


def _shards_in_order(client, stream):
    shards, more = [], {"StreamName": stream}
    while more:
        page = client.list_shards(**more)
        shards += page["Shards"]
        more = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
    known = {shard["ShardId"] for shard in shards}
    ordered, done = [], set()
    while len(ordered) < len(shards):  # parents before children
        ready = [shard["ShardId"] for shard in shards if shard["ShardId"] not in done and all(
            shard.get(parent) not in known or shard.get(parent) in done for parent in ("ParentShardId", "AdjacentParentShardId"))]
        if not ready:
            raise Damaged("shards are each other's parents")
        ordered += ready
        done.update(ready)
    return ordered


def read_stream(client, stream):
    """(data, arrival) of every record that the stream holds now; `client` is a boto3 Kinesis client."""
    for shard in _shards_in_order(client, stream):
        iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator, Limit=10000)
            for record in page["Records"]:
                yield record["Data"], record.get("ApproximateArrivalTimestamp")
            iterator = page.get("NextShardIterator")
            if not page["Records"] and page.get("MillisBehindLatest", 0) == 0:
                break


def frames_from_directory(path):
    """The bytes of every file in a directory, by name: one frame each."""
    for name in sorted(os.listdir(path)):
        with open(os.path.join(path, name), "rb") as file:
            yield file.read()


# --- digests: to compare two readers, or a reader with a source, bit for bit, wherever frames begin and end -------------------

def _event_digest(device, epoch):
    digest, count = hashlib.sha256(), 0
    frames = device.sequences[(epoch, EVENT)]
    for seq in sorted(frames):
        digest.update(struct.pack("<QI", seq, len(frames[seq].payload)) + frames[seq].payload)
        count += 1
    return count, digest


def _stat_digest(device, epoch):
    digest, count = hashlib.sha256(), 0
    layout = np.dtype([(name, "<u8") for name in ("sample_id_first", "sample_id_end", "count", "valid")] +
                      [(name, "<u8", 2) for name in SUMS] + [(name, "<f4") for name in EXTREMES])
    frames = device.sequences[(epoch, STAT)]
    for seq in sorted(frames):
        columns = decode_stat(frames[seq])
        rows = np.zeros(len(columns["count"]), dtype=layout)
        for name in layout.names:
            rows[name] = columns[name]
        digest.update(rows.tobytes())
        count += len(rows)
    return count, digest


class _RunDigest:
    """SHA-256 over elements; before each run of elements that follow each other: axis, tick of the first, ticks per element."""

    def __init__(self):
        self.digest, self.count, self.next = hashlib.sha256(), 0, None

    def add(self, axis, tick, stride, count, data):
        if count and self.next != (axis, tick, stride):
            self.digest.update(struct.pack("<QQQ", axis, tick, stride))
        if count:
            self.next = (axis, tick + count * stride, stride)
        self.digest.update(data)
        self.count += count


def _wave_digests(device, epoch):
    digests = {"wave": _RunDigest()}
    frames = device.sequences[(epoch, WAVE)]
    for seq in sorted(frames):
        wave = decode_wave(frames[seq])
        axis = wave.header.axis
        triples = np.stack((wave.i, wave.v, wave.p), axis=1).astype("<f4").tobytes()
        digests["wave"].add(axis, wave.sample_id, wave.decimation, len(wave.i), triples)
        for packed in wave.packed:
            digests.setdefault(f"wave.{packed.signal}", _RunDigest()).add(axis, packed.sample_id, packed.stride, len(packed.elements),
                                                                          packed.elements.tobytes())
    return {name: (digest.count, digest.digest) for name, digest in digests.items()}


def digest_lines(device):
    """`device epoch lane count sha256`, sorted: one line per sequence, and one per packed signal of lane wave."""
    lines = []
    for epoch, lane in device.sequences:
        if lane == WAVE:
            found = _wave_digests(device, epoch)
        else:
            found = {LANE_NAMES[lane]: (_event_digest if lane == EVENT else _stat_digest)(device, epoch)}
        lines += [f"{device.id} {epoch:016x} {name} {count} {digest.hexdigest()}" for name, (count, digest) in found.items()]
    return sorted(lines)


def summary_lines(device):
    lines = [f"{device.id}: {device.duplicates} second copies dropped"]
    for lane, name in LANE_NAMES.items():
        totals = device.totals(lane)
        size = sum(frame.bytes for frame in device.frames(lane))
        lines.append(f"  {name:5} {totals['frames']} frames, {size} bytes, {totals['samples']} samples, {totals['valid']} valid, "
                     f"charge {totals['i_sum']}, energy {totals['p_sum']} (units of 2^-31 A, W per sample)")
    lost = collections.Counter()
    for gap in device.gaps():
        lost[(GAP_REASONS[gap.reason], LANE_NAMES.get(gap.lane, "all lanes"))] += gap.samples_lost
    lines += [f"  gap   {reason}, {where}: {count} samples" for (reason, where), count in sorted(lost.items())]
    for (epoch, lane), ranges in sorted(device.holes().items()):
        lines.append(f"  not there: {LANE_NAMES[lane]} of epoch {epoch:016x}, seq " + ", ".join(f"{a}..{b}" for a, b in ranges))
    return lines


def _records(arguments):
    if arguments.directory:
        return frames_from_directory(arguments.directory)
    import boto3  # only needed here
    client = boto3.client("kinesis", endpoint_url=arguments.endpoint, region_name=arguments.region)
    return read_stream(client, arguments.stream)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Reads Joulespool frames from Kinesis (or a directory of frames).")
    parser.add_argument("what", choices=("summary", "digest"))
    parser.add_argument("--endpoint", help="URL of Kinesis, for local ones; default: AWS")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1")))
    parser.add_argument("--stream", help="name of the stream")
    parser.add_argument("--directory", help="read files, one frame each, instead of a stream")
    parser.add_argument("--device", help="only this one")
    arguments = parser.parse_args(argv)
    if bool(arguments.stream) == bool(arguments.directory):
        parser.error("give either --stream or --directory")
    devices = collect(_records(arguments), arguments.device)
    for _, device in sorted(devices.items()):
        for line in (digest_lines if arguments.what == "digest" else summary_lines)(device):
            print(line)
    for reason, count in sorted(devices.damaged.items()):
        print(f"damaged: {reason} {count}", file=sys.stderr)
    if arguments.device and arguments.device not in devices:
        print(f"{arguments.device}: nothing in the stream", file=sys.stderr)
        return 1
    return 1 if devices.damaged else 0


if __name__ == "__main__":
    sys.exit(main())
