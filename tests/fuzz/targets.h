// What is fuzzed: every function that reads bytes from outside. None may do more with bad bytes than refuse them.
#pragma once

#include <span>
#include <string_view>

#include "agent/wire/frame.h"
#include "agent/wire/types.h"

namespace joulespool::fuzz {

struct Target {
  std::string_view name;              // of programs, folders of inputs and tests
  bool (*run)(wire::ByteView input);  // is it accepted? Ends the program where a property does not hold
  // How many bytes of the input are its head (header, counts); one of head_one_in changes is made there, however small it is.
  size_t (*head)(wire::ByteView input);
  unsigned head_one_in;
  // Makes sizes and checksum right again, after a change that left a head of that size; null: there are none.
  void (*repair)(wire::Bytes& input, size_t head);
};
std::span<const Target> targets();
const Target* find_target(std::string_view name);

// A whole frame, then its payload by lane and codec.
bool run_frame(wire::ByteView input);
// Sections of codec 1, each as elements and as corrections.
bool run_sections(wire::ByteView input);
// sample_count_width bytes of the number of samples, then a payload.
bool run_samples(wire::ByteView input, uint32_t codec);
// sample_id_first_width bytes, then a payload.
bool run_windows(wire::ByteView input, uint32_t codec);
// sample_count_width bytes, then the data of a section of codec 2 that holds pages.
bool run_pages(wire::ByteView input);
bool run_event(wire::ByteView input);
bool run_ack(wire::ByteView input);

// Payloads, as the frame's header describes them. Accepted?
bool decodes_as_samples(wire::ByteView payload, uint32_t codec, uint64_t samples);
bool decodes_as_windows(wire::ByteView payload, uint32_t codec, uint64_t sample_id_first);

// Prefix and header of a frame, as far as they are there.
size_t frame_head(wire::ByteView frame);
// Sets header_size, payload_size and crc32c to what they must be.
void repair_frame(wire::Bytes& frame, size_t head);

}  // namespace joulespool::fuzz
