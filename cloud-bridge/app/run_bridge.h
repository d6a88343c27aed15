// The bridge of real parts: Paho and Kinesis.
#pragma once

#include <stop_token>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "cloud-bridge/app/bridge.h"
#include "cloud-bridge/app/bridge_settings.h"

namespace joulespool::bridge {

// How the memory of the settings is shared out, and what else of a Bridge follows from them.
BridgeSetup make_setup(const BridgeSettings& settings);

// Runs until `stop`. With create_stream, waits for the stream first. Errors: usage (credentials, region, URI), unreachable
// (the stream could not be made).
Status run_bridge(const BridgeSettings& settings, Clock& clock, const std::stop_token& stop);

}  // namespace joulespool::bridge
