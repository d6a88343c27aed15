// Quantities and times as text, and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/int128.h"
#include "agent/base/result.h"

namespace joulespool {

// Sums of charge, energy and power are counted in units of 2^-31 A, W per sample (docs: agent/wire/FORMAT.md).
constexpr double units_per_one = 2147483648.0;  // 2^31

// `value` with an SI prefix and four significant digits: format_si(0.01234, "A") == "12.34 mA".
std::string format_si(double value, std::string_view unit);
// Bytes with binary prefixes: "1.50 MiB".
std::string format_bytes(uint64_t bytes);
// "2026-01-02T03:04:05.678Z" with `digits` (0..9) digits of the second.
std::string format_utc(int64_t utc_ns, int digits = 6);
// ISO 8601 UTC ("2026-01-02T03:04:05[.fff][Z]"), or "@<seconds since 1970>".
Result<int64_t> parse_utc(std::string_view text);
// Integer sum of i or p (units of 2^-31 per sample) at `sample_rate_hz` -> coulomb or joule. For people; the integer is the
// truth.
double integral(int128 sum, double sample_rate_hz);

}  // namespace joulespool
