#include "cloud-bridge/reader/completeness.h"

#include <doctest/doctest.h>

#include "agent/base/clock.h"
#include "tests/support/frame_factory.h"

namespace joulespool::reader {
namespace {

using test::as_record;
using test::FrameFactory;
using wire::Lane;

constexpr const char* device_id = "js220-1";

// A stream of frames and what is made of it.
class Stream {
 public:
  void add(wire::Bytes frame) { collector_.add(as_record(std::move(frame))); }
  const DeviceCoverage& device() {
    collector_.finish();
    return map_.devices().at(device_id);
  }
  Verdict judged(TimeRange range = {}) { return judge(device(), range); }

 private:
  CoverageMap map_;
  FrameCollector collector_{[this](const CollectedFrame& frame) { map_.add(frame); }};
};

// Both lanes over [first, end), 1000 ticks of wave per frame.
void add_both(Stream& stream, FrameFactory& factory, uint64_t first, uint64_t end) {
  stream.add(factory.flat_stat(first, end));
  for (uint64_t at = first; at < end; at += 1000) stream.add(factory.flat_wave(at, std::min<uint64_t>(1000, end - at) / 2));
}

wire::Bytes lane_gap(FrameFactory& factory, Lane lane, Span span, wire::SeqRange frames) {
  wire::Gap gap;
  gap.reason = wire::GapReason::evicted;
  gap.axis = factory.header.axis.life;
  gap.sample_id_first = span.first;
  gap.sample_id_end = span.end;
  gap.samples_lost = (span.end - span.first) / 2;
  gap.lane = lane;
  gap.frames = frames;
  return factory.event({gap}, span.end);
}

int64_t utc_of(uint64_t sample_id) { return FrameFactory(device_id).header.utc.utc_ns_at(sample_id); }

}  // namespace

TEST_CASE("completeness: a device whose lanes cover everything from start to stop is complete") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(4000));
  add_both(stream, factory, 4000, 14000);
  stream.add(factory.stopped(14000));
  const Verdict verdict = stream.judged();
  CHECK(verdict.complete());
  REQUIRE(verdict.axes.size() == 1);
  CHECK(verdict.axes[0].asked == Span{4000, 14000});
  CHECK(verdict.axes[0].ended);
  CHECK(verdict.axes[0].lanes == std::vector<Lane>{Lane::stat, Lane::wave});
  const LaneTotals& stat = stream.device().total(Lane::stat);
  CHECK(stat.samples == 5000);
  CHECK(stat.p_sum == int128{5000} * (int128{2} << 31));
  CHECK(stream.device().total(Lane::wave).p_sum == stat.p_sum);
}

TEST_CASE("completeness: a lost wave frame is named by its samples and its seq") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0));
  stream.add(factory.flat_stat(0, 6000));
  stream.add(factory.flat_wave(0, 1000));
  const wire::Bytes lost = factory.flat_wave(2000, 1000);
  stream.add(factory.flat_wave(4000, 1000));
  SUBCASE("it never comes") {
    const Verdict verdict = stream.judged();
    CHECK_FALSE(verdict.complete());
    REQUIRE(verdict.missing_samples.size() == 1);
    CHECK(verdict.missing_samples[0].lane == Lane::wave);
    CHECK(verdict.missing_samples[0].span == Span{2000, 4000});
    CHECK(verdict.missing_samples[0].samples == 1000);
    CHECK(verdict.missing_samples[0].utc_first_ns == utc_of(2000));
    REQUIRE(verdict.missing_frames.size() == 1);
    CHECK(verdict.missing_frames[0].lane == Lane::wave);
    CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{2, 2});
  }
  SUBCASE("it comes late") {
    stream.device();  // given up
    stream.add(lost);
    CHECK(stream.judged().complete());
  }
}

