// What reading an instrument costs, beside a bare callback that only counts, both through the same driver's library in the same
// run. JSON on stdout. The library must have the instruments js110-000456 and js220-001122.
//
//   reading_bench LIBRARY SECONDS
#include <pthread.h>

#include <atomic>
#include <cstring>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "agent/app/sample_ring.h"
#include "agent/device/joulescope_driver.h"
#include "agent/device/joulescope_source.h"

namespace {

using namespace joulespool;

double clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// CPU time of whatever thread calls, from its first call on.
class ThreadMeter {
 public:
  void note(uint64_t samples) {
    const double now_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (first_ns_ == 0) first_ns_ = now_ns;
    else samples_ += samples;  // those of the first call were paid for before it
    last_ns_ = now_ns;
  }
  [[nodiscard]] double ns_per_sample() const {
    return samples_ == 0 ? 0 : (last_ns_ - first_ns_) / static_cast<double>(samples_);
  }
  [[nodiscard]] uint64_t samples() const { return samples_; }

 private:
  double first_ns_ = 0, last_ns_ = 0;
  std::atomic<uint64_t> samples_{0};
};

constexpr uint32_t timeout_ms = 5000;

// Subscribes to current and voltage and counts.
nlohmann::json measure_bare(const std::string& library, const std::string& prefix, double seconds) {
  SystemClock clock;
  auto driver = device::Driver::start(library, [](int, std::string_view) {});
  if (!driver) throw std::runtime_error(driver.error().message);
  ThreadMeter meter;
  const auto count = [&meter](std::string_view topic, const device::abi::Value& value) {
    uint32_t elements = 0;
    std::memcpy(&elements, value.binary + offsetof(device::abi::StreamSignal, element_count), sizeof elements);
    meter.note(topic.ends_with("s/v/!data") ? elements : 0);
  };
  (*driver)->publish(prefix + "/@/!open", int32_t{0}, timeout_ms);
  for (const char* signal : {"/s/i", "/s/v"}) {
    (*driver)->subscribe(prefix + signal + "/!data", device::abi::subscribe_published, count);
    (*driver)->publish(prefix + signal + "/ctrl", 1U, timeout_ms);
  }
  clock.wait_until(clock.monotonic_ns() + static_cast<int64_t>(seconds * 1e9), {});
  for (const char* signal : {"/s/i", "/s/v"}) (*driver)->publish(prefix + signal + "/ctrl", 0U, timeout_ms);
  (*driver)->publish(prefix + "/@/!close", int32_t{0}, timeout_ms);
  driver->reset();
  return {{"bare_ns", meter.ns_per_sample()}, {"bare_samples", meter.samples()}};
}

// Notes whose CPU time the samples cost, in front of the ring.
class MeteredSink final : public device::SampleSink {
 public:
  MeteredSink(app::SampleRing& ring, ThreadMeter& meter) : ring_(ring), meter_(meter) {}
  void on_samples(const std::string& device, const signal::SampleBlock& block) override {
    ring_.on_samples(device, block);
    meter_.note(block.count());
  }
  void on_event(const std::string& device, const device::SourceEvent& event) override { ring_.on_event(device, event); }
  bool wait_for_room(const std::string& device, size_t samples, std::chrono::milliseconds timeout) override {
    return ring_.wait_for_room(device, samples, timeout);
  }

 private:
  app::SampleRing& ring_;
  ThreadMeter& meter_;
};

// The source into the agent's ring, and a consumer that takes the blocks out and gives their memory back.
nlohmann::json measure_reading(const std::string& library, const std::string& id, double seconds) {
  SystemClock clock;
  device::InstrumentSelection selection;
  selection.devices = {id};
  ThreadMeter meter;
  app::SampleRing ring({{id, 4'000'000}});
  MeteredSink sink(ring, meter);
  device::JoulescopeSource source(clock, {library, {selection}});
  if (const Status status = source.start(sink, {}); !status) throw std::runtime_error(status.error().message);
  double consumer_ns = 0;
  std::jthread consumer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto item = ring.pop_until(clock.monotonic_ns() + 100 * ns_per_ms);
      if (!item) continue;
      if (auto* block = std::get_if<app::OwnedBlock>(&item->what)) ring.recycle(item->device, std::move(*block));
    }
    consumer_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  });
  clock.wait_until(clock.monotonic_ns() + static_cast<int64_t>(seconds * 1e9), {});
  source.stop();
  consumer.request_stop();
  consumer.join();
  return {{"reading_ns", meter.ns_per_sample()},
          {"reading_samples", meter.samples()},
          {"consumer_ns", consumer_ns / static_cast<double>(meter.samples())},
          {"overruns", ring.fill(id).samples_lost}};
}

double measure_copy() {
  constexpr size_t samples = 65'536;
  constexpr int turns = 200;
  std::vector<float> from(2 * samples, 1.5F), to(2 * samples);
  const double before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  for (int turn = 0; turn < turns; ++turn) {
    from[static_cast<size_t>(turn)] = static_cast<float>(turn);
    std::memcpy(to.data(), from.data(), to.size() * sizeof(float));
    asm volatile("" : : "r"(to.data()) : "memory");
  }
  return (clock_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns) / samples / turns;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string library = argv[1];
  const double seconds = std::stod(argv[2]);
  nlohmann::json out = nlohmann::json::array();
  try {
    for (const auto& [model, serial] : {std::pair{"js110", "000456"}, {"js220", "001122"}}) {
      nlohmann::json row = {{"model", model}, {"memcpy_ns", measure_copy()}};
      row.update(measure_bare(library, std::string("u/") + model + "/" + serial, seconds));
      row.update(measure_reading(library, std::string(model) + "-" + serial, seconds));
      out.push_back(row);
    }
  } catch (const std::exception& error) {
    std::cerr << "reading_bench: " << error.what() << "\n";
    return 3;
  }
  std::cout << out.dump(2) << std::endl;
  return 0;
}
