#include "agent/spool/sqlite_segments.h"

#include <algorithm>
#include <map>
#include <utility>

#include "agent/spool/disk_files.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_schema.h"

namespace joulespool::spool {
namespace {

// The log of a segment is read through once when it is opened. Two: one that is drained and one that is cut.
constexpr size_t opened_max = 2;
// Rows without bytes are asked for in portions.
constexpr size_t rows_at_once = 1000;

FrameCheck check_of(uint64_t segment) { return segment == segment_of_version_1 ? FrameCheck::bytes_only : FrameCheck::row; }

// A row that is not there: what the frame before and the one behind (or the extent) leave for it.
FrameRow missing_row(const wire::FrameSequence& sequence, int64_t stream, uint64_t seq, const Extent& extent) {
  FrameRow row;
  row.key = frame_key(stream, seq);
  row.info.id = {sequence, seq};
  row.info.state = extent.state;
  row.info.level = extent.level;
  row.info.axis = extent.cover.axis;
  return row;
}

// What a damaged row says may be anything. Where it does not fit what is known of all, its neighbours know it better; the last
// one may stand for others that nobody knows the number of (adoption.h).
bool is_possible(const FrameInfo& info, const Extent& extent) {
  const Cover& cover = extent.cover;
  const bool in_cover = info.axis == cover.axis && info.sample_id_first >= cover.sample_id_first &&
                        info.sample_id_end <= cover.sample_id_end && info.sample_id_first <= info.sample_id_end;
  return in_cover && (info.id.seq != extent.seq_last || info.sample_id_end == cover.sample_id_end);
}

// Fills in the rows of [first, last] that are missing. The first of a run of missing frames stands for all that they covered.
std::vector<FrameRow> with_missing(std::vector<FrameRow> rows, const wire::FrameSequence& sequence, int64_t stream,
                                   uint64_t first, uint64_t last, uint64_t extent_first, const Extent& extent) {
  std::vector<FrameRow> all;
  auto next = rows.begin();
  uint64_t sample_id = extent.cover.sample_id_first;
  int64_t utc_ns = extent.cover.utc_first_ns;
  bool known = first == extent_first;  // where the frame before ended
  for (uint64_t seq = first; seq <= last; ++seq) {
    if (next != rows.end() && next->info.id.seq == seq) {
      all.push_back(std::move(*next++));
    } else {
      FrameRow row = missing_row(sequence, stream, seq, extent);
      const bool to_end = next == rows.end() && last == extent.seq_last;
      const uint64_t end = next != rows.end() ? next->info.sample_id_first : to_end ? extent.cover.sample_id_end : sample_id;
      const int64_t utc_end_ns = next != rows.end() ? next->info.utc_first_ns : to_end ? extent.cover.utc_end_ns : utc_ns;
      row.info.sample_id_first = known ? sample_id : end;
      row.info.utc_first_ns = known ? utc_ns : utc_end_ns;
      row.info.sample_id_end = std::max(row.info.sample_id_first, end);
      row.info.utc_end_ns = utc_end_ns;
      all.push_back(std::move(row));
    }
    sample_id = all.back().info.sample_id_end;
    utc_ns = all.back().info.utc_end_ns;
    known = true;
  }
  return all;
}

}  // namespace

std::string segment_database_path(const std::string& directory, uint64_t number) {
  return number == segment_of_version_1 ? database_path(directory) : segment_path(directory, number);
}

void SegmentSet::set_newest(uint64_t number, Database* database) {
  newest_ = number;
  newest_database_ = database;
  forget(number);
}

void SegmentSet::forget(uint64_t number) {
  opened_.remove_if([number](const Opened& opened) { return opened.number == number; });
}

void SegmentSet::forget_all_but(const std::vector<uint64_t>& numbers) {
  opened_.remove_if([&](const Opened& opened) {
    return opened.number != segment_of_version_1 && std::find(numbers.begin(), numbers.end(), opened.number) == numbers.end();
  });
}

// None: it is there, but nothing of it can be read.
Result<SegmentSet::Views> SegmentSet::open(uint64_t number) {
  if (newest_database_ != nullptr && number == newest_) return Views{newest_database_};
  const auto found = std::find_if(opened_.begin(), opened_.end(), [number](const Opened& o) { return o.number == number; });
  if (found != opened_.end()) {
    opened_.splice(opened_.begin(), opened_, found);
  } else {
    auto opened = open_views(number);
    if (!opened) return opened.error();
    opened_.push_front(std::move(*opened));
    if (opened_.size() > opened_max) opened_.pop_back();
  }
  Views views;
  for (const auto& database : opened_.front().databases) views.push_back(database.get());
  return views;
}

Result<SegmentSet::Opened> SegmentSet::open_views(uint64_t number) {
  const std::string path = segment_database_path(directory_, number);
  Opened opened{number, {}};
  auto segment = open_readable(path, LastTransaction::confirmed);
  const bool missing = !segment && segment.error().code == Errc::not_found && missing_is_damage_;
  if (!segment && !missing && segment.error().code != Errc::damaged) return segment.error();
  if (missing) return opened;
  const bool damaged = !segment || segment->damaged;
  if (damaged && number != segment_of_version_1) {
    auto rows = open_rows(path);
    if (!rows) return rows.error();
    opened.databases.push_back(std::move(*rows));
  }
  if (segment) opened.databases.push_back(std::move(segment->database));
  return opened;
}

// Where the tree of rows is damaged: each row by itself, those that cannot be reached are left out.
Result<std::vector<FrameRow>> SegmentSet::rows_one_by_one(Database& database, const wire::FrameSequence& sequence, int64_t stream,
                                                          const FrameQuery& query) {
  std::vector<FrameRow> all;
  uint64_t bytes = 0;
  const uint64_t count = std::min<uint64_t>(query.seq_last - query.seq_first + 1, query.frames_max);
  for (uint64_t seq = query.seq_first; seq - query.seq_first < count && bytes < query.bytes_max; ++seq) {
    auto row = list_frames(database, sequence, stream, {seq, seq, 1});
    if (!row && row.error().code != Errc::damaged) return row.error();
    if (!row || row->empty()) continue;
    bytes += row->front().info.size_bytes;
    all.push_back(std::move(row->front()));
  }
  return all;
}

Result<std::vector<FrameRow>> SegmentSet::rows(const wire::FrameSequence& sequence, int64_t stream, uint64_t segment,
                                               const FrameQuery& query) {
  auto views = open(segment);
  if (!views) return views.error();
  std::map<uint64_t, FrameRow> all;
  for (Database* database : *views) {
    auto rows = list_frames(*database, sequence, stream, query);
    if (!rows && rows.error().code == Errc::damaged) rows = rows_one_by_one(*database, sequence, stream, query);
    if (!rows) return rows.error();
    if (views->size() == 1) return rows;
    for (FrameRow& row : *rows) all.try_emplace(row.info.id.seq, std::move(row));
  }
  std::vector<FrameRow> merged;
  for (auto& [seq, row] : all) merged.push_back(std::move(row));
  return merged;
}

// The frame of a row, from the first view that has it whole.
Result<StoredFrame> SegmentSet::frame_of(const FrameRow& row, const Views& views, uint64_t segment) {
  StoredFrame found{row.info, {}, false};
  const auto stream = row.key >> seq_bits;
  const uint64_t seq = row.info.id.seq;
  for (Database* database : views) {
    auto rows = views.size() == 1 ? Result<std::vector<FrameRow>>(std::vector{row})
                                  : rows_one_by_one(*database, row.info.id.sequence, stream, {seq, seq});
    if (!rows) return rows.error();
    if (rows->empty()) continue;
    auto frame = read_frame(*database, rows->front(), check_of(segment));
    if (!frame) return frame.error();
    if (frame->intact) return frame;
    if (found.bytes.empty()) found.bytes = std::move(frame->bytes);
  }
  return found;
}

// A segment that could not be read is opened again the next time: what the medium has lost of it shows then.
Status SegmentSet::failed(uint64_t segment, const Error& error) {
  if (error.code == Errc::unreachable) forget(segment);
  return error;
}

// Calls each(row, views, segment) -> Status for the frames asked for, in order.
template <class Each>
Status SegmentSet::walk(const wire::FrameSequence& sequence, const Stream& stream, uint64_t seq, std::optional<FrameState> state,
                        const ReadLimits& limits, const Each& each) {
  if (seq == 0) return {};  // after the last number there is
  size_t frames = 0;
  uint64_t bytes = 0;
  auto at = find_extent(stream, seq);
  if (at == stream.extents.end()) at = stream.extents.lower_bound(seq);
  for (; at != stream.extents.end() && frames < limits.frames_max; ++at) {
    const Extent& extent = at->second;
    if (state && extent.state != *state) continue;
    for (uint64_t from = std::max(seq, at->first); from <= extent.seq_last && frames < limits.frames_max;) {
      const uint64_t count = std::min<uint64_t>({limits.frames_max - frames, rows_at_once, extent.seq_last - from + 1});
      const uint64_t last = from + count - 1;
      auto found = rows(sequence, stream.id, extent.segment, {from, last});
      if (!found) return failed(extent.segment, found.error());
      auto views = open(extent.segment);
      if (!views) return views.error();
      if (views->size() > 1) std::erase_if(*found, [&](const FrameRow& row) { return !is_possible(row.info, extent); });
      for (const FrameRow& row : with_missing(std::move(*found), sequence, stream.id, from, last, at->first, extent)) {
        bytes += row.info.size_bytes;
        if (frames > 0 && bytes > limits.bytes_max) return {};
        const Status taken = each(row, *views, extent.segment);
        if (!taken) return failed(extent.segment, taken.error());
        ++frames;
      }
      from = last + 1;
    }
  }
  return {};
}

Result<std::vector<StoredFrame>> SegmentSet::read(const wire::FrameSequence& sequence, const Stream& stream, uint64_t seq,
                                                  std::optional<FrameState> state, const ReadLimits& limits) {
  std::vector<StoredFrame> frames;
  const Status read =
      walk(sequence, stream, seq, state, limits, [&](const FrameRow& row, const Views& views, uint64_t segment) -> Status {
        auto frame = frame_of(row, views, segment);
        if (!frame) return frame.error();
        frames.push_back(std::move(*frame));
        return {};
      });
  if (!read) return read.error();
  return frames;
}

Result<std::vector<FrameInfo>> SegmentSet::list(const wire::FrameSequence& sequence, const Stream& stream, uint64_t seq,
                                                std::optional<FrameState> state, const ReadLimits& limits) {
  std::vector<FrameInfo> frames;
  const Status read = walk(sequence, stream, seq, state, limits, [&](const FrameRow& row, const Views&, uint64_t) -> Status {
    frames.push_back(row.info);
    return {};
  });
  if (!read) return read.error();
  return frames;
}

RowReader SegmentSet::row_reader(const wire::FrameSequence& sequence, int64_t stream) {
  return [this, sequence, stream](uint64_t segment, uint64_t first, uint64_t last) -> Result<std::vector<FrameInfo>> {
    auto found = rows(sequence, stream, segment, {first, last});
    if (!found) return found.error();
    std::vector<FrameInfo> frames;
    for (FrameRow& row : *found) frames.push_back(std::move(row.info));
    return frames;
  };
}

}  // namespace joulespool::spool
