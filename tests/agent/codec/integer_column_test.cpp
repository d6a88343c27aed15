#include "agent/codec/integer_column.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "agent/codec/number_code.h"
#include "agent/codec/window_states.h"

namespace {

using namespace joulespool::codec;
using Integers = std::vector<int64_t>;

struct Column {
  std::vector<uint8_t> states;
  std::vector<uint64_t> valid;
  WindowContext context;

  explicit Column(size_t count, unsigned state_count = 1) : states(count, 0), valid(count, 1000) {
    context = {states, state_count, valid, 1000};
  }
};

// Writes `values`, checks that they come back, and tells the model that was chosen and how many bytes it took.
std::pair<uint8_t, size_t> there_and_back(const Column& column, const Integers& values, bool scaled = false) {
  IntegerWriter writer;
  joulespool::codec::ByteWriter out;
  writer.begin(column.context);
  const IntegerPlan plan = writer.plan(values, scaled);
  writer.write(out, plan, values, scaled);
  Integers back(values.size());
  ByteReader from(out.view());
  const auto status = read_integers(from, plan.model, column.context, scaled, back);
  REQUIRE_MESSAGE(status.ok(), status.error().message);
  CHECK(from.left() == 0);
  CHECK(back == values);
  return {plan.model, out.size()};
}

Integers noise(std::mt19937_64& random, size_t count, double centre, double deviation) {
  std::normal_distribution<double> normal(centre, deviation);
  Integers values(count);
  for (int64_t& value : values) value = static_cast<int64_t>(normal(random));
  return values;
}

}  // namespace

TEST_CASE("number code: every length of number comes back with every k") {
  std::vector<uint64_t> numbers = {0, 1, 2, 3, 4, 5, 7, 8, UINT64_MAX, UINT64_MAX - 1};
  for (unsigned bit = 2; bit < 64; ++bit)
    for (const uint64_t below : {uint64_t{1}, uint64_t{0}}) numbers.push_back((uint64_t{1} << bit) - below);
  numbers.push_back((uint64_t{1} << 40) + 1);
  for (unsigned k = 0; k <= k_max; ++k) {
    CAPTURE(k);
    const auto k_at = [k](size_t at) { return at % 5 == 4 ? k_none : static_cast<uint8_t>(k); };
    ByteWriter out;
    write_numbers(out, numbers, k_at);
    std::vector<uint64_t> back(numbers.size());
    ByteReader from(out.view());
    REQUIRE(read_numbers(from, back, k_at));
    CHECK(from.left() == 0);
    for (size_t at = 0; at < numbers.size(); ++at) CHECK(back[at] == (at % 5 == 4 ? 0 : numbers[at]));
  }
}

TEST_CASE("number code: numbers that are cut off, or of a class that does not exist, are refused") {
  std::vector<uint64_t> numbers(1);
  const auto refused = [&](std::initializer_list<int> bytes, uint8_t k) {
    joulespool::wire::Bytes data;
    for (const int byte : bytes) data.push_back(static_cast<std::byte>(byte));
    ByteReader from(data);
    return !read_numbers(from, numbers, [k](size_t) { return k; });
  };
  CHECK_FALSE(refused({1}, 0));
  CHECK(refused({}, 0));
  CHECK(refused({0, 0}, 0));                                 // no 1 at all
  CHECK(refused({1}, 4));                                    // no bits after the class
  CHECK(refused({0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0}, 0));   // class 66
  CHECK(refused({0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 63));  // class 5 of k = 63 would have 66 bits
}

TEST_CASE("integer column: any integers come back, in any model") {
  const Integers limits = {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), 0, -1, 1,
                           std::numeric_limits<int64_t>::min()};
  there_and_back(Column(limits.size()), limits);
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Column column(1 + random() % 200, 1 + seed % 8);
    Integers values(column.states.size());
    const auto width = static_cast<unsigned>(random() % 64);
    for (size_t at = 0; at < values.size(); ++at) {
      column.states[at] = static_cast<uint8_t>(random() % column.context.state_count);
      if (random() % 4 == 0) column.valid[at] = random() >> (random() % 64);
      values[at] = static_cast<int64_t>(random() >> width) * (random() % 2 == 0 ? 1 : -1);
    }
    if (seed % 3 == 0) column.context.valid_usual = random();
    if (seed % 7 == 0) column.context.valid_usual = 0;
    there_and_back(column, values, seed % 2 == 0);
  }
}

TEST_CASE("integer column: what is noise, drifts, has states or few values gets the model for it") {
  std::mt19937_64 random(1);
  const auto [plain, plain_size] = there_and_back(Column(1000), noise(random, 1000, 1e6, 100));
  CHECK(plain == 0);
  CHECK(plain_size < 1000 * 9 / 8);  // its entropy is 8.7 bits
  Integers walk = noise(random, 1000, 0, 100);
  for (size_t at = 1; at < walk.size(); ++at) walk[at] += walk[at - 1];
  CHECK(there_and_back(Column(1000), walk).first == model_previous);
  Integers few = noise(random, 1000, 1e6, 1);
  for (int64_t& value : few) value *= 1'000'003;
  CHECK(there_and_back(Column(1000), few).first == model_dictionary);
  Column states(1000, 2);
  Integers levels = noise(random, 1000, 1e6, 100);
  for (size_t at = 0; at < levels.size(); ++at)
    if (random() % 2 == 0) levels[at] += 1'000'000'000 * (states.states[at] = 1);
  CHECK(there_and_back(states, levels).first == model_by_state);
  CHECK(there_and_back(Column(1000), Integers(1000, 77)).second <= 3);
}

TEST_CASE("integer column: sums are expected in proportion to their samples") {
  std::mt19937_64 random(1);
  Column column(400);
  Integers sums = noise(random, 400, 1e9, 30);
  for (size_t at = 0; at < sums.size(); ++at) {
    column.valid[at] = 1000 - random() % 300;
    sums[at] = sums[at] / 1000 * static_cast<int64_t>(column.valid[at]);
  }
  CHECK(2 * there_and_back(column, sums, true).second < there_and_back(column, sums, false).second);
}

TEST_CASE("window states: levels that are far apart are told apart, noise is one") {
  std::mt19937_64 random(1);
  WindowStates finder;
  std::vector<uint8_t> states;
  CHECK(finder.find(noise(random, 250, 1e6, 1e3), states) == 1);
  CHECK(finder.find(Integers(250, 5), states) == 1);
  CHECK(finder.find(Integers{7}, states) == 1);
  Integers levels = noise(random, 250, 1e3, 10);
  for (size_t at = 0; at < levels.size(); at += 3) levels[at] = static_cast<int64_t>(1e9 + static_cast<double>(random() % 1000));
  REQUIRE(finder.find(levels, states) == 2);
  for (size_t at = 0; at < levels.size(); ++at) CHECK(states[at] == (at % 3 == 0 ? 1 : 0));
  for (int64_t& level : levels) level = static_cast<int64_t>(random());
  CHECK(finder.find(levels, states) <= window_states_max);
  CHECK(*std::max_element(states.begin(), states.end()) < window_states_max);
}
