#include "agent/app/wave_buffer.h"

#include <algorithm>

namespace joulespool::app {
namespace {

// Aim a little below the limit: a second attempt costs as much as the margin saves.
constexpr double fill_aim = 0.94;
// Pieces are multiples of this where possible, so that packed bits stay on byte borders.
constexpr size_t piece_granule = 256;

size_t first_try(double bytes_per_sample, size_t payload_bytes_max) {
  const auto fitting = static_cast<size_t>(static_cast<double>(payload_bytes_max) * fill_aim / std::max(0.01, bytes_per_sample));
  const size_t whole = std::max(piece_granule, fitting / piece_granule * piece_granule);
  return std::min<size_t>(whole, codec::samples_per_frame_max);
}

void append_tail(std::vector<float>& to, const std::vector<float>& from, size_t skip) {
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(std::min(skip, from.size())), from.end());
}

void drop_front(std::vector<float>& values, size_t count) {
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min(count, values.size())));
}

std::span<const float> part_of(const std::vector<float>& values, size_t first, size_t count) {
  return values.empty() ? std::span<const float>{} : std::span(values).subspan(first, count);
}

}  // namespace

void WaveBuffer::add(const OwnedBlock& block, size_t skip) {
  if (skip >= block.i.size()) return;
  const uint64_t first = block.sample_id + skip * block.axis.decimation;
  const bool has_power = !block.p.empty();
  if (runs_.empty() || first != expected_ || runs_.back().has_power != has_power) {
    runs_.emplace_back();
    runs_.back().sample_id = first;
    runs_.back().has_power = has_power;
  }
  Run& run = runs_.back();
  append_tail(run.i, block.i, skip);
  append_tail(run.v, block.v, skip);
  append_tail(run.p, block.p, skip);
  for (const OwnedBlock::Packed& packed : block.packed) {
    auto column = std::find_if(run.packed.begin(), run.packed.end(),
                               [&](const signal::BitColumn& known) { return known.continues(packed.run); });
    if (column == run.packed.end()) column = run.packed.emplace(run.packed.end(), packed.run);
    column->append(packed.run);
  }
  expected_ = block.sample_id + block.i.size() * block.axis.decimation;
}

size_t WaveBuffer::sample_count() const {
  size_t count = 0;
  for (const Run& run : runs_) count += run.i.size();
  return count;
}

wire::ByteView WaveBuffer::encode(const Run& run, size_t first, size_t count, uint32_t decimation) {
  const uint64_t sample_id = run.sample_id + first * decimation;
  std::deque<wire::Bytes> bytes;
  std::vector<codec::PackedSignal> packed;
  for (const signal::BitColumn& column : run.packed) {
    const signal::PackedRun slice = column.slice(sample_id, sample_id + count * decimation, bytes.emplace_back());
    if (slice.count > 0)
      packed.push_back({static_cast<uint8_t>(slice.signal), slice.bits, static_cast<uint32_t>(slice.sample_id - sample_id),
                        slice.decimation, slice.count, slice.data});
  }
  return encoder_.encode({part_of(run.i, first, count), part_of(run.v, first, count), part_of(run.p, first, count), packed});
}

void WaveBuffer::take_run(Run& run, size_t count, uint32_t decimation, size_t payload_bytes_max,
                          const std::function<void(const WavePiece&)>& give) {
  for (size_t first = 0; first < count;) {
    size_t size = std::min(count - first, first_try(bytes_per_sample_, payload_bytes_max));
    wire::ByteView payload = encode(run, first, size, decimation);
    while (payload.size() > payload_bytes_max && size > 1) {
      size /= 2;
      payload = encode(run, first, size, decimation);
    }
    bytes_per_sample_ = static_cast<double>(payload.size()) / static_cast<double>(size);
    power_.resize(size);
    for (size_t at = 0; at < size; ++at)
      power_[at] = run.has_power ? run.p[first + at] : codec::product(run.i[first + at], run.v[first + at]);
    const uint64_t sample_id = run.sample_id + first * decimation;
    give({sample_id,
          sample_id + size * decimation,
          {sample_id, decimation, part_of(run.i, first, size), part_of(run.v, first, size), power_},
          payload});
    first += size;
  }
}

void WaveBuffer::take(uint64_t end, uint32_t decimation, size_t payload_bytes_max,
                      const std::function<void(const WavePiece&)>& give) {
  while (!runs_.empty() && runs_.front().sample_id < end) {
    Run& run = runs_.front();
    const bool whole = (end - run.sample_id) / decimation >= run.i.size();
    const size_t count = whole ? run.i.size() : (end - run.sample_id + decimation - 1) / decimation;
    take_run(run, count, decimation, payload_bytes_max, give);
    if (count == run.i.size()) {
      runs_.pop_front();
      continue;
    }
    drop_front(run.i, count);
    drop_front(run.v, count);
    drop_front(run.p, count);
    run.sample_id += count * decimation;
    for (signal::BitColumn& column : run.packed) column.drop_before(run.sample_id);
    return;
  }
}

}  // namespace joulespool::app
