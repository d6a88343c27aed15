#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "agent/spool/directory_lock.h"
#include "agent/spool/disk_files.h"
#include "agent/spool/salvage.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_open.h"
#include "agent/spool/sqlite_segments.h"

namespace joulespool::spool {
namespace {

namespace fs = std::filesystem;
using wire::FrameSequence;
using wire::Lane;

constexpr uint64_t segment_bytes_max = 32ULL * 1024 * 1024;  // of frames
constexpr size_t frames_at_once = 64;
constexpr uint64_t bytes_at_once = 4ULL * 1024 * 1024;
constexpr size_t events_per_frame = 128;

// Makes a spool segment by segment. Each ends with the state so far: whatever becomes of the newest, the one before is a spool.
class NewSpool {
 public:
  NewSpool(std::string directory, SegmentMeta meta) : directory_(std::move(directory)) { state_.meta = std::move(meta); }

  // In seq order for each sequence; numbers may be missing.
  Status add(const FrameInfo& info, wire::ByteView bytes) {
    if (database_ == nullptr) JOULESPOOL_TRY(begin_segment(), "begin a segment");
    Stream& stream = stream_of(info.id.sequence);
    JOULESPOOL_TRY(insert_frame(*database_, frame_key(stream.id, info.id.seq), info, bytes), "store a frame");
    append(stream, info, state_.meta.segment);
    filled_bytes_ += bytes.size();
    return filled_bytes_ < segment_bytes_max ? Status{} : end_segment();
  }
  // The seq that comes next in the source: what lies before is not to be used again.
  void set_next_seq(const FrameSequence& sequence, uint64_t next_seq) {
    Stream& stream = stream_of(sequence);
    stream.next_seq = std::max(stream.next_seq, next_seq);
  }
  void set_positions(const PositionTable& positions) { state_.positions = positions; }
  Status finish() {
    if (database_ == nullptr) JOULESPOOL_TRY(begin_segment(), "begin a segment");
    state_.meta.closed = true;
    return end_segment();
  }

 private:
  Stream& stream_of(const FrameSequence& sequence) {
    const auto [at, added] = state_.streams.try_emplace(sequence);
    if (added) at->second.id = ++last_id_;
    return at->second;
  }

  Status begin_segment() {
    ++state_.meta.segment;
    auto created = create_segment(segment_path(directory_, state_.meta.segment), 0);
    if (!created) return created.error();
    database_ = std::move(*created);
    transaction_.emplace(*database_);
    JOULESPOOL_TRY(transaction_->begin_write(), "begin");
    filled_bytes_ = 0;
    return database_->execute(std::string(schema_sql()));
  }

  Status end_segment() {
    StateSum sum;
    for (const auto& [sequence, stream] : state_.streams) {
      JOULESPOOL_TRY(save_stream(*database_, sequence, stream, nullptr), "store the state");
      sum.add(sequence, stream);
    }
    for (const auto& [device, position] : state_.positions) {
      JOULESPOOL_TRY(save_position(*database_, position), "store the state");
      sum.add(position);
    }
    state_.meta.state_sum = sum.value();
    JOULESPOOL_TRY(save_meta(*database_, state_.meta), "store the state");
    JOULESPOOL_TRY(transaction_->commit(), "commit");
    transaction_.reset();
    database_.reset();
    release_unused(directory_, state_.meta.segment);
    return sync_directory(directory_);
  }

  std::string directory_;
  SpoolState state_;
  int64_t last_id_ = 0;
  uint64_t filled_bytes_ = 0;
  std::unique_ptr<Database> database_;
  std::optional<Transaction> transaction_;
};

// A folder that holds segments that were moved aside.
struct Aside {
  std::string folder;
  std::string database;
  uint64_t number = 0;
};

std::vector<Aside> list_aside(const std::string& directory) {
  std::vector<Aside> all;
  for (const std::string& folder : damaged_folders(directory))
    for (const uint64_t number : list_segments(folder)) all.push_back({folder, segment_path(folder, number), number});
  return all;
}

std::string name_of(const std::string& path) { return fs::path(path).filename().string(); }

class Salvage {
 public:
  Salvage(const std::string& from, const std::string& to, const SalvageOptions& options)
      : from_(from), to_(to), options_(options), segments_(from) {
    segments_.set_missing_is_damage(true);
  }

