"""Lane stat, codec 2: a payload to columns of windows. Written from agent/codec/FORMAT-stat.md.

Columns of 64-bit integers are numpy arrays; sums, and what is computed from them, are arrays of Python ints.
"""
import dataclasses

import numpy as np

from joulespool_bytes import ByteReader, Damaged

WINDOWS_MAX = 65536
STATES_MAX = 8
K_MAX, K_NONE = 63, 255
CLASS_MAX = 65
CENTRE_BITS = 3
SLOPE_BITS, UNIT_BITS = 24, 31

FORMULA, SLOPE, UNITS, PREVIOUS, BY_STATE, DICTIONARY, SHIFT, WIDE = (1 << bit for bit in range(8))
HALVED = UNITS  # in sums of squares
INTEGERS = FORMULA | PREVIOUS | BY_STATE | DICTIONARY
PLACES = {"length": INTEGERS, "sample_id_first": INTEGERS, "count": INTEGERS, "valid": INTEGERS}
SUMS = {"i_sum": INTEGERS | SHIFT | WIDE, "v_sum": INTEGERS | SHIFT | WIDE | SLOPE, "i2_sum": INTEGERS | SHIFT | WIDE | HALVED,
        "p_sum": INTEGERS | SHIFT | WIDE | SLOPE, "v2_sum": INTEGERS | SHIFT | WIDE | HALVED | SLOPE}
EXTREMES = {"i_min": INTEGERS | SHIFT | UNITS, "i_max": INTEGERS | SHIFT | UNITS, "v_min": INTEGERS | SHIFT | UNITS | SLOPE,
            "v_max": INTEGERS | SHIFT | UNITS | SLOPE, "p_min": INTEGERS | SHIFT | UNITS, "p_max": INTEGERS | SHIFT | UNITS}
MASK_64, MASK_128 = (1 << 64) - 1, (1 << 128) - 1


def wrap(value, bits):
    """An int, or an array of ints, modulo 2^bits, read with a sign."""
    half = 1 << (bits - 1)
    return ((value + half) & (2 * half - 1)) - half


def as_int64(values):
    """An array of ints as numpy's, modulo 2^64."""
    return np.array([int(value) & MASK_64 for value in values], dtype=np.uint64).view(np.int64)


# --- numbers -----------------------------------------------------------------------------------------------------------------

def take_bits(data, widths):
    """Fields of `widths` bits (0 to 64) that follow each other, and how many bytes they take."""
    ends = np.cumsum(widths, dtype=np.int64)
    size = (int(ends[-1]) + 7) // 8 if len(ends) else 0
    if size > len(data):
        raise Damaged("numbers are cut off")
    padded = np.concatenate((np.frombuffer(data, np.uint8, size), np.zeros(9, np.uint8))).astype(np.uint64)
    first, shift = (ends - widths) >> 3, ((ends - widths) & 7).astype(np.uint64)
    words = np.zeros(len(widths), np.uint64)
    for k in range(8):
        words |= padded[first + k] << np.uint64(8 * k)
    words >>= shift
    words |= np.where(shift > 0, padded[first + 8] << ((np.uint64(64) - shift) & np.uint64(63)), np.uint64(0))
    width = widths.astype(np.uint64)
    mask = np.where(width == 64, np.uint64(MASK_64), (np.uint64(1) << (width & np.uint64(63))) - np.uint64(1))
    return words & mask, size


