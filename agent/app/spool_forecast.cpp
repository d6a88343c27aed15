#include "agent/app/spool_forecast.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "agent/base/clock.h"

namespace joulespool::app {
namespace {

constexpr int64_t recent_ns = 3600 * ns_per_s;
constexpr int64_t recent_enough_ns = 60 * ns_per_s;
constexpr size_t frames_at_once = 4096;
constexpr unsigned card_life_over = 11;

double seconds(int64_t ns) { return static_cast<double>(ns) / static_cast<double>(ns_per_s); }

struct RecentFrames {
  uint64_t bytes = 0;
  int64_t utc_first_ns = INT64_MAX, utc_end_ns = INT64_MIN;
};

// Frames before `seq_first` began earlier; there is an end of looking at them.
Status add_recent(spool::SpoolReader& reader, const spool::LaneUsage& lane, int64_t from_utc_ns, RecentFrames& recent) {
  for (uint64_t after = 0;;) {
    const auto frames = reader.list(lane.sequence, after, frames_at_once);
    if (!frames) return frames.error();
    if (frames->empty()) return {};
    for (const spool::FrameInfo& frame : *frames) {
      if (frame.state != spool::FrameState::queued || frame.level != 0 || frame.utc_first_ns < from_utc_ns) continue;
      recent.bytes += frame.size_bytes;
      recent.utc_first_ns = std::min(recent.utc_first_ns, frame.utc_first_ns);
      recent.utc_end_ns = std::max(recent.utc_end_ns, frame.utc_end_ns);
    }
    after = frames->back().id.seq;
  }
}

std::optional<FrameRate> rate_of_all_time(const spool::Wear& wear, int64_t until_utc_ns) {
  const int64_t over_ns = until_utc_ns - wear.since_utc_ns;
  if (wear.appended_bytes == 0 || wear.since_utc_ns < wire::plausible_utc_ns || over_ns < recent_enough_ns) return std::nullopt;
  return FrameRate{static_cast<double>(wear.appended_bytes) / seconds(over_ns), seconds(over_ns), true};
}

uint64_t kept_bytes(const spool::Usage& usage) {
  uint64_t bytes = 0;
  for (const spool::LaneUsage& lane : usage.lanes) bytes += lane.kept_bytes;
  return bytes;
}

std::optional<unsigned> parse_hex(std::string_view text) {
  if (!text.starts_with("0x")) return std::nullopt;
  text.remove_prefix(2);
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (failure != std::errc() || end != text.data() + text.size() || value > card_life_over) return std::nullopt;
  return value;
}

}  // namespace

int64_t newest_utc_ns(const spool::Usage& usage, const std::vector<spool::DevicePosition>& positions) {
  int64_t newest = 0;
  for (const spool::LaneUsage& lane : usage.lanes) newest = std::max(newest, lane.utc_end_ns);
  for (const spool::DevicePosition& position : positions)
    if (position.utc.quality != wire::UtcQuality::unknown)
      newest = std::max(newest, position.utc.utc_ns_at(position.sample_id_end));
  return newest;
}

Result<std::optional<FrameRate>> frame_rate(spool::SpoolReader& reader, const spool::Usage& usage, int64_t until_utc_ns) {
  RecentFrames recent;
  for (const spool::LaneUsage& lane : usage.lanes) {
    if (lane.queued_frames == 0 || lane.utc_end_ns < until_utc_ns - recent_ns) continue;
    JOULESPOOL_TRY(add_recent(reader, lane, until_utc_ns - recent_ns, recent), "list frames");
  }
  if (recent.bytes == 0 || recent.utc_end_ns - recent.utc_first_ns < recent_enough_ns)
    return rate_of_all_time(usage.wear, until_utc_ns);
  const double over_s = seconds(recent.utc_end_ns - recent.utc_first_ns);
  return std::optional(FrameRate{static_cast<double>(recent.bytes) / over_s, over_s, false});
}

std::optional<double> outage_left_s(const spool::Usage& usage, uint64_t budget_bytes, const std::optional<FrameRate>& rate) {
  if (budget_bytes == 0 || !rate || rate->bytes_per_s <= 0) return std::nullopt;
  const uint64_t taken = usage.disk_bytes - std::min(usage.disk_bytes, kept_bytes(usage));
  return static_cast<double>(budget_bytes - std::min(budget_bytes, taken)) / rate->bytes_per_s;
}

std::optional<CardForecast> card_forecast(const spool::Wear& wear, uint64_t endurance_bytes, int64_t until_utc_ns) {
  if (wear.appended_bytes == 0) return std::nullopt;
  CardForecast forecast;
  forecast.write_amplification = static_cast<double>(wear.written_bytes) / static_cast<double>(wear.appended_bytes);
  const int64_t over_ns = until_utc_ns - wear.since_utc_ns;
  if (wear.since_utc_ns >= wire::plausible_utc_ns && over_ns >= recent_enough_ns)
    forecast.written_bytes_per_s = static_cast<double>(wear.written_bytes) / seconds(over_ns);
  if (endurance_bytes == 0) return forecast;
  forecast.endurance_left_bytes = endurance_bytes - std::min(endurance_bytes, wear.written_bytes);
  if (forecast.written_bytes_per_s > 0)
    forecast.life_left_s = static_cast<double>(*forecast.endurance_left_bytes) / forecast.written_bytes_per_s;
  return forecast;
}

std::optional<std::array<unsigned, 2>> parse_card_life(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto a = parse_hex(text.substr(0, space)), b = parse_hex(text.substr(space + 1));
  if (!a || !b) return std::nullopt;
  return std::array{*a, *b};
}

// A partition has no such file; the disk it belongs to is the folder above it.
std::optional<CardLife> read_card_life(const std::string& path, const std::string& sysfs) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  std::error_code failed;
  const auto link = std::filesystem::path(sysfs) / "dev" / "block" /
                    (std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev)));
  const auto device = std::filesystem::canonical(link, failed);
  if (failed) return std::nullopt;
  for (const auto& disk : {device, device.parent_path()}) {
    std::ifstream file(disk / "device" / "life_time");
    std::string text;
    if (!std::getline(file, text)) continue;
    if (const auto used = parse_card_life(text)) return CardLife{disk.filename().string(), *used};
  }
  return std::nullopt;
}

std::string card_life_text(unsigned used) {
  if (used == 0) return "not told";
  if (used >= card_life_over) return "more than 100 % used";
  return std::to_string((used - 1) * 10) + " to " + std::to_string(used * 10) + " % used";
}

}  // namespace joulespool::app
