// Writes simulated samples to stdout for the comparison with tests/support/simulated.py:
//   dump_simulated MODEL SEED LOAD SAMPLE_RATE_HZ SAMPLE_ID_FIRST COUNT FAULTS
// COUNT float32 of i, COUNT float32 of v, then the packed bytes of range and all GPI over the same ticks.
#include <charconv>
#include <cstdio>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "agent/device/simulated_source.h"
#include "agent/device/waveform.h"

namespace {

using namespace joulespool;

uint64_t number(const std::string& text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <class T>
void put(const std::vector<T>& values) {
  std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() != 7) return std::cerr << "usage: see the head of dump_simulated.cpp\n", 2;
  device::SimulatedDevice settings;
  settings.model = arguments[0];
  settings.seed = number(arguments[1]);
  settings.load = arguments[2];
  settings.sample_rate_hz = static_cast<uint32_t>(number(arguments[3]));
  settings.packed = {"range", "gpi0", "gpi1"};
  if (settings.model == "js220") settings.packed.insert(settings.packed.end(), {"gpi2", "gpi3"});
  const auto faults = device::parse_faults(arguments[6]);
  if (!faults) return std::cerr << faults.error().message << "\n", 2;
  settings.faults = *faults;
  if (const Status status = device::validate(settings); !status) return std::cerr << status.error().message << "\n", 2;

  const uint64_t first = number(arguments[4]);
  std::vector<float> i(number(arguments[5]));
  std::vector<float> v(i.size());
  device::simulated_samples(settings, first, i, v);
  put(i);
  put(v);
  const uint64_t elements = i.size() * device::time_axis(settings).decimation / device::packed_decimation(settings);
  for (const signal::SignalId signal : device::packed_signals(settings)) {
    std::vector<std::byte> packed(device::packed_bytes(signal, elements));
    device::Waveform(settings).packed(signal, first, elements, packed);
    put(packed);
  }
  return 0;
}
