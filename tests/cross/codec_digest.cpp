// What signal and codec make of made-up samples, as checksums: the same lines from every architecture, and the same sums for
// every instruction set of a line. One line each: case, what, instruction set, bytes, CRC-32C.
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "agent/base/cpu.h"
#include "agent/base/crc32c.h"
#include "agent/codec/samples.h"
#include "agent/codec/windows.h"
#include "agent/signal/decimator.h"
#include "agent/signal/window_accumulator.h"
#include "tests/support/integer_signals.h"

namespace {

using namespace joulespool;
using test::IntegerSignal;
using wire::Bytes;

struct Case {
  std::string name;
  IntegerSignal signal;
  std::vector<codec::PackedSignal> packed;
};

void print(const Case& of, const std::string& what, InstructionSet set, wire::ByteView bytes) {
  std::printf("%s %s %s %zu %08x\n", of.name.c_str(), what.c_str(), std::string(to_string(set)).c_str(), bytes.size(),
              crc32c(bytes));
}

template <class Value>
void append(Bytes& bytes, const Value& value) {
  const auto* from = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

void append(Bytes& bytes, std::span<const float> values) {
  const auto more = std::as_bytes(values);
  bytes.insert(bytes.end(), more.begin(), more.end());
}

Bytes bytes_of(const codec::DecodedSamples& samples) {
  Bytes bytes;
  for (const auto* values : {&samples.i, &samples.v, &samples.p}) append(bytes, std::span(*values));
  for (const codec::DecodedPacked& packed : samples.packed) {
    append(bytes, packed.offset);
    append(bytes, packed.stride);
    bytes.insert(bytes.end(), packed.data.begin(), packed.data.end());
  }
  return bytes;
}

Bytes bytes_of(std::span<const wire::Window> windows) {
  Bytes bytes;
  for (const wire::Window& window : windows) {
    for (const uint64_t place : {window.sample_id_first, window.sample_id_end, window.count, window.valid}) append(bytes, place);
    for (const int128 sum : {window.i_sum, window.v_sum, window.p_sum, window.i2_sum, window.v2_sum}) append(bytes, sum);
    for (const float extreme : {window.i_min, window.i_max, window.v_min, window.v_max, window.p_min, window.p_max})
      append(bytes, extreme);
  }
  return bytes;
}

// Encoded twice: the second frame is coded with what the first one taught.
void digest_samples(const Case& of, InstructionSet set) {
  codec::SampleEncoder encoder(set);
  codec::SampleDecoder decoder(set);
  codec::DecodedSamples decoded;
  for (const char* turn : {"first", "second"}) {
    const wire::ByteView payload = encoder.encode({of.signal.i, of.signal.v, of.signal.p, of.packed});
    print(of, std::string("payload-") + turn, set, payload);
    const Status status = decoder.decode(payload, codec::codec_2, of.signal.i.size(), decoded);
    print(of, std::string("samples-") + turn, set, status ? bytes_of(decoded) : Bytes());
  }
}

void digest_windows(const Case& of, InstructionSet set) {
  const IntegerSignal& signal = of.signal;
  for (const size_t length : {size_t{1}, size_t{9}, size_t{1000}, signal.i.size()}) {
    std::vector<wire::Window> windows;
    const signal::SampleSpan all{77, 2, signal.i, signal.v, signal.p};
    for (size_t at = 0; at < signal.i.size(); at += length)
      windows.push_back(signal::summarise(all.part(at, std::min(length, signal.i.size() - at)), set));
    const std::string name = std::to_string(length);
    print(of, "windows-" + name, set, bytes_of(windows));
    codec::WindowEncoder encoder;
    const wire::ByteView payload = encoder.encode(windows, 77);
    print(of, "stat-" + name, set, payload);
    const auto decoded = codec::decode_windows(payload, codec::codec_2, 77);
    print(of, "stat-decoded-" + name, set, decoded ? bytes_of(*decoded) : Bytes());
  }
}

void digest_decimated(const Case& of, InstructionSet set) {
  for (const uint32_t factor : {2U, 5U, 10U, 200U}) {
    auto decimator = signal::Decimator::make(factor, set);
    std::vector<float> out;
    decimator->begin(77, 2);
    decimator->add(of.signal.i, out);
    decimator->finish(out);
    print(of, "decimated-" + std::to_string(factor), set, std::as_bytes(std::span(out)));
  }
}

}  // namespace

int main() {
  const size_t inputs = 3000;
  const Bytes input = test::packed_runs(inputs, 1, 40, 1);
  const Bytes busy = test::packed_runs(inputs, 1, 1, 2);
  const Bytes range = test::packed_runs(inputs, 4, 900, 3);
  const std::vector<codec::PackedSignal> packed = {
      {16, 1, 0, 2, inputs, input}, {17, 1, 1, 4, inputs, busy}, {4, 4, 0, 2, inputs, range}};
  std::vector<Case> cases;
  for (const size_t count : {1U, 7U, 64U, 4095U, 4096U, 9001U}) {
    const std::string size = "-" + std::to_string(count);
    const IntegerSignal lattice = test::lattice_signal(count, count);
    cases.push_back({"lattice" + size, {lattice.i, lattice.v, {}}, {}});
    cases.push_back({"lattice-own-power" + size, lattice, {}});
    cases.push_back({"grid" + size, test::grid_signal(count, count), {}});
    cases.push_back({"random" + size, test::random_signal(count, count), {}});
    cases.push_back({"special" + size, test::special_signal(count, count), {}});
    cases.push_back({"constant" + size, test::constant_signal(count, 0.25F, -0.0F), {}});
  }
  cases.push_back({"packed", test::lattice_signal(inputs, 5), packed});
  for (const Case& of : cases)
    for (const InstructionSet set : available_instruction_sets()) {
      digest_samples(of, set);
      digest_windows(of, set);
      digest_decimated(of, set);
    }
  return 0;
}
