"""Lane wave, codec 2: a payload to samples. Written from agent/codec/FORMAT-wave.md.

float32 values are kept as their bit patterns (uint32) wherever they are only carried: a NaN's payload must stay.
"""
import collections
import dataclasses

import numpy as np

from joulespool_bytes import ByteReader, Damaged, as_int32, unzigzag, unzstd, varints
from joulespool_pages import PAGE_SAMPLES_MAX, PageReader

SAMPLES_MAX = 1 << 20
PACKED_ELEMENTS_MAX = 1 << 24
CURRENT, VOLTAGE, POWER = 1, 2, 3
PACKED = {4, 5, *range(16, 24)}
WINDOWS = 64
RAW, SHUFFLED, PAGES, CORRECTIONS = range(4)   # codings of signals 1 to 3
ELEMENTS, RUNS = range(2)                      # of packed signals
LATTICE, GRID, ORDER = range(3)                # kinds of pages
PRODUCT, LATTICE_PRODUCT = range(2)            # models of power
NONE, SPARSE, IN_PAGES = range(3)              # corrections of power
PAGE_SAMPLES_MIN = 64
LATTICES_MAX = 64
GRID_SCALES = range(-127, 127)
OFFSET_MAX, STEP_MAX = 2.0**53, 2.0**129

Section = collections.namedtuple("Section", "signal coding data")
Page = collections.namedtuple("Page", "first count kind runs scale head")  # runs: (lattice, count); head: joulespool_pages.Head


@dataclasses.dataclass
class Signal:
    """One of i, v, p, and how it was coded; of coding PAGES with its pages, lattices (offset, step) and exceptions."""
    coding: int
    bits: np.ndarray  # of the values, uint32
    index: np.ndarray = None  # int32
    pages: list = dataclasses.field(default_factory=list)
    lattices: list = dataclasses.field(default_factory=list)
    exceptions: list = dataclasses.field(default_factory=list)  # (first, count, bits)

    @property
    def values(self):
        return self.bits.view(np.float32)


@dataclasses.dataclass
class Power:
    """How power was coded as corrections."""
    model: int
    corrections: int
    bits: np.ndarray


Packed = collections.namedtuple("Packed", "signal coding bits offset stride elements")


@dataclasses.dataclass
class Wave:
    i: Signal
    v: Signal
    p: object  # Signal, Power, or None: it is the product
    p_bits: np.ndarray
    packed: list
    windows: bytes  # for joulespool_stat.decode(); None: none
    skipped: int    # sections of unknown signals


def product(i, v):
    """Power as FORMAT-wave.md predicts it: bits of the float32 product, one NaN for all."""
    with np.errstate(all="ignore"):
        bits = (i * v).view(np.uint32)
    bits[np.isnan(bits.view(np.float32))] = 0x7FC00000
    return bits


def split(payload):
    """Sections in their order."""
    reader, sections = ByteReader(payload), []
    while reader.left:
        signal, coding = reader.u8(), reader.u8()
        sections.append(Section(signal, coding, reader.take(reader.varint())))
    return sections


# --- signals of floats -------------------------------------------------------------------------------------------------------

def _read_lattices(reader):
    count = reader.varint()
    if count > LATTICES_MAX:
        raise Damaged("too many lattices")
    lattices = [tuple(np.frombuffer(reader.take(16), dtype="<f8").tolist()) for _ in range(count)]
    if not all(abs(offset) <= OFFSET_MAX and 0 <= step <= STEP_MAX for offset, step in lattices):  # of a NaN, too
        raise Damaged("a lattice has an impossible offset or step")
    return lattices


def _read_runs(heads, count, lattices):
    runs, left, total = [], count, heads.varint()
    if not 0 < total <= count:
        raise Damaged("a page has an impossible number of runs")
    for run in range(total):
        lattice = heads.varint()
        length = heads.varint() if run + 1 < total else left
        if lattice >= lattices or not 0 < length <= left:
            raise Damaged("a run of a page is impossible")
        runs.append((lattice, length))
        left -= length
    if left:
        raise Damaged("the runs of a page do not fill it")
    return runs


def _lattice_bits(index, lattice):
    offset, step = lattice
    with np.errstate(over="ignore"):
        return ((index.astype(np.float64) + offset) * step).astype(np.float32).view(np.uint32)


def _grid_bits(index, scale):
    with np.errstate(over="ignore"):
        return (index.astype(np.float32) * np.ldexp(np.float32(1), -scale)).view(np.uint32)


def _order_bits(index):
    return index.view(np.uint32) ^ ((index >> 31).view(np.uint32) >> np.uint32(1))


