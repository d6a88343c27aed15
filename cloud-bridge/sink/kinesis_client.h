// One call of the Kinesis API: signed JSON over HTTP.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "cloud-bridge/sink/credentials.h"
#include "cloud-bridge/sink/http_client.h"

namespace joulespool::sink {

struct KinesisOptions {
  std::string region;    // empty: AWS_REGION, AWS_DEFAULT_REGION or the profile's
  std::string endpoint;  // empty: https://kinesis.<region>.amazonaws.com (.cn in China)
  std::string stream;    // [a-zA-Z0-9_.-]{1,128}
  int connect_timeout_ms = 5'000;
  int request_timeout_ms = 30'000;
};

struct KinesisAnswer {
  int status = 0;
  std::string body;
  std::string error_type;  // "ResourceNotFoundException"; empty if status is 200
  std::string error_message;
  [[nodiscard]] bool ok() const { return status == 200; }
};

// The answer as an Error. unreachable: HTTP 5xx, throttling, limits per second (try again); usage: everything else that
// Kinesis refuses (credentials, signature, no such stream, not valid).
Error to_error(const KinesisAnswer& answer, std::string_view operation);

// One thread at a time.
class KinesisClient {
 public:
  KinesisClient(Url endpoint, std::string region, std::unique_ptr<HttpClient> http, CredentialSource credentials, Clock& clock);

  // Error: no answer came (unreachable, full) or there are no credentials (usage). An answer that says no is not an Error here.
  // Sends a second time when Kinesis says that the signature's time is wrong and its Date header shows that our clock is off
  // (the difference is kept for later calls), or that the token expired and reading the credentials again gave others.
  Result<KinesisAnswer> call(std::string_view operation, std::string_view json);
  // The same, with an answer that says no as an Error: the body.
  Result<std::string> request(std::string_view operation, std::string_view json);

  // The clock's time, corrected by what Kinesis' Date header taught.
  [[nodiscard]] int64_t realtime_ns() { return clock_.realtime_ns() + skew_ns_; }

 private:
  Result<HttpAnswer> send(std::string_view operation, std::string_view json, const Credentials& credentials);
  bool correct_skew(std::optional<int64_t> date_ns, int64_t signed_at_ns);
  bool renew(const Credentials& refused);

  const Url endpoint_;
  const std::string region_;
  const std::unique_ptr<HttpClient> http_;
  CredentialSource credentials_;
  Clock& clock_;
  int64_t skew_ns_ = 0;
};

// Checks the options, finds region and credentials. Connects to nothing. Error: usage.
Result<std::unique_ptr<KinesisClient>> make_kinesis_client(const KinesisOptions& options, Clock& clock);

}  // namespace joulespool::sink
