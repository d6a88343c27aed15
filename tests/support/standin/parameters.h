// The settings that the models have, and which values they take. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tests/support/standin/topic_value.h"

namespace joulespool::standin {

struct Option {
  uint32_t value;
  std::string_view name;  // what may be written instead; empty: only the number
};

struct Parameter {
  std::string_view topic;       // below the prefix
  std::vector<Option> options;  // empty: any number
};

const Parameter* find_parameter(std::string_view model, std::string_view topic);

// The number that this value stands for; nothing if it is of a wrong type, or not an option.
std::optional<uint32_t> number_of(const Parameter& parameter, const TopicValue& value);

}  // namespace joulespool::standin
