#include "agent/spool/sqlite_open.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "agent/spool/disk_files.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_commit.h"
#include "agent/spool/sqlite_segments.h"

namespace joulespool::spool {
namespace {

// How much is looked at before the agent takes data: some tenths of a second on a card.
constexpr uint64_t scan_bytes_max = 64ULL * 1024 * 1024;

// What a segment says of the spool.
struct SegmentState {
  std::optional<SpoolState> state;  // none: its first transaction never was committed
  bool damaged = false;             // its log is
  bool is_last = true;              // the state is that of its last transaction
};

Result<std::optional<SpoolState>> load_rebuilt(const std::string& path, LastTransaction last, bool& damaged) {
  auto segment = open_readable(path, last);
  if (!segment) return segment.error();
  damaged = segment->damaged;
  return load_state(*segment->database);
}

// The state that the segment ends with: behind damage in its log too, else one before. Only another boot can have torn the last
// transaction.
Result<SegmentState> load_segment(const std::string& path, const std::optional<std::string>& boot) {
  SegmentState found;
  auto before_last = load_rebuilt(path, LastTransaction::may_be_torn, found.damaged);
  if (!before_last && before_last.error().code != Errc::damaged) return before_last.error();
  const bool has_state = before_last && *before_last;
  if (before_last && (!found.damaged || (has_state && (*before_last)->meta.boot != boot))) {
    found.state = std::move(*before_last);
    found.is_last = !found.damaged || boot.has_value();
    return found;
  }
  found.damaged = true;
  auto last = load_rebuilt(path, LastTransaction::confirmed, found.damaged);
  if (!last && last.error().code != Errc::damaged) return last.error();
  // Where no other transaction has a state, the last one may be the first, and torn.
  const bool is_born = !before_last || has_state;
  if (last && *last && (is_born || (*last)->meta.boot == boot)) {
    found.state = std::move(*last);
    return found;
  }
  found.is_last = false;
  found.damaged = true;
  if (!is_born) return found;
  if (has_state) {
    found.state = std::move(*before_last);
    return found;
  }
  auto before_damage = open_segment(path, OpenMode::snapshot);
  auto state = before_damage ? load_state(**before_damage) : Result<std::optional<SpoolState>>(before_damage.error());
  if (!state) return state.error();
  found.state = std::move(*state);
  return found;
}

uint64_t file_bytes(const std::string& path) {
  std::error_code failed;
  const auto size = std::filesystem::file_size(path, failed);
  return failed ? 0 : size;
}

class Search {
 public:
  Search(const std::string& directory, const SearchLimits& limits) : directory_(directory), limits_(limits) {}

  Result<FoundState> run() {
    JOULESPOOL_TRY(search_segments(), "open");
    if (!found_.is_known) JOULESPOOL_TRY(search_version_1(), "open");
    JOULESPOOL_TRY(adopt_frames(), "open");
    return std::move(found_);
  }

 private:
  // From the newest one back to the first that has a state.
  Status search_segments() {
    std::vector<uint64_t> numbers = list_segments(directory_);
    for (; !numbers.empty() && !found_.is_known; numbers.pop_back()) {
      const uint64_t number = numbers.back();
      if (!segment_has_begun(directory_, number)) continue;
      const std::string path = segment_path(directory_, number);
      auto loaded = load_segment(path, limits_.boot);
      if (!loaded && loaded.error().code != Errc::damaged) return loaded.error().in(path);
      if (!loaded) {
        unread_.push_back({number, loaded.error().message});
      } else if (loaded->state) {
        adopt_state(number, std::move(*loaded));
      } else if (loaded->damaged) {
        auto log = summarize_log(path);
        if (!log) return log.error();
        unborn_.push_back({{number, "it has no state"}, log->transactions});
      }
    }
    // One transaction that did not get through is what a power cut leaves of a segment that had just begun.
    const bool same_boot = !limits_.boot || (found_.is_known && found_.state.meta.boot == *limits_.boot);
    for (auto& [segment, transactions] : unborn_)
      if (transactions > 1 || (transactions == 1 && same_boot)) unread_.push_back(std::move(segment));
    std::sort(unread_.begin(), unread_.end(), [](const UnreadSegment& a, const UnreadSegment& b) { return a.number > b.number; });
    return {};
  }

  void adopt_state(uint64_t number, SegmentState loaded) {
    found_.state = std::move(*loaded.state);
    found_.is_known = found_.was_there = true;
    if (!loaded.damaged) return;
    found_.damaged = true;
    found_.notices.push_back("the log of " + segment_path(directory_, number) +
                             " is damaged: frames that cannot be read become gaps");
    if (!loaded.is_last) ends_early_ = number;
  }

