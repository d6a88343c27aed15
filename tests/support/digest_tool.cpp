// digest_tool --directory D | digest_tool --stream S --endpoint URL --region R: digests (frame_digest.h) of all frames in a
// directory (one file each, by name) or in a stream, without those for which another one stands. The Python reader's `digest`
// must print the same. Exit code 1 if anything was damaged.
#include <filesystem>
#include <iostream>

#include "agent/base/clock.h"
#include "agent/wire/replaced_frames.h"
#include "cloud-bridge/reader/stream_scan.h"
#include "cloud-bridge/sink/kinesis_source.h"
#include "tests/support/file_bytes.h"
#include "tests/support/frame_digest.h"
#include "tests/support/frame_factory.h"

namespace joulespool::test {
namespace {

using RecordReceiver = std::function<void(sink::StoredRecord&&)>;

Status read_directory(const std::string& path, const RecordReceiver& receiver) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) files.push_back(entry.path());
  if (error) return Error{Errc::unreachable, path + ": " + error.message()};
  std::sort(files.begin(), files.end());
  for (const auto& file : files) receiver(as_record(read_file(file)));
  return {};
}

using Flags = std::map<std::string, std::string>;

Status read_stream(const Flags& flags, const RecordReceiver& receiver) {
  SystemClock clock;
  sink::KinesisOptions options;
  options.stream = flags.at("--stream");
  options.endpoint = flags.at("--endpoint");
  options.region = flags.at("--region");
  auto source = sink::make_kinesis_source(options, clock);
  if (!source) return source.error();
  return reader::scan_stream(**source, clock, {}, receiver);
}

int run(const std::vector<std::string>& arguments) {
  Flags flags;
  for (size_t at = 0; at + 1 < arguments.size(); at += 2) flags[arguments[at]] = arguments[at + 1];
  const bool from_directory = flags.size() == 1 && flags.contains("--directory");
  const bool from_stream =
      flags.size() == 3 && flags.contains("--stream") && flags.contains("--endpoint") && flags.contains("--region");
  if (!from_directory && !from_stream) {
    std::cerr << "digest_tool --directory D | digest_tool --stream S --endpoint URL --region R\n";
    return 2;
  }
  const auto read_all = [&](const RecordReceiver& receiver) {
    return from_directory ? read_directory(flags.at("--directory"), receiver) : read_stream(flags, receiver);
  };
  wire::ReplacedFrameSet replaced;
  const Status looked = read_all([&](sink::StoredRecord&& record) {
    const auto read = wire::read_frame(record.data);
    if (const auto* frame = std::get_if<wire::Frame>(&read)) replaced.add(frame->header);
  });
  FrameDigest digest;
  uint64_t damaged = 0;
  reader::FrameCollector collector([&](const reader::CollectedFrame& frame) {
    if (replaced.contains(frame.header)) return;
    if (const Status added = digest.add(frame); !added) {
      std::cerr << added.error().message << '\n';
      ++damaged;
    }
  });
  const Status read = looked ? read_all([&](sink::StoredRecord&& record) { collector.add(std::move(record)); }) : looked;
  if (!read) {
    std::cerr << read.error().message << '\n';
    return 3;
  }
  collector.finish();
  for (const std::string& line : digest.lines()) std::cout << line << '\n';
  damaged += collector.counters().damaged_total() + collector.counters().wrong_key;
  return damaged == 0 ? 0 : 1;
}

}  // namespace
}  // namespace joulespool::test

int main(int argc, char** argv) { return joulespool::test::run({argv + 1, argv + argc}); }
