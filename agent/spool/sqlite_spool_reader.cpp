#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/spool/disk_files.h"
#include "agent/spool/quarantine.h"
#include "agent/spool/sqlite_db.h"
#include "agent/spool/sqlite_rows.h"
#include "agent/spool/sqlite_schema.h"
#include "agent/spool/sqlite_spool.h"

namespace joulespool::spool {
namespace {

// Every call is one short read transaction: a long one would keep the writer's log from starting again.
class SqliteSpoolReader final : public SpoolReader {
 public:
  SqliteSpoolReader(std::string directory, OpenedSpool opened)
      : directory_(std::move(directory)), database_(std::move(opened.database)), meta_(std::move(opened.meta)) {}

  [[nodiscard]] std::string host() const override { return meta_.host; }
  [[nodiscard]] uint64_t epoch() const override { return meta_.epoch; }

  Result<std::vector<StoredFrame>> read(const wire::FrameSequence& sequence, uint64_t after_seq, std::optional<FrameState> state,
                                        size_t frames_max, size_t bytes_max) override {
    Transaction snapshot(*database_);
    JOULESPOOL_TRY(snapshot.begin_read(), directory_);
    auto rows = rows_of(sequence, {after_seq + 1, state, frames_max, bytes_max});
    if (!rows) return rows.error().in(directory_);
    std::vector<StoredFrame> frames;
    for (const auto& row : *rows) {
      auto frame = read_frame(*database_, row);
      if (!frame) return frame.error().in(directory_);
      frames.push_back(std::move(*frame));
    }
    return frames;
  }

  Result<std::vector<FrameInfo>> list(const wire::FrameSequence& sequence, uint64_t after_seq, size_t frames_max) override {
    Transaction snapshot(*database_);
    JOULESPOOL_TRY(snapshot.begin_read(), directory_);
    auto rows = rows_of(sequence, {after_seq + 1, std::nullopt, frames_max});
    if (!rows) return rows.error().in(directory_);
    std::vector<FrameInfo> frames;
    for (auto& row : *rows) frames.push_back(std::move(row.info));
    return frames;
  }

  Result<Usage> usage() override {
    Transaction snapshot(*database_);
    JOULESPOOL_TRY(snapshot.begin_read(), directory_);
    auto streams = load_streams(*database_);
    if (!streams) return streams.error().in(directory_);
    auto usage = usage_of(*database_, *streams);
    if (!usage) return usage.error().in(directory_);
    usage->disk_bytes = allocated_bytes_below(directory_);
    usage->quarantined_frames = quarantined_frames(quarantine_path(directory_));
    return usage;
  }

  Result<std::vector<DevicePosition>> positions() override {
    Transaction snapshot(*database_);
    JOULESPOOL_TRY(snapshot.begin_read(), directory_);
    auto positions = load_positions(*database_);
    if (!positions) return positions.error().in(directory_);
    return positions;
  }

 private:
  Result<std::vector<FrameRow>> rows_of(const wire::FrameSequence& sequence, const FrameQuery& query) {
    if (query.seq_from == 0) return std::vector<FrameRow>{};  // after the last number there is
    auto stream = load_stream(*database_, sequence);
    if (!stream) return stream.error();
    if (!*stream) return std::vector<FrameRow>{};
    return list_frames(*database_, sequence, **stream, query);
  }

  const std::string directory_;
  std::unique_ptr<Database> database_;
  const SpoolMeta meta_;
};

}  // namespace

Result<std::unique_ptr<SpoolReader>> open_spool_reader(const std::string& directory) {
  const std::string path = database_path(directory);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const Errc code = errno == ENOENT || errno == ENOTDIR ? Errc::not_found : Errc::unreachable;
    return Error{code, "no spool at " + directory + ": " + std::strerror(errno)};
  }
  auto opened = open_for_reading(path);
  if (!opened) return opened.error();
  return std::unique_ptr<SpoolReader>(std::make_unique<SqliteSpoolReader>(directory, std::move(*opened)));
}

}  // namespace joulespool::spool
