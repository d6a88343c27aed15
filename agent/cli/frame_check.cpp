#include "agent/cli/frame_check.h"

#include <algorithm>

#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/wire/event.h"

namespace joulespool::cli {
namespace {

using Problem = std::optional<std::string>;

Problem compare_sums(const wire::FrameHeader& header, const wire::Window& computed) {
  const auto differs = [](const std::string& what, const std::string& said, const std::string& is) {
    return "header says " + what + " = " + said + ", payload gives " + is;
  };
  if (header.samples != computed.count) return differs("samples", std::to_string(header.samples), std::to_string(computed.count));
  if (header.valid != computed.valid) return differs("valid", std::to_string(header.valid), std::to_string(computed.valid));
  if (header.i_sum != computed.i_sum) return differs("i_sum", to_decimal(header.i_sum), to_decimal(computed.i_sum));
  if (header.p_sum != computed.p_sum) return differs("p_sum", to_decimal(header.p_sum), to_decimal(computed.p_sum));
  return std::nullopt;
}

Problem check_windows(const wire::Frame& frame, wire::ByteView payload) {
  const auto windows = codec::decode_windows(payload, frame.header.codec, frame.header.sample_id_first);
  if (!windows) return windows.error().message;
  wire::Window sum;
  uint64_t after = frame.header.sample_id_first;
  for (const wire::Window& window : *windows) {
    if (window.sample_id_first < after || window.sample_id_end < window.sample_id_first ||
        window.sample_id_end > frame.header.sample_id_end)
      return "window at sample_id " + std::to_string(window.sample_id_first) + " is out of order or outside the frame";
    after = window.sample_id_end;
    sum.merge(window);
  }
  return compare_sums(frame.header, sum);
}

Problem check_samples(const wire::Frame& frame) {
  const auto samples = codec::decode_samples(frame.payload, frame.header.codec, wire::kept_samples(frame.header).count);
  if (!samples) return samples.error().message;
  if (!frame.header.keeps_all()) return check_windows(frame, samples->windows);
  wire::Window sum;
  sum.count = samples->i.size();
  for (size_t at = 0; at < samples->i.size(); ++at) {
    const wire::Units i = wire::to_units(samples->i[at]);
    const wire::Units v = wire::to_units(samples->v[at]);
    const wire::Units p = wire::to_units(samples->p[at]);
    if (!i.ok || !v.ok || !p.ok) continue;
    ++sum.valid;
    sum.i_sum += i.value;
    sum.p_sum += p.value;
  }
  return compare_sums(frame.header, sum);
}

Problem check_events(const wire::Frame& frame) {
  if (frame.header.codec != wire::event_codec) return "codec " + std::to_string(frame.header.codec) + " is not known";
  const auto events = wire::read_events(frame.payload);
  if (!events) return events.error().message;
  return compare_sums(frame.header, wire::Window());
}

Problem check_payload(const wire::Frame& frame) {
  switch (frame.header.lane) {
    case wire::Lane::event: return check_events(frame);
    case wire::Lane::stat: return check_windows(frame, frame.payload);
    case wire::Lane::wave: return check_samples(frame);
  }
  return "unknown lane";
}

HoleCause cause_of(const SequenceContent& content, uint64_t seq, uint64_t present_first) {
  if (content.recorded.contains(seq)) return HoleCause::recorded;
  if (content.replaced.contains(seq)) return HoleCause::replaced;
  const bool nothing_waits_after = content.queued_seq_first == 0;
  if (seq < content.queued_seq_first || seq < present_first) return HoleCause::delivered;
  const bool is_tail = content.present.missing(seq, content.seq_next).front().end == content.seq_next;
  if (nothing_waits_after && is_tail) return HoleCause::delivered;
  return content.records_complete ? HoleCause::unexplained : HoleCause::undecided;
}

// The end of the run of equal membership in `set` that begins at `seq`.
uint64_t run_end(const IntervalSet& set, uint64_t seq, uint64_t end) {
  const auto holes = set.missing(seq, end);
  if (holes.empty()) return end;
  return holes.front().first > seq ? holes.front().first : holes.front().end;
}

}  // namespace

std::optional<std::string> check_frame(const spool::StoredFrame& frame) {
  if (!frame.intact) return "the bytes are not those that were stored (checksum of the spool)";
  const auto read = wire::read_frame(frame.bytes);
  if (const auto* defect = std::get_if<wire::FrameDefect>(&read)) return "not a frame: " + std::string(to_string(*defect));
  const auto& checked = std::get<wire::Frame>(read);
  if (checked.header.id() != frame.info.id) return "the header names another frame than the spool";
  if (checked.header.sample_id_first != frame.info.sample_id_first || checked.header.sample_id_end != frame.info.sample_id_end)
    return "the header covers other samples than the spool says";
  return check_payload(checked);
}

std::string_view to_string(HoleCause cause) {
  switch (cause) {
    case HoleCause::delivered: return "delivered";
    case HoleCause::recorded: return "recorded";
    case HoleCause::replaced: return "replaced";
    case HoleCause::undecided: return "undecided";
    case HoleCause::unexplained: return "unexplained";
  }
  return "?";
}

std::vector<Hole> find_holes(const SequenceContent& content) {
  std::vector<Hole> holes;
  const auto present = content.present.intervals();
  const uint64_t present_first = present.empty() ? content.seq_next : present.front().first;
  for (const auto& missing : content.present.missing(1, content.seq_next)) {
    for (uint64_t seq = missing.first; seq < missing.end;) {
      const HoleCause cause = cause_of(content, seq, present_first);
      uint64_t end = std::min(run_end(content.recorded, seq, missing.end), run_end(content.replaced, seq, missing.end));
      if (content.queued_seq_first > seq && content.queued_seq_first < end) end = content.queued_seq_first;
      if (!holes.empty() && holes.back().cause == cause && holes.back().range.last + 1 == seq) holes.back().range.last = end - 1;
      else holes.push_back({{seq, end - 1}, cause});
      seq = end;
    }
  }
  return holes;
}

}  // namespace joulespool::cli
