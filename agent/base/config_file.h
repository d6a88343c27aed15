// The file of a program's settings: which one it is, and its text.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace joulespool {

// `given` (--config) if it is not empty, else what `variable` of the environment names, else `default_path` if a file is there,
// else empty.
std::string find_config_file(const std::string& given, const std::map<std::string, std::string>& environment,
                             std::string_view variable, std::string_view default_path);

// The whole text, at most 1 MiB. Errors: usage, with the path.
Result<std::string> read_config_file(const std::string& path);

}  // namespace joulespool
