// Events as JSON: what people see of them, on the topic joulespool/v1/host/<host>/event and in the CLI.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/wire/event.h"

namespace joulespool::wire {

// Ids are hexadecimal, sums decimal text (they may need more than 53 bits), times UTC.
nlohmann::ordered_json event_json(const Event& event);

// The payload of the event topic: {"version":1,"device":...,"event":{...}}.
std::string event_message(const std::string& device, const Event& event);

}  // namespace joulespool::wire
