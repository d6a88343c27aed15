// Rules of rows that a type and a range cannot say. Inside this room only.
#pragma once

#include "agent/config/settings.h"

namespace joulespool::config {

Status check_not_empty(const OptionValue& value);
Status check_id_or_empty(const OptionValue& value);
Status check_utc_or_empty(const OptionValue& value);
Status check_labels(const OptionValue& value);
Status check_wave_rate(const OptionValue& value);

constexpr int64_t wave_rate_min_hz = 100;  // for less a filter would hold more than 0.12 s of samples back
constexpr int64_t wave_rate_max_hz = 1'000'000;

// "key=value" in its parts; check_labels has passed.
wire::Label split_label(const std::string& text);

}  // namespace joulespool::config
