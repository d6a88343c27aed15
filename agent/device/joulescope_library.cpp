#include "agent/device/joulescope_library.h"

#include <dlfcn.h>

namespace joulespool::device {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// The first needed function that is missing; empty: all there.
std::string missing_function(void* library, DriverLibrary& driver) {
  std::string missing;
  const auto need = [&](const char* name, auto& function) {
    if (!find(library, name, function) && missing.empty()) missing = name;
  };
  need("jsdrv_initialize", driver.initialize);
  need("jsdrv_finalize", driver.finalize);
  need("jsdrv_publish", driver.publish);
  need("jsdrv_query", driver.query);
  need("jsdrv_subscribe", driver.subscribe);
  need("jsdrv_unsubscribe", driver.unsubscribe);
  need("jsdrv_error_code_name", driver.error_name);
  need("jsdrv_error_code_description", driver.error_description);
  return missing;
}

void find_log(void* library, DriverLibrary& driver) {
  const bool all =
      find(library, "jsdrv_log_initialize", driver.log_initialize) && find(library, "jsdrv_log_register", driver.log_register) &&
      find(library, "jsdrv_log_level_set", driver.log_level_set) && find(library, "jsdrv_log_finalize", driver.log_finalize);
  if (!all) driver.log_initialize = nullptr;
}

}  // namespace

const char* const install_advice =
    "install the Joulescope driver 2.0.3 or later of version 2 as a shared library (docs/joulescope.md), or name it with "
    "driver.library";

Result<DriverLibrary> load_driver_library(const std::string& path) {
  const std::string name = path.empty() ? "libjsdrv.so" : path;
  // NODELETE: its threads and its log outlive every use. LOCAL: it brings a libusb of its own, which nobody else is to get.
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    const char* why = dlerror();
    return Error{Errc::unreachable,
                 "no Joulescope driver: " + std::string(why == nullptr ? name : why) + ": " + std::string(install_advice)};
  }
  DriverLibrary driver;
  const std::string missing = missing_function(library, driver);
  if (!missing.empty())
    return Error{Errc::unreachable, name + " is not a Joulescope driver that can be used: it has no function " + missing + ": " +
                                        std::string(install_advice)};
  find_log(library, driver);
  return driver;
}

}  // namespace joulespool::device
