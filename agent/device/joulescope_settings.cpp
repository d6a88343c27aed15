#include "agent/device/joulescope_settings.h"

#include <algorithm>

#include "agent/device/joulescope_model.h"

namespace joulespool::device {
namespace {

// Could the pattern match any device of this model?
bool concerns(std::string_view pattern, const InstrumentModel& model) {
  const std::string stem = std::string(model.name) + "-";
  const std::string_view fixed = pattern.substr(0, pattern.find('*'));
  return fixed.size() < stem.size() ? stem.starts_with(fixed) && fixed.size() < pattern.size() : fixed.starts_with(stem);
}

bool names_known_model(std::string_view pattern) {
  const auto models = instrument_models();
  return std::any_of(models.begin(), models.end(), [&](const InstrumentModel& model) { return concerns(pattern, model); });
}

}  // namespace

bool matches(std::string_view pattern, std::string_view device_id) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == device_id;
  if (device_id.substr(0, star) != pattern.substr(0, star)) return false;
  for (size_t at = std::min(star, device_id.size()); at <= device_id.size(); ++at)
    if (matches(pattern.substr(star + 1), device_id.substr(at))) return true;
  return false;
}

const InstrumentSelection* find_selection(const JoulescopeSettings& settings, std::string_view device_id) {
  for (const InstrumentSelection& selection : settings.selections)
    for (const std::string& pattern : selection.devices)
      if (matches(pattern, device_id)) return &selection;
  return nullptr;
}

Status validate(const InstrumentSelection& selection) {
  for (const std::string& pattern : selection.devices)
    if (!names_known_model(pattern))
      return Error{Errc::usage,
                   "devices = " + pattern + ": no device id begins like that: they are js110-, js220- or js320-<serial>"};
  // What no model can do is wrong for certain; what one of several can do shows when a device is there.
  Status first;
  for (const InstrumentModel& model : instrument_models()) {
    const auto concerned = [&](const std::string& pattern) { return concerns(pattern, model); };
    if (std::none_of(selection.devices.begin(), selection.devices.end(), concerned)) continue;
    Status status = validate(model, selection);
    if (status) return {};
    if (first) first = std::move(status);
  }
  return first;
}

}  // namespace joulespool::device
