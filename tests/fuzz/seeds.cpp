#include "tests/fuzz/seeds.h"

#include <algorithm>

#include "agent/wire/ack.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/uncompressed.h"
#include "tests/support/codec1_sample_writer.h"
#include "tests/support/codec1_window_writer.h"
#include "tests/support/file_bytes.h"
#include "tests/support/frame_factory.h"
#include "tests/support/integer_signals.h"

namespace joulespool::fuzz {
namespace {

using test::IntegerSignal;
using wire::Bytes;
using wire::ByteView;

struct NamedFrame {
  std::string name;
  Bytes bytes;
};

void read_golden(const std::filesystem::path& folder, std::vector<NamedFrame>& frames) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const auto& file : files) frames.push_back({"golden-" + file.stem().string(), test::read_file(file)});
}

void add_waves(test::FrameFactory& make, std::vector<NamedFrame>& frames) {
  const auto plain = [&](const std::string& name, const IntegerSignal& signal) {
    frames.push_back({"wave-" + name, make.wave(1000, signal.i, signal.v)});
  };
  const auto with_power = [&](const std::string& name, const IntegerSignal& signal) {
    frames.push_back({"wave-" + name + "-power", make.wave(1000, signal.i, signal.v, signal.p)});
  };
  plain("constant", test::constant_signal(1000, 0.25F, 3.3F));
  for (const size_t count : {3U, 60U, 400U}) {
    const std::string size = std::to_string(count);
    plain("lattice-" + size, test::lattice_signal(count, count));
    plain("grid-" + size, test::grid_signal(count, count));
  }
  with_power("lattice-300", test::lattice_signal(300, 7));
  with_power("special-90", test::special_signal(90, 8));
  with_power("special-500", test::special_signal(500, 9));
  with_power("random-40", test::random_signal(40, 10));
  plain("random-200", test::random_signal(200, 11));
  const IntegerSignal few = test::grid_signal(64, 12);
  const Bytes input = test::packed_runs(64, 1, 9, 13);
  const Bytes range = test::packed_runs(64, 4, 30, 14);
  const Bytes steady = test::packed_runs(4096, 1, 2000, 15);
  const std::vector<codec::PackedSignal> packed = {
      {16, 1, 0, 2, 64, input}, {4, 4, 0, 2, 64, range}, {23, 1, 1, 2, 4096, steady}};
  frames.push_back({"wave-packed", make.wave(1000, few.i, few.v, {}, packed)});
  const IntegerSignal own = test::special_signal(64, 16);
  frames.push_back({"wave-packed-power", make.wave(1000, own.i, own.v, own.p, packed)});
}

void add_stats(test::FrameFactory& make, std::vector<NamedFrame>& frames) {
  constexpr size_t window_samples = 20;
  for (const size_t count : {1U, 4U, 60U}) {
    std::vector<wire::Window> windows;
    const IntegerSignal signal = test::special_signal(count * window_samples, count);
    for (size_t at = 0; at < count; ++at) {
      const auto part = [&](const std::vector<float>& values) {
        return std::span(values).subspan(at * window_samples, window_samples);
      };
      windows.push_back(test::window_of(4000 + at * window_samples * 2, 2, part(signal.i), part(signal.v), part(signal.p)));
    }
    frames.push_back({"stat-" + std::to_string(count), make.stat(windows)});
  }
  frames.push_back({"stat-flat", make.flat_stat(500, 9000)});
  const std::vector<Bytes> replaced = {make.flat_stat(9000, 20000), make.flat_stat(20000, 30000)};
  frames.push_back({"stat-merged", make.merged(replaced, 20000)});
}

void add_events(test::FrameFactory& make, std::vector<NamedFrame>& frames) {
  wire::Gap gap{wire::GapReason::evicted,  0xA1, 1000, 3000, false, 1000, 1'767'225'600'000'000'000,
                1'767'225'601'000'000'000, {},   {},   "x"};
  frames.push_back({"event-gap", make.event({gap})});
  wire::Gap open = gap;
  open.reason = wire::GapReason::device_lost;
  open.open_ended = true;
  frames.push_back({"event-open-gap", make.event({open})});
  gap.lane = wire::Lane::wave;
  gap.frames = wire::SeqRange{3, 9};
  const wire::UtcMap before{0, 5, 2e6, wire::UtcQuality::unsynchronised};
  const wire::UtcMap after{7, 1'767'225'600'000'000'000, 2000001.5, wire::UtcQuality::host};
  frames.push_back(
      {"event-kinds", make.event({gap, wire::ClockCorrected{before, after}, wire::DeviceNote{"trouble", "no permission", 12}})});
  gap.lane = wire::Lane::stat;
  gap.epoch = 0xE0;
  gap.replaced = {{0xE0, {1, 2}}, {0xD0, {300, 4000}}};
  frames.push_back({"event-merged-lost", make.event({gap})});
  frames.push_back({"event-started", make.started(4000)});
  frames.push_back({"event-stopped", make.stopped(8000)});
}

