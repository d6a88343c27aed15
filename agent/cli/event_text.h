// Events of lane `event` in JSON; text for people is the same document, one line for each event.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/wire/event.h"

namespace joulespool::cli {

nlohmann::json event_json(const wire::Event& event);
// "gap reason=evicted lane=wave frames=17..18 ...".
std::string event_text(const wire::Event& event);

}  // namespace joulespool::cli
