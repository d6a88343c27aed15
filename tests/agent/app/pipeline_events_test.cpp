// What a pipeline makes of its source's events: holes, states, clock corrections, the cross-check.
#include <doctest/doctest.h>

#include <cmath>

#include "agent/base/units.h"
#include "tests/agent/app/frame_account.h"

namespace {

using namespace joulespool;
using namespace joulespool::test;
using app::DevicePipeline;
using Kind = device::SourceEvent::Kind;
using wire::GapReason;

constexpr app::NextSeqs first_seqs{1, 1, 1};

device::SourceEvent event(Kind kind, const std::string& text = "") {
  device::SourceEvent event;
  event.kind = kind;
  event.text = text;
  return event;
}

device::SourceEvent hole(uint64_t axis, uint64_t first, uint64_t end, GapReason reason, const std::string& detail) {
  device::SourceEvent told = event(Kind::gap);
  told.gap.reason = reason;
  told.gap.axis = axis;
  told.gap.sample_id_first = first;
  told.gap.sample_id_end = end;
  told.gap.samples_lost = 4711;  // the source's count is not what is believed
  told.gap.detail = detail;
  return told;
}

// The event frames of a cut: the axis of each, and its events.
struct EventFrame {
  wire::FrameHeader header;
  std::vector<wire::Event> events;
};

std::vector<EventFrame> event_frames(const app::Cut& cut) {
  std::vector<EventFrame> found;
  for (const spool::NewFrame& stored : cut.frames) {
    const auto read = wire::read_frame(stored.bytes);
    REQUIRE(std::holds_alternative<wire::Frame>(read));
    const auto& [header, payload] = std::get<wire::Frame>(read);
    if (header.lane != wire::Lane::event) continue;
    auto events = wire::read_events(payload);
    REQUIRE(events.ok());
    found.push_back({header, std::move(*events)});
  }
  return found;
}

template <class Kept>
std::vector<Kept> events_of(const app::Cut& cut) {
  std::vector<Kept> found;
  for (const EventFrame& frame : event_frames(cut))
    for (const wire::Event& one : frame.events)
      if (const auto* kept = std::get_if<Kept>(&one)) found.push_back(*kept);
  return found;
}

size_t notes(const app::Cut& cut, const std::string& kind) {
  size_t count = 0;
  for (const wire::DeviceNote& note : events_of<wire::DeviceNote>(cut)) count += note.kind == kind ? 1U : 0U;
  return count;
}

app::OwnedBlock block_at(uint64_t tick, size_t count, uint64_t life, const wire::UtcMap& utc) {
  app::OwnedBlock made = block(tick, count, life);
  made.utc = utc;
  return made;
}

}  // namespace

TEST_CASE("pipeline: a hole that the source tells is one gap record with its reason and the exact count") {
  DevicePipeline pipeline(settings(app::WaveMode::upload), std::nullopt, first_seqs);
  pipeline.add(block(0, 1000, 5));
  CHECK_FALSE(pipeline.add(hole(5, 2000, 2252, GapReason::usb_drop, "1 packet skipped")));
  CHECK_FALSE(pipeline.add(hole(5, 100, 1000, GapReason::overrun, "not missing at all")));
  pipeline.add(block(2252, 1000, 5));
  pipeline.add(app::Overrun{5, 4252, 6252});
  pipeline.add(block(6252, 1000, 5));
  pipeline.end("test");
  const auto gaps = events_of<wire::Gap>(pipeline.cut({}));
  REQUIRE(gaps.size() == 2);
  CHECK(gaps[0].reason == GapReason::usb_drop);
  CHECK(gaps[0].samples_lost == 126);
  CHECK(gaps[0].detail == "1 packet skipped");
  CHECK(gaps[1].reason == GapReason::overrun);
  CHECK(gaps[1].samples_lost == 1000);
  pipeline.committed();
  const auto counted = pipeline.status().gaps;
  CHECK(counted.at(GapReason::usb_drop).records == 1);
  CHECK(counted.at(GapReason::usb_drop).samples == 126);
  CHECK(counted.at(GapReason::overrun).samples == 1000);
}

