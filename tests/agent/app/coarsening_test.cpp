#include "agent/app/coarsening.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "agent/base/interval_set.h"
#include "agent/codec/codec.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool;
using app::CoarseFrame;
using app::Coarsening;
using app::StatFrame;
using wire::Window;

constexpr uint32_t decimation = 2;
constexpr uint64_t window_ticks = 2000;
constexpr int64_t utc_ns = 1'760'000'000'000'000'000;

Window window_at(std::mt19937_64& random, uint64_t first, uint64_t end) {
  Window window;
  window.sample_id_first = first;
  window.sample_id_end = end;
  window.count = (end - first) / decimation - (random() % 4 == 0 ? random() % ((end - first) / decimation) : 0);
  window.valid = random() % 8 == 0 ? random() % (window.count + 1) : window.count;
  const auto any = [&] { return static_cast<int128>(static_cast<int64_t>(random())) << (random() % 20); };
  window.i_sum = any();
  window.v_sum = any();
  window.p_sum = any();
  window.i2_sum = any();
  window.v2_sum = any();
  const auto number = [&] { return static_cast<float>(static_cast<int64_t>(random() % 2'000'001) - 1'000'000) * 1e-6F; };
  for (const auto& [low, high] : {std::pair(&window.i_min, &window.i_max), std::pair(&window.v_min, &window.v_max),
                                  std::pair(&window.p_min, &window.p_max)}) {
    *low = number();
    *high = *low + 1;
  }
  return window;
}

// All windows of an axis and its labels together: what must not change, whatever is merged.
struct Whole {
  Window all;
  IntervalSet covered;  // by windows
};
using Wholes = std::map<std::pair<uint64_t, std::string>, Whole>;

void add(const StatFrame& frame, Wholes& to) {
  std::string labels;
  for (const wire::Label& label : frame.header.labels) labels += label.key + "=" + label.value + ",";
  Whole& whole = to[{frame.header.axis.life, labels}];
  for (const Window& window : frame.windows) {
    whole.all.merge(window);
    CHECK(whole.covered.insert(window.sample_id_first, window.sample_id_end) == 0);  // no tick twice
  }
}

wire::FrameHeader some_header() {
  wire::FrameHeader header;
  header.host = "lab-7";
  header.device = {"js220-000001", "js220", "000001"};
  header.lane = wire::Lane::stat;
  header.epoch = 0xE1;
  header.seq = 1;
  header.codec = codec::codec_2;
  header.axis = {0xA1, 2'000'000, decimation};
  header.utc = {0, utc_ns, 2e6, wire::UtcQuality::host};
  header.labels = {{"run", "1"}};
  return header;
}

StatFrame frame_of(wire::FrameHeader header, std::vector<Window> windows) {
  Window all;
  for (const Window& window : windows) all.merge(window);
  header.sample_id_first = windows.front().sample_id_first;
  header.sample_id_end = windows.back().sample_id_end;
  header.samples = all.count;
  header.valid = all.valid;
  header.i_sum = all.i_sum;
  header.p_sum = all.p_sum;
  return {header, std::move(windows)};
}

wire::Bytes bytes_of(const StatFrame& frame) {
  codec::WindowEncoder encoder;
  return wire::write_frame(frame.header, encoder.encode(frame.windows, frame.header.sample_id_first));
}

StatFrame reopened(const wire::Bytes& bytes) {
  auto opened = app::open_stat_frame(bytes);
  REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().message));
  return std::move(*opened);
}

// As it is when somebody has stored it.
StatFrame stored(const CoarseFrame& coarse) {
  wire::FrameHeader header = coarse.header;
  header.epoch = 0xE3;
  header.seq = 1;
  return reopened(wire::write_frame(header, coarse.payload));
}

// Full windows, without a gap.
StatFrame full_frame(std::mt19937_64& random, const wire::FrameHeader& header, uint64_t first_window, size_t count,
                     uint64_t ticks = window_ticks) {
  std::vector<Window> windows;
  for (uint64_t at = first_window; at < first_window + count; ++at)
    windows.push_back(window_at(random, at * ticks, (at + 1) * ticks));
  return frame_of(header, std::move(windows));
}

// Level 0 of a device that has seen a lot: gaps in windows, over windows and between frames, new labels, new axes, restarts in
// the middle of a window, two epochs.
class Life {
 public:
  explicit Life(uint64_t seed) : random_(seed) {}

