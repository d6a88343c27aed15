// write_stat_payloads DIRECTORY SEED: what the encoder makes of windows of every load, spoilt ones, and such as nobody makes; and
// what the windows were. Per frame a file NAME.payload, and NAME.windows: sample_id_first of the frame, then of each window
// first, end, count, valid, the five sums (low half first), the six extremes.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>
#include <span>
#include <string>

#include "agent/codec/windows.h"
#include "tests/support/windows_of_load.h"

namespace {

using namespace joulespool;
using wire::Window;

template <class Value>
void append(std::ofstream& out, const Value& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void write_frame(const std::string& path, const std::vector<Window>& windows, uint64_t sample_id_first) {
  codec::WindowEncoder encoder;
  std::ofstream payload(path + ".payload", std::ios::binary), expected(path + ".windows", std::ios::binary);
  for (const std::byte byte : encoder.encode(windows, sample_id_first)) append(payload, byte);
  append(expected, sample_id_first);
  for (const Window& window : windows) {
    for (const uint64_t value : {window.sample_id_first, window.sample_id_end, window.count, window.valid})
      append(expected, value);
    for (const int128 sum : {window.i_sum, window.v_sum, window.i2_sum, window.p_sum, window.v2_sum}) append(expected, sum);
    for (float Window::*extreme :
         {&Window::i_min, &Window::i_max, &Window::v_min, &Window::v_max, &Window::p_min, &Window::p_max})
      append(expected, window.*extreme);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "write_stat_payloads DIRECTORY SEED\n";
    return 2;
  }
  const std::string directory = argv[1] + std::string("/");
  std::mt19937_64 random(std::strtoull(argv[2], nullptr, 10));
  for (const std::string model : {"js110", "js220"})
    for (const std::string load : {"sleep-ble", "cpu", "constant", "ranges"}) {
      const auto windows = test::windows_of({model, load, 0.3});
      write_frame(directory + model + "-" + load, windows, windows.front().sample_id_first);
      write_frame(directory + model + "-" + load + "-spoilt", test::spoilt_windows(random, windows), random());
    }
  for (int turn = 0; turn < 20; ++turn)
    write_frame(directory + "nasty-" + std::to_string(turn), test::nasty_windows(random, random() % 100), random());
  return 0;
}
