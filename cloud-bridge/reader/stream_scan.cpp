#include "cloud-bridge/reader/stream_scan.h"

#include <utility>

namespace joulespool::reader {
namespace {

// Not behind and nothing there, or already at records younger than asked for: a busy shard never runs dry.
bool at_end(const sink::RecordBatch& batch, int64_t until_utc_ns) {
  if (batch.closed) return true;
  if (batch.behind_ms > 0) return false;
  return batch.records.empty() || batch.records.back().arrival_utc_ns >= until_utc_ns;
}

}  // namespace

Result<sink::RecordBatch> read_patiently(sink::RecordSource& source, const std::string& shard, Clock& clock,
                                         std::stop_token stop) {
  int64_t wait_ms = read_retry_ms;
  for (int attempt = 1;; ++attempt, wait_ms *= 2) {
    if (stop.stop_requested()) return Error{Errc::cancelled, "stopped"};
    auto batch = source.read(shard);
    if (batch || batch.error().code != Errc::unreachable || attempt == read_attempts_max) return batch;
    clock.wait_until(clock.monotonic_ns() + wait_ms * ns_per_ms, stop);
  }
}

Status scan_stream(sink::RecordSource& source, Clock& clock, std::stop_token stop,
                   const std::function<void(sink::StoredRecord&&)>& receiver) {
  const int64_t until_utc_ns = clock.realtime_ns();
  auto shards = source.shards();
  if (!shards) return shards.error().in("list shards");
  for (const std::string& shard : *shards) {
    JOULESPOOL_TRY(source.open(shard, sink::StartAt::oldest), "open " + shard);
    for (bool ended = false; !ended;) {
      auto batch = read_patiently(source, shard, clock, stop);
      if (!batch) return batch.error().in("read " + shard);
      ended = at_end(*batch, until_utc_ns);
      for (sink::StoredRecord& record : batch->records) receiver(std::move(record));
    }
  }
  return {};
}

}  // namespace joulespool::reader