  Result<SalvageReport> run() {
    JOULESPOOL_TRY(find(), from_);
    if (!found_.was_there && !exists_aside()) return Error{Errc::not_found, "no spool at " + from_};
    JOULESPOOL_TRY(look_aside(), from_);
    if (report_.host.empty()) return Error{Errc::damaged, from_ + ": nothing that is a spool's can be read"};
    JOULESPOOL_TRY(make_target(), to_);
    auto lock = DirectoryLock::acquire(to_);
    if (!lock) return lock.error();
    JOULESPOOL_TRY(copy(), to_);
    return std::move(report_);
  }

 private:
  // A frame that was moved aside, and where it is.
  struct AsideFrame {
    const Aside* segment = nullptr;
    int64_t stream = 0;
  };
  using AsideFrames = std::map<uint64_t, AsideFrame>;

  Status find() {
    if (!exists(from_)) return Error{Errc::not_found, "no spool at " + from_};
    auto found = find_state(from_, {});
    if (!found) return found.error();
    found_ = std::move(*found);
    report_.host = found_.state.meta.host;
    report_.is_exact = found_.is_known && found_.unusable.empty() && !found_.extended;
    report_.notices = found_.notices;
    for (const UnreadSegment& segment : found_.unusable)
      report_.notices.push_back(segment_database_path(from_, segment.number) + " cannot be read (" + segment.why + ")");
    return {};
  }

  [[nodiscard]] bool exists_aside() {
    aside_segments_ = list_aside(from_);
    return !aside_segments_.empty() || !found_.unusable.empty();
  }

  // Frames in segments that were taken out of use. Their numbers mean what their headers say.
  Status look_aside() {
    aside_segments_ = list_aside(from_);
    for (const Aside& aside : aside_segments_) {
      FoundTable found;
      JOULESPOOL_TRY(find_frames(aside.database, aside.number, {}, found, report_.host), aside.database);
      uint64_t frames = 0;
      for (auto& [sequence, stream] : found) {
        frames += stream.frames.size();
        for (const auto& [seq, frame] : stream.frames) {
          aside_[sequence].insert_or_assign(seq, AsideFrame{&aside, stream.id});
          note_device(frame);
        }
      }
      report_.notices.push_back(aside.database + ": " + std::to_string(frames) + " frames in it can be read");
    }
    return {};
  }

  // The newest thing that is known of a device, where there is no position.
  void note_device(const FoundFrame& frame) {
    if (found_.state.positions.contains(frame.device.id)) return;
    const auto known = devices_.find(frame.device.id);
    if (known == devices_.end() || known->second.sample_id_end < frame.info.sample_id_end)
      devices_.insert_or_assign(frame.device.id,
                                DevicePosition{frame.device, frame.axis, frame.info.sample_id_end, frame.utc, {}});
  }

  Status make_target() {
    std::error_code failed;
    const fs::path inside = fs::weakly_canonical(to_, failed).lexically_relative(fs::weakly_canonical(from_, failed));
    if (!inside.empty() && *inside.begin() != "..") return Error{Errc::usage, to_ + " lies in " + from_};
    if (exists(to_) && !fs::is_empty(to_, failed)) return Error{Errc::usage, to_ + " is there and not empty"};
    return make_directory(to_);
  }

  Status copy() {
    auto epoch = random_epoch();
    if (!epoch) return epoch.error();
    report_.epoch = *epoch;
    SegmentMeta meta = found_.state.meta;
    meta.host = report_.host;
    meta.epoch = *epoch;
    meta.segment = 0;
    meta.wear = {};  // it may lie on another medium: its first writer begins to count
    NewSpool made(to_, meta);
    count_bytes();
    std::set<FrameSequence> sequences;
    for (const auto& [sequence, stream] : found_.state.streams) sequences.insert(sequence);
    for (const auto& [sequence, frames] : aside_) sequences.insert(sequence);
    for (const FrameSequence& sequence : sequences) JOULESPOOL_TRY(copy_sequence(sequence, made), sequence.device);
    JOULESPOOL_TRY(record_lost(made), "gap records");
    made.set_positions(found_.state.positions);
    JOULESPOOL_TRY(made.finish(), "end");
    return copy_quarantine();
  }

  void count_bytes() {
    progress_.bytes_all = amount_of(found_.state.streams).bytes;
    if (options_.progress) options_.progress(progress_);
  }

