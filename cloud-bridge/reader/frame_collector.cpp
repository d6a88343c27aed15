#include "cloud-bridge/reader/frame_collector.h"

#include <numeric>
#include <utility>

namespace joulespool::reader {

uint64_t CollectorCounters::damaged_total() const { return std::accumulate(damaged.begin(), damaged.end(), uint64_t{0}); }

FrameCollector::FrameCollector(Receiver receiver, CollectorLimits limits) : receiver_(std::move(receiver)), limits_(limits) {}

void FrameCollector::add(sink::StoredRecord&& record) {
  ++counters_.records;
  counters_.bytes += record.data.size();
  auto checked = wire::read_frame(record.data);
  if (const auto* defect = std::get_if<wire::FrameDefect>(&checked)) {
    ++counters_.damaged[static_cast<size_t>(*defect)];
    return;
  }
  auto& frame = std::get<wire::Frame>(checked);
  if (frame.header.seq == UINT64_MAX) {  // no agent counts that far, and no number follows
    ++counters_.damaged[static_cast<size_t>(wire::FrameDefect::header_invalid)];
    return;
  }
  if (record.partition_key != frame.header.device.id) {
    ++counters_.wrong_key;
    return;
  }
  const wire::FrameId id = frame.header.id();
  Sequence& sequence = sequences_[id.sequence];
  if (sequence.seen.insert(id.seq, id.seq + 1) != 0) {
    ++counters_.duplicates;
    ++sequence.duplicates;
    return;
  }
  ++counters_.frames;
  const size_t payload_at = record.data.size() - frame.payload.size();
  place(sequence, {std::move(record.data), std::move(frame.header), payload_at, record.arrival_utc_ns, false});
}

void FrameCollector::place(Sequence& sequence, CollectedFrame&& frame) {
  const uint64_t seq = frame.header.seq;
  sequence.highest = std::max(sequence.highest, seq);
  if (seq < sequence.next) {
    frame.late = true;
    ++counters_.late;
    receiver_(frame);
    return;
  }
  sequence.held_bytes += frame.bytes.size();
  sequence.held.emplace(seq, std::move(frame));
  hand_on_ready(sequence);
  while (over_limit(sequence)) {  // what is missing before the front will not come
    hand_on_front(sequence);
    hand_on_ready(sequence);
  }
}

bool FrameCollector::over_limit(const Sequence& sequence) const {
  return sequence.held.size() > limits_.held_frames_max || sequence.held_bytes > limits_.held_bytes_max;
}

void FrameCollector::hand_on_ready(Sequence& sequence) {
  while (!sequence.held.empty() && sequence.held.begin()->first == sequence.next) hand_on_front(sequence);
}

void FrameCollector::hand_on_front(Sequence& sequence) {
  const auto front = sequence.held.extract(sequence.held.begin());
  sequence.held_bytes -= front.mapped().bytes.size();
  sequence.next = front.key() + 1;
  receiver_(front.mapped());
}

void FrameCollector::finish() {
  for (auto& [id, sequence] : sequences_)
    while (!sequence.held.empty()) hand_on_front(sequence);
}

std::map<wire::FrameSequence, std::vector<wire::SeqRange>> FrameCollector::holes() const {
  std::map<wire::FrameSequence, std::vector<wire::SeqRange>> all;
  for (const auto& [id, sequence] : sequences_)
    for (const auto& hole : sequence.seen.missing(1, sequence.highest + 1)) all[id].push_back({hole.first, hole.end - 1});
  return all;
}

uint64_t FrameCollector::duplicates(const std::string& device) const {
  uint64_t total = 0;
  for (const auto& [id, sequence] : sequences_)
    if (id.device == device) total += sequence.duplicates;
  return total;
}

size_t FrameCollector::held_frames() const {
  size_t held = 0;
  for (const auto& [id, sequence] : sequences_) held += sequence.held.size();
  return held;
}

}  // namespace joulespool::reader
