// An MQTT broker in memory, and MessageBus on it. Held to the same contract as the real one by
// tests/contract/message_bus_contract.h.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/mqtt/message_bus.h"

namespace joulespool::test {

// Members may be called from any thread except from within a listener. Events come on the broker's one thread, so
// messages are delivered in the order in which they were published. Everything a member does has happened when it returns.
class FakeBroker {
 public:
  // Is this message of this client meant?
  using Choice = std::function<bool(const std::string& client_id, const mqtt::Message& message)>;

  FakeBroker();
  ~FakeBroker();  // stops; buses may outlive it, they are not connected then
  FakeBroker(const FakeBroker&) = delete;
  FakeBroker& operator=(const FakeBroker&) = delete;

  std::unique_ptr<mqtt::MessageBus> make_bus(const mqtt::BusOptions& options, mqtt::BusListener listener);

  // As killed: everybody hears Disconnected, no Will is published, retained messages are gone.
  void stop();
  void start();
  // Breaks the connection of one client: it hears Disconnected, the others its Will.
  void cut(const std::string& client_id);

  void set_receive_maximum(uint16_t value);
  // Empty: connections are taken.
  void refuse_connects(const std::string& reason);
  // These are acknowledged to the publisher but given to nobody.
  void drop_if(Choice choice);
  // These are refused with "not authorised".
  void refuse_if(Choice choice);
  // Subscriptions to these filters are refused, in the same words.
  void refuse_subscription(const std::string& filter);
  // Messages are taken and delivered, but not acknowledged to their publisher until this is set to false.
  void hold_acknowledgements(bool on);

  class Core;

 private:
  std::shared_ptr<Core> core_;
};

// MQTT's rule, with + and #.
bool topic_matches(std::string_view filter, std::string_view topic);

}  // namespace joulespool::test