  // Frames that are where the state says, with those among them that were moved aside.
  Status copy_sequence(const FrameSequence& sequence, NewSpool& made) {
    SalvagedSequence& told = report_.sequences.emplace_back();
    told.sequence = sequence;
    const auto known = found_.state.streams.find(sequence);
    const Stream stream = known == found_.state.streams.end() ? Stream{} : known->second;
    AsideFrames aside = std::exchange(aside_[sequence], {});
    uint64_t from = 1;
    for (;;) {
      auto frames = segments_.read(sequence, stream, from, std::nullopt, {frames_at_once, bytes_at_once});
      if (!frames) return frames.error();
      if (frames->empty()) break;
      for (StoredFrame& frame : *frames) JOULESPOOL_TRY(copy_frame(frame, stream, aside, told, made), "frame");
      from = frames->back().info.id.seq + 1;
    }
    JOULESPOOL_TRY(copy_aside(sequence, aside, UINT64_MAX, told, made), "frame");
    if (known != found_.state.streams.end()) made.set_next_seq(sequence, stream.next_seq);
    report_.frames += told.frames;
    report_.bytes += told.bytes;
    report_.frames_lost += told.frames_lost;
    return {};
  }

  Status copy_frame(StoredFrame& frame, const Stream& stream, AsideFrames& aside, SalvagedSequence& told, NewSpool& made) {
    const wire::FrameId& id = frame.info.id;
    JOULESPOOL_TRY(copy_aside(id.sequence, aside, id.seq - 1, told, made), "aside");
    if (!frame.intact && aside.contains(id.seq)) return copy_aside(id.sequence, aside, id.seq, told, made);
    aside.erase(id.seq);
    if (frame.intact) return store(frame, told, made);
    const auto extent = find_extent(stream, id.seq);
    note_lost(frame.info, extent == stream.extents.end() ? 0 : extent->second.segment, told);
    return {};
  }

  Status store(const StoredFrame& frame, SalvagedSequence& told, NewSpool& made) {
    JOULESPOOL_TRY(made.add(frame.info, frame.bytes), "seq " + std::to_string(frame.info.id.seq));
    ++told.frames;
    told.bytes += frame.bytes.size();
    progress_.bytes_done += frame.bytes.size();
    progress_.bytes_all = std::max(progress_.bytes_all, progress_.bytes_done);
    if (options_.progress) options_.progress(progress_);
    return {};
  }

  // Those with a seq up to `last`.
  Status copy_aside(const FrameSequence& sequence, AsideFrames& aside, uint64_t last, SalvagedSequence& told, NewSpool& made) {
    while (!aside.empty() && aside.begin()->first <= last) {
      const auto [seq, where] = *aside.begin();
      auto rows = open_aside(*where.segment);
      if (!rows) return rows.error();
      auto row = list_frames(**rows, sequence, where.stream, {seq, seq, 1});
      if (!row) return row.error();
      if (!row->empty()) {
        auto frame = read_frame(**rows, row->front(), FrameCheck::row);
        if (!frame) return frame.error();
        if (frame->intact) JOULESPOOL_TRY(store(*frame, told, made), "moved aside");
      }
      aside.erase(aside.begin());
    }
    return {};
  }

  Result<Database*> open_aside(const Aside& segment) {
    if (opened_aside_ != &segment) {
      auto rows = open_rows(segment.database);
      if (!rows) return rows.error();
      aside_rows_ = std::move(*rows);
      opened_aside_ = &segment;
    }
    return aside_rows_.get();
  }

  void note_lost(const FrameInfo& info, uint64_t segment, SalvagedSequence& told) {
    ++told.frames_lost;
    told.bytes_lost += info.size_bytes;
    const std::string where = name_of(segment_database_path(from_, segment));
    LostFrames* const last = told.lost.empty() ? nullptr : &told.lost.back();
    if (last != nullptr && last->seqs.last + 1 == info.id.seq && last->axis == info.axis && last->where == where) {
      last->seqs.last = info.id.seq;
      last->sample_id_end = std::max(last->sample_id_end, info.sample_id_end);
      last->utc_end_ns = std::max(last->utc_end_ns, info.utc_end_ns);
    } else {
      told.lost.push_back({{info.id.seq, info.id.seq},
                           info.axis,
                           info.sample_id_first,
                           info.sample_id_end,
                           info.utc_first_ns,
                           info.utc_end_ns,
                           where});
    }
  }

  // ---- what is lost, as events of the new epoch

