// A real spool with frames of one device, as an agent leaves it.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/frame_factory.h"

namespace joulespool::test {

class DeviceSpool {
 public:
  explicit DeviceSpool(const std::string& directory, const std::string& device = "js220-1") : factory_(device) {
    spool::SpoolOptions options;
    options.directory = directory;
    options.host = "bench";
    auto opened = spool::open_spool_writer(options);
    REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().message));
    writer_ = std::move(opened).value();
    factory_.header.epoch = writer_->epoch();
  }

  FrameFactory& factory() { return factory_; }
  // Stored as the next frame of its sequence. Returns its header.
  wire::FrameHeader add(wire::Bytes bytes) {
    const auto read = wire::read_frame(bytes);
    REQUIRE(std::holds_alternative<wire::Frame>(read));
    const wire::FrameHeader header = std::get<wire::Frame>(read).header;
    spool::NewFrame frame;
    frame.info.id = header.id();
    frame.info.axis = header.axis.life;
    frame.info.sample_id_first = header.sample_id_first;
    frame.info.sample_id_end = header.sample_id_end;
    const bool has_utc = header.utc.quality != wire::UtcQuality::unknown;
    frame.info.utc_first_ns = has_utc ? header.utc.utc_ns_at(header.sample_id_first) : 0;
    frame.info.utc_end_ns = has_utc ? header.utc.utc_ns_at(header.sample_id_end) : 0;
    frame.info.samples = header.samples;
    frame.bytes = std::move(bytes);
    spool::Commit commit;
    commit.frames.push_back(std::move(frame));
    commit.positions.push_back({header.device, header.axis, header.sample_id_end, header.utc, {}});
    const Status status = writer_->commit(commit);
    REQUIRE_MESSAGE(status.ok(), (status.ok() ? "" : status.error().message));
    return header;
  }

 private:
  FrameFactory factory_;
  std::unique_ptr<spool::SpoolWriter> writer_;
};

}  // namespace joulespool::test
