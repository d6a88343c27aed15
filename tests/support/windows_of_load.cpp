#include "tests/support/windows_of_load.h"

#include <algorithm>
#include <bit>

#include "agent/codec/samples.h"
#include "agent/device/simulated_source.h"
#include "agent/signal/window_accumulator.h"

namespace joulespool::test {
namespace {

using wire::Window;

constexpr int128 Window::*sums[] = {&Window::i_sum, &Window::v_sum, &Window::p_sum, &Window::i2_sum, &Window::v2_sum};
constexpr float Window::*extremes[] = {&Window::i_min, &Window::i_max, &Window::v_min,
                                       &Window::v_max, &Window::p_min, &Window::p_max};

// Around the limits of integers as often as anywhere.
uint64_t odd_integer(std::mt19937_64& random) {
  const auto width = static_cast<unsigned>(random() % 64);
  switch (random() % 4) {
    case 0: return (uint64_t{1} << width) - 1;
    case 1: return uint64_t{1} << width;
    case 2: return 0 - (uint64_t{1} << width);
    default: return random() >> width;
  }
}

int128 odd_sum(std::mt19937_64& random) {
  switch (random() % 3) {
    case 0: return join_halves(static_cast<int64_t>(odd_integer(random)), odd_integer(random));
    case 1: return static_cast<int64_t>(odd_integer(random));
    default: return join_halves(static_cast<int64_t>(odd_integer(random)), 0);
  }
}

float odd_float(std::mt19937_64& random) {
  constexpr uint32_t patterns[] = {0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF,
                                   0x00000001, 0x80000001, 0x7F7FFFFF, 0xFF7FFFFF, 0x4F000000, 0xCF000000, 0x30000000};
  const auto any = static_cast<uint32_t>(random());
  return std::bit_cast<float>(any % 2 == 0 ? patterns[(any >> 1) % std::size(patterns)] : static_cast<uint32_t>(random()));
}

}  // namespace

std::vector<Window> windows_of(const WindowsOfLoad& settings) {
  device::SimulatedDevice device;
  device.model = settings.model;
  device.load = settings.load;
  device.sample_rate_hz = settings.sample_rate_hz;
  const wire::TimeAxis axis = device::time_axis(device);
  const uint64_t ticks = uint64_t{settings.window_us} * axis.counter_rate_hz / 1'000'000 / axis.decimation * axis.decimation;
  signal::WindowAccumulator accumulator(ticks);
  std::vector<Window> windows;
  const auto total = static_cast<size_t>(settings.seconds * axis.sample_rate_hz());
  constexpr size_t piece = 100'000;
  std::vector<float> i, v, p;
  for (size_t at = 0; at < total; at += piece) {
    i.resize(std::min(piece, total - at));
    v.resize(i.size());
    p.resize(i.size());
    device::simulated_samples(device, at * axis.decimation, i, v);
    for (size_t k = 0; k < i.size(); ++k) p[k] = codec::product(i[k], v[k]);
    accumulator.add({at * axis.decimation, axis.decimation, i, v, p}, windows);
  }
  return windows;
}

std::vector<Window> nasty_windows(std::mt19937_64& random, size_t count) {
  std::vector<Window> windows(count);
  for (Window& window : windows) {
    window.sample_id_first = odd_integer(random);
    window.sample_id_end = odd_integer(random);
    window.count = odd_integer(random);
    window.valid = std::min(window.count, random() % 2 == 0 ? window.count : odd_integer(random));
    for (const auto sum : sums) window.*sum = odd_sum(random);
    for (const auto extreme : extremes) window.*extreme = odd_float(random);
  }
  return windows;
}

std::vector<Window> spoilt_windows(std::mt19937_64& random, std::vector<Window> windows) {
  for (Window& window : windows) {
    if (random() % 8 != 0) continue;
    switch (random() % 6) {
      case 0: window.*sums[random() % std::size(sums)] = odd_sum(random); break;
      case 1: window.*extremes[random() % std::size(extremes)] = odd_float(random); break;
      case 2: window.sample_id_end = odd_integer(random); break;
      case 3: window.valid = window.count == 0 ? 0 : random() % window.count; break;
      case 4: {
        Window empty;
        empty.sample_id_first = window.sample_id_first;
        empty.sample_id_end = window.sample_id_end;
        empty.count = window.count;
        window = empty;
        break;
      }
      default: window.count += random() % 3;
    }
  }
  return windows;
}

bool same_windows(const std::vector<Window>& a, const std::vector<Window>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Window& x, const Window& y) {
    const bool places =
        x.sample_id_first == y.sample_id_first && x.sample_id_end == y.sample_id_end && x.count == y.count && x.valid == y.valid;
    const bool same_sums = std::all_of(std::begin(sums), std::end(sums), [&](auto sum) { return x.*sum == y.*sum; });
    return places && same_sums && std::all_of(std::begin(extremes), std::end(extremes), [&](auto extreme) {
             return std::bit_cast<uint32_t>(x.*extreme) == std::bit_cast<uint32_t>(y.*extreme);
           });
  });
}

}  // namespace joulespool::test
