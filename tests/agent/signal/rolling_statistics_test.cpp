#include "agent/signal/rolling_statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <random>

#include "tests/support/allocation_count.h"
#include "tests/support/test_seed.h"

namespace {

using namespace joulespool;
using signal::Quantity;
using signal::RollingStatistics;
using wire::Window;

constexpr std::array quantities = {Quantity::current, Quantity::voltage, Quantity::power};

int128 sum_of(const Window& window, Quantity quantity) {
  return quantity == Quantity::current ? window.i_sum : quantity == Quantity::voltage ? window.v_sum : window.p_sum;
}

class WindowMaker {
 public:
  explicit WindowMaker(uint64_t seed) : random_(seed) {}
  uint64_t below(uint64_t end) { return random_() % end; }

  // Few different values, so that there are ties; sometimes nothing valid, sometimes nothing at all.
  Window next() {
    Window window;
    window.sample_id_first = at_ + below(3);
    window.sample_id_end = at_ += 1000;
    window.count = below(30) == 0 ? 0 : 1 + below(1000);
    window.valid = below(10) == 0 ? 0 : window.count - below(2) * below(window.count + 1);
    if (window.valid == 0) return window;
    window.i_sum = number();
    window.v_sum = number();
    window.p_sum = number();
    window.i2_sum = number();
    window.v2_sum = number();
    for (auto [min, max] :
         {std::pair{&window.i_min, &window.i_max}, {&window.v_min, &window.v_max}, {&window.p_min, &window.p_max}}) {
      *min = value();
      *max = value();
    }
    return window;
  }

 private:
  int128 number() { return below(2) == 0 ? static_cast<int128>(below(7)) - 3 : static_cast<int128>(random_()) << below(20); }
  float value() {
    const uint64_t kind = below(6);
    return kind == 0 ? 0.0F : kind == 1 ? -0.0F : static_cast<float>(below(9)) - 4.0F;
  }
  std::mt19937_64 random_;
  uint64_t at_ = 0;
};

// The definition, anew for each call.
std::vector<double> sorted_means(const std::deque<Window>& windows, Quantity quantity) {
  std::vector<double> means;
  for (const Window& window : windows)
    if (window.valid > 0)
      means.push_back(static_cast<double>(sum_of(window, quantity)) / static_cast<double>(window.valid) / 0x1p31);
  std::sort(means.begin(), means.end());
  return means;
}

double quantile_of(const std::vector<double>& sorted, double q) {
  const double h = static_cast<double>(sorted.size() - 1) * q;
  const auto low = static_cast<size_t>(std::floor(h));
  const auto high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (h - std::floor(h)) * (sorted[high] - sorted[low]);
}

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

void check_total(const Window& total, const std::deque<Window>& windows) {
  Window merged;
  for (const Window& window : windows) merged.merge(window);
  REQUIRE(total == merged);
  REQUIRE(same_bits(total.i_min, merged.i_min));
  REQUIRE(same_bits(total.i_max, merged.i_max));
  REQUIRE(same_bits(total.v_min, merged.v_min));
  REQUIRE(same_bits(total.v_max, merged.v_max));
  REQUIRE(same_bits(total.p_min, merged.p_min));
  REQUIRE(same_bits(total.p_max, merged.p_max));
}

void check_means(const RollingStatistics& rolling, const std::deque<Window>& windows, double q) {
  for (const Quantity quantity : quantities) {
    const std::vector<double> means = sorted_means(windows, quantity);
    REQUIRE(rolling.median(quantity).has_value() == !means.empty());
    REQUIRE(rolling.mean(quantity).has_value() == !means.empty());
    if (means.empty()) continue;
    REQUIRE(*rolling.quantile(quantity, 0) == means.front());
    REQUIRE(*rolling.quantile(quantity, 1) == means.back());
    REQUIRE(*rolling.quantile(quantity, q) == quantile_of(means, q));  // scaling by 2^-31 rounds nothing
    REQUIRE(*rolling.median(quantity) == quantile_of(means, 0.5));
  }
}

Window window_of(int64_t i, int64_t v, uint64_t valid) {
  Window window;
  window.sample_id_end = window.count = window.valid = valid;
  window.i_sum = static_cast<int128>(i) * static_cast<int64_t>(valid);
  window.v_sum = static_cast<int128>(v) * static_cast<int64_t>(valid);
  window.p_sum = window.i_sum * 2;
  window.i2_sum = window.i_sum * i;
  window.v2_sum = window.v_sum * v;
  return window;
}

}  // namespace

