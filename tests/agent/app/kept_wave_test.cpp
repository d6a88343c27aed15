// Lane wave at a lower rate and within a budget: what frames hold, against the source and a Decimator over all of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "agent/app/device_pipeline.h"
#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/signal/decimator.h"

namespace {

using namespace joulespool;
using app::DevicePipeline;

constexpr uint32_t decimation = 2;
constexpr uint64_t window_ticks = 2000;
constexpr double rate_hz = 1e6;

// The device is a function of the tick: sleep with bursts of noise, and samples without a number.
bool is_missing(uint64_t tick) { return tick % 1'000'000 > 990'000 || tick % 70'001 < 5; }
float current_at(uint64_t tick) {
  uint64_t hash = tick * 0x9E3779B97F4A7C15U;
  hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9U;
  const auto noise = static_cast<float>(static_cast<int64_t>((hash >> 32) % 20011) - 10000) * 1e-6F;
  if (is_missing(tick)) return std::numeric_limits<float>::quiet_NaN();
  return tick / 300'000 % 3 == 0 ? 2e-6F : noise;
}
float voltage_at(uint64_t tick) { return is_missing(tick) ? NAN : 1.8F + static_cast<float>(tick % 7) * 1e-3F; }

app::OwnedBlock block(uint64_t tick, size_t count) {
  app::OwnedBlock block;
  block.sample_id = tick;
  block.axis = {5, 2'000'000, decimation};
  block.utc = {0, 1'700'000'000'000'000'000, 2e6, wire::UtcQuality::host};
  for (size_t at = 0; at < count; ++at) {
    block.i.push_back(current_at(tick + at * decimation));
    block.v.push_back(voltage_at(tick + at * decimation));
  }
  return block;
}

app::PipelineSettings settings(uint32_t wave_rate_hz, uint64_t budget) {
  app::PipelineSettings settings;
  settings.host = "host-1";
  settings.device = {"js220-000001", "js220", "000001"};
  settings.source = "test";
  settings.epoch = 99;
  settings.wave = app::WaveMode::upload;
  settings.wave_rate_hz = wave_rate_hz;
  settings.wave_budget_bytes_per_s = budget;
  return settings;
}

struct Store {
  std::vector<spool::NewFrame> frames;
  std::optional<spool::DevicePosition> position;
  app::NextSeqs next{1, 1, 1};

  void commit(app::Cut cut) {
    for (spool::NewFrame& frame : cut.frames) {
      ++next[static_cast<size_t>(frame.info.id.sequence.lane) - 1];
      frames.push_back(std::move(frame));
    }
    if (cut.position) position = cut.position;
  }
};

wire::Window window_over(uint64_t first, uint64_t end) {
  std::vector<float> i, v;
  for (uint64_t tick = first; tick < end; tick += decimation) {
    i.push_back(current_at(tick));
    v.push_back(voltage_at(tick));
  }
  return signal::summarise({first, decimation, i, v, {}}, InstructionSet::scalar);
}

// Outputs of a Decimator over a whole run of samples, by sample_id.
class Offline {
 public:
  Offline(uint64_t first, uint64_t end) : first_(first), end_(end) {}
  [[nodiscard]] bool holds(uint64_t tick) const { return tick >= first_ && tick < end_; }
  const std::map<uint64_t, std::pair<float, float>>& at(uint32_t factor) {
    auto [found, fresh] = outputs_.try_emplace(factor);
    if (!fresh) return found->second;
    std::vector<float> outputs[2];
    uint64_t tick = 0;
    for (const bool voltage : {false, true}) {
      auto by = signal::Decimator::make(factor);
      REQUIRE(by.ok());
      by->begin(first_, decimation);
      tick = by->next_sample_id();
      std::vector<float> samples;
      for (uint64_t at = first_; at < end_; at += decimation) samples.push_back(voltage ? voltage_at(at) : current_at(at));
      by->add(samples, outputs[voltage ? 1 : 0]);
      by->finish(outputs[voltage ? 1 : 0]);
    }
    for (size_t k = 0; k < outputs[0].size(); ++k, tick += uint64_t{factor} * decimation)
      found->second[tick] = {outputs[0][k], outputs[1][k]};
    return found->second;
  }

