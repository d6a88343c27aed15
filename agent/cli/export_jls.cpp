#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "agent/cli/jls_library.h"
#include "agent/cli/sample_parts.h"
#include "agent/cli/text_output.h"

namespace joulespool::cli {
namespace {

struct JlsSignal {
  uint16_t id;
  const char* name;
  const char* units;
};
constexpr std::array<JlsSignal, 3> jls_signals = {{{1, "current", "A"}, {2, "voltage", "V"}, {3, "power", "W"}}};
constexpr size_t chunk_values = 8192;

class JlsWriter final : public PartWriter {
 public:
  explicit JlsWriter(JlsLibrary library) : library_(std::move(library)) {}
  ~JlsWriter() override { close(); }
  JlsWriter(const JlsWriter&) = delete;
  JlsWriter& operator=(const JlsWriter&) = delete;

  [[nodiscard]] std::string format() const override { return "jls"; }

  Status begin(const PartStart& start) override {
    if (start.counter_rate_hz % start.step != 0)
      return Error{Errc::usage, start.device.id + " has " + std::to_string(start.counter_rate_hz) + "/" +
                                    std::to_string(start.step) + " samples per second: jls can hold whole rates only"};
    path_ = start.path + ".jls";
    next_sample_ = static_cast<int64_t>(start.sample_id_first / start.step);
    step_ = start.step;
    if (Status status = check(library_.open(&writer_, path_.c_str())); !status) return status;
    if (Status status = define_source(start); !status) return status;
    return define_signals(start.counter_rate_hz / start.step);
  }

  Status add(std::span<const float> i, std::span<const float> v, std::span<const float> p) override {
    const std::array signals = {i, v, p};
    for (size_t at = 0; at < i.size(); at += chunk_values) {
      const size_t count = std::min(chunk_values, i.size() - at);
      for (size_t signal = 0; signal < signals.size(); ++signal)
        if (Status status = add(jls_signals[signal].id, signals[signal].subspan(at, count)); !status) return status;
      next_sample_ += static_cast<int64_t>(count);
    }
    return {};
  }

  Status add_time(const PartTime& time) override {
    for (const JlsSignal& signal : jls_signals) {
      const auto sample = static_cast<int64_t>(time.sample_id / step_);
      if (Status status = check(library_.write_utc(writer_, signal.id, sample, jls_time(time.utc_ns))); !status) return status;
    }
    return {};
  }

  Result<nlohmann::json> end() override {
    if (const Status status = check(close()); !status) return status.error();
    return nlohmann::json{{"jls", std::filesystem::path(path_).filename().string()}, {"libjls", library_.version}};
  }

 private:
  // The library looks at a byte behind the values that it is given.
  Status add(uint16_t signal_id, std::span<const float> values) {
    std::copy(values.begin(), values.end(), chunk_.begin());
    return check(library_.write_floats(writer_, signal_id, next_sample_, chunk_.data(), static_cast<uint32_t>(values.size())));
  }

  Status define_source(const PartStart& start) {
    const std::string axis = hex_id(start.axis);
    jls::SourceDefinition source;
    source.source_id = 1;
    source.name = start.device.id.c_str();
    source.vendor = "Jetperch";
    source.model = start.device.model.c_str();
    source.version = axis.c_str();
    source.serial_number = start.device.serial.c_str();
    return check(library_.define_source(writer_, &source));
  }

  Status define_signals(uint32_t rate_hz) {
    for (const JlsSignal& one : jls_signals) {
      jls::SignalDefinition signal;
      signal.signal_id = one.id;
      signal.source_id = 1;
      signal.data_type = jls::data_type_float32;
      signal.sample_rate = rate_hz;
      signal.name = one.name;
      signal.units = one.units;
      if (Status status = check(library_.define_signal(writer_, &signal)); !status) return status;
    }
    return {};
  }

  int32_t close() {
    jls::Writer* const writer = std::exchange(writer_, nullptr);
    return writer == nullptr ? 0 : library_.close(writer);
  }

  [[nodiscard]] Status check(int32_t code) const {
    if (code == 0) return {};
    const std::string name = library_.error_name == nullptr ? "" : std::string(", ") + library_.error_name(code);
    return Error{Errc::unreachable,
                 path_ + ": libjls " + library_.version + " cannot write it (code " + std::to_string(code) + name + ")"};
  }

  const JlsLibrary library_;
  jls::Writer* writer_ = nullptr;
  std::string path_;
  int64_t next_sample_ = 0;
  uint32_t step_ = 1;
  std::array<float, chunk_values + 1> chunk_{};
};

}  // namespace

Result<std::unique_ptr<ExportFormat>> make_jls_format(const std::string& directory, const std::string& library) {
  auto loaded = load_jls_library(library);
  if (!loaded) return loaded.error();
  auto made = OutputDirectory::create(directory);
  if (!made) return made.error();
  return std::unique_ptr<ExportFormat>(
      std::make_unique<SampleParts>(std::move(*made), std::make_unique<JlsWriter>(std::move(*loaded))));
}

}  // namespace joulespool::cli
