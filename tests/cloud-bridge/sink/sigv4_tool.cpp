// Signs requests for sigv4_botocore.py: one JSON object per line on stdin, the added headers as JSON on stdout.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "cloud-bridge/sink/base64.h"
#include "cloud-bridge/sink/sigv4.h"

namespace {

using namespace joulespool;
using Json = nlohmann::json;

Json sign(const Json& request) {
  const auto url = sink::parse_url(request.at("url").get<std::string>());
  if (!url) return {{"error", url.error().message}};
  std::vector<sink::HttpHeader> headers{{"host", url->host}};
  for (const Json& header : request.at("headers")) headers.push_back({header.at(0), header.at(1)});
  wire::Bytes body;
  if (!sink::decode_base64(request.at("body").get<std::string>(), body)) return {{"error", "body"}};
  std::string body_text;
  for (const std::byte byte : body) body_text += static_cast<char>(byte);
  const sink::Credentials credentials{request.at("access_key"), request.at("secret_key"), request.at("token"), ""};
  const std::string region = request.at("region");
  const std::string service = request.at("service");
  const std::string method = request.at("method");
  const auto added = sink::sign_v4({method, url->path, url->query, headers, body_text}, credentials, {region, service},
                                   request.at("time_ns").get<int64_t>());
  if (!added) return {{"error", added.error().message}};
  Json answer = {{"host", url->host}};
  for (const sink::HttpHeader& header : *added) answer[header.name] = header.value;
  return answer;
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << sign(Json::parse(line)).dump() << std::endl;
  return 0;
}
