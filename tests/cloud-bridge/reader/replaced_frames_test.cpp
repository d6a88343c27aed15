// Frames that stand for others (agent/wire/FORMAT.md, section 3): what they replace counts for nothing, whether and whenever it
// came.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

#include "agent/base/clock.h"
#include "cloud-bridge/reader/completeness.h"
#include "tests/support/frame_factory.h"

namespace joulespool::reader {
namespace {

using test::as_record;
using test::FrameFactory;
using wire::Lane;

constexpr const char* device_id = "js220-1";

wire::FrameHeader header_of(const wire::Bytes& frame) { return std::get<wire::Frame>(wire::read_frame(frame)).header; }

// A stream of frames, in the order in which they came.
class Stream {
 public:
  void add(const wire::Bytes& frame) { collector_.add(as_record(frame)); }
  void add(const std::vector<wire::Bytes>& frames) {
    for (const wire::Bytes& frame : frames) add(frame);
  }
  const DeviceCoverage& device() {
    collector_.finish();
    return map_.devices().at(device_id);
  }
  Verdict judged(TimeRange range = {}) { return judge(device(), range); }

 private:
  CoverageMap map_;
  FrameCollector collector_{[this](const CollectedFrame& frame) { map_.add(frame); }};
};

std::string text_of(const IntervalSet& set) {
  std::ostringstream text;
  for (const Span& span : set.intervals()) text << ' ' << span.first << ".." << span.end;
  return text.str();
}

// All that a stream says of its device, but for the frames that do not count.
std::string summary(Stream& stream) {
  const DeviceCoverage& device = stream.device();
  std::ostringstream text;
  for (const Lane lane : wire::lanes) {
    const LaneTotals& totals = device.total(lane);
    text << to_string(lane) << ' ' << totals.frames << ' ' << totals.bytes << ' ' << totals.samples << ' ' << totals.valid << ' '
         << to_decimal(totals.i_sum) << ' ' << to_decimal(totals.p_sum) << '\n';
  }
  for (const AxisCoverage& axis : device.axes) {
    const LaneCoverage& stat = axis.lane(Lane::stat);
    text << "axis " << axis.life << ' ' << axis.first << ' ' << axis.end << " whole" << text_of(stat.whole) << " delivered"
         << text_of(stat.delivered) << " lost" << text_of(stat.lost) << '\n';
  }
  const Verdict verdict = stream.judged();
  text << verdict.damaged_frames << " damaged";
  for (const auto& missing : verdict.missing_samples) text << "; missing " << missing.span.first << ".." << missing.span.end;
  for (const auto& missing : verdict.missing_frames)
    text << "; frames " << missing.epoch << ' ' << missing.seqs.first << ".." << missing.seqs.last;
  for (const auto& found : verdict.contradictions)
    text << "; " << found.what << ' ' << found.span.first << ".." << found.span.end;
  return text.str();
}

wire::Gap evicted(const wire::Bytes& frame, uint64_t epoch_of_record) {
  const wire::FrameHeader header = header_of(frame);
  wire::Gap gap;
  gap.reason = wire::GapReason::evicted;
  gap.axis = header.axis.life;
  gap.sample_id_first = header.sample_id_first;
  gap.sample_id_end = header.sample_id_end;
  gap.samples_lost = header.samples;
  gap.lane = Lane::stat;
  gap.frames = wire::SeqRange{header.seq, header.seq};
  gap.epoch = header.epoch == epoch_of_record ? 0 : header.epoch;
  gap.replaced = header.replaces;
  return gap;
}

int64_t utc_of(uint64_t sample_id) { return FrameFactory(device_id).header.utc.utc_ns_at(sample_id); }

std::vector<wire::Bytes> flat_frames(FrameFactory& factory, uint64_t first, uint64_t end) {
  std::vector<wire::Bytes> frames;
  for (uint64_t at = first; at < end; at += 10000) frames.push_back(factory.flat_stat(at, at + 10000));
  return frames;
}

// A device whose spool was too small for an outage, and what of its frames came.
class RandomHistory {
 public:
  explicit RandomHistory(uint32_t seed) : random_(seed) {
    factory_.header.utc.quality = wire::UtcQuality::host;
    events_.push_back(factory_.started(0, false));
    const unsigned steps = 5 + below(40);
    for (unsigned step = 0; step < steps; ++step) {
      const unsigned choice = below(10);
      if (choice == 0) change_epoch();
      else if (choice == 1) evict();
      else if (choice < 5) merge();
      else measure();
    }
    for (const Made& made : made_)
      if (made.waits || below(3) == 0) came_.push_back(made.frame);  // the others: their ack was lost
  }

