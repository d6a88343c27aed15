#include "agent/spool/sqlite_spool.h"

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "agent/base/clock.h"
#include "agent/spool/directory_lock.h"
#include "agent/spool/disk_files.h"
#include "agent/spool/quarantine.h"
#include "agent/spool/retention.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_commit.h"
#include "agent/spool/sqlite_open.h"
#include "agent/spool/sqlite_room.h"
#include "agent/spool/sqlite_segments.h"

namespace joulespool::spool {
namespace {

// Frames that share a segment with frames that have left are moved so many bytes at a time: commits wait for it.
constexpr uint64_t moved_bytes_max = 4ULL * 1024 * 1024;

// The index of even the smallest log, and the database file.
constexpr uint64_t index_bytes_min = 48ULL * 1024;

Quarantine::Limits quarantine_limits(const SpoolSizes& sizes) {
  Quarantine::Limits limits;
  limits.bytes_max = sizes.quarantine_bytes;
  return limits;
}

// Whatever is wrong with the segment that is written, the next one can be well.
Error without_damage(const Status& failed) {
  return failed.error().code == Errc::damaged ? Error{Errc::unreachable, failed.error().message} : failed.error();
}

class SqliteSpool final : public SpoolWriter {
 public:
  SqliteSpool(const SpoolOptions& options, DirectoryLock lock)
      : options_(options),
        lock_(std::move(lock)),
        sizes_(sizes_for(options)),
        reserve_(options.directory, sizes_.reserve_bytes),
        quarantine_(quarantine_path(options.directory), quarantine_limits(sizes_)),
        segments_(options.directory) {
    segments_.set_missing_is_damage(true);
  }
  SqliteSpool(const SqliteSpool&) = delete;
  SqliteSpool& operator=(const SqliteSpool&) = delete;
  ~SqliteSpool() override;

  Status open();

  [[nodiscard]] uint64_t epoch() const override { return state_.meta.epoch; }
  [[nodiscard]] uint64_t next_seq(const wire::FrameSequence& sequence) const override;
  Status commit(const Commit& commit) override;
  Result<FrameInfo> find(const wire::FrameId& id) override;
  Result<RoomPlan> make_room(const RoomRequest& request) override {
    JOULESPOOL_TRY(check_place(), "make room");
    return plan_room(state_, segments_, options_, request, other_bytes());
  }
  Result<std::vector<StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq, std::optional<FrameState> state,
                                        size_t frames_max, size_t bytes_max) override;
  Result<Usage> usage() override;
  Result<std::vector<DevicePosition>> positions() override;
  std::vector<std::string> take_notices() override { return std::exchange(notices_, {}); }

 private:
  // The segment that a commit goes to.
  struct Target {
    uint64_t number = 0;
    uint64_t capacity_bytes = 0;        // of its log
    std::unique_ptr<Database> created;  // a new one; else the newest
    bool alone = false;                 // nothing else will go into it
  };
  Result<Target> target_for(const CommitWriter& writer);
  Result<Target> create_target(uint64_t bytes, bool alone);
  Status check_place();
  Status store(const Commit& commit);
  Status store(const Commit& commit, CommitWriter& writer);
  Status store_in_need(const Commit& commit);
  Status write(const Commit& commit, CommitWriter& writer, Database& database, const Target& target);
  void adopt(Target target, CommitWriter& writer);
  void remove_empty();
  void compact(uint64_t bytes_next);
  bool choose_frames_to_move(CommitWriter& writer, uint64_t bytes);
  [[nodiscard]] uint64_t segments_bytes() const;
  [[nodiscard]] uint64_t unused_bytes() const;
  [[nodiscard]] uint64_t beside_bytes() const;
  [[nodiscard]] uint64_t other_bytes() const;