  std::vector<StatFrame> frames(size_t count) {
    std::vector<StatFrame> made;
    for (size_t at = 0; at < count; ++at) {
      change();
      made.push_back(frame());
      ++header_.seq;
    }
    return made;
  }
  // Between frames, per axis: some other frame may have these samples.
  std::map<uint64_t, IntervalSet> foreign;

 private:
  void change() {
    const auto what = random_() % 40;
    const uint64_t before = tick_;
    if (what == 0) header_.labels = {{"run", std::to_string(random_() % 3)}};
    if (what == 1) {
      ++header_.axis.life;
      tick_ = random_() % 10'000 * decimation;
      return;
    }
    if (what == 2) tick_ += 2 * (1 + random_() % 20'000);
    if (what == 3) header_.epoch = 0xE2;
    if (what == 4) header_.utc.utc_ns += static_cast<int64_t>(random_() % 3'000'000);
    if (tick_ > before) foreign[header_.axis.life].insert(before, tick_);
  }
  StatFrame frame() {
    std::vector<Window> windows;
    const size_t count = 1 + random_() % 120;
    while (windows.size() < count) {
      if (random_() % 30 == 0 && !windows.empty()) tick_ += 2 * (random_() % 9'000);  // a gap of all lanes
      uint64_t end = (tick_ / window_ticks + 1) * window_ticks;
      if (random_() % 50 == 0 && end - tick_ > 4) end -= 2 * (random_() % ((end - tick_) / 2 - 1));
      windows.push_back(window_at(random_, tick_, end));
      tick_ = end;
      // The window was cut short by a gap: the next one is in another cell.
      if (tick_ % window_ticks != 0 && windows.size() < count) tick_ = (tick_ / window_ticks + 1) * window_ticks;
    }
    return frame_of(header_, std::move(windows));
  }

  std::mt19937_64 random_;
  wire::FrameHeader header_ = some_header();
  uint64_t tick_ = 5'000;
};

// As the agent stores them: in the present epoch, with the next numbers.
std::vector<StatFrame> merged(const std::vector<StatFrame>& frames, size_t frame_bytes_max, uint64_t& seq) {
  Coarsening coarsening({frame_bytes_max, 1000});
  std::vector<StatFrame> made;
  for (const StatFrame& frame : frames) REQUIRE(coarsening.add(frame));
  for (CoarseFrame& coarse : coarsening.finish()) {
    coarse.header.epoch = 0xE3;
    coarse.header.seq = seq++;
    const wire::Bytes bytes = wire::write_frame(coarse.header, coarse.payload);
    CHECK(bytes.size() <= frame_bytes_max);
    made.push_back(reopened(bytes));
  }
  return made;
}

using Names = std::set<std::pair<uint64_t, uint64_t>>;

// The names of all that these frames stand for; each once.
Names replaced(const std::vector<StatFrame>& frames) {
  Names names;
  for (const StatFrame& frame : frames) {
    CHECK(frame.header.replaces.size() <= wire::replaced_max);
    for (const auto& [epoch, seqs] : frame.header.replaces)
      for (uint64_t seq = seqs.first; seq <= seqs.last; ++seq) CHECK(names.emplace(epoch, seq).second);
  }
  return names;
}

void check_same(const Wholes& before, const Wholes& after, const std::map<uint64_t, IntervalSet>& foreign) {
  REQUIRE(before.size() == after.size());
  for (const auto& [name, whole] : before) {
    REQUIRE(after.contains(name));
    const Whole& now = after.at(name);
    CHECK((now.all == whole.all));
    for (const auto& run : whole.covered.intervals()) CHECK(now.covered.contains(run.first, run.end));
    if (!foreign.contains(name.first)) continue;
    for (const auto& hole : foreign.at(name.first).intervals())  // what others may have is not claimed
      CHECK(now.covered.missing(hole.first, hole.end) == std::vector{hole});
  }
}

}  // namespace

TEST_CASE("coarsening: over three levels sums, counts, extremes and coverage stay, frames stay small, and all are named once") {
  const uint64_t first = test::first_seed();
  for (uint64_t seed = first; seed < first + test::seeds(20); ++seed) {
    CAPTURE(seed);
    Life life(seed);
    std::vector<StatFrame> frames = life.frames(200);
    Wholes before;
    Names names;
    for (const StatFrame& frame : frames) add(frame, before);
    uint64_t seq = 1, ticks = window_ticks;
    for (int level = 1; level <= 3; ++level) {
      CAPTURE(level);
      for (const StatFrame& frame : frames) names.emplace(frame.header.epoch, frame.header.seq);
      const size_t frames_before = frames.size();
      frames = merged(frames, 16 * 1024, seq);
      ticks *= 10;
      CHECK(frames.size() <= frames_before);
      if (level == 1) CHECK(frames.size() < frames_before);
      Wholes after;
      for (const StatFrame& frame : frames) {
        add(frame, after);
        CHECK(frame.header.kept == wire::Resolution{0, ticks, 0, false});
        for (const Window& window : frame.windows)
          CHECK(window.sample_id_first / ticks == (window.sample_id_end - decimation) / ticks);
      }
      check_same(before, after, life.foreign);
      CHECK(replaced(frames) == names);
    }
  }
}

TEST_CASE("coarsening: frames that follow each other become few, nearly filled ones, whose windows are ten times as long") {
  std::mt19937_64 random(7);
  Coarsening coarsening({16 * 1024, 1000});
  wire::FrameHeader header = some_header();
  for (; header.seq <= 400; ++header.seq) REQUIRE(coarsening.add(full_frame(random, header, (header.seq - 1) * 250, 250)));
  const auto frames = coarsening.finish();
  REQUIRE(frames.size() > 3);
  uint64_t windows = 0, next = 1;
  for (size_t at = 0; at < frames.size(); ++at) {
    const StatFrame frame = stored(frames[at]);
    windows += frame.windows.size();
    REQUIRE(frame.header.replaces.size() == 1);
    CHECK(frame.header.replaces[0].seqs.first == next);
    next = frame.header.replaces[0].seqs.last + 1;
    if (at + 1 < frames.size()) CHECK(frames[at].payload.size() > 11 * 1024);
  }
  CHECK(next == 401);
  CHECK(windows == 10'000);
  CHECK(coarsening.finish().empty());
}

TEST_CASE("coarsening: another label, axis, clock or a hole between frames begins a frame, and cuts the window there in two") {
  std::mt19937_64 random(8);
  const auto frames_of = [&](auto change, uint64_t second_window = 5) {
    Coarsening coarsening({16 * 1024, 1000});
    wire::FrameHeader header = some_header();
    REQUIRE(coarsening.add(full_frame(random, header, 0, 5)));
    ++header.seq;
    change(header);
    REQUIRE(coarsening.add(full_frame(random, header, second_window, 5)));
    return coarsening.finish();
  };
  const auto same = frames_of([](wire::FrameHeader&) {});
  REQUIRE(same.size() == 1);
  CHECK(stored(same[0]).windows.size() == 1);
  CHECK(frames_of([](wire::FrameHeader& header) { header.utc.utc_ns += 900'000; }).size() == 1);

  using Header = wire::FrameHeader;
  CHECK(frames_of([](Header& header) { header.labels.push_back({"board", "b"}); }).size() == 2);
  CHECK(frames_of([](Header& header) { ++header.axis.life; }).size() == 2);
  CHECK(frames_of([](Header& header) { header.host = "lab-8"; }).size() == 2);
  CHECK(frames_of([](Header& header) { header.device.serial = "2"; }).size() == 2);
  CHECK(frames_of([](Header& header) { header.utc.utc_ns += 1'100'000; }).size() == 2);
  CHECK(frames_of([](Header& header) { header.utc.utc_ns -= 1'100'000; }).size() == 2);
  CHECK(frames_of([](Header& header) { header.utc.quality = wire::UtcQuality::instrument; }).size() == 2);
  CHECK(frames_of([](Header&) {}, 6).size() == 2);
  CHECK(frames_of([](Header&) {}, 0).size() == 2);  // not in order
  const auto labelled = frames_of([](Header& header) { header.labels = {}; });
  for (const CoarseFrame& frame : labelled) {
    CHECK(frame.header.sample_id_end - frame.header.sample_id_first == 5 * window_ticks);
    CHECK(stored(frame).windows.size() == 1);
  }
}

TEST_CASE("coarsening: windows of an earlier setting are merged on their own grid, those of no grid not at all") {
  std::mt19937_64 random(9);
  Coarsening coarsening({16 * 1024, 1000});
  wire::FrameHeader header = some_header();
  REQUIRE(coarsening.add(full_frame(random, header, 0, 20)));
  ++header.seq;
  REQUIRE(coarsening.add(full_frame(random, header, 20 * window_ticks / 700, 50, 700)));  // no multiple of the others
  ++header.seq;
  const uint64_t odd = (20 * window_ticks / 700 + 50) * 700 + 100;
  CHECK_FALSE(coarsening.add(frame_of(header, {window_at(random, odd, odd + 900), window_at(random, odd + 900, odd + 1700),
                                               window_at(random, odd + 1700, odd + 2450)})));
  StatFrame foreign = full_frame(random, header, 100, 5);
  foreign.header.kept = wire::Resolution{0, 3000, 0, false};  // it does not have such windows
  CHECK_FALSE(coarsening.add(foreign));
  foreign.header.kept->window_ticks = UINT64_MAX / 2;
  CHECK_FALSE(coarsening.add(foreign));
  const auto frames = coarsening.finish();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].header.kept->window_ticks == 10 * window_ticks);
  CHECK(frames[1].header.kept->window_ticks == 7000);
}

TEST_CASE("coarsening: a frame that stands for frames of many runs is cut before it names too many") {
  std::mt19937_64 random(10);
  Coarsening coarsening({120 * 1024, 1000});
  wire::FrameHeader header = some_header();
  for (uint64_t at = 0; at < 1000; ++at) {
    header.seq = 1 + 2 * at;  // every other one has arrived
    header.utc = {at * window_ticks, utc_ns, 2e6, wire::UtcQuality::unknown};
    REQUIRE(coarsening.add(full_frame(random, header, at, 1)));
  }
  size_t named = 0;
  for (const CoarseFrame& frame : coarsening.finish()) {
    CHECK(frame.header.replaces.size() <= wire::replaced_max);
    named += frame.header.replaces.size();
    stored(frame);
  }
  CHECK(named == 1000);
}

TEST_CASE("coarsening: what is no frame of windows, or contradicts itself, is not opened") {
  std::mt19937_64 random(11);
  const StatFrame good = full_frame(random, some_header(), 3, 4);
  CHECK(app::open_stat_frame(bytes_of(good)).ok());
  const auto refused = [&](auto change) {
    StatFrame frame = good;
    change(frame);
    const auto opened = app::open_stat_frame(bytes_of(frame));
    return opened.ok() ? Errc::internal : opened.error().code;
  };
  CHECK(refused([](StatFrame& frame) { ++frame.header.samples; }) == Errc::damaged);
  CHECK(refused([](StatFrame& frame) { frame.header.p_sum += 1; }) == Errc::damaged);
  CHECK(refused([](StatFrame& frame) { frame.header.sample_id_end -= 2; }) == Errc::damaged);
  CHECK(refused([](StatFrame& frame) { std::swap(frame.windows[0], frame.windows[1]); }) == Errc::damaged);
  CHECK(refused([](StatFrame& frame) { frame.windows[0].sample_id_end += 2; }) == Errc::damaged);  // overlaps
  CHECK(refused([](StatFrame& frame) { frame.header.lane = wire::Lane::wave; }) == Errc::damaged);
  CHECK(refused([](StatFrame& frame) { frame.header.codec = 77; }) == Errc::usage);
  wire::Bytes torn = bytes_of(good);
  torn[torn.size() / 2] ^= std::byte{1};
  CHECK(app::open_stat_frame(torn).error().code == Errc::damaged);
  const wire::Bytes no_payload = wire::write_frame(good.header, {});
  CHECK(app::open_stat_frame(no_payload).error().code == Errc::damaged);
}

TEST_CASE("coarsening: names of replaced frames are sorted, and joined where they follow each other") {
  using R = wire::ReplacedFrames;
  CHECK(app::joined({R{2, {5, 6}}, R{1, {9, 9}}, R{2, {1, 4}}, R{1, {3, 3}}, R{2, {8, 9}}, R{2, {2, 3}}}) ==
        std::vector<R>{R{1, {3, 3}}, R{1, {9, 9}}, R{2, {1, 6}}, R{2, {8, 9}}});
  CHECK(app::joined({}).empty());
}
