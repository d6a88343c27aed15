"""Bytes of payloads, every access checked: integers, varints, compressed parts. Written from agent/codec/FORMAT-wave.md."""
import numpy as np
import zstandard

VARINT_BYTES_MAX = 10


class Damaged(Exception):
    """Bytes that are not what FORMAT.md says; str() is the reason."""


class ByteReader:
    """Reads from the front; raises Damaged past the end."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        if size > self.left:
            raise Damaged("bytes are cut off")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def varint(self):
        value = 0
        for shift in range(0, 7 * VARINT_BYTES_MAX, 7):
            byte = self.u8()
            value |= (byte & 127) << shift
            if byte < 128:
                break
        if byte >= 128 or value >> 64:
            raise Damaged("a varint has more than 64 bits")
        return value

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def part(self, size_max):
        """varint size; if it is not 0: varint compressed size (0: not compressed), the bytes."""
        size = self.varint()
        if size > size_max:
            raise Damaged("a part is larger than its section can need")
        if size == 0:
            return b""
        compressed = self.varint()
        return unzstd(self.take(compressed), size) if compressed else self.take(size)

    def finish(self, what):
        if self.left:
            raise Damaged(f"{what}: bytes are left over")


def unzstd(data, size):
    """`size` bytes from exactly one zstd frame, which says that it holds as many."""
    try:
        said = zstandard.get_frame_parameters(data).content_size
        if said != size:
            raise Damaged(f"a compressed part holds {said} bytes, not {size}")
        if size:  # into as much memory as the frame says: decompressobj() would take whatever its blocks make
            return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
        decompressor = zstandard.ZstdDecompressor().decompressobj()  # of a frame of 0 bytes the other looks at the header only
        content = decompressor.decompress(data)
    except zstandard.ZstdError as error:
        raise Damaged(f"a compressed part: {error}") from None
    if content or not decompressor.eof or decompressor.unused_data:
        raise Damaged("a compressed part is not one whole zstd frame")
    return content


def varints(data):
    """All varints of bytes that hold nothing else: (values as uint64, how many bytes each took)."""
    raw = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(raw < 128)
    if len(raw) == 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    if len(ends) == 0 or ends[-1] != len(raw) - 1:
        raise Damaged("a varint is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > VARINT_BYTES_MAX or (raw[ends[lengths == VARINT_BYTES_MAX]] > 1).any():
        raise Damaged("a varint has more than 64 bits")
    place = np.arange(len(raw)) - np.repeat(starts, lengths)
    digits = (raw & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(digits, starts), lengths


def unzigzag(values):
    """uint64 -> int64."""
    return (values >> np.uint64(1)).view(np.int64) ^ -(values & np.uint64(1)).view(np.int64)


def as_int32(values, what):
    if len(values) and (values.min() < -2**31 or values.max() >= 2**31):
        raise Damaged(f"{what} has more than 32 bits")
    return values.astype(np.int32)