  Status record_lost(NewSpool& made) {
    std::map<std::string, std::vector<wire::Event>> events;  // by device
    for (const SalvagedSequence& sequence : report_.sequences)
      for (const LostFrames& lost : sequence.lost)
        if (is_queued(sequence.sequence, lost.seqs.first))
          events[sequence.sequence.device].emplace_back(gap_of(sequence.sequence, lost));
    for (const auto& [device, all] : events) {
      const std::optional<DevicePosition> at = position_of(device);
      if (!at) {
        report_.notices.push_back(device + ": nothing says which axis it is on, so that what is lost has no gap record");
        continue;
      }
      for (size_t first = 0, seq = 1; first < all.size(); first += events_per_frame, ++seq) {
        const auto last = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), first + events_per_frame));
        const std::vector<wire::Event> part(all.begin() + static_cast<std::ptrdiff_t>(first), last);
        JOULESPOOL_TRY(add_events(*at, seq, part, made), device);
        report_.gap_records += part.size();
      }
    }
    return {};
  }

  // Frames that were only kept on the host are missed by nobody else.
  [[nodiscard]] bool is_queued(const FrameSequence& sequence, uint64_t seq) const {
    const auto stream = found_.state.streams.find(sequence);
    if (stream == found_.state.streams.end()) return true;
    const auto extent = find_extent(stream->second, seq);
    return extent == stream->second.extents.end() || extent->second.state == FrameState::queued;
  }

  [[nodiscard]] std::optional<DevicePosition> position_of(const std::string& device) const {
    const auto stored = found_.state.positions.find(device);
    if (stored != found_.state.positions.end()) return stored->second;
    const auto seen = devices_.find(device);
    return seen == devices_.end() ? std::nullopt : std::optional(seen->second);
  }

  wire::Gap gap_of(const FrameSequence& sequence, const LostFrames& lost) const {
    wire::Gap gap;
    gap.reason = wire::GapReason::corrupt;
    gap.axis = lost.axis;
    gap.sample_id_first = lost.sample_id_first;
    gap.sample_id_end = lost.sample_id_end;
    gap.utc_first_ns = lost.utc_first_ns;
    gap.utc_end_ns = lost.utc_end_ns;
    gap.lane = sequence.lane;
    gap.frames = lost.seqs;
    gap.epoch = sequence.epoch;
    gap.detail = "cannot be read in " + lost.where;
    const auto position = position_of(sequence.device);
    if (position && sequence.lane != Lane::event && position->axis.life == lost.axis && position->axis.decimation > 0)
      gap.samples_lost = (lost.sample_id_end - lost.sample_id_first) / position->axis.decimation;
    return gap;
  }

  Status add_events(const DevicePosition& at, uint64_t seq, const std::vector<wire::Event>& events, NewSpool& made) {
    wire::FrameHeader header;
    header.host = report_.host;
    header.device = at.device;
    header.lane = Lane::event;
    header.epoch = report_.epoch;
    header.seq = seq;
    header.codec = wire::event_codec;
    header.axis = at.axis;
    header.utc = at.utc;
    header.sample_id_first = header.sample_id_end = at.sample_id_end;
    header.host_realtime_ns = options_.now_utc_ns;
    const wire::Bytes bytes = wire::write_frame(header, wire::write_events(events));
    FrameInfo info;
    info.id = header.id();
    info.axis = header.axis.life;
    info.sample_id_first = info.sample_id_end = header.sample_id_end;
    info.utc_first_ns = info.utc_end_ns = header.utc.utc_ns_at(header.sample_id_end);
    info.size_bytes = bytes.size();
    return made.add(info, bytes);
  }

  Status copy_quarantine() {
    std::error_code failed;
    fs::directory_iterator entry(quarantine_path(from_), failed);
    if (failed) return {};  // there is none
    JOULESPOOL_TRY(make_directory(quarantine_path(to_)), "quarantine");
    for (const fs::directory_iterator end; !failed && entry != end; entry.increment(failed)) {
      std::error_code copied;
      fs::copy_file(entry->path(), fs::path(quarantine_path(to_)) / entry->path().filename(), copied);
      if (copied) report_.notices.push_back(entry->path().string() + ": " + copied.message());
      else ++report_.quarantined_files;
    }
    return {};
  }

  const std::string from_, to_;
  const SalvageOptions& options_;
  SegmentSet segments_;
  FoundState found_;
  SalvageReport report_;
  SalvageProgress progress_;
  std::vector<Aside> aside_segments_;
  std::map<FrameSequence, AsideFrames> aside_;
  std::map<std::string, DevicePosition> devices_;  // those without a position
  const Aside* opened_aside_ = nullptr;
  std::unique_ptr<Database> aside_rows_;
};

}  // namespace

Result<SalvageReport> salvage_spool(const std::string& from, const std::string& to, const SalvageOptions& options) {
  return Salvage(from, to, options).run();
}

}  // namespace joulespool::spool
