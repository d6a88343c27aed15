#include "agent/device/joulescope_assembler.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

namespace {

using joulespool::device::SampleAssembler;
using joulespool::signal::PackedRun;
using joulespool::signal::SignalId;

constexpr uint32_t decimation = 2;  // of current and voltage; range has one element per tick
constexpr uint64_t waiting_max = 1000;
constexpr uint64_t packed_ticks_max = 30'000;

float current_at(uint64_t id) { return static_cast<float>(id) * 0.5F; }
float voltage_at(uint64_t id) { return -static_cast<float>(id); }
unsigned range_at(uint64_t id) { return static_cast<unsigned>(id * 7 % 16); }

std::vector<float> values(uint64_t first, uint64_t end, float (*at)(uint64_t)) {
  std::vector<float> made;
  for (uint64_t id = first; id < end; id += decimation) made.push_back(at(id));
  return made;
}

std::vector<std::byte> range_bytes(uint64_t first, uint64_t end) {
  std::vector<std::byte> bytes((end - first + 1) / 2);
  for (uint64_t id = first; id < end; ++id)
    bytes[(id - first) / 2] |= static_cast<std::byte>(range_at(id) << (4 * ((id - first) % 2)));
  return bytes;
}

// Everything that came out, checked against the functions above.
class Collected {
 public:
  void take(SampleAssembler& assembler) {
    assembler.take([this](const SampleAssembler::Stretch& stretch) { add(stretch); });
  }
  std::set<uint64_t> samples, with_range;
  size_t stretches = 0;

 private:
  void add(const SampleAssembler::Stretch& stretch) {
    REQUIRE(stretch.i.size() == stretch.v.size());
    REQUIRE(!stretch.i.empty());
    REQUIRE(stretch.decimation == decimation);
    REQUIRE((samples.empty() || stretch.sample_id > *samples.rbegin()));
    for (size_t n = 0; n < stretch.i.size(); ++n) {
      const uint64_t id = stretch.sample_id + n * decimation;
      REQUIRE(stretch.i[n] == current_at(id));
      REQUIRE(stretch.v[n] == voltage_at(id));
      samples.insert(id);
    }
    for (const PackedRun& run : stretch.packed) {
      REQUIRE(run.sample_id == stretch.sample_id);
      REQUIRE(run.sample_id + run.count * run.decimation == stretch.sample_id_end());
      for (uint64_t n = 0; n < run.count; ++n) {
        const auto value = static_cast<unsigned>(run.data[n / 2]) >> (4 * (n % 2)) & 15U;
        REQUIRE(value == range_at(run.sample_id + n));
        with_range.insert(run.sample_id + n);
      }
    }
    ++stretches;
  }
};

void add_current(SampleAssembler& to, uint64_t first, uint64_t end) {
  to.add_current(first, decimation, values(first, end, current_at));
}
void add_voltage(SampleAssembler& to, uint64_t first, uint64_t end) {
  to.add_voltage(first, decimation, values(first, end, voltage_at));
}
void add_range(SampleAssembler& to, uint64_t first, uint64_t end) {
  const auto bytes = range_bytes(first, end);
  to.add_packed({SignalId::current_range, 4, first, 1, end - first, bytes});
}

}  // namespace

TEST_CASE("sample assembler: a sample is handed over when both current and voltage have come") {
  SampleAssembler assembler({}, waiting_max, packed_ticks_max);
  Collected collected;
  add_current(assembler, 100, 200);
  collected.take(assembler);
  CHECK(collected.samples.empty());
  add_voltage(assembler, 100, 150);
  collected.take(assembler);
  CHECK(collected.samples.size() == 25);
  add_voltage(assembler, 150, 260);
  add_current(assembler, 200, 260);
  collected.take(assembler);
  CHECK(collected.samples.size() == 80);
  CHECK(*collected.samples.begin() == 100);
  CHECK(*collected.samples.rbegin() == 258);
}

TEST_CASE("sample assembler: a hole in one signal is a hole in the sample_ids, and nothing is shifted") {
  SampleAssembler assembler({}, waiting_max, packed_ticks_max);
  Collected collected;
  add_current(assembler, 0, 252);
  add_voltage(assembler, 0, 1000);
  add_current(assembler, 504, 1000);
  collected.take(assembler);
  CHECK(collected.samples.size() == 126 + 248);
  CHECK(collected.samples.count(250) == 1);
  CHECK(collected.samples.count(252) == 0);
  CHECK(collected.samples.count(502) == 0);
  CHECK(collected.samples.count(504) == 1);
  CHECK(collected.stretches == 2);
}

