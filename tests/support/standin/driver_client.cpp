#include "tests/support/standin/driver_client.h"

#include <pthread.h>

#include <algorithm>

#include "agent/device/simulated_source.h"

namespace joulespool::test {
namespace {

constexpr auto patience = std::chrono::seconds(20);

template <class Type>
void get(const std::vector<std::byte>& bytes, size_t offset, Type& value) {
  std::memcpy(&value, bytes.data() + offset, sizeof value);
}

}  // namespace

StreamHead KeptMessage::stream() const {
  REQUIRE(bytes.size() >= abi::stream_header_bytes);
  StreamHead head{};
  get(bytes, offsetof(abi::StreamSignal, version), head.version);
  get(bytes, offsetof(abi::StreamSignal, sample_id), head.sample_id);
  get(bytes, offsetof(abi::StreamSignal, field), head.field);
  get(bytes, offsetof(abi::StreamSignal, index), head.index);
  get(bytes, offsetof(abi::StreamSignal, element_size_bits), head.element_size_bits);
  get(bytes, offsetof(abi::StreamSignal, element_count), head.element_count);
  get(bytes, offsetof(abi::StreamSignal, sample_rate), head.sample_rate);
  get(bytes, offsetof(abi::StreamSignal, decimate_factor), head.decimate_factor);
  get(bytes, offsetof(abi::StreamSignal, time_map), head.time_map);
  return head;
}

abi::Statistics KeptMessage::statistics() const {
  REQUIRE(bytes.size() == sizeof(abi::Statistics));
  abi::Statistics statistics;
  std::memcpy(static_cast<void*>(&statistics), bytes.data(), sizeof statistics);
  return statistics;
}

std::vector<float> KeptMessage::floats() const {
  std::vector<float> values((bytes.size() - abi::stream_header_bytes) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + abi::stream_header_bytes, values.size() * sizeof(float));
  return values;
}

unsigned KeptMessage::packed(size_t k) const {
  const unsigned bits = stream().element_size_bits, per_byte = 8 / bits;
  const auto byte = std::to_integer<unsigned>(bytes[abi::stream_header_bytes + k / per_byte]);
  return (byte >> (bits * (k % per_byte))) & ((1U << bits) - 1);
}

void Recorder::on_value(void* user_data, const char* topic, const abi::Value* value) {
  KeptMessage message{topic, *value, {}, nullptr, static_cast<uint64_t>(::pthread_self())};
  const bool text = value->type == abi::ValueType::text;
  if (text || value->type == abi::ValueType::binary) {
    message.place = reinterpret_cast<const std::byte*>(value->binary);
    message.bytes.assign(message.place, message.place + (text ? std::strlen(value->text) : value->size));
  }
  static_cast<Recorder*>(user_data)->keep(std::move(message));
}

void Recorder::on_log(void* user_data, const abi::LogHeader* header, const char*, const char* text) {
  const auto* const first = reinterpret_cast<const std::byte*>(text);
  KeptMessage message{
      "log", u32_value(header->level), {first, first + std::strlen(text)}, first, static_cast<uint64_t>(::pthread_self())};
  static_cast<Recorder*>(user_data)->keep(std::move(message));
}

void Recorder::keep(KeptMessage message) {
  const std::lock_guard lock(mutex_);
  messages_.push_back(std::move(message));
  changed_.notify_all();
}

std::vector<KeptMessage> Recorder::messages(const std::string& topic_end) {
  const std::lock_guard lock(mutex_);
  std::vector<KeptMessage> chosen;
  for (const KeptMessage& message : messages_)
    if (message.topic.ends_with(topic_end)) chosen.push_back(message);
  return chosen;
}

bool Recorder::wait_for(size_t count, const std::string& topic_end) {
  return wait_until([&](const std::vector<KeptMessage>& messages) {
    const auto ours =
        std::count_if(messages.begin(), messages.end(), [&](const KeptMessage& m) { return m.topic.ends_with(topic_end); });
    return static_cast<size_t>(ours) >= count;
  });
}

bool Recorder::wait_until(const std::function<bool(const std::vector<KeptMessage>&)>& condition) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return condition(messages_); });
}

void Recorder::clear() {
  const std::lock_guard lock(mutex_);
  messages_.clear();
}

StandinWorld::Keys js220_keys(StandinWorld::Keys more) {
  more.insert({{"model", "js220"}, {"serial", "001122"}, {"seed", "7"}, {"load", "cpu"}});
  return more;
}

StandinWorld::Keys js110_keys(StandinWorld::Keys more) {
  more.insert({{"model", "js110"}, {"serial", "000456"}, {"seed", "9"}, {"load", "ranges"}});
  return more;
}

std::vector<float> expected(const std::string& model, bool current, uint64_t tick, size_t count, uint32_t rate_hz) {
  device::SimulatedDevice twin;
  twin.model = model;
  twin.seed = model == "js110" ? 9 : 7;
  twin.load = model == "js110" ? "ranges" : "cpu";
  twin.sample_rate_hz = rate_hz;
  std::vector<float> i(count), v(count);
  device::simulated_samples(twin, tick, i, v);
  return current ? i : v;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void stream(DriverClient& client, const std::string& prefix, const std::vector<std::string>& topics, Recorder& recorder) {
  REQUIRE(client.open(prefix) == 0);
  for (const std::string& topic : topics)
    REQUIRE(client.subscribe(prefix + "/" + topic + "/!data", abi::subscribe_published, Recorder::on_value, &recorder) == 0);
  for (const std::string& topic : topics) REQUIRE(client.publish(prefix + "/" + topic + "/ctrl", 1) == 0);
}

}  // namespace joulespool::test
