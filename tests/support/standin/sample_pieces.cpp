#include "tests/support/standin/sample_pieces.h"

#include <algorithm>

namespace joulespool::standin {
namespace {

constexpr unsigned range_missing = 7;  // what a js110 says where the sensor's data did not come

}  // namespace

PackedPieces::PackedPieces(const DevicePlan& plan, uint32_t rate_hz, uint32_t decimation)
    : waveform_(simulated_twin(plan, rate_hz)),
      nan_(plan.nan),
      is_js110_(plan.is_js110()),
      thins_(plan.model == "js320"),
      decimation_(decimation) {}

size_t PackedPieces::due(uint64_t end) const {
  if (next_ >= end) return 0;
  const uint64_t count = (end - next_ + decimation_ - 1) / decimation_;
  return static_cast<size_t>(std::min<uint64_t>(count, piece_samples));
}

std::span<const std::byte> PackedPieces::measure(signal::SignalId signal, size_t count, const Measure& measure) {
  waveform_.packed(signal, measure.tick_of(next_), thins_ ? 2 * count : count, elements_);
  if (thins_) thin(device::packed_bits(signal), count);
  if (is_js110_ && signal == signal::SignalId::current_range && !nan_.empty()) mark_missing(count, measure);
  return {elements_.data(), device::packed_bytes(signal, count)};
}

void PackedPieces::mark_missing(size_t count, const Measure& measure) {
  for (size_t k = 0; k < count; ++k) {
    if (!device::is_hit(nan_, device::Fault::Kind::nan, measure.tick_of(next_ + k * decimation_))) continue;
    const unsigned shift = 4 * (k % 2);
    elements_[k / 2] = (elements_[k / 2] & (std::byte{0xF0} >> shift)) | static_cast<std::byte>(range_missing << shift);
  }
}

// In place: what is written lies before what is still to be read.
void PackedPieces::thin(uint8_t bits, size_t count) {
  const size_t per_byte = 8U / bits, out_bytes = (count * bits + 7) / 8;
  const unsigned mask = (1U << bits) - 1;
  for (size_t byte = 0; byte < out_bytes; ++byte) {
    unsigned packed = 0;
    for (size_t k = 0; k < per_byte && byte * per_byte + k < count; ++k) {
      const size_t from = 2 * (byte * per_byte + k);
      const unsigned value = (std::to_integer<unsigned>(elements_[from / per_byte]) >> (bits * (from % per_byte))) & mask;
      packed |= value << (bits * k);
    }
    elements_[byte] = static_cast<std::byte>(packed);
  }
}

}  // namespace joulespool::standin
