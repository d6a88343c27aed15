#include "agent/spool/sqlite_room.h"

#include <algorithm>
#include <set>
#include <utility>

#include "agent/spool/retention.h"

namespace joulespool::spool {
namespace {

using wire::Lane;

// Windows of about so many bytes of frames are merged at a time: what a commit can bear, and much more than one frame.
constexpr uint64_t merged_bytes_min = 1024 * 1024, merged_bytes_max = 16 * merged_bytes_min;
// An age limit is looked at when the oldest frame is past it by this part of it, so that frames leave many at a time.
constexpr int64_t age_slack_part = 16;

class RoomPlanner {
 public:
  RoomPlanner(const SpoolState& state, SegmentSet& segments, const SpoolOptions& options, const RoomRequest& request,
              uint64_t other_bytes)
      : state_(state),
        segments_(segments),
        options_(options),
        sizes_(sizes_for(options)),
        request_(request),
        other_bytes_(other_bytes) {}

  Result<RoomPlan> plan() {
    JOULESPOOL_TRY(drop_aged(Lane::stat, options_.stat.age_max_ns), "find old frames");
    JOULESPOOL_TRY(drop_aged(Lane::wave, options_.wave.age_max_ns), "find old frames");
    has_aged_ = !plan_.drop.empty();
    uint64_t freed = 0;
    for (const FrameInfo& frame : plan_.drop) freed += frame.size_bytes;
    const uint64_t over =
        bytes_over_budget(amount_of(state_.streams), other_bytes_ + sizes_.slack_bytes, request_.bytes, options_.budget_bytes);
    missing_bytes_ = over - std::min(over, freed);
    for (const FreeingStep step : freeing_steps(load_of(Lane::stat, options_.stat), load_of(Lane::wave, options_.wave)))
      if (missing_bytes_ > 0) JOULESPOOL_TRY(take(step), "find frames that can leave");
    return std::move(plan_);
  }

 private:
  [[nodiscard]] LaneLoad load_of(Lane lane, const LaneRetention& retention) const {
    return {disk_bytes_for(amount_of(state_.streams, lane)), options_.budget_bytes / 100 * retention.share_percent};
  }

  Status take(FreeingStep step) {
    switch (step) {
      case FreeingStep::drop_wave: return drop(Lane::wave);
      case FreeingStep::merge_stat: return merge();
      case FreeingStep::drop_stat: return plan_.merge.empty() && !has_aged_ ? drop(Lane::stat) : Status{};
    }
    return {};
  }

  Status drop_aged(Lane lane, int64_t age_max_ns) {
    if (age_max_ns <= 0 || request_.now_utc_ns <= age_max_ns) return {};
    const int64_t before_ns = request_.now_utc_ns - age_max_ns;
    for (const auto& [sequence, stream] : state_.streams) {
      if (sequence.lane != lane || stream.extents.empty()) continue;
      const Cover& oldest = stream.extents.begin()->second.cover;
      if (oldest.utc_first_ns == 0 || oldest.utc_first_ns >= before_ns - age_max_ns / age_slack_part) continue;
      auto frames = segments_.list(sequence, stream, 1, std::nullopt, {victims_max - std::min(victims_max, plan_.drop.size())});
      if (!frames) return frames.error();
      for (FrameInfo& frame : *frames) {
        if (frame.utc_end_ns >= before_ns) break;
        plan_.drop.push_back(std::move(frame));
      }
    }
    return {};
  }

  // With some more than is needed now: each time leaves a gap record, and moves what shares segments with it.
  Status drop(Lane lane) {
    const uint64_t wanted = missing_bytes_ + sizes_.segment_bytes;
    std::vector<std::vector<FrameInfo>> queues;
    for (const auto& [sequence, stream] : state_.streams) {
      if (sequence.lane != lane) continue;
      for (const FrameState state : {FrameState::kept, FrameState::queued}) {
        auto frames = segments_.list(sequence, stream, 1, state, {victims_max, wanted});
        if (!frames) return frames.error();
        queues.push_back(std::move(*frames));
      }
    }
    std::set<wire::FrameId> aged;
    for (const FrameInfo& frame : plan_.drop) aged.insert(frame.id);
    for (FrameInfo& frame : choose_victims(queues, wanted)) {
      if (aged.contains(frame.id)) continue;
      missing_bytes_ -= std::min(missing_bytes_, frame.size_bytes);
      plan_.drop.push_back(std::move(frame));
    }
    return {};
  }