  // Everything that came, in any order, some of it twice.
  std::vector<wire::Bytes> stream() {
    std::vector<wire::Bytes> all = events_;
    all.insert(all.end(), came_.begin(), came_.end());
    for (const wire::Bytes& frame : came_)
      if (below(5) == 0) all.push_back(frame);
    std::shuffle(all.begin(), all.end(), random_);
    std::stable_partition(all.begin(), all.end(), [](const wire::Bytes& frame) { return header_of(frame).lane == Lane::event; });
    return all;
  }
  // The same without frames for which another one stands that came.
  std::vector<wire::Bytes> stream_without_replaced() const {
    std::vector<wire::Bytes> all = events_;
    for (const wire::Bytes& frame : came_)
      if (std::none_of(came_.begin(), came_.end(), [&](const wire::Bytes& other) { return stands_for(other, frame); }))
        all.push_back(frame);
    return all;
  }
  // Sums of the frames as they were measured, of which themselves or a frame that holds their samples came.
  [[nodiscard]] LaneTotals truth() const {
    LaneTotals totals;
    for (const Made& made : made_) {
      if (!made.measured) continue;
      const wire::FrameHeader header = header_of(made.frame);
      const bool came = std::any_of(came_.begin(), came_.end(), [&](const wire::Bytes& other) {
        const wire::FrameHeader holder = header_of(other);
        return holder.sample_id_first <= header.sample_id_first && header.sample_id_end <= holder.sample_id_end;
      });
      if (!came) continue;
      totals.samples += header.samples;
      totals.valid += header.valid;
      totals.i_sum += header.i_sum;
      totals.p_sum += header.p_sum;
    }
    return totals;
  }
  [[nodiscard]] size_t ignored() const { return events_.size() + came_.size() - stream_without_replaced().size(); }

 private:
  struct Made {
    wire::Bytes frame;
    bool measured;
    bool waits;
  };

  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

  static bool stands_for(const wire::Bytes& frame, const wire::Bytes& other) {
    const wire::FrameHeader header = header_of(other);
    const auto replaces = header_of(frame).replaces;
    return std::any_of(replaces.begin(), replaces.end(), [&](const wire::ReplacedFrames& frames) {
      return frames.epoch == header.epoch && frames.seqs.first <= header.seq && header.seq <= frames.seqs.last;
    });
  }

  // Windows of 2000 ticks, sometimes after a gap that begins or ends within one.
  void measure() {
    if (below(4) == 0) {
      const uint64_t lost = 2 * (1 + below(3000));
      events_.push_back(factory_.gap(next_, next_ + lost));
      next_ += lost;
    }
    std::vector<wire::Window> windows;
    for (unsigned count = 1 + below(8); count > 0; --count) {
      const uint64_t end = (next_ / 2000 + 1) * 2000;
      std::vector<float> i((end - next_) / 2), v(i.size(), 3.3F);
      for (float& value : i) value = below(50) == 0 ? NAN : static_cast<float>(below(1000)) * 1.1e-3F - 0.2F;
      windows.push_back(test::window_of(next_, 2, i, v));
      next_ = end;
    }
    made_.push_back({factory_.stat(windows), true, true});
  }

