#include "agent/cli/jls_library.h"

#include <dlfcn.h>

#include "agent/base/clock.h"
#include "agent/base/int128.h"

namespace joulespool::cli {
namespace {

constexpr uint32_t version_min = 7U << 16;  // 0.7.0: files of more than 5.77 hours were wrong before
const char* const install_advice =
    "build libjls 0.7.0 or later as a shared library (github.com/jetperch/jls, cmake -DBUILD_SHARED_LIBS=ON) and install it, or "
    "name it with --jls-library or JOULESPOOL_JLS_LIBRARY; other formats need no library";

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// The first needed function that is missing; empty: all there.
std::string missing_function(void* library, JlsLibrary& jls) {
  std::string missing;
  const auto need = [&](const char* name, auto& function) {
    if (!find(library, name, function) && missing.empty()) missing = name;
  };
  need("jls_wr_open", jls.open);
  need("jls_wr_close", jls.close);
  need("jls_wr_source_def", jls.define_source);
  need("jls_wr_signal_def", jls.define_signal);
  need("jls_wr_fsr_f32", jls.write_floats);
  need("jls_wr_utc", jls.write_utc);
  find(library, "jls_error_code_name", jls.error_name);
  return missing;
}

std::string version_text(uint32_t version) {
  return std::to_string(version >> 24) + "." + std::to_string(version >> 16 & 0xFF) + "." + std::to_string(version & 0xFFFF);
}

// It may be there under its plain name (as one built it) or with the version of its interface.
void* open_library(const std::string& path, std::string& why) {
  for (const char* name : {"libjls.so", "libjls.so.1", "libjls.so.0"}) {
    void* library = dlopen(path.empty() ? name : path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return library;
    const char* const reason = dlerror();
    if (why.empty()) why = reason == nullptr ? name : reason;
    if (!path.empty()) break;
  }
  return nullptr;
}

}  // namespace

Result<JlsLibrary> load_jls_library(const std::string& path) {
  std::string why;
  void* library = open_library(path, why);
  if (library == nullptr) return Error{Errc::unreachable, "no libjls: " + why + ": " + install_advice};
  const std::string name = path.empty() ? "libjls.so" : path;
  JlsLibrary jls;
  uint32_t (*version)() = nullptr;
  const std::string missing = missing_function(library, jls);
  if (!missing.empty() || !find(library, "jls_version_u32", version))
    return Error{Errc::unreachable, name + " is not a libjls that can be used: it has no function " +
                                        (missing.empty() ? "jls_version_u32" : missing) + ": " + install_advice};
  jls.version = version_text(version());
  if (version() < version_min)
    return Error{Errc::unreachable, name + " is libjls " + jls.version + ", which is too old: " + install_advice};
  return jls;
}

int64_t jls_time(int64_t utc_ns) {
  const int128 since_epoch = int128{utc_ns} - int128{jls::utc_epoch_s} * ns_per_s;
  return static_cast<int64_t>(since_epoch * (int128{1} << jls::utc_fraction_bits) / ns_per_s);
}

}  // namespace joulespool::cli
