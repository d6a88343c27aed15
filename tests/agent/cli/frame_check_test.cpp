#include "agent/cli/frame_check.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/frame_factory.h"

using namespace joulespool;
using namespace joulespool::cli;
using test::FrameFactory;

namespace {

spool::StoredFrame stored(wire::Bytes bytes) {
  spool::StoredFrame frame;
  frame.bytes = std::move(bytes);
  const auto read = wire::read_frame(frame.bytes);
  REQUIRE(std::holds_alternative<wire::Frame>(read));
  const wire::FrameHeader& header = std::get<wire::Frame>(read).header;
  frame.info.id = header.id();
  frame.info.sample_id_first = header.sample_id_first;
  frame.info.sample_id_end = header.sample_id_end;
  frame.info.size_bytes = frame.bytes.size();
  return frame;
}

// The frame with a changed header around the same payload.
template <class Change>
spool::StoredFrame changed(const spool::StoredFrame& frame, Change change) {
  const auto read = wire::read_frame(frame.bytes);
  wire::FrameHeader header = std::get<wire::Frame>(read).header;
  change(header);
  return stored(wire::write_frame(header, std::get<wire::Frame>(read).payload));
}

std::vector<Hole> holes(std::vector<wire::SeqRange> present, std::vector<wire::SeqRange> recorded, uint64_t queued_first,
                        uint64_t next, bool records_complete) {
  SequenceContent content;
  for (const wire::SeqRange& range : present) content.present.insert(range.first, range.last + 1);
  for (const wire::SeqRange& range : recorded) content.recorded.insert(range.first, range.last + 1);
  content.queued_seq_first = queued_first;
  content.seq_next = next;
  content.records_complete = records_complete;
  return find_holes(content);
}

}  // namespace

TEST_CASE("frame check: frames of every lane are well") {
  FrameFactory factory("js220-1");
  CHECK(check_frame(stored(factory.flat_stat(0, 10000))) == std::nullopt);
  CHECK(check_frame(stored(factory.flat_wave(0, 500))) == std::nullopt);
  CHECK(check_frame(stored(factory.started(0))) == std::nullopt);
  const std::vector<float> i = {1.0F, NAN, -0.5F, INFINITY};
  const std::vector<float> v = {3.3F, 3.3F, NAN, 1.0F};
  CHECK(check_frame(stored(factory.wave(0, i, v))) == std::nullopt);
}

TEST_CASE("frame check: at a lower rate the windows say whether the header is right") {
  FrameFactory factory("js220-1");
  std::vector<float> i(5000), v(5000, 3.3F);
  for (size_t k = 0; k < i.size(); ++k) i[k] = k % 100 == 7 ? NAN : static_cast<float>(k) * 1e-6F;
  for (const wire::Resolution& kept : {wire::Resolution{20, 2000, 0, false}, wire::Resolution{0, 4000, 9000, true}}) {
    factory.header.kept = kept;
    const spool::StoredFrame frame = stored(factory.wave(1234, i, v));
    CHECK(check_frame(frame) == std::nullopt);
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { h.i_sum += 1; }))->find("i_sum") != std::string::npos);
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { --h.valid; }))->find("valid") != std::string::npos);
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { h.kept.reset(); })) != std::nullopt);
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { h.kept->decimation = 40; })) != std::nullopt);
  }
}

TEST_CASE("frame check: what the spool's checksum refuses is damaged") {
  FrameFactory factory("js220-1");
  spool::StoredFrame frame = stored(factory.flat_stat(0, 2000));
  frame.intact = false;
  CHECK(check_frame(frame)->find("checksum of the spool") != std::string::npos);
  frame.intact = true;
  frame.bytes.back() ^= std::byte{1};
  CHECK(*check_frame(frame) == "not a frame: checksum");
}

TEST_CASE("frame check: the spool and the header must agree") {
  FrameFactory factory("js220-1");
  spool::StoredFrame frame = stored(factory.flat_stat(0, 2000));
  frame.info.id.seq = 7;
  CHECK(*check_frame(frame) == "the header names another frame than the spool");
  frame = stored(factory.flat_stat(0, 2000));
  frame.info.sample_id_end = 7;
  CHECK(*check_frame(frame) == "the header covers other samples than the spool says");
}

