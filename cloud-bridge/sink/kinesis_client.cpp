#include "cloud-bridge/sink/kinesis_client.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "cloud-bridge/sink/sigv4.h"

namespace joulespool::sink {
namespace {

constexpr std::string_view target_prefix = "Kinesis_20131202.";
constexpr std::string_view content_type = "application/x-amz-json-1.1";
constexpr size_t message_bytes_max = 300;  // of a foreign error text in ours

// AWS accepts five minutes either way. Below one minute the clock is not the reason, and the Date header has whole seconds.
constexpr int64_t skew_min_ns = 60 * ns_per_s;

template <size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& set) {
  return std::find(set.begin(), set.end(), text) != set.end();
}

bool says_wrong_time(std::string_view type) {
  constexpr std::array<std::string_view, 6> types = {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired",
                                                     "RequestTimeTooSkewed",      "RequestInTheFuture",    "SignatureExpired"};
  return is_one_of(type, types);
}

bool says_wrong_token(std::string_view type) {
  constexpr std::array<std::string_view, 5> types = {"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException",
                                                     "InvalidClientTokenId", "InvalidSignatureException"};
  return is_one_of(type, types);
}

bool says_try_again(const KinesisAnswer& answer) {
  constexpr std::array<std::string_view, 9> types = {"ProvisionedThroughputExceededException",
                                                     "LimitExceededException",
                                                     "ThrottlingException",
                                                     "Throttling",
                                                     "KMSThrottlingException",
                                                     "RequestLimitExceeded",
                                                     "InternalFailure",
                                                     "InternalFailureException",
                                                     "ServiceUnavailable"};
  return answer.status >= 500 || answer.status == 429 || answer.status == 408 || is_one_of(answer.error_type, types);
}

// "com.amazonaws.kinesis#ResourceNotFoundException:http://..." -> "ResourceNotFoundException"
std::string bare_type(std::string_view type) {
  type = type.substr(type.rfind('#') == std::string_view::npos ? 0 : type.rfind('#') + 1);
  return std::string(type.substr(0, type.find(':')));
}

// Foreign text in one printable line.
std::string printable(std::string_view text) {
  std::string line(text.substr(0, message_bytes_max));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return line;
}

std::string text_member(const nlohmann::json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

KinesisAnswer read_answer(HttpAnswer&& http) {
  KinesisAnswer answer;
  answer.status = http.status;
  if (!answer.ok()) {
    const auto json = nlohmann::json::parse(http.body, nullptr, false);
    answer.error_type = bare_type(text_member(json, "__type"));
    if (answer.error_type.empty()) answer.error_type = bare_type(find_header(http.headers, "x-amzn-errortype"));
    answer.error_message = text_member(json, "message");
    if (answer.error_message.empty()) answer.error_message = text_member(json, "Message");
    if (answer.error_message.empty() && !json.is_object()) answer.error_message = printable(http.body);
  }
  answer.body = std::move(http.body);
  return answer;
}

std::string endpoint_of(const std::string& region) {
  return "https://kinesis." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
}

bool is_stream_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

Error to_error(const KinesisAnswer& answer, std::string_view operation) {
  std::string message = "Kinesis " + std::string(operation) + ": HTTP " + std::to_string(answer.status);
  if (!answer.error_type.empty()) message += " " + printable(answer.error_type);
  if (!answer.error_message.empty()) message += ": " + printable(answer.error_message);
  return {says_try_again(answer) ? Errc::unreachable : Errc::usage, message};
}

KinesisClient::KinesisClient(Url endpoint, std::string region, std::unique_ptr<HttpClient> http, CredentialSource credentials,
                             Clock& clock)
    : endpoint_(std::move(endpoint)),
      region_(std::move(region)),
      http_(std::move(http)),
      credentials_(std::move(credentials)),
      clock_(clock) {}

Result<HttpAnswer> KinesisClient::send(std::string_view operation, std::string_view json, const Credentials& credentials) {
  std::vector<HttpHeader> headers{{"host", endpoint_.host},
                                  {"content-type", std::string(content_type)},
                                  {"x-amz-target", std::string(target_prefix) + std::string(operation)}};
  const SigningRequest to_sign{"POST", endpoint_.path, endpoint_.query, headers, json};
  auto added = sign_v4(to_sign, credentials, {region_, "kinesis"}, realtime_ns());
  if (!added) return added.error();
  headers.insert(headers.end(), added->begin(), added->end());
  return http_->post(endpoint_, headers, json);
}

bool KinesisClient::correct_skew(std::optional<int64_t> date_ns, int64_t signed_at_ns) {
  if (!date_ns || std::abs(*date_ns - signed_at_ns) < skew_min_ns) return false;
  skew_ns_ = *date_ns - clock_.realtime_ns();
  return true;
}

bool KinesisClient::renew(const Credentials& refused) {
  credentials_.expire();
  const auto renewed = credentials_.current();
  return renewed && !(*renewed == refused);
}

Result<KinesisAnswer> KinesisClient::call(std::string_view operation, std::string_view json) {
  for (int attempt = 1;; ++attempt) {
    const auto credentials = credentials_.current();
    if (!credentials) return credentials.error();
    const int64_t signed_at_ns = realtime_ns();
    auto http = send(operation, json, *credentials);
    if (!http) return http.error().in("Kinesis " + std::string(operation));
    const auto date_ns = parse_http_date(find_header(http->headers, "date"));
    KinesisAnswer answer = read_answer(std::move(*http));
    if (answer.ok() || attempt > 1) return answer;
    const bool retry = (says_wrong_time(answer.error_type) && correct_skew(date_ns, signed_at_ns)) ||
                       (says_wrong_token(answer.error_type) && renew(*credentials));
    if (!retry) return answer;
  }
}

Result<std::string> KinesisClient::request(std::string_view operation, std::string_view json) {
  auto answer = call(operation, json);
  if (!answer) return answer.error();
  if (!answer->ok()) return to_error(*answer, operation);
  return std::move(answer->body);
}

Result<std::unique_ptr<KinesisClient>> make_kinesis_client(const KinesisOptions& options, Clock& clock) {
  if (!is_stream_name(options.stream))
    return Error{Errc::usage, "Kinesis stream name \"" + options.stream + "\": must be 1..128 of letters, digits, '_', '.', '-'"};
  CredentialSource credentials(aws_environment());
  std::string region = options.region;
  if (region.empty()) {
    auto found = credentials.region();
    if (!found) return found.error();
    region = *found;
  }
  if (const auto found = credentials.current(); !found) return found.error();
  auto endpoint = parse_url(options.endpoint.empty() ? endpoint_of(region) : options.endpoint);
  if (!endpoint) return endpoint.error().in("Kinesis endpoint");
  HttpLimits limits;
  limits.connect_timeout_ms = options.connect_timeout_ms;
  limits.request_timeout_ms = options.request_timeout_ms;
  auto http = make_http_client(limits);
  if (!http) return http.error();
  return std::make_unique<KinesisClient>(*endpoint, region, std::move(*http), std::move(credentials), clock);
}

}  // namespace joulespool::sink
