// What differs between the instruments' models: rates, ranges, topics of the driver. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/device/joulescope_settings.h"

namespace joulespool::device {

struct RangeCode {
  std::string_view name;  // "180mA"
  uint32_t select;        // what the driver calls it
};

struct InstrumentModel {
  std::string_view name;            // "js110"
  uint32_t counter_rate_hz;         // of sample_id
  uint32_t full_rate_hz;            // of i and v
  std::span<const uint32_t> rates;  // samples per second that can be asked for
  std::span<const RangeCode> current_ranges;
  std::span<const RangeCode> voltage_ranges;
  bool has_range_modes;                      // js220, js320: a mode (auto, manual) beside the select; js110: the select is all
  std::span<const std::string_view> packed;  // names of signals beside i and v
  uint32_t statistics_samples;               // length of a block of statistics (topic s/stats/scnt): one second
  bool counts_packets;                       // js110: packets lost on USB show only in the driver's log
  bool has_disciplined_clock;                // the map from sample_id to UTC is the instrument's own
};

const InstrumentModel* find_model(std::string_view name);
std::span<const InstrumentModel> instrument_models();

// One value to publish below the device's prefix, in this order.
struct TopicValue {
  std::string topic;
  std::variant<uint32_t, std::string> value;
};

// What is set after opening and before streaming: ranges only as far as the selection names them; always the rate.
std::vector<TopicValue> setup_of(const InstrumentModel& model, const InstrumentSelection& selection);

// A stream of samples: "<topic>/!data" brings it, "<topic>/ctrl" switches it.
struct StreamTopic {
  signal::SignalId signal;
  std::string topic;  // "s/i"
};
// Current and voltage, and those of `packed`.
std::vector<StreamTopic> streams_of(const InstrumentSelection& selection);

// Everything of the selection against one model. Errors: usage, with what the model has.
Status validate(const InstrumentModel& model, const InstrumentSelection& selection);

}  // namespace joulespool::device
