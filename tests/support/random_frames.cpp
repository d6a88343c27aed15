#include "tests/support/random_frames.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace joulespool::test {

using codec::PackedSignal;

size_t RandomFrame::raw_bytes() const {
  size_t bytes = (i.size() + v.size() + p.size()) * sizeof(float);
  for (const auto& one : elements) bytes += one.size();
  return bytes;
}

RandomFrames::RandomFrames(uint64_t seed) : random_(seed) {
  const auto lattice = [&](double step) {
    return Lattice{-4000 + 8000 * (static_cast<double>(random_() >> 11) * 0x1p-53),
                   step * (1 + 0.1 * (static_cast<double>(random_() >> 11) * 0x1p-53))};
  };
  for (size_t range = 0; range < ranges; ++range) {
    i_lattices_.push_back(lattice(1e-3 * std::pow(11.0, -static_cast<double>(range))));
    v_lattices_.push_back(lattice(0.95e-3 * (1 + 7 * static_cast<double>(range))));
  }
}

float RandomFrames::any_bits() { return std::bit_cast<float>(static_cast<uint32_t>(random_())); }

// Half of the stretches are what instruments send.
RandomFrames::Kind RandomFrames::any_kind() {
  return below(2) == 0 ? (below(4) == 0 ? Kind::grid : Kind::lattice) : static_cast<Kind>(below(kinds));
}

double RandomFrames::value_of(Kind kind, const Lattice& lattice, size_t at) {
  const auto clamped = [](double code) { return std::clamp(std::round(code), 0.0, 16383.0); };
  const double turn = static_cast<double>(at);
  switch (kind) {
    case Kind::lattice: return lattice.value(clamped(8000 + 4000 * level_ + 20 * spread_ * normal()));
    case Kind::wave: return lattice.value(clamped(8000 + 5000 * std::sin(turn * (0.01 + 0.3 * spread_)) + normal()));
    case Kind::ramp: return lattice.value(clamped(turn * level_ + normal()));
    case Kind::grid: return std::round((level_ + 1e-3 * spread_ * normal()) * 0x1p31) * 0x1p-31;
    case Kind::noise: return level_ * (1 + 1e-4 * spread_ * normal());
    case Kind::constant: return level_;
    case Kind::denormal: return 1e-40 * normal();
    case Kind::powers:
      return std::ldexp(below(3) == 0 ? -1.0 : 1.0,
                        static_cast<int>(pattern_ % 4 == 0 ? 127 : static_cast<int>(pattern_ % 250) - 125));
    default: return 0;
  }
}

// After a change of the range a driver puts a line between the values before and after.
void RandomFrames::interpolate(Column& column) {
  for (size_t at = 1; at + 8 < column.values.size(); ++at) {
    if (column.range[at] == column.range[at - 1]) continue;
    const float from = column.values[at - 1], step = (column.values[at + 6] - from) / 7;
    for (size_t k = 0; k < 6; ++k) {
      column.values[at + k] = from + step * static_cast<float>(k + 1);
      column.exact[at + k] = static_cast<double>(column.values[at + k]);
    }
    at += 6;
  }
}

RandomFrames::Column RandomFrames::column(size_t count, const std::vector<Lattice>& lattices, const std::vector<uint8_t>* given) {
  const uint64_t longest = below(3) == 0 ? 50 : below(2) == 0 ? 1000 : 20'000;
  const Kind usual = any_kind();
  const uint64_t unusual_per = 1 + below(8);
  const bool one_range = below(2) == 0;
  Column out{std::vector<float>(count), std::vector<double>(count), std::vector<uint8_t>(count)};
  for (size_t at = 0; at < count;) {
    const size_t end = std::min(count, at + 1 + static_cast<size_t>(below(longest)));
    const Kind kind = below(unusual_per) == 0 ? any_kind() : usual;
    const auto range = static_cast<uint8_t>(one_range ? 0 : below(ranges));
    level_ = normal();
    spread_ = std::fabs(normal());
    pattern_ = static_cast<uint32_t>(random_());
    for (; at < end; ++at) {
      out.range[at] = given != nullptr ? (*given)[at] : range;
      out.exact[at] = value_of(kind, lattices[out.range[at] % ranges], at);
      out.values[at] = static_cast<float>(out.exact[at]);
      if (kind == Kind::nan)
        out.values[at] = std::bit_cast<float>(0x7F800001U | (pattern_ & 0x80000000U) |
                                              (pattern_ % 2 == 0 ? pattern_ : static_cast<uint32_t>(random_())) >> 10);
      if (kind == Kind::infinity)
        out.values[at] = std::copysign(std::numeric_limits<float>::infinity(), static_cast<float>(level_));
      if (kind == Kind::zeros) out.values[at] = below(2) == 0 ? -0.0F : 0.0F;
      if (kind == Kind::bits) out.values[at] = any_bits();
      if (kind >= Kind::nan && kind <= Kind::bits) out.exact[at] = static_cast<double>(out.values[at]);
    }
  }
  if (below(2) == 0) interpolate(out);
  return out;
}