def _read_page(pages, signal, first):
    heads, left = pages.heads, len(signal.bits) - first
    count, kind = heads.varint(), heads.u8()
    if not 0 < count <= min(left, PAGE_SAMPLES_MAX) or PAGE_SAMPLES_MIN > count != left or kind > ORDER:
        raise Damaged("a page has an impossible length or kind")
    runs, scale = [], 0
    if kind == LATTICE:
        runs = _read_runs(heads, count, len(signal.lattices))
    elif kind == GRID:
        scale = heads.zigzag()
        if scale not in GRID_SCALES:
            raise Damaged("a page has an impossible scale")
    head, index = pages.read(count)
    to, at = signal.bits[first:first + count], 0
    for lattice, length in runs:
        to[at:at + length] = _lattice_bits(index[at:at + length], signal.lattices[lattice])
        at += length
    if kind != LATTICE:
        to[:] = _grid_bits(index, scale) if kind == GRID else _order_bits(index)
    signal.index[first:first + count] = index
    signal.pages.append(Page(first, count, kind, runs, scale, head))
    return first + count


def _read_exceptions(part, count, samples):
    """[(first, count, bits)]"""
    if len(part) < 4 * count:
        raise Damaged("the exceptions are cut off")
    places, _ = varints(part[:len(part) - 4 * count])
    if len(places) != 2 * count or (places > samples).any() or (places[1::2] == 0).any() or places.sum() > samples:
        raise Damaged("the exceptions do not have the length or the places that they should")
    ends = np.cumsum(places.astype(np.int64))[1::2]
    bits = np.cumsum(np.frombuffer(part, dtype="<u4", offset=len(part) - 4 * count), dtype=np.uint32)
    lengths = places[1::2].astype(np.int64)
    return list(zip((ends - lengths).tolist(), lengths.tolist(), bits.tolist()))


def _read_pages(data, samples):
    reader = ByteReader(data)
    signal = Signal(PAGES, np.zeros(samples, np.uint32), np.zeros(samples, np.int32))
    signal.lattices = _read_lattices(reader)
    count = reader.varint()
    if count > samples:
        raise Damaged("more exceptions than samples")
    exceptions = reader.part(10 * count)
    pages = PageReader(reader, samples)
    reader.finish("pages")
    first = 0
    while first < samples:
        first = _read_page(pages, signal, first)
    pages.finish()
    signal.exceptions = _read_exceptions(exceptions, count, samples)
    for first, length, bits in signal.exceptions:
        signal.bits[first:first + length] = bits
    return signal


def _read_floats(section, samples):
    if section.coding == RAW:
        if len(section.data) != 4 * samples:
            raise Damaged("a signal does not have as many samples as the frame")
        return Signal(RAW, np.frombuffer(section.data, dtype="<u4").astype(np.uint32))
    if section.coding == SHUFFLED:
        planes = np.frombuffer(unzstd(section.data, 4 * samples), dtype=np.uint8).reshape(4, samples)
        return Signal(SHUFFLED, np.ascontiguousarray(planes.T).view("<u4").reshape(-1).astype(np.uint32))
    if section.coding == PAGES:
        return _read_pages(section.data, samples)
    raise Damaged(f"coding {section.coding} is unknown")


# --- power -------------------------------------------------------------------------------------------------------------------

def _calibrated(signal):
    """(calibrated values as float64, where they are on a lattice and no exceptions)."""
    values, known = np.zeros(len(signal.bits)), np.zeros(len(signal.bits), dtype=bool)
    for page in signal.pages:
        at = page.first
        for lattice, length in page.runs:
            offset, step = signal.lattices[lattice]
            values[at:at + length] = (signal.index[at:at + length] + offset) * step
            known[at:at + length] = True
            at += length
    for first, length, _ in signal.exceptions:
        known[first:first + length] = False
    return values, known


def _predict(model, i, v):
    bits = product(i.values, v.values)
    if model == LATTICE_PRODUCT:
        if i.coding != PAGES or v.coding != PAGES:
            raise Damaged("needs lattices that are not there")
        (i_values, i_known), (v_values, v_known) = _calibrated(i), _calibrated(v)
        with np.errstate(over="ignore"):
            exact = (i_values * v_values).astype(np.float32).view(np.uint32)
        bits = np.where(i_known & v_known, exact, bits)
    return bits


def _read_sparse(reader, samples):
    """(positions, differences)"""
    count = reader.varint()
    if count > samples:
        raise Damaged("more corrections than samples")
    pairs, _ = varints(reader.part(8 * count))
    gaps = pairs[0::2]
    if len(pairs) != 2 * count or (gaps == 0).any() or (gaps > samples).any() or gaps.sum() > samples:
        raise Damaged("the corrections do not have the length or the places that they should")
    return np.cumsum(gaps.astype(np.int64)) - 1, as_int32(unzigzag(pairs[1::2]), "a correction").view(np.uint32)


