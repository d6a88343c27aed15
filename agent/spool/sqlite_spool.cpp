#include "agent/spool/sqlite_spool.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "agent/spool/directory_lock.h"
#include "agent/spool/disk_files.h"
#include "agent/spool/quarantine.h"
#include "agent/spool/retention.h"
#include "agent/spool/sqlite_commit.h"
#include "agent/spool/sqlite_db.h"
#include "agent/spool/sqlite_rows.h"
#include "agent/spool/sqlite_schema.h"

namespace joulespool::spool {
namespace {

// Frames of the log (pages) whose index is allocated at open: 128 MiB, twice commit_bytes_max. Checkpoints keep the log far
// below; a large commit, or a reader that holds them up, must not make the index grow on a full disk (SIGBUS).
constexpr uint64_t log_frames_indexed = 16'000;
// Opening writes the log's index and some pages; with less room the reserve is given up first.
constexpr uint64_t open_room_bytes = 1024ULL * 1024;

// The next open for writing checks the whole database while this file exists.
std::string suspect_path(const std::string& directory) { return directory + "/suspect"; }

Quarantine::Limits quarantine_limits(const SpoolSizes& sizes) {
  Quarantine::Limits limits;
  limits.bytes_max = sizes.quarantine_bytes;
  return limits;
}

class SqliteSpool final : public SpoolWriter {
 public:
  SqliteSpool(const SpoolOptions& options, DirectoryLock lock)
      : options_(options),
        lock_(std::move(lock)),
        sizes_(sizes_for(options.budget_bytes, page_bytes)),
        reserve_(options.directory, sizes_.reserve_bytes),
        quarantine_(quarantine_path(options.directory), quarantine_limits(sizes_)) {}

  Status open();

  [[nodiscard]] uint64_t epoch() const override { return meta_.epoch; }
  [[nodiscard]] uint64_t next_seq(const wire::FrameSequence& sequence) const override;
  Status commit(const Commit& commit) override;
  Result<FrameInfo> find(const wire::FrameId& id) override;
  Result<std::vector<FrameInfo>> victims(uint64_t bytes_needed) override;
  Result<Usage> usage() override;
  Result<std::vector<DevicePosition>> positions() override;
  std::vector<std::string> take_notices() override { return std::exchange(notices_, {}); }

 private:
  Status open_database();
  Status open_or_replace();
  Status check_rows();
  Status check_if_suspect();
  Status replace_damaged(const Error& damage);
  Status ready();
  Status store(const Commit& commit);
  Status store_in_need(const Commit& commit);
  void tidy_log();
  void note(const Error& error);
  Result<SpaceTaken> space_taken(uint64_t bytes_needed);