  [[nodiscard]] uint64_t published(const wire::FrameSequence& sequence) const {
    const auto found = request_.published.find(sequence);
    return found == request_.published.end() ? 0 : found->second;
  }

  [[nodiscard]] static bool can_be_merged(const Extent& extent, uint64_t published) {
    return extent.state == FrameState::queued && extent.level < level_max && extent.seq_last > published;
  }

  Status merge() {
    if (has_aged_) return {};  // they may be the same
    LevelBytes bytes{};
    for (const auto& [sequence, stream] : state_.streams) {
      if (sequence.lane != Lane::stat) continue;
      for (const auto& [first, extent] : stream.extents)
        if (can_be_merged(extent, published(sequence))) bytes[extent.level] += extent.bytes;
    }
    for (auto level = level_to_merge(bytes); level; level = level_to_merge(bytes)) {
      JOULESPOOL_TRY(merge(*level), "merge");
      if (!plan_.merge.empty()) return {};
      bytes[*level] = 0;  // nothing that lies together
    }
    return {};
  }

  // The oldest frames of this level that lie together: a frame alone must not keep others from being merged.
  Status merge(uint8_t level) {
    std::multimap<int64_t, const std::pair<const wire::FrameSequence, Stream>*> by_age;
    for (const auto& entry : state_.streams) {
      if (entry.first.lane != Lane::stat) continue;
      for (const auto& [first, extent] : entry.second.extents) {
        if (extent.level != level || !can_be_merged(extent, published(entry.first))) continue;
        by_age.emplace(extent.cover.utc_first_ns, &entry);
        break;
      }
    }
    for (const auto& [utc_ns, entry] : by_age) {
      JOULESPOOL_TRY(merge(entry->first, entry->second, level), "merge");
      if (!plan_.merge.empty()) break;
    }
    return {};
  }

  Status merge(const wire::FrameSequence& sequence, const Stream& stream, uint8_t level) {
    const uint64_t wanted = std::clamp(missing_bytes_ * 3 / 2, merged_bytes_min, merged_bytes_max);
    uint64_t bytes = 0;
    std::optional<uint64_t> axis;
    for (const auto& [first, extent] : stream.extents) {
      if (extent.level != level || !can_be_merged(extent, published(sequence))) continue;
      if (axis && *axis != extent.cover.axis) {
        if (plan_.merge.size() > 1) break;
        plan_.merge.clear();  // alone on its axis
        bytes = 0;
      }
      if (bytes >= wanted || plan_.merge.size() >= victims_max) break;
      axis = extent.cover.axis;
      const uint64_t from = std::max(first, published(sequence) + 1);
      const size_t count = std::min<size_t>(extent.seq_last - from + 1, victims_max - plan_.merge.size());
      auto frames = segments_.list(sequence, stream, from, FrameState::queued, {count, wanted - bytes});
      if (!frames) return frames.error();
      for (FrameInfo& frame : *frames) {
        bytes += frame.size_bytes;
        plan_.merge.push_back(std::move(frame));
      }
    }
    if (plan_.merge.size() < 2) plan_.merge.clear();
    else missing_bytes_ -= std::min(missing_bytes_, bytes / level_factor * (level_factor - 1));
    return {};
  }

  const SpoolState& state_;
  SegmentSet& segments_;
  const SpoolOptions& options_;
  const SpoolSizes sizes_;
  const RoomRequest& request_;
  const uint64_t other_bytes_;
  uint64_t missing_bytes_ = 0;
  bool has_aged_ = false;
  RoomPlan plan_;
};

}  // namespace

Result<RoomPlan> plan_room(const SpoolState& state, SegmentSet& segments, const SpoolOptions& options, const RoomRequest& request,
                           uint64_t other_bytes) {
  return RoomPlanner(state, segments, options, request, other_bytes).plan();
}

}  // namespace joulespool::spool