def _read_corrections(data, i, v):
    reader, samples = ByteReader(data), len(i.bits)
    how = reader.u8()
    model, corrections = how & 1, how >> 1
    if corrections > IN_PAGES:
        raise Damaged("an unknown power model")
    bits = _predict(model, i, v)
    if corrections == SPARSE:
        positions, differences = _read_sparse(reader, samples)
        bits[positions] += differences
    if corrections == IN_PAGES:
        pages = PageReader(reader, samples)
        for first in range(0, samples, PAGE_SAMPLES_MAX):
            page = bits[first:first + PAGE_SAMPLES_MAX]
            page += pages.read(len(page))[1].view(np.uint32)
        pages.finish()
    reader.finish("power")
    return Power(model, corrections, bits)


# --- packed signals ----------------------------------------------------------------------------------------------------------

def _from_runs(part, bits, count):
    numbers, lengths = varints(part)
    if bits == 4:
        values, values_lengths, runs = numbers[0::2], lengths[0::2], numbers[1::2]
    else:
        values, values_lengths, runs = numbers[:1], lengths[:1], numbers[1:]
        if len(runs):
            values = values ^ (np.arange(len(runs), dtype=np.uint64) & np.uint64(1))
    if (len(values) != len(runs) or (values >> np.uint64(bits)).any() or (values_lengths > 1).any() or
            (runs == 0).any() or (runs > count).any() or runs.sum() != count):
        raise Damaged("a run of elements is impossible")
    return np.repeat(values.astype(np.uint8), runs.astype(np.int64))


def _from_elements(part, bits, count):
    data = np.frombuffer(part, dtype=np.uint8)
    if bits == 1:
        return np.unpackbits(data, count=count, bitorder="little")
    return np.stack((data & 15, data >> 4), axis=1).reshape(-1)[:count]


def _read_packed(section, elements_before):
    reader = ByteReader(section.data)
    bits, offset, stride, count = reader.u8(), reader.varint(), reader.varint(), reader.varint()
    if bits not in (1, 4) or max(offset, stride) >= 2**32 or elements_before + count > PACKED_ELEMENTS_MAX:
        raise Damaged("an impossible width, place or number of elements")
    if section.coding not in (ELEMENTS, RUNS):
        raise Damaged(f"coding {section.coding} is unknown")
    size = (count * bits + 7) // 8
    part = reader.part(size + (64 if section.coding == RUNS else 0))
    reader.finish("elements")
    if section.coding == ELEMENTS and len(part) != size:
        raise Damaged("does not have as many elements as it says")
    elements = (_from_runs if section.coding == RUNS else _from_elements)(part, bits, count)
    return Packed(section.signal, section.coding, bits, offset, stride, elements)


def decode(payload, samples):
    """A Wave of as many samples as the header says that there are; raises Damaged."""
    if samples > SAMPLES_MAX:
        raise Damaged("more samples than a frame may hold")
    floats, packed, windows, skipped, elements = {}, [], None, 0, 0
    for section in split(payload):
        try:
            if section.signal in (CURRENT, VOLTAGE, POWER):
                if section.signal in floats:
                    raise Damaged("is there twice")
                corrections = section.signal == POWER and section.coding == CORRECTIONS
                floats[section.signal] = section if corrections else _read_floats(section, samples)
            elif section.signal in PACKED:
                packed.append(_read_packed(section, elements))
                elements += len(packed[-1].elements)
            elif section.signal == WINDOWS:
                if section.coding != 0 or windows is not None:
                    raise Damaged("is there twice" if windows is not None else f"coding {section.coding} is unknown")
                windows = section.data
            else:
                skipped += 1
        except Damaged as defect:
            raise Damaged(f"section of signal {section.signal}: {defect}") from None
    if samples == 0 and not floats:
        floats = {CURRENT: Signal(RAW, np.zeros(0, np.uint32)), VOLTAGE: Signal(RAW, np.zeros(0, np.uint32))}
    if CURRENT not in floats or VOLTAGE not in floats:
        raise Damaged("current or voltage is missing")
    i, v, p = floats[CURRENT], floats[VOLTAGE], floats.get(POWER)
    if isinstance(p, Section):
        try:
            p = _read_corrections(p.data, i, v)
        except Damaged as defect:
            raise Damaged(f"section of signal {POWER}: {defect}") from None
    return Wave(i, v, p, product(i.values, v.values) if p is None else p.bits, packed, windows, skipped)
