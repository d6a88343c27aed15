#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/spool/directory_lock.h"
#include "agent/spool/disk_files.h"
#include "agent/spool/quarantine.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_open.h"
#include "agent/spool/sqlite_schema.h"
#include "agent/spool/sqlite_segments.h"
#include "agent/spool/sqlite_spool.h"

namespace joulespool::spool {
namespace {

// The state of the newest segment that has one; a damaged one is passed over.
struct Newest {
  uint64_t number = 0;
  bool followed = false;               // sees what is committed to it from now on
  std::unique_ptr<Database> database;  // none where the state does not come from it
  SegmentMeta meta;
  std::optional<SpoolState> fixed;  // of a spool of version 1, or put together from what is left of a damaged one
};

class SqliteSpoolReader final : public SpoolReader {
 public:
  SqliteSpoolReader(std::string directory, ReadMode mode)
      : directory_(std::move(directory)), mode_(mode), segments_(directory_) {}

  Status open() {
    JOULESPOOL_TRY(refresh(), directory_);
    if (newest_) return {};
    return Error{Errc::not_found, "no spool at " + directory_};
  }

  [[nodiscard]] std::string host() const override { return newest_->meta.host; }
  [[nodiscard]] uint64_t epoch() const override { return newest_->meta.epoch; }

  Result<std::vector<StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq, std::optional<FrameState> state,
                                        size_t frames_max, size_t bytes_max) override {
    return in_stream<std::vector<StoredFrame>>(sequence, [&](const Stream& stream) {
      return segments_.read(sequence, stream, after_seq + 1, state, {frames_max, bytes_max});
    });
  }

  Result<std::vector<FrameInfo>> list(const wire::FrameSequence& sequence, uint64_t after_seq, size_t frames_max) override {
    return in_stream<std::vector<FrameInfo>>(sequence, [&](const Stream& stream) {
      return segments_.list(sequence, stream, after_seq + 1, std::nullopt, {frames_max});
    });
  }

  Result<Usage> usage() override {
    JOULESPOOL_TRY(refresh(), directory_);
    auto state = load();
    if (!state) return state.error().in(directory_);
    Usage usage;
    for (const auto& [sequence, stream] : state->streams) usage.lanes.push_back(usage_of(sequence, stream));
    usage.wear = state->meta.wear;
    usage.payload_bytes = amount_of(state->streams).bytes;
    usage.disk_bytes = allocated_bytes_below(directory_);
    usage.quarantined_frames = quarantined_frames(quarantine_path(directory_));
    return usage;
  }

  Result<std::vector<DevicePosition>> positions() override {
    JOULESPOOL_TRY(refresh(), directory_);
    auto state = load();
    if (!state) return state.error().in(directory_);
    std::vector<DevicePosition> positions;
    for (auto& [device, position] : state->positions) positions.push_back(std::move(position));
    return positions;
  }

 private:
  // What the newest segment says now.
  Result<SpoolState> load() {
    if (newest_->fixed) return *newest_->fixed;
    auto state = load_state(*newest_->database);
    if (!state) return state.error();
    if (!*state) return Error{Errc::damaged, "the newest segment is empty"};
    return std::move(**state);
  }

  Result<std::optional<Stream>> load(const wire::FrameSequence& sequence) {
    if (!newest_->fixed) return load_stream(*newest_->database, sequence);
    const auto found = newest_->fixed->streams.find(sequence);
    return found == newest_->fixed->streams.end() ? std::optional<Stream>{} : std::optional(found->second);
  }

  // Calls read(stream) in a short transaction: what it sees of the newest segment belongs together. A writer may drop a segment
  // after that was read of it which frames are there: then once more, and what is missing still is damage.
  template <class T, class Read>
  Result<T> in_stream(const wire::FrameSequence& sequence, const Read& read) {
    for (const bool again : {false, true}) {
      JOULESPOOL_TRY(refresh(), directory_);
      segments_.set_missing_is_damage(again);
      std::optional<Transaction> snapshot;
      if (newest_->database != nullptr) JOULESPOOL_TRY(snapshot.emplace(*newest_->database).begin_read(), directory_);
      auto stream = load(sequence);
      if (!stream) return stream.error().in(directory_);
      if (!*stream) return T{};
      auto result = read(**stream);
      if (result) return result;
      if (again || result.error().code != Errc::not_found) return result.error().in(directory_);
    }
    return T{};
  }

