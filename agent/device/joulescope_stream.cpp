#include "agent/device/joulescope_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace joulespool::device {
namespace {

using signal::SignalId;

constexpr uint64_t samples_per_packet = 126;  // of a js110's USB packet
constexpr size_t skips_max = 256;             // older ones concern no sample that can still come

// i and v wait for each other, and for range and GPI, for at most half a second: the driver's messages are 50 ms long.
uint64_t waiting_samples_max(const InstrumentModel& model, const InstrumentSelection& selection) {
  return std::max<uint64_t>((selection.rate_hz == 0 ? model.full_rate_hz : selection.rate_hz) / 2, 4);
}

// Range and GPI wait for i and v; a watch closes the instrument when these do not come for about as long.
constexpr uint64_t packed_wait_s = 5;

std::vector<SignalId> packed_of(const InstrumentSelection& selection) {
  std::vector<SignalId> packed;
  for (const StreamTopic& stream : streams_of(selection))
    if (stream.signal != SignalId::current && stream.signal != SignalId::voltage) packed.push_back(stream.signal);
  return packed;
}

bool is_float(SignalId signal) { return signal == SignalId::current || signal == SignalId::voltage; }
uint8_t bits_of(SignalId signal) { return is_float(signal) ? 32 : signal == SignalId::current_range ? 4 : 1; }

int128 to_int128(const uint64_t (&words)[2]) { return join_halves(static_cast<int64_t>(words[1]), words[0]); }

}  // namespace

InstrumentStream::InstrumentStream(Clock& clock, SampleSink& sink, wire::DeviceIdentity identity, const InstrumentModel& model,
                                   const InstrumentSelection& selection)
    : clock_(clock),
      sink_(sink),
      identity_(std::move(identity)),
      model_(model),
      full_rate_(selection.rate_hz == 0 || selection.rate_hz == model.full_rate_hz),
      assembler_(packed_of(selection), waiting_samples_max(model, selection), packed_wait_s * model.counter_rate_hz),
      life_(identity_.id) {}

void InstrumentStream::resume(const ResumePoint& point) {
  const std::lock_guard lock(mutex_);
  life_.resume(point);
}

void InstrumentStream::begin(const std::string& firmware) {
  const std::lock_guard lock(mutex_);
  enabled_ = true;
  found_ = false;
  streams_ = false;
  firmware_ = firmware;
  refusal_.clear();
  last_block_ns_ = clock_.monotonic_ns();
}

void InstrumentStream::interrupt() {
  const std::lock_guard lock(mutex_);
  enabled_ = false;
  streams_ = false;
  forget();
}

// What comes next may be of another life of the counter.
void InstrumentStream::forget() {
  assembler_.clear();
  skips_.clear();
  holes_.clear();
  lost_ticks_rest_ = 0;
  driver_end_ = 0;
  statistics_end_ = 0;
  life_.interrupt();
}

void InstrumentStream::say(SourceEvent::Kind kind, const std::string& text) {
  const std::lock_guard lock(mutex_);
  SourceEvent event;
  event.kind = kind;
  event.text = text;
  event.identity = identity_;
  event.firmware = firmware_;
  sink_.on_event(identity_.id, event);
}

std::string InstrumentStream::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

bool InstrumentStream::refuse(const std::string& why) {
  refusal_ = why;
  return false;
}

// Copies the header, whatever its alignment; false: not a message that can be used, refusal_ says why.
bool InstrumentStream::read(SignalId signal, const abi::Value& value, Message& message) {
  if (value.type != abi::ValueType::binary || value.binary == nullptr || value.size < abi::stream_header_bytes)
    return refuse("the driver's samples are no structure of samples");
  const auto field = [&](size_t offset, auto& into) { std::memcpy(&into, value.binary + offset, sizeof into); };
  uint8_t version = 0, bits = 0;
  uint32_t count = 0;
  abi::Element element{};
  field(offsetof(abi::StreamSignal, version), version);
  field(offsetof(abi::StreamSignal, element_type), element);
  field(offsetof(abi::StreamSignal, element_size_bits), bits);
  field(offsetof(abi::StreamSignal, element_count), count);
  field(offsetof(abi::StreamSignal, sample_id), message.sample_id);
  field(offsetof(abi::StreamSignal, sample_rate), message.counter_rate_hz);
  field(offsetof(abi::StreamSignal, decimate_factor), message.decimation);
  field(offsetof(abi::StreamSignal, time_map), message.map);
  message.count = count;
  message.data = value.binary + abi::stream_header_bytes;
  if (version != abi::struct_version)
    return refuse("the driver's samples have the layout version " + std::to_string(version) +
                  ", and this program reads version " + std::to_string(abi::struct_version) +
                  ": install a newer joulespool, or a driver 2.0.3 or later of version 2");
  if (bits != bits_of(signal) || (element == abi::Element::floating) != is_float(signal))
    return refuse("the driver's samples have an element of " + std::to_string(bits) + " bits that this program does not know");
  if (message.counter_rate_hz == 0 || message.decimation == 0 ||
      (message.count * bits + 7) / 8 > value.size - abi::stream_header_bytes)
    return refuse("the driver's samples contradict themselves: more elements than bytes, or no rate");
  return message.count > 0;
}