  const SpoolOptions options_;
  DirectoryLock lock_;
  const SpoolSizes sizes_;
  DiskReserve reserve_;
  Quarantine quarantine_;
  std::unique_ptr<Database> database_;  // none after an I/O error, until the next call
  SpoolMeta meta_;
  StreamTable streams_;
  bool uncertain_ = false;  // the last commit ended in an error and may be stored all the same
  std::vector<std::string> notices_;
};

// ---- opening

Status SqliteSpool::open_database() {
  auto opened = open_for_writing(database_path(options_.directory), options_.host, 2 * sizes_.log_frames * log_frame_bytes);
  if (!opened) return opened.error();
  auto streams = load_streams(*opened->database);
  if (!streams) return streams.error();
  JOULESPOOL_TRY(opened->database->allocate_log_index(log_frames_indexed), "allocate");
  database_ = std::move(opened->database);
  meta_ = std::move(opened->meta);
  streams_ = std::move(*streams);
  return {};
}

// What can be checked without reading the whole database: totals against the ends of each sequence. A card that lost a
// write it had confirmed is found out here, before a number is used twice.
Status SqliteSpool::check_rows() {
  for (const auto& [sequence, stream] : streams_) {
    auto behind = list_frames(*database_, sequence, Stream{stream.id, 1, {{{1, 0, 1}, {}}}}, {stream.next_seq, {}, 1});
    if (!behind) return behind.error();
    if (!behind->empty()) return Error{Errc::damaged, "spool.db: a frame behind the next seq of " + sequence.device};
    for (const FrameState state : {FrameState::queued, FrameState::kept}) {
      const StateTotals& totals = stream.of(state);
      auto first = list_frames(*database_, sequence, stream, {totals.seq_first, state, 1});
      if (!first) return first.error();
      if (first->empty() != (totals.frames == 0) || (!first->empty() && first->front().info.id.seq != totals.seq_first))
        return Error{Errc::damaged, "spool.db: the oldest frame of " + sequence.device + " is missing"};
    }
  }
  auto positions = load_positions(*database_);
  return positions ? Status{} : Status{positions.error()};
}

Status SqliteSpool::check_if_suspect() {
  if (!exists(suspect_path(options_.directory))) return {};
  // The first reads everything but does not compare indexes with their tables; the tables that have one are small.
  for (const char* pragma : {"PRAGMA quick_check(1)", "PRAGMA integrity_check(streams)", "PRAGMA integrity_check(positions)"}) {
    Statement check = database_->prepare(pragma);
    check.start();
    auto row = check.next();
    if (!row) return row.error();
    const std::string answer = *row ? check.text(0) : "no answer";
    if (answer != "ok") return Error{Errc::damaged, "spool.db: " + answer};
  }
  ::unlink(suspect_path(options_.directory).c_str());
  return {};
}

Status SqliteSpool::replace_damaged(const Error& damage) {
  database_.reset();
  streams_.clear();
  auto moved = move_database_aside(options_.directory);
  if (!moved) return moved.error();
  ::unlink(suspect_path(options_.directory).c_str());
  JOULESPOOL_TRY(open_database(), "start anew after damage");
  notices_.push_back("the spool's database was damaged (" + damage.message + "): it was moved to " + *moved +
                     " and a new one with a new epoch was started");
  return {};
}

Status SqliteSpool::open_or_replace() {
  Status opened = open_database();
  if (opened) opened = check_rows();
  if (opened) opened = check_if_suspect();
  return !opened && opened.error().code == Errc::damaged ? replace_damaged(opened.error()) : opened;
}

Status SqliteSpool::open() {
  if (free_bytes(options_.directory) < open_room_bytes) reserve_.release();
  Status opened = open_or_replace();
  if (!opened && opened.error().code == Errc::full && reserve_.release()) {
    database_.reset();
    opened = open_or_replace();
  }
  JOULESPOOL_TRY(std::move(opened), "spool " + options_.directory);
  JOULESPOOL_TRY(sync_directory(options_.directory), "spool");
  reserve_.refill();
  return {};
}

// After an I/O error: opens again and reads the state anew. Damage is for the next open_spool_writer() to deal with: the epoch
// does not change under a caller's feet.
Status SqliteSpool::ready() {
  if (database_ != nullptr) return {};
  const uint64_t epoch = meta_.epoch;
  Status opened = open_database();
  if (opened && meta_.epoch != epoch) opened = Error{Errc::damaged, "spool.db was replaced by another"};
  if (opened) opened = check_rows();
  // A commit whose sync failed may be there now, but not on the disk: copying the log syncs it and the database.
  if (opened && uncertain_) opened = database_->checkpoint(CheckpointMode::restart);
  if (opened) return {};
  if (opened.error().code == Errc::damaged) note(opened.error());
  database_.reset();
  meta_.epoch = epoch;
  return opened;
}

// Decides from an error what the next call has to do first.
void SqliteSpool::note(const Error& error) {
  if (error.code == Errc::full || error.code == Errc::usage || error.code == Errc::busy) return;
  if (error.code == Errc::damaged) static_cast<void>(write_durably(suspect_path(options_.directory), {}));
  database_.reset();
}

// ---- commit

uint64_t SqliteSpool::next_seq(const wire::FrameSequence& sequence) const {
  const auto stream = streams_.find(sequence);
  return stream == streams_.end() ? 1 : stream->second.next_seq;
}

Status SqliteSpool::commit(const Commit& commit) {
  if (commit.empty()) return {};
  uint64_t bytes = 0;
  for (const auto& frame : commit.frames) bytes += frame.bytes.size();
  if (bytes > commit_bytes_max) return Error{Errc::usage, "a commit of " + std::to_string(bytes) + " bytes is too large"};
  JOULESPOOL_TRY(ready(), "spool " + options_.directory);
  reserve_.refill();
  Status stored = store(commit);
  if (!stored && stored.error().code == Errc::full) stored = store_in_need(commit);
  if (!stored) {
    note(stored.error());
    return stored.error().in("spool " + options_.directory);
  }
  tidy_log();
  return {};
}

// One attempt.
Status SqliteSpool::store(const Commit& commit) {
  Transaction transaction(*database_);
  JOULESPOOL_TRY(transaction.begin_write(), "commit");
  CommitWriter writer(*database_, streams_, meta_.epoch, uncertain_);
  JOULESPOOL_TRY(writer.write(commit, quarantine_), "commit");
  // With the room for every page of the database taken beforehand, copying the log into it needs none: on a full disk the
  // log can always be emptied and its blocks used again.
  auto pages = database_->integer("PRAGMA page_count");
  if (!pages) return pages.error();
  JOULESPOOL_TRY(database_->allocate(from_sql(*pages) * page_bytes, sizes_.growth_bytes), "commit");
  uncertain_ = true;
  JOULESPOOL_TRY(transaction.commit(), "commit");
  uncertain_ = false;
  streams_ = std::move(writer.streams());
  return {};
}

// The disk is full. Emptying the log makes its blocks free for this commit. The reserve is for commits that free pages or tell
// of a loss, else it would be gone when they come.
Status SqliteSpool::store_in_need(const Commit& commit) {
  static_cast<void>(database_->checkpoint(CheckpointMode::restart));  // what it could not do, the next commit says
  Status stored = store(commit);
  if (stored || stored.error().code != Errc::full) return stored;
  const bool frees = !commit.stored.empty() || !commit.dropped.empty() || !commit.set_aside.empty();
  const bool tells = std::all_of(commit.frames.begin(), commit.frames.end(),
                                 [](const NewFrame& frame) { return frame.info.id.sequence.lane == wire::Lane::event; });
  if ((!frees && !tells) || !reserve_.release()) return stored;
  return store(commit);
}

// Copies the log into the database when it has become long, so that it starts again at its beginning. The commit is durable
// already: an error here shows again, and is reported, at the next one.
void SqliteSpool::tidy_log() {
  if (database_->log_frames() < sizes_.log_frames) return;
  const bool overdue = database_->log_frames() >= 2 * sizes_.log_frames;  // readers kept it from starting again: wait for them
  const Status done = database_->checkpoint(overdue ? CheckpointMode::restart : CheckpointMode::passive);
  if (!done) note(done.error());
}

// ---- retention and state

Result<FrameInfo> SqliteSpool::find(const wire::FrameId& id) {
  JOULESPOOL_TRY(ready(), "spool " + options_.directory);
  const Error not_found{Errc::not_found, "no frame " + std::to_string(id.seq) + " of " + id.sequence.device};
  const auto stream = streams_.find(id.sequence);
  if (stream == streams_.end()) return not_found;
  auto row = find_frame(*database_, id.sequence, stream->second, id.seq);
  if (!row) return note(row.error()), row.error();
  return *row ? Result<FrameInfo>((*row)->info) : Result<FrameInfo>(not_found);
}

Result<SpaceTaken> SqliteSpool::space_taken(uint64_t bytes_needed) {
  auto pages = database_->integer("PRAGMA page_count");
  if (!pages) return pages.error();
  auto unused = database_->integer("PRAGMA freelist_count");
  if (!unused) return unused.error();
  const std::string database = database_path(options_.directory);
  SpaceTaken taken;
  taken.database_bytes = from_sql(*pages - *unused) * page_bytes + sizes_.growth_bytes;
  taken.log_bytes = std::max(allocated_bytes(database + "-wal"), sizes_.log_frames * log_frame_bytes + bytes_needed);
  taken.other_bytes =
      sizes_.reserve_bytes + allocated_bytes(database + "-shm") + allocated_bytes_below(quarantine_path(options_.directory));
  return taken;
}

Result<std::vector<FrameInfo>> SqliteSpool::victims(uint64_t bytes_needed) {
  JOULESPOOL_TRY(ready(), "spool " + options_.directory);
  auto taken = space_taken(bytes_needed);
  if (!taken) return note(taken.error()), taken.error();
  const uint64_t bytes = bytes_over_budget(*taken, bytes_needed, options_.budget_bytes);
  std::vector<std::vector<FrameInfo>> queues;
  if (bytes == 0) return choose_victims(queues, 0);
  for (const auto& [sequence, stream] : streams_) {
    if (sequence.lane == wire::Lane::event) continue;
    for (const FrameState state : {FrameState::kept, FrameState::queued}) {
      auto rows = list_frames(*database_, sequence, stream, {0, state, victims_max, UINT64_MAX, bytes});
      if (!rows) return note(rows.error()), rows.error();
      auto& queue = queues.emplace_back();
      for (auto& row : *rows) queue.push_back(std::move(row.info));
    }
  }
  return choose_victims(queues, bytes);
}

Result<Usage> SqliteSpool::usage() {
  JOULESPOOL_TRY(ready(), "spool " + options_.directory);
  auto usage = usage_of(*database_, streams_);
  if (!usage) return note(usage.error()), usage.error();
  usage->disk_bytes = allocated_bytes_below(options_.directory);
  usage->quarantined_frames = quarantined_frames(quarantine_path(options_.directory));
  return usage;
}

Result<std::vector<DevicePosition>> SqliteSpool::positions() {
  JOULESPOOL_TRY(ready(), "spool " + options_.directory);
  auto positions = load_positions(*database_);
  if (!positions) note(positions.error());
  return positions;
}

}  // namespace

Result<std::unique_ptr<SpoolWriter>> open_spool_writer(const SpoolOptions& options) {
  JOULESPOOL_TRY(make_directory(options.directory), "spool");
  auto lock = DirectoryLock::acquire(options.directory);
  if (!lock) return lock.error();
  auto spool = std::make_unique<SqliteSpool>(options, std::move(*lock));
  JOULESPOOL_TRY(spool->open(), "open");
  return std::unique_ptr<SpoolWriter>(std::move(spool));
}

}  // namespace joulespool::spool
