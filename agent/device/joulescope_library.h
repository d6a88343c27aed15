// The driver's shared library, loaded at run time: no build needs it, and any version that keeps the interface will do.
#pragma once

#include <memory>
#include <string>

#include "agent/base/result.h"
#include "agent/device/joulescope_abi.h"

namespace joulespool::device {

struct DriverLibrary {
  abi::Initialize initialize = nullptr;
  abi::Finalize finalize = nullptr;
  abi::Publish publish = nullptr;
  abi::Query query = nullptr;
  abi::Subscribe subscribe = nullptr;
  abi::Unsubscribe unsubscribe = nullptr;
  abi::ErrorText error_name = nullptr;
  abi::ErrorText error_description = nullptr;
  // All four or none.
  abi::LogInitialize log_initialize = nullptr;
  abi::LogRegister log_register = nullptr;
  abi::LogLevelSet log_level_set = nullptr;
  abi::LogFinalize log_finalize = nullptr;
};

// `path`: empty for "libjsdrv.so" where the system's loader finds it. The library stays loaded until the process ends.
// Errors: unreachable (not there, not a driver; with what to do).
Result<DriverLibrary> load_driver_library(const std::string& path);

// What to do about a driver that is missing or too old; the same words everywhere.
extern const char* const install_advice;

}  // namespace joulespool::device
