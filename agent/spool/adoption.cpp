#include "agent/spool/adoption.h"

#include <algorithm>
#include <array>
#include <utility>

namespace joulespool::spool {
namespace {

using wire::FrameSequence;
using wire::Lane;

// How far a lane or a device came on one axis.
struct Reach {
  bool known = false;
  uint64_t first = 0, end = 0;
  void add(uint64_t from, uint64_t to) {
    first = known ? std::min(first, from) : from;
    end = known ? std::max(end, to) : to;
    known = true;
  }
};

bool is_in(const std::vector<wire::SeqRange>& ranges, uint64_t seq) {
  return std::any_of(ranges.begin(), ranges.end(), [seq](const auto& range) { return range.first <= seq && seq <= range.last; });
}

Extent extent_of(const FrameInfo& like, uint64_t seq_last, uint64_t segment, const Cover& cover) {
  Extent extent;
  extent.seq_last = seq_last;
  extent.state = like.state;
  extent.segment = segment;
  extent.cover = cover;
  return extent;
}

// One device: what its found frames tell, then what follows from it.
class DeviceAdoption {
 public:
  DeviceAdoption(StreamTable& streams, const DevicePosition* before, bool is_known)
      : streams_(streams), is_known_(is_known), before_(before) {
    if (before_ == nullptr) return;
    axes_.push_back(before_->axis.life);
    device_[before_->axis.life].add(before_->sample_id_end, before_->sample_id_end);
  }

  // Sequences of a lane in the order in which they began.
  void add(const FrameSequence& sequence, const FoundStream& found) { lanes_[sequence.lane].emplace_back(&sequence, &found); }

  Adopted run() {
    for (auto& [lane, parts] : lanes_)
      std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.second->id < b.second->id; });
    for (const auto& [lane, parts] : lanes_)
      for (const Part& part : parts) note_replaced(*part.first, *part.second);
    for (const auto& [lane, parts] : lanes_) note_lane(lane, parts);
    for (const auto& [lane, parts] : lanes_) adopt_lane(lane, parts);
    return adopted_;
  }

  // After run(): where the device is; nullopt: as before.
  std::optional<DevicePosition> position() {
    while (!axes_.empty() && !is_told(axes_.back())) axes_.pop_back();
    if (newest_ == nullptr || axes_.empty()) return std::nullopt;
    const uint64_t axis = axes_.back();
    DevicePosition position = before_ == nullptr ? DevicePosition{} : *before_;
    const auto header = headers_.find(axis);
    if (header != headers_.end()) {
      position.device = header->second->device;
      position.axis = header->second->axis;
      position.utc = header->second->utc;
    }
    position.sample_id_end = device_[axis].end;
    wire::Totals& totals = position.totals;
    totals.samples += grown_.samples;
    totals.valid += grown_.valid;
    totals.i_sum += grown_.i_sum;
    totals.p_sum += grown_.p_sum;
    totals.samples_lost += grown_.samples_lost;
    complete_lanes(axis, position.device.id);
    return position;
  }
  [[nodiscard]] Adopted adopted() const { return adopted_; }

 private:
  // Is more known of the axis than that it began?
  [[nodiscard]] bool is_told(uint64_t axis) const {
    return headers_.contains(axis) || (before_ != nullptr && before_->axis.life == axis);
  }

  using Part = std::pair<const FrameSequence*, const FoundStream*>;

  [[nodiscard]] uint64_t next_seq(const FrameSequence& sequence) const {
    const auto stream = streams_.find(sequence);
    return stream == streams_.end() ? 1 : stream->second.next_seq;
  }
  // Frames that the state does not know yet, and no other one replaces.
  [[nodiscard]] bool is_new(const FrameSequence& sequence, uint64_t seq) const {
    const auto replaced = replaced_.find(sequence);
    return seq >= next_seq(sequence) && (replaced == replaced_.end() || !is_in(replaced->second, seq));
  }

  void note_replaced(const FrameSequence& sequence, const FoundStream& found) {
    for (const auto& [seq, frame] : found.frames)
      for (const wire::ReplacedFrames& of : frame.replaces)
        if (seq >= next_seq(sequence)) replaced_[{sequence.device, of.epoch, sequence.lane}].push_back(of.seqs);
  }