  Status search_version_1() {
    const std::string path = database_path(directory_);
    if (!exists(path)) return {};
    auto state = import_version_1(path, segment_of_version_1);
    if (state && *state) {
      found_.state = std::move(**state);
      found_.is_known = found_.was_there = true;
    }
    if (state) return {};
    if (state.error().code != Errc::damaged) return state.error();
    found_.damaged = true;
    found_.unusable.push_back({segment_of_version_1, state.error().message});
    return {};
  }

  // What lies behind the state that was found.
  Status adopt_frames() {
    FoundTable found;
    uint64_t bytes = 0;
    if (ends_early_) JOULESPOOL_TRY(look_at(*ends_early_, found, bytes), "look for frames");
    for (const UnreadSegment& segment : unread_) {
      found_.damaged = true;
      const uint64_t before = found_frames_;
      if (bytes == 0 || bytes + segment_bytes(segment.number) <= limits_.scan_bytes_max)
        JOULESPOOL_TRY(look_at(segment.number, found, bytes), "look for frames");
      if (found_frames_ == before) {
        found_.unusable.push_back({segment.number, segment.why});
      } else {
        found_.notices.push_back("the state in " + segment_path(directory_, segment.number) + " cannot be read (" + segment.why +
                                 "): " + std::to_string(found_frames_ - before) + " frames in it can");
      }
    }
    if (found.empty()) return {};
    if (!found_.is_known) found_.state.meta.host = host_;
    found_.was_there = true;
    const auto there = list_segments(directory_);
    const auto is_there = [&](uint64_t number) {
      return number == segment_of_version_1 || std::binary_search(there.begin(), there.end(), number);
    };
    const Adopted adopted = adopt(found_.state.streams, found_.state.positions, found, found_.is_known, is_there);
    found_.extended = adopted.frames + adopted.missing > 0;
    if (found_.extended)
      found_.notices.push_back("behind the last state that can be read there are " + std::to_string(adopted.frames) +
                               " frames (" + std::to_string(adopted.bytes) + " bytes), and " + std::to_string(adopted.missing) +
                               " that cannot be read and become gaps");
    return {};
  }

  Status look_at(uint64_t number, FoundTable& found, uint64_t& bytes) {
    bytes += std::max<uint64_t>(segment_bytes(number), 1);
    FoundTable here;
    JOULESPOOL_TRY(find_frames(segment_path(directory_, number), number, found_.state.streams, here, host_), "read");
    for (auto& [sequence, stream] : here) {
      found_frames_ += stream.frames.size();
      FoundStream& all = found.try_emplace(sequence, FoundStream{stream.id, {}}).first->second;
      if (all.id != stream.id) continue;
      for (auto& [seq, frame] : stream.frames) {
        const auto [at, added] = all.frames.try_emplace(seq, frame);
        if (!added && at->second.segment < number) at->second = std::move(frame);
      }
    }
    return {};
  }

  [[nodiscard]] uint64_t segment_bytes(uint64_t number) const {
    const std::string path = segment_path(directory_, number);
    return file_bytes(path) + file_bytes(path + "-wal");
  }

  const std::string& directory_;
  const SearchLimits& limits_;
  FoundState found_;
  std::string host_;
  std::optional<uint64_t> ends_early_;  // the segment of the state, if there is more behind it
  std::vector<UnreadSegment> unread_;   // the newest first
  std::vector<std::pair<UnreadSegment, uint64_t>> unborn_;
  uint64_t found_frames_ = 0;
};

int64_t id_max(const StreamTable& streams) {
  int64_t id = 0;
  for (const auto& [sequence, stream] : streams) id = std::max(id, stream.id);
  return id;
}

// Whose frames have this number: nullptr if it is not known.
const wire::FrameSequence* sequence_of(const StreamTable& known, int64_t id) {
  for (const auto& [sequence, stream] : known)
    if (stream.id == id) return &sequence;
  return nullptr;
}

// The frames of one number, read one by one: their bytes are many.
class StreamReader {
 public:
  StreamReader(Database& rows, uint64_t segment, int64_t id) : rows_(rows), segment_(segment), id_(id) {}

