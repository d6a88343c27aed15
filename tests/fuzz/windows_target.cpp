#include <algorithm>
#include <bit>

#include "agent/codec/csv.h"
#include "agent/codec/windows.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/require.h"
#include "tests/fuzz/targets.h"

namespace joulespool::fuzz {
namespace {

using wire::Window;

bool same_extremes(const Window& a, const Window& b) {
  for (float Window::*extreme : {&Window::i_min, &Window::i_max, &Window::v_min, &Window::v_max, &Window::p_min, &Window::p_max})
    if (std::bit_cast<uint32_t>(a.*extreme) != std::bit_cast<uint32_t>(b.*extreme)) return false;
  return true;
}

// Bit for bit: extremes may be NaN in what comes from outside.
bool same_window(const Window& a, const Window& b) {
  return a.sample_id_first == b.sample_id_first && a.sample_id_end == b.sample_id_end && a.count == b.count &&
         a.valid == b.valid && a.i_sum == b.i_sum && a.v_sum == b.v_sum && a.p_sum == b.p_sum && a.i2_sum == b.i2_sum &&
         a.v2_sum == b.v2_sum && same_extremes(a, b);
}

void check_again(const std::vector<Window>& windows, uint64_t sample_id_first) {
  codec::WindowEncoder encoder;
  const auto again = codec::decode_windows(encoder.encode(windows, sample_id_first), codec::codec_2, sample_id_first);
  require(again.ok(), "windows: what was decoded can be encoded and decoded");
  require(std::ranges::equal(*again, windows, same_window), "windows: each comes back bit for bit");
}

// What readers do with windows: merge them and print them.
void use(const std::vector<Window>& windows) {
  constexpr size_t rows = 4;
  Window all;
  std::string text;
  for (const Window& window : windows) all.merge(window);
  for (size_t at = 0; at < std::min(windows.size(), rows); ++at) codec::append_window_row(text, {}, windows[at]);
  codec::append_window_row(text, {}, all);
}

}  // namespace

bool decodes_as_windows(wire::ByteView payload, uint32_t codec, uint64_t sample_id_first) {
  const auto windows = codec::decode_windows(payload, codec, sample_id_first);
  if (!windows) {
    require(windows.error().code == Errc::damaged || windows.error().code == Errc::usage,
            "windows: refused as damaged or unknown");
    require(!windows.error().message.empty(), "windows: a refusal has a reason");
    return false;
  }
  require(windows->size() <= codec::windows_per_frame_max, "windows: no more than a frame may hold");
  for (const Window& window : *windows) require(window.valid <= window.count, "windows: no more valid samples than samples");
  if (is_one_in(encoded_one_in, payload)) check_again(*windows, sample_id_first);
  use(*windows);
  planted_defect(std::ranges::any_of(
      *windows, [](const Window& window) { return window.count > 0 && window.sample_id_end < window.sample_id_first; }));
  return true;
}

bool run_windows(wire::ByteView input, uint32_t codec) {
  FuzzInput from(input);
  const uint64_t sample_id_first = from.integer(sample_id_first_width);
  return decodes_as_windows(from.rest(), codec, sample_id_first);
}

}  // namespace joulespool::fuzz
