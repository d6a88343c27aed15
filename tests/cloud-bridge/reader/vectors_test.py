#!/usr/bin/python3
"""Golden frames: tests/vectors/frames/* decode to their JSON twins for ever. Old vectors are never changed or deleted.

vectors_test.py --write FRAME: prints the twin of a new vector."""
import json
import pathlib
import subprocess
import sys
import unittest

import numpy as np
from google.protobuf import json_format

import joulespool_wave as wave2
from joulespool_pages import BYTES, CENTRE, DELTA, DELTA2, LINEAR, MEAN8, PAIRS, QUADS, TRIPLES, ZEROS
from joulespool_wave import ELEMENTS, GRID, IN_PAGES, LATTICE, ORDER, PAGES, RAW, RUNS, SHUFFLED, SPARSE
from joulespool_frame import EVENT, STAT, SUMS, WAVE, decode_events, decode_stat, decode_wave, kept_samples, python_ints, read_frame

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "vectors"


def bits(column) -> list:
    """float32 values as their bit patterns, so that NaN payloads and -0.0 are told apart."""
    return [f"{value:08x}" for value in column.view("<u4")]


def windows_twin(columns) -> dict:
    twin = {}
    for name, column in columns.items():
        if name in SUMS:
            twin[name] = [str(value) for value in (python_ints(column) if column.ndim == 2 else column)]
        else:
            twin[name] = bits(column) if column.dtype == "float32" else [int(value) for value in column]
    return twin


def wave_twin(frame) -> dict:
    wave = decode_wave(frame)
    packed = [{"signal": run.signal, "sample_id": int(run.sample_id), "stride": run.stride,
               "values": "".join(f"{element:x}" for element in run.elements)}
              for run in wave.packed]
    twin = {"sample_id": wave.sample_id, "decimation": wave.decimation, "i": bits(wave.i), "v": bits(wave.v), "p": bits(wave.p),
            "packed": packed}
    return twin if wave.windows is None else twin | {"windows": windows_twin(wave.windows)}


def twin_of(data: bytes) -> dict:
    frame = read_frame(data)
    header = json_format.MessageToDict(frame.header, preserving_proto_field_name=True)
    if frame.header.lane == EVENT:
        payload = [json_format.MessageToDict(event, preserving_proto_field_name=True) for event in decode_events(frame)]
    else:
        payload = {STAT: lambda stat: windows_twin(decode_stat(stat)), WAVE: wave_twin}[frame.header.lane](frame)
    return {"header": header, "payload": payload}


# --- what the vectors of codec 2 are for: each has the feature of its name -----------------------------------------------------

def heads(signal) -> list:
    return [page.head for page in signal.pages]


def has(signal, **fields) -> bool:
    """Is there a page with these fields of its head?"""
    return any(all(getattr(head, name) == value for name, value in fields.items()) for head in heads(signal))


def kinds(signal) -> set:
    return {page.kind for page in signal.pages}


def classes_alone(symbols):
    """Pages of i are of this class, without escapes."""
    return lambda wave: has(wave.i, symbols=symbols, escapes=0) and len(wave.i.pages) == 1


def predicted(predictor):
    return lambda wave: has(wave.i, predictor=predictor)


def has_every_odd_value(signal) -> bool:
    odd = {0x80000000, 0x7FC00000, 0x7FC12345, 0xFFC00001, 0x7F800001, 0xFF812345, 1, 0x80000001, 0x007FFFFF, 0x7F800000,
           0xFF800000}
    return odd <= set(signal.bits.tolist()) and signal.coding == PAGES


def has_lattice_exceptions(wave) -> bool:
    interpolated = [one for one in wave.i.exceptions if one[1] == 1]
    missing = [one for one in wave.i.exceptions if one[1:] == (20, 0x7FC00000)]
    return kinds(wave.i) == {LATTICE} and len(wave.i.lattices) == 2 and len(interpolated) == 11 and len(missing) == 1


def predicts_by_lattices(wave) -> bool:
    product = wave2.product(wave.i.values, wave.v.values)
    return wave.p.model == wave2.LATTICE_PRODUCT and np.count_nonzero(product != wave.p_bits) > 10 and len(wave.i.exceptions) == 4


def corrected(how):
    return lambda wave: wave.p.corrections == how and {0x80000000, 0x7FC0BEEF} <= set(wave.p_bits.tolist())


def codings_of_packed(coding, signals):
    return lambda wave: [(one.signal, one.coding) for one in wave.packed] == [(signal, coding) for signal in signals]