  // `sequence`: whose they are; none: the first of them says it.
  Status read(std::optional<wire::FrameSequence> sequence, FoundTable& found, std::string& host) {
    constexpr size_t rows_at_once = 1000;
    for (uint64_t from = 1; from <= seq_max;) {
      auto rows = list_frames(rows_, sequence.value_or(wire::FrameSequence{}), id_, {from, seq_max, rows_at_once});
      if (!rows) return rows.error();
      for (FrameRow& row : *rows) JOULESPOOL_TRY(read_row(row, sequence, found, host), "frame");
      if (rows->size() < rows_at_once) break;
      from = rows->back().info.id.seq + 1;
    }
    return {};
  }

 private:
  Status read_row(FrameRow& row, std::optional<wire::FrameSequence>& sequence, FoundTable& found, std::string& host) {
    if (sequence) row.info.id.sequence = *sequence;
    auto stored = read_frame(rows_, row, FrameCheck::row);
    if (!stored) return stored.error();
    const auto frame = wire::read_frame(stored->bytes);
    const auto* const whole = std::get_if<wire::Frame>(&frame);
    if (!stored->intact || whole == nullptr) return {};
    if (!sequence) sequence = whole->header.id().sequence;
    row.info.id.sequence = *sequence;
    auto told = found_frame(row.info, segment_, *whole);
    if (!told) return {};
    if (host.empty()) host = whole->header.host;
    if (whole->header.host != host) return {};
    FoundStream& stream = found.try_emplace(*sequence, FoundStream{id_, {}}).first->second;
    if (stream.id == id_) stream.frames.emplace(row.info.id.seq, std::move(*told));
    return {};
  }

  Database& rows_;
  uint64_t segment_;
  int64_t id_;
};

}  // namespace

Status find_frames(const std::string& database, uint64_t segment, const StreamTable& known, FoundTable& found,
                   std::string& host) {
  auto rows = open_rows(database);
  if (!rows) return rows.error();
  const int64_t old_ids = id_max(known);
  Statement next = (*rows)->prepare("SELECT min(key) FROM frames WHERE key > ?1");
  for (int64_t key = 0;;) {
    next.start(key);
    auto row = next.next();
    if (!row) return row.error();
    const int64_t id = *row ? next.integer(0) >> seq_bits : 0;
    next.reset();
    if (id == 0) return {};
    const wire::FrameSequence* const sequence = sequence_of(known, id);
    // A number that was given and is not known any more: its frames have left.
    if (sequence != nullptr || id > old_ids)
      JOULESPOOL_TRY(
          StreamReader(**rows, segment, id).read(sequence == nullptr ? std::nullopt : std::optional(*sequence), found, host),
          database);
    key = frame_key(id, seq_max);
  }
}

Result<FoundState> find_state(const std::string& directory, const SearchLimits& limits) {
  return Search(directory, limits).run();
}

Result<LoadedSpool> load_newest(const SpoolOptions& options) {
  auto found = find_state(options.directory, {options.boot, scan_bytes_max});
  if (!found) return found.error();
  LoadedSpool loaded;
  loaded.was_there = found->was_there;
  loaded.state = std::move(found->state);
  loaded.notices = std::move(found->notices);
  SegmentMeta& meta = loaded.state.meta;
  if (loaded.was_there && !meta.host.empty() && meta.host != options.host)
    return Error{Errc::usage, "it is the spool of host " + meta.host + ", not of " + options.host};
  meta.host = options.host;
  const std::vector<uint64_t> numbers = list_segments(options.directory);
  loaded.newest_number = numbers.empty() ? 0 : numbers.back();
  if (!found->unusable.empty()) {
    std::vector<std::string> databases;
    for (const UnreadSegment& segment : found->unusable)
      databases.push_back(segment_database_path(options.directory, segment.number));
    auto moved = move_aside(options.directory, databases);
    if (!moved) return moved.error();
    const std::string others = databases.size() == 1 ? "" : " and " + std::to_string(databases.size() - 1) + " more";
    loaded.notices.push_back(databases.front() + others + " cannot be read (" + found->unusable.front().why + "): moved to " +
                             *moved + "; `joulespool spool repair` takes what can be read of it");
  }
  if (found->is_known && !found->damaged && (meta.closed || meta.boot == options.boot)) return loaded;
  auto epoch = random_epoch();
  if (!epoch) return epoch.error();
  meta.epoch = *epoch;
  // Sequences of before are never continued.
  const SpoolState& state = loaded.state;
  for (auto at = loaded.state.streams.begin(); at != loaded.state.streams.end();)
    at = is_over(state, at->first, at->second) ? loaded.state.streams.erase(at) : std::next(at);
  return loaded;
}

}  // namespace joulespool::spool
