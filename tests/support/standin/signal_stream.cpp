#include "tests/support/standin/signal_stream.h"

#include <algorithm>
#include <cstring>

namespace joulespool::standin {
namespace {

size_t bytes_for(size_t count, uint8_t bits) { return (count * bits + 7) / 8; }

void copy_bits(const std::byte* from, size_t from_bit, std::byte* to, size_t to_bit, size_t bits) {
  for (size_t n = 0; n < bits; ++n, ++from_bit, ++to_bit)
    to[to_bit / 8] |= ((from[from_bit / 8] >> (from_bit % 8)) & std::byte{1}) << (to_bit % 8);
}

}  // namespace

void SignalStream::begin(const SignalLayout& layout) {
  layout_ = layout;
  count_ = 0;
}

void SignalStream::open_message(uint64_t sample_id) {
  first_id_ = sample_id;
  message_.assign(abi::stream_header_bytes + bytes_for(layout_.message_elements, shape_.bits), std::byte{0});
}

void SignalStream::copy_elements(std::span<const std::byte> elements, size_t from, size_t count) {
  std::byte* const to = message_.data() + abi::stream_header_bytes;
  const size_t from_bit = from * shape_.bits;
  const size_t to_bit = size_t{count_} * shape_.bits;
  const size_t bits = count * shape_.bits;
  const size_t whole = from_bit % 8 == 0 && to_bit % 8 == 0 ? bits - bits % 8 : 0;
  if (whole > 0) std::memcpy(to + to_bit / 8, elements.data() + from_bit / 8, whole / 8);
  copy_bits(elements.data(), from_bit + whole, to, to_bit + whole, bits - whole);
  count_ += static_cast<uint32_t>(count);
}

void SignalStream::append(uint64_t sample_id, std::span<const std::byte> elements, size_t count, MessageSink& sink) {
  if (count_ > 0 && sample_id != first_id_ + uint64_t{count_} * layout_.decimation) send(sink);
  for (size_t done = 0; done < count;) {
    if (count_ == 0) open_message(sample_id + done * layout_.decimation);
    const size_t piece = std::min<size_t>(count - done, layout_.message_elements - count_);
    copy_elements(elements, done, piece);
    done += piece;
    if (count_ == layout_.message_elements) send(sink);
  }
}

void SignalStream::send(MessageSink& sink) {
  message_.resize(abi::stream_header_bytes + bytes_for(count_, shape_.bits));
  std::byte* const header = message_.data();
  const auto put = [header](size_t offset, const auto& value) { std::memcpy(header + offset, &value, sizeof value); };
  put(offsetof(abi::StreamSignal, sample_id), first_id_);
  put(offsetof(abi::StreamSignal, field), shape_.field);
  put(offsetof(abi::StreamSignal, index), shape_.index);
  put(offsetof(abi::StreamSignal, element_type), shape_.bits == 32 ? abi::Element::floating : abi::Element::unsigned_integer);
  put(offsetof(abi::StreamSignal, element_size_bits), shape_.bits);
  put(offsetof(abi::StreamSignal, element_count), count_);
  put(offsetof(abi::StreamSignal, sample_rate), layout_.sample_rate);
  put(offsetof(abi::StreamSignal, decimate_factor), layout_.decimation);
  count_ = 0;
  sink.send(shape_, first_id_, std::move(message_));
  message_ = {};
}

}  // namespace joulespool::standin
