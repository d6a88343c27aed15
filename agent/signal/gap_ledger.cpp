#include "agent/signal/gap_ledger.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace joulespool::signal {

using wire::Gap;
using wire::GapReason;

GapLedger::GapLedger(const wire::TimeAxis& axis, uint64_t sample_id_end, const wire::UtcMap& utc)
    : axis_(axis), utc_(utc), sample_id_end_(sample_id_end), hole_reason_(GapReason::restart) {}

void GapLedger::on_hole(Hole hole) {
  if (hole.sample_id_end <= hole.sample_id_first) return;
  const auto after = std::upper_bound(holes_.begin(), holes_.end(), hole.sample_id_first,
                                      [](uint64_t first, const Hole& known) { return first < known.sample_id_first; });
  Hole* before = after == holes_.begin() ? nullptr : &*std::prev(after);
  const bool goes_on = before != nullptr && before->axis == hole.axis && before->reason == hole.reason &&
                       before->detail == hole.detail && before->sample_id_end == hole.sample_id_first;
  if (goes_on) before->sample_id_end = hole.sample_id_end;
  else if (holes_.size() < holes_max) holes_.insert(after, std::move(hole));
}

uint64_t GapLedger::repeated(const SampleBlock& block) const {
  if (!continues(block.axis) || block.sample_id >= sample_id_end_) return 0;
  const uint64_t ticks = sample_id_end_ - block.sample_id;
  return std::min<uint64_t>(block.count(), (ticks + block.axis.decimation - 1) / block.axis.decimation);
}

Gap GapLedger::gap(GapReason reason, uint64_t first, uint64_t end) const {
  Gap gap;
  gap.reason = reason;
  gap.axis = axis_->life;
  gap.sample_id_first = first;
  gap.sample_id_end = end;
  gap.samples_lost = (end - first) / axis_->decimation;
  gap.utc_first_ns = utc_.utc_ns_at(first);
  gap.utc_end_ns = utc_.utc_ns_at(end);
  return gap;
}

Gap GapLedger::open_ended_gap() const {
  Gap open = gap(hole_reason_ == GapReason::usb_drop ? GapReason::device_lost : hole_reason_, sample_id_end_, sample_id_end_);
  open.open_ended = true;
  open.detail = "the counter or its rate started anew";
  return open;
}

// The first sample at or after `sample_id` (from the one expected on), at most `limit`: so that counts of neighbours add up.
uint64_t GapLedger::on_grid(uint64_t sample_id, uint64_t limit) const {
  if (sample_id <= sample_id_end_) return sample_id_end_;
  if (sample_id >= limit) return limit;
  const uint64_t rest = (sample_id - sample_id_end_) % axis_->decimation;
  return rest == 0 ? sample_id : std::min(limit, sample_id + (axis_->decimation - rest));
}

std::vector<Gap> GapLedger::gaps_before(uint64_t sample_id) const {
  std::vector<Gap> gaps;
  uint64_t at = sample_id_end_;
  for (const Hole& hole : holes_) {
    if (hole.axis != axis_->life) continue;
    const uint64_t first = std::max(at, on_grid(hole.sample_id_first, sample_id));
    const uint64_t end = on_grid(hole.sample_id_end, sample_id);
    if (first >= end) continue;
    if (at < first) gaps.push_back(gap(hole_reason_, at, first));
    gaps.push_back(gap(hole.reason, first, end));
    gaps.back().detail = hole.detail;
    at = end;
  }
  if (at < sample_id) gaps.push_back(gap(hole_reason_, at, sample_id));
  return gaps;
}

std::vector<Gap> GapLedger::on_end() {
  uint64_t end = sample_id_end_;
  for (const Hole& hole : holes_)
    if (axis_ && hole.axis == axis_->life) end = std::max(end, hole.sample_id_end);
  if (end == sample_id_end_) return {};
  const std::vector<Gap> gaps = gaps_before(end);
  sample_id_end_ = end;
  holes_.clear();
  return gaps;
}

// Those that the blocks have reached, and those of axes that are over.
void GapLedger::forget_holes() {
  std::erase_if(holes_, [this](const Hole& hole) { return hole.axis != axis_->life || hole.sample_id_end <= sample_id_end_; });
}

void GapLedger::begin_axis(const SampleBlock& block) {
  const bool other_rate = axis_ && axis_->life == block.axis.life;  // of the same counter
  const uint64_t earliest = other_rate ? std::min(sample_id_end_, block.sample_id) : 0;
  axis_ = block.axis;
  sample_id_end_ = block.sample_id;
  hole_reason_ = GapReason::usb_drop;
  for (const Hole& hole : holes_)
    if (hole.axis == axis_->life) sample_id_end_ = std::max(earliest, std::min(sample_id_end_, hole.sample_id_first));
}

std::vector<Gap> GapLedger::on_block(const SampleBlock& block) {
  std::vector<Gap> gaps;
  if (!continues(block.axis)) {
    if (axis_) gaps.push_back(open_ended_gap());
    utc_ = block.utc;
    begin_axis(block);
  }
  if (block.sample_id > sample_id_end_)
    for (Gap& gap : gaps_before(block.sample_id)) gaps.push_back(std::move(gap));
  sample_id_end_ = std::max(sample_id_end_, block.sample_id_end());
  utc_ = block.utc;
  hole_reason_ = GapReason::usb_drop;
  forget_holes();
  return gaps;
}

}  // namespace joulespool::signal