 private:
  uint64_t first_, end_;
  std::map<uint32_t, std::map<uint64_t, std::pair<float, float>>> outputs_;
};

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

struct Seen {
  IntervalSet waves, windows, gaps;  // ticks
  uint64_t overlaps = 0;
  std::map<uint32_t, size_t> frames_by_decimation;
  uint64_t wave_bytes = 0, kept_samples = 0;
};

void check_windows(const wire::FrameHeader& header, const wire::Bytes& payload) {
  const auto windows = codec::decode_windows(payload, header.codec, header.sample_id_first);
  REQUIRE(windows.ok());
  uint64_t tick = header.sample_id_first;
  for (const wire::Window& window : *windows) {
    REQUIRE(window.sample_id_first == tick);
    REQUIRE(window == window_over(window.sample_id_first, window.sample_id_end));
    tick = window.sample_id_end;
    if (tick != header.sample_id_end) REQUIRE(tick % header.kept->window_ticks == 0);
  }
  REQUIRE(tick == header.sample_id_end);
}

void check_wave(const wire::Frame& frame, std::vector<Offline>& runs, Seen& seen) {
  const wire::FrameHeader& header = frame.header;
  const wire::Window truth = window_over(header.sample_id_first, header.sample_id_end);
  REQUIRE(header.samples == truth.count);
  REQUIRE(header.valid == truth.valid);
  REQUIRE((header.i_sum == truth.i_sum && header.p_sum == truth.p_sum));
  const wire::KeptSamples kept = wire::kept_samples(header);
  const auto samples = codec::decode_samples(frame.payload, header.codec, kept.count);
  REQUIRE(samples.ok());
  REQUIRE(samples->i.size() == kept.count);
  if (header.keeps_all()) {
    REQUIRE(samples->windows.empty());
    for (size_t k = 0; k < kept.count; ++k)
      REQUIRE(same_bits(samples->i[k], current_at(kept.sample_id_first + k * kept.decimation)));
  } else {
    check_windows(header, samples->windows);
    const auto run = std::find_if(runs.begin(), runs.end(), [&](const Offline& of) { return of.holds(header.sample_id_first); });
    REQUIRE(run != runs.end());
    const uint32_t factor = kept.decimation / decimation;
    for (size_t k = 0; k < kept.count; ++k) {
      const auto [i, v] = run->at(factor).at(kept.sample_id_first + k * kept.decimation);
      REQUIRE(same_bits(samples->i[k], i));
      REQUIRE(same_bits(samples->v[k], v));
      REQUIRE(same_bits(samples->p[k], codec::product(i, v)));
    }
  }
  ++seen.frames_by_decimation[header.kept ? header.kept->decimation : decimation];
  seen.kept_samples += kept.count;
}

Seen check(const std::vector<spool::NewFrame>& frames, std::vector<Offline>& runs) {
  Seen seen;
  for (const spool::NewFrame& stored : frames) {
    const auto read = wire::read_frame(stored.bytes);
    REQUIRE(std::holds_alternative<wire::Frame>(read));
    const auto& frame = std::get<wire::Frame>(read);
    const wire::FrameHeader& header = frame.header;
    if (header.lane == wire::Lane::wave) {
      check_wave(frame, runs, seen);
      seen.wave_bytes += stored.bytes.size();
      seen.overlaps += seen.waves.insert(header.sample_id_first, header.sample_id_end);
    } else if (header.lane == wire::Lane::stat) {
      const auto windows = codec::decode_windows(frame.payload, header.codec, header.sample_id_first);
      REQUIRE(windows.ok());
      for (const wire::Window& window : *windows) seen.windows.insert(window.sample_id_first, window.sample_id_end);
    } else {
      const auto events = wire::read_events(frame.payload);
      REQUIRE(events.ok());
      for (const wire::Event& event : *events)
        if (const auto* gap = std::get_if<wire::Gap>(&event))
          seen.overlaps += seen.gaps.insert(gap->sample_id_first, gap->sample_id_end);
    }
  }
  return seen;
}

// A device's life in random steps, with drops, failed commits and crashes.
struct Life {
  explicit Life(const app::PipelineSettings& with, uint32_t seed) : settings(with), random(seed) { begin(); }