void RandomFrames::add_power(RandomFrame& frame, const Column& i, const Column& v) {
  const uint64_t way = below(7);
  if (way == 0) return;
  const float strange = any_bits();
  frame.p.resize(frame.i.size());
  for (size_t at = 0; at < frame.p.size(); ++at) {
    const float product = codec::product(frame.i[at], frame.v[at]);
    float& p = frame.p[at];
    switch (way) {
      case 1: p = product; break;
      case 2: p = below(500) == 0 ? any_bits() : product; break;
      case 3: p = static_cast<float>(1e-3 * normal()); break;
      case 4: p = below(10) == 0 ? strange : product; break;
      default: p = static_cast<float>(i.exact[at] * v.exact[at]);
    }
  }
}

void RandomFrames::add_packed(RandomFrame& frame, PackedSignal packed, const std::vector<uint8_t>& elements) {
  wire::Bytes bytes((elements.size() * packed.bits + 7) / 8);
  for (size_t at = 0; at < elements.size(); ++at)
    bytes[at * packed.bits / 8] |= static_cast<std::byte>(elements[at] << (at * packed.bits % 8));
  packed.count = elements.size();
  frame.elements.push_back(std::move(bytes));
  packed.data = frame.elements.back();
  frame.packed.push_back(packed);
}

void RandomFrames::add_range(RandomFrame& frame, uint8_t signal, const std::vector<uint8_t>& range) {
  if (below(3) == 0) return;
  if (below(4) > 0) return add_packed(frame, {signal, 4, 0, 1, 0, {}}, range);
  const size_t half = range.size() / 2;  // in two pieces, or of another place
  add_packed(frame, {signal, 4, 0, 1, 0, {}}, {range.begin(), range.begin() + static_cast<std::ptrdiff_t>(half)});
  add_packed(frame, {signal, 4, static_cast<uint32_t>(half), static_cast<uint32_t>(below(5)), 0, {}},
             {range.begin() + static_cast<std::ptrdiff_t>(half), range.end()});
  if (below(2) == 0) add_packed(frame, {signal, 4, 0, 1, 0, {}}, range);
  if (below(4) == 0) add_packed(frame, {signal, 4, static_cast<uint32_t>(random_()), 2, 0, {}}, {range.rbegin(), range.rend()});
}

void RandomFrames::add_inputs(RandomFrame& frame) {
  for (uint64_t left = below(4); left > 0; --left) {
    const uint64_t mean = 1 + below(3) * below(2000);
    const uint8_t bits = below(4) == 0 ? 4 : 1;
    std::vector<uint8_t> elements(below(3) == 0 ? below(70) : below(2 * frame.i.size() + 2));
    uint8_t value = 0;
    for (uint8_t& element : elements) {
      if (below(mean) == 0) value = static_cast<uint8_t>(below(uint64_t{1} << bits));
      element = value;
    }
    const auto signal = static_cast<uint8_t>(16 + below(8));
    add_packed(frame, {signal, bits, static_cast<uint32_t>(random_()), static_cast<uint32_t>(random_()), 0, {}}, elements);
  }
}

RandomFrame RandomFrames::frame(size_t count) {
  RandomFrame out;
  if (below(40) == 0) i_lattices_[below(ranges)].step *= 1.001;  // calibrated again
  const Column i = column(count, i_lattices_, nullptr);
  const Column v = column(count, v_lattices_, below(2) == 0 ? &i.range : nullptr);
  out.i = i.values;
  out.v = v.values;
  add_power(out, i, v);
  add_range(out, 4, i.range);
  add_range(out, 5, v.range);
  add_inputs(out);
  return out;
}

}  // namespace joulespool::test
