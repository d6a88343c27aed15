#include "agent/spool/sqlite_open.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/spool/disk_files.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_commit.h"
#include "agent/spool/sqlite_segments.h"

namespace joulespool::spool {
namespace {

struct Search {
  std::optional<SpoolState> state;
  std::vector<std::string> notices;
  bool damaged = false;
};

// The state that the newest segment ends with: behind damage in its log too, else that before it. Only another boot can have torn
// the last transaction.
Result<std::optional<SpoolState>> load_segment(const std::string& path, const std::string& boot, bool& damaged) {
  for (const auto last : {LastTransaction::may_be_torn, LastTransaction::confirmed}) {
    auto segment = open_readable(path, last);
    if (!segment) return segment.error();
    damaged = segment->damaged;
    auto state = load_state(*segment->database);
    if (!damaged) return state;
    const bool same_boot = state && *state && (*state)->meta.boot == boot;
    if (last == LastTransaction::may_be_torn && same_boot) continue;
    if (state || state.error().code != Errc::damaged) return state;
  }
  auto before = open_segment(path, OpenMode::snapshot);
  return before ? load_state(**before) : Result<std::optional<SpoolState>>(before.error());
}

Status search_segments(const SpoolOptions& options, std::vector<uint64_t> numbers, Search& search) {
  const std::string& directory = options.directory;
  for (; !numbers.empty() && !search.state; numbers.pop_back()) {
    if (!segment_has_begun(directory, numbers.back())) continue;
    const std::string path = segment_path(directory, numbers.back());
    bool damaged = false;
    auto state = load_segment(path, options.boot, damaged);
    if (!state && state.error().code != Errc::damaged) return state.error().in(path);
    if (state) {
      search.state = std::move(*state);
      if (!damaged) continue;
      search.damaged = true;
      search.notices.push_back("the log of " + path + " is damaged: frames that cannot be read become gaps");
      continue;
    }
    auto moved = move_aside(directory, path);
    if (!moved) return moved.error();
    search.damaged = true;
    search.notices.push_back(path + " cannot be read (" + state.error().message + "): it was moved to " + *moved);
  }
  return {};
}

Status search_version_1(const std::string& directory, Search& search) {
  if (search.state || !exists(database_path(directory))) return {};
  auto state = import_version_1(database_path(directory), segment_of_version_1);
  if (state) {
    search.state = std::move(*state);
    return {};
  }
  if (state.error().code != Errc::damaged) return state.error();
  auto moved = move_aside(directory, database_path(directory));
  if (!moved) return moved.error();
  search.damaged = true;
  search.notices.push_back(state.error().message + ": it was moved to " + *moved);
  return {};
}

}  // namespace

Result<LoadedSpool> load_newest(const SpoolOptions& options) {
  const std::vector<uint64_t> numbers = list_segments(options.directory);
  Search search;
  JOULESPOOL_TRY(search_segments(options, numbers, search), "open");
  JOULESPOOL_TRY(search_version_1(options.directory, search), "open");
  LoadedSpool loaded;
  loaded.notices = std::move(search.notices);
  loaded.newest_number = numbers.empty() ? 0 : numbers.back();
  const bool there = loaded.was_there = search.state.has_value();
  if (there) loaded.state = std::move(*search.state);
  SegmentMeta& meta = loaded.state.meta;
  if (there && meta.host != options.host)
    return Error{Errc::usage, "it is the spool of host " + meta.host + ", not of " + options.host};
  meta.host = options.host;
  if (there && !search.damaged && (meta.closed || meta.boot == options.boot)) return loaded;
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
