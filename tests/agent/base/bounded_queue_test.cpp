#include "agent/base/bounded_queue.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "agent/base/clock.h"

using namespace joulespool;

namespace {

int64_t soon() { return SystemClock().monotonic_ns() + 20 * ns_per_s; }

}  // namespace

TEST_CASE("bounded queue: what does not fit is refused and left to the caller") {
  BoundedQueue<std::unique_ptr<int>> queue(10);
  CHECK(queue.push(std::make_unique<int>(1), 6));
  auto second = std::make_unique<int>(2);
  CHECK(!queue.push(std::move(second), 5));
  REQUIRE(second != nullptr);
  CHECK(queue.push(std::move(second), 4));
  CHECK(queue.weight() == 10);
  CHECK(**queue.try_pop() == 1);
  CHECK(**queue.try_pop() == 2);
  CHECK(!queue.try_pop());
  CHECK(queue.weight() == 0);
  CHECK(queue.weight_peak() == 10);
}

TEST_CASE("bounded queue: an item above the limit is taken when the queue is empty") {
  BoundedQueue<int> queue(10);
  CHECK(queue.push(1, 100));
  CHECK(!queue.push(2, 1));
  CHECK(queue.try_pop() == 1);
  CHECK(queue.push(2, 1));
}

TEST_CASE("bounded queue: after close nothing goes in, and what is there comes out") {
  BoundedQueue<int> queue(10);
  CHECK(queue.push(1));
  queue.close();
  CHECK(!queue.push(2));
  CHECK(queue.pop_until(soon()) == 1);
  CHECK(!queue.pop_until(soon()));
  CHECK(queue.closed());
}

TEST_CASE("bounded queue: a deadline that has passed gives nothing") {
  BoundedQueue<int> queue(10);
  CHECK(!queue.pop_until(SystemClock().monotonic_ns() - 1));
  CHECK(queue.wait_for_room(5, std::chrono::milliseconds(0)));
  CHECK(queue.push(1, 10));
  CHECK(!queue.wait_for_room(5, std::chrono::milliseconds(0)));
}

TEST_CASE("bounded queue: a waiting consumer and a waiting producer are woken") {
  BoundedQueue<int> queue(1);
  std::thread consumer([&] {
    for (int expected = 0; expected < 100; ++expected) CHECK(queue.pop_until(soon()) == expected);
  });
  for (int item = 0; item < 100; ++item) {
    while (!queue.push(int{item})) CHECK(queue.wait_for_room(1, std::chrono::seconds(20)));
  }
  consumer.join();
}

TEST_CASE("bounded queue: with several producers, each item comes out once and in its producer's order") {
  constexpr int producers = 4;
  constexpr int items = 2000;
  BoundedQueue<std::pair<int, int>> queue(64);
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (int producer = 0; producer < producers; ++producer)
    threads.emplace_back([&, producer] {
      for (int item = 0; item < items; ++item)
        while (!queue.push({producer, item})) {
          ++refused;
          queue.wait_for_room(1, std::chrono::seconds(20));
        }
    });
  std::vector<int> next(producers, 0);
  for (int taken = 0; taken < producers * items; ++taken) {
    const auto item = queue.pop_until(soon());
    REQUIRE(item);
    CHECK(item->second == next[static_cast<size_t>(item->first)]++);
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(queue.weight() == 0);
  CHECK(queue.weight_peak() <= 64);
}