TEST_CASE("sample assembler: range covers its block exactly, whatever the messages' borders") {
  SampleAssembler assembler({SignalId::current_range}, waiting_max, packed_ticks_max);
  Collected collected;
  add_range(assembler, 0, 100);
  add_current(assembler, 0, 160);
  add_voltage(assembler, 0, 160);
  collected.take(assembler);
  CHECK(collected.samples.size() == 50);  // the rest waits for its range
  add_range(assembler, 100, 333);
  collected.take(assembler);
  CHECK(collected.samples.size() == 80);
  CHECK(collected.with_range.size() == 160);
}

TEST_CASE("sample assembler: a hole in range leaves the samples and takes the range away for just that span") {
  SampleAssembler assembler({SignalId::current_range}, waiting_max, packed_ticks_max);
  Collected collected;
  add_range(assembler, 0, 100);
  add_range(assembler, 151, 400);
  add_current(assembler, 0, 400);
  add_voltage(assembler, 0, 400);
  collected.take(assembler);
  CHECK(collected.samples.size() == 200);
  CHECK(collected.with_range.count(99) == 1);
  CHECK(collected.with_range.count(100) == 0);
  CHECK(collected.with_range.count(150) == 0);
  CHECK(collected.with_range.count(152) == 1);
}

TEST_CASE("sample assembler: a signal that never comes holds samples back for a bounded time only") {
  SampleAssembler assembler({SignalId::current_range}, waiting_max, packed_ticks_max);
  Collected collected;
  for (uint64_t first = 0; first < 10'000; first += 500) {
    add_current(assembler, first, first + 500);
    add_voltage(assembler, first, first + 500);
    collected.take(assembler);
    CHECK(collected.samples.size() + waiting_max >= (first + 500) / decimation);
  }
  CHECK(collected.with_range.empty());
  CHECK(collected.samples.size() >= 10'000 / decimation - waiting_max);
}

TEST_CASE("sample assembler: current without voltage is given up after a bounded time, and both go on together") {
  SampleAssembler assembler({}, waiting_max, packed_ticks_max);
  Collected collected;
  for (uint64_t first = 0; first < 100'000; first += 500) {
    add_current(assembler, first, first + 500);
    collected.take(assembler);
  }
  CHECK(collected.samples.empty());
  add_current(assembler, 100'000, 100'500);
  add_voltage(assembler, 100'000, 100'500);
  collected.take(assembler);
  CHECK(collected.samples.size() == 250);
}

TEST_CASE("sample assembler: range without current and voltage is kept for a bounded time") {
  SampleAssembler assembler({SignalId::current_range}, waiting_max, packed_ticks_max);
  Collected collected;
  for (uint64_t first = 0; first < 100'000; first += 1000) add_range(assembler, first, first + 1000);
  add_current(assembler, 60'000, 100'000);
  add_voltage(assembler, 60'000, 100'000);
  collected.take(assembler);
  CHECK(collected.samples.size() == 20'000);
  CHECK(*collected.with_range.begin() == 70'000);
  CHECK(collected.with_range.size() == packed_ticks_max);
}

TEST_CASE("sample assembler: any chopping and any losses give exactly what both signals have") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    SampleAssembler assembler({SignalId::current_range}, 1'000'000, packed_ticks_max);
    Collected collected;
    std::set<uint64_t> current, voltage, range;
    uint64_t at[3] = {0, 0, 0};
    const auto step = [&](int signal, std::set<uint64_t>& has, uint32_t stride) {
      uint64_t first = at[signal];
      if (random() % 5 == 0) first += random() % 60 * decimation;  // lost
      const uint64_t end = first + (1 + random() % 120) * decimation;
      for (uint64_t id = first; id < end; id += stride) has.insert(id);
      if (signal == 0) add_current(assembler, first, end);
      else if (signal == 1) add_voltage(assembler, first, end);
      else add_range(assembler, first, end);
      at[signal] = end;
      collected.take(assembler);
    };
    while (at[0] < 20'000 || at[1] < 20'000 || at[2] < 20'000) {
      const int slowest = static_cast<int>(std::min_element(at, at + 3) - at);
      if (slowest == 0) step(0, current, decimation);
      else if (slowest == 1) step(1, voltage, decimation);
      else step(2, range, 1);
    }
    std::set<uint64_t> both, covered;
    const uint64_t limit = std::min({at[0], at[1], at[2]}) - 200;
    for (const uint64_t id : current)
      if (id < limit && voltage.count(id) == 1) both.insert(id);
    for (const uint64_t id : both)
      for (const uint64_t tick : {id, id + 1})
        if (range.count(tick) == 1) covered.insert(tick);
    const auto below = [&](const std::set<uint64_t>& all) { return std::set<uint64_t>(all.begin(), all.lower_bound(limit)); };
    CHECK(below(collected.samples) == both);
    CHECK(below(collected.with_range) == below(covered));
  }
}
