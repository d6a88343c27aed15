#include "agent/app/device_condition.h"

namespace joulespool::app {

std::string_view to_string(DeviceState state) {
  switch (state) {
    case DeviceState::waiting: return "waiting";
    case DeviceState::attached: return "attached";
    case DeviceState::streaming: return "streaming";
    case DeviceState::lost: return "lost";
    case DeviceState::trouble: return "trouble";
    case DeviceState::ended: return "ended";
  }
  return "?";
}

bool DeviceCondition::change(DeviceState state, const std::string& detail) {
  if (state == state_ && detail == detail_) return false;
  state_ = state;
  detail_ = detail;
  return true;
}

void DeviceCondition::on_samples() {
  if (state_ != DeviceState::streaming || !detail_.empty()) change(DeviceState::streaming, "");
}

bool DeviceCondition::on_event(const device::SourceEvent& event) {
  using Kind = device::SourceEvent::Kind;
  switch (event.kind) {
    case Kind::attached: return change(DeviceState::attached, event.text);
    case Kind::found:
      if (!event.firmware.empty()) firmware_ = event.firmware;
      change(DeviceState::streaming, "");
      return true;  // streaming begins anew
    case Kind::lost: return change(DeviceState::lost, event.text);
    case Kind::trouble: return change(DeviceState::trouble, event.text);
    case Kind::ended: return change(DeviceState::ended, event.text);
    case Kind::note: return true;
    case Kind::gap:
    case Kind::statistics: return false;
  }
  return false;
}

}  // namespace joulespool::app
