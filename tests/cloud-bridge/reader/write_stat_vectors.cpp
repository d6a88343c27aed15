// write_stat_vectors DIRECTORY: the golden frames stat-codec2-*.frame as the encoder would make them now, one per feature of the
// payload and per fallback; a frame that stands for others, one of those, and the record that such a frame was lost.
// python_stat_test.py checks that each has what its name says; tests/vectors/README.md.
#include <bit>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <random>
#include <string>

#include "tests/support/file_bytes.h"
#include "tests/support/frame_factory.h"
#include "tests/support/windows_of_load.h"

namespace joulespool::test {
namespace {

using Windows = std::vector<wire::Window>;
constexpr uint64_t window_ticks = 2000;

Windows part(const Windows& windows, size_t first, size_t count) {
  return {windows.begin() + static_cast<std::ptrdiff_t>(first), windows.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

// Places as an agent makes them, for windows whose values are made up.
Windows placed(Windows windows, uint64_t first = 1'000'000) {
  for (wire::Window& window : windows) {
    window.sample_id_first = first;
    window.sample_id_end = first += window_ticks;
    window.count = window_ticks / 2;
    window.valid = std::min<uint64_t>(window.valid, window.count);
  }
  return windows;
}

Windows constant() { return placed(Windows(60, windows_of({"js220", "constant", 0.01})[3])); }

Windows tables() {
  Windows windows = windows_of({"js110", "constant", 0.12});
  return part(windows, 10, 100);
}

// A level that goes up slowly, by steps that hardly vary.
Windows drift() {
  std::mt19937_64 random(5);
  Windows windows;
  float level = 0.01F;
  for (size_t k = 0; k < 80; ++k) {
    level += 0x1p-12F + 0x1p-24F * static_cast<float>(random() % 16);
    const std::vector<float> i(100, level), v(100, 3.25F);
    windows.push_back(window_of(2'000'000 + k * 200, 2, i, v));
  }
  return windows;
}

// Sums of squares, and all others, of more than 64 bits that vary.
Windows wide() {
  std::mt19937_64 random(6);
  Windows windows = placed(nasty_windows(random, 24));
  for (wire::Window& window : windows) {
    window.valid = window.count;
    for (int128 wire::Window::*sum : {&wire::Window::i_sum, &wire::Window::v_sum, &wire::Window::p_sum, &wire::Window::i2_sum})
      window.*sum = join_halves(static_cast<int64_t>(random()) >> 30, random());
    window.v2_sum = join_halves(static_cast<int64_t>(random()), random());
  }
  return windows;
}

// Extremes that no sum can tell: NaNs with payloads, infinities, -0.0, denormals.
Windows odd_extremes() {
  std::mt19937_64 random(7);
  Windows windows = placed(windows_of({"js220", "sleep-ble", 0.04}));
  const Windows nasty = nasty_windows(random, windows.size());
  for (size_t at = 0; at < windows.size(); ++at)
    for (float wire::Window::*extreme : {&wire::Window::i_min, &wire::Window::i_max, &wire::Window::v_min, &wire::Window::v_max,
                                         &wire::Window::p_min, &wire::Window::p_max})
      windows[at].*extreme = nasty[at].*extreme;
  return windows;
}

Windows gaps() {
  Windows windows = windows_of({"js220", "sleep-ble", 0.09});
  windows.front() =
      window_of(windows.front().sample_id_first + 600, 2, std::vector<float>(700, 1e-6F), std::vector<float>(700, 3.3F));
  windows[10] = window_of(windows[10].sample_id_first, 2, std::vector<float>(300, 2e-6F), std::vector<float>(300, 3.25F));
  windows[11].count -= 5;
  windows[11].valid -= 7;
  for (const size_t at : {size_t{20}, size_t{21}}) {
    wire::Window empty;
    empty.sample_id_first = windows[at].sample_id_first;
    empty.sample_id_end = windows[at].sample_id_end;
    empty.count = windows[at].count;
    windows[at] = empty;
  }
  windows.erase(windows.begin() + 40, windows.begin() + 60);
  return windows;
}

Windows all_missing() {
  Windows windows(30);
  for (wire::Window& window : windows) window.count = 1000;
  return placed(windows);
}

Windows anything() {
  std::mt19937_64 random(8);
  return placed(nasty_windows(random, 40));
}

const std::map<std::string, std::function<Windows()>> vectors = {
    {"constant", constant},
    {"noise",
     [] {
       return part(windows_of({"js220", "constant", 0.12}), 7, 100);
     }},
    {"quiet",
     [] {
       return part(windows_of({"js220", "sleep-ble", 0.2}), 100, 90);
     }},
    {"states",
     [] {
       return part(windows_of({"js220", "cpu", 0.2}), 3, 190);
     }},
    {"tables", tables},
    {"previous", drift},
    {"wide", wide},
    {"odd-extremes", odd_extremes},
    {"gaps", gaps},
    {"all-missing", all_missing},
    {"anything", anything},
    {"long-windows",
     [] {
       return windows_of({"js110", "ranges", 4, 0, 500'000});
     }},
    {"one-window",
     [] {
       return part(windows_of({"js110", "sleep-ble", 0.02}), 4, 1);
     }},
};

// The frame with other bytes behind its payload, or only those.
wire::Bytes with_payload(const wire::Bytes& bytes, bool keep, std::initializer_list<int> more) {
  auto frame = std::get<wire::Frame>(wire::read_frame(bytes));
  wire::Bytes payload;
  if (keep) payload.assign(frame.payload.begin(), frame.payload.end());
  else {
    frame.header.sample_id_end = frame.header.sample_id_first;
    frame.header.samples = frame.header.valid = 0;
    frame.header.i_sum = frame.header.p_sum = 0;
  }
  for (const int byte : more) payload.push_back(static_cast<std::byte>(byte));
  return wire::write_frame(frame.header, payload);
}

// Of an earlier epoch and of this one; the last of them is there, too.
void write_merged(const std::string& directory) {
  const Windows windows = part(windows_of({"js220", "constant", 0.12}), 7, 90);
  FrameFactory earlier("vector-stat-merged", 0xE0), factory("vector-stat-merged");
  earlier.next_seq(wire::Lane::stat) = 41;
  const std::vector<wire::Bytes> frames = {earlier.stat(part(windows, 0, 30)), factory.stat(part(windows, 30, 30)),
                                           factory.stat(part(windows, 60, 30))};
  const wire::Bytes merged = factory.merged(frames, 20'000);
  write_file(directory + "/stat-codec2-replaced.frame", frames.back());
  write_file(directory + "/stat-codec2-merged.frame", merged);
  const wire::FrameHeader header = std::get<wire::Frame>(wire::read_frame(merged)).header;
  wire::Gap gap;
  gap.reason = wire::GapReason::evicted;
  gap.axis = header.axis.life;
  gap.sample_id_first = header.sample_id_first;
  gap.sample_id_end = header.sample_id_end;
  gap.samples_lost = header.samples;
  gap.lane = wire::Lane::stat;
  gap.frames = wire::SeqRange{header.seq, header.seq};
  gap.epoch = header.epoch;
  gap.replaced = header.replaces;
  write_file(directory + "/event-merged-lost.frame", FrameFactory("vector-event-merged", 0xE2).event({gap}, 1'000'000));
}

}  // namespace
}  // namespace joulespool::test

int main(int argc, char** argv) {
  using namespace joulespool::test;
  if (argc != 2) {
    std::cerr << "write_stat_vectors DIRECTORY\n";
    return 2;
  }
  const std::string directory = argv[1] + std::string("/stat-codec2-");
  for (const auto& [name, make] : vectors) {
    const auto windows = make();
    FrameFactory factory("vector-stat-" + name);
    const auto& last = windows.back();
    factory.header.axis.decimation = static_cast<uint32_t>((last.sample_id_end - last.sample_id_first) / last.count);
    write_file(directory + name + ".frame", factory.stat(windows));
  }
  write_file(directory + "later-columns.frame",
             with_payload(FrameFactory("vector-stat-later-columns").stat(constant()), true, {4, 255, 1, 2, 3, 0}));
  write_file(directory + "no-window.frame", with_payload(FrameFactory("vector-stat-no-window").stat(constant()), false, {0}));
  write_merged(argv[1]);
  return 0;
}
