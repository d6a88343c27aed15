#include "agent/signal/window_accumulator.h"

#include <algorithm>

namespace joulespool::signal {

wire::Window summarise(const SampleSpan& samples) {
  wire::Window window;
  window.sample_id_first = samples.sample_id;
  window.sample_id_end = samples.sample_id + samples.i.size() * samples.decimation;
  window.count = samples.i.size();
  for (size_t at = 0; at < samples.i.size(); ++at) {
    const auto i = wire::to_units(samples.i[at]);
    const auto v = wire::to_units(samples.v[at]);
    const auto p = wire::to_units(samples.p[at]);
    if (!(i.ok && v.ok && p.ok)) continue;
    ++window.valid;
    window.i_sum += i.value;
    window.v_sum += v.value;
    window.p_sum += p.value;
    window.i2_sum += static_cast<int128>(i.value) * i.value;
    window.v2_sum += static_cast<int128>(v.value) * v.value;
    window.i_min = std::min(window.i_min, samples.i[at]);
    window.i_max = std::max(window.i_max, samples.i[at]);
    window.v_min = std::min(window.v_min, samples.v[at]);
    window.v_max = std::max(window.v_max, samples.v[at]);
    window.p_min = std::min(window.p_min, samples.p[at]);
    window.p_max = std::max(window.p_max, samples.p[at]);
  }
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
    const wire::Window part = summarise(samples.part(0, count));
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
