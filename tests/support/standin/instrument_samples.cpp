// What an instrument sends: samples with their losses, statistics.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "tests/support/standin/instrument.h"

namespace joulespool::standin {
namespace {

constexpr uint32_t packet_ticks = 126;  // js110: samples of a USB packet

// Index of the first of the elements first + k * decimation that is not before `id`.
size_t index_at(uint64_t id, uint64_t first, uint32_t decimation, size_t count) {
  if (id <= first) return 0;
  return static_cast<size_t>(std::min<uint64_t>((id - first + decimation - 1) / decimation, count));
}

}  // namespace

bool Instrument::advance() {
  if (!running_) return true;
  const uint64_t now = counter_.ticks_at(clock_.monotonic_ns());
  if (plan_.crash_at_tick && started_tick_ < *plan_.crash_at_tick && *plan_.crash_at_tick <= now) std::abort();
  const bool silenced = plan_.mute_after && started_tick_ < *plan_.mute_after && tick_ >= *plan_.mute_after;
  if (plan_.mute || silenced) return drop_to(std::max(now, tick_)), true;
  const uint64_t last = plan_.mute_after && started_tick_ < *plan_.mute_after ? std::min(now, *plan_.mute_after) : now;
  const uint64_t limit = std::min(last, tick_ + traits_.counter_rate_hz / 10);
  while (tick_ < limit) step(limit);
  return limit == last;
}

// Nothing is sent up to there, and what was begun is discarded.
void Instrument::drop_to(uint64_t tick) {
  tick_ = tick;
  for (Channel& channel : channels_) channel.stream.discard();
  full_->begin_at(position());
  slow_->begin_at(position());
  packed_->begin_at(position());
}

void Instrument::step(uint64_t limit) {
  const auto span = plan_.is_js110() ? plan_.skip.next(tick_) : std::nullopt;
  if (span && span->holds(tick_)) return skip(*span);
  const bool up_to_skip = span && span->first <= limit;
  const uint64_t end = up_to_skip ? span->first : limit;
  produce(end - slide_, up_to_skip);
  tick_ = end;
}

// The packets of the span never came: the next sample gets the next id, and only the log tells.
void Instrument::skip(const TickSpan& span) {
  const uint64_t ticks = span.end - tick_;
  const uint64_t expected = tick_ / packet_ticks, received = expected + ticks / packet_ticks;
  pending_log_.push_back("pkt_index skip: expected " + std::to_string(expected) + ", received " +
                         std::to_string(received & 0xFFFF));
  slide_ += ticks;
  tick_ = span.end;
  counter_.note_slide(position(), slide_);
}

// exact: everything before id_end, else a few elements of packed signals may wait.
void Instrument::produce(uint64_t id_end, bool exact) {
  const Needs needed = needs();
  const Measure measure{slide_, traits_.ticks_per_measure};
  const bool full_rate = rate_hz() == traits_.full_rate_hz, has_statistics = setting("s/stats/ctrl", 0) != 0;
  if (needed.full)
    full_->run_to(id_end, measure, [&](uint64_t first, std::span<const float> i, std::span<const float> v) {
      if (full_rate) take(full_->decimation(), first, i, v);
      if (has_statistics) statistics_.add(first, i, v);
    });
  if (needed.slow)
    slow_->run_to(id_end, measure, [&](uint64_t first, std::span<const float> i, std::span<const float> v) {
      take(slow_->decimation(), first, i, v);
    });
  if (needed.packed) produce_packed(id_end, exact, measure);
}

void Instrument::produce_packed(uint64_t id_end, bool exact, const Measure& measure) {
  for (size_t count = 0; (count = packed_->due(id_end)) > 0;) {
    if (count > 8) count -= count % 8;  // whole bytes: much faster
    else if (!exact && packed_decimation() == traits_.packed_decimation) return;
    for (Channel& channel : channels_)
      if (channel.stream.is_on() && channel.stream.shape().bits != 32)
        channel.stream.append(packed_->next_id(), packed_->measure(channel.signal, count, measure), count, *this);
    packed_->advance(count);
  }
}

void Instrument::take(uint32_t decimation, uint64_t first, std::span<const float> i, std::span<const float> v) {
  for (Channel& channel : channels_) {
    if (!channel.stream.is_on() || channel.stream.shape().bits != 32) continue;
    std::span<const float> values = values_of(channel, i, v);
    if (channel.leading_nan > 0 && !plan_.is_js110()) {  // power of a js220 begins before the others
      const uint64_t back = std::min<uint64_t>(channel.leading_nan, first / decimation);
      append_nan(channel, first - back * decimation, static_cast<size_t>(back));
      channel.leading_nan = 0;
    } else if (channel.leading_nan > 0) {
      const size_t count = std::min<size_t>(channel.leading_nan, values.size());
      append_nan(channel, first, count);
      channel.leading_nan -= static_cast<uint32_t>(count);
      append(channel, decimation, first + count * decimation, values.subspan(count));
      continue;
    }
    append(channel, decimation, first, values);
  }
}

std::span<const float> Instrument::values_of(const Channel& channel, std::span<const float> i, std::span<const float> v) {
  const abi::Field field = channel.stream.shape().field;
  if (field == abi::Field::current) return i;
  if (field == abi::Field::voltage) return v;
  scratch_.resize(i.size());
  for (size_t k = 0; k < i.size(); ++k)
    scratch_[k] = plan_.is_js110() ? static_cast<float>(static_cast<double>(i[k]) * static_cast<double>(v[k])) : i[k] * v[k];
  return scratch_;
}

std::optional<TickSpan> Instrument::next_loss(abi::Field field, uint64_t id) const {
  if (plan_.is_js110()) return std::nullopt;
  auto loss = plan_.lost.next(id);
  const TickSpans* own = field == abi::Field::current ? &plan_.lost_i : field == abi::Field::voltage ? &plan_.lost_v : nullptr;
  if (own == nullptr) return loss;
  const auto other = own->next(id);
  return other && (!loss || other->first < loss->first) ? other : loss;
}

// js220: where samples are lost the message ends, and the next one begins later. Power has up to 1023 NaN before that.
void Instrument::append(Channel& channel, uint32_t decimation, uint64_t first, std::span<const float> values) {
  constexpr size_t power_nan_max = 1023;
  const abi::Field field = channel.stream.shape().field;
  for (size_t k = 0; k < values.size();) {
    const uint64_t id = first + k * decimation;
    const auto loss = next_loss(field, id);
    const size_t loss_at = loss ? std::max(k, index_at(loss->first, first, decimation, values.size())) : values.size();
    if (loss_at > k) channel.stream.append(id, std::as_bytes(values.subspan(k, loss_at - k)), loss_at - k, *this);
    if (loss_at == values.size()) return;
    k = index_at(loss->end, first, decimation, values.size());
    if (first + loss_at * decimation - loss->first >= decimation) continue;  // not where the loss begins
    pending_log_.push_back("in frame_id mismatch " + std::to_string(loss->first & 0xFFFF) +
                           " != " + std::to_string(loss->end & 0xFFFF));
    if (field == abi::Field::power) append_nan(channel, first + loss_at * decimation, std::min(k - loss_at, power_nan_max));
  }
}

void Instrument::append_nan(Channel& channel, uint64_t first, size_t count) {
  const std::vector<float> values(count, std::numeric_limits<float>::quiet_NaN());
  channel.stream.append(first, std::as_bytes(std::span(values)), count, *this);
}

void Instrument::send(const SignalShape& shape, uint64_t sample_id, std::vector<std::byte> message) {
  const abi::TimeMap map = counter_.map_at(sample_id, plan_);
  std::memcpy(message.data() + offsetof(abi::StreamSignal, version), &plan_.struct_version, 1);
  std::memcpy(message.data() + offsetof(abi::StreamSignal, time_map), &map, sizeof map);
  frontend_.post(Publication{prefix_ + "/" + shape.topic + "/!data", TopicValue::binary(abi::Payload::stream, std::move(message)),
                             false, std::exchange(pending_log_, {})});
}

void Instrument::send_statistics(abi::Statistics& block) {
  block.version = plan_.struct_version;
  block.time_map = counter_.map_at(block.block_sample_id, plan_);
  std::vector<std::byte> bytes(sizeof block);
  std::memcpy(bytes.data(), &block, sizeof block);
  frontend_.post(Publication{prefix_ + "/s/stats/value", TopicValue::binary(abi::Payload::statistics, std::move(bytes)), true,
                             std::exchange(pending_log_, {})});
}

}  // namespace joulespool::standin
