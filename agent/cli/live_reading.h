// What the devices measure right now: from the running agent's status, or from the sources themselves.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::cli {

// One signal over the time since the reading before (from an agent: over its latest windows).
struct Spread {
  double average = 0;
  double min = 0;
  double max = 0;
};

struct DeviceReading {
  wire::DeviceIdentity identity;
  std::string source;    // "simulated", "joulescope", ...; empty: not known
  std::string state;     // "streaming", "lost", ...
  std::string detail;    // why it is not streaming, what to do; may be empty
  std::string firmware;  // empty: not known
  double sample_rate_hz = 0;
  std::optional<Spread> i, v, p;  // A, V, W; none: nothing was measured
  uint64_t samples_missing = 0;   // of this reading: there, but without a number
  uint64_t samples_lost = 0;      // since the source's start
  std::optional<double> ring_fill;

  // The agent knows it from its spool only: no [[device]] selects it.
  [[nodiscard]] bool is_absent() const { return source == "absent"; }
};

// The devices of an agent's status, as agent/app/agent_status.h writes it. Errors: damaged (no status of version 1).
Result<std::vector<DeviceReading>> readings_of(const nlohmann::json& status);

// One object of --json output: {version, utc, device, state, detail, sample_rate_hz, i (A), v (V), p (W): {mean, min, max},
// samples_missing, samples_lost, ring_fill}; null for what is not known.
nlohmann::json to_json(const DeviceReading& reading, int64_t utc_ns);

}  // namespace joulespool::cli
