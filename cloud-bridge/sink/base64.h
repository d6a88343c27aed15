// Base64 with padding (RFC 4648, section 4), as Kinesis' JSON carries bytes. Pure.
#pragma once

#include <string>
#include <string_view>

#include "agent/wire/types.h"

namespace joulespool::sink {

void append_base64(std::string& text, wire::ByteView bytes);

// False, and `bytes` without meaning, if the text is not whole base64 (wrong character, length or padding).
[[nodiscard]] bool decode_base64(std::string_view text, wire::Bytes& bytes);

}  // namespace joulespool::sink