  // Follows the writer to a newer segment. One that is just being made, or cannot be read, is passed over.
  Status refresh() {
    if (newest_ && mode_ == ReadMode::snapshot) return {};
    const std::vector<uint64_t> numbers = list_segments(directory_);
    if (newest_ && numbers.empty() && newest_->number != segment_of_version_1)
      return Error{Errc::unreachable, "the spool is not there any more: was its disk unmounted?"};
    segments_.forget_all_but(numbers);
    for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
      if (newest_ && (*number < newest_->number || (*number == newest_->number && !can_be_followed(*number)))) return {};
      auto opened = open_newest(*number);
      if (opened && *opened) return adopt(std::move(**opened));
      if (!opened && newest_ && opened.error().code == Errc::unreachable) return opened.error();
      if (opened || newest_ || opened.error().code == Errc::not_found) continue;
      return opened.error().code == Errc::damaged ? adopt_found() : opened.error();
    }
    return newest_ ? Status{} : adopt_found();
  }

  // What is left of a damaged spool, or one of version 1.
  Status adopt_found() {
    auto found = find_state(directory_, {});
    if (!found) return found.error();
    if (!found->was_there) return found->unusable.empty() ? Status{} : Status{Error{Errc::damaged, found->unusable.front().why}};
    Newest newest;
    newest.meta = found->state.meta;
    newest.fixed = std::move(found->state);
    return adopt(std::move(newest));
  }

  // It was busy, or had no writer, when it was opened.
  [[nodiscard]] bool can_be_followed(uint64_t number) const {
    return !newest_->followed && exists(segment_path(directory_, number) + "-shm");
  }

  Status adopt(Newest newest) {
    newest_ = std::move(newest);
    segments_.set_newest(newest_->number, newest_->database.get());
    return {};
  }

  // nullopt: not made yet.
  Result<std::optional<Newest>> open_newest(uint64_t number) {
    const std::string path = segment_path(directory_, number);
    if (!segment_has_begun(directory_, number)) return std::optional<Newest>{};
    Newest newest;
    newest.number = number;
    // Without an index in -shm nobody writes to it. One that is left over from a writer that is gone must not be followed: SQLite
    // would make it anew, and end it in silence where the log is damaged.
    const bool followed = mode_ == ReadMode::follow && exists(path + "-shm") && !DirectoryLock::check_free(directory_);
    if (followed) {
      auto database = open_segment(path, OpenMode::follow);
      if (database) newest.database = std::move(*database);
      newest.followed = database.ok();
    }
    if (newest.database == nullptr) {  // or -shm is left over, and cannot be written
      auto segment = open_readable(path, LastTransaction::may_be_torn);
      if (!segment) return segment.error();
      newest.database = std::move(segment->database);
    }
    auto state = load_state(*newest.database);
    if (!state) return state.error();
    if (!*state) return std::optional<Newest>{};
    newest.meta = std::move((*state)->meta);
    return std::optional(std::move(newest));
  }

  const std::string directory_;
  const ReadMode mode_;
  SegmentSet segments_;
  std::optional<Newest> newest_;
};

}  // namespace

Result<std::unique_ptr<SpoolReader>> open_spool_reader(const std::string& directory, ReadMode mode) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) {
    const Errc code = errno == ENOENT || errno == ENOTDIR ? Errc::not_found : Errc::unreachable;
    return Error{code, "no spool at " + directory + ": " + std::strerror(errno)};
  }
  auto reader = std::make_unique<SqliteSpoolReader>(directory, mode);
  JOULESPOOL_TRY(reader->open(), "open");
  return std::unique_ptr<SpoolReader>(std::move(reader));
}

}  // namespace joulespool::spool
