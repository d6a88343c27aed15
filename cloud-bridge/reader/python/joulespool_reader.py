#!/usr/bin/python3
"""Reads Joulespool's samples, windows and gaps back from Kinesis as numpy arrays.

Written from agent/wire/FORMAT.md and agent/codec/FORMAT.md. Needs protobuf, zstandard and numpy (boto3 for Kinesis), and the
generated modules agent.wire.frame_pb2 and event_pb2: put <build>/python on PYTHONPATH.

    import boto3, joulespool_reader as jr
    devices = jr.collect(jr.read_stream(boto3.client("kinesis"), "joulespool"))
    wave = devices["js220-001122"].samples()     # .sample_id .i .v .p
    windows = devices["js220-001122"].windows()  # dict of arrays; sums as Python ints
"""
import argparse
import collections
import dataclasses
import hashlib
import os
import struct
import sys

import numpy as np

from joulespool_frame import *  # noqa: F401,F403: one module for users
from joulespool_frame import (EVENT, EXTREMES, GAP_REASONS, LANE_NAMES, STAT, SUMS, WAVE, Damaged, decode_events, decode_stat,
                              decode_wave, halves_of, int128, python_ints, read_frame)


# --- devices -----------------------------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Samples:
    sample_id: np.ndarray  # uint64
    i: np.ndarray          # A, float32
    v: np.ndarray          # V
    p: np.ndarray          # W