FEATURES = {
    "lattice-fitted": lambda wave: kinds(wave.i) == kinds(wave.v) == {LATTICE},
    "lattice-known": lambda wave: kinds(wave.i) == kinds(wave.v) == {LATTICE} and len(set(wave.v.bits.tolist())) == 1,
    "lattice-exceptions": has_lattice_exceptions,
    "lattice-runs": lambda wave: len(wave.i.lattices) == 2 and len(wave.i.pages) == 1 and len(wave.i.pages[0].runs) == 14,
    "pages": lambda wave: len(wave.i.pages) == 3 and len({page.runs[0][0] for page in wave.i.pages}) == 2,
    "grid": lambda wave: [page.kind for page in wave.i.pages + wave.v.pages] == [GRID, GRID] and wave.v.pages[0].scale == -12,
    "grid-limits": lambda wave: [(page.kind, page.scale) for page in wave.i.pages + wave.v.pages] == [(GRID, -127), (GRID, 126)],
    "order": lambda wave: kinds(wave.i) == kinds(wave.v) == {ORDER} and (wave.v.values < 0).all(),
    "shuffled": lambda wave: wave.i.coding == SHUFFLED,
    "raw": lambda wave: wave.i.coding == wave.v.coding == RAW,
    "odd-values": lambda wave: has_every_odd_value(wave.i) and has_every_odd_value(wave.v),
    "zeros": classes_alone(ZEROS),
    "quads": classes_alone(QUADS),
    "triples": classes_alone(TRIPLES),
    "pairs": classes_alone(PAIRS),
    "bytes": lambda wave: has(wave.i, predictor=CENTRE, symbols=BYTES, shift=0),
    "low-bits": lambda wave: has(wave.i, shift=7, escapes=0),
    "low-bits-escapes": lambda wave: wave.i.pages[0].head.shift > 0 and wave.i.pages[0].head.escapes > 1,
    "escapes": lambda wave: has(wave.i, symbols=QUADS, escapes=2) and has(wave.v, symbols=TRIPLES, escapes=1),
    "delta": predicted(DELTA),
    "delta2": predicted(DELTA2),
    "mean8": predicted(MEAN8),
    "linear": predicted(LINEAR),
    "power-lattice": predicts_by_lattices,
    "power-sparse": corrected(SPARSE),
    "power-pages": corrected(IN_PAGES),
    "power-own": lambda wave: wave.p.coding == PAGES,
    "packed-runs": codings_of_packed(RUNS, [16, 19, 23, 4, 5]),
    "packed-elements": codings_of_packed(ELEMENTS, [16, 17, 5]),
    "one-sample": lambda wave: len(wave.i.bits) == 1 and wave.v.bits[0] == 0x7FC00001 and wave.p_bits[0] == 0x7FC00000,
    "no-sample": lambda wave: len(wave.i.bits) == 0,
    "lower-rate": lambda wave: len(wave.i.bits) == 62 and wave.windows is not None and len(wave.packed) == 1,
    "windows-only": lambda wave: len(wave.i.bits) == 0 and wave.windows is not None and not wave.packed,
}


class Vectors(unittest.TestCase):
    def test_every_frame_of_codec_2_has_what_its_name_says(self):
        paths = sorted((VECTORS / "frames").glob("wave-codec2-*.frame"))
        self.assertEqual(sorted(path.stem.removeprefix("wave-codec2-") for path in paths), sorted(FEATURES))
        for path in paths:
            with self.subTest(path.stem):
                frame = read_frame(path.read_bytes())
                wave = wave2.decode(frame.payload, kept_samples(frame.header)[2])
                self.assertTrue(FEATURES[path.stem.removeprefix("wave-codec2-")](wave))

    def test_every_frame_decodes_to_its_twin(self):
        frames = sorted((VECTORS / "frames").iterdir())
        self.assertGreaterEqual(len(frames), 5)
        for path in frames:
            with self.subTest(path.name):
                self.assertEqual(twin_of(path.read_bytes()), json.loads((VECTORS / "twins" / f"{path.stem}.json").read_text()))

    def test_both_readers_give_the_digests_on_record(self):
        golden = (VECTORS / "digests.txt").read_text()
        for reader in ([DIGEST_TOOL], ["/usr/bin/python3", READER]):
            with self.subTest(reader[-1]):
                where = ["--directory", str(VECTORS / "frames")]
                answer = subprocess.run([*reader, *where] + (["digest"] if len(reader) == 2 else []), capture_output=True,
                                        text=True, check=False)
                self.assertEqual(answer.stdout, golden, answer.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        print(json.dumps(twin_of(pathlib.Path(sys.argv[2]).read_bytes()), indent=1))
    else:
        DIGEST_TOOL, READER = sys.argv.pop(1), sys.argv.pop(1)
        unittest.main()