TEST_CASE("pipeline: a device that ended while the agent was down has a restart gap up to its end, and its end is said once") {
  spool::DevicePosition stored;
  stored.device = settings(app::WaveMode::upload).device;
  stored.axis = {5, 2'000'000, decimation};
  stored.sample_id_end = 10'000;
  stored.utc = {0, 1'700'000'000'000'000'000, 2e6, wire::UtcQuality::host};
  stored.totals = {5000, 5000, 7, 9, 0};
  for (const bool first_time : {true, false}) {
    DevicePipeline pipeline(settings(app::WaveMode::upload), stored, {4, 5, 6});
    if (first_time) pipeline.add(hole(5, 10'000, 16'000, GapReason::restart, ""));
    pipeline.add(event(Kind::ended, "was over before the start"));
    const app::Cut cut = pipeline.cut({});
    const auto gaps = events_of<wire::Gap>(cut);
    const auto stops = events_of<wire::Stopped>(cut);
    REQUIRE(gaps.size() == (first_time ? 1 : 0));
    REQUIRE(stops.size() == gaps.size());
    CHECK(cut.position.has_value() == first_time);
    if (!first_time) continue;
    CHECK(gaps[0].reason == GapReason::restart);
    CHECK(gaps[0].sample_id_first == 10'000);
    CHECK(gaps[0].sample_id_end == 16'000);
    CHECK(gaps[0].samples_lost == 3000);
    CHECK_FALSE(gaps[0].lane);
    CHECK(stops[0].sample_id_end == 16'000);
    CHECK(stops[0].totals.samples == 5000);
    CHECK(stops[0].totals.samples_lost == 3000);
    stored = *cut.position;
    CHECK(stored.sample_id_end == 16'000);
  }
}

TEST_CASE("pipeline: gap records are counted when they are stored, not before") {
  DevicePipeline pipeline(settings(app::WaveMode::off), std::nullopt, first_seqs);
  pipeline.add(block(0, 1000, 5));
  pipeline.add(block(4000, 1000, 5));
  pipeline.end("test");
  static_cast<void>(pipeline.cut({}));
  pipeline.lost(GapReason::disk_full, "no space");
  CHECK(pipeline.status().gaps.empty());
  static_cast<void>(pipeline.cut({}));
  pipeline.committed();
  CHECK(pipeline.status().gaps.at(GapReason::usb_drop).records == 1);
  CHECK(pipeline.status().gaps.at(GapReason::disk_full).samples == 2000);
}

TEST_CASE("pipeline: events of a device without an axis wait for it, and are bounded") {
  DevicePipeline pipeline(settings(app::WaveMode::off), std::nullopt, first_seqs);
  CHECK(pipeline.add(event(Kind::attached)));
  for (int attempt = 0; attempt < 100'000; ++attempt)
    CHECK(pipeline.add(event(Kind::trouble, "attempt " + std::to_string(attempt))));
  CHECK_FALSE(pipeline.add(event(Kind::trouble, "attempt 99999")));
  CHECK_FALSE(pipeline.has_axis());
  CHECK(pipeline.status().state == "trouble");
  CHECK(pipeline.status().detail == "attempt 99999");
  CHECK(pipeline.cut({}).frames.empty());
  pipeline.committed();

  pipeline.add(block(0, 1000, 5));
  const app::Cut cut = pipeline.cut({});
  CHECK(notes(cut, "attached") == 1);
  CHECK(notes(cut, "trouble") > 1000);
  CHECK(notes(cut, "trouble") < 5000);
  CHECK(events_of<wire::Started>(cut).size() == 1);
  CHECK(pipeline.status().state == "streaming");
  for (const wire::Event& told : pipeline.committed()) {  // trouble was told when there was no axis: not again
    const auto* note = std::get_if<wire::DeviceNote>(&told);
    CHECK((note == nullptr || note->kind != "trouble"));
  }
}

TEST_CASE("pipeline: trouble of a device that has an axis is given by committed, once until it changes") {
  DevicePipeline pipeline(settings(app::WaveMode::off), std::nullopt, first_seqs);
  pipeline.add(block(0, 1000, 5));
  pipeline.cut({});
  pipeline.committed();
  CHECK(pipeline.add(event(Kind::lost, "unplugged")));
  CHECK(pipeline.add(event(Kind::trouble, "busy")));
  CHECK_FALSE(pipeline.add(event(Kind::trouble, "busy")));
  const app::Cut cut = pipeline.cut({});
  CHECK(notes(cut, "trouble") == 1);
  CHECK(notes(cut, "lost") == 1);
  CHECK(pipeline.committed().size() == 2);
}

TEST_CASE("pipeline: what the agent was told of a clock that had no time is corrected by a record, and every frame has its map") {
  const wire::UtcMap nowhere{0, 5 * ns_per_s, 2e6, wire::UtcQuality::unsynchronised};
  const wire::UtcMap good{0, 1'700'000'000 * ns_per_s, 2e6, wire::UtcQuality::host};
  wire::UtcMap near = good;
  near.utc_ns += 4 * ns_per_ms;
  wire::UtcMap drifted = good;
  drifted.utc_ns += 6 * ns_per_ms;
  DevicePipeline pipeline(settings(app::WaveMode::off), std::nullopt, first_seqs);
  pipeline.add(block_at(0, 1000, 5, nowhere));
  const app::Cut before = pipeline.cut({});
  CHECK(events_of<wire::ClockCorrected>(before).empty());
  CHECK(event_frames(before).at(0).header.utc.quality == wire::UtcQuality::unsynchronised);
  pipeline.committed();
  CHECK(pipeline.status().clock.quality == wire::UtcQuality::unsynchronised);
  uint64_t tick = 2000;
  for (const wire::UtcMap& map : {good, near, good, near, drifted, drifted, near}) {
    pipeline.add(block_at(tick, 1000, 5, map));
    tick += 2000;
  }
  const app::Cut cut = pipeline.cut({});
  const auto corrected = events_of<wire::ClockCorrected>(cut);
  REQUIRE(corrected.size() == 2);
  CHECK(corrected[0] == wire::ClockCorrected{nowhere, good});
  CHECK(corrected[1] == wire::ClockCorrected{good, drifted});
  CHECK(event_frames(cut).at(0).header.axis.life == 5);
  CHECK(event_frames(cut).at(0).header.sample_id_first == tick);  // behind all frames that it corrects
  CHECK(pipeline.status().clock.corrections == 2);
  CHECK(pipeline.status().clock.last_correction_ns == 6 * ns_per_ms);
}

TEST_CASE("pipeline: a restarted agent compares with the map that an earlier run had") {
  const wire::UtcMap nowhere{0, 5 * ns_per_s, 2e6, wire::UtcQuality::unsynchronised};
  DevicePipeline first(settings(app::WaveMode::off), std::nullopt, first_seqs);
  first.add(block_at(0, 1000, 5, nowhere));
  first.end("test");
  const app::Cut cut = first.cut({});
  REQUIRE(cut.position);
  DevicePipeline second(settings(app::WaveMode::off), cut.position, first_seqs);
  second.add(block(2000, 1000, 5));
  const auto corrected = events_of<wire::ClockCorrected>(second.cut({}));
  REQUIRE(corrected.size() == 1);
  CHECK(corrected[0].before == nowhere);
}

TEST_CASE("pipeline: a correction of an axis that is over stands in a frame of that axis, also after a commit that failed") {
  wire::UtcMap stepped = block(0, 1, 5).utc;
  stepped.utc_ns += ns_per_s;
  DevicePipeline pipeline(settings(app::WaveMode::off), std::nullopt, first_seqs);
  pipeline.add(block(0, 1000, 5));
  pipeline.add(block_at(2000, 1000, 5, stepped));
  pipeline.add(block(0, 1000, 6));
  pipeline.add(block_at(2000, 1000, 6, stepped));
  pipeline.add(block(0, 1000, 7));
  static_cast<void>(pipeline.cut({}));
  pipeline.lost(GapReason::disk_full, "no space");
  const auto frames = event_frames(pipeline.cut({}));
  REQUIRE(frames.size() == 3);
  for (size_t at = 0; at < frames.size(); ++at) {
    CHECK(frames[at].header.axis.life == 5 + at);
    size_t corrections = 0;
    for (const wire::Event& one : frames[at].events) corrections += std::holds_alternative<wire::ClockCorrected>(one) ? 1U : 0U;
    CHECK(corrections == (at < 2 ? 1U : 0U));
    for (const wire::Event& one : frames[at].events)
      if (const auto* started = std::get_if<wire::Started>(&one)) CHECK(started->axis == 5 + at);
  }
  CHECK(frames[0].header.sample_id_first == 4000);
}

TEST_CASE("pipeline: the instrument's own integrals are compared, and a difference is an event with both values") {
  app::PipelineSettings checked = settings(app::WaveMode::off);
  checked.cross_check_ppm = 1000;
  DevicePipeline pipeline(checked, std::nullopt, first_seqs);
  const uint64_t span = 200'000;
  const auto statistics = [&](uint64_t first, double gain) {
    int128 charge = 0, energy = 0;
    for (uint64_t tick = first; tick < first + span; tick += decimation) {
      charge += wire::to_units(current_at(tick)).value;
      energy += wire::to_units(codec::product(current_at(tick), voltage_at(tick))).value;
    }
    device::SourceEvent told = event(Kind::statistics);
    told.statistics = {first, first + span, static_cast<int128>(std::llround(static_cast<double>(charge / 1'000'000) * gain)),
                       energy / 1'000'000};
    return told;
  };
  uint64_t tick = 0;
  for (int part = 0; part < 40; ++part, tick += 20'000) {
    if (tick % span == 0) CHECK_FALSE(pipeline.add(statistics(tick, tick == 2 * span ? 2.0 : 1.0)));
    pipeline.add(block(tick, 10'000, 5));
  }
  const app::Cut cut = pipeline.cut({});
  const auto counts = pipeline.status().cross_check;
  CHECK(counts.compared == 3);
  CHECK(counts.skipped == 1);  // told before anything was known of the axis
  CHECK(counts.beyond == 1);
  CHECK(counts.energy_largest == 0);
  CHECK(notes(cut, "cross-check") == 1);
  for (const wire::DeviceNote& note : events_of<wire::DeviceNote>(cut)) {
    CHECK(note.sample_id == 3 * span);
    CHECK(note.detail.find("by its samples") != std::string::npos);
    CHECK(note.detail.find("by the instrument") != std::string::npos);
    CHECK(note.detail.find("from sample_id 400000 to 600000") != std::string::npos);
  }
}

TEST_CASE("pipeline: the live reading is that of the last cut's samples") {
  DevicePipeline pipeline(settings(app::WaveMode::off), std::nullopt, first_seqs);
  CHECK(pipeline.status().live.count == 0);
  CHECK(pipeline.status().state == "waiting");
  device::SourceEvent found = event(Kind::found, "js220");
  found.firmware = "1.3.0";
  pipeline.add(found);
  pipeline.add(block(0, 50'000, 5));
  static_cast<void>(pipeline.cut({}));
  pipeline.committed();
  pipeline.add(block(100'000, 4'000, 5));
  static_cast<void>(pipeline.cut({}));
  const app::DeviceStatus status = pipeline.status();
  CHECK(status.live.sample_id_first == 100'000);
  CHECK(status.live.count == 4'000);
  float most = -1, least = 1;
  int128 sum = 0;
  for (uint64_t tick = 100'000; tick < 108'000; tick += 2) {
    most = std::max(most, current_at(tick));
    least = std::min(least, current_at(tick));
    sum += wire::to_units(current_at(tick)).value;
  }
  CHECK(status.live.i_max == most);
  CHECK(status.live.i_min == least);
  CHECK((status.live.i_sum == sum));
  CHECK(status.firmware == "1.3.0");
  CHECK(status.power_w == doctest::Approx(static_cast<double>(status.live.p_sum) / units_per_one / 4000));
  static_cast<void>(pipeline.cut({}));
  CHECK(pipeline.status().live.count == 4'000);  // a cut without samples tells nothing new
}
