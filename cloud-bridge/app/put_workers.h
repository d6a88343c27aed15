// Threads that put requests into Kinesis, one sink each.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "agent/base/bounded_queue.h"
#include "cloud-bridge/batch/batcher.h"
#include "cloud-bridge/sink/record_sink.h"

namespace joulespool::bridge {

struct PutResult {
  batch::Request request;
  Result<std::vector<sink::PutOutcome>> outcomes;
};

// Every request that is started comes back once, through `done`, on a thread of the workers.
class PutWorkers {
 public:
  using Done = std::function<void(PutResult&&)>;

  PutWorkers(std::vector<std::unique_ptr<sink::RecordSink>> sinks, Done done);
  // Waits for what is under way: as long as the sinks' own timeout at most.
  ~PutWorkers();
  PutWorkers(const PutWorkers&) = delete;
  PutWorkers& operator=(const PutWorkers&) = delete;

  [[nodiscard]] size_t size() const { return sinks_.size(); }
  // The caller starts no more than size() requests before one came back.
  void start(batch::Request&& request);

 private:
  void work(sink::RecordSink& sink);

  std::vector<std::unique_ptr<sink::RecordSink>> sinks_;
  Done done_;
  BoundedQueue<batch::Request> waiting_;
  std::vector<std::jthread> threads_;
};

}  // namespace joulespool::bridge
