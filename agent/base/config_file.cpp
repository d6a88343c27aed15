#include "agent/base/config_file.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace joulespool {
namespace {

constexpr uintmax_t file_bytes_max = 1024 * 1024;  // no sensible configuration comes near

}  // namespace

std::string find_config_file(const std::string& given, const std::map<std::string, std::string>& environment,
                             std::string_view variable, std::string_view default_path) {
  if (!given.empty()) return given;
  const auto named = environment.find(std::string(variable));
  if (named != environment.end() && !named->second.empty()) return named->second;
  std::error_code failure;
  return std::filesystem::exists(default_path, failure) ? std::string(default_path) : "";
}

Result<std::string> read_config_file(const std::string& path) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) return Error{Errc::usage, path + ": " + failure.message()};
  if (size > file_bytes_max) return Error{Errc::usage, path + ": larger than 1 MiB: this is no configuration file"};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return Error{Errc::usage, path + ": cannot be read"};
  return text.str();
}

}  // namespace joulespool
