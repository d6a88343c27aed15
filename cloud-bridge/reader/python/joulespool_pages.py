"""Pages of codec 2: up to 4096 integers each, from symbols, raw low bits and escapes. Written from agent/codec/FORMAT-wave.md,
section 4. Integers are kept as uint32: all of their arithmetic is modulo 2^32.
"""
import collections
import operator

import numpy as np

from joulespool_bytes import ByteReader, Damaged, as_int32, unzigzag, varints

PAGE_SAMPLES_MAX = 4096
STREAMS = 8
SHIFT_MAX = 24
ORDER_MAX = 16
CENTRE, DELTA, DELTA2, MEAN8, LINEAR = range(5)
ZEROS, QUADS, TRIPLES, PAIRS, BYTES = range(5)
DIGITS = {QUADS: (4, 2, 4), TRIPLES: (3, 3, 6), PAIRS: (2, 8, 16)}  # class: residuals a byte, bias, base of the digits

# What a page's head says.
Head = collections.namedtuple("Head", "predictor symbols shift stream base coefficients escapes")


def symbol_count(symbols, count):
    if symbols == ZEROS:
        return 0
    if symbols == BYTES:
        return count
    block = 16 * DIGITS[symbols][0]
    return -(-count // block) * 16


def _from_digits(data, symbols, count):
    per, bias, base = DIGITS[symbols]
    rest = np.frombuffer(data, dtype=np.uint8).reshape(-1, 16)
    digits = np.empty((len(rest), per, 16), dtype=np.int32)
    for place in range(per):
        digits[:, place] = rest % base
        rest = rest // base
    return (digits.reshape(-1)[:count] - bias).view(np.uint32)


def _low_words(count, shift):
    return -(-(-(-count // 8) * shift) // 32) * 8


def _low_bits(data, count, shift):
    """8 lanes side by side, each a row of u32 words filled from the lowest bit on; element k is in lane k mod 8."""
    lanes = np.frombuffer(data, dtype="<u4").reshape(-1, 8).astype(np.uint64)
    pairs = lanes | np.concatenate((lanes[1:], np.zeros((1, 8), np.uint64))) << np.uint64(32)
    at = np.arange(-(-count // 8), dtype=np.uint64) * np.uint64(shift)
    rows = pairs[at >> np.uint64(5)] >> (at & np.uint64(31))[:, None]
    return (rows & np.uint64((1 << shift) - 1)).reshape(-1)[:count].astype(np.uint32)


def _mean8(residuals, base):
    last, eight, values = [base] * 8, 8 * base & 0xFFFFFFFF, []
    for at, residual in enumerate(residuals.tolist()):
        signed = eight - (eight >> 31 << 32)
        value = residual + (signed >> 3) & 0xFFFFFFFF
        eight = eight + value - last[at % 8] & 0xFFFFFFFF
        last[at % 8] = value
        values.append(value)
    return np.array(values, dtype=np.uint32)


def _linear(residuals, base, coefficients):
    oldest_first = coefficients[::-1]
    order = len(coefficients)
    steps = [0] * order  # there are none before a page
    for at, residual in enumerate(residuals.tolist()):
        predicted = sum(map(operator.mul, oldest_first, steps[at:at + order])) + 2048 >> 12
        step = residual + predicted & 0xFFFFFFFF
        steps.append(step - (step >> 31 << 32))
    return np.cumsum(np.array(steps[order:], dtype=np.int64).astype(np.uint32), dtype=np.uint32) + np.uint32(base)


def integrate(head, residuals):
    """Residuals (uint32) to integers (uint32)."""
    base = head.base & 0xFFFFFFFF
    if head.predictor == MEAN8:
        return _mean8(residuals, base)
    if head.predictor == LINEAR:
        return _linear(residuals, base, head.coefficients)
    for _ in range({CENTRE: 0, DELTA: 1, DELTA2: 2}[head.predictor]):
        residuals = np.cumsum(residuals, dtype=np.uint32)
    return residuals + np.uint32(base)


class PageReader:
    """Pages one after the other; `heads` is where what else belongs to a page is read from, before read()."""

    def __init__(self, reader, samples):
        """`samples`: integers that all pages together have at most; bounds what is decompressed."""
        self.heads = ByteReader(reader.part(4 * samples + 256))
        self.escapes, _ = varints(reader.part(8 * samples + 256))
        self.escapes_at = 0
        present = reader.u8()
        self.streams = [ByteReader(reader.part(samples + 64) if present >> stream & 1 else b"") for stream in range(STREAMS)]
        words = reader.varint()
        if words > reader.left // 4:
            raise Damaged("the raw low bits are cut off")
        self.low = ByteReader(reader.take(4 * words))
        self.base = 0

    def _read_escapes(self, residuals):
        """Replaces residuals; returns how many."""
        rest = self.escapes[self.escapes_at:self.escapes_at + 2 * len(residuals) + 1]
        ends = np.flatnonzero(rest[0::2] == 0)
        if len(ends) == 0:
            raise Damaged("the escapes of a page have no end")
        count = int(ends[0])
        self.escapes_at += 2 * count + 1
        gaps = rest[0:2 * count:2]
        if (gaps > PAGE_SAMPLES_MAX).any() or gaps.sum() > len(residuals):
            raise Damaged("an escape lies outside its page")
        residuals[np.cumsum(gaps.astype(np.int64)) - 1] = as_int32(unzigzag(rest[1:2 * count:2]), "an escape").view(np.uint32)
        return count

    def _read_residuals(self, symbols, shift, stream, count):
        data = self.streams[stream].take(symbol_count(symbols, count))
        if symbols != BYTES:
            return _from_digits(data, symbols, count)
        residuals = (np.frombuffer(data, dtype=np.uint8).astype(np.int32) - 128).view(np.uint32) << np.uint32(shift)
        if shift > 0:
            residuals |= _low_bits(self.low.take(4 * _low_words(count, shift)), count, shift)
        return residuals

    def _read_head(self):
        kinds = self.heads.u8()
        predictor, symbols = kinds & 7, kinds >> 3
        if predictor > LINEAR or symbols > BYTES:
            raise Damaged("a page has an unknown predictor or class")
        where = 0 if symbols == ZEROS else self.heads.u8()
        shift, stream = where & 31, where >> 5
        if shift > (SHIFT_MAX if symbols == BYTES else 0):
            raise Damaged("a page has an impossible shift")
        self.base = self.base + self.heads.zigzag() & 0xFFFFFFFF
        order = self.heads.u8() if predictor == LINEAR else 0
        if order > ORDER_MAX:
            raise Damaged("a page has too many coefficients")
        coefficients = [self.heads.zigzag() for _ in range(order)]
        if any(not -2**15 <= one < 2**15 for one in coefficients):
            raise Damaged("a coefficient has more than 16 bits")
        return predictor, symbols, shift, stream, coefficients

    def read(self, count):
        """(Head, the page's integers as int32)."""
        predictor, symbols, shift, stream, coefficients = self._read_head()
        if symbols == ZEROS:
            residuals, escapes = np.zeros(count, np.uint32), 0
        else:
            residuals = self._read_residuals(symbols, shift, stream, count)
            escapes = self._read_escapes(residuals)
        head = Head(predictor, symbols, shift, stream, self.base, coefficients, escapes)
        return head, integrate(head, residuals).view(np.int32)

    def finish(self):
        if self.escapes_at < len(self.escapes) or any(one.left for one in (self.heads, self.low, *self.streams)):
            raise Damaged("its pages do not use all that is there")
