// Power as corrections to what current and voltage say. FORMAT-wave.md.
#pragma once

#include <span>
#include <vector>

#include "agent/codec/power_fit.h"
#include "agent/codec/signal_pages.h"

namespace joulespool::codec {

// How power is predicted. The numbers are part of the format.
enum class PowerModel : uint8_t {
  product = 0,          // the float32 product (samples.h)
  lattice_product = 1,  // of calibrated values, in float64, where both are on lattices and no exceptions; else the product
};
enum class PowerCorrections : uint8_t { none = 0, sparse = 1, pages = 2 };

// The prediction of every sample.
void predict_power(const Kernels& kernels, PowerModel model, std::span<const float> i, const SignalPages& i_pages,
                   std::span<const float> v, const SignalPages& v_pages, std::span<float> p);

struct PowerInput {
  std::span<const float> i, v, p;
  SignalWriter& i_writer;  // which have coded i and v, but are not finished: their lattices may still become better
  SignalWriter& v_writer;
};

class PowerWriter {
 public:
  explicit PowerWriter(const Kernels& kernels);
  // Looks for the prediction that misses least.
  void code(const PowerInput& input);
  // Current or voltage is not stored as pages after all: the prediction has only their values.
  void do_without_lattices(const PowerInput& input) {
    if (model_ == PowerModel::lattice_product) predict(input, PowerModel::product);
  }
  // Is power the float32 product everywhere? Then there is no section.
  [[nodiscard]] bool is_product() const { return missed_ == 0 && model_ == PowerModel::product; }
  // Samples that the prediction misses.
  [[nodiscard]] size_t missed() const { return missed_; }
  // Appends the section's data.
  void finish(ByteWriter& out, Compressor& compressor);

 private:
  void predict(const PowerInput& input, PowerModel model);
  void learn(const PowerInput& input);
  bool move_lattices(const PowerInput& input);
  void write_sparse(ByteWriter& out, Compressor& compressor);
  void write_pages(ByteWriter& out, Compressor& compressor);

  const Kernels& kernels_;
  std::vector<float> predicted_;
  std::vector<int32_t> differences_;
  PowerModel model_ = PowerModel::product;  // of the last frame: a hint
  size_t missed_ = 0;
  PowerFit fit_;
  std::vector<PowerObservation> observations_;
  unsigned pause_ = 0;  // frames before the lattices are moved again
  unsigned next_pause_ = 4;
  bool went_well_ = false;  // the last time they were moved
  PageWriter writer_;
  ByteWriter part_, scratch_;
};

class PowerReader {
 public:
  explicit PowerReader(const Kernels& kernels);
  // The model of a section's data, without reading it. nullopt: unknown.
  static std::optional<PowerModel> model_of(wire::ByteView data);
  // Error: damaged.
  Status read(wire::ByteView data, std::span<const float> i, const SignalPages& i_pages, std::span<const float> v,
              const SignalPages& v_pages, std::span<float> p, Decompressor& decompressor);

 private:
  Status read_sparse(ByteReader& from, std::span<float> p, Decompressor& decompressor);
  Status read_pages(ByteReader& from, std::span<float> p, Decompressor& decompressor);

  const Kernels& kernels_;
  PageReader reader_;
  std::vector<int32_t> differences_;
  wire::Bytes memory_;
};

}  // namespace joulespool::codec
