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
import bisect
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


class SeqRanges:
    """A set of seqs, given as ranges that may lie over each other."""

    def __init__(self):
        self._added, self._firsts, self._lasts = [], [], []

    def add(self, first, last):
        self._added.append((first, last))

    def _join(self):
        ranges, self._firsts, self._lasts = sorted(self._added + list(zip(self._firsts, self._lasts))), [], []
        for first, last in ranges:
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)
        self._added = []

    def __contains__(self, seq):
        if self._added:
            self._join()
        at = bisect.bisect_right(self._firsts, seq)
        return at > 0 and seq <= self._lasts[at - 1]

    def missing(self, first, last):
        """[(first, last)]: the parts of a range that are not in the set."""
        if self._added:
            self._join()
        parts = []
        for a, b in zip(self._firsts, self._lasts):
            if a > last:
                break
            if a > first:
                parts.append((first, a - 1))
            first = max(first, b + 1)
        return parts + [(first, last)] if first <= last else parts


class Device:
    """The frames of one device, each once; frames() gives them in seq order, without those for which a merged frame of lane stat
    stands that came, too (agent/wire/FORMAT.md, section 3): so do totals, windows and digests."""

    def __init__(self, device_id):
        self.id = device_id
        self.sequences = {}  # (epoch, lane) -> {seq: Frame}, in the order of their first appearance: all that came
        self.replaced = {}   # epoch -> SeqRanges of lane stat: seqs for which another frame stands
        self.duplicates = 0

    def add(self, frame):
        frames = self.sequences.setdefault((frame.header.epoch, frame.header.lane), {})
        if frame.header.seq in frames:
            self.duplicates += 1
            return
        frames[frame.header.seq] = frame
        if frame.header.lane == STAT:
            for seqs in frame.header.replaces:
                self.replaced.setdefault(seqs.epoch, SeqRanges()).add(seqs.first, seqs.last)

    def is_replaced(self, epoch, lane, seq):
        """Does a frame that came stand for this one?"""
        return lane == STAT and seq in self.replaced.get(epoch, ())

    def frames_of(self, epoch, lane):
        """Frames of a sequence in seq order."""
        frames = self.sequences.get((epoch, lane), {})
        return (frames[seq] for seq in sorted(frames) if not self.is_replaced(epoch, lane, seq))

    def frames(self, lane):
        """Frames of a lane, sequence after sequence, each in seq order."""
        for epoch, of_lane in self.sequences:
            if of_lane == lane:
                yield from self.frames_of(epoch, lane)

    def replaced_frames(self):
        """How many frames came for which another one stands."""
        return sum(self.is_replaced(epoch, lane, seq) for (epoch, lane), frames in self.sequences.items() for seq in frames)

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
        """All windows of an axis (None: of every axis, one after the other) as a dict of arrays, in the order of sample_id; sums
        are arrays of Python ints. Windows that were merged during an outage are longer than others: see sample_id_end."""
        frames, axes = [frame for frame in self.frames(STAT) if axis in (None, frame.header.axis)], {}
        for frame in frames:
            axes.setdefault(frame.header.axis, len(axes))
        frames.sort(key=lambda frame: (axes[frame.header.axis], frame.header.sample_id_first))
        parts = [decode_stat(frame) for frame in frames]
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
        """{(epoch, lane): [(first, last)]} of seqs up to the highest that did not come, and for which no frame stands that came.
        Gaps may explain them."""
        holes = {}
        for (epoch, lane), frames in self.sequences.items():
            last = 0
            for seq in sorted(frames):
                missing = [(last + 1, seq - 1)] if seq > last + 1 else []
                if missing and lane == STAT and epoch in self.replaced:
                    missing = self.replaced[epoch].missing(*missing[0])
                if missing:
                    holes.setdefault((epoch, lane), []).extend(missing)
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
    for frame in device.frames_of(epoch, EVENT):
        digest.update(struct.pack("<QI", frame.header.seq, len(frame.payload)) + frame.payload)
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
    for frame in device.frames_of(epoch, STAT):
        digest.add(decode_stat(frame))
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
    for wave in map(decode_wave, device.frames_of(epoch, WAVE)):
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
        if next(device.frames_of(epoch, lane), None) is None:
            continue
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
    if device.replaced_frames():
        lines.append(f"  {device.replaced_frames()} more frames of lane stat, for which merged ones stand")
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
