#include "cloud-bridge/sink/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace joulespool::sink {
namespace {

constexpr long transfer_buffer_bytes = 512 * 1024;  // bodies are megabytes: fewer turns than with curl's 16 and 64 KiB

// Once per process; thread-safe in libcurl >= 7.84 and by the rules of static variables. Never cleaned up: other users may live.
bool curl_is_ready() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

struct HeaderList {
  curl_slist* list = nullptr;
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list); }
  bool append(const std::string& line) {
    curl_slist* longer = curl_slist_append(list, line.c_str());
    if (longer != nullptr) list = longer;
    return longer != nullptr;
  }
};

// What the callbacks of one transfer fill.
struct Reception {
  HttpAnswer answer;
  size_t bytes_max = 0;
  bool too_large = false;
};

size_t on_body(char* data, size_t /*always 1*/, size_t size, void* user) {
  auto& reception = *static_cast<Reception*>(user);
  reception.too_large = reception.answer.body.size() + size > reception.bytes_max;
  if (reception.too_large) return 0;  // makes curl stop with CURLE_WRITE_ERROR
  reception.answer.body.append(data, size);
  return size;
}

void reserve_body(Reception& reception, std::string_view content_length) {
  size_t size = 0;
  const auto [end, error] = std::from_chars(content_length.data(), content_length.data() + content_length.size(), size);
  if (error == std::errc() && end != content_length.data()) reception.answer.body.reserve(std::min(size, reception.bytes_max));
}

size_t on_header(char* data, size_t /*always 1*/, size_t size, void* user) {
  auto& reception = *static_cast<Reception*>(user);
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) reception.answer.headers.clear();  // an interim answer (100) came before
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  HttpHeader header{to_lower(line.substr(0, colon)), std::string(value)};
  if (header.name == "content-length") reserve_body(reception, header.value);
  reception.answer.headers.push_back(std::move(header));
  return size;
}

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(const HttpLimits& limits) : limits_(limits), curl_(curl_easy_init()) {}
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;
  ~CurlClient() override { curl_easy_cleanup(curl_); }

  bool configure() {
    if (curl_ == nullptr) return false;
    const auto set = [this](CURLoption option, auto value) { return curl_easy_setopt(curl_, option, value) == CURLE_OK; };
    return set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_PROTOCOLS_STR, "http,https") && set(CURLOPT_FOLLOWLOCATION, 0L) &&
           set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) && set(CURLOPT_POST, 1L) &&
           set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits_.connect_timeout_ms)) &&
           set(CURLOPT_TIMEOUT_MS, static_cast<long>(limits_.request_timeout_ms)) && set(CURLOPT_TCP_KEEPALIVE, 1L) &&
           set(CURLOPT_BUFFERSIZE, transfer_buffer_bytes) && set(CURLOPT_UPLOAD_BUFFERSIZE, transfer_buffer_bytes) &&
           set(CURLOPT_WRITEFUNCTION, &on_body) && set(CURLOPT_HEADERFUNCTION, &on_header) &&
           set(CURLOPT_ERRORBUFFER, error_.data()) && set(CURLOPT_USERAGENT, "joulespool-bridge");
  }

  Result<HttpAnswer> post(const Url& url, std::span<const HttpHeader> headers, std::string_view body) override {
    HeaderList lines;
    bool ready = lines.append("Expect:");            // without a value: curl then does not ask for 100-continue
    ready = ready && lines.append("Content-Type:");  // nor does it name a form's type; the caller's own line counts
    for (const HttpHeader& header : headers)
      ready = ready && lines.append(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
    Reception reception;
    reception.bytes_max = limits_.answer_bytes_max;
    const std::string text = url.text();
    const auto set = [this](CURLoption option, auto value) { return curl_easy_setopt(curl_, option, value) == CURLE_OK; };
    ready = ready && set(CURLOPT_URL, text.c_str()) && set(CURLOPT_HTTPHEADER, lines.list) &&
            set(CURLOPT_POSTFIELDS, body.data()) && set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size())) &&
            set(CURLOPT_WRITEDATA, &reception) && set(CURLOPT_HEADERDATA, &reception) &&
            set(CURLOPT_PROXY, url.scheme == "http" ? "" : nullptr);
    if (!ready) return Error{Errc::internal, "POST " + text + ": libcurl refused an option"};
    return perform(text, reception);
  }

 private:
  Result<HttpAnswer> perform(const std::string& url, Reception& reception) {
    error_[0] = '\0';
    const CURLcode code = curl_easy_perform(curl_);
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, nullptr);  // the list and the body end with this call
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, nullptr);
    if (reception.too_large)
      return Error{Errc::full, "POST " + url + ": answer above " + std::to_string(limits_.answer_bytes_max) + " bytes"};
    if (code != CURLE_OK) {
      const Errc kind = code == CURLE_URL_MALFORMAT ? Errc::usage : Errc::unreachable;
      return Error{kind, "POST " + url + ": " + (error_[0] != '\0' ? error_.data() : curl_easy_strerror(code))};
    }
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    reception.answer.status = static_cast<int>(status);
    return std::move(reception.answer);
  }

  const HttpLimits limits_;
  CURL* curl_;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(const HttpLimits& limits) {
  if (!curl_is_ready()) return Error{Errc::internal, "libcurl: could not be initialised"};
  auto client = std::make_unique<CurlClient>(limits);
  if (!client->configure()) return Error{Errc::internal, "libcurl: could not be configured"};
  return std::unique_ptr<HttpClient>(std::move(client));
}

}  // namespace joulespool::sink
