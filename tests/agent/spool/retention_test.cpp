#include "agent/spool/retention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "tests/support/spool_frames.h"

using namespace joulespool;
using spool::FrameInfo;
using spool::FrameState;
using wire::Lane;

namespace {

FrameInfo frame(const std::string& device, Lane lane, uint64_t seq, FrameState state, int64_t utc_ns, uint64_t size = 100) {
  FrameInfo info;
  info.id = {{device, 1, lane}, seq};
  info.state = state;
  info.utc_first_ns = utc_ns;
  info.size_bytes = size;
  return info;
}

std::vector<int64_t> times_of(const std::vector<FrameInfo>& frames) {
  std::vector<int64_t> times;
  times.reserve(frames.size());
  for (const auto& info : frames) times.push_back(info.utc_first_ns);
  return times;
}

}  // namespace

TEST_CASE("retention: nothing leaves while all fits into the budget") {
  const spool::Amount there{10, 1'000'000};
  CHECK(spool::bytes_over_budget(there, 800'000, 100'000, 2'000'000) == 0);
  CHECK(spool::bytes_over_budget(there, 800'000, 1'000'000, 2'000'000) > 800'000);
  CHECK(spool::bytes_over_budget(there, 800'000, 0, 0) >= 1'800'000);
}

TEST_CASE("retention: small frames need more than their bytes") {
  CHECK(spool::disk_bytes_for({0, 0}) == 0);
  CHECK(spool::disk_bytes_for({1000, 1'000'000}) > 1'100'000);
  CHECK(spool::disk_bytes_for({10, 1'000'000}) < 1'050'000);
}

TEST_CASE("retention: sizes follow the budget within bounds") {
  for (const uint64_t budget : {uint64_t{1} << 20, uint64_t{16} << 20, uint64_t{1} << 30, uint64_t{1} << 40}) {
    spool::SpoolOptions options;
    options.budget_bytes = budget;
    const auto sizes = spool::sizes_for(options);
    CHECK(sizes.reserve_bytes >= 256 * 1024);
    CHECK(sizes.reserve_bytes <= 4 * 1024 * 1024);
    CHECK(sizes.segment_bytes >= 256 * 1024);
    CHECK(sizes.segment_bytes <= 16 * 1024 * 1024);
    if (budget >= 16 << 20) CHECK(32 * sizes.segment_bytes <= budget);
    options.segment_bytes = 300'000;
    CHECK(spool::sizes_for(options).segment_bytes == 300'000);
  }
}

TEST_CASE("retention: kept frames leave before those that wait") {
  const std::vector<std::vector<FrameInfo>> queues = {
      {frame("a", Lane::wave, 1, FrameState::queued, 4)},
      {frame("a", Lane::wave, 2, FrameState::kept, 5)},
  };
  CHECK(times_of(spool::choose_victims(queues, 1'000'000)) == std::vector<int64_t>{5, 4});
  CHECK(times_of(spool::choose_victims(queues, 101)) == std::vector<int64_t>{5, 4});
  CHECK(times_of(spool::choose_victims(queues, 100)) == std::vector<int64_t>{5});
  CHECK(spool::choose_victims(queues, 0).empty());
  CHECK(spool::choose_victims({}, 100).empty());
}

TEST_CASE("retention: waveforms go before windows are merged, unless they keep to their share and the windows do not") {
  using Step = spool::FreeingStep;
  const std::array wave_first = {Step::drop_wave, Step::merge_stat, Step::drop_stat};
  const std::array merge_first = {Step::merge_stat, Step::drop_wave, Step::drop_stat};
  CHECK(spool::freeing_steps({100, 50}, {100, 50}) == wave_first);
  CHECK(spool::freeing_steps({10, 50}, {100, 50}) == wave_first);
  CHECK(spool::freeing_steps({10, 50}, {10, 50}) == wave_first);
  CHECK(spool::freeing_steps({100, 50}, {50, 50}) == merge_first);
  CHECK(spool::freeing_steps({100, 0}, {10, 0}) == wave_first);
}

TEST_CASE("retention: each level is to have twice as much room as the next") {
  CHECK(spool::level_to_merge({0, 0, 0, 1000}) == std::nullopt);
  CHECK(spool::level_to_merge({1, 0, 0, 1000}) == 0);
  CHECK(spool::level_to_merge({100, 49, 0, 0}) == 0);
  CHECK(spool::level_to_merge({100, 51, 0, 0}) == 1);
  CHECK(spool::level_to_merge({100, 51, 26, 0}) == 2);
}

TEST_CASE("retention: of several devices the oldest frame leaves, never out of seq order") {
  const std::vector<std::vector<FrameInfo>> queues = {
      {frame("a", Lane::wave, 1, FrameState::kept, 10), frame("a", Lane::wave, 2, FrameState::kept, 30)},
      // The clock of the host stepped back: seq decides within a sequence.
      {frame("b", Lane::wave, 1, FrameState::kept, 20), frame("b", Lane::wave, 2, FrameState::kept, 5)},
  };
  CHECK(times_of(spool::choose_victims(queues, 1000)) == std::vector<int64_t>{10, 20, 5, 30});
}

TEST_CASE("retention: one call names a bounded number of victims") {
  std::vector<std::vector<FrameInfo>> queues(1);
  for (uint64_t seq = 1; seq <= 3 * spool::victims_max; ++seq)
    queues[0].push_back(frame("a", Lane::wave, seq, FrameState::kept, 0));
  CHECK(spool::choose_victims(queues, UINT64_MAX).size() == spool::victims_max);
}

TEST_CASE("retention: the order is that of sorting all frames") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<FrameInfo>> queues;
    std::vector<FrameInfo> all;
    int64_t utc_ns = 0;
    for (const char* device : {"a", "b", "c"})
      for (const FrameState state : {FrameState::queued, FrameState::kept}) {
        auto& queue = queues.emplace_back();
        utc_ns = static_cast<int64_t>(random() % 50) * 1000 + static_cast<int64_t>(queues.size());
        for (uint64_t seq = 1; seq <= random() % 8; ++seq)
          queue.push_back(
              frame(device, Lane::wave, seq, state, utc_ns += static_cast<int64_t>(random() % 50) * 1000, random() % 500));
        all.insert(all.end(), queue.begin(), queue.end());
      }
    std::stable_sort(all.begin(), all.end(), [](const auto& x, const auto& y) {
      const auto rank = [](const FrameInfo& info) { return std::tuple(info.state != FrameState::kept, info.utc_first_ns); };
      return rank(x) < rank(y);
    });
    const uint64_t bytes = random() % 4000;
    const auto victims = spool::choose_victims(queues, bytes);
    uint64_t freed = 0;
    for (size_t i = 0; i < victims.size(); ++i) {
      CHECK(victims[i].id == all[i].id);
      CHECK(freed < bytes);
      freed += victims[i].size_bytes;
    }
    CHECK((freed >= bytes || victims.size() == all.size()));
  }
}