TEST_CASE("rolling statistics: after every step they are those of the windows held, computed anew") {
  const uint64_t first = test::first_seed();
  const uint64_t seeds = test::seeds(12);
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    CAPTURE(seed);  // JOULESPOOL_TEST_SEED=<seed> repeats it
    WindowMaker maker(seed);
    const auto capacity = static_cast<uint32_t>(1 + maker.below(seed % 2 == 0 ? 6 : 90));
    RollingStatistics rolling(capacity);
    std::deque<Window> held;
    for (int step = 0; step < 600; ++step) {
      const Window window = maker.next();
      rolling.add(window);
      if (window.count > 0) held.push_back(window);
      if (held.size() > capacity) held.pop_front();
      REQUIRE(rolling.size() == held.size());
      check_total(rolling.total(), held);
      check_means(rolling, held, static_cast<double>(maker.below(1001)) / 1000);
      if (maker.below(300) == 0) {
        rolling.clear();
        held.clear();
      }
    }
  }
  MESSAGE("seeds " << first << ".." << first + seeds - 1 << ", 600 steps each");
}

TEST_CASE("rolling statistics: nothing is known before the first valid sample") {
  RollingStatistics rolling(4);
  CHECK(rolling.size() == 0);
  CHECK(!rolling.mean(Quantity::current));
  CHECK(!rolling.median(Quantity::power));
  Window missing;
  missing.count = 10;
  rolling.add(missing);
  CHECK(rolling.size() == 1);
  CHECK(!rolling.rms(Quantity::voltage));
  CHECK(!rolling.median(Quantity::voltage));
  rolling.add(window_of(1 << 30, 1 << 30, 7));
  CHECK(*rolling.median(Quantity::voltage) == 0.5);
  CHECK(!rolling.quantile(Quantity::voltage, -0.1));
  CHECK(!rolling.quantile(Quantity::voltage, std::nan("")));
}

TEST_CASE("rolling statistics: means, effective values and integrals have the units of people") {
  RollingStatistics rolling(100);
  rolling.add(window_of(int64_t{1} << 31, -(int64_t{3} << 31), 1000));     // 1 A, -3 V, 2 W
  rolling.add(window_of(-(int64_t{1} << 31), -(int64_t{3} << 31), 1000));  // -1 A, -3 V, -2 W
  rolling.add(window_of(int64_t{1} << 32, -(int64_t{3} << 31), 2000));     // 2 A, -3 V, 4 W
  CHECK(*rolling.mean(Quantity::current) == 1.0);
  CHECK(*rolling.mean(Quantity::voltage) == -3.0);
  CHECK(*rolling.rms(Quantity::current) == doctest::Approx(std::sqrt(2.5)));
  CHECK(*rolling.rms(Quantity::voltage) == 3.0);
  CHECK(!rolling.rms(Quantity::power));
  CHECK(*rolling.median(Quantity::current) == 1.0);
  CHECK(*rolling.quantile(Quantity::current, 0.75) == 1.5);
  CHECK(rolling.charge_c(2000) == 2.0);
  CHECK(rolling.energy_j(2000) == 4.0);
}

TEST_CASE("rolling statistics: in steady state nothing is allocated") {
  WindowMaker maker(5);
  std::vector<Window> windows;
  for (int at = 0; at < 5000; ++at) windows.push_back(maker.next());
  RollingStatistics rolling(500);
  const uint64_t before = allocation_count();
  double sum = 0;
  for (const Window& window : windows) {
    rolling.add(window);
    sum += rolling.median(Quantity::current).value_or(0) + rolling.quantile(Quantity::power, 0.99).value_or(0);
  }
  CHECK(allocation_count() == before);
  CHECK(std::isfinite(sum));
}

TEST_CASE("rolling statistics: any number of windows can be asked for; it is cut to what is possible") {
  RollingStatistics one(0);
  one.add(window_of(1 << 30, 0, 1));
  one.add(window_of(1 << 29, 0, 1));
  CHECK(one.size() == 1);
  CHECK(*one.median(Quantity::current) == 0.25);
}