TEST_CASE("completeness: a lane that lags behind the others is not complete yet") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0));
  stream.add(factory.flat_stat(0, 6000));
  stream.add(factory.flat_wave(0, 1000));
  const Verdict verdict = stream.judged();
  REQUIRE(verdict.missing_samples.size() == 1);
  CHECK(verdict.missing_samples[0].span == Span{2000, 6000});
  CHECK_FALSE(verdict.axes[0].ended);
}

TEST_CASE("completeness: a gap record for all lanes explains what no lane has, inside a window too") {
  FrameFactory factory(device_id);
  const auto make = [&](Stream& stream, bool recorded) {
    stream.add(factory.started(0));
    if (recorded) stream.add(factory.gap(3000, 3500));
    std::vector<wire::Window> windows = {test::flat_window(0, 2000, 1000), test::flat_window(2000, 4000, 750)};
    stream.add(factory.stat(windows));
    stream.add(factory.flat_wave(0, 1500));
    stream.add(factory.flat_wave(3500, 250));
  };
  SUBCASE("with the record") {
    Stream stream;
    make(stream, true);
    const Verdict verdict = stream.judged();
    CHECK(verdict.complete());
    CHECK(verdict.axes[0].gap_ticks == 500);
    CHECK(stream.device().gaps.at(wire::GapReason::usb_drop).samples == 250);
  }
  SUBCASE("without it") {
    Stream stream;
    make(stream, false);
    const Verdict verdict = stream.judged();
    REQUIRE(verdict.missing_samples.size() == 2);
    CHECK(verdict.missing_samples[0].lane == Lane::stat);
    CHECK(verdict.missing_samples[0].span == Span{2000, 4000});
    CHECK(verdict.missing_samples[0].samples == 250);
    CHECK(verdict.missing_samples[1].lane == Lane::wave);
    CHECK(verdict.missing_samples[1].span == Span{3000, 3500});
  }
}

TEST_CASE("completeness: a gap record that is too short leaves the rest of the window unexplained, one too long contradicts it") {
  const auto judged = [](uint64_t gap_end) {
    FrameFactory factory(device_id);
    Stream stream;
    stream.add(factory.started(0, false));
    stream.add(factory.gap(1000, gap_end));
    stream.add(factory.stat(std::vector{test::flat_window(0, 2000, 800)}));
    return stream.judged();
  };
  CHECK(judged(1400).complete());
  CHECK(judged(1300).missing_samples.at(0).samples == 50);
  CHECK(judged(1500).missing_samples.empty());
  CHECK(judged(1500).contradictions.size() == 1);
}

TEST_CASE("completeness: samples that come although a record says that no lane has them contradict it") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0));
  add_both(stream, factory, 0, 4000);
  stream.add(factory.gap(3900, 4100));
  const Verdict verdict = stream.judged();
  CHECK_FALSE(verdict.complete());
  CHECK(verdict.contradictions.size() == 2);
}

TEST_CASE("completeness: the same samples in two different frames are an error") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0));
  add_both(stream, factory, 0, 4000);
  stream.add(factory.flat_wave(3000, 100));
  const Verdict verdict = stream.judged();
  REQUIRE(verdict.contradictions.size() == 1);
  CHECK(verdict.contradictions[0].lane == Lane::wave);
  CHECK(verdict.contradictions[0].span == Span{3000, 3200});
}

TEST_CASE("completeness: a second copy of a frame is no error") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, false));
  const wire::Bytes stat = factory.flat_stat(0, 4000);
  stream.add(stat);
  stream.add(stat);
  CHECK(stream.judged().complete());
  CHECK(stream.device().total(Lane::stat).samples == 2000);
}

