// What windows of lane stat cost, in frames as an agent commits them: bytes and CPU nanoseconds per window with codec 2, beside
// codec 1, zstd -1 and memcpy of the same windows in the same run. JSON on stdout.
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/codec/windows.h"
#include "tests/support/codec1_window_writer.h"
#include "tests/support/windows_of_load.h"

namespace {

using namespace joulespool;

constexpr size_t windows_per_frame = 250;  // of 1 ms: spool.commit-window-ms
constexpr double seconds = 8;
constexpr int repeats = 15;

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Cost {
  double bytes = 0, ns = 0;  // per window
};

// work(windows of a frame) returns bytes. The time is the median of `repeats`.
template <class Work>
Cost cost_of(std::span<const wire::Window> windows, Work work) {
  Cost cost;
  std::vector<double> times;
  for (int turn = 0; turn <= repeats; ++turn) {
    size_t bytes = 0;
    const double before = thread_cpu_ns();
    for (size_t at = 0; at < windows.size(); at += windows_per_frame)
      bytes += work(windows.subspan(at, std::min(windows_per_frame, windows.size() - at)));
    if (turn > 0) times.push_back((thread_cpu_ns() - before) / static_cast<double>(windows.size()));  // the first warms up
    cost.bytes = static_cast<double>(bytes) / static_cast<double>(windows.size());
  }
  std::nth_element(times.begin(), times.begin() + repeats / 2, times.end());
  cost.ns = times[repeats / 2];
  return cost;
}

nlohmann::json measure(const std::string& model, const std::string& load) {
  const auto windows = test::windows_of({model, load, seconds});
  std::vector<wire::Window> copied(windows_per_frame);
  std::vector<char> packed(ZSTD_compressBound(windows_per_frame * sizeof(wire::Window)));
  codec::WindowEncoder encoder;
  test::Codec1WindowWriter before;
  const Cost copy = cost_of(windows, [&](auto frame) {
    std::memcpy(copied.data(), frame.data(), frame.size_bytes());
    return frame.size_bytes();
  });
  const Cost zstd = cost_of(
      windows, [&](auto frame) { return ZSTD_compress(packed.data(), packed.size(), frame.data(), frame.size_bytes(), 1); });
  const Cost codec1 = cost_of(windows, [&](auto frame) { return before.encode(frame, frame[0].sample_id_first).size(); });
  const Cost codec2 = cost_of(windows, [&](auto frame) { return encoder.encode(frame, frame[0].sample_id_first).size(); });
  std::vector<wire::Bytes> payloads;
  cost_of(std::span(windows).first(windows.size()), [&](auto frame) {
    const auto payload = encoder.encode(frame, frame[0].sample_id_first);
    payloads.emplace_back(payload.begin(), payload.end());
    return payload.size();
  });
  size_t at = 0;
  bool well = true;
  const Cost decode = cost_of(windows, [&](auto frame) {
    const auto decoded = codec::decode_windows(payloads[at], codec::codec_2, frame[0].sample_id_first);
    well = well && decoded.ok() && std::equal(frame.begin(), frame.end(), decoded->begin(), decoded->end());
    return payloads[at++].size();
  });
  return {{"model", model},
          {"load", load},
          {"raw_bytes", copy.bytes},
          {"memcpy_ns", copy.ns},
          {"zstd1_bytes", zstd.bytes},
          {"zstd1_ns", zstd.ns},
          {"codec1_bytes", codec1.bytes},
          {"codec1_ns", codec1.ns},
          {"bytes", codec2.bytes},
          {"encode_ns", codec2.ns},
          {"decode_ns", decode.ns},
          {"decoded", well}};
}

}  // namespace

int main() {
  nlohmann::json out = nlohmann::json::array();
  for (const char* model : {"js110", "js220"})
    for (const char* load : {"sleep-ble", "cpu", "constant", "ranges"}) out.push_back(measure(model, load));
  std::cout << out.dump(2) << std::endl;
  return 0;
}
