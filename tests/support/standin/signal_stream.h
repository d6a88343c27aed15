// One signal of an instrument, cut into the driver's messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/device/joulescope_abi.h"

namespace joulespool::standin {

namespace abi = device::abi;

struct SignalShape {
  std::string topic;  // "s/i"
  abi::Field field = abi::Field::current;
  uint8_t index = 0;
  uint8_t bits = 32;  // 32: float; 4 and 1: packed
};

struct SignalLayout {
  uint32_t sample_rate = 0;
  uint32_t decimation = 1;
  uint32_t message_elements = 1;
};

// Gets whole messages; knows what a message cannot know by itself.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  // The structure is filled, but for its version and map. The bytes are the sink's.
  virtual void send(const SignalShape& shape, uint64_t sample_id, std::vector<std::byte> message) = 0;
};

class SignalStream {
 public:
  explicit SignalStream(SignalShape shape) : shape_(std::move(shape)) {}

  [[nodiscard]] const SignalShape& shape() const { return shape_; }
  [[nodiscard]] bool is_on() const { return on_; }
  void switch_on(bool on) { on_ = on; }
  // Of the message that is not complete yet.
  void discard() { count_ = 0; }
  // Discards, too.
  void begin(const SignalLayout& layout);
  // `count` elements, packed from bit 0 on; element 0 has this id. Where it does not continue, what is there is sent first.
  void append(uint64_t sample_id, std::span<const std::byte> elements, size_t count, MessageSink& sink);

 private:
  void open_message(uint64_t sample_id);
  void copy_elements(std::span<const std::byte> elements, size_t from, size_t count);
  void send(MessageSink& sink);

  const SignalShape shape_;
  SignalLayout layout_;
  bool on_ = false;
  uint64_t first_id_ = 0;
  uint32_t count_ = 0;  // in message_
  std::vector<std::byte> message_;
};

}  // namespace joulespool::standin
