#include "tests/bench/peer_codecs.h"

#include <FLAC/stream_decoder.h>
#include <FLAC/stream_encoder.h>
#include <blosc.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace joulespool::bench {

namespace {

size_t bytes_of(const Frame& frame) { return frame.columns.size() * sizeof(float); }

// Codecs of bytes: the columns one after the other.
class ByteCodec : public FrameCodec {
 public:
  size_t encode(const Frame& frame) final {
    coded_.resize(bytes_of(frame) + bytes_of(frame) / 8 + 1024);
    decoded_.resize(frame.columns.size());
    return coded_size_ = compress(frame.columns.data(), bytes_of(frame));
  }
  void decode() final { decompress(); }
  [[nodiscard]] bool gave_back(const Frame& frame) const final {
    return decoded_.size() == frame.columns.size() && std::memcmp(decoded_.data(), frame.columns.data(), bytes_of(frame)) == 0;
  }

 protected:
  virtual size_t compress(const float* from, size_t size) = 0;
  virtual void decompress() = 0;
  std::vector<char> coded_;
  size_t coded_size_ = 0;
  std::vector<float> decoded_;
};

class Memcpy final : public ByteCodec {
  size_t compress(const float* from, size_t size) override {
    std::memcpy(coded_.data(), from, size);
    return size;
  }
  void decompress() override { std::memcpy(decoded_.data(), coded_.data(), coded_size_); }
};

class Zstd final : public ByteCodec {
 public:
  explicit Zstd(int level) : level_(level) {}

 private:
  size_t compress(const float* from, size_t size) override {
    return ZSTD_compressCCtx(compressor_.get(), coded_.data(), coded_.size(), from, size, level_);
  }
  void decompress() override {
    ZSTD_decompressDCtx(decompressor_.get(), decoded_.data(), decoded_.size() * sizeof(float), coded_.data(), coded_size_);
  }
  int level_;
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> compressor_{ZSTD_createCCtx(), ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decompressor_{ZSTD_createDCtx(), ZSTD_freeDCtx};
};

// Byte shuffle over whole columns, then zstd -1.
class Blosc final : public ByteCodec {
  size_t compress(const float* from, size_t size) override {
    return static_cast<size_t>(blosc_compress_ctx(1, BLOSC_SHUFFLE, sizeof(float), size, from, coded_.data(), coded_.size(),
                                                  BLOSC_ZSTD_COMPNAME, size / 3, 1));
  }
  void decompress() override { blosc_decompress_ctx(coded_.data(), decoded_.data(), decoded_.size() * sizeof(float), 1); }
};

class Deflate final : public ByteCodec {
  size_t compress(const float* from, size_t size) override {
    uLongf coded = coded_.size();
    compress2(std::bit_cast<Bytef*>(coded_.data()), &coded, std::bit_cast<const Bytef*>(from), size, 6);
    return coded;
  }
  void decompress() override {
    uLongf size = decoded_.size() * sizeof(float);
    uncompress(std::bit_cast<Bytef*>(decoded_.data()), &size, std::bit_cast<const Bytef*>(coded_.data()), coded_size_);
  }
};

// One column of integers as a FLAC stream of one channel.
class FlacStream {
 public:
  size_t encode(const std::vector<int32_t>& integers) {
    coded_.clear();
    const std::unique_ptr<FLAC__StreamEncoder, decltype(&FLAC__stream_encoder_delete)> encoder{FLAC__stream_encoder_new(),
                                                                                               FLAC__stream_encoder_delete};
    FLAC__stream_encoder_set_channels(encoder.get(), 1);
    FLAC__stream_encoder_set_bits_per_sample(encoder.get(), bits_of(integers));
    FLAC__stream_encoder_set_sample_rate(encoder.get(), 48000);  // any: it changes nothing but a field of the header
    FLAC__stream_encoder_set_compression_level(encoder.get(), 8);
    FLAC__stream_encoder_set_streamable_subset(encoder.get(), 0);
    FLAC__stream_encoder_init_stream(encoder.get(), keep_bytes, nullptr, nullptr, nullptr, this);
    FLAC__stream_encoder_process_interleaved(encoder.get(), integers.data(), static_cast<unsigned>(integers.size()));
    FLAC__stream_encoder_finish(encoder.get());
    return coded_.size();
  }
  void decode() {
    decoded_.clear();
    read_ = 0;
    const std::unique_ptr<FLAC__StreamDecoder, decltype(&FLAC__stream_decoder_delete)> decoder{FLAC__stream_decoder_new(),
                                                                                               FLAC__stream_decoder_delete};
    FLAC__stream_decoder_init_stream(decoder.get(), give_bytes, nullptr, nullptr, nullptr, nullptr, keep_integers, nullptr,
                                     ignore_error, this);
    FLAC__stream_decoder_process_until_end_of_stream(decoder.get());
  }
  [[nodiscard]] const std::vector<int32_t>& decoded() const { return decoded_; }

