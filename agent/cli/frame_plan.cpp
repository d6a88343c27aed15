#include "agent/cli/frame_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "agent/base/interval_set.h"

namespace joulespool::cli {
namespace {

constexpr size_t list_frames_max = 4096;
constexpr size_t border_frames = 2;  // the times of a FrameInfo are rounded: the outermost frame may lie outside the range
// Enough to read from disk in one go, little enough to hold in memory.
constexpr size_t batch_frames_max = 256;
constexpr size_t batch_bytes_max = 8 * 1024 * 1024;

// By (device, epoch): the seqs for which another frame stands.
using ReplacedSeqs = std::map<std::pair<std::string, uint64_t>, IntervalSet>;

void add_replaced(const spool::StoredFrame& stored, ReplacedSeqs& replaced) {
  const auto read = wire::read_frame(stored.bytes);
  const auto* frame = std::get_if<wire::Frame>(&read);
  if (frame == nullptr || !stored.intact) return;
  for (const wire::ReplacedFrames& one : frame->header.replaces)
    if (one.seqs.first <= one.seqs.last && one.seqs.last < UINT64_MAX)
      replaced[{frame->header.device.id, one.epoch}].insert(one.seqs.first, one.seqs.last + 1);
}

}  // namespace

Result<FramePlan> FramePlan::make(spool::SpoolReader& reader, const std::vector<spool::LaneUsage>& lanes,
                                  const TimeRange& range) {
  FramePlan plan;
  std::vector<Axis> axes;
  for (const spool::LaneUsage& lane : lanes)
    if (const Status status = plan.list(reader, lane.sequence, range, axes); !status) return status.error();
  plan.sort(axes);
  if (const Status status = plan.leave_out_replaced(reader); !status) return status.error();
  plan.count();
  return plan;
}

Status FramePlan::list(spool::SpoolReader& reader, const wire::FrameSequence& sequence, const TimeRange& range,
                       std::vector<Axis>& axes) {
  sequences_.push_back(sequence);
  for (uint64_t after_seq = 0;;) {
    const auto infos = reader.list(sequence, after_seq, list_frames_max);
    if (!infos) return infos.error();
    if (infos->empty()) return {};
    for (const spool::FrameInfo& info : *infos) {
      if (!range.may_overlap(info)) continue;
      const auto same = [&](const Axis& axis) { return axis.life == info.axis && axis.device == sequence.device; };
      auto axis = std::find_if(axes.rbegin(), axes.rend(), same);
      if (axis == axes.rend()) {
        axes.push_back({sequence.device, info.axis});
        axis = axes.rbegin();
      }
      axis->utc_first_ns = std::min(axis->utc_first_ns, info.utc_first_ns);
      frames_.push_back({info.sample_id_first, info.sample_id_end, info.id.seq, static_cast<uint32_t>(sequences_.size() - 1),
                         static_cast<uint32_t>(axes.rend() - axis - 1), static_cast<uint32_t>(info.size_bytes),
                         static_cast<uint32_t>(std::min<uint64_t>(info.samples, UINT32_MAX))});
    }
    after_seq = infos->back().id.seq;
  }
}

void FramePlan::sort(const std::vector<Axis>& axes) {
  std::vector<uint32_t> order(axes.size()), rank(axes.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return std::tie(axes[a].device, axes[a].utc_first_ns) < std::tie(axes[b].device, axes[b].utc_first_ns);
  });
  for (uint32_t at = 0; at < order.size(); ++at) rank[order[at]] = at;
  for (Place& place : frames_) place.axis = rank[place.axis];
  std::sort(frames_.begin(), frames_.end(), [](const Place& a, const Place& b) {
    return std::tie(a.axis, a.sample_id_first, a.sample_id_end, a.sequence, a.seq) <
           std::tie(b.axis, b.sample_id_first, b.sample_id_end, b.sequence, b.seq);
  });
}

