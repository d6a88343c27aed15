// Lets kinesis_faults.py drive the sink and the source: one command per line on stdin, one JSON answer per line on stdout.
//   put <records> <bytes> <key>    one request; every record begins with its number (counted per process) in eight digits
//   read                           the whole stream from the beginning
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "agent/base/clock.h"
#include "cloud-bridge/sink/kinesis_sink.h"
#include "cloud-bridge/sink/kinesis_source.h"

namespace {

using namespace joulespool;
using Json = nlohmann::json;

constexpr int reads_max = 100'000;

Json failure(const Error& error) {
  const char* code = error.code == Errc::unreachable ? "unreachable" : error.code == Errc::usage ? "usage" : "other";
  return {{"error", error.message}, {"code", code}};
}

wire::Bytes numbered_data(uint64_t number, size_t size) {
  wire::Bytes data(size);
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>((number * 31 + i) * 2654435761U >> 13);
  std::string digits(9, '0');
  std::snprintf(digits.data(), digits.size(), "%08llu", static_cast<unsigned long long>(number));
  for (size_t i = 0; i < 8 && i < size; ++i) data[i] = static_cast<std::byte>(digits[i]);
  return data;
}

Json put(sink::RecordSink& sink, Clock& clock, std::istringstream& arguments, uint64_t& number) {
  size_t count = 0;
  size_t size = 0;
  std::string key;
  arguments >> count >> size >> key;
  std::vector<wire::Bytes> data;
  std::vector<sink::Record> records;
  for (size_t i = 0; i < count; ++i) data.push_back(numbered_data(number++, size));
  for (const wire::Bytes& each : data) records.push_back({key, each});
  const int64_t begin_ns = clock.monotonic_ns();
  const auto outcomes = sink.put(records);
  const double seconds = static_cast<double>(clock.monotonic_ns() - begin_ns) / 1e9;
  if (!outcomes) return failure(outcomes.error());
  Json answer = {{"seconds", seconds}, {"outcomes", ""}};
  std::string letters;
  for (const auto& outcome : *outcomes)
    letters += outcome.kind == sink::PutOutcome::Kind::stored      ? 's'
               : outcome.kind == sink::PutOutcome::Kind::throttled ? 't'
                                                                   : 'f';
  answer["outcomes"] = letters;
  return answer;
}

std::string number_of(const wire::Bytes& data) {
  std::string digits;
  for (size_t i = 0; i < 8 && i < data.size(); ++i) digits += static_cast<char>(data[i]);
  return digits;
}

Json read(sink::RecordSource& source, Clock& clock) {
  Json numbers = Json::array();
  size_t bytes = 0;
  size_t damaged = 0;
  const int64_t begin_ns = clock.monotonic_ns();
  const auto shards = source.shards();
  if (!shards) return failure(shards.error());
  double seconds = 0;
  for (const std::string& shard : *shards) {
    if (const Status opened = source.open(shard, sink::StartAt::oldest); !opened) return failure(opened.error());
    for (int reads = 0; reads < reads_max; ++reads) {
      const auto batch = source.read(shard);
      if (!batch) return failure(batch.error());
      seconds = static_cast<double>(clock.monotonic_ns() - begin_ns) / 1e9;
      for (const auto& record : batch->records) {
        const std::string number = number_of(record.data);
        numbers.push_back(number);
        bytes += record.data.size();
        damaged += record.data != numbered_data(std::strtoull(number.c_str(), nullptr, 10), record.data.size());
      }
      if (batch->behind_ms == 0) break;
    }
  }
  return {{"numbers", numbers}, {"bytes", bytes}, {"damaged", damaged}, {"seconds", seconds}};
}

// Arguments: endpoint, stream, request timeout in ms.
int run(char** arguments) {
  SystemClock clock;
  sink::KinesisOptions options{"", arguments[1], arguments[2]};
  options.request_timeout_ms = static_cast<int>(std::strtol(arguments[3], nullptr, 10));
  auto record_sink = sink::make_kinesis_sink(options, clock);
  auto record_source = sink::make_kinesis_source(options, clock);
  if (!record_sink || !record_source) {
    std::cout << failure(record_sink ? record_source.error() : record_sink.error()).dump() << std::endl;
    return 2;
  }
  std::string line;
  uint64_t number = 0;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    const Json answer = verb == "put" ? put(**record_sink, clock, words, number) : read(**record_source, clock);
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 4) return run(arguments);
  std::cerr << "usage: kinesis_tool ENDPOINT STREAM REQUEST_TIMEOUT_MS\n";
  return 2;
}
