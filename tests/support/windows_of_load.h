// Windows as an agent makes them of simulated instruments, and windows as nobody makes them.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "agent/wire/window.h"

namespace joulespool::test {

struct WindowsOfLoad {
  std::string model = "js220";
  std::string load = "sleep-ble";  // load_names in load_model.h
  double seconds = 1;
  uint32_t sample_rate_hz = 0;  // 0: the model's full rate
  uint32_t window_us = 1000;
};
std::vector<wire::Window> windows_of(const WindowsOfLoad& settings);

// Every value of every window is anything, but valid <= count.
std::vector<wire::Window> nasty_windows(std::mt19937_64& random, size_t count);
// Realistic windows of which some values are changed to anything, or to what is close to a limit.
std::vector<wire::Window> spoilt_windows(std::mt19937_64& random, std::vector<wire::Window> windows);

// Bit for bit: NaNs with other payloads differ, 0.0 and -0.0 too.
bool same_windows(const std::vector<wire::Window>& a, const std::vector<wire::Window>& b);

}  // namespace joulespool::test