uint64_t InstrumentStream::shift_at(uint64_t driver_id) const {
  uint64_t shift = 0;
  for (const Skip& skip : skips_)
    if (driver_id >= skip.driver_id) shift = skip.shift;
  return shift;
}

// A counter that goes back began anew: what waits is of its life before. No message is late by a second.
void InstrumentStream::begin_epoch_if_restarted(SignalId signal, const Message& message) {
  if (is_float(signal) && message.sample_id + model_.counter_rate_hz < driver_end_) forget();
}

std::span<const float> InstrumentStream::floats(const Message& message, uint64_t first, uint64_t end) {
  if (reinterpret_cast<uintptr_t>(message.data) % alignof(float) == 0)
    return std::span(reinterpret_cast<const float*>(message.data), message.count).subspan(first, end - first);
  aligned_.resize(end - first);
  std::memcpy(aligned_.data(), message.data + first * sizeof(float), aligned_.size() * sizeof(float));
  return aligned_;
}

void InstrumentStream::add(SignalId signal, const Message& message, uint64_t first, uint64_t end) {
  const uint64_t driver_id = message.sample_id + first * message.decimation;
  const uint64_t sample_id = driver_id + shift_at(driver_id);
  if (is_float(signal)) {
    const std::span<const float> values = floats(message, first, end);
    if (signal == SignalId::current) assembler_.add_current(sample_id, message.decimation, values);
    else assembler_.add_voltage(sample_id, message.decimation, values);
    return;
  }
  const uint8_t bits = bits_of(signal);
  signal::PackedRun run{signal,
                        bits,
                        message.sample_id,
                        message.decimation,
                        message.count,
                        std::as_bytes(std::span(message.data, (message.count * bits + 7) / 8))};
  if (first == 0 && end == message.count) {
    run.sample_id = sample_id;
    return assembler_.add_packed(run);
  }
  signal::BitColumn whole(run);
  whole.append(run);
  wire::Bytes bytes;
  signal::PackedRun part = whole.slice(driver_id, message.sample_id + end * message.decimation, bytes);
  part.sample_id = sample_id;
  assembler_.add_packed(part);
}

void InstrumentStream::on_samples(SignalId signal, const abi::Value& value) {
  const std::lock_guard lock(mutex_);
  Message message;
  if (!enabled_ || !read(signal, value, message)) return;
  begin_epoch_if_restarted(signal, message);
  counter_rate_hz_ = message.counter_rate_hz;
  if (is_float(signal)) decimation_ = message.decimation;
  map_ = message.map;
  for (uint64_t first = 0; first < message.count;) {
    uint64_t end = message.count;
    for (const Skip& skip : skips_) {
      const uint64_t driver_id = message.sample_id + first * message.decimation;
      if (skip.driver_id <= driver_id) continue;
      end = std::min(end, (skip.driver_id - message.sample_id + message.decimation - 1) / message.decimation);
    }
    add(signal, message, first, end);
    first = end;
  }
  driver_end_ = std::max(driver_end_, message.sample_id + message.count * message.decimation);
  assembler_.take([this](const SampleAssembler::Stretch& stretch) { hand_over(stretch); });
}

