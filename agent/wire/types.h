// The words that agent and bridge share: lanes, devices, the time map, labels.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace joulespool::wire {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

// What is shipped with which urgency; a smaller number goes first.
enum class Lane : uint8_t { event = 1, stat = 2, wave = 3 };
constexpr Lane lanes[] = {Lane::event, Lane::stat, Lane::wave};
std::string_view to_string(Lane lane);
std::optional<Lane> parse_lane(std::string_view text);

struct DeviceIdentity {
  std::string id;      // "js220-001122": what every name, key and topic uses
  std::string model;   // "js220"
  std::string serial;  // "001122"
  bool operator==(const DeviceIdentity&) const = default;
};

// `[a-z0-9][a-z0-9-]{0,62}`: the rule for host and device ids.
bool is_valid_id(std::string_view id);

// Id "js320-x2vj" of model "js320" and serial "X2VJ": in lower case. Not checked to be valid.
DeviceIdentity device_identity(std::string_view model, std::string_view serial);

// One numbered sequence of frames. seq counts from 1 without holes per FrameSequence.
struct FrameSequence {
  std::string device;
  uint64_t epoch = 0;  // random id of a spool's life; a new one whenever numbers could repeat
  Lane lane = Lane::event;
  auto operator<=>(const FrameSequence&) const = default;
};

struct FrameId {
  FrameSequence sequence;
  uint64_t seq = 0;
  auto operator<=>(const FrameId&) const = default;
};

struct SeqRange {
  uint64_t first = 0;
  uint64_t last = 0;  // inclusive
  bool operator==(const SeqRange&) const = default;
};

// Frames of one lane of one device, for which another frame stands: those of `epoch`, numbered as `seqs` says.
struct ReplacedFrames {
  uint64_t epoch = 0;
  SeqRange seqs;
  bool operator==(const ReplacedFrames&) const = default;
};

struct Label {
  std::string key;
  std::string value;
  bool operator==(const Label&) const = default;
};

enum class UtcQuality : uint8_t {
  unknown = 0,         // no map: utc_ns is meaningless
  unsynchronised = 1,  // host clock without a time source (e.g. 1970): order only
  host = 2,            // from the host's clock
  instrument = 3,      // disciplined by the instrument's own time synchronisation
};

std::string_view to_string(UtcQuality quality);

// 2024-01-01 UTC: this program is younger, so a clock that says less has not been set.
constexpr int64_t plausible_utc_ns = 1'704'067'200'000'000'000;

// UTC of a sample: utc_ns + (id - sample_id) * 1e9 / counter_rate_hz.
struct UtcMap {
  uint64_t sample_id = 0;
  int64_t utc_ns = 0;          // since 1970-01-01
  double counter_rate_hz = 0;  // true rate of the device's counter, as estimated
  UtcQuality quality = UtcQuality::unknown;

  [[nodiscard]] int64_t utc_ns_at(uint64_t id) const;
  // The nearest sample_id at that time (0 if before the counter's start). Undefined for quality unknown.
  [[nodiscard]] uint64_t sample_id_at(int64_t at_utc_ns) const;
  bool operator==(const UtcMap&) const = default;
};

// Ticks of the device's counter: what sample_id counts.
struct TimeAxis {
  uint64_t life = 0;             // id of one life of the counter; a new one whenever it restarted
  uint32_t counter_rate_hz = 0;  // nominal ticks per second (JS110, JS220: 2,000,000; JS320: 16,000,000)
  uint32_t decimation = 1;       // ticks from one i/v sample to the next (JS220 at full rate: 2)
  [[nodiscard]] double sample_rate_hz() const { return static_cast<double>(counter_rate_hz) / decimation; }
  bool operator==(const TimeAxis&) const = default;
};

}  // namespace joulespool::wire
