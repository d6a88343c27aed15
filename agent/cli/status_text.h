// The agent's status as text for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/base/result.h"

namespace joulespool::cli {

// `status`: the document that the agent's control socket answers. Errors: damaged (not a status of version 1).
Result<std::string> status_text(const nlohmann::json& status);

}  // namespace joulespool::cli