TEST_CASE("completeness: evicted frames of one lane are explained for that lane only") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0));
  stream.add(factory.flat_stat(0, 6000));
  stream.add(factory.flat_wave(0, 1000));
  factory.next_seq(Lane::wave) = 4;  // 2 and 3 were evicted
  stream.add(factory.flat_wave(5000, 500));
  SUBCASE("with the record") {
    stream.add(lane_gap(factory, Lane::wave, {2000, 5000}, {2, 3}));
    const Verdict verdict = stream.judged();
    CHECK(verdict.complete());
    CHECK(verdict.axes[0].gap_ticks == 0);
    const GapTotals& gaps = stream.device().gaps.at(wire::GapReason::evicted);
    CHECK(gaps.samples == 0);
    CHECK(gaps.lane_samples[static_cast<size_t>(Lane::wave)] == 1500);
  }
  SUBCASE("a record for the other lane does not help") {
    stream.add(lane_gap(factory, Lane::stat, {2000, 5000}, {2, 3}));
    const Verdict verdict = stream.judged();
    CHECK(verdict.missing_samples.size() == 1);
    REQUIRE(verdict.missing_frames.size() == 1);
    CHECK(verdict.missing_frames[0].lane == Lane::wave);
    CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{2, 3});
  }
  SUBCASE("a record of frames that came all the same is no contradiction") {
    factory.next_seq(Lane::wave) = 2;
    stream.add(factory.flat_wave(2000, 1500));
    stream.add(lane_gap(factory, Lane::wave, {2000, 5000}, {2, 3}));
    CHECK(stream.judged().complete());
  }
}

TEST_CASE("completeness: a lane that stays on the host, or is not made, is not missed") {
  FrameFactory factory(device_id);
  Stream stream;
  SUBCASE("kept") {
    stream.add(factory.started(0, true, false));
    factory.next_seq(Lane::wave) = 50;
  }
  SUBCASE("off") { stream.add(factory.started(0, false)); }
  stream.add(factory.flat_stat(0, 6000));
  stream.add(factory.stopped(6000));
  const Verdict verdict = stream.judged();
  CHECK(verdict.complete());
  CHECK(verdict.axes[0].lanes == std::vector<Lane>{Lane::stat});
}

TEST_CASE("completeness: a lane that was kept and is uploaded after the next start owes only what came after it") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, true, false));
  stream.add(factory.flat_stat(0, 4000));
  factory.next_seq(Lane::wave) = 31;  // thirty frames stayed on the host
  stream.add(factory.gap(4000, 6000, wire::GapReason::restart));
  stream.add(factory.started(6000, true, true));
  add_both(stream, factory, 6000, 10000);
  CHECK(stream.judged().complete());
  factory.next_seq(Lane::wave) += 1;
  stream.add(factory.flat_wave(11000, 500));
  stream.add(factory.flat_stat(10000, 12000));
  const Verdict verdict = stream.judged();
  REQUIRE(verdict.missing_samples.size() == 1);
  CHECK(verdict.missing_samples[0].span == Span{10000, 11000});
  REQUIRE(verdict.missing_frames.size() == 1);
  CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{35, 35});
}

TEST_CASE("completeness: frames before the next start's first number are known to have been made") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, false));
  stream.add(factory.flat_stat(0, 2000));
  factory.flat_stat(2000, 4000);  // made, never arrives
  stream.add(factory.gap(4000, 5000, wire::GapReason::restart));
  stream.add(factory.started(5000, false));
  const Verdict verdict = stream.judged();
  REQUIRE(verdict.missing_samples.size() == 1);
  CHECK(verdict.missing_samples[0].span == Span{2000, 4000});
  REQUIRE(verdict.missing_frames.size() == 1);
  CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{2, 2});
}

TEST_CASE("completeness: a lost event frame is missed, too") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, false));
  factory.event({wire::DeviceNote{"lost", "", 0}});
  stream.add(factory.flat_stat(0, 2000));
  stream.add(factory.stopped(2000));
  const Verdict verdict = stream.judged();
  REQUIRE(verdict.missing_frames.size() == 1);
  CHECK(verdict.missing_frames[0].lane == Lane::event);
  CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{2, 2});
  CHECK(verdict.missing_samples.empty());
}