  const SpoolOptions options_;
  DirectoryLock lock_;
  const SpoolSizes sizes_;
  DiskReserve reserve_;
  Quarantine quarantine_;
  SegmentSet segments_;
  SpoolState state_;                              // what is stored
  std::unique_ptr<Database> database_;            // of the newest segment; none before the first commit and after an error of it
  uint64_t newest_ = 0;                           // number of the newest segment there was an attempt at
  uint64_t capacity_bytes_ = 0, log_frames_ = 0;  // of the newest segment's log
  std::map<uint64_t, uint64_t> disk_bytes_;       // of every segment but the newest
  std::set<uint64_t> unmovable_;                  // segments with a frame that cannot be read: not compacted
  std::vector<std::string> notices_;
};

// ---- opening and closing

Status SqliteSpool::open() {
  auto opened = load_newest(options_);
  if (!opened) return opened.error().in("spool " + options_.directory);
  state_ = std::move(opened->state);
  newest_ = opened->newest_number;
  notices_ = std::move(opened->notices);
  if (state_.meta.wear.since_utc_ns == 0) state_.meta.wear.since_utc_ns = SystemClock().realtime_ns();
  remove_leftovers(options_.directory);
  const auto used = amounts_by_segment(state_.streams);
  for (const uint64_t number : list_segments(options_.directory)) {
    if (!used.contains(number) && number != state_.meta.segment) {
      remove_segment(options_.directory, number);
      continue;
    }
    release_unused(options_.directory, number);  // of a writer that was killed: nothing more comes into it
    disk_bytes_[number] = segment_disk_bytes(options_.directory, number);
  }
  if (used.contains(segment_of_version_1)) disk_bytes_[segment_of_version_1] = database_disk_bytes(options_.directory);
  reserve_.refill();
  // Readers, and the next start, see a spool of this epoch from now on. One that is there already can be opened without a free
  // byte.
  Status begun = store({});
  if (!begun && begun.error().code == Errc::full && reserve_.release()) begun = store({});
  if (!begun && (begun.error().code != Errc::full || !opened->was_there)) return begun.error().in("spool " + options_.directory);
  reserve_.refill();
  return {};
}

// The next start sees that nothing was under way.
SqliteSpool::~SqliteSpool() {
  if (database_ == nullptr) return;
  Transaction transaction(*database_);
  SegmentMeta meta = state_.meta;
  meta.closed = true;
  Status done = transaction.begin_write();
  if (done) done = save_meta(*database_, meta);
  if (done) done = transaction.commit();
  if (!done) return;  // it starts a new epoch then
}

// ---- commit

uint64_t SqliteSpool::next_seq(const wire::FrameSequence& sequence) const {
  const auto stream = state_.streams.find(sequence);
  return stream == state_.streams.end() ? 1 : stream->second.next_seq;
}

// Where the disk with the spool was unmounted or pulled out, nothing may be stored beside it: it would be hidden when the disk is
// back, and its numbers would be used again. A disk that is back is another file system: what is open belongs to the one before.
Status SqliteSpool::check_place() {
  if (lock_.is_in(options_.directory)) return {};
  if (!exists(segment_path(options_.directory, state_.meta.segment)))
    return Error{Errc::unreachable, "the spool is not in " + options_.directory + " any more: was its disk unmounted?"};
  auto lock = DirectoryLock::acquire(options_.directory);
  if (!lock) return Error{Errc::unreachable, lock.error().message};
  lock_ = std::move(*lock);
  segments_.set_newest(0, nullptr);
  segments_.forget_all_but({});
  database_.reset();
  disk_bytes_[state_.meta.segment] = segment_disk_bytes(options_.directory, state_.meta.segment);
  return {};
}

Status SqliteSpool::commit(const Commit& commit) {
  if (commit.empty()) return {};
  uint64_t bytes = 0;
  for (const auto& frame : commit.frames) bytes += frame.bytes.size();
  if (bytes > commit_bytes_max) return Error{Errc::usage, "a commit of " + std::to_string(bytes) + " bytes is too large"};
  JOULESPOOL_TRY(check_place(), "commit");
  reserve_.refill();
  compact(log_bytes_max(state_, commit));
  Status stored = store(commit);
  if (!stored && stored.error().code == Errc::full) stored = store_in_need(commit);
  if (!stored) return stored.error().in("spool " + options_.directory);
  compact(0);
  return {};
}

// One attempt. After an error of the newest segment nothing more is written to it: the next commit begins a new one with all that
// is known here, so that it does not matter what of the failed one can be read later.
Status SqliteSpool::store(const Commit& commit) {
  CommitWriter writer(state_, segments_);
  JOULESPOOL_TRY(writer.prepare(commit, quarantine_), "commit");
  return store(commit, writer);
}

Status SqliteSpool::store(const Commit& commit, CommitWriter& writer) {
  auto target = target_for(writer);
  if (!target) return target.error();
  Database& database = target->created != nullptr ? *target->created : *database_;
  Status stored = write(commit, writer, database, *target);
  if (stored) {
    adopt(std::move(*target), writer);
    return {};
  }
  if (target->created != nullptr) {
    target->created.reset();
    remove_segment(options_.directory, target->number);
  } else if (stored.error().code != Errc::full && stored.error().code != Errc::usage) {
    segments_.set_newest(0, nullptr);
    database_.reset();
    release_unused(options_.directory, state_.meta.segment);
    disk_bytes_[state_.meta.segment] = segment_disk_bytes(options_.directory, state_.meta.segment);
  }
  return without_damage(stored);
}

Status SqliteSpool::write(const Commit& commit, CommitWriter& writer, Database& database, const Target& target) {
  Transaction transaction(database);
  JOULESPOOL_TRY(transaction.begin_write(), "commit");
  SegmentMeta meta = state_.meta;
  meta.segment = target.number;
  meta.wear.appended_bytes += writer.appended_bytes();
  meta.boot = options_.boot;
  meta.closed = false;
  JOULESPOOL_TRY(writer.write(commit, database, meta, target.created != nullptr), "commit");
  return transaction.commit();
}

// The newest segment if it has room, else a new one. Frames that are moved together are older than those to come and will leave
// at other times: they have one for themselves.
Result<SqliteSpool::Target> SqliteSpool::target_for(const CommitWriter& writer) {
  const uint64_t bytes = writer.log_bytes();
  const bool alone = writer.moved_bytes() > 0 || bytes > sizes_.segment_bytes;
  if (!alone && database_ != nullptr && database_->log_frames() * log_frame_bytes + bytes <= capacity_bytes_)
    return Target{state_.meta.segment, capacity_bytes_, nullptr, false};
  return create_target(bytes, alone);
}

Result<SqliteSpool::Target> SqliteSpool::create_target(uint64_t bytes, bool alone) {
  Target target{++newest_, alone ? bytes : sizes_.segment_bytes, nullptr, alone};
  Status made = allocate_log(options_.directory, target.number, target.capacity_bytes);
  if (!made && made.error().code == Errc::full) {
    // Better a small one than none: most of what there is, so that a few more commits go into it.
    const uint64_t free = free_bytes(options_.directory);
    target.capacity_bytes = std::max(bytes, std::min(sizes_.segment_bytes, (free - std::min(free, index_bytes_min)) / 4 * 3));
    made = allocate_log(options_.directory, target.number, target.capacity_bytes);
  }
  if (made) {
    auto created = create_segment(segment_path(options_.directory, target.number), target.capacity_bytes);
    if (created) target.created = std::move(*created);
    else made = created.error();
  }
  if (made) made = sync_directory(options_.directory);
  if (made) return target;
  target.created.reset();
  remove_segment(options_.directory, target.number);
  return without_damage(made);
}

void SqliteSpool::adopt(Target target, CommitWriter& writer) {
  const uint64_t before = state_.meta.segment;
  const Database& written = target.created != nullptr ? *target.created : *database_;
  state_.meta.wear.appended_bytes += writer.appended_bytes();
  state_.meta.wear.written_bytes += (written.log_frames() - (target.created != nullptr ? 0 : log_frames_)) * log_frame_bytes +
                                    (target.created != nullptr ? page_bytes : 0);
  log_frames_ = written.log_frames();
  writer.adopt_into(state_);
  state_.meta.closed = false;
  state_.meta.boot = options_.boot;
  if (target.created != nullptr) {
    state_.meta.segment = target.number;
    if (database_ != nullptr) {
      database_.reset();
      release_unused(options_.directory, before);
      disk_bytes_[before] = segment_disk_bytes(options_.directory, before);
    }
    database_ = std::move(target.created);
    capacity_bytes_ = target.capacity_bytes;
    segments_.set_newest(target.number, database_.get());
    if (target.alone) {
      capacity_bytes_ = log_frames_ * log_frame_bytes;
      trim_log(options_.directory, target.number);
    }
  }
  remove_empty();
}

void SqliteSpool::remove_empty() {
  const auto used = amounts_by_segment(state_.streams);
  bool removed = false;
  for (auto at = disk_bytes_.begin(); at != disk_bytes_.end();) {
    const uint64_t number = at->first;
    if (used.contains(number) || number == state_.meta.segment) {
      ++at;
      continue;
    }
    segments_.forget(number);
    if (number == segment_of_version_1) remove_database(options_.directory);
    else remove_segment(options_.directory, number);
    unmovable_.erase(number);
    at = disk_bytes_.erase(at);
    removed = true;
  }
  if (removed) reserve_.refill_in_need();
}

// The disk is full. The reserve is for commits that let frames go or tell of a loss, else it would be gone when they come.
Status SqliteSpool::store_in_need(const Commit& commit) {
  const bool frees = !commit.stored.empty() || !commit.dropped.empty() || !commit.set_aside.empty();
  const bool tells = std::all_of(commit.frames.begin(), commit.frames.end(),
                                 [](const NewFrame& frame) { return frame.info.id.sequence.lane == wire::Lane::event; });
  if ((!frees && !tells) || !reserve_.release()) return Error{Errc::full, "no space on the disk"};
  return store(commit);
}

// ---- retention and state

uint64_t SqliteSpool::segments_bytes() const {
  uint64_t bytes = database_ == nullptr ? 0 : segment_disk_bytes(options_.directory, state_.meta.segment);
  for (const auto& [number, size] : disk_bytes_) bytes += size;
  return bytes;
}

// Of what is allocated for the newest one.
uint64_t SqliteSpool::unused_bytes() const { return capacity_bytes_ - std::min(capacity_bytes_, log_frames_ * log_frame_bytes); }

uint64_t SqliteSpool::beside_bytes() const {
  return sizes_.reserve_bytes + allocated_bytes_below(quarantine_path(options_.directory));
}

// Everything but frames: each segment began with the whole state, and one more will be allocated.
uint64_t SqliteSpool::other_bytes() const {
  return beside_bytes() + unused_bytes() + disk_bytes_.size() * snapshot_bytes(state_) / 2 + sizes_.segment_bytes;
}

// Frames that share segments with frames that have left are moved together until the budget has room for a segment of
// `bytes_next` or the usual size. Nothing is lost if this fails.
void SqliteSpool::compact(uint64_t bytes_next) {
  for (uint64_t moved_bytes = 0; moved_bytes < options_.budget_bytes / 4;) {
    const uint64_t wanted = segments_bytes() + beside_bytes() + std::max(sizes_.segment_bytes, bytes_next);
    if (wanted <= options_.budget_bytes) return;
    CommitWriter writer(state_, segments_);
    if (!choose_frames_to_move(writer, wanted - options_.budget_bytes) || !store({}, writer)) return;
    moved_bytes += writer.moved_bytes();
  }
}

// Of the segments where little is needed, for the least wear. False: there are none, or they cannot be read now.
bool SqliteSpool::choose_frames_to_move(CommitWriter& writer, uint64_t bytes) {
  if (!writer.prepare({}, quarantine_)) return false;
  const auto used = writer.amounts();
  struct Candidate {
    uint64_t number = 0, needed_bytes = 0, disk_bytes = 0;
  };
  std::vector<Candidate> candidates;
  for (const auto& [number, disk_bytes] : disk_bytes_) {
    const auto amount = used.find(number);
    if (amount == used.end() || unmovable_.contains(number)) continue;
    const uint64_t needed = disk_bytes_for(amount->second);
    const bool gains = disk_bytes > needed + needed / 16 + snapshot_bytes(state_);
    if (gains) candidates.push_back({number, needed, disk_bytes});
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const auto& a, const auto& b) { return a.needed_bytes * b.disk_bytes < b.needed_bytes * a.disk_bytes; });
  const uint64_t moved_max = std::min(moved_bytes_max, sizes_.segment_bytes);
  uint64_t freed_bytes = 0;
  for (const Candidate& segment : candidates) {
    if (writer.moved_bytes() >= moved_max || (freed_bytes >= bytes && segment.needed_bytes * 2 > segment.disk_bytes)) break;
    if (!writer.prepare_move(segment.number, moved_max - writer.moved_bytes())) return false;
    if (writer.found_unreadable()) {
      unmovable_.insert(segment.number);
      break;
    }
    freed_bytes += segment.disk_bytes - segment.needed_bytes;
  }
  return writer.moved_bytes() > 0;
}

