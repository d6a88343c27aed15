// Reads frames where the extents say they are: from the newest segment through the connection it is given, from the others
// through connections of its own, of which it keeps the last ones used. One thread at a time.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/spool/extents.h"
#include "agent/spool/sqlite_db.h"
#include "agent/spool/sqlite_rows.h"

namespace joulespool::spool {

// The number under which the frames of a spool of version 1 are found: database_path().
constexpr uint64_t segment_of_version_1 = 0;

// How many frames to read: at least one, then none that would pass bytes_max.
struct ReadLimits {
  size_t frames_max = SIZE_MAX;
  uint64_t bytes_max = UINT64_MAX;
};

class SegmentSet {
 public:
  explicit SegmentSet(std::string directory) : directory_(std::move(directory)) {}

  // `database` must live until the next call; nullptr: there is none.
  void set_newest(uint64_t number, Database* database);
  // What to say of a segment that is not there: not_found, or that its frames are damaged.
  void set_missing_is_damage(bool is_damage) { missing_is_damage_ = is_damage; }
  // The segment is gone, or will be.
  void forget(uint64_t number);
  // Closes all but these: of one that is gone an open file would keep the space.
  void forget_all_but(const std::vector<uint64_t>& numbers);

  // Frames from `seq` on that are in `state` (nullopt: any), in seq order. A frame that cannot be read is there with intact ==
  // false and, if even its row cannot be read, with what its neighbours say of it.
  // Errors: not_found (the segment is gone), unreachable (I/O).
  Result<std::vector<StoredFrame>> read(const wire::FrameSequence& sequence, const Stream& stream, uint64_t seq,
                                        std::optional<FrameState> state, const ReadLimits& limits);
  // The same without the bytes.
  Result<std::vector<FrameInfo>> list(const wire::FrameSequence& sequence, const Stream& stream, uint64_t seq,
                                      std::optional<FrameState> state, const ReadLimits& limits);
  // For cutting extents of this stream.
  [[nodiscard]] RowReader row_reader(const wire::FrameSequence& sequence, int64_t stream);

 private:
  // Ways to read one segment. Where its log is damaged there are two: the rows that match their checksums, and, for those that do
  // not, the database as far as it can be told.
  struct Opened {
    uint64_t number = 0;
    std::vector<std::unique_ptr<Database>> databases;  // none: it cannot be read
  };
  using Views = std::vector<Database*>;
  Result<Views> open(uint64_t number);
  Result<Opened> open_views(uint64_t number);
  Result<std::vector<FrameRow>> rows(const wire::FrameSequence& sequence, int64_t stream, uint64_t segment,
                                     const FrameQuery& query);
  static Result<std::vector<FrameRow>> rows_one_by_one(Database& database, const wire::FrameSequence& sequence, int64_t stream,
                                                       const FrameQuery& query);
  static Result<StoredFrame> frame_of(const FrameRow& row, const Views& views, uint64_t segment);
  Status failed(uint64_t segment, const Error& error);
  template <class Each>
  Status walk(const wire::FrameSequence& sequence, const Stream& stream, uint64_t seq, std::optional<FrameState> state,
              const ReadLimits& limits, const Each& each);

  const std::string directory_;
  bool missing_is_damage_ = false;
  uint64_t newest_ = 0;
  Database* newest_database_ = nullptr;
  std::list<Opened> opened_;  // the last one used first
};

// Where a segment's database is.
std::string segment_database_path(const std::string& directory, uint64_t number);

}  // namespace joulespool::spool
