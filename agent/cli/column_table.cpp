#include "agent/cli/column_table.h"

#include <cassert>
#include <nlohmann/json.hpp>

namespace joulespool::cli {
namespace {

struct TypeName {
  const char* name;   // of Arrow
  const char* numpy;  // dtype
  size_t bytes;
};

TypeName name_of(ColumnType type) {
  switch (type) {
    case ColumnType::int64: return {"int64", "<i8", 8};
    case ColumnType::uint64: return {"uint64", "<u8", 8};
    case ColumnType::int32: return {"int32", "<i4", 4};
    case ColumnType::float32: return {"float32", "<f4", 4};
    case ColumnType::float64: break;
  }
  return {"float64", "<f8", 8};
}

}  // namespace

Result<ColumnTable> ColumnTable::create(const OutputDirectory& directory, const std::string& path,
                                        std::vector<ColumnSpec> columns) {
  ColumnTable table;
  if (const Status made = directory.add_directory(path); !made) return made.error();
  table.path_ = path.substr(path.rfind('/') + 1);
  for (const ColumnSpec& column : columns) {
    auto file = OutputFile::create_in_place(directory / (path + "/" + column.name + ".bin"));
    if (!file) return file.error();
    table.files_.push_back(std::move(*file));
  }
  table.columns_ = std::move(columns);
  return table;
}

Status ColumnTable::put_bytes(std::string_view bytes) {
  assert(bytes.size() == name_of(columns_[next_column_].type).bytes);
  const size_t column = next_column_++;
  if (next_column_ == columns_.size()) {
    next_column_ = 0;
    ++rows_;
  }
  return files_[column]->write(bytes);
}

nlohmann::json ColumnTable::schema() const {
  nlohmann::json columns = nlohmann::json::array();
  for (const ColumnSpec& column : columns_) {
    const TypeName type = name_of(column.type);
    columns.push_back({{"name", column.name},
                       {"file", path_ + "/" + column.name + ".bin"},
                       {"type", type.name},
                       {"numpy", type.numpy},
                       {"unit", column.unit},
                       {"meaning", column.meaning}});
  }
  return {{"rows", rows_}, {"columns", columns}};
}

Status ColumnTable::finish() {
  for (const auto& file : files_)
    if (Status status = file->finish(); !status) return status;
  return {};
}

}  // namespace joulespool::cli
