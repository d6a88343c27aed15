// What a spool holds, in numbers: for `spool stat`, and for `status` when no agent runs.
#pragma once

#include <iosfwd>
#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "agent/cli/settings_flags.h"
#include "agent/spool/spool.h"

namespace joulespool::cli {

struct SpoolSummary {
  SpoolFlags::Place place;
  std::string host;
  uint64_t epoch = 0;
  spool::Usage usage;
  double oldest_queued_age_s = 0;  // 0 if nothing is queued

  [[nodiscard]] uint64_t queued_frames() const;
  [[nodiscard]] uint64_t queued_bytes() const;
  [[nodiscard]] uint64_t kept_frames() const;
  [[nodiscard]] uint64_t kept_bytes() const;
};

Result<SpoolSummary> summarise_spool(const SpoolFlags::Place& place, spool::SpoolReader& reader, Clock& clock);
Result<SpoolSummary> summarise_spool(const SpoolFlags::Place& place, Clock& clock);

void print(const SpoolSummary& summary, std::ostream& out);
// Keys like those of `spool` in the agent's status, and lanes.
nlohmann::json to_json(const SpoolSummary& summary);

}  // namespace joulespool::cli
