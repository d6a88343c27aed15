#include "cloud-bridge/app/put_workers.h"

#include <cassert>
#include <limits>

namespace joulespool::bridge {

PutWorkers::PutWorkers(std::vector<std::unique_ptr<sink::RecordSink>> sinks, Done done)
    : sinks_(std::move(sinks)), done_(std::move(done)), waiting_(sinks_.size()) {
  for (const auto& sink : sinks_) threads_.emplace_back([this, &sink] { work(*sink); });
}

PutWorkers::~PutWorkers() { waiting_.close(); }  // then the threads are joined

void PutWorkers::start(batch::Request&& request) {
  [[maybe_unused]] const bool pushed = waiting_.push(std::move(request));
  assert(pushed);
}

void PutWorkers::work(sink::RecordSink& sink) {
  std::vector<sink::Record> records;
  while (auto request = waiting_.pop_until(std::numeric_limits<int64_t>::max())) {
    records.clear();
    for (const batch::HeldRecord& record : request->records) records.push_back({record.partition_key, record.data});
    auto outcomes = sink.put(records);
    done_({std::move(*request), std::move(outcomes)});
  }
}

}  // namespace joulespool::bridge
