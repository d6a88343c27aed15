#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/frame_check.h"
#include "agent/cli/frame_walk.h"
#include "agent/cli/progress.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"
#include "agent/wire/event.h"

namespace joulespool::cli {
namespace {

struct FrameProblem {
  wire::FrameId id;
  std::string what;
};

struct SequenceHole {
  wire::FrameSequence sequence;
  Hole hole;
};

struct Findings {
  uint64_t frames = 0;
  uint64_t bytes = 0;
  uint64_t quarantined_frames = 0;
  std::vector<FrameProblem> damaged;
  std::vector<SequenceHole> holes;  // without those that were delivered

  [[nodiscard]] bool all_well() const {
    bool explained = true;
    for (const SequenceHole& hole : holes) explained = explained && hole.hole.cause != HoleCause::unexplained;
    return damaged.empty() && explained;
  }
};

using Contents = std::map<wire::FrameSequence, SequenceContent>;

void take_gap(const wire::Gap& gap, const wire::FrameSequence& events, Contents& contents) {
  if (!gap.lane) return;
  const auto record = [&](uint64_t epoch, wire::SeqRange seqs) {
    if (seqs.last != UINT64_MAX) contents[{events.device, epoch, *gap.lane}].recorded.insert(seqs.first, seqs.last + 1);
  };
  if (gap.frames) record(gap.epoch != 0 ? gap.epoch : events.epoch, *gap.frames);
  for (const wire::ReplacedFrames& frames : gap.replaced) record(frames.epoch, frames.seqs);
}

// What a frame says about others: gap records name those that are lost, `replaces` those for which it stands.
void take_records(const spool::StoredFrame& stored, Contents& contents) {
  const auto read = wire::read_frame(stored.bytes);
  const auto* frame = std::get_if<wire::Frame>(&read);
  if (frame == nullptr) return;
  const wire::FrameSequence& sequence = stored.info.id.sequence;
  if (sequence.lane == wire::Lane::stat)
    for (const wire::ReplacedFrames& frames : frame->header.replaces)
      contents[{sequence.device, frames.epoch, sequence.lane}].replaced.insert(frames.seqs.first, frames.seqs.last + 1);
  if (sequence.lane != wire::Lane::event) return;
  const auto events = wire::read_events(frame->payload);
  if (!events) return;
  for (const wire::Event& event : *events)
    if (const auto* gap = std::get_if<wire::Gap>(&event)) take_gap(*gap, sequence, contents);
}

// The oldest frame that waits for upload now: an agent may have delivered what was there when the walk began.
Result<uint64_t> oldest_waiting(spool::SpoolReader& reader, const wire::FrameSequence& sequence, uint64_t last_seen) {
  const auto first = reader.read(sequence, 0, spool::FrameState::queued, 1, 0);
  if (!first) return first.error();
  if (!first->empty()) return first->front().info.id.seq;
  return last_seen == 0 ? 0 : last_seen + 1;
}

Status check_sequence(spool::SpoolReader& reader, const wire::FrameSequence& sequence, Contents& contents, Findings& findings,
                      Progress& progress) {
  SequenceContent& content = contents[sequence];
  uint64_t last_queued = 0;
  JOULESPOOL_TRY(walk_frames(reader, sequence, 0,
                             [&](const spool::StoredFrame& frame) -> Result<bool> {
                               ++findings.frames;
                               findings.bytes += frame.bytes.size();
                               progress.advance(frame.bytes.size());
                               content.present.insert(frame.info.id.seq, frame.info.id.seq + 1);
                               if (frame.info.state == spool::FrameState::queued) last_queued = frame.info.id.seq;
                               if (auto problem = check_frame(frame))
                                 findings.damaged.push_back({frame.info.id, std::move(*problem)});
                               else take_records(frame, contents);
                               return true;
                             }),
                 "read frames of " + sequence.device);
  const auto waiting = oldest_waiting(reader, sequence, last_queued);
  if (!waiting) return waiting.error();
  content.queued_seq_first = *waiting;
  return {};
}

// Frames of an earlier epoch may be named by gap records of every epoch after it; which those are, nothing says.
bool records_complete(const Contents& contents, const wire::FrameSequence& sequence, uint64_t newest_epoch) {
  const auto events = contents.find({sequence.device, sequence.epoch, wire::Lane::event});
  if (events == contents.end() || !events->second.present.contains(1)) return false;
  if (sequence.epoch == newest_epoch) return true;
  return std::all_of(contents.begin(), contents.end(), [&](const Contents::value_type& other) {
    const bool may_name = other.first.device == sequence.device && other.first.lane == wire::Lane::event;
    return !may_name || other.second.seq_next == 1 || other.second.present.contains(1);
  });
}

struct VerifyFlags {
  std::shared_ptr<SpoolFlags> spool;
  SequenceFilter filter;  // a whole device: what explains a hole is in another lane, maybe in another epoch
};

Result<Findings> verify(spool::SpoolReader& reader, const VerifyFlags& flags, const Surroundings& surroundings) {
  const auto usage = reader.usage();
  if (!usage) return usage.error();
  const auto lanes = flags.filter.select(*usage);
  if (!lanes) return lanes.error();
  uint64_t bytes = 0;
  for (const spool::LaneUsage& lane : *lanes) bytes += lane.queued_bytes + lane.kept_bytes;
  Progress progress(surroundings.clock, surroundings.err, shows_progress(surroundings, flags.spool->json), "verify", bytes,
                    Progress::Unit::bytes);
  Findings findings;
  findings.quarantined_frames = usage->quarantined_frames;
  Contents contents;
  for (const spool::LaneUsage& lane : *lanes) {
    contents[lane.sequence].seq_next = lane.seq_next;
    if (const Status status = check_sequence(reader, lane.sequence, contents, findings, progress); !status) return status.error();
  }
  for (auto& [sequence, content] : contents) {
    content.records_complete = records_complete(contents, sequence, reader.epoch());
    for (const Hole& hole : find_holes(content))
      if (hole.cause != HoleCause::delivered) findings.holes.push_back({sequence, hole});
  }
  return findings;
}

std::string name_of(const wire::FrameSequence& sequence) {
  return sequence.device + " " + std::string(to_string(sequence.lane)) + " epoch " + hex_id(sequence.epoch);
}

std::string explanation(HoleCause cause) {
  if (cause == HoleCause::recorded) return "not there; a gap record says so";
  if (cause == HoleCause::replaced) return "not there; a frame with longer windows stands for them";
  if (cause == HoleCause::undecided) return "not there; a gap record may have been delivered already";
  return "NOT THERE, and no gap record says why";
}

void print(const Findings& findings, std::ostream& out) {
  for (const FrameProblem& problem : findings.damaged)
    out << name_of(problem.id.sequence) << " seq " << problem.id.seq << ": DAMAGED: " << printable(problem.what) << '\n';
  for (const SequenceHole& hole : findings.holes)
    out << name_of(hole.sequence) << " seq " << hole.hole.range.first << ".." << hole.hole.range.last << ": "
        << explanation(hole.hole.cause) << '\n';
  if (findings.quarantined_frames > 0)
    out << findings.quarantined_frames << " frames were set aside earlier as damaged or rejected\n";
  out << findings.frames << " frames, " << format_bytes(findings.bytes)
      << " read: " << (findings.all_well() ? "all well" : "NOT WELL") << '\n';
}

nlohmann::json to_json(const Findings& findings) {
  nlohmann::json json = {{"version", json_version},
                         {"frames", findings.frames},
                         {"bytes", findings.bytes},
                         {"well", findings.all_well()},
                         {"damaged", nlohmann::json::array()},
                         {"holes", nlohmann::json::array()},
                         {"quarantined_frames", findings.quarantined_frames}};
  const auto named = [](const wire::FrameSequence& sequence) -> nlohmann::json {
    return {{"device", sequence.device}, {"epoch", hex_id(sequence.epoch)}, {"lane", to_string(sequence.lane)}};
  };
  for (const FrameProblem& problem : findings.damaged) {
    json["damaged"].push_back(named(problem.id.sequence));
    json["damaged"].back()["seq"] = problem.id.seq;
    json["damaged"].back()["problem"] = problem.what;
  }
  for (const SequenceHole& hole : findings.holes) {
    json["holes"].push_back(named(hole.sequence));
    json["holes"].back()["seq_first"] = hole.hole.range.first;
    json["holes"].back()["seq_last"] = hole.hole.range.last;
    json["holes"].back()["cause"] = to_string(hole.hole.cause);
  }
  return json;
}

Result<ExitCode> run(const VerifyFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  const auto findings = verify(*reader.value(), flags, surroundings);
  if (!findings) return findings.error().in("verify " + place->directory);
  if (flags.spool->json)
    surroundings.out << to_json(*findings).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else print(*findings, surroundings.out);
  return findings->all_well() ? exit_ok : exit_no;
}

}  // namespace

Action add_spool_verify(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<VerifyFlags>();
  flags->spool = SpoolFlags::add(app);
  app.add_option("--device", flags->filter.device, "Only this device, js220-001122")->type_name("ID");
  return [flags, &surroundings] { return run(*flags, surroundings); };
}

}  // namespace joulespool::cli
