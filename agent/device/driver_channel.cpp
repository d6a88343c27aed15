#include "agent/device/driver_channel.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "agent/device/byte_fields.h"

namespace joulespool::device {
namespace {

// Room that samples leave for events: some hundred of usual length, more than an instrument says while a reader stands still
// for a minute (two statistics a second).
constexpr size_t event_room_bytes = 64 << 10;
// Runs of lost samples that are kept until there is room; they are many only if the instrument loses samples as well.
constexpr size_t losses_max = 4096;
constexpr size_t loss_record_bytes = 512;  // more than one takes
constexpr size_t losses_at_once = 32;
constexpr uint32_t packed_runs_max = 32;  // there are six packed signals

enum class ItemKind : uint32_t { samples = 1, event = 2 };

template <class Fields, class Identity>
void identity_fields(Fields& f, Identity& identity) {
  f(identity.id);
  f(identity.model);
  f(identity.serial);
}

template <class Fields, class Gap>
void gap_fields(Fields& f, Gap& gap) {
  f.one_of(gap.reason, wire::GapReason::usb_drop, wire::GapReason::rejected);
  f(gap.axis);
  f(gap.sample_id_first);
  f(gap.sample_id_end);
  f(gap.open_ended);
  f(gap.samples_lost);
  f(gap.utc_first_ns);
  f(gap.utc_end_ns);
  f(gap.detail);
}

template <class Fields, class Event>
void event_fields(Fields& f, Event& event) {
  f.one_of(event.kind, SourceEvent::Kind::attached, SourceEvent::Kind::note);
  f(event.text);
  identity_fields(f, event.identity);
  f(event.firmware);
  gap_fields(f, event.gap);
  f(event.statistics.sample_id_first);
  f(event.statistics.sample_id_end);
  f(event.statistics.charge);
  f(event.statistics.energy);
}

template <class Fields, class Block>
void block_fields(Fields& f, Block& block) {
  f(block.sample_id);
  f(block.axis.life);
  f(block.axis.counter_rate_hz);
  f(block.axis.decimation);
  f(block.utc.sample_id);
  f(block.utc.utc_ns);
  f(block.utc.counter_rate_hz);
  f.one_of(block.utc.quality, wire::UtcQuality::unknown, wire::UtcQuality::instrument);
}

void write_header(FieldWriter& f, ItemKind kind, const std::string& device) {
  f.one_of(kind, ItemKind::samples, ItemKind::event);
  f(device);
}

void write_block(FieldWriter& f, const std::string& device, const signal::SampleBlock& block) {
  write_header(f, ItemKind::samples, device);
  block_fields(f, block);
  f(static_cast<uint32_t>(block.i.size()));
  f(!block.p.empty());
  f(static_cast<uint32_t>(block.packed.size()));
  for (const signal::PackedRun& run : block.packed) {
    f(static_cast<uint32_t>(run.signal));
    f(run.bits);
    f(run.sample_id);
    f(run.decimation);
    f(run.count);
  }
  f.array(block.i);
  f.array(block.v);
  f.array(block.p);
  for (const signal::PackedRun& run : block.packed) f.array(run.data);
}

// Does a run of `count` elements, each `decimation` ticks, end before ids do?
bool fits_ids(uint64_t sample_id, uint64_t count, uint32_t decimation) {
  uint64_t ticks = 0, end = 0;
  return decimation > 0 && !__builtin_mul_overflow(count, uint64_t{decimation}, &ticks) &&
         !__builtin_add_overflow(sample_id, ticks, &end);
}

bool is_packed_signal(uint32_t signal) {
  using signal::SignalId;
  return signal == static_cast<uint32_t>(SignalId::current_range) || signal == static_cast<uint32_t>(SignalId::voltage_range) ||
         (signal >= static_cast<uint32_t>(SignalId::gpi0) && signal <= static_cast<uint32_t>(SignalId::trigger));
}

void read_packed_run(FieldReader& f, signal::PackedRun& run) {
  uint32_t signal = 0;
  f(signal);
  f(run.bits);
  f(run.sample_id);
  f(run.decimation);
  f(run.count);
  f.refuse_unless(is_packed_signal(signal) && (run.bits == 1 || run.bits == 4) && run.count <= UINT32_MAX &&
                  fits_ids(run.sample_id, run.count, run.decimation));
  run.signal = static_cast<signal::SignalId>(signal);
}

void read_block(FieldReader& f, ChannelItem& item) {
  signal::SampleBlock& block = item.block;
  block_fields(f, block);
  uint32_t count = 0, packed_count = 0;
  bool has_power = false;
  f(count);
  f(has_power);
  f(packed_count);
  f.refuse_unless(count > 0 && packed_count <= packed_runs_max && block.axis.life != 0 && block.axis.counter_rate_hz > 0 &&
                  fits_ids(block.sample_id, count, block.axis.decimation));
  item.packed.assign(f.ok() ? packed_count : 0, {});
  for (signal::PackedRun& run : item.packed) read_packed_run(f, run);
  block.i = f.array<float>(count);
  block.v = f.array<float>(count);
  block.p = f.array<float>(has_power ? count : 0);
  for (signal::PackedRun& run : item.packed) run.data = f.array<std::byte>((run.count * run.bits + 7) / 8);
  block.packed = item.packed;
}

SourceEvent overrun_event(uint64_t life, uint64_t sample_id_first, uint64_t sample_id_end, uint64_t samples) {
  SourceEvent event;
  event.kind = SourceEvent::Kind::gap;
  event.gap.reason = wire::GapReason::overrun;
  event.gap.axis = life;
  event.gap.sample_id_first = sample_id_first;
  event.gap.sample_id_end = sample_id_end;
  event.gap.samples_lost = samples;
  event.gap.detail = "the agent did not take the samples in time";
  return event;
}

SourceEvent cut_to_length(SourceEvent event) {
  for (std::string* text : {&event.text, &event.firmware, &event.gap.detail})
    if (text->size() > event_text_max) text->resize(event_text_max);
  return event;
}

}  // namespace

ChannelSink::ChannelSink(SharedRing& ring, int wake_fd)
    : ring_(ring), wake_fd_(wake_fd), event_room_(std::min(event_room_bytes, ring.capacity_bytes() / 4)) {}

void ChannelSink::commit(size_t size_bytes) {
  ring_.commit(size_bytes);
  static_cast<void>(::eventfd_write(wake_fd_, 1));  // full: the reader has been woken often enough
}

// Losses are told when the samples behind them fit too: else every block that is lost would cost a record.
bool ChannelSink::write_samples(const std::string& device, const signal::SampleBlock& block) {
  FieldWriter counter(nullptr);
  write_block(counter, device, block);
  const size_t needed = SharedRing::taken_bytes(counter.size_bytes()) + event_room_;
  const size_t before = std::min(losses_.size() + 1, losses_at_once) * loss_record_bytes;
  if (ring_.room_bytes() < needed + before || !tell_losses() || ring_.room_bytes() < needed) return false;
  std::byte* const to = ring_.reserve(counter.size_bytes());
  if (to == nullptr) return false;
  FieldWriter writer(to);
  write_block(writer, device, block);
  commit(writer.size_bytes());
  return true;
}

bool ChannelSink::write_event(const std::string& device, const SourceEvent& event) {
  const SourceEvent cut = cut_to_length(event);
  const auto write = [&](FieldWriter& f) {
    write_header(f, ItemKind::event, device);
    event_fields(f, cut);
    return f.size_bytes();
  };
  FieldWriter counter(nullptr);
  const size_t size = write(counter);
  std::byte* const to = ring_.reserve(size);
  if (to == nullptr) return false;
  FieldWriter writer(to);
  write(writer);
  commit(size);
  return true;
}

void ChannelSink::note_loss(const std::string& device, const signal::SampleBlock& block) {
  if (!losses_.empty()) {
    Loss& last = losses_.back();
    if (last.device == device && last.life == block.axis.life && last.sample_id_end == block.sample_id) {
      last.sample_id_end = block.sample_id_end();
      last.samples += block.count();
      return;
    }
  }
  if (losses_.size() < losses_max)
    losses_.push_back({device, block.axis.life, block.sample_id, block.sample_id_end(), block.count()});
  else ++losses_untold_;
}

// False: not all could be told, so nothing else may follow yet.
bool ChannelSink::tell_losses() {
  size_t told = 0;
  const auto tell = [&](const Loss& loss) {
    return write_event(loss.device, overrun_event(loss.life, loss.sample_id_first, loss.sample_id_end, loss.samples));
  };
  while (told < losses_.size() && tell(losses_[told])) ++told;
  losses_.erase(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(told));
  if (!losses_.empty()) return false;
  if (events_lost_ + losses_untold_ == 0) return true;
  SourceEvent note;
  note.text = std::to_string(events_lost_ + losses_untold_) +
              " events of the driver's process were lost: the agent did not take them in time";
  if (!write_event(event_device_, note)) return false;
  events_lost_ = losses_untold_ = 0;
  return true;
}

void ChannelSink::on_samples(const std::string& device, const signal::SampleBlock& block) {
  if (block.i.empty()) return;
  const std::lock_guard lock(mutex_);
  event_device_ = device;
  if (!write_samples(device, block)) note_loss(device, block);
}

void ChannelSink::on_event(const std::string& device, const SourceEvent& event) {
  const std::lock_guard lock(mutex_);
  event_device_ = device;
  if (!tell_losses() || !write_event(device, event)) ++events_lost_;
}

bool ChannelSink::wait_for_room(const std::string&, size_t samples, std::chrono::milliseconds) {
  const std::lock_guard lock(mutex_);
  return ring_.room_bytes() > samples * 4 * sizeof(float) + event_room_;
}

void ChannelSink::flush() {
  const std::lock_guard lock(mutex_);
  static_cast<void>(tell_losses());
}

Status read_item(std::span<const std::byte> record, ChannelItem& item) {
  item.event.reset();
  item.block = {};
  item.packed.clear();
  FieldReader f(record);
  ItemKind kind = ItemKind::samples;
  f.one_of(kind, ItemKind::samples, ItemKind::event);
  f(item.device);
  if (kind == ItemKind::event) event_fields(f, item.event.emplace());
  else read_block(f, item);
  f.refuse_unless(wire::is_valid_id(item.device));
  if (item.event)
    f.refuse_unless(((item.event->kind != SourceEvent::Kind::attached && item.event->identity.id.empty()) ||
                     item.event->identity.id == item.device) &&
                    item.event->gap.sample_id_first <= item.event->gap.sample_id_end);
  if (!f.ok() || !f.ended()) return Error{Errc::damaged, "a record that does not hold what it says"};
  return {};
}

}  // namespace joulespool::device