  // A run of frames that wait, of any epochs and levels, in the order of their samples.
  void merge() {
    std::vector<size_t> waiting;
    for (size_t at = 0; at < made_.size(); ++at)
      if (made_[at].waits) waiting.push_back(at);
    if (waiting.size() < 2) return;
    std::sort(waiting.begin(), waiting.end(), [&](size_t a, size_t b) {
      return header_of(made_[a].frame).sample_id_first < header_of(made_[b].frame).sample_id_first;
    });
    const unsigned first = below(static_cast<unsigned>(waiting.size()) - 1);
    const unsigned end = first + 2 + below(static_cast<unsigned>(waiting.size()) - first - 1);
    std::vector<wire::Bytes> frames;
    for (unsigned at = first; at < end; ++at) {
      frames.push_back(made_[waiting[at]].frame);
      made_[waiting[at]].waits = false;
    }
    const uint64_t ticks = below(2) == 0 ? 20000 : 200000;
    made_.push_back({factory_.merged(frames, ticks), false, true});
  }

  // The oldest that waits, so that no other stands on both sides of it.
  void evict() {
    Made* oldest = nullptr;
    for (Made& made : made_) {
      if (!made.waits) continue;
      if (oldest == nullptr || header_of(made.frame).sample_id_first < header_of(oldest->frame).sample_id_first) oldest = &made;
    }
    if (oldest == nullptr) return;
    events_.push_back(factory_.event({evicted(oldest->frame, factory_.header.epoch)}, next_));
    oldest->waits = false;
  }

  void change_epoch() {
    factory_ = FrameFactory(device_id, factory_.header.epoch + 1);
    events_.push_back(factory_.started(next_, false));
  }

