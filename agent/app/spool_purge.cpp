#include "agent/app/spool_purge.h"

#include <algorithm>
#include <map>

#include "agent/app/lost_frames.h"
#include "agent/wire/frame.h"

namespace joulespool::app {
namespace {

// Of one transaction, and of one reading: some 100 KiB of memory.
constexpr size_t frames_at_once = 1000;

// Calls visit(frame) for all frames of a sequence from `seq` on, in seq order.
template <class Visit>
Status for_each_frame(spool::SpoolReader& reader, const wire::FrameSequence& sequence, const Visit& visit) {
  for (uint64_t after = 0;;) {
    const auto frames = reader.list(sequence, after, frames_at_once);
    if (!frames) return frames.error();
    if (frames->empty()) return {};
    for (const spool::FrameInfo& frame : *frames) visit(frame);
    after = frames->back().id.seq;
  }
}

void add(PurgePart& part, const spool::FrameInfo& frame) {
  part.seqs.insert(frame.id.seq, frame.id.seq + 1);
  part.bytes += frame.size_bytes;
  if (frame.state == spool::FrameState::queued) {
    ++part.unsent_frames;
    part.unsent_bytes += frame.size_bytes;
  }
  if (frame.utc_end_ns < wire::plausible_utc_ns) return;
  part.utc_first_ns = part.utc_first_ns == 0 ? frame.utc_first_ns : std::min(part.utc_first_ns, frame.utc_first_ns);
  part.utc_end_ns = std::max(part.utc_end_ns, frame.utc_end_ns);
}

class Purge {
 public:
  Purge(spool::SpoolWriter& writer, spool::SpoolReader& reader, std::string detail, Clock& clock)
      : writer_(writer), reader_(reader), detail_(std::move(detail)), clock_(clock) {}

  Status open(const PurgePlan& plan) {
    auto pipelines = pipelines_of_stored_devices(writer_, reader_.host());
    if (!pipelines) return pipelines.error();
    for (auto& pipeline : *pipelines) pipelines_.emplace(pipeline->device().id, std::move(pipeline));
    for (const PurgePart& part : plan.parts)
      if (part.unsent_frames > 0 && !pipelines_.contains(part.sequence.device))
        return Error{Errc::damaged,
                     "nothing is known of " + part.sequence.device +
                         " any more but its frames: their loss could not be recorded (spool repair makes a new spool)"};
    return {};
  }

  Status drop(const PurgePart& part, const std::function<void(const PurgeCounts&)>& on_progress) {
    for (const IntervalSet::Interval& run : part.seqs.intervals()) {
      for (uint64_t seq = run.first; seq < run.end;) {
        const auto frames = frames_in(part.sequence, seq, run.end);
        if (!frames) return frames.error();
        if (frames->empty()) break;
        JOULESPOOL_TRY(drop(*frames), "after " + std::to_string(counts_.frames) + " frames");
        if (on_progress) on_progress(counts_);
        seq = frames->back().id.seq + 1;
      }
    }
    return {};
  }
  [[nodiscard]] const PurgeCounts& counts() const { return counts_; }

 private:
  Result<std::vector<spool::FrameInfo>> frames_in(const wire::FrameSequence& sequence, uint64_t first, uint64_t end) {
    auto frames = reader_.list(sequence, first - 1, frames_at_once);
    if (!frames) return frames;
    while (!frames->empty() && frames->back().id.seq >= end) frames->pop_back();
    return frames;
  }

  // One transaction: frames of one sequence, and the records of those that wait.
  Status drop(const std::vector<spool::FrameInfo>& frames) {
    spool::Commit commit;
    std::vector<wire::Gap> gaps;
    PurgeCounts counts = counts_;
    for (const spool::FrameInfo& frame : frames) {
      commit.dropped.push_back(frame.id);
      ++counts.frames;
      counts.bytes += frame.size_bytes;
      if (frame.state != spool::FrameState::queued) continue;
      ++counts.unsent_frames;
      wire::Gap gap = gap_of(frame, writer_.epoch(), wire::GapReason::evicted, detail_);
      gap.replaced = replaced_by(frame);
      if (gaps.empty() || !extend(gaps.back(), gap)) gaps.push_back(std::move(gap));
    }
    JOULESPOOL_TRY(store(std::move(commit), frames.front().id.sequence.device, std::move(gaps)), "drop frames");
    counts_ = counts;
    return {};
  }

  // The frames for which a merged one stands are lost with it. One that cannot be read does not say which they are.
  std::vector<wire::ReplacedFrames> replaced_by(const spool::FrameInfo& frame) {
    if (frame.level == 0) return {};
    const auto stored = reader_.read(frame.id.sequence, frame.id.seq - 1, std::nullopt, 1, 0);
    if (!stored || stored->empty() || stored->front().info.id != frame.id) return {};
    const auto read = wire::read_frame(stored->front().bytes);
    const auto* merged = std::get_if<wire::Frame>(&read);
    return merged == nullptr ? std::vector<wire::ReplacedFrames>() : merged->header.replaces;
  }

  Status store(spool::Commit commit, const std::string& device, std::vector<wire::Gap> gaps) {
    if (gaps.empty()) return writer_.commit(commit);
    DevicePipeline& pipeline = *pipelines_.at(device);
    for (wire::Gap& gap : gaps) pipeline.record(std::move(gap));
    Cut cut = pipeline.cut({clock_.realtime_ns(), clock_.monotonic_ns()}, false);
    commit.frames = std::move(cut.frames);
    if (cut.position) commit.positions.push_back(*cut.position);
    JOULESPOOL_TRY(writer_.commit(commit), "commit");
    static_cast<void>(pipeline.committed());  // nobody to tell
    return {};
  }

  spool::SpoolWriter& writer_;
  spool::SpoolReader& reader_;
  const std::string detail_;
  Clock& clock_;
  std::map<std::string, std::unique_ptr<DevicePipeline>> pipelines_;
  PurgeCounts counts_;
};

}  // namespace

Result<PurgePlan> plan_purge(spool::SpoolReader& reader, const std::vector<wire::FrameSequence>& sequences,
                             std::optional<int64_t> before_utc_ns) {
  PurgePlan plan;
  for (const wire::FrameSequence& sequence : sequences) {
    PurgePart part;
    part.sequence = sequence;
    const auto visit = [&](const spool::FrameInfo& frame) {
      const bool has_time = frame.utc_end_ns >= wire::plausible_utc_ns;
      if (before_utc_ns && !has_time) ++plan.frames_without_time;
      else if (!before_utc_ns || frame.utc_end_ns <= *before_utc_ns) add(part, frame);
    };
    JOULESPOOL_TRY(for_each_frame(reader, sequence, visit), "list frames");
    if (!part.seqs.empty()) plan.parts.push_back(std::move(part));
  }
  return plan;
}

Result<PurgeCounts> purge_frames(spool::SpoolWriter& writer, spool::SpoolReader& reader, const PurgePlan& plan,
                                 const std::string& detail, Clock& clock,
                                 const std::function<void(const PurgeCounts&)>& on_progress) {
  Purge purge(writer, reader, detail, clock);
  JOULESPOOL_TRY(purge.open(plan), "purge");
  for (const PurgePart& part : plan.parts) JOULESPOOL_TRY(purge.drop(part, on_progress), "purge");
  return purge.counts();
}

}  // namespace joulespool::app
