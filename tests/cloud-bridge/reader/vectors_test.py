#!/usr/bin/python3
"""Golden frames: tests/vectors/frames/* decode to their JSON twins for ever. Old vectors are never changed or deleted.

vectors_test.py --write FRAME: prints the twin of a new vector."""
import json
import pathlib
import subprocess
import sys
import unittest

from google.protobuf import json_format

from joulespool_frame import EVENT, STAT, SUMS, WAVE, decode_events, decode_stat, decode_wave, python_ints, read_frame

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "vectors"


def bits(column) -> list:
    """float32 values as their bit patterns, so that NaN payloads and -0.0 are told apart."""
    return [f"{value:08x}" for value in column.view("<u4")]


def stat_twin(frame) -> dict:
    columns = decode_stat(frame)
    twin = {}
    for name, column in columns.items():
        if name in SUMS:
            twin[name] = [str(value) for value in python_ints(column)]
        else:
            twin[name] = bits(column) if column.dtype == "float32" else [int(value) for value in column]
    return twin


def wave_twin(frame) -> dict:
    wave = decode_wave(frame)
    packed = [{"signal": run.signal, "sample_id": int(run.sample_id), "stride": run.stride, "values": "".join(f"{value:x}" for value in run.values)}
              for run in wave.packed]
    return {"sample_id": wave.sample_id, "decimation": wave.decimation, "i": bits(wave.i), "v": bits(wave.v), "p": bits(wave.p), "packed": packed}


def twin_of(data: bytes) -> dict:
    frame = read_frame(data)
    header = json_format.MessageToDict(frame.header, preserving_proto_field_name=True)
    if frame.header.lane == EVENT:
        payload = [json_format.MessageToDict(event, preserving_proto_field_name=True) for event in decode_events(frame)]
    else:
        payload = {STAT: stat_twin, WAVE: wave_twin}[frame.header.lane](frame)
    return {"header": header, "payload": payload}


class Vectors(unittest.TestCase):
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
                answer = subprocess.run([*reader, *where] + (["digest"] if len(reader) == 2 else []), capture_output=True, text=True, check=False)
                self.assertEqual(answer.stdout, golden, answer.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        print(json.dumps(twin_of(pathlib.Path(sys.argv[2]).read_bytes()), indent=1))
    else:
        DIGEST_TOOL, READER = sys.argv.pop(1), sys.argv.pop(1)
        unittest.main()