// A frame and those for which it stands hold the same samples: only where frames overlap, headers have to be read.
std::vector<FramePlan::Place> FramePlan::overlapping() const {
  std::vector<Place> found;
  uint64_t end = 0;
  size_t widest = 0;  // the one that reaches to `end`
  for (size_t at = 0; at < frames_.size(); ++at) {
    const bool is_same_axis = at > 0 && frames_[at].axis == frames_[widest].axis;
    if (is_same_axis && frames_[at].sample_id_first < end) {
      if (found.empty() || found.back().seq != frames_[widest].seq) found.push_back(frames_[widest]);
      found.push_back(frames_[at]);
    }
    if (is_same_axis && frames_[at].sample_id_end <= end) continue;
    end = frames_[at].sample_id_end;
    widest = at;
  }
  return found;
}

Status FramePlan::leave_out_replaced(spool::SpoolReader& reader) {
  const std::vector<Place> candidates = overlapping();
  ReplacedSeqs replaced;
  uint64_t gone = 0;
  const auto take = [&](const spool::StoredFrame& stored) -> Result<bool> {
    add_replaced(stored, replaced);
    return true;
  };
  if (Status status = walk(reader, sequences_, candidates, take, gone); !status) return status;
  if (replaced.empty()) return {};
  const size_t before = frames_.size();
  std::erase_if(frames_, [&](const Place& place) {
    const wire::FrameSequence& sequence = sequences_[place.sequence];
    const auto seqs = replaced.find({sequence.device, sequence.epoch});
    return seqs != replaced.end() && seqs->second.contains(place.seq);
  });
  replaced_ = before - frames_.size();
  return {};
}

void FramePlan::count() {
  bytes_ = samples_ = 0;
  for (const Place& place : frames_) {
    bytes_ += place.size_bytes;
    samples_ += place.samples;
  }
}

FramePlan FramePlan::borders() const {
  FramePlan plan;
  plan.sequences_ = sequences_;
  for (size_t at = 0; at < frames_.size(); ++at) {
    const bool is_first = at < border_frames || frames_[at - border_frames].axis != frames_[at].axis;
    const bool is_last = at + border_frames >= frames_.size() || frames_[at + border_frames].axis != frames_[at].axis;
    if (is_first || is_last) plan.frames_.push_back(frames_[at]);
  }
  plan.count();
  return plan;
}

Status FramePlan::walk(spool::SpoolReader& reader, const FrameVisitor& visit, uint64_t& gone) const {
  return walk(reader, sequences_, frames_, visit, gone);
}

Status FramePlan::walk(spool::SpoolReader& reader, const std::vector<wire::FrameSequence>& sequences,
                       const std::vector<Place>& frames, const FrameVisitor& visit, uint64_t& gone) {
  for (size_t at = 0; at < frames.size();) {
    const Place& first = frames[at];
    size_t count = 1;
    while (count < batch_frames_max && at + count < frames.size() && frames[at + count].sequence == first.sequence &&
           frames[at + count].seq == first.seq + count)
      ++count;
    const auto batch = reader.read(sequences[first.sequence], first.seq - 1, std::nullopt, count, batch_bytes_max);
    if (!batch) return batch.error();
    uint64_t next_seq = first.seq;
    for (const spool::StoredFrame& stored : *batch) {
      if (stored.info.id.seq >= first.seq + count) break;
      gone += stored.info.id.seq - next_seq;
      next_seq = stored.info.id.seq + 1;
      const auto go_on = visit(stored);
      if (!go_on) return go_on.error();
      if (!*go_on) return {};
    }
    const bool rest_is_gone = batch->empty() || batch->back().info.id.seq >= first.seq + count;
    if (rest_is_gone) gone += first.seq + count - next_seq;
    at += rest_is_gone ? count : static_cast<size_t>(next_seq - first.seq);
  }
  return {};
}

}  // namespace joulespool::cli
