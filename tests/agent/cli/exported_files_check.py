#!/usr/bin/python3
"""Reads exported files with numpy and zlib only. Arguments: their directory, the energy that the frames have."""
import json
import pathlib
import re
import struct
import sys
import zlib

import numpy

TOP = pathlib.Path(__file__).resolve().parents[3]


def check_columns(directory: pathlib.Path, energy_units: int) -> None:
    """With the very lines that docs/export.md shows."""
    shown = re.search(r"```python\n(.*?)```", (TOP / "docs/export.md").read_text(), re.S).group(1)
    lines = re.sub(r'pathlib\.Path\("[^"]*"\)', f"pathlib.Path({str(directory)!r})", shown)
    names: dict = {}
    exec(lines, names)
    rows, runs = names["tables"]["rows"], names["tables"]["runs"]
    assert names["energy_units"] == energy_units, (names["energy_units"], energy_units)
    assert {len(column) for column in rows.values()} == {names["schema"]["tables"]["rows"]["rows"]} == {5}
    assert rows["sample_id"].tolist() == [0, 2000, 4000, 6000, 8000]
    assert rows["samples"].tolist() == [1000] * 5 and rows["valid"].tolist() == [999] * 5
    assert rows["utc_ns"][1] - rows["utc_ns"][0] == 1_000_000
    assert rows["i_max"][0] == numpy.float32(999e5) and rows["i_min"][1] == numpy.float32(-1.5e5 * 999)
    assert runs["row"].tolist() == [0, 2, 4] and runs["labels"].tolist() == [0, 1, 2]
    assert names["schema"]["labels"][2] == [{"key": "run", "value": "2"}]
    assert len(names["tables"]["gaps"]["row"]) == 0


def check_raw(directory: pathlib.Path) -> None:
    (side_path,) = directory.glob("*.json")
    side = json.loads(side_path.read_text())
    i, v, p = (numpy.fromfile(directory / side["files"][name], "<f4") for name in "ivp")
    assert len(i) == len(v) == len(p) == side["samples"] == 5000
    assert side["sample_rate_hz"] == 1e6 and side["gaps"] == []
    assert numpy.flatnonzero(numpy.isnan(i)).tolist() == [7, 1007, 2007, 3007, 4007]
    assert i[3] == numpy.float32(3e5) and i[1003] == numpy.float32(-4.5e5)
    numpy.testing.assert_array_equal(p, i * v)


def png_pixels(path: pathlib.Path) -> numpy.ndarray:
    """Height x width x 3, by the PNG specification: eight bits of RGB, not interlaced."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, header = 8, b"", b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        content = data[at + 8:at + 8 + size]
        assert zlib.crc32(kind + content) == struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0]
        header = content if kind == b"IHDR" else header
        body += content if kind == b"IDAT" else b""
        at += 12 + size
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", header)
    assert (depth, colour, interlace) == (8, 2, 0)
    rows = numpy.frombuffer(zlib.decompress(body), numpy.uint8).reshape(height, 1 + width * 3)
    pixels = numpy.zeros((height, width * 3), numpy.uint8)
    for y in range(height):
        unfilter(int(rows[y, 0]), rows[y, 1:], pixels[y - 1] if y else numpy.zeros(width * 3, numpy.uint8), pixels[y])
    return pixels.reshape(height, width, 3)


def unfilter(kind: int, line: numpy.ndarray, above: numpy.ndarray, out: numpy.ndarray) -> None:
    for at in range(len(line)):
        a = int(out[at - 3]) if at >= 3 else 0
        b = int(above[at])
        c = int(above[at - 3]) if at >= 3 else 0
        nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
        out[at] = (int(line[at]) + (0, a, b, (a + b) // 2, nearest)[kind]) & 0xFF


def check_picture(path: pathlib.Path) -> None:
    pixels = png_pixels(path)
    assert pixels.shape == (480, 640, 3)
    panel = pixels[30:144, 130:620]
    current = (panel == (200, 60, 20)).all(axis=2)
    assert current.any(axis=0).all(), "a column without a value"
    # 0 to 99.9 MA, then -149.85 MA to 0, and so on: columns reach to the top, the others to the bottom.
    tops = current.argmax(axis=0)
    assert tops[90] < 15 < 40 < tops[150]
    assert (pixels[30:400, 621:] == 255).all()


def main() -> None:
    directory, energy_units = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    check_columns(directory / "columns/js220-1-stat-00000000000000a1", energy_units)
    check_raw(directory / "raw")
    check_picture(directory / "x.png")


if __name__ == "__main__":
    main()
