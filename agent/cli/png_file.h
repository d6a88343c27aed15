// Pixels as a PNG file. The only user of libpng.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/cli/plot_picture.h"

namespace joulespool::cli {

// The bytes of the file. Errors: internal (libpng's).
Result<std::string> encode_png(const Pixels& pixels);

}  // namespace joulespool::cli