 private:
  static unsigned bits_of(const std::vector<int32_t>& integers) {
    uint32_t magnitudes = 0;
    for (const int32_t value : integers) magnitudes |= static_cast<uint32_t>(value ^ (value >> 31));
    return std::max(4U, static_cast<unsigned>(std::bit_width(magnitudes)) + 1);
  }
  static FLAC__StreamEncoderWriteStatus keep_bytes(const FLAC__StreamEncoder* /*encoder*/, const FLAC__byte* from, size_t size,
                                                   uint32_t /*samples*/, uint32_t /*frame*/, void* self) {
    auto& coded = static_cast<FlacStream*>(self)->coded_;
    coded.insert(coded.end(), from, from + size);
    return FLAC__STREAM_ENCODER_WRITE_STATUS_OK;
  }
  static FLAC__StreamDecoderReadStatus give_bytes(const FLAC__StreamDecoder* /*decoder*/, FLAC__byte* to, size_t* size,
                                                  void* self) {
    auto& stream = *static_cast<FlacStream*>(self);
    *size = std::min(*size, stream.coded_.size() - stream.read_);
    std::memcpy(to, stream.coded_.data() + stream.read_, *size);
    stream.read_ += *size;
    return *size == 0 ? FLAC__STREAM_DECODER_READ_STATUS_END_OF_STREAM : FLAC__STREAM_DECODER_READ_STATUS_CONTINUE;
  }
  static FLAC__StreamDecoderWriteStatus keep_integers(const FLAC__StreamDecoder* /*decoder*/, const FLAC__Frame* frame,
                                                      const FLAC__int32* const channels[], void* self) {
    auto& decoded = static_cast<FlacStream*>(self)->decoded_;
    decoded.insert(decoded.end(), channels[0], channels[0] + frame->header.blocksize);
    return FLAC__STREAM_DECODER_WRITE_STATUS_CONTINUE;
  }
  static void ignore_error(const FLAC__StreamDecoder* /*decoder*/, FLAC__StreamDecoderErrorStatus /*status*/, void* /*self*/) {}

  std::vector<FLAC__byte> coded_;
  size_t read_ = 0;
  std::vector<int32_t> decoded_;
};

class Flac final : public FrameCodec {
 public:
  [[nodiscard]] bool takes(const Frame& frame) const override { return !frame.i_integers.empty() && !frame.v_integers.empty(); }
  size_t encode(const Frame& frame) override { return i_.encode(frame.i_integers) + v_.encode(frame.v_integers); }
  void decode() override {
    i_.decode();
    v_.decode();
  }
  [[nodiscard]] bool gave_back(const Frame& frame) const override {
    return i_.decoded() == frame.i_integers && v_.decoded() == frame.v_integers;
  }

 private:
  FlacStream i_, v_;
};

}  // namespace

std::vector<NamedCodec> peer_codecs() {
  std::vector<NamedCodec> codecs;
  codecs.push_back({"memcpy", std::make_unique<Memcpy>(), 5});
  codecs.push_back({"zstd -1", std::make_unique<Zstd>(1), 1});
  codecs.push_back({"zstd -3", std::make_unique<Zstd>(3), 1});
  codecs.push_back({"shuffle + zstd -1", std::make_unique<Blosc>(), 1});
  codecs.push_back({"DEFLATE 6", std::make_unique<Deflate>(), 1});
  codecs.push_back({"FLAC 8, p free", std::make_unique<Flac>(), 1});
  return codecs;
}

}  // namespace joulespool::bench
