// write_wave_vectors DIRECTORY: the golden frames wave-codec2-*.frame as the encoder would make them now, one per feature of the
// payload and per fallback. vectors_test.py checks that each has what its name says; tests/vectors/README.md.
#include <bit>
#include <cmath>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "tests/support/file_bytes.h"
#include "tests/support/frame_factory.h"

namespace joulespool::test {
namespace {

using Floats = std::vector<float>;
using Random = std::mt19937_64;

// What goes into a frame, and in `before` into a frame before it, from which the encoder learns.
struct Content {
  Floats i, v, p;
  std::vector<codec::PackedSignal> packed;
  std::vector<wire::Bytes> memory;  // of packed
  std::shared_ptr<Content> before;
};

int64_t within(Random& random, int64_t most) {
  return static_cast<int64_t>(random() % static_cast<uint64_t>(2 * most + 1)) - most;
}

// Values of a function of the position.
template <class Value>
Floats series(size_t count, Value value) {
  Floats values(count);
  for (size_t at = 0; at < count; ++at) values[at] = value(at);
  return values;
}

float from_bits(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }
Floats constant(size_t count, float value) { return Floats(count, value); }

// As a JS110's driver makes them of codes: two current ranges, one of the voltage.
struct Calibration {
  double offset = 0, gain = 0;
  [[nodiscard]] double exact(int64_t code) const { return (static_cast<double>(code) + offset) * gain; }
  [[nodiscard]] float value(int64_t code) const { return static_cast<float>(exact(code)); }
};
constexpr Calibration wide{-8123.4375, 1.1043e-4}, narrow{-2047.81, 3.31007e-7}, volts{-1023.123, 1.0317e-3};

void add_packed(Content& to, uint8_t signal, uint8_t bits, const std::vector<uint8_t>& elements, uint32_t offset = 0,
                uint32_t stride = 2) {
  wire::Bytes bytes((elements.size() * bits + 7) / 8);
  for (size_t at = 0; at < elements.size(); ++at) bytes[at * bits / 8] |= static_cast<std::byte>(elements[at] << (at * bits % 8));
  to.memory.push_back(std::move(bytes));
  to.packed.push_back({signal, bits, offset, stride, elements.size(), to.memory.back()});
}

Content of(Floats i, Floats v = {}) {
  Content content;
  content.v = v.empty() ? constant(i.size(), 3.25F) : std::move(v);
  content.i = std::move(i);
  return content;
}

// --- lattices ---------------------------------------------------------------------------------------------------------------

Content lattice_fitted() {
  Random random(1);
  return of(series(400, [&](size_t at) { return wide.value(8200 + static_cast<int64_t>(at / 8) + within(random, 3)); }),
            series(400, [&](size_t) { return volts.value(4500 + within(random, 2)); }));
}

Content lattice_known() {
  Random random(2);
  Content content =
      of(series(150, [&](size_t) { return narrow.value(3000 + within(random, 2)); }), constant(150, volts.value(4500)));
  content.before = std::make_shared<Content>(of(series(600, [&](size_t) { return narrow.value(3000 + within(random, 60)); }),
                                                series(600, [&](size_t) { return volts.value(4500 + within(random, 60)); })));
  return content;
}

// Range 0, 3 and back, with samples in between that the driver interpolates, and some that are missing.
Content lattice_exceptions() {
  Random random(3);
  std::vector<uint8_t> ranges(600);
  Content content = of(series(600, [&](size_t at) {
    const bool low = at >= 250 && at < 420;
    ranges[at] = low ? 3 : 0;
    return low ? narrow.value(2500 + within(random, 20)) : wide.value(8300 + within(random, 20));
  }));
  for (size_t at = 250; at < 256; ++at) content.i[at] = 1e-3F * static_cast<float>(at - 249);
  for (size_t at = 420; at < 425; ++at) content.i[at] = 0.7e-3F * static_cast<float>(at - 419);
  for (size_t at = 500; at < 520; ++at) content.i[at] = content.v[at] = std::numeric_limits<float>::quiet_NaN();
  add_packed(content, 4, 4, ranges);
  return content;
}

// Ranges that change too fast for pages of their own.
Content lattice_runs() {
  Random random(4);
  std::vector<uint8_t> ranges(500);
  Content content = of(series(500, [&](size_t at) {
    ranges[at] = at / 37 % 2 == 0 ? 1 : 6;
    return ranges[at] == 6 ? narrow.value(2500 + within(random, 9)) : wide.value(8300 + within(random, 9));
  }));
  add_packed(content, 4, 4, ranges);
  return content;
}

Content pages() {
  Random random(5);
  std::vector<uint8_t> ranges(900);
  Content content = of(series(900, [&](size_t at) {
    ranges[at] = at < 300 ? 0 : at < 600 ? 5 : 9;
    return at >= 300 && at < 600 ? narrow.value(2500 + within(random, 9)) : wide.value(8300 + within(random, 9));
  }));
  add_packed(content, 4, 4, ranges);
  return content;
}

// --- other kinds ------------------------------------------------------------------------------------------------------------

float on_grid(int64_t index, int scale = 31) { return std::ldexp(static_cast<float>(index), -scale); }

Content grid() {
  Random random(6);
  return of(series(200, [&](size_t) { return on_grid(70'000 + within(random, 40)); }),
            series(200, [&](size_t) { return on_grid(9 + within(random, 3), -12); }));
}

// The largest power of two that a float can be, and the smallest that is a normal number.
Content grid_limits() {
  Random random(26);
  return of(series(200, [&](size_t) { return on_grid(within(random, 1), -127); }),
            series(200, [&](size_t) { return on_grid(70'001 + within(random, 40), 126); }));
}

Content order() {
  Random random(7);
  return of(series(400, [&](size_t at) { return from_bits(0x30000000 + at * 500'000 + random() % 64); }),
            series(400, [&](size_t at) { return from_bits(0xB0000000 - at * 300'000 - random() % 64); }));
}

Content shuffled() {
  Random random(8);
  const Floats some = series(48, [&](size_t) { return from_bits(random()); });
  return of(series(480, [&](size_t at) { return some[at * 7 % 48]; }));
}

Content raw() {
  Random random(9);
  return of(series(100, [&](size_t) { return from_bits(random()); }), series(100, [&](size_t) { return from_bits(random()); }));
}

Content odd_values() {
  Random random(10);
  Content content = of(series(600, [&](size_t) { return on_grid(5000 + within(random, 30)); }));
  const uint32_t odd[] = {0x80000000, 0x7FC00000, 0x7FC12345, 0xFFC00001, 0x7F800001, 0xFF812345,
                          0x00000001, 0x80000001, 0x007FFFFF, 0x7F800000, 0xFF800000, 0x00000000};
  for (size_t at = 0; at < std::size(odd); ++at) {
    content.i[40 + 37 * at] = from_bits(odd[at]);
    content.v[52 + 41 * at] = from_bits(odd[at]);
  }
  content.v[300] = -content.v[300];
  return content;
}

// --- predictors and classes, on a grid ----------------------------------------------------------------------------------------

Content noise(size_t count, int64_t most) {
  Random random(11 + static_cast<uint64_t>(most));
  return of(series(count, [&](size_t) { return on_grid(4'000'001 + within(random, most)); }));
}

Content steps(uint64_t seed, size_t count, int64_t most, bool drifts) {
  Random random(seed);
  int64_t index = 5'000'001, step = 0;
  return of(series(count, [&](size_t) {
    step += within(random, most);
    if (!drifts) step = within(random, most);
    index += step;
    return on_grid(index, 20);
  }));
}

Content mean8() {
  Random random(14);
  int64_t level = 3'000'000;
  return of(series(300, [&](size_t) { return on_grid((level += within(random, 3)) + within(random, 9)); }));
}

// Coloured noise: two poles near the unit circle.
Content linear() {
  Random random(15);
  double last = 0, before = 0;
  return of(series(1100, [&](size_t) {
    const double next = 1.6 * last - 0.9 * before + static_cast<double>(within(random, 200));
    before = std::exchange(last, std::nearbyint(next));
    return on_grid(static_cast<int64_t>(last) + 1'000'001);
  }));
}

Content zeros() { return of(constant(300, 0.125F), constant(300, -5.0F)); }

// Some residuals of i do not fit 4 in a byte, one of v does not fit 3.
Content escapes() {
  Content content = noise(400, 1);
  content.v = noise(400, 2).i;
  content.i[390] = on_grid(7'500'003);
  content.i[391] = on_grid(4'000'000);
  content.i[398] = on_grid(-4'000'001);
  content.v[395] = on_grid(4'000'040);
  return content;
}

Content low_bits_escapes() {
  Content content = noise(400, 9000);
  for (size_t at = 50; at < 400; at += 170) content.i[at] = on_grid(15'000'001);
  return content;
}

// --- power ------------------------------------------------------------------------------------------------------------------

// Both signals on lattices; power is as the driver computes it: the float64 product of calibrated values.
Content on_lattices(uint64_t seed, size_t count, bool exceptions) {
  Random random(seed);
  Content content;
  for (size_t at = 0; at < count; ++at) {
    const int64_t i = 8300 + within(random, 30), v = 4500 + within(random, 5);
    content.i.push_back(wide.value(i));
    content.v.push_back(volts.value(v));
    content.p.push_back(static_cast<float>(wide.exact(i) * volts.exact(v)));
  }
  for (size_t at = 100; exceptions && at < 103; ++at) {
    content.i[at] = 0.011F * static_cast<float>(at - 99);
    content.p[at] = codec::product(content.i[at], content.v[at]);
  }
  content.i[200] = content.v[200] = content.p[200] = from_bits(0x7FC00000);
  return content;
}

Content power_lattice() {
  Content content = on_lattices(20, 500, true);
  content.before = std::make_shared<Content>(on_lattices(21, 4000, false));
  return content;
}

Content with_power(uint64_t seed, size_t every) {
  Content content = noise(400, 20);
  Random random(seed);
  for (size_t at = 0; at < content.i.size(); ++at) {
    content.p.push_back(codec::product(content.i[at], content.v[at]));
    if (at % every == every - 1)
      content.p[at] = from_bits(std::bit_cast<uint32_t>(content.p[at]) + static_cast<uint64_t>(within(random, 3)));
  }
  content.p[17] = from_bits(0x80000000);
  content.p[333] = from_bits(0x7FC0BEEF);
  return content;
}

Content power_own() {
  Content content = noise(300, 20);
  Random random(24);
  content.p = series(300, [&](size_t) { return on_grid(777'001 + 2 * within(random, 3), 20); });
  return content;
}

// --- inputs and ranges --------------------------------------------------------------------------------------------------------

Content packed_runs() {
  Content content = noise(200, 1);
  std::vector<uint8_t> mark(2003), range(200, 2), current_range(200, 0);
  for (size_t at = 0; at < mark.size(); ++at) mark[at] = at % 700 < 300 ? 1 : 0;
  for (size_t at = 90; at < 150; ++at) range[at] = at < 120 ? 15 : 7;
  add_packed(content, 16, 1, mark, 1, 1);
  add_packed(content, 19, 1, std::vector<uint8_t>(3000, 0));
  add_packed(content, 23, 1, {});
  add_packed(content, 4, 4, current_range);
  add_packed(content, 5, 4, range);
  return content;
}

Content packed_elements() {
  Content content = noise(200, 1);
  Random random(25);
  std::vector<uint8_t> mark(203), clock(1001), range(199);
  for (uint8_t& one : mark) one = static_cast<uint8_t>(random() % 2);
  for (size_t at = 0; at < clock.size(); ++at) clock[at] = at / 2 % 2 == 0 ? 1 : 0;
  for (uint8_t& one : range) one = static_cast<uint8_t>(random() % 16);
  add_packed(content, 16, 1, mark, 1);
  add_packed(content, 17, 1, clock, 0, 1);
  add_packed(content, 5, 4, range, 2);
  return content;
}

const std::map<std::string, std::function<Content()>> vectors = {
    {"lattice-fitted", lattice_fitted},
    {"lattice-known", lattice_known},
    {"lattice-exceptions", lattice_exceptions},
    {"lattice-runs", lattice_runs},
    {"pages", pages},
    {"grid", grid},
    {"grid-limits", grid_limits},
    {"order", order},
    {"shuffled", shuffled},
    {"raw", raw},
    {"odd-values", odd_values},
    {"zeros", zeros},
    {"quads", [] { return noise(300, 1); }},
    {"triples", [] { return noise(300, 2); }},
    {"pairs", [] { return noise(300, 6); }},
    {"bytes", [] { return noise(300, 50); }},
    {"low-bits", [] { return noise(300, 9000); }},
    {"low-bits-escapes", low_bits_escapes},
    {"escapes", escapes},
    {"delta", [] { return steps(12, 300, 8, false); }},
    {"delta2", [] { return steps(13, 300, 8, true); }},
    {"mean8", mean8},
    {"linear", linear},
    {"power-lattice", power_lattice},
    {"power-sparse", [] { return with_power(22, 100); }},
    {"power-pages", [] { return with_power(23, 9); }},
    {"power-own", power_own},
    {"packed-runs", packed_runs},
    {"packed-elements", packed_elements},
    {"one-sample", [] { return of({1.5F}, {from_bits(0x7FC00001)}); }},
    {"no-sample", [] { return of({}); }},
};

}  // namespace
}  // namespace joulespool::test

int main(int argc, char** argv) {
  using namespace joulespool::test;
  if (argc != 2) {
    std::cerr << "write_wave_vectors DIRECTORY\n";
    return 2;
  }
  for (const auto& [name, make] : vectors) {
    FrameFactory factory("vector-" + name);  // each with an encoder of its own, and a device of its own in the digests
    const Content content = make();
    if (content.before) factory.wave(1000, content.before->i, content.before->v, content.before->p, content.before->packed);
    write_file(argv[1] + ("/wave-codec2-" + name + ".frame"),
               factory.wave(100'000, content.i, content.v, content.p, content.packed));
  }
  return 0;
}
