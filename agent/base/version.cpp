#include "agent/base/version.h"

namespace joulespool {

std::string_view version() { return JOULESPOOL_VERSION; }

}  // namespace joulespool
