#include "agent/signal/bit_column.h"

#include <algorithm>

namespace joulespool::signal {
namespace {

// Bits [first, first + count) of `from`, moved to bit 0; unused bits of the last byte are zero.
wire::Bytes extract_bits(wire::ByteView from, uint64_t first, uint64_t count) {
  wire::Bytes out((count + 7) / 8);
  const size_t base = first / 8;
  const unsigned shift = first % 8;
  for (size_t at = 0; at < out.size(); ++at) {
    auto value = static_cast<unsigned>(from[base + at]) >> shift;
    if (shift != 0 && base + at + 1 < from.size()) value |= static_cast<unsigned>(from[base + at + 1]) << (8 - shift);
    out[at] = static_cast<std::byte>(value);
  }
  if (count % 8 != 0) out.back() &= static_cast<std::byte>((1U << (count % 8)) - 1);
  return out;
}

}  // namespace

bool BitColumn::continues(const PackedRun& run) const {
  return run.signal == signal_ && run.bits == bits_ && run.decimation == decimation_ &&
         run.sample_id == sample_id_ + count_ * decimation_;
}

void BitColumn::append(const PackedRun& run) {
  const uint64_t used = count_ * bits_;
  const unsigned shift = used % 8;
  const size_t size = (run.count * run.bits + 7) / 8;
  if (shift == 0) {
    bytes_.insert(bytes_.end(), run.data.begin(), run.data.begin() + static_cast<std::ptrdiff_t>(size));
  } else {
    for (size_t at = 0; at < size; ++at) {
      const auto value = static_cast<unsigned>(run.data[at]) << shift;
      bytes_.back() |= static_cast<std::byte>(value);
      bytes_.push_back(static_cast<std::byte>(value >> 8));
    }
  }
  count_ += run.count;
  bytes_.resize((count_ * bits_ + 7) / 8);
}

uint64_t BitColumn::index_of(uint64_t sample_id) const {
  if (sample_id <= sample_id_) return 0;
  return std::min(count_, (sample_id - sample_id_ + decimation_ - 1) / decimation_);
}

PackedRun BitColumn::slice(uint64_t first, uint64_t end, wire::Bytes& bytes) const {
  const uint64_t from = index_of(first);
  const uint64_t to = std::max(from, index_of(end));
  bytes = from == to ? wire::Bytes{} : extract_bits(bytes_, from * bits_, (to - from) * bits_);
  return {signal_, bits_, sample_id_ + from * decimation_, decimation_, to - from, bytes};
}

void BitColumn::drop_before(uint64_t sample_id) {
  const uint64_t from = index_of(sample_id);
  if (from == 0) return;
  bytes_ = from == count_ ? wire::Bytes{} : extract_bits(bytes_, from * bits_, (count_ - from) * bits_);
  sample_id_ += from * decimation_;
  count_ -= from;
}

}  // namespace joulespool::signal
