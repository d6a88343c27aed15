#include "agent/app/coarsening.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>
#include <variant>

#include "agent/codec/codec.h"
#include "agent/spool/spool.h"

namespace joulespool::app {
namespace {

using wire::FrameHeader;
using wire::ReplacedFrames;
using wire::Window;

// Merged windows that wait for their frame, at most: some two frames of the default size.
constexpr size_t windows_waiting_max = 8192;
static_assert(windows_waiting_max <= codec::windows_per_frame_max);

constexpr uint64_t window_ticks_max = std::numeric_limits<uint64_t>::max() / spool::level_factor;

// Windows in order, within their frame, and summing up to its header.
bool agree(const FrameHeader& header, std::span<const Window> windows) {
  FrameHeader sums;
  uint64_t end = header.sample_id_first;
  for (const Window& window : windows) {
    const uint64_t ticks = window.sample_id_end - window.sample_id_first;
    if (window.sample_id_first < end || window.sample_id_end <= window.sample_id_first || window.count == 0 ||
        window.count > ticks / header.axis.decimation)
      return false;
    end = window.sample_id_end;
    sums.samples += window.count;
    sums.valid += window.valid;
    sums.i_sum = wrapping_add(sums.i_sum, window.i_sum);
    sums.p_sum = wrapping_add(sums.p_sum, window.p_sum);
  }
  return end <= header.sample_id_end && sums.samples == header.samples && sums.valid == header.valid &&
         sums.i_sum == header.i_sum && sums.p_sum == header.p_sum;
}

// Does each window lie in a cell of the grid of its own?
bool lie_on(uint64_t window_ticks, const StatFrame& frame) {
  if (window_ticks == 0 || window_ticks > window_ticks_max) return false;
  std::optional<uint64_t> before;
  for (const Window& window : frame.windows) {
    const uint64_t cell = window.sample_id_first / window_ticks;
    if ((window.sample_id_end - frame.header.axis.decimation) / window_ticks != cell || before == cell) return false;
    before = cell;
  }
  return true;
}

// How long the windows of a frame are, if nothing is missing in them. A frame that nobody merged does not say it, so: what is
// usual, if that can be; else as long as the longest is; else as those before.
std::optional<uint64_t> window_ticks_of(const StatFrame& frame, uint64_t usual, uint64_t before) {
  if (frame.header.kept)
    return lie_on(frame.header.kept->window_ticks, frame) ? std::optional(frame.header.kept->window_ticks) : std::nullopt;
  uint64_t longest = 0;
  for (const Window& window : frame.windows) longest = std::max(longest, window.sample_id_end - window.sample_id_first);
  for (const uint64_t ticks : {usual, longest, before})
    if (lie_on(ticks, frame)) return ticks;
  return std::nullopt;
}

// Appends to `to` what `windows` become on a grid.
void merge(std::span<const Window> windows, uint64_t window_ticks, std::vector<Window>& to) {
  for (const Window& window : windows) {
    const bool same_cell = !to.empty() && to.back().sample_id_first / window_ticks == window.sample_id_first / window_ticks;
    if (same_cell) to.back().merge(window);
    else to.push_back(window);
  }
}

bool agree(const wire::UtcMap& a, const wire::UtcMap& b, uint64_t sample_id) {
  if (a.quality != b.quality) return false;
  if (a.quality == wire::UtcQuality::unknown) return true;
  const int128 apart = int128{a.utc_ns_at(sample_id)} - b.utc_ns_at(sample_id);
  return apart <= Coarsening::utc_tolerance_ns && -apart <= Coarsening::utc_tolerance_ns;
}

// May `next`, whose samples follow those of `last`, stand in the frame that begins with `first`?
bool continues(const FrameHeader& first, const FrameHeader& last, const FrameHeader& next) {
  return next.host == first.host && next.device == first.device && next.axis == first.axis && next.labels == first.labels &&
         next.sample_id_first == last.sample_id_end && agree(first.utc, next.utc, next.sample_id_first) &&
         agree(first.utc, next.utc, next.sample_id_end);
}

// Bytes of the frame, whatever its numbers will be.
size_t size_of(const CoarseFrame& frame) {
  FrameHeader header = frame.header;
  header.epoch = 1;
  header.seq = std::numeric_limits<uint64_t>::max() - 1;
  header.host_realtime_ns = header.host_monotonic_ns = 1;
  return wire::write_frame(header, {}).size() + frame.payload.size();
}

}  // namespace

uint64_t window_ticks(int64_t window_us, const wire::TimeAxis& axis) {
  const uint64_t ticks = static_cast<uint64_t>(window_us) * axis.counter_rate_hz / 1'000'000;
  return std::max<uint64_t>(ticks / axis.decimation, 1) * axis.decimation;
}

Result<StatFrame> open_stat_frame(wire::ByteView bytes) {
  const auto read = wire::read_frame(bytes);
  if (const auto* defect = std::get_if<wire::FrameDefect>(&read))
    return Error{Errc::damaged, "no frame: " + std::string(wire::to_string(*defect))};
  const wire::Frame& frame = std::get<wire::Frame>(read);
  if (frame.header.lane != wire::Lane::stat) return Error{Errc::damaged, "not of lane stat"};
  auto windows = codec::decode_windows(frame.payload, frame.header.codec, frame.header.sample_id_first);
  if (!windows) return windows.error().in("payload");
  if (!agree(frame.header, *windows)) return Error{Errc::damaged, "its windows contradict its header"};
  return StatFrame{frame.header, std::move(*windows)};
}

std::vector<ReplacedFrames> joined(std::vector<ReplacedFrames> frames) {
  std::sort(frames.begin(), frames.end(), [](const ReplacedFrames& a, const ReplacedFrames& b) {
    return std::pair(a.epoch, a.seqs.first) < std::pair(b.epoch, b.seqs.first);
  });
  std::vector<ReplacedFrames> runs;
  for (const ReplacedFrames& next : frames) {
    ReplacedFrames* const last = runs.empty() ? nullptr : &runs.back();
    // seqs are below 2^64 - 1
    if (last != nullptr && last->epoch == next.epoch && next.seqs.first <= last->seqs.last + 1)
      last->seqs.last = std::max(last->seqs.last, next.seqs.last);
    else runs.push_back(next);
  }
  return runs;
}

bool Coarsening::add(const StatFrame& frame) {
  const uint64_t before = pieces_.empty() ? 0 : pieces_.back().window_ticks / spool::level_factor;
  const auto ticks = window_ticks_of(frame, window_ticks(settings_.window_us, frame.header.axis), before);
  if (!ticks) return false;
  Piece& piece = pieces_.emplace_back(Piece{frame.header, *ticks * spool::level_factor, {}});
  merge(frame.windows, piece.window_ticks, piece.windows);
  windows_waiting_ += piece.windows.size();
  while (windows_waiting_ > windows_waiting_max && pieces_.size() > 1) emit();
  return true;
}

std::vector<CoarseFrame> Coarsening::finish() {
  while (!pieces_.empty()) emit();
  return std::exchange(frames_, {});
}

// How many of the first pieces one frame may stand for, if it is large enough.
size_t Coarsening::continuing() const {
  size_t count = 1;
  for (size_t windows = pieces_.front().windows.size(); count < pieces_.size(); ++count) {
    windows += pieces_[count].windows.size();
    if (windows > windows_waiting_max || pieces_[count].window_ticks != pieces_.front().window_ticks ||
        !continues(pieces_.front().header, pieces_[count - 1].header, pieces_[count].header))
      break;
  }
  return count;
}

CoarseFrame Coarsening::frame_of(size_t pieces) {
  const Piece& first = pieces_.front();
  CoarseFrame frame{first.header, {}};
  FrameHeader& header = frame.header;
  header.codec = codec::codec_2;
  header.sample_id_end = pieces_[pieces - 1].header.sample_id_end;
  header.samples = header.valid = 0;
  header.i_sum = header.p_sum = 0;
  header.kept = wire::Resolution{0, first.window_ticks, 0, false};
  header.replaces.clear();
  std::vector<Window> windows;
  for (const Piece& piece : std::span(pieces_).first(pieces)) {
    header.samples += piece.header.samples;
    header.valid += piece.header.valid;
    header.i_sum = wrapping_add(header.i_sum, piece.header.i_sum);
    header.p_sum = wrapping_add(header.p_sum, piece.header.p_sum);
    header.replaces.push_back({piece.header.epoch, {piece.header.seq, piece.header.seq}});
    header.replaces.insert(header.replaces.end(), piece.header.replaces.begin(), piece.header.replaces.end());
    merge(piece.windows, first.window_ticks, windows);
  }
  header.replaces = joined(std::move(header.replaces));
  const wire::ByteView payload = encoder_.encode(windows, header.sample_id_first);
  frame.payload.assign(payload.begin(), payload.end());
  return frame;
}

// One frame, of as many of the first pieces as fit.
void Coarsening::emit() {
  size_t count = continuing();
  CoarseFrame frame = frame_of(count);
  for (size_t bytes = size_of(frame); count > 1; bytes = size_of(frame)) {
    const bool too_many = frame.header.replaces.size() > wire::replaced_max;
    if (!too_many && bytes <= settings_.frame_bytes_max) break;
    // What a piece takes differs a little: 3 % less than its share.
    const size_t share = too_many ? count / 2 : count * settings_.frame_bytes_max / bytes * 97 / 100;
    count = std::clamp<size_t>(share, 1, count - 1);
    frame = frame_of(count);
  }
  frames_.push_back(std::move(frame));
  for (const Piece& piece : std::span(pieces_).first(count)) windows_waiting_ -= piece.windows.size();
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace joulespool::app