  // A merged frame counts where all it stands for is new.
  [[nodiscard]] bool is_counted(const FrameSequence& sequence, const FoundFrame& frame) const {
    return std::all_of(frame.replaces.begin(), frame.replaces.end(), [&](const wire::ReplacedFrames& of) {
      return of.seqs.first >= next_seq({sequence.device, of.epoch, sequence.lane});
    });
  }

  void count(const FrameSequence& sequence, const FoundFrame& frame) {
    for (const wire::Gap& gap : frame.gaps) grown_.samples_lost += gap.samples_lost;
    if (sequence.lane != Lane::stat || !is_counted(sequence, frame)) return;
    grown_.samples += frame.info.samples;
    grown_.valid += frame.valid;
    grown_.i_sum += frame.i_sum;
    grown_.p_sum += frame.p_sum;
  }

  // An axis comes behind the one that a lane was on before.
  void note_axis(uint64_t axis, uint64_t& current) {
    if (std::find(axes_.begin(), axes_.end(), axis) == axes_.end()) {
      const auto before = std::find(axes_.begin(), axes_.end(), current);
      axes_.insert(before == axes_.end() ? before : std::next(before), axis);
    }
    current = axis;
  }

  void note_lane(Lane lane, const std::vector<Part>& parts) {
    uint64_t axis = before_ == nullptr ? 0 : before_->axis.life;
    for (const auto& [sequence, found] : parts)
      for (const auto& [seq, frame] : found->frames) {
        if (!is_new(*sequence, seq)) continue;
        if (found->id >= newest_id_) newest_ = &frame;  // ids grow from epoch to epoch
        newest_id_ = std::max(newest_id_, found->id);
        count(*sequence, frame);
        if (frame.replaces.empty()) note_frame(lane, frame, axis);
      }
  }

  void note_frame(Lane lane, const FoundFrame& frame, uint64_t& axis) {
    const FrameInfo& info = frame.info;
    for (const wire::Started& start : frame.started) {
      note_axis(start.axis, axis);
      device_[start.axis].add(start.sample_id, start.sample_id);
    }
    for (const wire::Gap& gap : frame.gaps) {
      device_[gap.axis].add(gap.sample_id_first, gap.sample_id_end);
      gaps_[gap.axis].push_back({gap.sample_id_first, gap.sample_id_end});
    }
    const FoundFrame*& header = headers_[info.axis];
    if (header == nullptr || header->info.sample_id_end <= info.sample_id_end) header = &frame;
    if (lane == Lane::event) return;  // says where the device was, not what is stored
    note_axis(info.axis, axis);
    device_[info.axis].add(info.sample_id_first, info.sample_id_end);
    lanes_reach_[{lane, info.axis}].add(info.sample_id_first, info.sample_id_end);
  }

  void adopt_lane(Lane lane, const std::vector<Part>& parts) {
    std::optional<Cover> last;  // where the lane is
    if (before_ != nullptr && lane != Lane::event)
      last = Cover{before_->axis.life, before_->sample_id_end, before_->sample_id_end, 0, 0};
    for (const auto& [sequence, found] : parts) adopt_stream(*sequence, *found, last);
  }

  void adopt_stream(const FrameSequence& sequence, const FoundStream& found, std::optional<Cover>& last) {
    const auto known = streams_.find(sequence);
    const bool begins = known == streams_.end();
    Stream stream = begins ? Stream{} : known->second;
    stream.id = found.id;
    bool first = begins && !is_known_;
    for (const auto& [seq, frame] : found.frames) {
      if (!is_new(sequence, seq)) continue;
      if (first) stream.next_seq = seq;
      first = false;
      add_missing(stream, sequence, frame, last);
      append(stream, frame.info, frame.segment);
      ++adopted_.frames;
      adopted_.bytes += frame.info.size_bytes;
      if (frame.replaces.empty()) last = cover_of(frame.info);
    }
    if (!first) streams_.insert_or_assign(sequence, std::move(stream));
  }

