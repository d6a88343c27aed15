#include "agent/device/joulescope_assembler.h"

#include <algorithm>

namespace joulespool::device {

SampleAssembler::SampleAssembler(std::vector<signal::SignalId> packed, uint64_t waiting_samples_max, uint64_t packed_ticks_max)
    : waiting_samples_max_(waiting_samples_max), packed_ticks_max_(packed_ticks_max), slice_bytes_(packed.size()) {
  for (const signal::SignalId signal : packed) packed_.push_back({signal, {}, 0});
}

void SampleAssembler::Column::add(uint64_t sample_id, uint32_t decimation, std::span<const float> values) {
  if (values.empty()) return;
  const bool goes_on = !runs_.empty() && runs_.back().end() == sample_id && runs_.back().decimation == decimation;
  if (!goes_on) {
    runs_.push_back({sample_id, decimation, 0, std::move(spare_)});
    runs_.back().values.clear();
    spare_ = {};
  }
  Run& run = runs_.back();
  if (run.at > 0) {
    run.values.erase(run.values.begin(), run.values.begin() + static_cast<std::ptrdiff_t>(run.at));
    run.at = 0;
  }
  run.values.insert(run.values.end(), values.begin(), values.end());
}

std::span<const float> SampleAssembler::Column::values(uint64_t end) const {
  const Run& run = runs_.front();
  return std::span(run.values).subspan(run.at, (end - run.sample_id) / run.decimation);
}

uint64_t SampleAssembler::Column::waiting() const {
  uint64_t count = 0;
  for (const Run& run : runs_) count += run.values.size() - run.at;
  return count;
}

void SampleAssembler::Column::drop_before(uint64_t sample_id) {
  while (!runs_.empty() && runs_.front().sample_id < sample_id) {
    Run& run = runs_.front();
    const uint64_t ticks = sample_id - run.sample_id;
    const uint64_t count = std::min<uint64_t>((ticks + run.decimation - 1) / run.decimation, run.values.size() - run.at);
    run.at += count;
    run.sample_id += count * run.decimation;
    if (run.at < run.values.size()) return;
    spare_ = std::move(run.values);
    runs_.pop_front();
  }
}

void SampleAssembler::add_packed(const signal::PackedRun& run) {
  const auto at =
      std::find_if(packed_.begin(), packed_.end(), [&](const PackedColumns& known) { return known.signal == run.signal; });
  if (at == packed_.end() || run.count == 0) return;
  if (at->runs.empty() || !at->runs.back().continues(run)) at->runs.emplace_back(run);
  at->runs.back().append(run);
  at->end = at->runs.back().sample_id_end();
  // Current and voltage have stopped: what they will not be waited for anyway goes.
  if (at->end > packed_ticks_max_) drop_packed_before(*at, at->end - packed_ticks_max_);
}

void SampleAssembler::drop_packed_before(PackedColumns& column, uint64_t sample_id) {
  while (!column.runs.empty() && column.runs.front().sample_id_end() <= sample_id) column.runs.pop_front();
  if (!column.runs.empty()) column.runs.front().drop_before(sample_id);
}

// The first stretch that both current and voltage have; what only one of them has before it is dropped.
bool SampleAssembler::next_span(uint64_t& first, uint64_t& end) {
  while (!i_.empty() && !v_.empty()) {
    first = std::max(i_.first(), v_.first());
    end = std::min(i_.end(), v_.end());
    const bool same_grid = i_.decimation() == v_.decimation() &&
                           (std::max(i_.first(), v_.first()) - std::min(i_.first(), v_.first())) % i_.decimation() == 0;
    if (first < end && same_grid) {
      i_.drop_before(first);
      v_.drop_before(first);
      return true;
    }
    // One of them ends before the other begins, or they are of different rates.
    (i_.end() <= v_.end() ? i_ : v_).drop_before(end);
  }
  for (Column* column : {&i_, &v_})
    while (!column->empty() && column->waiting() > waiting_samples_max_) column->drop_before(column->end());
  return false;
}

// Where the packed signals have come to, if they are worth waiting for.
uint64_t SampleAssembler::waited_end(uint64_t end) const {
  if (i_.waiting() > waiting_samples_max_) return end;
  for (const PackedColumns& column : packed_) end = std::min(end, column.end);
  return end;
}

// At most to where the coverage of a packed signal changes, in whole samples, but at least one.
uint64_t SampleAssembler::even_end(uint64_t first, uint64_t end) const {
  for (const PackedColumns& column : packed_)
    for (const signal::BitColumn& run : column.runs) {
      if (run.sample_id() > first) end = std::min(end, run.sample_id());
      else if (run.sample_id_end() > first) end = std::min(end, run.sample_id_end());
    }
  const uint64_t samples = std::max<uint64_t>(1, (end - first) / i_.decimation());
  return first + samples * i_.decimation();
}

void SampleAssembler::give_stretch(uint64_t first, uint64_t end, const std::function<void(const Stretch&)>& give) {
  slices_.clear();
  for (size_t n = 0; n < packed_.size(); ++n) {
    for (const signal::BitColumn& run : packed_[n].runs)
      if (run.sample_id() <= first && run.sample_id_end() >= end) slices_.push_back(run.slice(first, end, slice_bytes_[n]));
  }
  give({first, i_.decimation(), i_.values(end), v_.values(end), slices_});
  i_.drop_before(end);
  v_.drop_before(end);
  for (PackedColumns& column : packed_) drop_packed_before(column, end);
}

void SampleAssembler::take(const std::function<void(const Stretch&)>& give) {
  uint64_t first = 0, end = 0;
  while (next_span(first, end)) {
    end = waited_end(end);
    if (end < first + i_.decimation()) return;
    give_stretch(first, even_end(first, end), give);
  }
}

void SampleAssembler::clear() {
  i_.clear();
  v_.clear();
  for (PackedColumns& column : packed_) {
    column.runs.clear();
    column.end = 0;
  }
}

}  // namespace joulespool::device