void add_acks(std::vector<Seed>& seeds) {
  const wire::FrameSequence stat{"js220-001122", 0xE1, wire::Lane::stat};
  const wire::FrameSequence wave{"js110-000456", 0xE2, wire::Lane::wave};
  seeds.push_back({"ack", "empty", wire::write_ack({})});
  seeds.push_back({"ack", "ranges", wire::write_ack({{stat, {{1, 5}, {7, 7}}, {}}})});
  seeds.push_back(
      {"ack", "rejected",
       wire::write_ack({{stat, {{1, 5}}, {}}, {wave, {}, {{9, "header"}, {300, "larger than a record"}, {301, "device"}}}})});
}

// The payload, with what its decoder needs of the header in front.
Bytes payload_input(const wire::FrameHeader& header, ByteView payload) {
  switch (header.lane) {
    case wire::Lane::event: break;
    case wire::Lane::stat: return fuzz_input(header.sample_id_first, sample_id_first_width, payload);
    case wire::Lane::wave: return fuzz_input(wire::kept_samples(header).count, sample_count_width, payload);
  }
  return {payload.begin(), payload.end()};
}

std::string payload_target(const wire::FrameHeader& header) {
  switch (header.lane) {
    case wire::Lane::event: break;
    case wire::Lane::stat: return "windows_" + std::to_string(header.codec);
    case wire::Lane::wave: return "samples_" + std::to_string(header.codec);
  }
  return "event";
}

// As agents before codec 2 wrote it.
wire::Frame in_codec1(const wire::Frame& frame, Bytes& payload) {
  wire::Frame old = frame;
  old.header.codec = codec::codec_1;
  if (frame.header.lane == wire::Lane::wave) {
    const auto samples = *codec::decode_samples(frame.payload, frame.header.codec, frame.header.samples);
    std::vector<codec::PackedSignal> packed;
    for (const auto& one : samples.packed) packed.push_back({one.signal, one.bits, one.offset, one.stride, one.count, one.data});
    test::Codec1SampleWriter writer;
    const ByteView written = writer.encode({samples.i, samples.v, samples.p, packed});
    payload.assign(written.begin(), written.end());
  } else {
    test::Codec1WindowWriter writer;
    const ByteView written = writer.encode(
        *codec::decode_windows(frame.payload, frame.header.codec, frame.header.sample_id_first), frame.header.sample_id_first);
    payload.assign(written.begin(), written.end());
  }
  old.payload = payload;
  return old;
}

// A frame, its payload, and what is inside of that.
void add_seeds(const std::string& name, const wire::Frame& frame, std::vector<Seed>& seeds) {
  const wire::FrameHeader& header = frame.header;
  seeds.push_back({"frame", name, wire::write_frame(header, frame.payload)});
  seeds.push_back({payload_target(header), name, payload_input(header, frame.payload)});
  if (header.lane == wire::Lane::event) return;
  if (header.codec == codec::codec_1) seeds.push_back({"sections", name, Bytes(frame.payload.begin(), frame.payload.end())});
  if (header.codec != codec::codec_2 || header.lane != wire::Lane::wave) return;
  const Bytes uncompressed = uncompressed_samples(frame.payload);
  seeds.push_back({"frame", name + "-uncompressed", wire::write_frame(header, uncompressed)});
  seeds.push_back({payload_target(header), name + "-uncompressed", payload_input(header, uncompressed)});
  const std::vector<Bytes> pages = uncompressed_pages(frame.payload);
  for (size_t at = 0; at < pages.size(); ++at)
    seeds.push_back({"pages", name + "-" + std::to_string(at), payload_input(header, pages[at])});
}

}  // namespace

std::vector<Seed> make_seeds(const std::filesystem::path& golden) {
  std::vector<NamedFrame> frames;
  read_golden(golden, frames);
  test::FrameFactory make("js220-001122");
  make.header.codec = codec::codec_2;
  make.header.labels = {{"firmware", "1.4.2"}, {"rig", "7"}};
  add_waves(make, frames);
  add_stats(make, frames);
  make.header.codec = wire::event_codec;
  add_events(make, frames);
  std::vector<Seed> seeds;
  for (const NamedFrame& named : frames) {
    const auto read = wire::read_frame(named.bytes);
    const auto* frame = std::get_if<wire::Frame>(&read);
    if (frame == nullptr) continue;
    add_seeds(named.name, *frame, seeds);
    Bytes payload;
    if (frame->header.lane != wire::Lane::event && frame->header.codec == codec::codec_2 && frame->header.keeps_all())
      add_seeds(named.name + "-codec1", in_codec1(*frame, payload), seeds);
  }
  add_acks(seeds);
  return seeds;
}

}  // namespace joulespool::fuzz
