// How small and how fast: our codecs and everybody's, on the same frames in the same run. JSON on stdout.
//
// codec_bench [SEEDS [own]]   default: 3 seeds; "own": without the others' codecs but memcpy
//
// A frame has 2^18 samples of i, v, p (ours: and the current's range). Each seed is a stream of its own: three consecutive
// frames, encoded by one encoder, which may keep what it learnt. Times: CPU time of this thread, median over frames, seeds and
// repeats; encode times without each stream's first frame, which is told apart.
#include <algorithm>
#include <cstring>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/codec/samples.h"
#include "agent/device/column_file.h"
#include "agent/signal/window_accumulator.h"
#include "tests/bench/own_codecs.h"
#include "tests/bench/peer_codecs.h"
#include "tests/bench/profiles.h"

namespace {

using namespace joulespool;
using namespace joulespool::bench;
using nlohmann::json;

constexpr size_t frame_samples = 1 << 18;
constexpr size_t frames_per_stream = 3;
constexpr size_t payload_bytes_max = 119 * 1024;  // of a frame of 120 KiB, less its header
constexpr uint64_t window_ticks = 2000;

using Stream = std::vector<Frame>;  // consecutive

Frame frame_of(const Recording& recording, size_t first, size_t count) {
  Frame frame;
  for (const auto* column : {&recording.i, &recording.v, &recording.p})
    frame.columns.insert(frame.columns.end(), column->data() + first, column->data() + first + count);
  if (!recording.range.empty()) {
    frame.range_nibbles.resize((count + 1) / 2);
    for (size_t at = 0; at < count; ++at) frame.range_nibbles[at / 2] |= std::byte(recording.range[first + at] << (at % 2 * 4));
  }
  for (const auto& [from, to] : {std::pair{&recording.i_integers, &frame.i_integers}, {&recording.v_integers, &frame.v_integers}})
    if (!from->empty()) to->assign(from->data() + first, from->data() + first + count);
  return frame;
}

Stream stream_of(const Recording& recording) {
  Stream stream;
  for (size_t first = 0; first < recording.i.size(); first += frame_samples)
    stream.push_back(frame_of(recording, first, std::min(frame_samples, recording.i.size() - first)));
  return stream;
}

double thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
double cpu_ns(Work work) {
  const double before = thread_cpu_ns();
  work();
  return thread_cpu_ns() - before;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

struct Measured {
  std::vector<double> bits, first_bits;                       // per triple: of each frame; of each stream's first frame
  std::vector<double> encode_ns, first_encode_ns, decode_ns;  // per triple
  bool exact = true;                                          // every frame came back bit for bit
};

void measure_stream(FrameCodec& codec, const Stream& stream, Measured& out) {
  codec.start();
  for (const Frame& frame : stream) {
    const auto count = static_cast<double>(frame.count());
    const bool first = &frame == stream.data();
    size_t bytes = 0;
    const double encode_ns = cpu_ns([&] { bytes = codec.encode(frame); }) / count;
    const double bits = 8 * static_cast<double>(bytes) / count;
    out.bits.push_back(bits);
    if (first) out.first_bits.push_back(bits);
    if (first) out.first_encode_ns.push_back(encode_ns);
    if (!first || stream.size() == 1) out.encode_ns.push_back(encode_ns);
    out.decode_ns.push_back(cpu_ns([&] { codec.decode(); }) / count);
    out.exact = out.exact && codec.gave_back(frame);
  }
}

json measure(NamedCodec& named, const std::vector<Stream>& streams, int repeats) {
  if (!named.codec->takes(streams[0][0])) return {{"name", named.name}};
  Measured measured;
  for (int turn = 0; turn < repeats * named.repeats; ++turn)
    for (const Stream& stream : streams) measure_stream(*named.codec, stream, measured);
  return {{"name", named.name},
          {"bits", mean(measured.bits)},
          {"first_bits", mean(measured.first_bits)},
          {"encode_ns", median(measured.encode_ns)},
          {"first_encode_ns", median(measured.first_encode_ns)},
          {"decode_ns", median(measured.decode_ns)},
          {"exact", measured.exact}};
}

json measure_all(std::vector<NamedCodec>& codecs, const std::vector<Stream>& streams, int repeats = 1) {
  json rows = json::array();
  for (NamedCodec& codec : codecs) rows.push_back(measure(codec, streams, repeats));
  return rows;
}

// The longest frame from `first` on whose payload fits; its bytes.
std::pair<size_t, size_t> fitting_frame(FrameCodec& codec, const Recording& recording, size_t first, size_t guess) {
  const size_t longest = std::min<size_t>(recording.i.size() - first, codec::samples_per_frame_max);
  size_t fits = 0, fit_bytes = 0, count = std::min(guess, longest);
  for (int turn = 0; turn < 8; ++turn) {
    const size_t bytes = codec.encode(frame_of(recording, first, count));
    if (bytes <= payload_bytes_max && count > fits) {
      fits = count;
      fit_bytes = bytes;
    }
    const double share = 0.999 * static_cast<double>(payload_bytes_max) / static_cast<double>(bytes);
    const auto next = std::min(longest, static_cast<size_t>(share * static_cast<double>(count)));
    if (fits > 0 && next <= fits) break;
    count = next;
  }
  return {fits, fit_bytes};
}

// Bits per triple of frames cut to fit the limit; the last one of a stream, which is shorter, counts as it is.
json cut_frames(const std::vector<Recording>& recordings) {
  const auto codec = shipped_codec(best_instruction_set());
  double bytes = 0, samples = 0, frames = 0;
  for (const Recording& recording : recordings) {
    codec->start();
    for (size_t first = 0, guess = 1 << 16; first < recording.i.size();) {
      const auto [count, size] = fitting_frame(*codec, recording, first, guess);
      if (count == 0) break;
      bytes += static_cast<double>(size);
      samples += static_cast<double>(count);
      frames += 1;
      first += guess = count;
    }
  }
  return {{"bits", 8 * bytes / samples}, {"samples", samples / frames}};
}

// What the agent does with samples: windows of all three, and the shipped codec.
json signal_path(const std::vector<Stream>& streams, InstructionSet set) {
  const auto codec = shipped_codec(set);
  std::vector<double> windows_ns, both_ns;
  std::vector<wire::Window> windows;
  for (const Stream& stream : streams) {
    codec->start();
    signal::WindowAccumulator accumulator(window_ticks, set);
    uint64_t sample_id = 0;
    for (const Frame& frame : stream) {
      windows.clear();
      const auto count = static_cast<double>(frame.count());
      const double window_ns = cpu_ns([&] { accumulator.add({sample_id, 1, frame.i(), frame.v(), frame.p()}, windows); }) / count;
      const double encode_ns = cpu_ns([&] { codec->encode(frame); }) / count;
      if (sample_id > 0) {
        windows_ns.push_back(window_ns);
        both_ns.push_back(window_ns + encode_ns);
      }
      sample_id += frame.count();
    }
  }
  return {{"instruction_set", to_string(set)}, {"windows_ns", median(windows_ns)}, {"windows_and_encode_ns", median(both_ns)}};
}

json measure_profile(Model model, Profile profile, uint64_t seeds, std::vector<NamedCodec>& codecs) {
  std::vector<Recording> recordings;
  std::vector<Stream> streams;
  double noise_bits = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    recordings.push_back(make_recording(model, profile, seed, frames_per_stream * frame_samples));
    streams.push_back(stream_of(recordings.back()));
    noise_bits += recordings.back().noise_bits / static_cast<double>(seeds);
  }
  json out = {{"profile", name_of(profile)}, {"realistic", profile != Profile::noise_fs}, {"noise_bits", noise_bits}};
  out["codecs"] = measure_all(codecs, streams);
  out["cut"] = cut_frames(recordings);
  for (const InstructionSet set : available_instruction_sets()) out["path"].push_back(signal_path(streams, set));
  return out;
}

// A recording of a real instrument: i and v, and p if it was recorded too.
json measure_real(const std::string& name, std::vector<float> i, std::vector<float> v, std::vector<float> p,
                  std::vector<NamedCodec>& codecs) {
  Recording recording;
  for (size_t at = p.size(); at < i.size(); ++at) p.push_back(codec::product(i[at], v[at]));
  recording.i_integers = grid_integers(i);
  recording.v_integers = grid_integers(v);
  recording.i = std::move(i);
  recording.v = std::move(v);
  recording.p = std::move(p);
  const size_t samples = recording.i.size();
  return {{"recording", name}, {"samples", samples}, {"codecs", measure_all(codecs, {stream_of(recording)}, 5)}};
}

json real_recordings(std::vector<NamedCodec>& codecs) {
  json rows = json::array();
  const std::string folder = JOULESPOOL_TEST_DATA;
  auto i = device::read_column(folder + "/js220-ble-event.i.f32"), v = device::read_column(folder + "/js220-ble-event.v.f32"),
       p = device::read_column(folder + "/js220-ble-event.p.f32"),
       ppk2 = device::read_column(folder + "/ppk2-ble-advertising.i.f32.zst");
  for (const auto* column : {&i, &v, &p, &ppk2})
    if (!column->ok()) std::cerr << column->error().message << std::endl;
  if (i.ok() && v.ok() && p.ok()) rows.push_back(measure_real("js220-ble-event", *i, *v, *p, codecs));
  if (ppk2.ok()) rows.push_back(measure_real("ppk2-ble-advertising", *ppk2, std::vector<float>(ppk2->size(), 3.3F), {}, codecs));
  return rows;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t seeds = argc > 1 ? std::max(1UL, std::strtoul(argv[1], nullptr, 10)) : 3;
  const bool own_only = argc > 2 && std::strcmp(argv[2], "own") == 0;
  std::vector<NamedCodec> codecs = own_codecs();
  for (NamedCodec& peer : peer_codecs())
    if (!own_only || peer.name == "memcpy") codecs.push_back(std::move(peer));
  json out = {{"seeds", seeds}, {"frame_samples", frame_samples}, {"models", json::array()}};
  for (const Model model : models) {
    json profiles = json::array();
    for (const Profile profile : realistic_profiles) profiles.push_back(measure_profile(model, profile, seeds, codecs));
    profiles.push_back(measure_profile(model, Profile::noise_fs, seeds, codecs));
    out["models"].push_back({{"model", name_of(model)}, {"sample_rate_hz", sample_rate_hz(model)}, {"profiles", profiles}});
  }
  out["recordings"] = real_recordings(codecs);
  std::cout << out.dump(1) << std::endl;
  return 0;
}
