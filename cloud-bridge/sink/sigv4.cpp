#include "cloud-bridge/sink/sigv4.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

namespace joulespool::sink {
namespace {

constexpr size_t digest_size = 32;
constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

struct OpenSslRefused {};  // thrown and caught in this file only

std::string sha256(std::string_view text) {
  std::array<unsigned char, digest_size> digest{};
  if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) throw OpenSslRefused{};
  return {digest.begin(), digest.end()};
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, digest_size> digest{};
  size_t size = 0;
  const auto* data = static_cast<const unsigned char*>(static_cast<const void*>(text.data()));
  if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(), data, text.size(), digest.data(),
                digest.size(), &size) == nullptr)
    throw OpenSslRefused{};
  return {digest.begin(), digest.end()};
}

std::string hex(std::string_view bytes, std::string_view digits = "0123456789abcdef") {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

// "20260102T030405Z"
std::string timestamp(int64_t realtime_ns) {
  const std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(realtime_ns)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss of_day{std::chrono::floor<std::chrono::seconds>(time - day)};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), static_cast<int>(of_day.hours().count()),
                static_cast<int>(of_day.minutes().count()), static_cast<int>(of_day.seconds().count()));
  return text.data();
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
         c == '~';
}

// Dot segments and repeated slashes resolved, then percent-encoded once more (every service but S3 wants it so).
std::string canonical_path(std::string_view path) {
  std::vector<std::string_view> segments;
  for (const std::string_view segment : split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") segments.push_back(segment);
    else if (!segments.empty()) segments.pop_back();
  }
  std::string canonical;
  for (const std::string_view segment : segments) {
    canonical += '/';
    for (const char c : segment) canonical += is_unreserved(c) ? std::string(1, c) : "%" + hex({&c, 1}, "0123456789ABCDEF");
  }
  if (canonical.empty() || path.ends_with('/')) canonical += '/';
  return canonical;
}

std::string canonical_query(std::string_view query) {
  if (query.empty()) return {};
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (const std::string_view part : split(query, '&')) {
    const size_t equals = std::min(part.find('='), part.size());
    pairs.emplace_back(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string canonical;
  for (const auto& [name, value] : pairs) {
    if (!canonical.empty()) canonical += '&';
    canonical.append(name).append("=").append(value);
  }
  return canonical;
}

std::string collapse_blanks(std::string_view value) {
  std::string collapsed;
  bool gap = false;
  for (const char c : value) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    if (!blank && gap && !collapsed.empty()) collapsed += ' ';
    if (!blank) collapsed += c;
    gap = blank;
  }
  return collapsed;
}

bool is_signed(std::string_view name) {
  return name != "expect" && name != "user-agent" && name != "x-amzn-trace-id" && name != "authorization";
}

// Lower-case name -> values joined by commas. The map sorts whole names, so "x-a" stands before "x-a-b" in both lists.
std::map<std::string, std::string> canonical_headers(std::span<const HttpHeader> headers) {
  std::map<std::string, std::string> canonical;
  for (const HttpHeader& header : headers) {
    const std::string name = to_lower(header.name);
    if (!is_signed(name)) continue;
    const auto [at, is_new] = canonical.emplace(name, collapse_blanks(header.value));
    if (!is_new) at->second += "," + collapse_blanks(header.value);
  }
  return canonical;
}

struct CanonicalRequest {
  std::string text;
  std::string signed_headers;
};

CanonicalRequest canonical_request(const SigningRequest& request, std::span<const HttpHeader> headers) {
  CanonicalRequest canonical;
  std::string header_lines;
  for (const auto& [name, value] : canonical_headers(headers)) {
    header_lines += name + ":" + value + "\n";
    canonical.signed_headers += (canonical.signed_headers.empty() ? "" : ";") + name;
  }
  canonical.text = std::string(request.method) + "\n" + canonical_path(request.path) + "\n" + canonical_query(request.query) +
                   "\n" + header_lines + "\n" + canonical.signed_headers + "\n" + hex(sha256(request.body));
  return canonical;
}

std::string signing_key(const std::string& secret, std::string_view date, const SigningScope& scope) {
  const std::string of_region = hmac_sha256(hmac_sha256("AWS4" + secret, date), scope.region);
  return hmac_sha256(hmac_sha256(of_region, scope.service), "aws4_request");
}

std::vector<HttpHeader> sign(const SigningRequest& request, const Credentials& credentials, const SigningScope& scope,
                             const std::string& time) {
  std::vector<HttpHeader> added{{"x-amz-date", time}};
  if (!credentials.session_token.empty()) added.push_back({"x-amz-security-token", credentials.session_token});
  std::vector<HttpHeader> all(request.headers.begin(), request.headers.end());
  all.insert(all.end(), added.begin(), added.end());

  const std::string date = time.substr(0, 8);
  const std::string scope_text = date + "/" + std::string(scope.region) + "/" + std::string(scope.service) + "/aws4_request";
  const CanonicalRequest canonical = canonical_request(request, all);
  const std::string to_sign = std::string(algorithm) + "\n" + time + "\n" + scope_text + "\n" + hex(sha256(canonical.text));
  const std::string signature = hex(hmac_sha256(signing_key(credentials.secret_access_key, date, scope), to_sign));
  added.push_back({"authorization", std::string(algorithm) + " Credential=" + credentials.access_key_id + "/" + scope_text +
                                        ", SignedHeaders=" + canonical.signed_headers + ", Signature=" + signature});
  return added;
}

}  // namespace

Result<std::vector<HttpHeader>> sign_v4(const SigningRequest& request, const Credentials& credentials, const SigningScope& scope,
                                        int64_t realtime_ns) {
  try {
    return sign(request, credentials, scope, timestamp(realtime_ns));
  } catch (const OpenSslRefused&) {
    return Error{Errc::internal, "signature: OpenSSL refused SHA-256 or HMAC"};
  }
}

}  // namespace joulespool::sink
