#!/usr/bin/python3
"""The filters of agent/signal/decimation_filters.cpp: designed once more and compared, and their response in every order of stages.

decimation_filters_test.py --table   writes the table's rows instead

Design: minimax (Parks and McClellan 1972, the Remez exchange as in Oppenheim and Schafer, Discrete-Time Signal Processing, 7.7)
for a gain of exactly 1 at 0 Hz. With x = cos w the amplitude of an odd symmetric filter is 1 - (1 - x) R(x), R a polynomial; of a
half-band it is (1 + cos w) / 2 + sin(w)^2 cos(w) R(cos(2w)). What is approximated is R, with the weights that follow."""
import itertools
import pathlib
import re
import sys

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[3] / "agent/signal/decimation_filters.cpp"
PASSBAND = 0.4  # of the final output rate
REJECTION_DB = 86
RIPPLE_DB = 0.015
# factor, smallest ratio of the stage's input rate to the final output rate, number of gains, weight of the passband
DESIGNS = [(2, 2, 12, 1), (2, 4, 3, 1), (2, 8, 2, 1), (2, 16, 1, 1), (2, 200, 0, 1),
           (5, 5, 52, 0.035), (5, 10, 18, 0.15), (5, 20, 12, 0.3), (5, 25, 9, 0.3), (5, 50, 8, 1), (5, 64, 7, 1), (5, 400, 5, 1),
           (5, 625, 4, 1)]


def interpolation(x, values, weights):
    """The polynomial through these points, by the barycentric formula."""
    def polynomial(z):
        distance = z[:, None] - x[None, :]
        rows, columns = np.nonzero(distance == 0)
        distance[rows, columns] = 1
        parts = weights / distance
        result = parts @ values / parts.sum(axis=1)
        result[rows] = values[columns]
        return result
    return polynomial


def extremes(error, starts):
    """One point of largest error between two changes of its sign."""
    found, begin = [], 0
    for at in range(1, len(error) + 1):
        if at < len(error) and at not in starts and np.sign(error[at]) == np.sign(error[at - 1]):
            continue
        most = begin + int(np.argmax(np.abs(error[begin:at])))
        begin = at
        if not found or error[most] * error[found[-1]] <= 0:
            found.append(most)
        elif abs(error[most]) > abs(error[found[-1]]):
            found[-1] = most
    return found


def minimax(x, target, weight, starts, count):
    """The polynomial with `count` coefficients whose largest weighted error on the points x is smallest."""
    chosen = np.linspace(0, len(x) - 1, count + 1).round().astype(int)
    sign = (-1.0) ** np.arange(count + 1)
    for _ in range(100):
        nodes = x[chosen]
        distance = 2 * (nodes[:, None] - nodes[None, :])
        np.fill_diagonal(distance, 1)
        gamma = 1 / np.prod(distance, axis=1)
        level = (gamma @ target[chosen]) / (gamma @ (sign / weight[chosen]))
        values = target[chosen] - sign * level / weight[chosen]
        polynomial = interpolation(nodes[:-1], values[:-1], gamma[:-1] * (nodes[:-1] - nodes[-1]))
        error = weight * (target - polynomial(x))
        if np.abs(error).max() <= abs(level) * (1 + 1e-7):
            return polynomial
        found = extremes(error, starts)
        while len(found) > count + 1:
            found.pop(0 if abs(error[found[0]]) < abs(error[found[-1]]) else -1)
        chosen = np.array(found)
    raise RuntimeError("the exchange does not end")


def amplitude_to_gains(amplitude, half_length):
    """Gains: sums of the coefficients from the outermost one to each, at distances 1, 2, ... from the centre."""
    points = 2 * half_length + 1
    h = np.fft.ifft(amplitude(2 * np.pi * np.arange(points) / points)).real[1:half_length + 1]
    return np.cumsum(h[::-1])[::-1]


def half_band(ratio, count):
    if count == 0:
        return np.array([])
    w = np.linspace(0, 2 * np.pi * PASSBAND / ratio, 4000)[1:]
    one = np.sin(w) ** 2 * np.cos(w)
    r = minimax(np.cos(2 * w), (1 - np.cos(w)) / 2 / one, one, set(), count)
    gains = amplitude_to_gains(lambda u: (1 + np.cos(u)) / 2 + np.sin(u) ** 2 * np.cos(u) * r(np.cos(2 * u)), 2 * count + 1)
    return gains[2::2]  # every second coefficient is 0; the first two gains are those of the straight line