TEST_CASE("completeness: a restarted counter needs a record that its axis ended") {
  FrameFactory before(device_id, 0xE1, 0xA1);
  Stream stream;
  stream.add(before.started(0, false));
  stream.add(before.flat_stat(0, 2000));
  SUBCASE("an open-ended gap") {
    wire::Gap gap;
    gap.reason = wire::GapReason::device_lost;
    gap.axis = 0xA1;
    gap.sample_id_first = 2000;
    gap.open_ended = true;
    stream.add(before.event({gap}, 2000));
    before.header.axis.life = 0xA2;  // its lanes are those of the last start
    stream.add(before.flat_stat(100, 2000));
    const Verdict verdict = stream.judged();
    CHECK(verdict.complete());
    REQUIRE(verdict.axes.size() == 2);
    CHECK(verdict.axes[0].ended);
    CHECK(verdict.axes[1].asked == Span{100, 2000});
    CHECK_FALSE(verdict.axes[1].ended);
  }
  SUBCASE("an open-ended gap from before the restart that leaves samples out") {
    wire::Gap gap;
    gap.reason = wire::GapReason::restart;
    gap.axis = 0xA1;
    gap.sample_id_first = 2600;
    gap.open_ended = true;
    stream.add(before.event({gap}, 2600));
    CHECK(stream.judged().missing_samples.at(0).span == Span{2000, 2600});
  }
  SUBCASE("an orderly stop") {
    stream.add(before.stopped(2000));
    before.header.axis.life = 0xA2;
    stream.add(before.started(0, false));
    stream.add(before.flat_stat(0, 2000));
    CHECK(stream.judged().complete());
  }
  SUBCASE("nothing") {
    before.header.axis.life = 0xA2;
    stream.add(before.started(0, false));
    stream.add(before.flat_stat(0, 2000));
    const Verdict verdict = stream.judged();
    REQUIRE(verdict.missing_samples.size() == 1);
    CHECK(verdict.missing_samples[0].axis == 0xA1);
    CHECK(verdict.missing_samples[0].span == Span{2000, 2000});
  }
}

TEST_CASE("completeness: a new epoch on the same axis goes on where the last one stopped, or misses what lies between") {
  FrameFactory before(device_id, 0xE1);
  FrameFactory after(device_id, 0xE2);
  Stream stream;
  stream.add(before.started(0, false));
  stream.add(before.flat_stat(0, 2000));
  stream.add(after.started(2600, false));
  stream.add(after.flat_stat(2600, 4000));
  CHECK(stream.judged().missing_samples.at(0).span == Span{2000, 2600});
  stream.add(after.gap(2000, 2600, wire::GapReason::restart));
  CHECK(stream.judged().complete());
}

TEST_CASE("completeness: only what lies in the range asked for counts") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, false));
  stream.add(factory.flat_stat(0, 20000));
  factory.flat_stat(20000, 30000);  // lost
  stream.add(factory.flat_stat(30000, 60000));
  const auto judged = [&](uint64_t from, uint64_t to) { return stream.judged({utc_of(from), utc_of(to)}); };
  CHECK(judged(4000, 20000).complete());
  CHECK(judged(30000, 60000).complete());
  CHECK(judged(4000, 20000).axes.at(0).asked == Span{4000, 20000});
  CHECK(judged(0, 20001).missing_samples.at(0).span == Span{20000, 20001});
  CHECK(judged(0, 20001).missing_frames.size() == 1);
  CHECK(judged(24000, 26000).missing_samples.at(0).span == Span{24000, 26000});
  CHECK(judged(29000, 60000).missing_frames.size() == 1);
  CHECK_FALSE(stream.judged().complete());
  SUBCASE("what has not arrived yet is missing") { CHECK(judged(40000, 70000).missing_samples.at(0).span == Span{60000, 70000}); }
  SUBCASE("after a stop nothing more is to come") {
    stream.add(factory.stopped(60000));
    CHECK(judged(40000, 70000).complete());
  }
  SUBCASE("a range before all that is known is not complete") {
    const Verdict verdict = stream.judged({utc_of(0) - 2 * ns_per_s, utc_of(0) - ns_per_s});
    CHECK_FALSE(verdict.complete());
    CHECK(verdict.axes.empty());
  }
}

