// What the running agent says of itself, for `joulespool status` and the retained state topic.
#pragma once

#include <string>

#include "agent/app/sample_ring.h"
#include "agent/app/writer.h"
#include "agent/config/settings.h"
#include "agent/uplink/uplink.h"

namespace joulespool::app {

// Who runs.
struct AgentIdentity {
  std::string host;
  std::string boot;  // random per run
  int64_t started_monotonic_ns = 0;
  std::string spool_directory;
  uint64_t spool_budget_bytes = 0;
};

// JSON, version 1: {version, software, host, boot, online, uptime_s, devices[], spool{}, uplink{}}.
std::string status_json(const AgentIdentity& identity, const WriterStatus& writer, const SampleRing& ring,
                        const uplink::UplinkStatus& uplink, Clock& clock);

// The same topic's payload when nobody is there any more.
std::string offline_json(const AgentIdentity& identity);

}  // namespace joulespool::app
