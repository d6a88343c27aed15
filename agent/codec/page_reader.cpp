#include <algorithm>

#include "agent/codec/pages.h"
#include "agent/codec/parts.h"

namespace joulespool::codec {
namespace {

// More than any writer needs for so many samples: bounds what a hostile payload makes us allocate.
size_t heads_max(size_t samples) { return 4 * samples + 256; }
size_t escapes_max(size_t samples) { return 8 * samples + 256; }

Error damaged(const char* what) { return {Errc::damaged, what}; }

}  // namespace

PageReader::PageReader(const Kernels& kernels)
    : kernels_(kernels), low_bits_(page_samples_max), low_words_(packed_words(page_samples_max, page_shift_max)) {}

Status PageReader::open(ByteReader& from, size_t samples, Decompressor& decompressor) {
  std::array<Part, 2 + page_streams> parts{};
  size_t total = 0;
  const auto take = [&](size_t which, size_t size_max) -> Status {
    const auto part = take_part(from, size_max);
    if (!part) return part.error();
    parts[which] = *part;
    total += part->size;
    return {};
  };
  if (auto status = take(0, heads_max(samples)); !status) return status;
  if (auto status = take(1, escapes_max(samples)); !status) return status;
  const uint8_t present = from.u8();
  for (size_t stream = 0; stream < page_streams; ++stream)
    if ((present >> stream & 1) != 0)
      if (auto status = take(2 + stream, symbol_count(SymbolClass::bytes, samples) + 64); !status) return status;
  low_ = from.bytes(std::min<uint64_t>(from.varint(), SIZE_MAX / 8) * sizeof(uint32_t));
  if (!from.ok()) return damaged("the raw low bits are cut off");
  memory_.resize(total);
  std::span<std::byte> left = memory_;
  std::array<wire::ByteView, 2 + page_streams> views;
  for (size_t which = 0; which < parts.size(); ++which) {
    const std::span<std::byte> to = left.first(parts[which].size);
    if (auto status = read_part(parts[which], to, decompressor); !status) return status;
    views[which] = to;
    left = left.subspan(to.size());
  }
  heads_.emplace(views[0]);
  escapes_.emplace(views[1]);
  std::copy(views.begin() + 2, views.end(), streams_.begin());
  base_ = 0;
  return {};
}

Status PageReader::read_escapes(int32_t* residuals, size_t count) {
  size_t at = 0;  // one past the last escape
  for (uint64_t gap = escapes_->varint(); gap != 0; gap = escapes_->varint()) {
    if (gap > count - at) return damaged("an escape lies outside its page");
    at += gap;
    residuals[at - 1] = escapes_->zigzag_of<int32_t>();
  }
  return escapes_->ok() ? Status{} : damaged("the escapes are cut off");
}

Status PageReader::read_residuals(SymbolClass as, unsigned shift, size_t stream, int32_t* residuals, size_t count) {
  const size_t size = symbol_count(as, count);
  if (streams_[stream].size() < size) return damaged("a symbol stream is too short");
  const auto* symbols = reinterpret_cast<const uint8_t*>(streams_[stream].data());
  streams_[stream] = streams_[stream].subspan(size);
  switch (as) {
    case SymbolClass::zeros: break;
    case SymbolClass::quads: kernels_.from_quads(symbols, count, residuals); break;
    case SymbolClass::triples: kernels_.from_triples(symbols, count, residuals); break;
    case SymbolClass::pairs: kernels_.from_pairs(symbols, count, residuals); break;
    case SymbolClass::bytes: {
      const size_t bytes = shift == 0 ? 0 : packed_words(count, shift) * sizeof(uint32_t);
      if (low_.size() < bytes) return damaged("the raw low bits are too short");
      if (shift > 0) {
        std::copy_n(low_.begin(), bytes, reinterpret_cast<std::byte*>(low_words_.data()));
        kernels_.unpack(low_words_.data(), count, shift, low_bits_.data());
        low_ = low_.subspan(bytes);
      }
      kernels_.from_bytes(symbols, count, shift, low_bits_.data(), residuals);
    }
  }
  return read_escapes(residuals, count);
}

Status PageReader::read(int32_t* integers, size_t count) {
  const uint8_t head = heads_->u8();
  const auto predictor = static_cast<Predictor>(head & 7);
  const auto as = static_cast<SymbolClass>(head >> 3 & 7);
  if (head > 63 || predictor > Predictor::linear || as > SymbolClass::bytes) return damaged("a page of an unknown kind");
  const uint8_t where = as == SymbolClass::zeros ? uint8_t{0} : heads_->u8();
  const unsigned shift = where & 31;
  if (shift > page_shift_max || (shift > 0 && as != SymbolClass::bytes)) return damaged("a page has an impossible shift");
  base_ = static_cast<int32_t>(static_cast<uint32_t>(base_) + static_cast<uint32_t>(heads_->zigzag()));
  LinearPrediction linear;
  if (predictor == Predictor::linear) linear.order = heads_->u8();
  if (linear.order > linear_order_max) return damaged("a page has too many coefficients");
  for (size_t m = 0; m < linear.order; ++m) linear.coefficients[m] = heads_->zigzag_of<int16_t>();
  if (!heads_->ok()) return damaged("the page heads are cut off");
  if (as == SymbolClass::zeros) std::fill_n(integers, count, 0);
  else if (auto status = read_residuals(as, shift, where >> 5, integers, count); !status) return status;
  kernels_.integrate(predictor, integers, count, base_, linear);
  return {};
}

bool PageReader::finished() const {
  return heads_->left() == 0 && escapes_->left() == 0 && low_.empty() &&
         std::all_of(streams_.begin(), streams_.end(), [](wire::ByteView stream) { return stream.empty(); });
}

}  // namespace joulespool::codec
