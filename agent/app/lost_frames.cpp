#include "agent/app/lost_frames.h"

namespace joulespool::app {

wire::Gap gap_of(const spool::FrameInfo& frame, uint64_t present_epoch, wire::GapReason reason, const std::string& detail) {
  const wire::FrameSequence& sequence = frame.id.sequence;
  wire::Gap gap;
  gap.reason = reason;
  gap.axis = frame.axis;
  gap.sample_id_first = frame.sample_id_first;
  gap.sample_id_end = frame.sample_id_end;
  gap.utc_first_ns = frame.utc_first_ns;
  gap.utc_end_ns = frame.utc_end_ns;
  gap.samples_lost = frame.samples;
  gap.lane = sequence.lane;
  gap.frames = wire::SeqRange{frame.id.seq, frame.id.seq};
  gap.epoch = sequence.epoch == present_epoch ? 0 : sequence.epoch;
  gap.detail = detail;
  return gap;
}

bool extend(wire::Gap& last, const wire::Gap& next) {
  const bool follows = last.lane == next.lane && last.epoch == next.epoch && last.axis == next.axis &&
                       last.reason == next.reason && last.detail == next.detail && last.frames && next.frames &&
                       last.frames->last + 1 == next.frames->first && last.sample_id_end == next.sample_id_first;
  if (!follows || last.replaced.size() + next.replaced.size() > wire::replaced_max) return false;
  last.frames->last = next.frames->last;
  last.sample_id_end = next.sample_id_end;
  last.utc_end_ns = next.utc_end_ns;
  last.samples_lost += next.samples_lost;
  last.replaced.insert(last.replaced.end(), next.replaced.begin(), next.replaced.end());
  return true;
}

NextSeqs next_seqs(const spool::SpoolWriter& spool, const std::string& device) {
  NextSeqs seqs{};
  for (const wire::Lane lane : wire::lanes) seqs[static_cast<size_t>(lane) - 1] = spool.next_seq({device, spool.epoch(), lane});
  return seqs;
}

Result<std::vector<std::unique_ptr<DevicePipeline>>> pipelines_of_stored_devices(spool::SpoolWriter& spool,
                                                                                 const std::string& host) {
  const auto positions = spool.positions();
  if (!positions) return positions.error();
  std::vector<std::unique_ptr<DevicePipeline>> pipelines;
  for (const spool::DevicePosition& position : *positions) {
    PipelineSettings settings;
    settings.host = host;
    settings.device = position.device;
    settings.source = source_absent;
    settings.epoch = spool.epoch();
    pipelines.push_back(std::make_unique<DevicePipeline>(settings, position, next_seqs(spool, position.device.id)));
  }
  return pipelines;
}

}  // namespace joulespool::app
