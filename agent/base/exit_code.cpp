#include "agent/base/exit_code.h"

namespace joulespool {

ExitCode exit_code(const Error& error) {
  switch (error.code) {
    case Errc::usage: return exit_usage;
    case Errc::unreachable:
    case Errc::busy:
    case Errc::full: return exit_unreachable;
    case Errc::damaged:
    case Errc::not_found: return exit_no;
    case Errc::cancelled: return exit_ok;
    case Errc::internal: break;
  }
  return exit_internal;
}

}  // namespace joulespool
