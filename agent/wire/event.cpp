#include "agent/wire/event.h"

#include "agent/wire/event.pb.h"
#include "agent/wire/proto_parts.h"

namespace joulespool::wire {
namespace {

void put_event(const std::monostate&, v1::Event&) {}

void put_event(const Gap& gap, v1::Event& event) {
  v1::Gap& proto = *event.mutable_gap();
  proto.set_reason(static_cast<v1::Gap::Reason>(gap.reason));
  proto.set_axis(gap.axis);
  proto.set_sample_id_first(gap.sample_id_first);
  proto.set_sample_id_end(gap.sample_id_end);
  proto.set_open_ended(gap.open_ended);
  proto.set_samples_lost(gap.samples_lost);
  proto.set_utc_first_ns(gap.utc_first_ns);
  proto.set_utc_end_ns(gap.utc_end_ns);
  if (gap.lane) proto.set_lane(static_cast<v1::Lane>(*gap.lane));
  if (gap.frames) {
    proto.mutable_frames()->set_first(gap.frames->first);
    proto.mutable_frames()->set_last(gap.frames->last);
  }
  proto.set_detail(gap.detail);
  proto.set_epoch(gap.epoch);
  for (const ReplacedFrames& frames : gap.replaced) put(frames, *proto.add_replaced());
}

void put_event(const Started& started, v1::Event& event) {
  v1::Started& proto = *event.mutable_started();
  proto.set_version(started.version);
  proto.set_boot(started.boot);
  proto.set_axis(started.axis);
  proto.set_sample_id(started.sample_id);
  for (const LaneStart& lane : started.lanes) {
    v1::LaneStart& added = *proto.add_lanes();
    added.set_lane(static_cast<v1::Lane>(lane.lane));
    added.set_next_seq(lane.next_seq);
    added.set_uploaded(lane.uploaded);
  }
  proto.set_source(started.source);
  proto.set_window_ticks(started.window_ticks);
}

void put_event(const Stopped& stopped, v1::Event& event) {
  v1::Stopped& proto = *event.mutable_stopped();
  proto.set_reason(stopped.reason);
  proto.set_sample_id_end(stopped.sample_id_end);
  v1::Totals& totals = *proto.mutable_totals();
  totals.set_samples(stopped.totals.samples);
  totals.set_valid(stopped.totals.valid);
  put(stopped.totals.i_sum, *totals.mutable_i_sum());
  put(stopped.totals.p_sum, *totals.mutable_p_sum());
  totals.set_samples_lost(stopped.totals.samples_lost);
}

void put_event(const ClockCorrected& corrected, v1::Event& event) {
  put(corrected.before, *event.mutable_clock_corrected()->mutable_before());
  put(corrected.after, *event.mutable_clock_corrected()->mutable_after());
}

void put_event(const DeviceNote& note, v1::Event& event) {
  v1::DeviceNote& proto = *event.mutable_device_note();
  proto.set_kind(note.kind);
  proto.set_detail(note.detail);
  proto.set_sample_id(note.sample_id);
}

Event get_gap(const v1::Gap& proto) {
  if (proto.reason() <= v1::Gap::UNSPECIFIED || proto.reason() > v1::Gap::REJECTED) return std::monostate{};
  Gap gap;
  gap.reason = static_cast<GapReason>(proto.reason());
  gap.axis = proto.axis();
  gap.sample_id_first = proto.sample_id_first();
  gap.sample_id_end = proto.sample_id_end();
  gap.open_ended = proto.open_ended();
  gap.samples_lost = proto.samples_lost();
  gap.utc_first_ns = proto.utc_first_ns();
  gap.utc_end_ns = proto.utc_end_ns();
  if (is_known(proto.lane())) gap.lane = static_cast<Lane>(proto.lane());
  if (proto.has_frames()) gap.frames = SeqRange{proto.frames().first(), proto.frames().last()};
  gap.detail = proto.detail();
  gap.epoch = proto.epoch();
  for (const v1::ReplacedFrames& frames : proto.replaced()) gap.replaced.push_back(get(frames));
  return gap;
}

Event get_started(const v1::Started& proto) {
  Started started{proto.version(), proto.boot(), proto.axis(), proto.sample_id(), {}, proto.source(), proto.window_ticks()};
  for (const v1::LaneStart& lane : proto.lanes())
    if (is_known(lane.lane())) started.lanes.push_back({static_cast<Lane>(lane.lane()), lane.next_seq(), lane.uploaded()});
  return started;
}

Event get_stopped(const v1::Stopped& proto) {
  const v1::Totals& totals = proto.totals();
  return Stopped{proto.reason(),
                 proto.sample_id_end(),
                 {totals.samples(), totals.valid(), get(totals.i_sum()), get(totals.p_sum()), totals.samples_lost()}};
}

Event get_event(const v1::Event& proto) {
  switch (proto.kind_case()) {
    case v1::Event::kGap: return get_gap(proto.gap());
    case v1::Event::kStarted: return get_started(proto.started());
    case v1::Event::kStopped: return get_stopped(proto.stopped());
    case v1::Event::kClockCorrected:
      return ClockCorrected{get(proto.clock_corrected().before()), get(proto.clock_corrected().after())};
    case v1::Event::kDeviceNote:
      return DeviceNote{proto.device_note().kind(), proto.device_note().detail(), proto.device_note().sample_id()};
    case v1::Event::KIND_NOT_SET: break;
  }
  return std::monostate{};
}

}  // namespace

std::string_view to_string(GapReason reason) {
  switch (reason) {
    case GapReason::usb_drop: return "usb_drop";
    case GapReason::overrun: return "overrun";
    case GapReason::device_lost: return "device_lost";
    case GapReason::disk_full: return "disk_full";
    case GapReason::evicted: return "evicted";
    case GapReason::corrupt: return "corrupt";
    case GapReason::restart: return "restart";
    case GapReason::rejected: return "rejected";
  }
  return "?";
}

Bytes write_events(const std::vector<Event>& events) {
  v1::EventPayload payload;
  for (const Event& event : events) {
    v1::Event& added = *payload.add_events();
    std::visit([&](const auto& kind) { put_event(kind, added); }, event);
  }
  Bytes bytes(payload.ByteSizeLong());
  payload.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

Result<std::vector<Event>> read_events(ByteView payload) {
  v1::EventPayload proto;
  if (!proto.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return Error{Errc::damaged, "event payload does not parse"};
  std::vector<Event> events;
  for (const v1::Event& event : proto.events()) events.push_back(get_event(event));
  return events;
}

}  // namespace joulespool::wire
