// One running instance of the driver.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/device/joulescope_library.h"

namespace joulespool::device {

// Publishing never sets the retain flag: what was published retained is dropped when it is published again, also after the
// instrument lost it, and reported as success. Members may be called from any thread, but not from a callback.
class Driver {
 public:
  using OnValue = std::function<void(std::string_view topic, const abi::Value& value)>;
  using OnLog = std::function<void(int level, std::string_view message)>;
  using PublishValue = std::variant<uint32_t, int32_t, std::string>;

  // Loads, starts and checks the version. `on_log` is called on a thread of the driver with warnings and worse.
  // Errors: unreachable (with what to install).
  static Result<std::unique_ptr<Driver>> start(const std::string& library, OnLog on_log);
  // Ends all subscriptions and the driver's threads. Takes up to 20 s if an instrument hangs.
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  [[nodiscard]] const std::string& version() const { return version_; }  // "2.3.4"
  // Lost packets of a js110 show only there.
  [[nodiscard]] bool has_log() const { return library_.log_initialize != nullptr; }

  // The driver's return code; returns within about the timeout.
  int32_t publish(const std::string& topic, const PublishValue& value, uint32_t timeout_ms);
  // Empty: not known, not set or of another type.
  std::string query_text(const std::string& topic);
  bool query_u32(const std::string& topic, uint32_t& value);
  // Calls come on the driver's one callback thread: copy and return. They last until this object ends; a topic's children
  // come too. `flags`: abi::SubscribeFlag.
  int32_t subscribe(const std::string& topic, uint8_t flags, OnValue call);
  // No more calls for any subscription, when it returns.
  void unsubscribe_all();

  // "timed out (driver code 11)".
  [[nodiscard]] std::string explain(int32_t code) const;

 private:
  struct Subscription {
    std::string topic;
    uint64_t call = 0;
  };
  explicit Driver(const DriverLibrary& library) : library_(library) {}
  Status initialize(OnLog on_log);
  Status check_version();

  const DriverLibrary library_;
  abi::Context* context_ = nullptr;
  std::string version_;
  std::mutex mutex_;  // guards subscriptions_
  std::vector<Subscription> subscriptions_;
  uint64_t log_call_ = 0;
};

}  // namespace joulespool::device