TEST_CASE("completeness: a stream whose beginning expired is complete from its first frame on") {
  FrameFactory factory(device_id);
  Stream stream;
  factory.next_seq(Lane::stat) = 900;
  factory.next_seq(Lane::event) = 40;
  stream.add(factory.flat_stat(100'000, 120'000));
  stream.add(factory.gap(120'000, 120'400));
  stream.add(factory.flat_stat(120'400, 140'000));
  CHECK(stream.judged().missing_frames.size() == 2);
  CHECK(stream.judged({utc_of(120'400), {}}).complete());
}

TEST_CASE("completeness: a frame that contradicts itself is damaged and does not cover anything") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0));
  stream.add(factory.flat_wave(0, 1000));
  SUBCASE("windows whose sums are not those of the header") {
    const wire::Bytes good = factory.flat_stat(0, 2000);
    auto frame = std::get<wire::Frame>(wire::read_frame(good));
    frame.header.p_sum += 1;
    stream.add(wire::write_frame(frame.header, frame.payload));
  }
  SUBCASE("a payload that is cut off") {
    const wire::Bytes good = factory.flat_stat(0, 2000);
    const auto frame = std::get<wire::Frame>(wire::read_frame(good));
    stream.add(wire::write_frame(frame.header, frame.payload.first(frame.payload.size() - 1)));
  }
  SUBCASE("a window with more samples than fit, hidden by one with fewer") {
    stream.add(factory.stat(
        std::vector{test::flat_window(0, 1000, 600), test::flat_window(1000, 1000, 0), test::flat_window(1000, 2000, 400)}));
  }
  const Verdict verdict = stream.judged();
  CHECK(verdict.damaged_frames == 1);
  CHECK_FALSE(verdict.complete());
  REQUIRE(verdict.missing_samples.size() >= 1);
  CHECK(verdict.missing_samples[0].lane == Lane::stat);
  CHECK(stream.device().damaged.size() == 1);
}

TEST_CASE("completeness: numbers that no agent would write are survived") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(UINT64_MAX));
  wire::Gap gap;
  gap.axis = 0xA1;
  gap.sample_id_end = UINT64_MAX;
  gap.samples_lost = UINT64_MAX;
  gap.lane = Lane::wave;
  gap.frames = wire::SeqRange{9, UINT64_MAX};
  stream.add(factory.event({gap, gap}, UINT64_MAX));
  factory.header.utc = {UINT64_MAX, INT64_MIN, 1e-300, wire::UtcQuality::host};
  wire::Window window = test::flat_window(UINT64_MAX - 2000, UINT64_MAX - 2, 10);
  window.p_sum = window.i2_sum = join_halves(INT64_MAX, UINT64_MAX);
  stream.add(factory.stat(std::vector{window, test::flat_window(UINT64_MAX - 2, UINT64_MAX, 1)}));
  factory.header.utc = {0, INT64_MAX, 1e300, wire::UtcQuality::host};
  stream.add(factory.flat_stat(0, 10));
  factory.next_seq(Lane::wave) = UINT64_MAX;
  stream.add(factory.flat_wave(UINT64_MAX - 1, 0));
  CHECK_FALSE(stream.judged().complete());
  CHECK_FALSE(stream.judged({INT64_MIN, INT64_MAX}).complete());
  CHECK_FALSE(stream.judged({INT64_MAX, INT64_MIN}).complete());
}

TEST_CASE("completeness: a wave frame with a gap inside is damaged") {
  FrameFactory factory(device_id);
  Stream stream;
  const wire::Bytes good = factory.flat_wave(0, 1000);
  auto frame = std::get<wire::Frame>(wire::read_frame(good));
  frame.header.sample_id_end += 2;
  stream.add(wire::write_frame(frame.header, frame.payload));
  CHECK(stream.judged().damaged_frames == 1);
}

}  // namespace joulespool::reader