def read_numbers(reader, ks):
    """As many uint64 as `ks` has values."""
    numbers = np.zeros(len(ks), np.uint64)
    coded = np.flatnonzero(ks != K_NONE)
    if len(coded) == 0:
        return numbers
    ends = np.flatnonzero(np.unpackbits(np.frombuffer(reader.rest, np.uint8), bitorder="little"))[:len(coded)]
    if len(ends) < len(coded):
        raise Damaged("numbers are cut off")
    classes = np.diff(ends, prepend=-1) - 1
    widths = ks[coded] + np.where(classes < 4, 0, classes - 2)
    if (classes > CLASS_MAX).any() or (widths > 63).any():
        raise Damaged("a number of more than 64 bits")
    reader.take(int(ends[-1]) // 8 + 1)
    rests, size = take_bits(reader.rest, widths)
    reader.take(size)
    wide = widths.astype(np.uint64)
    numbers[coded] = np.where(classes < 4, classes.astype(np.uint64), np.uint64(1)) * (np.uint64(1) << wide) + rests
    return numbers


def _k(reader):
    k = reader.u8()
    if k > K_MAX and k != K_NONE:
        raise Damaged("a number code that does not exist")
    return k


# --- integers ----------------------------------------------------------------------------------------------------------------

def proportional(value, to, base):
    value, to, base = int(value), int(to), int(base)  # numpy compares uint64 with int as float64
    if to == base:
        return value
    return wrap(value * to // base, 64) if base else 0


@dataclasses.dataclass
class Context:
    """What is known of the windows before a column."""
    count: int
    valid_usual: int
    state_count: int = 1
    states: np.ndarray = None
    valid: np.ndarray = None


def _expected_at_centres(context, centres, scaled):
    centres = np.array(centres, np.int64)
    expected = np.full(context.count, centres[0]) if len(centres) == 1 else centres[context.states]
    if scaled:
        for at in np.flatnonzero(context.valid != np.uint64(context.valid_usual)):
            expected[at] = proportional(expected[at], context.valid[at], context.valid_usual)
    return expected


def _sums_of_steps(context, start, steps, scaled):
    """Each value is a step from the one before."""
    steps[:1] += start  # a scalar that wraps around would be a warning
    valid = context.valid
    if not scaled or (valid[1:] == valid[:-1]).all():
        return np.cumsum(steps.view(np.uint64), dtype=np.uint64).view(np.int64)
    values = [int(steps[0])]
    for at in range(1, context.count):
        values.append(wrap(proportional(values[-1], valid[at], valid[at - 1]) + int(steps[at]), 64))
    return np.array(values, np.int64)


def _read_table(reader, context):
    count = reader.varint()
    if not 0 < count <= context.count:
        raise Damaged("a table that is empty, or longer than the column")
    first = wrap(reader.zigzag(), 64)
    gaps = read_numbers(reader, np.full(count - 1, _k(reader)))
    return np.cumsum(np.concatenate((np.array([first]).view(np.uint64), gaps)), dtype=np.uint64).view(np.int64)


def read_integers(reader, model, context, scaled):
    if model & BY_STATE and context.states is None:
        raise Damaged("states that are not known yet")
    table = _read_table(reader, context) if model & DICTIONARY else None
    scaled = scaled and table is None
    ks, centres = [], []
    for _ in range(context.state_count if model & BY_STATE else 1):
        ks.append(_k(reader))
        shift = 0 if ks[-1] == K_NONE else max(0, ks[-1] - CENTRE_BITS)
        centres.append(wrap(reader.zigzag() << shift, 64))
    ks = np.array(ks, np.int64)
    numbers = read_numbers(reader, ks[context.states] if len(ks) > 1 else np.full(context.count, ks[0]))
    distances = ((numbers >> np.uint64(1)) ^ (np.uint64(0) - (numbers & np.uint64(1)))).view(np.int64)
    if model & PREVIOUS:
        values = _sums_of_steps(context, _expected_at_centres(context, centres, scaled)[0], distances, scaled)
    else:
        values = _expected_at_centres(context, centres, scaled) + distances
    if table is None:
        return values
    if (values < 0).any() or (values >= len(table)).any():
        raise Damaged("a number beyond the table")
    return table[values]


# --- formulas ----------------------------------------------------------------------------------------------------------------

def floor_divide(values, by):
    return np.array([int(value) // int(n) if n else 0 for value, n in zip(values, by)], dtype=object)


def times_slope(values, slope):
    return wrap(values * slope, 128) >> SLOPE_BITS


def square_by(sums, valid):
    return wrap(floor_divide((sums * sums) & MASK_128, valid), 128)


def order_of(values):
    """float32 as int64 in the order of floats."""
    bits = values.view(np.uint32)
    return np.where(bits >> np.uint32(31), bits ^ np.uint32(0x7FFFFFFF), bits).view(np.int32).astype(np.int64)


def float_of_order(orders):
    bits = orders.astype(np.uint64).astype(np.uint32)
    return np.where(bits >> np.uint32(31), bits ^ np.uint32(0x7FFFFFFF), bits).view(np.float32)


def float_of_units(units):
    with np.errstate(over="ignore"):
        return (units.astype(np.float64) * 2.0**-UNIT_BITS).astype(np.float32)


def units_of(values):
    """Rounded; 0 where a value has no integer (agent/wire/FORMAT.md, section 5)."""
    with np.errstate(invalid="ignore"):
        scaled = values.astype(np.float64) * 2.0**UNIT_BITS
        return np.rint(np.where(np.abs(scaled) < 2.0**62, scaled, 0)).astype(np.int64)


def product(i, v):
    with np.errstate(all="ignore"):
        p = (i * v).astype(np.float32)
    p.view(np.uint32)[np.isnan(p)] = 0x7FC00000
    return p


# --- columns -----------------------------------------------------------------------------------------------------------------

class _Reader(ByteReader):
    @property
    def rest(self):
        return self.data[self.at:]

    def body(self):
        size = self.varint()
        return _Reader(self.take(size))


@dataclasses.dataclass
class Column:
    """A column before its formula."""
    model: int = FORMULA
    slope: int = 0
    shift: int = 0
    values: np.ndarray = None  # int64
    wide: int = 0
    low: np.ndarray = None  # uint64, of `wide` bits

    def __contains__(self, bit):
        return bool(self.model & bit)


def _read_column(reader, context, known, is_sum, is_place):
    if reader.left == 0:
        return Column(values=np.zeros(context.count, np.int64))
    column = Column(model=reader.u8())
    if column.model & ~known or (is_place and FORMULA not in column):
        raise Damaged("a model that this version does not know")
    column.slope = wrap(reader.zigzag(), 64) if SLOPE in column else 0
    column.shift = reader.u8() if SHIFT in column else 0
    column.wide = reader.u8() if WIDE in column else 0
    if column.shift > (127 if is_sum else 63) or column.wide > 64:
        raise Damaged("more bits left out than there are")
    column.values = read_integers(reader, column.model, context, is_sum)
    if reader.left != (context.count * column.wide + 7) // 8:
        raise Damaged("does not have the size of its integers")
    column.low, _ = take_bits(reader.rest, np.full(context.count, column.wide))
    return column


class _Windows:
    """The columns of windows while they are read, each from those before it."""

    def __init__(self, sample_id_first, ticks, context):
        self.columns, self.sample_id_first, self.ticks, self.context = {}, sample_id_first, ticks, context

    def read_states(self, reader):
        states = _read_column(reader, self.context, INTEGERS, False, True).values
        if (states < 0).any() or (states >= self.state_count).any():
            raise Damaged("a state that does not exist")
        self.context.states, self.context.state_count = states, self.state_count

    def read(self, name, reader):
        if name in PLACES:
            self.place(name, _read_column(reader, self.context, PLACES[name], False, True).values.view(np.uint64))
        elif name in SUMS:
            self.sum(name, _read_column(reader, self.context, SUMS[name], True, False))
        else:
            self.extreme(name, _read_column(reader, self.context, EXTREMES[name], False, False))

    def place(self, name, values):
        c = self.columns
        if name == "sample_id_first":
            steps = values.copy()  # from one window's beginning to the next
            steps[1:] += c["length"][:-1]
            values = np.cumsum(steps, dtype=np.uint64) + np.uint64(self.sample_id_first)
        elif name == "count":
            values = values + c["length"] // np.uint64(self.ticks)
        elif name == "valid":
            values = values + c["count"]
            if (values > c["count"]).any():
                raise Damaged("a window has more valid samples than samples")
            self.context.valid = values
        c[name] = values

    def sum_formula(self, name, slope):
        c, valid = self.columns, self.context.valid
        if name == "i_sum":
            return np.zeros(len(valid), dtype=object)
        if name == "v_sum":
            return times_slope(c["i_sum"], slope)
        if name == "i2_sum":
            return square_by(c["i_sum"], valid)
        if name == "p_sum":
            steady = floor_divide(wrap(c["i_sum"] * c["v_sum"], 128), valid)
            return wrap(steady + times_slope(self.i_excess, slope), 128) >> UNIT_BITS
        return wrap(square_by(c["v_sum"], valid) + times_slope(self.i_excess, slope), 128)

    def sum(self, name, column):
        formula = self.sum_formula(name, column.slope)
        values = column.values.astype(object)
        if column.wide:
            values = (values << column.wide) + column.low.astype(object)
        used = formula if FORMULA in column else 0 * formula
        if HALVED in column:
            root = self.columns[{"i2_sum": "i_sum", "v2_sum": "v_sum"}[name]]
            values = 2 * values + (((root >> (column.shift // 2)) ^ (used >> column.shift)) & 1)
        self.columns[name] = wrap((values + (used >> column.shift)) << column.shift, 128)
        if name == "i2_sum":
            self.i_excess = wrap(self.columns[name] - formula, 128)

    def extreme_formula(self, name, in_units, slope):
        c = self.columns
        if name[0] == "p" and not in_units:
            return order_of(product(c["i_min"], c["v_max"]) if name == "p_min" else product(c["i_max"], c["v_min"]))
        mean = as_int64(floor_divide(c[name[0] + "_sum"], self.context.valid))
        if name[0] == "v":
            i_mean = as_int64(floor_divide(c["i_sum"], self.context.valid))
            above = units_of(c["i_max" if name == "v_min" else "i_min"]) - i_mean
            mean = mean + as_int64(times_slope(above.astype(object), slope))
        return mean if in_units else order_of(float_of_units(mean))

    def extreme(self, name, column):
        values = column.values
        if FORMULA in column:
            with np.errstate(over="ignore"):
                values = values + (self.extreme_formula(name, UNITS in column, column.slope) >> column.shift)
        integers = (values.view(np.uint64) << np.uint64(column.shift)).view(np.int64)
        self.columns[name] = float_of_units(integers) if UNITS in column else float_of_order(integers)


def decode(payload, sample_id_first):
    """dict of columns: sample_id_first, sample_id_end, count, valid (uint64), sums (arrays of Python ints), extremes (float32)."""
    reader = _Reader(payload)
    count = reader.varint()
    if count > WINDOWS_MAX:
        raise Damaged("more windows than a frame may hold")
    if count == 0:
        reader.finish("no windows")
        columns = {name: np.zeros(0, np.uint64) for name in PLACES} | {name: np.zeros(0, object) for name in SUMS}
        columns |= {name: np.zeros(0, np.float32) for name in EXTREMES}
    else:
        ticks = reader.varint()
        windows = _Windows(sample_id_first, ticks, Context(count, reader.varint()))
        windows.state_count = reader.u8()
        if ticks == 0 or not 0 < windows.state_count <= STATES_MAX:
            raise Damaged("a head that cannot be")
        windows.read_states(reader.body())
        for name in (*PLACES, *SUMS, *EXTREMES):
            try:
                windows.read(name, reader.body())
            except Damaged as defect:
                raise Damaged(f"window column {name}: {defect}") from None
        while reader.left:  # columns of a later version
            reader.body()
        columns = windows.columns
    columns["sample_id_end"] = columns["sample_id_first"] + columns.pop("length")
    return columns
