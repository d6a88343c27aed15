// What is put into a spool by its benchmark: commits of a given shape, and how long each took.
#pragma once

#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/spool/spool.h"

namespace joulespool::bench {

// The frames of one commit, all of one device.
struct Load {
  std::string_view name;
  std::vector<std::pair<wire::Lane, size_t>> frames;  // lane, bytes
  [[nodiscard]] size_t commit_bytes() const;
};
const std::vector<Load>& loads();
// Throws std::runtime_error for a name that there is not.
const Load& find_load(std::string_view name);

// Random bytes that frames are cut from, at least as many as any commit has.
const wire::Bytes& random_pool();

// Commits of a load with the numbers and times that come next.
class CommitMaker {
 public:
  CommitMaker(const Load& load, std::string device) : load_(load), device_(std::move(device)) {}
  // Of lane wave, every so many frames are queued, the others kept: each is then a run of its own. 1: all are queued; 0: none.
  void set_queued_every(uint64_t every) { queued_every_ = every; }
  spool::Commit next(const spool::SpoolWriter& writer);
  // One more frame for `commit`, behind those that are in it.
  void add_frame(const spool::SpoolWriter& writer, wire::Lane lane, size_t bytes, spool::FrameState state, spool::Commit& commit);
  // One frame of the next level for these of one sequence.
  static void add_merged(const spool::SpoolWriter& writer, const std::vector<spool::FrameInfo>& frames, size_t bytes,
                         spool::Commit& commit);
  [[nodiscard]] wire::FrameSequence sequence(const spool::SpoolWriter& writer, wire::Lane lane) const;

 private:
  const Load& load_;
  const std::string device_;
  uint64_t queued_every_ = 1;
  uint64_t ticks_ = 0;  // all frames of a commit cover the same
};

// Opens `folder` as the spool of the benchmark. Throws std::runtime_error.
std::unique_ptr<spool::SpoolWriter> open_writer(const std::string& folder, uint64_t budget_bytes);
// Throws std::runtime_error with the error's message.
void require(const Status& status, std::string_view what);
template <class T>
T require(Result<T> result, std::string_view what) {
  require(result ? Status{} : Status{result.error()}, what);
  return std::move(*result);
}

double clock_ms(clockid_t clock);
inline double now_ms() { return clock_ms(CLOCK_MONOTONIC); }
inline double process_cpu_ms() { return clock_ms(CLOCK_PROCESS_CPUTIME_ID); }
// Largest resident set of this process so far.
double peak_rss_mib();

// How the spool's life goes: each returns what it measured.
nlohmann::json measure_append(const std::string& what, const std::string& folder, const Load& load, uint64_t bytes, bool drained);
nlohmann::json fill(const std::string& folder, uint64_t budget_bytes, uint64_t bytes);
[[noreturn]] void commit_for_ever(const std::string& folder, uint64_t budget_bytes);
nlohmann::json measure_open(const std::string& folder, uint64_t budget_bytes);
nlohmann::json measure_look(const std::string& folder);
nlohmann::json measure_budget(const std::string& folder, uint64_t budget_bytes, uint64_t bytes);
nlohmann::json measure_runs(const std::string& folder, uint64_t runs);

}  // namespace joulespool::bench