TEST_CASE("frame check: counts and sums that the payload does not give are found in every lane") {
  FrameFactory factory("js220-1");
  for (const auto& frame : {stored(factory.flat_stat(0, 10000)), stored(factory.flat_wave(0, 500))}) {
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { h.i_sum += 1; }))->starts_with("header says i_sum = "));
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { h.p_sum -= 1; }))->starts_with("header says p_sum = "));
    CHECK(check_frame(changed(frame, [](wire::FrameHeader& h) { h.valid -= 1; }))->starts_with("header says valid = "));
  }
  const spool::StoredFrame stat = stored(factory.flat_stat(0, 10000));
  CHECK(check_frame(changed(stat, [](wire::FrameHeader& h) {
          h.samples -= 1, h.valid -= 1;
        }))->starts_with("header says samples = "));
  const spool::StoredFrame events = stored(factory.started(0));
  CHECK(check_frame(changed(events, [](wire::FrameHeader& h) { h.i_sum = 1; }))->starts_with("header says i_sum = "));
}

TEST_CASE("frame check: a payload that does not decode is damaged") {
  FrameFactory factory("js220-1");
  const spool::StoredFrame stat = stored(factory.flat_stat(0, 10000));
  CHECK(check_frame(changed(stat, [](wire::FrameHeader& h) { h.codec = 9; })).has_value());
  CHECK(check_frame(changed(stat, [](wire::FrameHeader& h) { h.lane = wire::Lane::wave; })).has_value());
  CHECK(check_frame(changed(stat, [](wire::FrameHeader& h) { h.lane = wire::Lane::event; })).has_value());
  CHECK(check_frame(changed(stored(factory.started(0)), [](wire::FrameHeader& h) { h.codec = 2; })) == "codec 2 is not known");
}

TEST_CASE("holes: a sequence without any is whole") {
  CHECK(holes({{1, 10}}, {}, 1, 11, true).empty());
  CHECK(holes({}, {}, 0, 1, true).empty());
}

TEST_CASE("holes: what lies before the oldest waiting frame was delivered") {
  CHECK(holes({{5, 10}}, {}, 5, 11, true) == std::vector<Hole>{{{1, 4}, HoleCause::delivered}});
  CHECK(holes({}, {}, 0, 11, true) == std::vector<Hole>{{{1, 10}, HoleCause::delivered}});
  // Frames that were kept before uploading began.
  CHECK(holes({{1, 3}, {8, 10}}, {}, 8, 11, true) == std::vector<Hole>{{{4, 7}, HoleCause::delivered}});
  CHECK(holes({{1, 3}}, {}, 0, 11, true) == std::vector<Hole>{{{4, 10}, HoleCause::delivered}});
}

TEST_CASE("holes: between waiting frames, a gap record explains") {
  CHECK(holes({{1, 3}, {6, 10}}, {{4, 5}}, 1, 11, true) == std::vector<Hole>{{{4, 5}, HoleCause::recorded}});
  CHECK(holes({{1, 3}, {8, 10}}, {{4, 5}}, 1, 11, true) ==
        std::vector<Hole>{{{4, 5}, HoleCause::recorded}, {{6, 7}, HoleCause::unexplained}});
}

TEST_CASE("holes: between waiting frames and without a record they are unexplained, unless records have left the spool") {
  CHECK(holes({{1, 3}, {6, 10}}, {}, 1, 11, true) == std::vector<Hole>{{{4, 5}, HoleCause::unexplained}});
  CHECK(holes({{1, 3}, {6, 10}}, {}, 1, 11, false) == std::vector<Hole>{{{4, 5}, HoleCause::undecided}});
  CHECK(holes({{1, 3}}, {}, 1, 6, true) == std::vector<Hole>{{{4, 5}, HoleCause::unexplained}});
  CHECK(holes({{1, 3}, {6, 10}}, {}, 0, 11, true) == std::vector<Hole>{{{4, 5}, HoleCause::unexplained}});
}

TEST_CASE("holes: frames that another one replaces are explained, beside those that a gap record names") {
  SequenceContent content;
  for (const wire::SeqRange& range : {wire::SeqRange{1, 2}, {11, 12}}) content.present.insert(range.first, range.last + 1);
  content.replaced.insert(3, 8);
  content.recorded.insert(6, 10);
  content.queued_seq_first = 1;
  content.seq_next = 13;
  content.records_complete = true;
  CHECK(find_holes(content) ==
        std::vector<Hole>{{{3, 5}, HoleCause::replaced}, {{6, 9}, HoleCause::recorded}, {{10, 10}, HoleCause::unexplained}});
}
