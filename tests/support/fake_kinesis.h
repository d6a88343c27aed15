// Kinesis in memory: RecordSink and RecordSource without a server, with failures on demand. Checked against the real thing by
// tests/contract/record_sink_contract.h.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/clock.h"
#include "cloud-bridge/sink/record_sink.h"
#include "cloud-bridge/sink/record_source.h"

namespace joulespool::sink {

// What one put() shall do instead of storing everything.
struct PutScript {
  std::optional<Error> error = {};              // put() returns it
  bool stored_despite_error = false;            // as when the answer is lost on its way back
  std::vector<PutOutcome::Kind> outcomes = {};  // without error: per record; what is missing is stored
};

// Any thread. Must outlive its sinks and sources.
class FakeKinesis {
 public:
  explicit FakeKinesis(Clock& clock) : clock_(clock) {}

  void create_stream(const std::string& stream, int shards);
  // Closes the shard; two new ones share its keys.
  void split_shard(const std::string& stream, const std::string& shard);
  // Sinks and sources of streams that do not exist may be made: their calls fail as Kinesis' do.
  std::unique_ptr<RecordSink> make_sink(const std::string& stream);
  std::unique_ptr<RecordSource> make_source(const std::string& stream);

  // For the next put() of any sink without a script; several queue up.
  void script(PutScript next);
  // For every put() without a script, until called with nothing.
  void fail_always(std::optional<Error> error);
  // At most so many records per read(). Default 100.
  void set_read_limit(size_t records);

  // Everything stored, in the order in which it came.
  [[nodiscard]] std::vector<StoredRecord> stored(const std::string& stream) const;
  [[nodiscard]] size_t put_count() const;

 private:
  friend class FakeSink;
  friend class FakeSource;
  struct Shard {
    std::string id;
    uint32_t hash_first = 0, hash_last = 0;
    bool closed = false;
    std::vector<StoredRecord> records;
  };
  using Stream = std::vector<Shard>;

  Result<std::vector<PutOutcome>> put(const std::string& stream, std::span<const Record> records);
  PutOutcome store(Stream& stream, const Record& record);
  PutScript next_script();
  Result<std::vector<std::string>> shards(const std::string& stream) const;
  Result<size_t> position(const std::string& stream, const std::string& shard, StartAt start) const;
  Result<RecordBatch> read(const std::string& stream, const std::string& shard, size_t& position) const;
  const Shard* find(const std::string& stream, const std::string& shard) const;

  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Stream> streams_;
  std::deque<PutScript> scripts_;
  std::optional<Error> always_;
  size_t read_limit_ = 100;
  size_t put_count_ = 0;
  uint64_t last_sequence_ = 0;
};

}  // namespace joulespool::sink
