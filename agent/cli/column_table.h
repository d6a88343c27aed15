// A table as files, one per column: raw little-endian values one after the other.
#pragma once

#include <bit>
#include <cstring>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "agent/cli/output_file.h"

namespace joulespool::cli {

enum class ColumnType { int64, uint64, int32, float32, float64 };

struct ColumnSpec {
  std::string name;
  ColumnType type;
  std::string unit;  // "A", "ticks", "2^-31 A"; empty: a number without one
  std::string meaning;
};

class ColumnTable {
 public:
  // Files `<name>/<column>.bin` in `directory`. Errors: full, unreachable.
  static Result<ColumnTable> create(const OutputDirectory& directory, const std::string& path, std::vector<ColumnSpec> columns);

  // The next value of the next column, left to right: as many and of such types as were declared.
  template <class T>
  Status put(T value) {
    static_assert(std::endian::native == std::endian::little);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    return put_bytes({bytes, sizeof value});
  }
  // One row. Stops at the first error.
  template <class... T>
  Status put_row(T... values) {
    Status status;
    static_cast<void>(((status = put(values)).ok() && ...));
    return status;
  }

  [[nodiscard]] uint64_t rows() const { return rows_; }
  // For schema.json: count of rows, and of each column its file, type, unit and meaning.
  [[nodiscard]] nlohmann::json schema() const;
  Status finish();

 private:
  Status put_bytes(std::string_view bytes);

  std::string path_;
  std::vector<ColumnSpec> columns_;
  std::vector<std::unique_ptr<OutputFile>> files_;
  size_t next_column_ = 0;
  uint64_t rows_ = 0;
};

}  // namespace joulespool::cli
