"""The simulated instruments in numpy: a second implementation of the formula in agent/device/load_model.h.

    i, v = samples("js110", seed=7, load="cpu", sample_id_first=0, count=1000)

gives float32 arrays with the same bits as the agent's simulated source. It shares no code with it.
"""

import re

import numpy as np

COUNTER_RATE_HZ = 2_000_000
GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
NOISE, LOAD, LOAD_DETAIL, CALIBRATION, GPI = 1, 2, 3, 4, 5

FULL_SCALE_PA = {
    "js110": [10**13, 2 * 10**12, 18 * 10**10, 18 * 10**9, 18 * 10**8, 18 * 10**7, 18 * 10**6],
    "js220": [10**13, 18 * 10**10, 18 * 10**9, 18 * 10**8, 18 * 10**7, 18 * 10**6],
}
CURRENT_NOISE = {"js110": [354, 354, 354, 354, 354, 886, 2660], "js220": [372000, 18600, 1970, 372, 93, 41]}
VOLTAGE_NOISE = {"js110": 354, "js220": 416000}
NOMINAL_GAIN_PA = [680000000, 164000000, 14600000, 1490000, 150000, 15000, 1500]

SLEEP_PA = 1_070_000
BLE_CHANNEL = [(10, 52_000_000_000, 0), (752, 10_400_000_000, 0), (300, 5_200_000_000, 0),
               (400, 9_600_000_000, 0), (240, 3_900_000_000, 0)]
BLE_EVENT = ([(600, SLEEP_PA, 5_331_550), (1400, 2_100_000_000, 0), (1000, 4_500_000_000, 0)] + 3 * BLE_CHANNEL +
             [(1200, 3_400_000_000, 0), (1600, 1_200_000_000, -749_000)])
RANGES_FULL_PA = np.array([15 * 10**6, 15 * 10**7, 15 * 10**8, 15 * 10**9, 15 * 10**10, 15 * 10**11, 9 * 10**12], np.int64)


def mix64(z):
    """z: Python int, or uint64 array (wraps)."""
    if isinstance(z, int):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def h(seed, use, n):
    key = mix64((seed + use * GOLDEN) & MASK)
    if isinstance(n, int):
        return mix64((key + n * GOLDEN) & MASK)
    return mix64(np.asarray(n, np.uint64) * np.uint64(GOLDEN) + np.uint64(key))


class Segments:
    """Parallel int64 arrays; segment n covers ticks first[n] .. end[n] - 1."""

    def __init__(self, first, end, level, slope, active):
        self.first, self.end, self.level, self.slope = (np.asarray(a, np.int64) for a in (first, end, level, slope))
        self.active = np.asarray(active, bool)

    def peak(self):
        return np.where(self.slope <= 0, self.level, self.level + self.slope * (self.end - 1 - self.first))