  std::mt19937 random_;
  FrameFactory factory_{device_id};
  uint64_t next_ = 0;
  std::vector<wire::Bytes> events_;
  std::vector<Made> made_;
  std::vector<wire::Bytes> came_;
};

}  // namespace

TEST_CASE("replaced frames: a merged frame explains those that do not come, and windows may be long") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, false));
  const auto old = flat_frames(factory, 0, 100'000);
  const wire::Bytes merged = factory.merged(old, 20'000);
  stream.add(factory.flat_stat(100'000, 110'000));
  CHECK(stream.judged().missing_frames.size() == 1);
  stream.add(merged);
  stream.add(factory.stopped(110'000));
  CHECK(stream.judged().complete());
  CHECK(stream.device().total(Lane::stat).frames == 2);
  CHECK(stream.device().total(Lane::stat).samples == 55'000);
  CHECK(stream.device().total(Lane::stat).p_sum == int128{55'000} * (int128{2} << 31));
  CHECK(stream.device().replaced_frames == 0);
}

TEST_CASE("replaced frames: those that came before the merged one, or come after it, are as if they had never come") {
  FrameFactory factory(device_id);
  const wire::Bytes started = factory.started(0, false);
  const auto old = flat_frames(factory, 0, 100'000);
  const wire::Bytes merged = factory.merged(old, 200'000);
  const wire::Bytes next = factory.flat_stat(100'000, 110'000);
  Stream without;
  without.add({started, merged, next});
  Stream stream;
  SUBCASE("before") { stream.add({started, old[0], old[1], old[2], next, merged}); }
  SUBCASE("after") { stream.add({started, merged, next, old[2], old[1], old[0]}); }
  SUBCASE("on both sides, after an answer was given") {
    stream.add({started, old[7], next});
    CHECK(stream.device().total(Lane::stat).samples == 10'000);
    stream.add({merged, old[0]});
    CHECK(stream.device().total(Lane::stat).samples == 55'000);
    stream.add(old[1]);
  }
  CHECK(summary(stream) == summary(without));
  CHECK(stream.judged().complete());
  CHECK(stream.device().replaced_frames == 3);
  CHECK(stream.device().total(Lane::stat).samples == 55'000);
}

TEST_CASE("replaced frames: a damaged one, and one that lies over others, is forgotten with the rest of it") {
  FrameFactory factory(device_id);
  const wire::Bytes started = factory.started(0, false);
  const auto old = flat_frames(factory, 0, 20'000);
  const wire::Bytes merged = factory.merged(old, 20'000);
  auto damaged = std::get<wire::Frame>(wire::read_frame(old[0]));
  damaged.header.p_sum += 1;
  Stream stream;
  stream.add({started, wire::write_frame(damaged.header, damaged.payload), old[1]});
  CHECK(stream.device().damaged_frames == 1);
  stream.add(merged);
  CHECK(stream.device().damaged_frames == 0);
  CHECK(stream.judged().complete());
}

TEST_CASE("replaced frames: a merged frame that another one replaces does not count either") {
  FrameFactory factory(device_id);
  const wire::Bytes started = factory.started(0, false);
  const auto old = flat_frames(factory, 0, 40'000);
  const wire::Bytes once = factory.merged(std::span(old).first(2), 20'000);
  const std::vector<wire::Bytes> waiting = {once, old[2], old[3]};
  const wire::Bytes twice = factory.merged(waiting, 200'000);
  Stream without;
  without.add({started, twice});
  Stream stream;
  SUBCASE("in order") { stream.add({started, old[0], once, old[3], twice}); }
  SUBCASE("the other way round") { stream.add({started, twice, old[3], once, old[0]}); }
  CHECK(summary(stream) == summary(without));
  CHECK(stream.judged().complete());
  CHECK(stream.device().replaced_frames == 3);
  CHECK(stream.device().total(Lane::stat).samples == 20'000);
}

TEST_CASE("replaced frames: of another epoch they are explained, too, up to the first that nobody names") {
  FrameFactory before(device_id, 0xE1);
  Stream stream;
  stream.add(before.started(0, false));
  const wire::Bytes first = before.flat_stat(0, 10'000);
  const auto old = flat_frames(before, 10'000, 40'000);
  FrameFactory after(device_id, 0xE2);
  stream.add(after.started(40'000, false));
  std::vector<wire::Bytes> waiting = old;
  waiting.push_back(after.flat_stat(40'000, 50'000));
  stream.add({old[1], after.merged(waiting, 20'000)});
  const Verdict verdict = stream.judged();
  REQUIRE(verdict.missing_frames.size() == 1);
  CHECK(verdict.missing_frames[0].epoch == 0xE1);
  CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{1, 1});
  CHECK(verdict.missing_samples.size() == 1);
  stream.add(first);
  CHECK(stream.judged().complete());
  CHECK(stream.device().total(Lane::stat).samples == 25'000);
}

TEST_CASE("replaced frames: a merged frame that was evicted takes the numbers it stood for with it") {
  FrameFactory before(device_id, 0xE1);
  Stream stream;
  stream.add(before.started(0, false));
  std::vector<wire::Bytes> waiting = flat_frames(before, 0, 30'000);
  FrameFactory after(device_id, 0xE2);
  stream.add(after.started(30'000, false));
  waiting.push_back(after.flat_stat(30'000, 40'000));
  const wire::Bytes merged = after.merged(waiting, 20'000);
  stream.add(after.flat_stat(40'000, 50'000));
  SUBCASE("recorded in the same epoch") { stream.add(after.event({evicted(merged, 0xE2)}, 50'000)); }
  SUBCASE("recorded in a later one") {
    FrameFactory later(device_id, 0xE3);
    stream.add(later.event({evicted(merged, 0xE3)}, 50'000));
  }
  SUBCASE("a replaced frame that came is no contradiction, and counts") {
    stream.add({after.event({evicted(merged, 0xE2)}, 50'000), waiting[0]});
    CHECK(stream.device().total(Lane::stat).samples == 10'000);
  }
  CHECK(stream.judged().complete());
}

TEST_CASE("replaced frames: the numbers of a gap record are of its own epoch unless it says another") {
  FrameFactory before(device_id, 0xE1);
  Stream stream;
  stream.add({before.started(0, false), before.flat_stat(0, 10'000)});
  const wire::Bytes lost = before.flat_stat(10'000, 20'000);
  stream.add(before.flat_stat(20'000, 30'000));
  FrameFactory after(device_id, 0xE2);
  wire::Gap gap = evicted(lost, 0xE2);
  SUBCASE("said") { stream.add(after.event({gap}, 30'000)); }
  SUBCASE("not said") {
    gap.epoch = 0;
    stream.add(after.event({gap}, 30'000));
    CHECK(stream.judged().missing_frames.at(0).epoch == 0xE1);
    CHECK(stream.judged().missing_frames.at(0).seqs == wire::SeqRange{2, 2});
    return;
  }
  CHECK(stream.judged().complete());
}

TEST_CASE("replaced frames: a window that was merged over a gap lacks what the record says, of all lanes or of its own") {
  FrameFactory factory(device_id);
  Stream stream;
  stream.add(factory.started(0, false));
  const std::vector<wire::Bytes> old = {factory.flat_stat(0, 10'000), factory.flat_stat(12'000, 20'000)};
  stream.add(factory.merged(old, 20'000));
  CHECK(stream.judged().missing_samples.at(0).samples == 1000);
  SUBCASE("all lanes") { stream.add(factory.gap(10'000, 12'000)); }
  SUBCASE("its own lane") {
    wire::Gap gap = evicted(old[0], 0xE1);
    gap.sample_id_first = 10'000;
    gap.sample_id_end = 12'000;
    gap.frames.reset();
    stream.add(factory.event({gap}, 20'000));
  }
  CHECK(stream.judged().complete());
}

TEST_CASE("replaced frames: within a range, a hole is judged by where merged samples lie, not by the merged frame's number") {
  FrameFactory factory(device_id);
  Stream stream;
  factory.next_seq(Lane::stat) = 900;  // what came before has expired
  const auto old = flat_frames(factory, 0, 50'000);
  factory.next_seq(Lane::stat) = 906;  // 905 was lost
  const wire::Bytes later = factory.flat_stat(60'000, 70'000);
  stream.add({factory.merged(old, 20'000), later, factory.flat_stat(70'000, 80'000)});
  CHECK(stream.judged({utc_of(10'000), utc_of(40'000)}).complete());
  CHECK(stream.judged({utc_of(70'000), {}}).complete());
  const Verdict verdict = stream.judged({utc_of(10'000), utc_of(80'000)});
  REQUIRE(verdict.missing_frames.size() == 1);
  CHECK(verdict.missing_frames[0].seqs == wire::SeqRange{905, 905});
}

TEST_CASE("replaced frames: over random histories sums and coverage are exact, whatever came in whatever order") {
  size_t ignored = 0;
  for (uint32_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    RandomHistory history(seed);
    Stream stream, without;
    stream.add(history.stream());
    without.add(history.stream_without_replaced());
    REQUIRE(summary(stream) == summary(without));
    REQUIRE_MESSAGE(stream.judged().complete(), summary(stream));
    const LaneTotals truth = history.truth();
    const LaneTotals& totals = stream.device().total(Lane::stat);
    REQUIRE(totals.samples == truth.samples);
    REQUIRE(totals.valid == truth.valid);
    REQUIRE(totals.i_sum == truth.i_sum);
    REQUIRE(totals.p_sum == truth.p_sum);
    REQUIRE(stream.device().replaced_frames == history.ignored());
    ignored += history.ignored();
  }
  CHECK(ignored > 300);  // else nothing was tested
}

}  // namespace joulespool::reader
