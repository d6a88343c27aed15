#include "agent/codec/csv.h"

#include <array>
#include <charconv>
#include <cmath>

#include "agent/base/units.h"

namespace joulespool::codec {
namespace {

template <class Number>
void append(std::string& out, Number value) {
  std::array<char, 64> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), result.ptr);
}

void append(std::string& out, float value) {
  if (std::isnan(value)) out += "nan";  // to_chars writes the sign of a NaN too
  else append<float>(out, value);
}

// Time, device, sample_id: how every row begins.
void append_start(std::string& out, const wire::FrameHeader& header, uint64_t sample_id) {
  if (header.utc.quality != wire::UtcQuality::unknown) out += format_utc(header.utc.utc_ns_at(sample_id), 9);
  (out += ',') += header.device.id;
  append(out += ',', sample_id);
}

void append_mean(std::string& out, int128 sum, uint64_t valid) {
  if (valid > 0) append(out, static_cast<double>(sum) / units_per_one / static_cast<double>(valid));
}

void append_signal(std::string& out, int128 sum, uint64_t valid, float min, float max) {
  append_mean(out += ',', sum, valid);
  append(out += ',', min);
  append(out += ',', max);
}

}  // namespace

std::string_view window_csv_header() {
  return "utc,device,sample_id,sample_id_end,samples,valid,i_mean_a,i_min_a,i_max_a,v_mean_v,v_min_v,v_max_v,p_mean_w,p_min_w,"
         "p_max_w,i_sum,v_sum,p_sum,i2_sum,v2_sum\n";
}

std::string_view sample_csv_header() { return "utc,device,sample_id,i_a,v_v,p_w\n"; }

void append_window_row(std::string& out, const wire::FrameHeader& header, const wire::Window& window) {
  append_start(out, header, window.sample_id_first);
  append(out += ',', window.sample_id_end);
  append(out += ',', window.count);
  append(out += ',', window.valid);
  append_signal(out, window.i_sum, window.valid, window.i_min, window.i_max);
  append_signal(out, window.v_sum, window.valid, window.v_min, window.v_max);
  append_signal(out, window.p_sum, window.valid, window.p_min, window.p_max);
  for (const int128 sum : {window.i_sum, window.v_sum, window.p_sum, window.i2_sum, window.v2_sum})
    (out += ',') += to_decimal(sum);
  out += '\n';
}

void append_sample_row(std::string& out, const wire::FrameHeader& header, uint64_t sample_id, float i, float v, float p) {
  append_start(out, header, sample_id);
  for (const float value : {i, v, p}) append(out += ',', value);
  out += '\n';
}

}  // namespace joulespool::codec