// The driver's newest map, on our axis; where it has none, the host's clock says when the sample came.
wire::UtcMap InstrumentStream::utc_now(uint64_t sample_id_end) {
  wire::UtcMap utc = utc_map(map_, model_.has_disciplined_clock ? wire::UtcQuality::instrument : wire::UtcQuality::host);
  utc.sample_id += shift_at(utc.sample_id);
  if (utc.quality != wire::UtcQuality::unknown) return utc;
  const int64_t now_ns = clock_.realtime_ns();
  return {sample_id_end, now_ns, static_cast<double>(counter_rate_hz_),
          now_ns < wire::plausible_utc_ns ? wire::UtcQuality::unsynchronised : wire::UtcQuality::host};
}

void InstrumentStream::announce_found() {
  if (std::exchange(found_, true)) return;
  SourceEvent event;
  event.kind = SourceEvent::Kind::found;
  event.text = identity_.model + " " + identity_.serial + " streams";
  event.identity = identity_;
  event.firmware = firmware_;
  sink_.on_event(identity_.id, event);
}

// The block that begins at `sample_id` jumps over them.
void InstrumentStream::announce_holes_before(uint64_t sample_id) {
  while (!holes_.empty() && holes_.front().sample_id_first < sample_id) {
    SourceEvent event;
    event.kind = SourceEvent::Kind::gap;
    event.identity = identity_;
    event.gap = std::move(holes_.front());
    event.gap.axis = life_.life();
    holes_.erase(holes_.begin());
    sink_.on_event(identity_.id, event);
  }
}

void InstrumentStream::hand_over(const SampleAssembler::Stretch& stretch) {
  const CounterLife::Moment now{stretch.sample_id, utc_now(stretch.sample_id_end()), clock_.monotonic_ns(), clock_.realtime_ns()};
  wire::TimeAxis axis{0, counter_rate_hz_, stretch.decimation};
  axis.life = life_.life_of_block(axis, now);
  announce_found();
  announce_holes_before(stretch.sample_id);
  sink_.on_samples(identity_.id, {stretch.sample_id, axis, now.utc, stretch.i, stretch.v, {}, stretch.packed});
  life_.advance(stretch.sample_id_end(), now);
  last_block_ns_ = now.monotonic_ns;
  streams_ = true;
}

void InstrumentStream::on_packets_lost(uint64_t packets) {
  const std::lock_guard lock(mutex_);
  if (!enabled_ || driver_end_ == 0 || !model_.counts_packets) return;
  // Ids stay multiples of the decimation; what is left over counts with the next loss.
  lost_ticks_rest_ += packets * samples_per_packet;
  const uint64_t ticks = lost_ticks_rest_ / decimation_ * decimation_;
  lost_ticks_rest_ -= ticks;
  if (ticks == 0) return;
  const uint64_t before = skips_.empty() ? 0 : skips_.back().shift;
  wire::Gap hole;
  hole.reason = wire::GapReason::usb_drop;
  hole.sample_id_first = driver_end_ + before;
  hole.sample_id_end = hole.sample_id_first + ticks;
  hole.detail = std::to_string(packets) +
                " USB packets were lost by the driver's log; where within the message that was on its "
                "way is not known";
  holes_.push_back(std::move(hole));
  if (skips_.size() == skips_max) skips_.erase(skips_.begin());
  skips_.push_back({driver_end_, before + ticks});
}

void InstrumentStream::on_statistics(const abi::Value& value) {
  const std::lock_guard lock(mutex_);
  if (!enabled_ || !full_rate_ || value.type != abi::ValueType::binary || value.size < sizeof(abi::Statistics)) return;
  abi::Statistics block;
  std::memcpy(&block, value.binary, sizeof block);
  if (block.version != abi::struct_version) return;
  const uint64_t end = block.block_sample_id + uint64_t{block.block_sample_count} * std::max<uint8_t>(1, block.decimate_factor);
  const int128 charge = to_int128(block.charge_i128), energy = to_int128(block.energy_i128);
  if (statistics_end_ == block.block_sample_id && statistics_end_ != 0 && statistics_from_ == block.accum_sample_id) {
    SourceEvent event;
    event.kind = SourceEvent::Kind::statistics;
    event.identity = identity_;
    event.statistics = {block.block_sample_id + shift_at(block.block_sample_id), end + shift_at(end - 1), charge - charge_,
                        energy - energy_};
    sink_.on_event(identity_.id, event);
  }
  statistics_end_ = end;
  statistics_from_ = block.accum_sample_id;
  charge_ = charge;
  energy_ = energy;
}

}  // namespace joulespool::device
