#include "cloud-bridge/sink/credentials.h"

#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include "agent/base/clock.h"

namespace joulespool::sink {
namespace {

constexpr std::string_view blanks = " \t\r\f\v";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string value_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::string profile_name(const Environment& environment) {
  const std::string name = value_of(environment, "AWS_PROFILE");
  return name.empty() ? "default" : name;
}

using Section = std::map<std::string, std::string>;

// The name in "[name]", with the blanks inside it made one: "[profile  x ]" is "profile x".
std::string section_name(std::string_view line) {
  std::string name;
  std::string_view rest = trim(line.substr(1, line.find(']') - 1));
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(blanks), rest.size());
    if (!name.empty()) name += ' ';
    name += rest.substr(0, end);
    rest = trim(rest.substr(end));
  }
  return name;
}

// The settings of one section of an INI file as AWS' tools read it: "key = value" or "key: value", whole-line comments (# and ;),
// and lines indented deeper than a key belong to that key's value (they are skipped: none of them is of interest here).
std::optional<Section> read_section(std::string_view text, std::string_view wanted) {
  std::optional<Section> section;
  bool inside = false;
  size_t key_indent = std::string_view::npos;  // npos: no key in this section yet
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view content = trim(line);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    const size_t indent = line.find_first_not_of(blanks);
    if (key_indent != std::string_view::npos && indent > key_indent) continue;
    if (content.front() == '[') {
      inside = section_name(content) == wanted;
      if (inside && !section) section.emplace();
      key_indent = std::string_view::npos;
      continue;
    }
    key_indent = indent;
    const size_t equals = content.find_first_of("=:");
    if (!inside || equals == std::string_view::npos) continue;
    (*section)[std::string(trim(content.substr(0, equals)))] = trim(content.substr(equals + 1));
  }
  return section;
}

std::string section_of(const ProfileFile& file, const CredentialPlaces& places, const std::string& profile) {
  return &file == &places.config && profile != "default" ? "profile " + profile : profile;
}

// Why a file did not help, for the error message.
std::string said(const ProfileFile& file, const std::string& why) {
  return (file.path.empty() ? std::string("~/.aws (HOME is not set)") : file.path) + ": " + why;
}

std::string setting(const Section& section, const std::string& key) {
  const auto found = section.find(key);
  return found == section.end() ? std::string() : found->second;
}

// Credentials from one file, or nothing and the reason appended to `looked`.
std::optional<Result<Credentials>> from_file(const ProfileFile& file, const CredentialPlaces& places, std::string& looked) {
  const std::string profile = profile_name(places.environment);
  const std::string name = section_of(file, places, profile);
  if (!file.text) return looked += "; " + said(file, "not there or not readable"), std::nullopt;
  const auto section = read_section(*file.text, name);
  if (!section) return looked += "; " + said(file, "has no section [" + name + "]"), std::nullopt;
  const std::string key = setting(*section, "aws_access_key_id");
  const std::string secret = setting(*section, "aws_secret_access_key");
  if (key.empty() && secret.empty()) return looked += "; " + said(file, "[" + name + "] has no aws_access_key_id"), std::nullopt;
  if (key.empty() || secret.empty())
    return Error{Errc::usage, "AWS credentials: " + said(file, "[" + name +
                                                                   "] has only one of aws_access_key_id and "
                                                                   "aws_secret_access_key")};
  return Credentials{key, secret, setting(*section, "aws_session_token"), "profile " + profile + " in " + file.path};
}

std::string path_of(const Environment& environment, const std::string& variable, const std::string& in_home) {
  const std::string home = value_of(environment, "HOME");
  const std::string given = value_of(environment, variable);
  if (given.starts_with("~/")) return home.empty() ? std::string() : home + given.substr(1);
  if (!given.empty()) return given;
  return home.empty() ? std::string() : home + in_home;
}

std::optional<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (path.empty() || !file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file.bad()) return std::nullopt;
  return text;
}

}  // namespace

Result<Credentials> find_credentials(const CredentialPlaces& places) {
  const std::string key = value_of(places.environment, "AWS_ACCESS_KEY_ID");
  const std::string secret = value_of(places.environment, "AWS_SECRET_ACCESS_KEY");
  if (!key.empty() && !secret.empty())
    return Credentials{key, secret, value_of(places.environment, "AWS_SESSION_TOKEN"), "environment"};
  if (!key.empty()) return Error{Errc::usage, "AWS credentials: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"};
  std::string looked = "environment: AWS_ACCESS_KEY_ID is not set";
  if (auto found = from_file(places.credentials, places, looked)) return *found;
  if (auto found = from_file(places.config, places, looked)) return *found;
  return Error{Errc::usage, "AWS credentials: none found; looked in " + looked};
}

Result<std::string> find_region(const CredentialPlaces& places) {
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    std::string region = value_of(places.environment, variable);
    if (!region.empty()) return region;
  }
  const std::string profile = profile_name(places.environment);
  for (const ProfileFile* file : {&places.config, &places.credentials}) {
    const auto section = read_section(file->text.value_or(""), section_of(*file, places, profile));
    if (section && !setting(*section, "region").empty()) return setting(*section, "region");
  }
  return Error{Errc::usage, "AWS region: none given; looked in AWS_REGION, AWS_DEFAULT_REGION and profile " + profile + " of " +
                                (places.config.path.empty() ? "~/.aws/config (HOME is not set)" : places.config.path)};
}

CredentialPlaces credential_places(Environment environment) {
  CredentialPlaces places;
  places.credentials.path = path_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  places.config.path = path_of(environment, "AWS_CONFIG_FILE", "/.aws/config");
  places.environment = std::move(environment);
  return places;
}

Environment aws_environment() {
  Environment environment;
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
                           "AWS_DEFAULT_REGION", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "HOME"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  return environment;
}

CredentialSource::CredentialSource(Environment environment) : places_(credential_places(std::move(environment))) {}

CredentialSource::Stamp CredentialSource::stamp_of(const std::string& path) {
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
  return {status.st_mtim.tv_sec * ns_per_s + status.st_mtim.tv_nsec, status.st_size};
}

void CredentialSource::refresh() {
  std::vector<Stamp> stamps{stamp_of(places_.credentials.path), stamp_of(places_.config.path)};
  if (stamps == stamps_) return;
  places_.credentials.text = read_text(places_.credentials.path);
  places_.config.text = read_text(places_.config.path);
  stamps_ = std::move(stamps);
}

Result<Credentials> CredentialSource::current() {
  refresh();
  return find_credentials(places_);
}

Result<std::string> CredentialSource::region() {
  refresh();
  return find_region(places_);
}

}  // namespace joulespool::sink
