// MessageBus over Eclipse Paho: the only user of Paho.
#pragma once

#include "agent/mqtt/message_bus.h"

namespace joulespool::mqtt {

// Errors: usage (the URI cannot be used).
Result<std::unique_ptr<MessageBus>> make_paho_bus(const BusOptions& options, BusListener listener);

}  // namespace joulespool::mqtt