  // The seqs before `frame` that nothing was found of, and that no frame replaces.
  void add_missing(Stream& stream, const FrameSequence& sequence, const FoundFrame& frame, const std::optional<Cover>& last) {
    std::vector<uint64_t> missing;
    const auto replaced = replaced_.find(sequence);
    for (uint64_t seq = stream.next_seq; seq < frame.info.id.seq; ++seq)
      if (replaced == replaced_.end() || !is_in(replaced->second, seq)) missing.push_back(seq);
    if (missing.empty()) return;
    const Cover at = cover_of(frame.info);
    const Cover from = last.value_or(Cover{at.axis, at.sample_id_first, at.sample_id_first, at.utc_first_ns, at.utc_first_ns});
    const int64_t utc_ns = from.utc_end_ns == 0 ? at.utc_first_ns : from.utc_end_ns;
    size_t on_old_axis = 0;
    if (from.axis != at.axis && device_[from.axis].end > from.sample_id_end)
      on_old_axis = missing.size() > 1 ? missing.size() / 2 : 1;
    for (size_t k = 0; k < missing.size(); ++k) {
      Cover cover{at.axis, at.sample_id_first, at.sample_id_first, utc_ns, at.utc_first_ns};
      if (k < on_old_axis) {  // the first stands for all
        const uint64_t end = std::max(from.sample_id_end, device_[from.axis].end);
        cover = {from.axis, k == 0 ? from.sample_id_end : end, end, utc_ns, utc_ns};
      } else if (k == on_old_axis) {
        const uint64_t begin = from.axis == at.axis ? from.sample_id_end : device_[at.axis].first;
        cover.sample_id_first = frame.replaces.empty() ? std::min(begin, at.sample_id_first) : at.sample_id_first;
      }
      FrameInfo info = frame.info;
      info.id.seq = missing[k];
      info.size_bytes = 0;
      info.sample_id_first = cover.sample_id_first;
      info.sample_id_end = cover.sample_id_end;
      info.utc_first_ns = cover.utc_first_ns;
      info.utc_end_ns = cover.utc_end_ns;
      info.axis = cover.axis;
      append(stream, info, frame.segment);
      ++adopted_.missing;
    }
  }

  // How far a lane has everything on the axis: gaps that concern all lanes may go on where its frames end.
  [[nodiscard]] uint64_t end_of(Lane lane, uint64_t axis) {
    const auto reach = lanes_reach_.find({lane, axis});
    uint64_t end = reach != lanes_reach_.end() ? reach->second.end : device_[axis].first;
    if (before_ != nullptr && before_->axis.life == axis) end = std::max(end, before_->sample_id_end);
    auto& gaps = gaps_[axis];
    std::sort(gaps.begin(), gaps.end());
    for (const auto& [first, gap_end] : gaps)
      if (first <= end) end = std::max(end, gap_end);
    return end;
  }

  // Lanes that reach less far than the device: their last frames cannot be told from any that follow.
  void complete_lanes(uint64_t axis, const std::string& device) {
    const uint64_t epoch = newest_->info.id.sequence.epoch;
    for (const Lane lane : {Lane::stat, Lane::wave}) {
      const FrameSequence sequence{device, epoch, lane};
      auto at = streams_.find(sequence);
      const uint64_t end = end_of(lane, axis);
      if (end >= device_[axis].end || (at == streams_.end() && lane == Lane::wave)) continue;
      if (at == streams_.end()) {
        int64_t id = 0;
        for (const auto& [other, stream] : streams_) id = std::max(id, stream.id);
        at = streams_.emplace(sequence, Stream{id + 1, 1, {}}).first;
      }
      FrameInfo info = newest_->info;
      info.id = {sequence, at->second.next_seq};
      info.state = state_of_lane(at->second);
      info.axis = axis;
      info.sample_id_first = end;
      info.sample_id_end = device_[axis].end;
      const auto header = headers_.find(axis);
      const bool timed = header != headers_.end() && header->second->utc.quality != wire::UtcQuality::unknown;
      info.utc_first_ns = timed ? header->second->utc.utc_ns_at(info.sample_id_first) : newest_->info.utc_end_ns;
      info.utc_end_ns = timed ? header->second->utc.utc_ns_at(info.sample_id_end) : newest_->info.utc_end_ns;
      info.size_bytes = 0;
      const Cover cover = cover_of(info);
      at->second.extents.insert_or_assign(info.id.seq, extent_of(info, info.id.seq, newest_->segment, cover));
      at->second.next_seq = info.id.seq + 1;
      ++adopted_.missing;
    }
  }