  void begin() { pipeline = std::make_unique<DevicePipeline>(settings, store.position, store.next); }
  void end_run() {
    if (tick > run_first) runs.emplace_back(run_first, tick);
    run_first = tick;
  }
  void skip(uint64_t samples) {
    end_run();
    run_first = tick += samples * decimation;
  }
  void add(size_t count) {
    pipeline->add(block(tick, count));
    tick += count * decimation;
  }
  void cut(bool fails) {
    app::Cut cut = pipeline->cut({});
    CHECK(pipeline->pending_samples() == 0);
    if (fails) return pipeline->lost(wire::GapReason::disk_full, "no space");
    store.commit(std::move(cut));
    pipeline->committed();
  }
  void step() {
    const auto what = random() % 100;
    const size_t count = 1 + random() % 40'000;
    if (what < 70) return add(count);
    if (what < 73) return skip(1 + random() % 50'000);
    if (what < 75) {  // killed: what waited is lost
      begin();
      return skip(1000);
    }
    cut(random() % 6 == 0);
  }
  void finish() {
    add(3000);
    end_run();
    pipeline->end("test");
    cut(false);
  }

  app::PipelineSettings settings;
  std::mt19937 random;
  Store store;
  std::unique_ptr<DevicePipeline> pipeline;
  uint64_t tick = 1000, run_first = 1000;
  std::vector<Offline> runs;
};

void check_life(const app::PipelineSettings& with, uint32_t seed, std::map<uint32_t, size_t>& decimations) {
  CAPTURE(with.wave_rate_hz);
  CAPTURE(with.wave_budget_bytes_per_s);
  CAPTURE(seed);
  Life life(with, seed);
  for (int step = 0; step < 90; ++step) life.step();
  life.finish();
  const Seen seen = check(life.store.frames, life.runs);
  CHECK(seen.overlaps == 0);
  CHECK(seen.waves.size() == seen.windows.size());
  for (const auto& span : seen.waves.intervals()) CHECK(seen.windows.missing(span.first, span.end).empty());
  IntervalSet everything = seen.waves;
  for (const auto& gap : seen.gaps.intervals()) CHECK(everything.insert(gap.first, gap.end) == 0);
  CHECK(
      everything.missing(std::min(seen.waves.intervals().front().first, seen.gaps.intervals().front().first), life.tick).empty());
  for (const auto& [ticks, frames] : seen.frames_by_decimation) decimations[ticks] += frames;
}

// Frames of `seconds` of noise and sleep, a cut every 0.25 s.
Store lived(const app::PipelineSettings& with, double seconds,
            std::vector<app::OwnedBlock::Packed> (*packed)(uint64_t) = nullptr) {
  Store store;
  DevicePipeline pipeline(with, store.position, store.next);
  constexpr size_t per_block = 50'000;
  const auto blocks = static_cast<uint64_t>(seconds * rate_hz / per_block);
  for (uint64_t at = 0; at < blocks; ++at) {
    app::OwnedBlock next = block(at * per_block * decimation, per_block);
    if (packed != nullptr) next.packed = packed(next.sample_id);
    pipeline.add(next);
    if (at % 5 == 4) store.commit(pipeline.cut({}));
    pipeline.committed();
  }
  pipeline.end("test");
  store.commit(pipeline.cut({}));
  return store;
}

}  // namespace

TEST_CASE("kept wave: at a lower rate, over drops, failed commits and crashes, samples are those of one decimator per run") {
  for (const uint32_t wave_rate_hz : {500'000U, 100'000U, 20'000U, 1000U, 100U}) {
    std::map<uint32_t, size_t> decimations;
    for (uint32_t seed = 1; seed <= 3; ++seed) check_life(settings(wave_rate_hz, 0), seed, decimations);
    CHECK(decimations.size() == 1);
    CHECK(decimations.begin()->first == 2'000'000 / wave_rate_hz);
  }
}

TEST_CASE("kept wave: the same within a budget, at every resolution it leads to") {
  std::map<uint32_t, size_t> decimations;
  for (const uint64_t budget : {3'000U, 20'000U, 200'000U, 1'500'000U})
    for (uint32_t seed = 1; seed <= 3; ++seed) check_life(settings(0, budget), seed, decimations);
  CHECK(decimations[0] > 0);
  CHECK(decimations[decimation] > 0);
  CHECK(decimations.size() > 6);
}

TEST_CASE("kept wave: frames take what the budget allows, and no more, with a rate besides") {
  for (const uint64_t budget : {15'000U, 60'000U, 400'000U}) {
    for (const uint32_t wave_rate_hz : {0U, 100'000U}) {
      CAPTURE(budget);
      CAPTURE(wave_rate_hz);
      const double seconds = 6;
      const Store store = lived(settings(wave_rate_hz, budget), seconds);
      uint64_t bytes = 0, frames = 0;
      for (const spool::NewFrame& frame : store.frames) {
        if (frame.info.id.sequence.lane != wire::Lane::wave) continue;
        const auto read = wire::read_frame(frame.bytes);
        const wire::FrameHeader& header = std::get<wire::Frame>(read).header;
        REQUIRE(header.kept.has_value());
        CHECK(header.kept->budget_bytes_per_s == budget);
        if (wave_rate_hz > 0) CHECK((header.kept->decimation == 0 || header.kept->decimation >= 20));
        bytes += frame.bytes.size();
        ++frames;
      }
      CHECK(static_cast<double>(bytes) <= static_cast<double>(budget) * (seconds + 1));
      if (wave_rate_hz == 0) CHECK(static_cast<double>(bytes) >= 0.8 * static_cast<double>(budget) * seconds);
      CHECK(static_cast<double>(frames) < 15 * seconds);  // few and full rather than many and small
    }
  }
}

TEST_CASE("kept wave: the smallest budget that the settings allow holds, also with the longest names") {
  app::PipelineSettings least = settings(0, 2560);
  least.host = std::string(63, 'h');
  least.device = wire::device_identity(std::string(30, 'm'), std::string(32, '1'));
  const double seconds = 4;
  uint64_t bytes = 0;
  for (const spool::NewFrame& frame : lived(least, seconds).frames)
    if (frame.info.id.sequence.lane == wire::Lane::wave) bytes += frame.bytes.size();
  CHECK(static_cast<double>(bytes) <= 2560 * (seconds + 1));
}

TEST_CASE("kept wave: a device whose rate is not above the wanted one keeps all its samples") {
  const Store store = lived(settings(1'000'000, 0), 0.5);
  for (const spool::NewFrame& frame : store.frames) {
    const auto read = wire::read_frame(frame.bytes);
    CHECK_FALSE(std::get<wire::Frame>(read).header.kept.has_value());
  }
}

TEST_CASE("kept wave: packed signals stay whole at a lower rate, and are left out where they would take the budget") {
  const auto bits = [](uint64_t tick) {
    std::mt19937 random(static_cast<uint32_t>(tick));
    std::vector<app::OwnedBlock::Packed> packed(1);
    packed[0].bytes.resize(100'000 / 8);
    for (std::byte& byte : packed[0].bytes) byte = static_cast<std::byte>(random());
    packed[0].run = {signal::SignalId::gpi0, 1, tick, 1, 100'000, packed[0].bytes};
    return packed;
  };
  const auto elements_of = [](const Store& store, bool& left_out) {
    uint64_t elements = 0;
    for (const spool::NewFrame& stored : store.frames) {
      const auto read = wire::read_frame(stored.bytes);
      const auto& frame = std::get<wire::Frame>(read);
      if (frame.header.lane != wire::Lane::wave) continue;
      const auto samples = codec::decode_samples(frame.payload, frame.header.codec, wire::kept_samples(frame.header).count);
      REQUIRE(samples.ok());
      left_out = left_out || frame.header.kept->without_packed;
      CHECK(samples->packed.empty() == frame.header.kept->without_packed);
      for (const codec::DecodedPacked& packed : samples->packed) elements += packed.count;
    }
    return elements;
  };
  bool left_out = false;
  CHECK(elements_of(lived(settings(10'000, 0), 1, bits), left_out) == 2'000'000);
  CHECK_FALSE(left_out);
  CHECK(elements_of(lived(settings(0, 40'000), 2, bits), left_out) < 4'000'000);
  CHECK(left_out);
}

TEST_CASE("kept wave: frames hold no more packed elements than readers take, however many come with a sample") {
  constexpr uint32_t slow_decimation = 2000;  // 1 kS/s, and an input at the counter's rate
  constexpr size_t count = 10'000;
  app::OwnedBlock slow = block(0, count);
  slow.axis.decimation = slow_decimation;
  app::OwnedBlock::Packed& gpi = slow.packed.emplace_back();
  gpi.bytes.resize(count * slow_decimation / 8);
  gpi.run = {signal::SignalId::gpi0, 1, 0, 1, count * slow_decimation, gpi.bytes};
  Store store;
  DevicePipeline pipeline(settings(0, 0), store.position, store.next);
  pipeline.add(slow);
  pipeline.end("test");
  store.commit(pipeline.cut({}));
  uint64_t samples = 0, elements = 0;
  for (const spool::NewFrame& stored : store.frames) {
    const auto read = wire::read_frame(stored.bytes);
    const auto& frame = std::get<wire::Frame>(read);
    if (frame.header.lane != wire::Lane::wave) continue;
    const auto decoded = codec::decode_samples(frame.payload, frame.header.codec, frame.header.samples);
    REQUIRE(decoded.ok());
    samples += decoded->i.size();
    for (const codec::DecodedPacked& packed : decoded->packed) elements += packed.count;
  }
  CHECK(samples == count);
  CHECK(elements == count * slow_decimation);
}
