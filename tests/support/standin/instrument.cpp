#include "tests/support/standin/instrument.h"

#include <algorithm>
#include <cstdlib>

#include "tests/support/standin/parameters.h"

namespace joulespool::standin {
namespace {

constexpr uint32_t mega = 1'000'000;
constexpr uint32_t state_absent = 0, state_closed = 1, state_opening = 2, state_open = 3;

// "1.3.0": 0x01030000.
uint32_t version_of(const std::string& text) {
  unsigned major = 0, minor = 0, patch = 0;
  char* rest = nullptr;
  major = static_cast<unsigned>(std::strtoul(text.c_str(), &rest, 10));
  if (*rest == '.') minor = static_cast<unsigned>(std::strtoul(rest + 1, &rest, 10));
  if (*rest == '.') patch = static_cast<unsigned>(std::strtoul(rest + 1, &rest, 10));
  return (major << 24) | (minor << 16) | patch;
}

StatisticsLayout statistics_layout(const ModelTraits& traits, bool is_js110) {
  return {traits.counter_rate_hz, traits.counter_rate_hz / traits.full_rate_hz, is_js110};
}

}  // namespace

ModelTraits traits_of(const std::string& model) {
  if (model == "js110") return {2 * mega, 2 * mega, 1, 65'394, 100'000, 1};
  if (model == "js320") return {16 * mega, mega, 16, 50'061, 50'400, 8};
  return {2 * mega, mega, 1, 50'022, 100'800, 1};
}

Instrument::Instrument(DevicePlan plan, const World& world, Frontend& frontend, Clock& clock)
    : plan_(std::move(plan)),
      prefix_(plan_.prefix()),
      traits_(traits_of(plan_.model)),
      world_(world),
      frontend_(frontend),
      clock_(clock),
      counter_(plan_, traits_.counter_rate_hz, host_time()),
      statistics_(statistics_layout(traits_, plan_.is_js110()), [this](abi::Statistics& block) { send_statistics(block); }) {
  const auto add = [this](const std::string& topic, abi::Field field, uint8_t index, uint8_t bits, int signal) {
    channels_.push_back({SignalStream({topic, field, index, bits}), static_cast<signal::SignalId>(signal), 0});
  };
  add("s/i", abi::Field::current, 0, 32, 1);
  add("s/v", abi::Field::voltage, 0, 32, 2);
  add("s/p", abi::Field::power, 0, 32, 3);
  add("s/i/range", abi::Field::range, 0, 4, 4);
  for (const uint8_t input : std::initializer_list<uint8_t>{0, 1, 2, 3, 7})
    add("s/gpi/" + std::to_string(input), abi::Field::gpi, input, 1, 16 + input);
  rebuild_pieces();
  statistics_.set_scale(plan_.stats_scale);
  statistics_.set_block_samples(traits_.full_rate_hz);
  frontend_.post(Presence{prefix_, true});
  publish("h/state", state_closed);
}

Instrument::~Instrument() {
  publish("h/state", state_absent);
  frontend_.post(Presence{prefix_, false});
}

// A js110 has no state; a bootloader has nothing.
void Instrument::publish(const std::string& topic, uint32_t value) {
  if (plan_.is_bootloader() || (topic == "h/state" && plan_.is_js110())) return;
  frontend_.post(Publication{prefix_ + "/" + topic, TopicValue::number(value), true, {}});
}

void Instrument::change(DevicePlan plan) {
  plan.model = plan_.model;
  plan.serial = plan_.serial;
  plan.seed = plan_.seed;
  plan.load = plan_.load;
  plan.powered_utc_ns = plan_.powered_utc_ns;
  plan.counter_start = plan_.counter_start;
  plan.speed = plan_.speed;
  plan_ = std::move(plan);
  statistics_.set_scale(plan_.stats_scale);
  rebuild_pieces();
}

uint32_t Instrument::setting(const std::string& topic, uint32_t otherwise) const {
  const auto found = settings_.find(topic);
  return found == settings_.end() ? otherwise : found->second;
}

uint32_t Instrument::rate_hz() const { return std::min(setting("h/fs", traits_.full_rate_hz), traits_.full_rate_hz); }

uint32_t Instrument::packed_decimation() const {
  return plan_.is_js110() ? traits_.counter_rate_hz / rate_hz() : traits_.packed_decimation;
}

bool Instrument::is_float_on() const {
  return std::any_of(channels_.begin(), channels_.begin() + 3, [](const Channel& channel) { return channel.stream.is_on(); });
}

Instrument::Needs Instrument::needs() const {
  if (!open_) return {};
  const bool full_rate = rate_hz() == traits_.full_rate_hz;
  Needs needs;
  needs.full = setting("s/stats/ctrl", 0) != 0 || (is_float_on() && full_rate);
  needs.slow = is_float_on() && !full_rate;
  needs.packed =
      std::any_of(channels_.begin() + 3, channels_.end(), [](const Channel& channel) { return channel.stream.is_on(); });
  return needs;
}

std::optional<int32_t> Instrument::apply(const std::string& topic, const TopicValue& value) {
  if (plan_.deaf || plan_.is_bootloader()) return std::nullopt;
  if (topic == "@/!open") return open();
  if (topic == "@/!close") return close(), abi::rc_ok;
  if (!open_) return plan_.is_js110() ? std::nullopt : std::optional<int32_t>(abi::rc_closed);
  const Parameter* parameter = find_parameter(plan_.model, topic);
  const auto number = parameter == nullptr ? std::nullopt : number_of(*parameter, value);
  if (!number) return plan_.is_js110() && parameter == nullptr ? abi::rc_unavailable : abi::rc_parameter_invalid;
  return set(topic, *number);
}

int32_t Instrument::open() {
  if (open_) return plan_.is_js110() ? abi::rc_ok : abi::rc_in_use;
  if (plan_.open_rc != 0) return plan_.open_rc;
  claim_ = world_.claim(plan_);
  if (!claim_.held()) return abi::rc_usb_busy;
  publish("h/state", state_opening);
  publish("c/fw/version", version_of(plan_.firmware));
  publish("c/hw/version", version_of("1.0.0"));
  if (!plan_.is_js110()) publish("s/fpga/version", version_of(plan_.firmware));
  publish("h/state", state_open);
  open_ = true;
  follow_needs({});  // a js110 goes on with what was on
  return abi::rc_ok;
}

void Instrument::close() {
  if (!open_) return;
  open_ = running_ = false;
  claim_ = Claim();
  for (Channel& channel : channels_) {
    channel.stream.discard();
    if (!plan_.is_js110()) channel.stream.switch_on(false);
  }
  if (!plan_.is_js110()) settings_.clear();
  if (!plan_.is_js110()) statistics_.set_block_samples(traits_.full_rate_hz);
  publish("h/state", state_closed);
}

int32_t Instrument::set(const std::string& topic, uint32_t value) {
  advance();
  const Needs before = needs();
  const bool had_statistics = setting("s/stats/ctrl", 0) != 0;
  settings_[topic] = value;
  if (topic == "s/stats/scnt") statistics_.set_block_samples(value);
  if (topic == "s/stats/!clear" || (topic == "s/stats/ctrl" && value != 0 && !had_statistics)) statistics_.clear();
  if (topic.ends_with("/ctrl")) switch_channel(topic.substr(0, topic.size() - 5), value != 0);
  if (topic == "h/fs" || topic == "h/fp") restart_streams();
  else follow_needs(before);
  return abi::rc_ok;
}

void Instrument::switch_channel(const std::string& topic, bool on) {
  for (Channel& channel : channels_) {
    if (channel.stream.shape().topic != topic || channel.stream.is_on() == on) continue;
    channel.stream.switch_on(on);
    channel.stream.discard();
    channel.leading_nan = first_nan(channel);
  }
}

uint32_t Instrument::first_nan(const Channel& channel) const {
  constexpr uint32_t power_nan = 900;
  if (plan_.is_js110()) return plan_.leading_nan;
  return channel.stream.shape().field == abi::Field::power ? power_nan : 0;
}

// With the rates and faults in force; each goes on where it was.
void Instrument::rebuild_pieces() {
  const uint64_t full_next = full_ ? full_->next_id() : 0, slow_next = slow_ ? slow_->next_id() : 0;
  const uint64_t packed_next = packed_ ? packed_->next_id() : 0;
  const uint32_t rate = rate_hz();
  const uint32_t decimation = traits_.counter_rate_hz / rate;
  full_ = std::make_unique<SamplePieces>(plan_, traits_.full_rate_hz, full_decimation());
  full_->begin_at(full_next);
  slow_ = std::make_unique<SamplePieces>(plan_, rate, decimation);
  slow_->begin_at(slow_next);
  packed_ = std::make_unique<PackedPieces>(plan_, rate, packed_decimation());
  packed_->begin_at(packed_next);
}

// js220: a new rate begins new messages of everything that is on.
void Instrument::restart_streams() {
  constexpr uint32_t usual_message_rate_hz = 20;
  const uint64_t rate = rate_hz(),
                 message_rate = plan_.is_js110() ? usual_message_rate_hz : setting("h/fp", usual_message_rate_hz);
  const bool full_rate = rate == traits_.full_rate_hz;
  const auto elements = [&](uint64_t usual, size_t bits) {
    const uint64_t most = abi::stream_bytes_max * 8 / bits;
    return static_cast<uint32_t>(std::clamp<uint64_t>(usual * usual_message_rate_hz / message_rate, 1, most));
  };
  const uint32_t samples = elements(full_rate ? traits_.message_samples : 50'022 * rate / mega, 32);
  const uint32_t bits = elements(!plan_.is_js110() || full_rate ? traits_.message_packed : rate / usual_message_rate_hz, 4);
  for (Channel& channel : channels_) {
    const bool packed = channel.stream.shape().bits != 32;
    const auto decimation = packed ? packed_decimation() : static_cast<uint32_t>(traits_.counter_rate_hz / rate);
    channel.stream.begin({traits_.counter_rate_hz, decimation, packed ? bits : samples});
  }
  rebuild_pieces();
  if (running_) drop_to(tick_);
  else if (needs().any()) begin_running();
}

void Instrument::begin_running() {
  running_ = true;
  if (plan_.is_js110()) counter_.restart(host_time());
  tick_ = counter_.ticks_at(clock_.monotonic_ns());
  if (plan_.is_js110()) tick_ = 0;
  slide_ = 0;
  started_tick_ = tick_;
  statistics_.clear();
  for (Channel& channel : channels_) channel.leading_nan = first_nan(channel);
  restart_streams();
}

void Instrument::follow_needs(const Needs& before) {
  const Needs now = needs();
  if (!now.any()) {
    running_ = false;
    return;
  }
  if (!running_) return begin_running();
  if (now.full && !before.full) full_->begin_at(position());
  if (now.slow && !before.slow) slow_->begin_at(position());
  if (now.packed && !before.packed) packed_->begin_at(position());
}

}  // namespace joulespool::standin
