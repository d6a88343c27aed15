#include "agent/base/units.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <random>

using namespace joulespool;

TEST_CASE("units: SI prefixes with four significant digits") {
  CHECK(format_si(0.01234, "A") == "12.34 mA");
  CHECK(format_si(1.07e-6, "A") == "1.070 uA");
  CHECK(format_si(3.3, "V") == "3.300 V");
  CHECK(format_si(2e6, "S/s") == "2.000 MS/s");
  CHECK(format_si(-0.5, "W") == "-500.0 mW");
  CHECK(format_si(0, "J") == "0.000 J");
  CHECK(format_si(4.5e-12, "C") == "4.500 pC");
}

TEST_CASE("units: rounding up at a prefix's end takes the next prefix") {
  CHECK(format_si(0.99994, "A") == "999.9 mA");
  CHECK(format_si(0.99996, "A") == "1.000 A");
  CHECK(format_si(999.96, "A") == "1.000 kA");
}

TEST_CASE("units: no number is infinite text") {
  CHECK(format_si(std::nan(""), "A").find("nan") != std::string::npos);
  CHECK(format_si(INFINITY, "A").find("inf") != std::string::npos);
}

TEST_CASE("units: an SI text is within half a unit of its last digit") {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(-14.5, 11.5);
  for (int round = 0; round < 5000; ++round) {
    const double value = std::pow(10, exponent(random)) * (random() % 2 == 0 ? 1 : -1);
    const std::string text = format_si(value, "");
    char* end = nullptr;
    double factor = 1;
    const double mantissa = std::strtod(text.c_str(), &end);
    const std::string prefix = std::string(end).substr(1);
    const std::pair<const char*, double> prefixes[] = {{"G", 1e9},  {"M", 1e6},  {"k", 1e3},   {"", 1},     {"m", 1e-3},
                                                       {"u", 1e-6}, {"n", 1e-9}, {"p", 1e-12}, {"f", 1e-15}};
    for (const auto& [name, size] : prefixes)
      if (prefix == name) factor = size;
    CHECK(mantissa * factor == doctest::Approx(value).epsilon(0.00051));
    CHECK(std::fabs(mantissa) < 1000);
    CHECK(std::fabs(mantissa) >= 1);
  }
}

TEST_CASE("units: bytes with binary prefixes") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1536) == "1.50 KiB");
  CHECK(format_bytes(1024ULL * 1024 * 1024) == "1.00 GiB");
  CHECK(format_bytes(UINT64_MAX) == "16777216.00 TiB");
}

TEST_CASE("units: UTC as text") {
  CHECK(format_utc(0, 0) == "1970-01-01T00:00:00Z");
  CHECK(format_utc(1767323045678901234, 9) == "2026-01-02T03:04:05.678901234Z");
  CHECK(format_utc(1767323045678901234, 3) == "2026-01-02T03:04:05.678Z");
  CHECK(format_utc(-1, 9) == "1969-12-31T23:59:59.999999999Z");
  CHECK(format_utc(INT64_MAX, 9) == "2262-04-11T23:47:16.854775807Z");
}

TEST_CASE("units: text as UTC, to the nanosecond") {
  CHECK(*parse_utc("2026-01-02T03:04:05.678901234Z") == 1767323045678901234);
  CHECK(*parse_utc("2026-01-02T03:04:05") == 1767323045000000000);
  CHECK(*parse_utc("2026-01-02 03:04:05.5Z") == 1767323045500000000);
  CHECK(*parse_utc("@1767323045.25") == 1767323045250000000);
  CHECK(*parse_utc("2024-02-29T00:00:00Z") == 1709164800000000000);
  std::mt19937_64 random(2);
  for (int round = 0; round < 1000; ++round) {
    const auto utc_ns = static_cast<int64_t>(random() % 9000000000000000000ULL);
    CHECK(*parse_utc(format_utc(utc_ns, 9)) == utc_ns);
  }
}

TEST_CASE("units: what is no time is refused with what a time looks like") {
  for (const char* wrong : {"", "now", "2026-01-02", "2026-13-01T00:00:00Z", "2026-01-32T00:00:00Z", "2026-02-30T00:00:00Z",
                            "2025-02-29T00:00:00Z", "2026-01-02T24:00:00Z", "2026-01-02T00:60:00Z", "2026-01-02T00:00:00.Z",
                            "2026-01-02T00:00:00+01:00", "2026-01-02T00:00:00ZZ", "2026-01-02T00:00:00.1234567890Z", "@", "@x",
                            "@1e300", "@nan", "9999-01-01T00:00:00Z", "1969-01-01T00:00:00Z"}) {
    CAPTURE(wrong);
    const auto utc_ns = parse_utc(wrong);
    REQUIRE(!utc_ns.ok());
    CHECK(utc_ns.error().code == Errc::usage);
    CHECK(utc_ns.error().message.find("2026-01-02T03:04:05.678Z") != std::string::npos);
  }
}

TEST_CASE("units: integral of a constant is current times time") {
  // 10 mA for one second at 2 MS/s.
  const int128 sum = static_cast<int128>(21474836) * 2000000;
  CHECK(integral(sum, 2e6) == doctest::Approx(0.01).epsilon(1e-6));
}
