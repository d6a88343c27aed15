#pragma once

#include <string_view>

namespace joulespool {

// Of both programs: "0.1.0".
std::string_view version();

}  // namespace joulespool
