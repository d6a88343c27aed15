// A connection to an MQTT 5 broker. The application keeps its own store: the bus buffers nothing across connections.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::mqtt {

struct Message {
  std::string topic;
  wire::Bytes payload;
  bool retain = false;
  std::vector<std::pair<std::string, std::string>> user_properties;
};

struct BusOptions {
  std::string uri;  // "tcp://127.0.0.1:1883"
  std::string client_id;
  std::string username, password;  // empty: none
  int keep_alive_s = 20;
  int connect_timeout_s = 10;
  bool has_will = false;
  Message will;  // published by the broker when the connection breaks; QoS 1
};

struct Connected {
  uint16_t receive_maximum = 0;
};  // how many unacknowledged publishes the broker takes
struct ConnectFailed {
  std::string reason;
};
// No publish without its Published gets one any more. Most are lost; some may still reach the broker, at the start of the
// next connection.
struct Disconnected {
  std::string reason;
};
struct Published {
  uint64_t token = 0;
  Status result;
};  // the broker has it (PUBACK), or refused it (reason in the error)
struct Received {
  Message message;
};
struct SubscribeFailed {
  std::string filter;
  std::string reason;
};
using BusEvent = std::variant<Connected, ConnectFailed, Disconnected, Published, Received, SubscribeFailed>;

// Called on threads of the bus, never two at a time. Must enqueue and return: no call back into the bus.
using BusListener = std::function<void(BusEvent)>;

// Every member is called from one thread (the owner's), none blocks longer than a few milliseconds, except disconnect().
class MessageBus {
 public:
  virtual ~MessageBus() = default;  // disconnects; no event comes after
  // Starts to connect with a clean start; the outcome is Connected or ConnectFailed. Never reconnects by itself. Errors: usage
  // (there is a connection, or one is being made).
  virtual Status connect() = 0;
  // QoS 1. After Connected, again for each connection. Failure: SubscribeFailed.
  virtual Status subscribe(const std::string& filter) = 0;
  // QoS 1. `token` comes back in Published. The caller keeps publishes without Published at most
  // min(receive_maximum, publish_window_max): above it Paho C 1.3.12 stalls for a second at a time.
  virtual Status publish(uint64_t token, const Message& message) = 0;
  // Orderly end (the broker does not send the Will), at most `timeout_ms`: publishes under way get that time, and what is
  // not sent by then may cost the order. No event of the connection comes after; Disconnected does not come.
  virtual void disconnect(int timeout_ms) = 0;
};

constexpr uint16_t publish_window_max = 20;

}  // namespace joulespool::mqtt
