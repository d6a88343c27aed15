// What comes of a spool: when its budget is full, and when its card is worn. Pure, except read_card_life().
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/spool/spool.h"

namespace joulespool::app {

// How fast frames come that are to be uploaded.
struct FrameRate {
  double bytes_per_s = 0;
  double over_s = 0;            // the time that it is the mean of
  bool is_of_all_time = false;  // not of the last hour: of everything since counting began, kept frames included
};

// By the frames in the spool that begin in the last hour before the newest one ends, as they came from the instrument: waiting
// ones, but not those with merged windows. If they cover less than a minute (an uplink that works leaves little), by what was
// ever appended until `until_utc_ns`. Nothing: there is neither.
Result<std::optional<FrameRate>> frame_rate(spool::SpoolReader& reader, const spool::Usage& usage, int64_t until_utc_ns);

// The newest time that the spool knows: the end of the last frame, or the place to which a device had come. 0: none.
int64_t newest_utc_ns(const spool::Usage& usage, const std::vector<spool::DevicePosition>& positions);

// Seconds until frames that wait fill the budget, if nothing is delivered: kept frames make room for them, and all that is on
// disk beside frames stays. Unset: the budget (0) or the rate is not known.
std::optional<double> outage_left_s(const spool::Usage& usage, uint64_t budget_bytes, const std::optional<FrameRate>& rate);

struct CardForecast {
  double write_amplification = 0;                // written / appended
  double written_bytes_per_s = 0;                // mean since counting began
  std::optional<uint64_t> endurance_left_bytes;  // unset: the endurance is not known
  std::optional<double> life_left_s;             // at that rate; 0: it is used up
};
// Unset: nothing was appended yet. `endurance_bytes`: what may be written to the card in its life; 0: not known. What others
// write to the card is not in it.
std::optional<CardForecast> card_forecast(const spool::Wear& wear, uint64_t endurance_bytes, int64_t until_utc_ns);

// What an eMMC says of itself (JEDEC 84-B51, EXT_CSD 268 and 269): for each of its two kinds of memory the used part of its life
// in steps of 10 %: 1 is 0 to 10 %, 10 is 90 to 100 %, 11 more than was foreseen; 0: not told.
struct CardLife {
  std::string device;  // "mmcblk0"
  std::array<unsigned, 2> used{};
};
// "0x01 0x02".
std::optional<std::array<unsigned, 2>> parse_card_life(std::string_view text);
// Of the block device on which `path` lies; unset where it does not tell. `sysfs`: "/sys".
std::optional<CardLife> read_card_life(const std::string& path, const std::string& sysfs = "/sys");
// "10 to 20 % used".
std::string card_life_text(unsigned used);

}  // namespace joulespool::app
