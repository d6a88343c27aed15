#include <ostream>
#include <utility>

#include "agent/cli/export_format.h"
#include "agent/cli/output_file.h"
#include "agent/codec/csv.h"

namespace joulespool::cli {
namespace {

class CsvFormat final : public ExportFormat {
 public:
  CsvFormat(bool is_windows, std::unique_ptr<OutputFile> file, std::ostream& out)
      : file_(std::move(file)), out_(out), text_(is_windows ? codec::window_csv_header() : codec::sample_csv_header()) {}

  Status take(const WindowRows& rows) override {
    for (const wire::Window& window : rows.windows) codec::append_window_row(text_, rows.header, window);
    return flush(flush_bytes);
  }
  Status take(const SampleRows& rows) override {
    for (size_t row = 0; row < rows.i.size(); ++row) {
      codec::append_sample_row(text_, rows.header, rows.sample_id(row), rows.i[row], rows.v[row], rows.p[row]);
      if (Status status = flush(flush_bytes); !status) return status;
    }
    return {};
  }
  Status finish() override {
    if (Status status = flush(1); !status) return status;
    if (file_) return file_->finish();
    return out_.flush() ? Status{} : cut_short();
  }

 private:
  static constexpr size_t flush_bytes = 1024 * 1024;

  Status flush(size_t bytes_min) {
    if (text_.size() < bytes_min) return {};
    const std::string text = std::exchange(text_, {});
    if (file_) return file_->write(text);
    return out_.write(text.data(), static_cast<std::streamsize>(text.size())) ? Status{} : cut_short();
  }
  static Error cut_short() { return {Errc::full, "standard output: cannot be written to its end"}; }

  const std::unique_ptr<OutputFile> file_;  // none: out_
  std::ostream& out_;
  std::string text_;
};

}  // namespace

Result<std::unique_ptr<ExportFormat>> make_csv_format(bool is_windows, const std::string& path, std::ostream& out) {
  if (path.empty()) return std::unique_ptr<ExportFormat>(std::make_unique<CsvFormat>(is_windows, nullptr, out));
  auto file = OutputFile::create(path);
  if (!file) return file.error();
  return std::unique_ptr<ExportFormat>(std::make_unique<CsvFormat>(is_windows, std::move(*file), out));
}

}  // namespace joulespool::cli
