#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <ostream>

#include "agent/base/units.h"
#include "agent/cli/frame_text.h"
#include "agent/cli/frame_walk.h"
#include "agent/cli/settings_flags.h"
#include "agent/cli/text_output.h"
#include "agent/cli/time_flags.h"

namespace joulespool::cli {
namespace {

struct ShowFlags {
  std::shared_ptr<SpoolFlags> spool;
  std::shared_ptr<SequenceFilter> filter;
  std::shared_ptr<TimeFlags> time;
  uint64_t seq = 0;  // 0: all
  size_t frames_max = 100;
};

// One frame that was read, or why it cannot be.
struct Shown {
  spool::StoredFrame stored;
  std::variant<wire::Frame, wire::FrameDefect> read;  // points into stored.bytes
};

std::string defect_text(const Shown& shown) {
  const auto* defect = std::get_if<wire::FrameDefect>(&shown.read);
  if (defect != nullptr) return "DAMAGED: " + std::string(to_string(*defect));
  return shown.stored.intact ? "" : "DAMAGED: checksum of the spool";
}

nlohmann::json to_json(const Shown& shown, bool with_payload) {
  const wire::FrameId& id = shown.stored.info.id;
  const std::string defect = defect_text(shown);
  nlohmann::json json = {{"device", id.sequence.device},
                         {"lane", to_string(id.sequence.lane)},
                         {"epoch", hex_id(id.sequence.epoch)},
                         {"seq", id.seq}};
  if (const auto* frame = std::get_if<wire::Frame>(&shown.read)) {
    json = header_json(frame->header, shown.stored.info);
    if (with_payload) json["payload"] = payload_json(*frame);
  }
  if (!defect.empty()) json["problem"] = defect;
  return json;
}

std::vector<std::string> row_of(const Shown& shown) {
  const spool::FrameInfo& info = shown.stored.info;
  std::vector<std::string> row = {info.id.sequence.device,         std::string(to_string(info.id.sequence.lane)),
                                  std::to_string(info.id.seq),     info.state == spool::FrameState::kept ? "kept" : "queued",
                                  std::to_string(info.size_bytes), utc_text(info.utc_first_ns)};
  const auto* frame = std::get_if<wire::Frame>(&shown.read);
  if (frame != nullptr) {
    const wire::FrameHeader& header = frame->header;
    row.push_back(std::to_string(header.sample_id_first) + ".." + std::to_string(header.sample_id_end));
    row.push_back(std::to_string(header.samples));
    row.push_back(std::to_string(header.valid));
    row.push_back(format_si(integral(header.i_sum, header.axis.sample_rate_hz()), "C"));
    row.push_back(format_si(integral(header.p_sum, header.axis.sample_rate_hz()), "J"));
    row.push_back(labels_text(header.labels));
  }
  if (const std::string defect = defect_text(shown); !defect.empty()) row.push_back(defect);
  return row;
}

// The frames of a sequence that are meant: from the first to the last that may be.
Result<wire::SeqRange> seqs_of(spool::SpoolReader& reader, const wire::FrameSequence& sequence, const ShowFlags& flags,
                               const TimeRange& range) {
  if (flags.seq != 0) return wire::SeqRange{flags.seq, flags.seq};
  if (!range.from && !range.to) return wire::SeqRange{1, UINT64_MAX};
  wire::SeqRange seqs{UINT64_MAX, 0};
  JOULESPOOL_TRY(walk_infos(reader, sequence,
                            [&](const spool::FrameInfo& frame) {
                              if (!range.may_overlap(frame)) return;
                              seqs.first = std::min(seqs.first, frame.id.seq);
                              seqs.last = frame.id.seq;
                            }),
                 "list frames");
  return seqs;
}

// What cannot be read is shown where it may be of the range.
bool is_in(const TimeRange& range, const Shown& shown) {
  const auto* frame = std::get_if<wire::Frame>(&shown.read);
  return range.may_overlap(shown.stored.info) && (frame == nullptr || range.overlaps(frame->header));
}

Status read_lane(spool::SpoolReader& reader, const wire::FrameSequence& sequence, const ShowFlags& flags, const TimeRange& range,
                 std::deque<Shown>& frames, bool& more) {
  const auto seqs = seqs_of(reader, sequence, flags, range);
  if (!seqs) return seqs.error();
  if (seqs->first > seqs->last) return {};
  return walk_frames(reader, sequence, seqs->first - 1, [&](const spool::StoredFrame& stored) -> Result<bool> {
    if (stored.info.id.seq > seqs->last) return false;
    frames.push_back({stored, wire::FrameDefect::too_short});
    frames.back().read = wire::read_frame(frames.back().stored.bytes);
    if (flags.seq == 0 && !is_in(range, frames.back())) frames.pop_back();
    more = frames.size() > flags.frames_max;
    if (more) frames.pop_back();
    return !more;
  });
}

Result<std::deque<Shown>> read_frames(spool::SpoolReader& reader, const ShowFlags& flags, bool& more) {
  const auto usage = reader.usage();
  if (!usage) return usage.error();
  const auto lanes = flags.filter->select(*usage);
  if (!lanes) return lanes.error();
  const auto range = flags.time->resolve(data_end_utc_ns(usage->lanes));
  if (!range) return range.error();
  std::deque<Shown> frames;  // its elements never move: they point into their own bytes
  for (size_t at = 0; at < lanes->size() && !more; ++at)
    JOULESPOOL_TRY(read_lane(reader, (*lanes)[at].sequence, flags, *range, frames, more), "read frames");
  if (flags.seq != 0 && frames.empty())
    return Error{Errc::not_found, "there is no frame with seq " + std::to_string(flags.seq) + " in the spool"};
  return frames;
}

void print_details(const std::deque<Shown>& frames, std::ostream& out) {
  for (const Shown& shown : frames) {
    if (&shown != &frames.front()) out << '\n';
    if (const std::string defect = defect_text(shown); !defect.empty()) out << defect << '\n';
    const auto* frame = std::get_if<wire::Frame>(&shown.read);
    if (frame == nullptr) continue;
    print_header(frame->header, shown.stored.info, out);
    out << '\n';
    print_payload(*frame, out);
  }
}

void print_rows(const std::deque<Shown>& frames, std::ostream& out) {
  TextTable table(
      {"device", "lane", "seq", "state", "bytes", "from", "sample_id", "samples", "valid", "charge", "energy", "labels"});
  for (const Shown& shown : frames) table.add(row_of(shown));
  table.print(out);
}

Result<ExitCode> show(const ShowFlags& flags, const Surroundings& surroundings) {
  const auto place = flags.spool->place(surroundings);
  if (!place) return place.error();
  const auto reader = SpoolFlags::open(*place);
  if (!reader) return reader.error();
  bool more = false;
  const auto frames = read_frames(*reader.value(), flags, more);
  if (!frames) return frames.error();
  if (flags.spool->json) {
    nlohmann::json document = {{"version", json_version}, {"more", more}, {"frames", nlohmann::json::array()}};
    for (const Shown& shown : *frames) document["frames"].push_back(to_json(shown, flags.seq != 0));
    surroundings.out << document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  } else {
    flags.seq != 0 ? print_details(*frames, surroundings.out) : print_rows(*frames, surroundings.out);
    if (more) surroundings.err << "joulespool: there are more frames: --frames-max shows more than " << flags.frames_max << '\n';
  }
  return exit_ok;
}

}  // namespace

Action add_spool_show(CLI::App& app, const Surroundings& surroundings) {
  const auto flags = std::make_shared<ShowFlags>();
  flags->spool = SpoolFlags::add(app);
  flags->filter = SequenceFilter::add(app, true);
  flags->time = TimeFlags::add(app);
  app.add_option("--seq", flags->seq, "One frame in detail: header, sections, events")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  app.add_option("--frames-max", flags->frames_max, "At most so many frames (default 100)")
      ->type_name("N")
      ->check(CLI::Range(1, 10000));
  return [flags, &surroundings] { return show(*flags, surroundings); };
}

}  // namespace joulespool::cli