Result<FrameInfo> SqliteSpool::find(const wire::FrameId& id) {
  const auto stream = state_.streams.find(id.sequence);
  const Error not_found{Errc::not_found, "no frame " + std::to_string(id.seq) + " of " + id.sequence.device};
  if (stream == state_.streams.end() || find_extent(stream->second, id.seq) == stream->second.extents.end()) return not_found;
  JOULESPOOL_TRY(check_place(), "find");
  auto rows = segments_.list(id.sequence, stream->second, id.seq, std::nullopt, {1});
  if (!rows) return rows.error();
  return rows->empty() ? Result<FrameInfo>(not_found) : Result<FrameInfo>(std::move(rows->front()));
}

Result<std::vector<StoredFrame>> SqliteSpool::read(const wire::FrameSequence& sequence, uint64_t after_seq,
                                                   std::optional<FrameState> state, size_t frames_max, size_t bytes_max) {
  const auto stream = state_.streams.find(sequence);
  if (stream == state_.streams.end()) return std::vector<StoredFrame>{};
  JOULESPOOL_TRY(check_place(), "read");
  return segments_.read(sequence, stream->second, after_seq + 1, state, {frames_max, bytes_max});
}

Result<Usage> SqliteSpool::usage() {
  Usage usage;
  for (const auto& [sequence, stream] : state_.streams) usage.lanes.push_back(usage_of(sequence, stream));
  usage.wear = state_.meta.wear;
  usage.payload_bytes = amount_of(state_.streams).bytes;
  usage.disk_bytes = allocated_bytes_below(options_.directory);
  usage.quarantined_frames = quarantined_frames(quarantine_path(options_.directory));
  return usage;
}

Result<std::vector<DevicePosition>> SqliteSpool::positions() {
  std::vector<DevicePosition> positions;
  for (const auto& [device, position] : state_.positions) positions.push_back(position);
  return positions;
}

}  // namespace

Result<std::unique_ptr<SpoolWriter>> open_spool_writer(const SpoolOptions& given) {
  SpoolOptions options = given;
  if (options.boot.empty()) options.boot = boot_id();
  JOULESPOOL_TRY(make_directory(options.directory), "spool");
  auto lock = DirectoryLock::acquire(options.directory);
  if (!lock) return lock.error();
  auto spool = std::make_unique<SqliteSpool>(options, std::move(*lock));
  JOULESPOOL_TRY(spool->open(), "open");
  return std::unique_ptr<SpoolWriter>(std::move(spool));
}

}  // namespace joulespool::spool
