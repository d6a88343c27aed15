#include <array>
#include <bit>
#include <filesystem>

#include "agent/cli/sample_parts.h"

namespace joulespool::cli {
namespace {

constexpr std::array<const char*, 3> signal_names = {"i", "v", "p"};

class RawWriter final : public PartWriter {
 public:
  [[nodiscard]] std::string format() const override { return "raw"; }

  Status begin(const PartStart& start) override {
    for (size_t at = 0; at < files_.size(); ++at) {
      const std::string path = start.path + "." + signal_names[at] + ".f32";
      names_[at] = std::filesystem::path(path).filename().string();
      auto file = OutputFile::create_in_place(path);
      if (!file) return file.error();
      files_[at] = std::move(*file);
    }
    return {};
  }

  Status add(std::span<const float> i, std::span<const float> v, std::span<const float> p) override {
    static_assert(std::endian::native == std::endian::little);
    const std::array signals = {i, v, p};
    for (size_t at = 0; at < files_.size(); ++at) {
      const auto bytes = std::as_bytes(signals[at]);
      if (Status status = files_[at]->write({reinterpret_cast<const char*>(bytes.data()), bytes.size()}); !status) return status;
    }
    return {};
  }

  Status add_time(const PartTime&) override { return {}; }  // the JSON file has the first and the last one

  Result<nlohmann::json> end() override {
    nlohmann::json files = nlohmann::json::object();
    for (size_t at = 0; at < files_.size(); ++at) {
      const std::unique_ptr<OutputFile> file = std::move(files_[at]);
      if (const Status status = file->finish(); !status) return status.error();
      files[signal_names[at]] = names_[at];
    }
    return files;
  }

 private:
  std::array<std::unique_ptr<OutputFile>, 3> files_;
  std::array<std::string, 3> names_;
};

}  // namespace

Result<std::unique_ptr<ExportFormat>> make_raw_format(const std::string& directory) {
  auto made = OutputDirectory::create(directory);
  if (!made) return made.error();
  return std::unique_ptr<ExportFormat>(std::make_unique<SampleParts>(std::move(*made), std::make_unique<RawWriter>()));
}

}  // namespace joulespool::cli
