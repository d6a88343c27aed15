#include "agent/signal/window_accumulator.h"

#include <algorithm>

#include "agent/signal/window_kernels.h"

namespace joulespool::signal {

wire::Window summarise(const SampleSpan& samples, InstructionSet set) {
  wire::Window window;
  window.sample_id_first = samples.sample_id;
  window.sample_id_end = samples.sample_id + samples.i.size() * samples.decimation;
  window.count = samples.i.size();
  const float* power = samples.p.empty() ? nullptr : samples.p.data();
  add_samples_kernel(set)({samples.i.data(), samples.v.data(), power}, samples.i.size(), window);
  return window;
}

void SampleSums::add(const wire::Window& window) {
  count += window.count;
  valid += window.valid;
  i += window.i_sum;
  p += window.p_sum;
}

void WindowAccumulator::add(SampleSpan samples, std::vector<wire::Window>& out) {
  while (!samples.i.empty()) {
    const uint64_t end = window_end(samples.sample_id);
    if (window_.count > 0 && window_end(window_.sample_id_first) != end) flush(out);  // a gap led into a later window
    const size_t room = (end - samples.sample_id + samples.decimation - 1) / samples.decimation;
    const size_t count = std::min(room, samples.i.size());
    const wire::Window part = summarise(samples.part(0, count), set_);
    sums_.add(part);
    window_.merge(part);
    if (count == room) flush(out);
    samples = samples.part(count, samples.i.size() - count);
  }
}

void WindowAccumulator::flush(std::vector<wire::Window>& out) {
  if (window_.count > 0) out.push_back(window_);
  window_ = {};
}

}  // namespace joulespool::signal
