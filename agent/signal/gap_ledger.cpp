#include "agent/signal/gap_ledger.h"

#include <algorithm>

namespace joulespool::signal {

using wire::Gap;
using wire::GapReason;

GapLedger::GapLedger(const wire::TimeAxis& axis, uint64_t sample_id_end, const wire::UtcMap& utc)
    : axis_(axis), utc_(utc), sample_id_end_(sample_id_end), hole_reason_(GapReason::restart) {}

void GapLedger::on_overrun(uint64_t sample_id_first, uint64_t sample_id_end) { overruns_.insert(sample_id_first, sample_id_end); }

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

std::vector<Gap> GapLedger::holes_before(uint64_t sample_id) {
  std::vector<Gap> gaps;
  uint64_t at = sample_id_end_;
  for (const auto& overrun : overruns_.intervals()) {
    const uint64_t first = std::clamp(overrun.first, at, sample_id);
    const uint64_t end = std::clamp(overrun.end, first, sample_id);
    if (first == end) continue;
    if (at < first) gaps.push_back(gap(hole_reason_, at, first));
    gaps.push_back(gap(GapReason::overrun, first, end));
    at = end;
  }
  if (at < sample_id) gaps.push_back(gap(hole_reason_, at, sample_id));
  return gaps;
}

std::vector<Gap> GapLedger::on_end() {
  const auto pending = overruns_.intervals();
  if (!axis_ || pending.empty() || pending.back().end <= sample_id_end_) return {};
  const std::vector<Gap> gaps = holes_before(pending.back().end);
  sample_id_end_ = pending.back().end;
  overruns_ = {};
  return gaps;
}

std::vector<Gap> GapLedger::on_block(const SampleBlock& block) {
  std::vector<Gap> gaps;
  if (continues(block.axis)) {
    if (block.sample_id > sample_id_end_) gaps = holes_before(block.sample_id);
    sample_id_end_ = std::max(sample_id_end_, block.sample_id_end());
  } else {
    if (axis_) gaps.push_back(open_ended_gap());
    axis_ = block.axis;
    sample_id_end_ = block.sample_id_end();
  }
  utc_ = block.utc;
  overruns_ = {};
  hole_reason_ = GapReason::usb_drop;
  return gaps;
}

}  // namespace joulespool::signal
