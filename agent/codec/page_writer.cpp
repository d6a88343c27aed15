#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "agent/codec/pages.h"
#include "agent/codec/parts.h"

namespace joulespool::codec {
namespace {

// A predictor must be so much better than a simpler one, in bits, to be taken.
constexpr float clearly = 0.04F;
constexpr float linear_clearly = 0.08F;  // its coefficients take 16 bytes
// Below that cost, in bits, better prediction gains nothing.
constexpr float mean8_worth = 0.4F;
// Steps of white noise cost half a bit more than the noise itself: then there is nothing to predict.
constexpr float white = 0.4F;
constexpr float linear_worth = 2.5F;
constexpr size_t linear_count_min = 1024;
constexpr unsigned linear_pause = 7;  // pages not tried after one where it did not help
// The centre moves only when the mean is further away: one that flips from page to page smears the symbols' histogram.
constexpr double centre_stays = 0.75;
constexpr float wide_cost = 8;
constexpr float small_cost = 3.6F;  // several residuals fit in a byte

// The standard library's may differ in the last bit from processor to processor, and bytes would depend on it. x > 0; error 2e-5.
double log2_of(double x) {
  int exponent = 0;
  const double mantissa = std::frexp(x, &exponent);  // 0.5 to 1
  const double s = (mantissa - 1) / (mantissa + 1), t = s * s;
  constexpr double two_over_ln2 = 2.885390081777927;
  return exponent + two_over_ln2 * s * (1 + t * (1.0 / 3 + t * (1.0 / 5 + t * (1.0 / 7))));  // 2 artanh(s) = ln(mantissa)
}

int bit_length(int32_t residual) {
  const auto magnitude = static_cast<uint32_t>(residual ^ (residual >> 31));
  return magnitude == 0 ? 0 : 32 - __builtin_clz(magnitude);
}

// How long residuals are, in bits, and what it costs to tell: of each length its share and share * -log2(share).
struct LengthShares {
  std::array<double, 33> share{}, bits{};
};

// Bits per residual if `shift` low bits are stored raw: these, the magnitude class of what is left by its entropy, and escapes.
double shift_cost(unsigned shift, const LengthShares& lengths) {
  constexpr double place_bits = 11;  // of an escape, with its sign
  double cost = shift, zero = 0, escaped = 0;
  for (unsigned length = 0; length < lengths.share.size(); ++length) {
    const double share = lengths.share[length];
    if (length <= shift) zero += share;
    else if (length > shift + 7) {
      escaped += share;
      cost += share * (length + place_bits);
    } else cost += share * (length - shift) + lengths.bits[length];
  }
  if (zero > 0) cost += zero * (1 - log2_of(zero));
  if (escaped > 0) cost -= escaped * log2_of(escaped);
  return cost;
}

// Of the top 8 bits of integers, in bits, from a part of them.
double top_entropy(std::span<const int32_t> integers) {
  constexpr size_t sampled = 1024;
  std::array<uint32_t, 256> shares{};
  const size_t count = std::min(sampled, integers.size());
  for (size_t at = 0; at < count; ++at) ++shares[static_cast<uint32_t>(integers[at]) >> 24];
  double bits = 0;
  for (const uint32_t share : shares)
    if (share > 0) bits -= share * log2_of(static_cast<double>(share) / static_cast<double>(count));
  return bits / static_cast<double>(count);
}

}  // namespace

size_t symbol_count(SymbolClass as, size_t count) {
  switch (as) {
    case SymbolClass::zeros: return 0;
    case SymbolClass::quads: return (count + 63) / 64 * 16;
    case SymbolClass::triples: return (count + 47) / 48 * 16;
    case SymbolClass::pairs: return (count + 31) / 32 * 16;
    case SymbolClass::bytes: break;
  }
  return count;
}

LinearPrediction linear_prediction(const float* lags, size_t count) {
  constexpr double bits_per_coefficient = 48;  // it takes 14, but also time
  double error = static_cast<double>(lags[0]) * (1 + 1e-6), best_bits = 0;
  LinearPrediction best;
  std::array<double, linear_order_max> weights{};
  for (size_t order = 1; order <= linear_order_max && error > 0; ++order) {
    double left = static_cast<double>(lags[order]);
    for (size_t m = 0; m + 1 < order; ++m) left -= weights[m] * static_cast<double>(lags[order - 1 - m]);
    const double reflection = left / error;
    if (!(std::fabs(reflection) < 1)) break;
    std::array<double, linear_order_max> next = weights;
    next[order - 1] = reflection;
    for (size_t m = 0; m + 1 < order; ++m) next[m] = weights[m] - reflection * weights[order - 2 - m];
    weights = next;
    error *= 1 - reflection * reflection;
    const double bits = static_cast<double>(count) / 2 * log2_of(error / static_cast<double>(lags[0])) +
                        bits_per_coefficient * static_cast<double>(order);
    const auto scaled = [&](size_t m) { return std::nearbyint(weights[m] * (1 << linear_shift)); };
    bool fits = bits < best_bits;
    for (size_t m = 0; m < order; ++m) fits = fits && std::fabs(scaled(m)) < 32'768;
    if (!fits) continue;
    best_bits = bits;
    best.order = order;
    for (size_t m = 0; m < order; ++m) best.coefficients[m] = static_cast<int16_t>(scaled(m));
  }
  return best;
}

PageWriter::PageWriter(const Kernels& kernels)
    : kernels_(kernels),
      integers_(predictor_history + page_samples_max),
      residuals_(page_samples_max),
      outside_(page_samples_max + 1) {}

void PageWriter::clear() {
  heads_.clear();
  escapes_.clear();
  for (ByteWriter& stream : streams_) stream.clear();
  low_.clear();
  centre_ = 0;
  base_ = 0;
  last_ = {};
  last_shift_ = 0;
  linear_pause_ = 0;
}

void PageWriter::set_history(int32_t value) { std::fill_n(integers_.begin(), predictor_history, value); }

void PageWriter::try_linear(size_t count, int32_t first, Choice& best) {
  if (best.cost < linear_worth || count < linear_count_min || best.predictor == Predictor::centre) return;
  if (last_.predictor == Predictor::linear) {  // the coefficients of the page before may do
    const Choice again{Predictor::linear, first, kernels_.cost(Predictor::linear, integers(), count, first, last_.linear),
                       last_.linear};
    if (again.cost < last_.cost + linear_clearly && again.cost < best.cost - linear_clearly) {
      best = again;
      return;
    }
  }
  if (linear_pause_ > 0) {
    --linear_pause_;
    return;
  }
  std::array<float, linear_order_max + 1> lags{};
  kernels_.autocorrelation(integers(), count, lags.data());
  Choice linear{Predictor::linear, first, 0, linear_prediction(lags.data(), count)};
  linear_pause_ = linear_pause;
  if (linear.linear.order == 0) return;
  linear.cost = kernels_.cost(Predictor::linear, integers(), count, first, linear.linear);
  if (linear.cost >= best.cost - linear_clearly) return;
  best = linear;
  linear_pause_ = 0;
}

PageWriter::Choice PageWriter::choose(size_t count) {
  const double mean = kernels_.mean(integers(), count);
  const int32_t centre = std::fabs(mean - centre_) < centre_stays ? centre_ : static_cast<int32_t>(std::floor(mean + 0.5));
  const int32_t first = integers()[0];
  set_history(first);
  const auto cost = [&](Predictor predictor, int32_t base) {
    return Choice{predictor, base, kernels_.cost(predictor, integers(), count, base, {}), {}};
  };
  Choice best = cost(Predictor::centre, centre);
  const auto offer = [&](const Choice& other) {
    if (other.cost < best.cost - clearly) best = other;
  };
  const Choice steps = cost(Predictor::delta, first);
  offer(steps);
  const bool delta = best.predictor == Predictor::delta;
  if (best.cost > mean8_worth && (delta || steps.cost < best.cost + white)) {
    offer(cost(Predictor::mean8, first));
    if (delta) offer(cost(Predictor::delta2, first));
  }
  try_linear(count, first, best);
  if (best.predictor == Predictor::centre && best.cost > wide_cost) {
    // A round number is as good a centre of wide noise, it stays from page to page, and it keeps a converter's full scale
    // symmetric.
    const double unit = std::ldexp(1.0, static_cast<int>(best.cost) - 1);
    const double round = std::floor(mean / unit + 0.5) * unit;
    if (std::fabs(round) < 0x1p30) best.base = static_cast<int32_t>(round);
  }
  if (best.predictor == Predictor::centre) centre_ = centre;
  return best;
}

SymbolClass PageWriter::classify(size_t count, const Choice& choice) const {
  if (choice.cost >= small_cost) return SymbolClass::bytes;
  std::array<uint32_t, 4> outside{};
  const size_t seen = kernels_.spread(residuals_.data(), count, outside.data());
  if (outside[0] == 0 && kernels_.any(residuals_.data(), count) == 0) return SymbolClass::zeros;
  if (outside[1] <= seen / 800) return SymbolClass::quads;
  if (outside[2] <= seen / 2000) return SymbolClass::triples;
  return outside[3] <= seen / 400 ? SymbolClass::pairs : SymbolClass::bytes;
}

unsigned PageWriter::choose_shift(size_t count, const Choice& choice) {
  constexpr float like_before = 1.0F / 8;
  constexpr size_t chunk = 64, stride = 512;
  if (choice.cost < 3.2F) return 0;
  if (choice.predictor == last_.predictor && std::fabs(choice.cost - last_.cost) < like_before) return last_shift_;
  std::array<uint32_t, 33> lengths{};
  size_t total = 0;
  for (size_t at = 0; at < count; at += count < 2 * stride ? chunk : stride)
    for (size_t k = at; k < std::min(at + chunk, count); ++k, ++total) ++lengths[static_cast<size_t>(bit_length(residuals_[k]))];
  LengthShares shares;
  for (size_t length = 0; length < lengths.size(); ++length) {
    if (lengths[length] == 0) continue;
    shares.share[length] = lengths[length] / static_cast<double>(total);
    shares.bits[length] = -shares.share[length] * log2_of(shares.share[length]);
  }
  unsigned best = 0;
  std::array<double, page_shift_max + 1> costs{};
  for (unsigned shift = 0; shift <= page_shift_max; ++shift) {
    costs[shift] = shift_cost(shift, shares);
    if (costs[shift] < costs[best] - 1e-9) best = shift;
  }
  // More symbols cost nothing, so a smaller shift is taken if it is as good; and the last one if that is, for one histogram.
  if (costs[last_shift_] < costs[best] + 0.03) return last_shift_;
  for (unsigned shift = 0; shift < best; ++shift)
    if (costs[shift] < costs[best] + 0.02) return shift;
  return best;
}

void PageWriter::add_escapes(SymbolClass as, size_t count, unsigned shift) {
  const uint32_t limit = as == SymbolClass::quads ? 2 : as == SymbolClass::triples ? 3 : as == SymbolClass::pairs ? 8 : 128;
  const size_t escapes = kernels_.find_outside(residuals_.data(), count, limit << shift, outside_.data());
  size_t end = 0;
  for (size_t k = 0; k < escapes; ++k) {
    escapes_.varint(outside_[k] + 1 - end);
    escapes_.zigzag(residuals_[outside_[k]]);
    end = outside_[k] + 1U;
  }
}

void PageWriter::add_symbols(SymbolClass as, size_t count, unsigned shift) {
  size_t escapes = 0;
  const auto stream = static_cast<size_t>(as);
  auto* symbols = reinterpret_cast<uint8_t*>(streams_[stream].extend(symbol_count(as, count)));
  switch (as) {
    case SymbolClass::zeros: return;
    case SymbolClass::quads: escapes = kernels_.to_quads(residuals_.data(), count, symbols); break;
    case SymbolClass::triples: escapes = kernels_.to_triples(residuals_.data(), count, symbols); break;
    case SymbolClass::pairs: escapes = kernels_.to_pairs(residuals_.data(), count, symbols); break;
    case SymbolClass::bytes: escapes = kernels_.to_bytes(residuals_.data(), count, shift, symbols); break;
  }
  if (shift > 0) {
    std::byte* to = low_.extend(packed_words(count, shift) * sizeof(uint32_t));  // rows of 32 bytes: aligned
    kernels_.pack(residuals_.data(), count, shift, reinterpret_cast<uint32_t*>(to));
  }
  if (escapes > 0) add_escapes(as, count, shift);
  escapes_.varint(0);
}

// Noise of the full scale in the order of floats has values of both signs, far from each other and from their mean: what is not
// random in them is their sign and exponent, in the top 8 bits.
bool PageWriter::is_float_noise(size_t count, const Choice& choice) {
  constexpr float noisy = 18;  // bits
  if (choice.cost < noisy) return false;
  kernels_.residuals(choice.predictor, integers(), residuals_.data(), count, choice.base, choice.linear);
  return top_entropy({integers(), count}) <= top_entropy({residuals_.data(), count});
}

void PageWriter::add(size_t count, bool in_float_order) {
  Choice choice = choose(count);
  if (in_float_order && is_float_noise(count, choice)) choice = {Predictor::centre, 0, choice.cost, {}};
  kernels_.residuals(choice.predictor, integers(), residuals_.data(), count, choice.base, choice.linear);
  const SymbolClass as = classify(count, choice);
  const unsigned shift = as == SymbolClass::bytes ? choose_shift(count, choice) : 0;
  heads_.u8(static_cast<uint8_t>(static_cast<unsigned>(choice.predictor) | static_cast<unsigned>(as) << 3));
  if (as != SymbolClass::zeros) heads_.u8(static_cast<uint8_t>(shift | static_cast<unsigned>(as) << 5));
  heads_.zigzag(choice.base - base_);
  if (choice.predictor == Predictor::linear) {
    heads_.u8(static_cast<uint8_t>(choice.linear.order));
    for (size_t m = 0; m < choice.linear.order; ++m) heads_.zigzag(choice.linear.coefficients[m]);
  }
  add_symbols(as, count, shift);
  base_ = choice.base;
  last_ = choice;
  last_shift_ = shift;
}

void PageWriter::finish(ByteWriter& out, Compressor& compressor) {
  put_part(out, heads_.view(), compressor, scratch_);
  put_part(out, escapes_.view(), compressor, scratch_);
  uint32_t present = 0;
  for (size_t stream = 0; stream < page_streams; ++stream)
    if (streams_[stream].size() > 0) present |= 1U << stream;
  out.u8(static_cast<uint8_t>(present));
  for (const ByteWriter& stream : streams_)
    if (stream.size() > 0) put_part(out, stream.view(), compressor, scratch_);
  out.varint(low_.size() / sizeof(uint32_t));
  out.bytes(low_.view());
}

}  // namespace joulespool::codec