  // As the frames before.
  static FrameState state_of_lane(const Stream& stream) {
    return stream.extents.empty() ? FrameState::queued : stream.extents.rbegin()->second.state;
  }

  StreamTable& streams_;
  const bool is_known_;
  const DevicePosition* const before_;
  std::map<Lane, std::vector<Part>> lanes_;
  std::map<FrameSequence, std::vector<wire::SeqRange>> replaced_;
  std::vector<uint64_t> axes_;                                           // in the order in which the device had them
  std::map<uint64_t, Reach> device_;                                     // by axis
  std::map<std::pair<Lane, uint64_t>, Reach> lanes_reach_;               // by lane and axis
  std::map<uint64_t, std::vector<std::pair<uint64_t, uint64_t>>> gaps_;  // by axis
  std::map<uint64_t, const FoundFrame*> headers_;                        // by axis: the frame that came furthest
  const FoundFrame* newest_ = nullptr;
  int64_t newest_id_ = 0;  // of its sequence
  wire::Totals grown_;
  Adopted adopted_;
};

// Frames of the state whose segment is gone, and which were found in another one.
void find_moved(StreamTable& streams, const FoundTable& found, const std::function<bool(uint64_t segment)>& is_there) {
  for (const auto& [sequence, stream] : found) {
    const auto known = streams.find(sequence);
    if (known == streams.end()) continue;
    const RowReader rows = [&stream = stream](uint64_t, uint64_t first, uint64_t last) -> Result<std::vector<FrameInfo>> {
      std::vector<FrameInfo> infos;
      for (auto at = stream.frames.lower_bound(first); at != stream.frames.end() && at->first <= last; ++at)
        infos.push_back(at->second.info);
      return infos;
    };
    for (const auto& [seq, frame] : stream.frames) {
      const auto extent = find_extent(known->second, seq);
      if (extent == known->second.extents.end() || is_there(extent->second.segment)) continue;
      static_cast<void>(move(known->second, {seq, seq}, frame.segment, rows));  // these rows have no error
    }
  }
}

}  // namespace

std::optional<FoundFrame> found_frame(const FrameInfo& info, uint64_t segment, const wire::Frame& frame) {
  const wire::FrameHeader& header = frame.header;
  if (header.id() != info.id) return std::nullopt;
  FoundFrame found{info,         segment,      header.device,   header.axis, header.utc, header.valid,
                   header.i_sum, header.p_sum, header.replaces, {},          {}};
  if (header.lane != Lane::event || header.codec != wire::event_codec) return found;
  auto events = wire::read_events(frame.payload);
  if (!events) return found;
  for (wire::Event& event : *events) {
    if (auto* gap = std::get_if<wire::Gap>(&event); gap != nullptr && !gap->lane && !gap->open_ended)
      found.gaps.push_back(std::move(*gap));
    if (const auto* start = std::get_if<wire::Started>(&event)) {
      wire::Started& kept = found.started.emplace_back();
      kept.axis = start->axis;
      kept.sample_id = start->sample_id;
    }
  }
  return found;
}

Adopted adopt(StreamTable& streams, std::map<std::string, DevicePosition>& positions, const FoundTable& found, bool is_known,
              const std::function<bool(uint64_t segment)>& is_there) {
  find_moved(streams, found, is_there);
  std::map<std::string, DeviceAdoption> devices;
  for (const auto& [sequence, stream] : found) {
    const auto position = positions.find(sequence.device);
    devices.try_emplace(sequence.device, streams, position == positions.end() ? nullptr : &position->second, is_known)
        .first->second.add(sequence, stream);
  }
  Adopted all;
  for (auto& [device, adoption] : devices) {
    adoption.run();
    if (auto position = adoption.position()) positions.insert_or_assign(device, std::move(*position));
    const Adopted of = adoption.adopted();
    all.frames += of.frames;
    all.bytes += of.bytes;
    all.missing += of.missing;
  }
  return all;
}

}  // namespace joulespool::spool
