// write_profile_payloads DIRECTORY SAMPLES: what the encoder makes of two frames of each made-up stream (tests/bench/profiles.h),
// and what the samples were. Per frame a file NAME.payload, and NAME.samples: i, v, p, float32, and the range, one byte each.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <span>
#include <string>

#include "agent/codec/samples.h"
#include "tests/bench/profiles.h"

namespace {

using namespace joulespool;

void append(std::ofstream& out, std::span<const std::byte> bytes) {
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

wire::Bytes as_nibbles(std::span<const uint8_t> range) {
  wire::Bytes nibbles((range.size() + 1) / 2);
  for (size_t at = 0; at < range.size(); ++at) nibbles[at / 2] |= static_cast<std::byte>(range[at] << (4 * (at % 2)));
  return nibbles;
}

void write_frame(const std::string& path, codec::SampleEncoder& encoder, const bench::Recording& from, size_t first,
                 size_t count) {
  const auto part = [&](const std::vector<float>& values) { return std::span(values).subspan(first, count); };
  const std::span range = std::span(from.range).subspan(first, count);
  const wire::Bytes nibbles = as_nibbles(range);
  const codec::PackedSignal packed[] = {{4, 4, 0, 1, count, nibbles}};
  std::ofstream payload(path + ".payload", std::ios::binary), samples(path + ".samples", std::ios::binary);
  append(payload, encoder.encode({part(from.i), part(from.v), part(from.p), packed}));
  for (const auto* values : {&from.i, &from.v, &from.p}) append(samples, std::as_bytes(part(*values)));
  append(samples, std::as_bytes(range));
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
  if (count == 0) {
    std::cerr << "write_profile_payloads DIRECTORY SAMPLES\n";
    return 2;
  }
  std::vector<bench::Profile> profiles(bench::realistic_profiles.begin(), bench::realistic_profiles.end());
  profiles.push_back(bench::Profile::noise_fs);
  for (const bench::Model model : bench::models)
    for (const bench::Profile profile : profiles) {
      const bench::Recording recording = bench::make_recording(model, profile, 1, 2 * count);
      codec::SampleEncoder encoder;
      const std::string path = argv[1] + ("/" + std::string(bench::name_of(model)) + "-" + std::string(bench::name_of(profile)));
      write_frame(path + "-first", encoder, recording, 0, count);
      write_frame(path + "-second", encoder, recording, count, count);
    }
  return 0;
}
