// Pages: up to 4096 consecutive integers, predicted from each other and coded as symbols, raw low bits and escapes.
// FORMAT-wave.md.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "agent/base/result.h"
#include "agent/codec/byte_io.h"
#include "agent/codec/kernels.h"
#include "agent/codec/zstd_stream.h"

namespace joulespool::codec {

// How a page's residuals become symbols. The numbers are part of the format.
enum class SymbolClass : uint8_t {
  zeros = 0,    // all residuals are 0: no symbols
  quads = 1,    // 4 in a byte, -2 to 1
  triples = 2,  // 3 in a byte, -3 to 2
  pairs = 3,    // 2 in a byte, -8 to 7
  bytes = 4,    // 1 in a byte, -128 to 127 after `shift` low bits were taken away, which are stored as they are
};
constexpr unsigned page_shift_max = 24;
constexpr size_t page_streams = 8;  // symbols of pages that are alike go into one stream, which has its own Huffman code

// Symbols that `count` residuals take.
size_t symbol_count(SymbolClass as, size_t count);

// The prediction from up to 16 steps that fits a page whose steps have these autocorrelations (lags 0 to 16) in the fewest bits:
// Levinson-Durbin recursion (Makhoul, Linear Prediction: A Tutorial Review, 1975), stopped where more coefficients cost more than
// they save over `count` integers. Order 0: there is none.
LinearPrediction linear_prediction(const float* lags, size_t count);

class PageWriter {
 public:
  explicit PageWriter(const Kernels& kernels);

  void clear();
  // Integers of the next page go here: page_samples_max of them.
  [[nodiscard]] int32_t* integers() { return integers_.data() + predictor_history; }
  // What belongs to a page besides its integers may be written here before add().
  ByteWriter& heads() { return heads_; }
  void add(size_t count, bool in_float_order = false);
  // Everything since clear(), as parts.
  void finish(ByteWriter& out, Compressor& compressor);

 private:
  struct Choice {
    Predictor predictor = Predictor::centre;
    int32_t base = 0;
    float cost = 0;  // bits, roughly
    LinearPrediction linear{};
  };
  Choice choose(size_t count);
  void try_linear(size_t count, int32_t centre, Choice& best);
  bool is_float_noise(size_t count, const Choice& choice);
  void set_history(int32_t value);
  SymbolClass classify(size_t count, const Choice& choice) const;
  unsigned choose_shift(size_t count, const Choice& choice);
  void add_symbols(SymbolClass as, size_t count, unsigned shift);
  void add_escapes(SymbolClass as, size_t count, unsigned shift);

  const Kernels& kernels_;
  std::vector<int32_t> integers_, residuals_;
  ByteWriter heads_, escapes_, low_, scratch_;
  std::array<ByteWriter, page_streams> streams_;
  std::vector<uint16_t> outside_;  // positions of escapes
  int32_t centre_ = 0;             // of the last page that used it
  int64_t base_ = 0;               // of the last page
  Choice last_;
  unsigned last_shift_ = 0;
  unsigned linear_pause_ = 0;
};

// Reads what PageWriter::finish() wrote. Bounded by `samples`: the integers that all pages together have.
class PageReader {
 public:
  explicit PageReader(const Kernels& kernels);
  // The parts. Errors: damaged.
  Status open(ByteReader& from, size_t samples, Decompressor& decompressor);
  ByteReader& heads() { return *heads_; }
  // The next page's integers. Errors: damaged.
  Status read(int32_t* integers, size_t count);
  // After the last page: is anything left over?
  [[nodiscard]] bool finished() const;

 private:
  Status read_residuals(SymbolClass as, unsigned shift, size_t stream, int32_t* residuals, size_t count);
  Status read_escapes(int32_t* residuals, size_t count);

  const Kernels& kernels_;
  wire::Bytes memory_;  // of all decompressed parts
  std::optional<ByteReader> heads_, escapes_;
  std::array<wire::ByteView, page_streams> streams_;
  wire::ByteView low_;
  std::vector<uint32_t> low_bits_, low_words_;
  int32_t base_ = 0;
};

}  // namespace joulespool::codec
