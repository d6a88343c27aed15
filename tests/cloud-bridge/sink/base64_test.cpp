#include "cloud-bridge/sink/base64.h"

#include <doctest/doctest.h>

#include <random>

namespace joulespool::sink {
namespace {

wire::Bytes bytes_of(std::string_view text) {
  wire::Bytes bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

std::string encode(const wire::Bytes& bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

}  // namespace

TEST_CASE("base64: the vectors of RFC 4648 both ways") {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : vectors) {
    CHECK(encode(bytes_of(plain)) == coded);
    wire::Bytes decoded;
    CHECK(decode_base64(coded, decoded));
    CHECK(decoded == bytes_of(plain));
  }
}

TEST_CASE("base64: encoding appends to what is there") {
  std::string text = "Data:";
  append_base64(text, bytes_of("foo"));
  CHECK(text == "Data:Zm9v");
}

TEST_CASE("base64: random bytes of every length come back") {
  std::mt19937 random(4711);
  for (size_t length = 0; length < 300; ++length) {
    wire::Bytes bytes(length);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    const std::string text = encode(bytes);
    CHECK(text.size() == (length + 2) / 3 * 4);
    wire::Bytes decoded;
    REQUIRE(decode_base64(text, decoded));
    CHECK(decoded == bytes);
  }
}

TEST_CASE("base64: what is not whole base64 is refused") {
  wire::Bytes decoded;
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg==Zg==", "====", "Z===", "Zm9v\n", "Zm9-", "Zm 9", "=m9v", "Zh==", "Zm9=", "Zm9vZ=="})
    CHECK_MESSAGE(!decode_base64(text, decoded), text);
}

}  // namespace joulespool::sink
