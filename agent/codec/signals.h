// What sections of samples are of, in every codec. FORMAT-wave.md, section 2.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace joulespool::codec {

constexpr uint8_t signal_current = 1;
constexpr uint8_t signal_voltage = 2;
constexpr uint8_t signal_power = 3;
constexpr uint8_t signal_current_range = 4;
constexpr uint8_t signal_voltage_range = 5;
constexpr uint8_t signal_input_first = 16;
constexpr uint8_t signal_input_last = 23;
constexpr uint8_t signal_windows = 64;

constexpr bool is_float(uint8_t signal) { return signal >= signal_current && signal <= signal_power; }
constexpr bool is_packed(uint8_t signal) {
  return signal == signal_current_range || signal == signal_voltage_range ||
         (signal >= signal_input_first && signal <= signal_input_last);
}

inline Error damaged_section(uint8_t signal, std::string_view what) {
  return {Errc::damaged, "section of signal " + std::to_string(signal) + ": " + std::string(what)};
}

}  // namespace joulespool::codec
