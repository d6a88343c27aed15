#include "agent/device/waveform.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "agent/device/simulated_source.h"

using namespace joulespool;
using device::SimulatedDevice;

namespace {

constexpr const char* loads[] = {"sleep-ble", "cpu", "constant", "ranges"};

struct Columns {
  std::vector<float> i, v;
};

Columns compute(const SimulatedDevice& settings, uint64_t first, size_t count) {
  Columns columns{std::vector<float>(count), std::vector<float>(count)};
  device::simulated_samples(settings, first, columns.i, columns.v);
  return columns;
}

std::vector<uint32_t> bits(std::span<const float> values) {
  std::vector<uint32_t> result;
  for (const float value : values) result.push_back(std::bit_cast<uint32_t>(value));
  return result;
}

SimulatedDevice make(const std::string& model, const std::string& load, uint64_t seed = 7) {
  SimulatedDevice settings;
  settings.model = model;
  settings.load = load;
  settings.seed = seed;
  return settings;
}

unsigned element(const std::vector<std::byte>& packed, unsigned width, uint64_t k) {
  const unsigned per_byte = 8 / width;
  return (static_cast<unsigned>(packed[k / per_byte]) >> (width * (k % per_byte))) & ((1U << width) - 1);
}

}  // namespace

TEST_CASE("waveform: any chunking gives the same samples") {
  constexpr size_t count = 60'000;
  for (const char* model : {"js110", "js220"})
    for (const char* load : loads)
      for (const uint32_t rate : {0U, 200'000U}) {
        SimulatedDevice settings = make(model, load);
        settings.sample_rate_hz = rate;
        settings.faults = *device::parse_faults("nan:every=30011,length=17");
        CAPTURE(model);
        CAPTURE(load);
        const uint32_t decimation = device::time_axis(settings).decimation;
        const Columns whole = compute(settings, 180'000, count);
        std::mt19937_64 random(1);
        for (size_t at = 0; at < count;) {
          const size_t length = std::min<size_t>(1 + random() % (random() % 4 == 0 ? 20'000 : 9), count - at);
          const Columns part = compute(settings, 180'000 + at * decimation, length);
          REQUIRE(bits(part.i) == bits(std::span(whole.i).subspan(at, length)));
          REQUIRE(bits(part.v) == bits(std::span(whole.v).subspan(at, length)));
          at += length;
        }
      }
}

TEST_CASE("waveform: a lower rate takes the full-rate values at its sample_ids") {
  for (const char* model : {"js110", "js220"})
    for (const char* load : loads) {
      SimulatedDevice settings = make(model, load);
      const uint32_t full = device::time_axis(settings).decimation;
      const Columns whole = compute(settings, 0, 400'000 / full);
      settings.sample_rate_hz = 50'000;
      const Columns some = compute(settings, 0, 10'000);
      for (size_t k = 0; k < some.i.size(); ++k) {
        REQUIRE(some.i[k] == whole.i[k * 40 / full]);
        REQUIRE(some.v[k] == whole.v[k * 40 / full]);
      }
    }
}

TEST_CASE("waveform: JS220 currents lie on the 2^-31 A grid and voltages are float32 of it") {
  for (const char* load : loads) {
    const Columns columns = compute(make("js220", load), 0, 300'000);
    for (const float i : columns.i) REQUIRE(std::nearbyint(static_cast<double>(i) * 0x1p31) == static_cast<double>(i) * 0x1p31);
    for (const float v : columns.v) REQUIRE(std::nearbyint(static_cast<double>(v) * 0x1p31) == static_cast<double>(v) * 0x1p31);
  }
}

TEST_CASE("waveform: JS110 samples are calibrated 14-bit codes, but for the lines after range changes") {
  const SimulatedDevice settings = make("js110", "ranges");
  const device::Js110Calibration calibration = device::js110_calibration(settings.seed);
  const Columns columns = compute(settings, 0, 200'000);
  std::vector<std::byte> ranges(100'000);
  device::Waveform(settings).packed(signal::SignalId::current_range, 0, 200'000, ranges);
  size_t off_grid = 0;
  std::set<unsigned> seen;
  for (uint64_t k = 0; k < columns.i.size(); ++k) {
    const unsigned range = element(ranges, 4, k);
    seen.insert(range);
    const double gain = static_cast<double>(calibration.gain_pa[range]) / 1e12;
    const double zero = static_cast<double>(calibration.zero_milli[range]) / 1000.0;
    const double code = std::nearbyint(static_cast<double>(columns.i[k]) / gain + zero);
    const bool on_grid = code >= 0 && code <= 16'383 && static_cast<float>((code - zero) * gain) == columns.i[k];
    off_grid += on_grid ? 0 : 1;
    if (!on_grid) REQUIRE(k % 10'000 < 6);
  }
  CHECK(seen.size() >= 4);
  CHECK(off_grid > 20);
  CHECK(off_grid <= 6 * 19);
}

TEST_CASE("waveform: the loads look like what they are named after") {
  const auto mean = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value);
    return sum / static_cast<double>(values.size());
  };
  for (const char* model : {"js110", "js220"}) {
    const size_t second = model[2] == '1' ? 2'000'000 : 1'000'000;
    CHECK(mean(compute(make(model, "constant"), 0, second).i) == doctest::Approx(0.010).epsilon(0.001));
    CHECK(mean(compute(make(model, "constant"), 0, second).v) == doctest::Approx(3.298).epsilon(0.001));
    CHECK(mean(compute(make(model, "sleep-ble"), 0, 20'000).i) ==
          doctest::Approx(1.07e-6).epsilon(0.02));  // before the first event
    const auto ble = compute(make(model, "sleep-ble"), 0, second).i;
    CHECK(mean(ble) == doctest::Approx(0.00032).epsilon(0.15));
    CHECK(*std::max_element(ble.begin(), ble.end()) > 0.045F);
    CHECK(*std::min_element(ble.begin(), ble.end()) > -1e-6F);
    CHECK(mean(compute(make(model, "cpu"), 0, second).i) == doctest::Approx(0.039).epsilon(0.15));
    const auto ranges = compute(make(model, "ranges"), 0, second).i;
    CHECK(*std::max_element(ranges.begin(), ranges.end()) > 1.5F);
    CHECK(*std::min_element(ranges.begin(), ranges.end()) < 15e-6F);
  }
}

TEST_CASE("waveform: seeds and models differ, load segments join") {
  CHECK(compute(make("js220", "constant", 1), 0, 1000).i != compute(make("js220", "constant", 2), 0, 1000).i);
  CHECK(compute(make("js110", "constant", 1), 0, 1000).v != compute(make("js110", "constant", 2), 0, 1000).v);
  for (const char* name : loads)
    for (uint64_t tick = 0; tick < 3'000'000;) {
      const auto load = *device::parse_load(name);
      const device::LoadSegment segment = device::load_segment_at(load, 5, tick);
      REQUIRE(segment.first == tick);
      REQUIRE(segment.end - segment.first >= 10);
      REQUIRE(segment.level_pa > 0);
      REQUIRE(segment == device::load_segment_at(load, 5, segment.end - 1));
      tick = segment.end;
      if (segment.end == UINT64_MAX) break;
      REQUIRE(segment.level_pa + segment.slope_pa * static_cast<int64_t>(segment.end - 1 - segment.first) > 0);
    }
  CHECK(!device::parse_load("Constant"));
  CHECK(!device::parse_load(""));
}

TEST_CASE("waveform: NaN faults hit i and v, some with a payload, and nothing else") {
  for (const char* model : {"js110", "js220"}) {
    SimulatedDevice settings = make(model, "cpu");
    const uint32_t decimation = device::time_axis(settings).decimation;
    const Columns sound = compute(settings, 0, 1000);
    settings.faults = *device::parse_faults("nan:101-141;drop:0-50;lose:400-500");
    const Columns hit = compute(settings, 0, 1000);
    std::set<uint32_t> kinds;
    for (size_t k = 0; k < 1000; ++k) {
      const uint64_t tick = k * decimation;
      if (tick < 101 || tick >= 141) {
        REQUIRE(hit.i[k] == sound.i[k]);
        REQUIRE(hit.v[k] == sound.v[k]);
      } else {
        REQUIRE(std::isnan(hit.i[k]));
        REQUIRE(std::isnan(hit.v[k]));
        kinds.insert(std::bit_cast<uint32_t>(hit.i[k]));
        CHECK(std::bit_cast<uint32_t>(hit.i[k]) == device::nan_current_bits(tick));
        CHECK(std::bit_cast<uint32_t>(hit.v[k]) == device::nan_voltage_bits(tick));
      }
    }
    CHECK(kinds.size() > 2);
  }
}

TEST_CASE("waveform: packed runs are the same however they are cut") {
  const SimulatedDevice settings = make("js110", "ranges");
  const device::Waveform waveform(settings);
  constexpr uint64_t count = 50'000;
  for (const int id : {4, 16, 17, 18, 19}) {
    const auto signal = static_cast<signal::SignalId>(id);
    const uint8_t width = device::packed_bits(signal);
    CHECK(width == (id == 4 ? 4 : 1));
    std::vector<std::byte> whole(device::packed_bytes(signal, count));
    waveform.packed(signal, 0, count, whole);
    std::mt19937_64 random(7);
    for (uint64_t at = 0; at < count;) {
      const uint64_t length = std::min<uint64_t>(1 + random() % 4'000, count - at);
      std::vector<std::byte> part(device::packed_bytes(signal, length), std::byte{0xFF});
      waveform.packed(signal, at, length, part);
      for (uint64_t k = 0; k < length; ++k) REQUIRE(element(part, width, k) == element(whole, width, at + k));
      if (length * width % 8 != 0) CHECK((static_cast<unsigned>(part.back()) >> (length * width % 8)) == 0);  // unused bits
      at += length;
    }
  }
}
