// write_odd_frames DIRECTORY: frames of all lanes with every value that a reader may get wrong, one file each, in an order as
// Kinesis may deliver them: with second copies, and out of order as after a request that failed in part.
#include <bit>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <limits>
#include <random>
#include <string>

#include "tests/support/file_bytes.h"
#include "tests/support/frame_factory.h"

namespace joulespool::test {
namespace {

using Floats = std::vector<float>;

class Directory {
 public:
  explicit Directory(std::string path) : path_(std::move(path)) {}
  void add(const wire::Bytes& frame) {
    char name[32];
    std::snprintf(name, sizeof name, "/%06u.frame", next_++);
    write_file(path_ + name, frame);
  }

 private:
  std::string path_;
  unsigned next_ = 0;
};

Floats odd_values() {
  Floats values = {0.0F, -0.0F, 1.0F, -1.0F, 2147483648.0F, -2147483648.0F, 2147483520.0F, 1e-9F, 3.4e38F};
  for (const uint32_t bits : {0x7FC00000U, 0x7FC12345U, 0xFFC00001U, 0x7F800001U, 0xFF812345U, 0x00000001U, 0x80000001U,
                              0x007FFFFFU, 0x00800000U, 0x7F800000U, 0xFF800000U})
    values.push_back(std::bit_cast<float>(bits));
  return values;
}

// Each odd value with each.
wire::Bytes odd_pairs(FrameFactory& factory, uint64_t sample_id) {
  Floats i;
  Floats v;
  for (const float a : odd_values())
    for (const float b : odd_values()) {
      i.push_back(a);
      v.push_back(b);
    }
  return factory.wave(sample_id, i, v);
}

struct Walk {
  Floats i, v;
};

Walk random_walk(std::mt19937_64& random, size_t count) {
  Walk walk;
  float i = 0.01F;
  for (size_t k = 0; k < count; ++k) {
    i += static_cast<float>(static_cast<int64_t>(random() % 2001) - 1000) * 0x1p-31F;
    walk.i.push_back(i);
    walk.v.push_back(3.3F + static_cast<float>(random() % 64) * 0x1p-20F);
  }
  return walk;
}

// Power of its own that is wrong every `step` samples: corrections with distances of one, two and three bytes.
wire::Bytes own_power(FrameFactory& factory, std::mt19937_64& random, uint64_t sample_id, size_t count, size_t step) {
  const Walk walk = random_walk(random, count);
  Floats p;
  for (size_t k = 0; k < count; ++k) p.push_back(walk.i[k] * walk.v[k]);
  for (size_t k = step - 1; k < count; k += step) p[k] = std::nextafter(p[k], 10.0F);
  p.front() = -0.0F;
  p.back() = std::bit_cast<float>(0x7FC0BEEFU);
  return factory.wave(sample_id, walk.i, walk.v, p);
}

wire::Bytes with_packed(FrameFactory& factory, std::mt19937_64& random, uint64_t sample_id) {
  const Walk walk = random_walk(random, 1001);
  wire::Bytes gpi(126);     // 1003 bits, the last byte partly
  wire::Bytes range(501);   // 1001 nibbles
  wire::Bytes quiet(2000);  // compresses
  for (std::byte& byte : gpi) byte = static_cast<std::byte>(random());
  for (std::byte& byte : range) byte = static_cast<std::byte>(random());
  gpi.back() &= std::byte{7};
  range.back() &= std::byte{15};
  const codec::PackedSignal packed[] = {{16, 1, 1, 1, 1003, gpi}, {4, 4, 0, 2, 1001, range}, {19, 1, 0, 2, 16000, quiet}};
  return factory.wave(sample_id, walk.i, walk.v, {}, packed);
}

// The same frame with a section that nobody knows.
wire::Bytes with_unknown_section(const wire::Bytes& bytes) {
  const auto frame = std::get<wire::Frame>(wire::read_frame(bytes));
  wire::Bytes payload(frame.payload.begin(), frame.payload.end());
  const uint8_t section[] = {200, 77, 3, 'x', 'y', 'z'};
  for (const uint8_t byte : section) payload.push_back(std::byte{byte});
  return wire::write_frame(frame.header, payload);
}

wire::Bytes odd_windows(FrameFactory& factory, std::mt19937_64& random) {
  const auto wide = [&] { return join_halves(static_cast<int64_t>(random()) >> 12, random()); };
  std::vector<wire::Window> windows;
  for (uint64_t k = 0; k < 300; ++k) {
    wire::Window window;
    window.sample_id_first = 5'000'000'000ULL + k * 2000 + (k > 100 ? 777 : 0);
    window.sample_id_end = window.sample_id_first + 1000;
    window.count = k % 7 == 0 ? 499 : 500;
    window.valid = k % 11 == 0 ? 0 : window.count;
    if (window.valid > 0) {
      window.i_sum = wide();
      window.v_sum = -wide();
      window.p_sum = wide();
      window.i2_sum = int128{1} << (k % 115);
      window.v2_sum = (int128{1} << 117) - static_cast<int128>(k);
      window.i_min = -0.0F;
      window.i_max = std::numeric_limits<float>::denorm_min();
      window.v_min = -3.4e38F;
      window.v_max = 3.4e38F;
      window.p_min = static_cast<float>(k);
      window.p_max = static_cast<float>(k) + 0.1F;
    }
    windows.push_back(window);
  }
  return factory.stat(windows);
}

wire::Bytes all_events(FrameFactory& factory) {
  wire::Gap evicted{wire::GapReason::evicted, 0xA1,         10, 20, false, 5, 1, 2, wire::Lane::wave,
                    wire::SeqRange{3, 9},     "over budget"};
  wire::Gap restarted{wire::GapReason::restart, 0xA1, 1ULL << 63, 0, true, 0, -1, 0, {}, {}, ""};
  wire::Stopped stopped{"asked to", 99, {1ULL << 40, 7, -(int128{1} << 100), int128{1} << 90, 12}};
  wire::ClockCorrected corrected{{1, 2, 2e6, wire::UtcQuality::host}, {3, -4, 2000000.25, wire::UtcQuality::instrument}};
  return factory.event(
      {evicted, restarted, stopped, corrected, wire::DeviceNote{"lost", "USB\ngone \xC3\xBC", 8}, std::monostate{}});
}

void write_first_device(Directory& directory, std::mt19937_64& random) {
  FrameFactory factory("js220-000001", 0xFEDCBA9876543210);
  factory.header.labels = {{"run", "7"}, {"build", ""}};
  directory.add(factory.started(4000));
  directory.add(odd_pairs(factory, 4000));
  const wire::Bytes second = own_power(factory, random, 5000, 70'000, 17'000);
  const wire::Bytes third = own_power(factory, random, 1'000'000, 5000, 300);  // after a gap
  const wire::Bytes fourth = own_power(factory, random, 1'010'000, 5000, 1);   // follows
  directory.add(third);
  directory.add(second);
  directory.add(fourth);
  directory.add(third);
  directory.add(own_power(factory, random, 1'020'000, 4000, 9));
  directory.add(with_packed(factory, random, 1'028'000));
  directory.add(with_packed(factory, random, 1'030'002));  // follows, but for GPI 0
  directory.add(with_unknown_section(factory.flat_wave(1'040'000, 64)));
  directory.add(odd_windows(factory, random));
  directory.add(factory.flat_stat(5'100'000'000, 5'100'010'000));
  directory.add(all_events(factory));
}

void write_second_device(Directory& directory, std::mt19937_64& random) {
  FrameFactory before("js110-000002", 1);
  before.header.axis.decimation = 1;
  before.header.utc.quality = wire::UtcQuality::unknown;
  FrameFactory after("js110-000002", 2, 0xA2);
  directory.add(before.flat_wave(0, 1));
  directory.add(own_power(after, random, 77, 200, 140));
  const wire::Bytes lost = before.flat_wave(1, 10);
  directory.add(before.flat_wave(11, 10));  // without `lost`: a hole
  directory.add(after.flat_stat(77, 9000));
}

}  // namespace
}  // namespace joulespool::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "write_odd_frames DIRECTORY\n";
    return 2;
  }
  joulespool::test::Directory directory(argv[1]);
  std::mt19937_64 random(1);
  joulespool::test::write_first_device(directory, random);
  joulespool::test::write_second_device(directory, random);
  return 0;
}
