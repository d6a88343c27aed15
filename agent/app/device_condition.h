// What state a device is in, from what its source tells.
#pragma once

#include <string>

#include "agent/device/sample_source.h"

namespace joulespool::app {

enum class DeviceState { waiting, attached, streaming, lost, trouble, ended };
std::string_view to_string(DeviceState state);

// One thread. A source that tries again and again tells the same trouble each time: it is news once, until something changes.
class DeviceCondition {
 public:
  void on_samples();
  // Is it news for people: to be recorded and logged? Gaps and statistics never are.
  bool on_event(const device::SourceEvent& event);

  [[nodiscard]] DeviceState state() const { return state_; }
  // Why, and what to do; empty while all is well.
  [[nodiscard]] const std::string& detail() const { return detail_; }
  [[nodiscard]] const std::string& firmware() const { return firmware_; }

 private:
  bool change(DeviceState state, const std::string& detail);

  DeviceState state_ = DeviceState::waiting;
  std::string detail_;
  std::string firmware_;
};

}  // namespace joulespool::app
