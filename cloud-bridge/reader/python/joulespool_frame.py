"""Joulespool's frames and payloads: bytes to numpy arrays. Written from agent/wire/FORMAT.md and agent/codec/FORMAT.md; codec 2
is in joulespool_stat.py and joulespool_wave.py.

Users import joulespool_reader, which offers all of this, too.
"""
import collections
import dataclasses
import re
import struct

import numpy as np
import zstandard
from google.protobuf.message import DecodeError

import joulespool_stat
import joulespool_wave
from agent.wire import event_pb2, frame_pb2
from joulespool_bytes import Damaged

EVENT, STAT, WAVE = 1, 2, 3
LANE_NAMES = {EVENT: "event", STAT: "stat", WAVE: "wave"}
GAP_REASONS = {1: "usb_drop", 2: "overrun", 3: "device_lost", 4: "disk_full", 5: "evicted", 6: "corrupt", 7: "restart",
               8: "rejected"}

PREFIX_BYTES = 16
HEADER_BYTES_MAX = 16 * 1024
FRAME_BYTES_MAX = 1024 * 1024 - 1024
SAMPLES_MAX = joulespool_wave.SAMPLES_MAX
PACKED_ELEMENTS_MAX = joulespool_wave.PACKED_ELEMENTS_MAX
WINDOWS_MAX = 65536
LABELS_MAX, LABEL_BYTES_MAX = 32, 128
REPLACED_MAX = 256
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")


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


def keeps_all(h):
    """Does the payload of lane wave hold every sample?"""
    return not h.HasField("kept") or h.kept.decimation == h.decimation


