// A program that uses the driver library, as small as possible: for tests of the stand-in itself.
#pragma once

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "agent/device/joulescope_abi.h"
#include "tests/support/standin_world.h"

namespace joulespool::test {

namespace abi = device::abi;
using Unregister = int32_t (*)(abi::OnLog call, void* user_data);
using Unsubscribe = int32_t (*)(abi::Context* context, const char* topic, abi::OnValue call, void* user_data,
                                uint32_t timeout_ms);

// The library, loaded once for good: as in a program that never unloads it.
template <class Function>
Function driver_symbol(const char* name) {
  static void* const library = ::dlopen(StandinWorld::library().c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(library != nullptr, ::dlerror());
  auto function = reinterpret_cast<Function>(::dlsym(library, name));
  REQUIRE((function != nullptr));
  return function;
}

inline abi::Value u32_value(uint32_t number, bool retain = false) {
  abi::Value value;
  value.type = abi::ValueType::u32;
  value.flags = retain ? 1 : 0;
  value.u32 = number;
  return value;
}
inline abi::Value i32_value(int32_t number) {
  abi::Value value;
  value.type = abi::ValueType::i32;
  value.i32 = number;
  return value;
}
inline abi::Value text_value(const char* text) {
  abi::Value value;
  value.type = abi::ValueType::text;
  value.text = text;
  return value;
}

// One context of the driver.
class DriverClient {
 public:
  DriverClient() { REQUIRE(driver_symbol<abi::Initialize>("jsdrv_initialize")(&context_, nullptr, 0) == 0); }
  DriverClient(const DriverClient&) = delete;
  DriverClient& operator=(const DriverClient&) = delete;
  ~DriverClient() { driver_symbol<abi::Finalize>("jsdrv_finalize")(context_, 0); }

  int32_t publish(const std::string& topic, const abi::Value& value, uint32_t timeout_ms = 5000) {
    return driver_symbol<abi::Publish>("jsdrv_publish")(context_, topic.c_str(), &value, timeout_ms);
  }
  int32_t publish(const std::string& topic, uint32_t number) { return publish(topic, u32_value(number)); }
  int32_t open(const std::string& prefix) { return publish(prefix + "/@/!open", i32_value(0)); }
  int32_t close(const std::string& prefix) { return publish(prefix + "/@/!close", i32_value(0)); }
  int32_t query(const std::string& topic, abi::Value& value) {
    return driver_symbol<abi::Query>("jsdrv_query")(context_, topic.c_str(), &value, 5000);
  }
  int32_t subscribe(const std::string& topic, uint8_t flags, abi::OnValue function, void* user_data) {
    return driver_symbol<abi::Subscribe>("jsdrv_subscribe")(context_, topic.c_str(), flags, function, user_data, 5000);
  }
  int32_t unsubscribe(const std::string& topic, abi::OnValue function, void* user_data) {
    return driver_symbol<Unsubscribe>("jsdrv_unsubscribe")(context_, topic.c_str(), function, user_data, 5000);
  }

 private:
  abi::Context* context_ = nullptr;
};

// abi::StreamSignal without its elements.
struct StreamHead {
  uint8_t version;
  uint64_t sample_id;
  abi::Field field;
  uint8_t index, element_size_bits;
  uint32_t element_count, sample_rate, decimate_factor;
  abi::TimeMap time_map;
  [[nodiscard]] uint64_t sample_id_end() const { return sample_id + uint64_t{element_count} * decimate_factor; }
};

// A message as it was during its callback.
struct KeptMessage {
  std::string topic;
  abi::Value value;
  std::vector<std::byte> bytes;      // of text (without its 0) and binary
  const std::byte* place = nullptr;  // where they were
  uint64_t thread = 0;

  [[nodiscard]] std::string text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  [[nodiscard]] StreamHead stream() const;
  [[nodiscard]] abi::Statistics statistics() const;
  [[nodiscard]] std::vector<float> floats() const;
  [[nodiscard]] unsigned packed(size_t k) const;
};

// A careful subscriber: copies and returns. Also takes log lines, as messages without a topic.
class Recorder {
 public:
  static void on_value(void* user_data, const char* topic, const abi::Value* value);
  static void on_log(void* user_data, const abi::LogHeader* header, const char* file, const char* text);

  [[nodiscard]] std::vector<KeptMessage> messages(const std::string& topic_end = "");
  // Waits until so many messages of topics that end so are there; false after 20 s.
  bool wait_for(size_t count, const std::string& topic_end = "");
  // The same for any condition; it sees the recorder locked.
  bool wait_until(const std::function<bool(const std::vector<KeptMessage>&)>& condition);
  void clear();

 private:
  void keep(KeptMessage message);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<KeptMessage> messages_;
};

// The instruments of these tests, and what they measure.
inline const std::string js220 = "u/js220/001122";
inline const std::string js110 = "u/js110/000456";
StandinWorld::Keys js220_keys(StandinWorld::Keys more = {});
StandinWorld::Keys js110_keys(StandinWorld::Keys more = {});
// i or v of the simulated device with the same seed, from this tick on.
std::vector<float> expected(const std::string& model, bool current, uint64_t tick, size_t count, uint32_t rate_hz = 0);
bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

// Opens an instrument and streams with these switches on ("s/i", "s/v"), careful: flags 0 only.
void stream(DriverClient& client, const std::string& prefix, const std::vector<std::string>& topics, Recorder& recorder);

}  // namespace joulespool::test