class Device:
    """The frames of one device, each once; frames() gives them in seq order."""

    def __init__(self, device_id):
        self.id = device_id
        self.sequences = {}  # (epoch, lane) -> {seq: Frame}, in the order of their first appearance
        self.duplicates = 0

    def add(self, frame):
        frames = self.sequences.setdefault((frame.header.epoch, frame.header.lane), {})
        if frame.header.seq in frames:
            self.duplicates += 1
        else:
            frames[frame.header.seq] = frame

    def frames(self, lane):
        """Frames of a lane, sequence after sequence, each in seq order."""
        for (_, of_lane), frames in self.sequences.items():
            if of_lane == lane:
                for seq in sorted(frames):
                    yield frames[seq]

    def wave(self):
        """Decoded frames of lane wave, one by one: for more samples than fit into memory."""
        return (decode_wave(frame) for frame in self.frames(WAVE))

    def samples(self, axis=None, first=0, end=2**64):
        """All samples of an axis (None: of every axis, one after the other) with first <= sample_id < end."""
        parts = []
        for frame in self.frames(WAVE):
            h = frame.header
            if axis not in (None, h.axis) or h.sample_id_first >= end or h.sample_id_end <= first:
                continue
            wave = decode_wave(frame)
            sample_id = np.uint64(wave.sample_id) + np.arange(len(wave.i), dtype=np.uint64) * np.uint64(wave.decimation)
            element = lambda tick: min(max(0, -((wave.sample_id - tick) // wave.decimation)), len(wave.i))  # first one not before
            keep = slice(element(first), element(end))
            parts.append([column[keep] for column in (sample_id, wave.i, wave.v, wave.p)])
        if not parts:
            parts = [[np.zeros(0, np.uint64)] + [np.zeros(0, np.float32)] * 3]
        return Samples(*(np.concatenate(column) for column in zip(*parts)))

    def windows(self, axis=None):
        """All windows of an axis (None: of every axis) as a dict of arrays; sums are arrays of Python ints."""
        parts = [decode_stat(frame) for frame in self.frames(STAT) if axis in (None, frame.header.axis)]
        if not parts:
            return {}
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {name: python_ints(column) if name in SUMS else column for name, column in columns.items()}

    def events(self):
        """(frame header, event_pb2.Event) in order."""
        return [(frame.header, event) for frame in self.frames(EVENT) for event in decode_events(frame)]

    def gaps(self):
        """event_pb2.Gap in order, of reasons known to GAP_REASONS."""
        return [event.gap for _, event in self.events() if event.WhichOneof("kind") == "gap" and event.gap.reason in GAP_REASONS]

    def totals(self, lane=STAT):
        """samples, valid, i_sum (2^-31 A), p_sum (2^-31 W) of a lane by its headers; samples_lost of gaps for all lanes."""
        headers = [frame.header for frame in self.frames(lane)]
        return {"frames": len(headers), "samples": sum(h.samples for h in headers), "valid": sum(h.valid for h in headers),
                "i_sum": sum(int128(h.i_sum) for h in headers), "p_sum": sum(int128(h.p_sum) for h in headers),
                "samples_lost": sum(gap.samples_lost for gap in self.gaps() if gap.lane == 0)}

    def holes(self):
        """{(epoch, lane): [(first, last)]} of seqs up to the highest that did not come. Gaps may explain them."""
        holes = {}
        for key, frames in self.sequences.items():
            last = 0
            for seq in sorted(frames):
                if seq > last + 1:
                    holes.setdefault(key, []).append((last + 1, seq - 1))
                last = seq
        return holes


class Devices(dict):
    """Device by id, and `damaged`: how many records were dropped, by reason."""

    def __init__(self):
        super().__init__()
        self.damaged = collections.Counter()


def collect(records, device=None):
    """Records (bytes, or (bytes, arrival)) -> Devices. Damaged ones are counted, second copies dropped."""
    devices = Devices()
    for record in records:
        data, arrival = record if isinstance(record, tuple) else (record, None)
        try:
            frame = read_frame(data)
        except Damaged as defect:
            devices.damaged[str(defect)] += 1
            continue
        frame.arrival = arrival
        if device in (None, frame.header.device.id):
            devices.setdefault(frame.header.device.id, Device(frame.header.device.id)).add(frame)
    return devices


def _shards_in_order(client, stream):
    shards, more = [], {"StreamName": stream}
    while more:
        page = client.list_shards(**more)
        shards += page["Shards"]
        more = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
    known = {shard["ShardId"] for shard in shards}
    ordered, done = [], set()
    while len(ordered) < len(shards):  # parents before children
        ready = [shard["ShardId"] for shard in shards if shard["ShardId"] not in done and all(
            shard.get(parent) not in known or shard.get(parent) in done for parent in ("ParentShardId", "AdjacentParentShardId"))]
        if not ready:
            raise Damaged("shards are each other's parents")
        ordered += ready
        done.update(ready)
    return ordered


def read_stream(client, stream):
    """(data, arrival) of every record that the stream holds now; `client` is a boto3 Kinesis client."""
    for shard in _shards_in_order(client, stream):
        iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = client.get_records(ShardIterator=iterator, Limit=10000)
            for record in page["Records"]:
                yield record["Data"], record.get("ApproximateArrivalTimestamp")
            iterator = page.get("NextShardIterator")
            if not page["Records"] and page.get("MillisBehindLatest", 0) == 0:
                break


def frames_from_directory(path):
    """The bytes of every file in a directory, by name: one frame each."""
    for name in sorted(os.listdir(path)):
        with open(os.path.join(path, name), "rb") as file:
            yield file.read()


# --- digests: to compare two readers, or a reader with a source, bit for bit, wherever frames begin and end -------------------

def _event_digest(device, epoch):
    digest, count = hashlib.sha256(), 0
    frames = device.sequences[(epoch, EVENT)]
    for seq in sorted(frames):
        digest.update(struct.pack("<QI", seq, len(frames[seq].payload)) + frames[seq].payload)
        count += 1
    return count, digest


class _WindowDigest:
    """SHA-256 over windows, a row of bytes each."""

    LAYOUT = np.dtype([(name, "<u8") for name in ("sample_id_first", "sample_id_end", "count", "valid")] +
                      [(name, "<u8", 2) for name in SUMS] + [(name, "<f4") for name in EXTREMES])

    def __init__(self):
        self.digest, self.count = hashlib.sha256(), 0

    def add(self, columns):
        rows = np.zeros(len(columns["count"]), dtype=self.LAYOUT)
        for name in self.LAYOUT.names:
            rows[name] = columns[name]
        self.digest.update(rows.tobytes())
        self.count += len(rows)


def _stat_digest(device, epoch):
    digest = _WindowDigest()
    frames = device.sequences[(epoch, STAT)]
    for seq in sorted(frames):
        digest.add(decode_stat(frames[seq]))
    return digest.count, digest.digest


class _RunDigest:
    """SHA-256 over elements; before each run of elements that follow each other: axis, tick of the first, ticks per element."""

    def __init__(self):
        self.digest, self.count, self.next = hashlib.sha256(), 0, None

    def add(self, axis, tick, stride, count, data):
        if count and self.next != (axis, tick, stride):
            self.digest.update(struct.pack("<QQQ", axis, tick, stride))
        if count:
            self.next = (axis, tick + count * stride, stride)
        self.digest.update(data)
        self.count += count


def _wave_digests(device, epoch):
    digests = {"wave": _RunDigest()}
    frames = device.sequences[(epoch, WAVE)]
    for seq in sorted(frames):
        wave = decode_wave(frames[seq])
        axis = wave.header.axis
        triples = np.stack((wave.i, wave.v, wave.p), axis=1).astype("<f4").tobytes()
        digests["wave"].add(axis, wave.sample_id, wave.decimation, len(wave.i), triples)
        for packed in wave.packed:
            digest = digests.setdefault(f"wave.{packed.signal}", _RunDigest())
            digest.add(axis, packed.sample_id, packed.stride, len(packed.elements), packed.elements.tobytes())
        if wave.windows is not None:
            halves = {name: halves_of(wave.windows[name]) for name in SUMS}
            digests.setdefault("wave.windows", _WindowDigest()).add(wave.windows | halves)
    return {name: (digest.count, digest.digest) for name, digest in digests.items()}


def digest_lines(device):
    """`device epoch lane count sha256`, sorted: one line per sequence, and for lane wave one per packed signal and one for windows."""
    lines = []
    for epoch, lane in device.sequences:
        if lane == WAVE:
            found = _wave_digests(device, epoch)
        else:
            found = {LANE_NAMES[lane]: (_event_digest if lane == EVENT else _stat_digest)(device, epoch)}
        lines += [f"{device.id} {epoch:016x} {name} {count} {digest.hexdigest()}" for name, (count, digest) in found.items()]
    return sorted(lines)


def summary_lines(device):
    lines = [f"{device.id}: {device.duplicates} second copies dropped"]
    for lane, name in LANE_NAMES.items():
        totals = device.totals(lane)
        size = sum(frame.bytes for frame in device.frames(lane))
        lines.append(f"  {name:5} {totals['frames']} frames, {size} bytes, {totals['samples']} samples, {totals['valid']} valid, "
                     f"charge {totals['i_sum']}, energy {totals['p_sum']} (units of 2^-31 A, W per sample)")
    lost = collections.Counter()
    for gap in device.gaps():
        lost[(GAP_REASONS[gap.reason], LANE_NAMES.get(gap.lane, "all lanes"))] += gap.samples_lost
    lines += [f"  gap   {reason}, {where}: {count} samples" for (reason, where), count in sorted(lost.items())]
    for (epoch, lane), ranges in sorted(device.holes().items()):
        lines.append(f"  not there: {LANE_NAMES[lane]} of epoch {epoch:016x}, seq " + ", ".join(f"{a}..{b}" for a, b in ranges))
    return lines


def _records(arguments):
    if arguments.directory:
        return frames_from_directory(arguments.directory)
    import boto3  # only needed here
    client = boto3.client("kinesis", endpoint_url=arguments.endpoint, region_name=arguments.region)
    return read_stream(client, arguments.stream)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Reads Joulespool frames from Kinesis (or a directory of frames).")
    parser.add_argument("what", choices=("summary", "digest"))
    parser.add_argument("--endpoint", help="URL of Kinesis, for local ones; default: AWS")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1")))
    parser.add_argument("--stream", help="name of the stream")
    parser.add_argument("--directory", help="read files, one frame each, instead of a stream")
    parser.add_argument("--device", help="only this one")
    arguments = parser.parse_args(argv)
    if bool(arguments.stream) == bool(arguments.directory):
        parser.error("give either --stream or --directory")
    devices = collect(_records(arguments), arguments.device)
    for _, device in sorted(devices.items()):
        for line in (digest_lines if arguments.what == "digest" else summary_lines)(device):
            print(line)
    for reason, count in sorted(devices.damaged.items()):
        print(f"damaged: {reason} {count}", file=sys.stderr)
    if arguments.device and arguments.device not in devices:
        print(f"{arguments.device}: nothing in the stream", file=sys.stderr)
        return 1
    return 1 if devices.damaged else 0


if __name__ == "__main__":
    sys.exit(main())