def kept_samples(h):
    """(sample_id of the first, ticks from one to the next, how many) of the samples in a payload of lane wave."""
    if keeps_all(h):
        return h.sample_id_first, h.decimation, h.samples
    if h.kept.decimation == 0:
        return h.sample_id_first, h.decimation, 0
    factor = h.kept.decimation // h.decimation
    to_first = -(h.sample_id_first // h.decimation) % factor  # samples
    return h.sample_id_first + to_first * h.decimation, h.kept.decimation, max(0, -((to_first - h.samples) // factor))


def _replaces_earlier_ones(h):
    return len(h.replaces) <= REPLACED_MAX and all(
        frames.epoch > 0 and 0 < frames.first <= frames.last < 2**64 - 1 and (frames.epoch != h.epoch or frames.last < h.seq)
        for frames in h.replaces)


def _is_valid(h):
    named = ID.match(h.host) and ID.match(h.device.id)
    numbered = h.lane in LANE_NAMES and h.seq > 0 and h.epoch > 0 and h.codec > 0
    placed = h.sample_id_end >= h.sample_id_first and h.decimation > 0 and h.counter_rate_hz > 0
    if not (named and numbered and placed):
        return False
    counted = (h.valid <= h.samples <= (h.sample_id_end - h.sample_id_first) // h.decimation and h.missing == h.samples - h.valid)
    labelled = len(h.labels) <= LABELS_MAX and all(
        0 < len(label.key.encode()) <= LABEL_BYTES_MAX and len(label.value.encode()) <= LABEL_BYTES_MAX for label in h.labels)
    lower_rate = not h.HasField("kept") or h.kept.decimation % h.decimation == 0
    return counted and labelled and lower_rate and (keeps_all(h) or h.kept.window_ticks > 0) and _replaces_earlier_ones(h)


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
    return joulespool_wave.product(i, v).view(np.float32)


Packed = collections.namedtuple("Packed", "signal sample_id stride elements")


@dataclasses.dataclass
class WaveFrame:
    """Samples that one frame holds; element k has sample_id + k * decimation. At a lower rate than the source's there are windows,
    too: the dict of Device.windows()."""
    header: object
    sample_id: int
    decimation: int
    i: np.ndarray
    v: np.ndarray
    p: np.ndarray
    packed: list
    windows: object = None


def _floats(section):
    return np.frombuffer(section_bytes(section), dtype="<f4").astype(np.float32)


def _unpack(section):
    data = np.frombuffer(section_bytes(section), dtype=np.uint8)
    if section.bits == 1:
        return np.unpackbits(data, count=section.count, bitorder="little")
    nibbles = np.empty(2 * len(data), dtype=np.uint8)
    nibbles[0::2], nibbles[1::2] = data & 15, data >> 4
    return nibbles[:section.count]


def _decode_samples(h, count, payload):
    """i, v, p, Packed and windows of codec 2."""
    wave = joulespool_wave.decode(payload, count)
    packed = [Packed(one.signal, h.sample_id_first + one.offset, one.stride, one.elements) for one in wave.packed]
    windows = None if wave.windows is None else joulespool_stat.decode(wave.windows, h.sample_id_first)
    return wave.i.values, wave.v.values, wave.p_bits.view(np.float32), packed, windows


def _decode_samples_codec_1(h, count, payload):
    columns, corrections, packed, seen, elements = {}, None, [], set(), 0
    for section in read_sections(payload):
        if section.signal in (1, 2, 3):
            if section.signal in seen:
                raise Damaged("a signal is there twice")
            seen.add(section.signal)
            if section.bits != 32 or section.count != count:
                raise Damaged("a signal does not have as many samples as the frame")
            if section.signal == 3 and section.coding == SPARSE:
                corrections = read_corrections(section)
            else:
                columns[section.signal] = _floats(section)
        elif section.bits in (1, 4):
            elements += section.count
            if elements > PACKED_ELEMENTS_MAX:
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
    return i, v, p, packed


def decode_wave(frame):
    h = frame.header
    if h.codec not in (1, 2):
        raise Damaged(f"unknown codec {h.codec}")
    sample_id, decimation, count = kept_samples(h)
    if count > SAMPLES_MAX or h.samples * h.decimation != h.sample_id_end - h.sample_id_first:
        raise Damaged("its samples do not follow each other without a gap")
    decode = _decode_samples if h.codec == 2 else _decode_samples_codec_1
    return WaveFrame(h, sample_id, decimation, *decode(h, count, frame.payload))


WINDOW_COLUMNS = {  # signal: (name, bits, numpy type)
    64: ("sample_id_first", 64, "<u8"), 65: ("length", 32, "<u4"), 66: ("count", 32, "<u4"), 67: ("valid", 32, "<u4"),
    68: ("i_sum", 128, None), 69: ("v_sum", 128, None), 70: ("p_sum", 128, None),
    71: ("i2_sum", 128, None), 72: ("v2_sum", 128, None),
    73: ("i_min", 32, "<f4"), 74: ("i_max", 32, "<f4"), 75: ("v_min", 32, "<f4"), 76: ("v_max", 32, "<f4"),
    77: ("p_min", 32, "<f4"), 78: ("p_max", 32, "<f4"),
}


SUMS = [name for name, bits, _ in WINDOW_COLUMNS.values() if bits == 128]
EXTREMES = [name for name, _, dtype in WINDOW_COLUMNS.values() if dtype == "<f4"]


def python_ints(halves):
    """A column of 128-bit sums, (n, 2) uint64 with the low half first, as an array of Python ints."""
    high = np.ascontiguousarray(halves[:, 1]).view("<i8").astype(object)
    return high * (1 << 64) + halves[:, 0].astype(object)


def halves_of(ints):
    """The reverse of python_ints()."""
    rows = [(int(value) & (2**64 - 1), int(value) >> 64 & (2**64 - 1)) for value in ints]
    return np.array(rows, dtype="<u8").reshape(-1, 2)


def decode_stat(frame):
    """dict of columns: sample_id_first, sample_id_end, count, valid, extremes (float32), sums (n, 2) uint64, low half first."""
    h = frame.header
    if h.codec == 2:
        columns = joulespool_stat.decode(frame.payload, h.sample_id_first)
        return columns | {name: halves_of(columns[name]) for name in SUMS}
    if h.codec != 1:
        raise Damaged(f"unknown codec {h.codec}")
    return _decode_windows_codec_1(h, frame.payload)


def _decode_windows_codec_1(h, payload):
    columns, count = {}, None
    for section in read_sections(payload):
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
        columns = {name: np.zeros((0, 2) if dtype is None else 0, dtype=dtype or "<u8")
                   for name, _, dtype in WINDOW_COLUMNS.values()}
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