def fifth(ratio, count, weight):
    edge = PASSBAND / ratio
    bands = [(0, edge), (0.2 - edge, 0.5)] if ratio == 5 else [(0, edge), (0.2 - edge, 0.2 + edge), (0.4 - edge, 0.4 + edge)]
    width = sum(high - low for low, high in bands)
    f = [np.linspace(low, high, max(200, int(32 * count * (high - low) / width))) for low, high in bands]
    f[0] = f[0][1:]
    starts = set(np.cumsum([len(band) for band in f])[:-1].tolist())
    one = [2 * np.sin(np.pi * band) ** 2 for band in f]
    target = np.concatenate([0 * one[0]] + [1 / band for band in one[1:]])
    weights = np.concatenate([weight * one[0]] + one[1:])
    r = minimax(np.cos(2 * np.pi * np.concatenate(f)), target, weights, starts, count)
    return amplitude_to_gains(lambda u: 1 - (1 - np.cos(u)) * r(np.cos(u)), count)


def design(factor, ratio, count, weight):
    return half_band(ratio, count) if factor == 2 else fifth(ratio, count, weight)


def amplitude(factor, gains, f):
    """Of one stage, f as a part of its input rate."""
    w = 2 * np.pi * f
    if factor == 2:
        return (1 + np.cos(w)) / 2 + sum(2 * g * (np.cos((2 * q + 3) * w) - np.cos((2 * q + 1) * w)) for q, g in enumerate(gains))
    return 1 + sum(2 * g * (np.cos((q + 1) * w) - np.cos(q * w)) for q, g in enumerate(gains))


def stored_table():
    text = SOURCE.read_text()
    arrays = {name: np.array([np.float32(g) for g in re.findall(r"-?\d[\d.e+-]*(?=F)", body)])
              for name, body in re.findall(r"constexpr float (\w+)\[\] = \{(.*?)\};", text, re.S)}
    rows = re.findall(r"\{(\d+), (\d+), (?:(\w+)|\{\})\}", text)
    return [(int(factor), int(ratio), arrays.get(name, np.array([], np.float32))) for factor, ratio, name in rows]


def chain_response(table, order, f):
    """Product of the stages' amplitudes; f as a part of the final output rate."""
    ratio, response = int(np.prod(order)), np.ones_like(f)
    for factor in order:
        gains = max((row for row in table if row[0] == factor and row[1] <= ratio), key=lambda row: row[1])[2]
        response *= amplitude(factor, gains.astype(float), f / ratio)
        ratio //= factor
    return response


def check_order(table, order):
    """Worst rejection and largest deviation from 1, dB."""
    total = int(np.prod(order))
    near = np.linspace(-PASSBAND, PASSBAND, 81)
    bands = range(1, total // 2 + 1)
    if len(bands) > 400:
        bands = sorted(set(np.random.default_rng(1).choice(bands, 300).tolist()) | set(bands[:50]) | set(bands[-50:]))
    alias = np.array(bands)[:, None] + near[None, :]
    worst = 20 * np.log10(np.abs(chain_response(table, order, alias[alias <= total / 2])).max())
    passband = 20 * np.log10(np.abs(chain_response(table, order, np.linspace(0, PASSBAND, 401))))
    return worst, np.abs(passband).max()


def main() -> int:
    if "--table" in sys.argv:
        for factor, ratio, count, weight in DESIGNS:
            print(factor, ratio, ", ".join(f"{np.float32(g):.9g}F" for g in design(factor, ratio, count, weight)[::-1]))
        return 0
    table = stored_table()
    wrong = [] if [row[:2] for row in table] == [row[:2] for row in DESIGNS] else ["the table has other rows"]
    for (factor, ratio, gains), (_, _, count, weight) in zip(table, DESIGNS):
        expected = design(factor, ratio, count, weight)[::-1]
        if len(gains) != count or (count and np.abs(gains - expected).max() > 1e-7):
            wrong.append(f"factor {factor}, ratio {ratio}: other gains")
    table = [(factor, ratio, gains[::-1]) for factor, ratio, gains in table]
    worst, ripple, orders = -1000.0, 0.0, 0
    for twos, fives in itertools.product(range(8), range(7)):
        if not 1 < 2**twos * 5**fives <= 5000:
            continue
        for order in set(itertools.permutations([2] * twos + [5] * fives)) if twos + fives < 8 else [[2] * twos + [5] * fives]:
            here = check_order(table, order)
            worst, ripple, orders = max(worst, here[0]), max(ripple, here[1]), orders + 1
            if here[0] > -REJECTION_DB or here[1] > RIPPLE_DB:
                wrong.append(f"{order}: aliases {here[0]:.1f} dB, passband off by {here[1]:.4f} dB")
    print(f"{orders} orders of stages: aliases at most {worst:.1f} dB, passband (0 to {PASSBAND}) within {ripple:.4f} dB")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