def ble_segments(seed, begin, end):
    rows = []
    for period in range(begin // 200_000, (end - 1) // 200_000 + 1):
        hash_ = h(seed, LOAD, period)
        scale = 980 + (hash_ >> 32) % 41
        at = period * 200_000
        to = at + 20_000 + hash_ % 20_000
        rows.append((at, to, SLEEP_PA, 0, False))
        for ticks, level, slope in BLE_EVENT:
            at, to = to, to + ticks
            rows.append((at, to, level * scale // 1000, slope * scale // 1000, True))
        rows.append((to, (period + 1) * 200_000, SLEEP_PA, 0, False))
    return Segments(*zip(*rows))


def cpu_segments(seed, begin, end):
    # Every 20 us a segment, also where the level stays: without slope and range change that makes no difference.
    detail = np.arange(begin // 40, (end - 1) // 40 + 1)
    what = h(seed, LOAD, detail * 40 // 2000) % np.uint64(8)
    step = (h(seed, LOAD_DETAIL, detail) % np.uint64(256)).astype(np.int64)
    level = np.where(what < 3, 12_000_000_000, np.where(what == 7, 85_000_000_000, 30_000_000_000 + 150_000_000 * step))
    return Segments(detail * 40, detail * 40 + 40, level, np.zeros_like(level), what >= 3)


def ranges_segments(seed, begin, end):
    slot = np.arange(begin // 10_000, (end - 1) // 10_000 + 1)
    hash_ = h(seed, LOAD, slot)
    full = RANGES_FULL_PA[((hash_ >> np.uint64(32)) % np.uint64(7)).astype(np.int64)]
    low = full * (200 + (hash_ % np.uint64(512)).astype(np.int64)) // 1000
    high = full * (200 + ((hash_ >> np.uint64(9)) % np.uint64(512)).astype(np.int64)) // 1000
    active = (hash_ >> np.uint64(20)) & np.uint64(1)
    return Segments(slot * 10_000, slot * 10_000 + 10_000, low, (high - low) // 10_000, active)


def constant_segments(_seed, _begin, _end):
    return Segments([0], [1 << 62], [10_000_000_000], [0], [True])


SEGMENTS = {"sleep-ble": ble_segments, "cpu": cpu_segments, "constant": constant_segments, "ranges": ranges_segments}


def ranges_of(model, peak):
    full = FULL_SCALE_PA[model]
    result = np.zeros(len(peak), np.int64)
    for index in range(1, len(full)):  # more sensitive ones overwrite
        result[peak <= full[index]] = index
    return result


def js110_calibration(seed):
    """gain_pa[7], zero_milli[7], voltage gain_nv, voltage zero_milli."""
    hashes = [h(seed, CALIBRATION, r) for r in range(8)]
    gain = [nominal * (99_000 + x % 2_001) // 100_000 for nominal, x in zip(NOMINAL_GAIN_PA, hashes)]
    zero = [1_000_000 + (x >> 32) % 600_000 for x in hashes[:7]]
    return (np.array(gain, np.int64), np.array(zero, np.int64),
            950_000 * (99_000 + hashes[7] % 2_001) // 100_000, 150_000 + (hashes[7] >> 32) % 200_000)


def noise(seed, ticks):
    low = h(seed, NOISE, ticks).view(np.uint8).reshape(-1, 8).astype(np.int64)
    return low[:, :4].sum(axis=1) - 510, low[:, 4:].sum(axis=1) - 510


def js220_values(seed, segments, ranges, which, ticks):
    level, k = segments.level[which], ticks - segments.first[which]
    noise_i, noise_v = noise(seed, ticks)
    slope = (segments.slope << 27) // 5**12
    current = (level << 19) // 5**12 * 256 + k * slope[which] + noise_i * np.array(CURRENT_NOISE["js220"])[ranges[which]]
    voltage = ((3_300_000 - level // 5_000_000) << 31) // 10**6 * 256 + noise_v * VOLTAGE_NOISE["js220"]
    grid = np.float32(2.0**-31)
    return (current >> 8).astype(np.float32) * grid, (voltage >> 8).astype(np.float32) * grid


def js110_values(seed, segments, ranges, which, ticks):
    gain_pa, zero_milli, gain_nv, zero_milli_v = js110_calibration(seed)
    level, k, r = segments.level[which], ticks - segments.first[which], ranges[which]
    noise_i, noise_v = noise(seed, ticks)
    slope = (segments.slope << 16) // gain_pa[ranges]
    current = (zero_milli[r] * 65536 // 1000 + (level << 16) // gain_pa[r] + k * slope[which] +
               noise_i * np.array(CURRENT_NOISE["js110"])[r])
    voltage = (zero_milli_v * 65536 // 1000 + (3_300_000 - level // 5_000_000) * 65_536_000 // gain_nv +
               noise_v * VOLTAGE_NOISE["js110"])
    code_i, code_v = np.clip(current >> 16, 0, 16383), np.clip(voltage >> 16, 0, 16383)
    i = ((code_i - zero_milli[r] / 1000.0) * (gain_pa[r] / 1e12)).astype(np.float32)
    v = ((code_v - zero_milli_v / 1000.0) * (gain_nv / 1e9)).astype(np.float32)
    return i, v


def smooth_range_changes(seed, segments, ranges, which, ticks, i):
    changed = np.zeros(len(ranges), bool)
    changed[1:] = ranges[1:] != ranges[:-1]
    k = ticks - segments.first[which]
    at = np.flatnonzero(changed[which] & (k < 6))
    if len(at) == 0:
        return
    first = segments.first[which[at]]
    before = js110_values(seed, segments, ranges, which[at] - 1, first - 1)[0].astype(np.float64)
    after = js110_values(seed, segments, ranges, which[at], first + 6)[0].astype(np.float64)
    i[at] = (before + (after - before) * (k[at] + 1).astype(np.float64) / 7.0).astype(np.float32)


def parse_faults(text):
    """[(kind, first, end)] and [(kind, every, length)] as one list of (kind, predicate on an array of ticks)."""
    faults = []
    for item in re.split(r"[;\s]+", text.strip("; \t\n")):
        if not item:
            continue
        once = re.fullmatch(r"(drop|lose|nan):(\d+)-(\d+)", item)
        periodic = re.fullmatch(r"(drop|lose|nan):every=(\d+)[,/]length=(\d+)", item)
        if once:
            first, end = int(once[2]), int(once[3])
            faults.append((once[1], lambda t, a=first, b=end: (t >= a) & (t < b)))
        elif periodic:
            every, length = int(periodic[2]), int(periodic[3])
            faults.append((periodic[1], lambda t, e=every, n=length: (t >= e) & (t % e < n)))
        else:
            raise ValueError(f"fault {item!r}")
    return faults


def present(faults, ticks):
    """Which of the samples with these ids are handed over: neither dropped nor lost. faults: text."""
    result = np.ones(len(ticks), bool)
    for kind, hits in parse_faults(faults):
        if kind in ("drop", "lose"):
            result &= ~hits(ticks)
    return result


def apply_nan(faults, ticks, i, v):
    for kind, hits in parse_faults(faults):
        if kind != "nan":
            continue
        where = hits(ticks)
        payload = ticks // 2 % 4 == 3
        bits = np.where(payload, 0x7FC00000 | (ticks & 0x3FFFFF), 0x7FC00000).astype(np.uint32)
        i.view(np.uint32)[where] = bits[where]
        v.view(np.uint32)[where] = (bits | (payload.astype(np.uint32) << np.uint32(31)))[where]


def _prepare(model, seed, load, ticks):
    # One segment more on the left: a range change needs the one before; 6 ticks on the right belong to the same segment.
    segments = SEGMENTS[load](seed, max(int(ticks[0]) - 10_000, 0), int(ticks[-1]) + 1)
    ranges = ranges_of(model, segments.peak())
    which = np.searchsorted(segments.first, ticks, side="right") - 1
    return segments, ranges, which


def full_rate_hz(model):
    return {"js110": 2_000_000, "js220": 1_000_000}[model]


def ticks_of(model, sample_id_first, count, sample_rate_hz=0):
    decimation = COUNTER_RATE_HZ // (sample_rate_hz or full_rate_hz(model))
    return sample_id_first + decimation * np.arange(count, dtype=np.int64)


def samples(model, seed, load, sample_id_first, count, sample_rate_hz=0, faults=""):
    """float32 i and v; element k is the sample with id sample_id_first + k * decimation. Dropped and lost ones have values."""
    ticks = ticks_of(model, sample_id_first, count, sample_rate_hz)
    if count == 0:
        return np.empty(0, np.float32), np.empty(0, np.float32)
    segments, ranges, which = _prepare(model, seed, load, ticks)
    values = js110_values if model == "js110" else js220_values
    i, v = values(seed, segments, ranges, which, ticks)
    if model == "js110":
        smooth_range_changes(seed, segments, ranges, which, ticks, i)
    apply_nan(faults, ticks, i, v)
    return i, v


def packed_signal(model, seed, load, name, ticks):
    """uint8 values of "range", "gpi0".."gpi3" at these ticks (js220 sends them at every tick, js110 with i and v)."""
    if name == "gpi1":
        return (ticks // 1000 & 1).astype(np.uint8)
    if name == "gpi2":
        return (h(seed, GPI, ticks // 16384) & np.uint64(1)).astype(np.uint8)
    if name == "gpi3":
        return np.zeros(len(ticks), np.uint8)
    segments, ranges, which = _prepare(model, seed, load, ticks)
    return (ranges if name == "range" else segments.active)[which].astype(np.uint8)
