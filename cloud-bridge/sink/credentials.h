// AWS credentials and region, found in the order of AWS' own tools: environment, then profile files.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"

namespace joulespool::sink {

struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: long-lived keys
  std::string origin;         // where they were found, for messages: "environment", "profile default in ~/.aws/credentials"
  bool operator==(const Credentials&) const = default;
};

using Environment = std::map<std::string, std::string>;  // an empty value counts as not set

struct ProfileFile {
  std::string path;                 // empty: not known (no HOME)
  std::optional<std::string> text;  // nothing: there is no such file or it cannot be read
};

// Everything that is looked at.
struct CredentialPlaces {
  Environment environment;
  ProfileFile credentials;  // AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials: [default], [name]
  ProfileFile config;       // AWS_CONFIG_FILE or ~/.aws/config: [default], [profile name]
};

// Pure. Order: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; the profile AWS_PROFILE (default "default") in the
// credentials file; the same profile in the config file. Error usage: names every place that was looked at, and never a secret.
Result<Credentials> find_credentials(const CredentialPlaces& places);
// Pure. Order: AWS_REGION, AWS_DEFAULT_REGION, `region` of the profile in the config file, then in the credentials file.
Result<std::string> find_region(const CredentialPlaces& places);
// Pure: paths of both files, without text.
CredentialPlaces credential_places(Environment environment);

// What of the process' environment matters here.
Environment aws_environment();

// Keeps credentials current: files are read again when their modification time or size changed. One thread at a time.
class CredentialSource {
 public:
  explicit CredentialSource(Environment environment);
  Result<Credentials> current();
  Result<std::string> region();
  // Kinesis refused the credentials: the next current() reads the files again in any case.
  void expire() { stamps_.clear(); }

 private:
  struct Stamp {
    int64_t modified_ns = -1;  // -1: no such file
    int64_t size_bytes = -1;
    bool operator==(const Stamp&) const = default;
  };
  static Stamp stamp_of(const std::string& path);
  void refresh();

  CredentialPlaces places_;
  std::vector<Stamp> stamps_;  // of both files when they were read; empty: not read yet
};

}  // namespace joulespool::sink
