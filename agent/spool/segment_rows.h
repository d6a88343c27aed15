// Rows of the table `frames`, found page by page: SQLite's format (https://sqlite.org/fileformat2.html, sections 1.6 and 2), read
// without SQLite and without its trees, so that a row is found whatever became of the pages that lead to it. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "agent/wire/types.h"

namespace joulespool::spool {

// The columns between `key` and `bytes`, as they are stored (schema.sql).
struct FoundRow {
  std::array<int64_t, 9> columns{};
  wire::Bytes bytes;
};

// Collects the rows that match their checksum. Those of a segment never change, so that one is looked for until it is found once,
// in however many versions its page comes.
class RowCollector {
 public:
  // Looks at these pages of a database (from 1); a row's bytes may go on in any other page of it.
  void look_at(wire::ByteView database, std::span<const uint32_t> numbers);

  [[nodiscard]] const std::map<int64_t, FoundRow>& rows() const { return rows_; }  // by key
  [[nodiscard]] std::map<int64_t, FoundRow> take() { return std::move(rows_); }

 private:
  void look_at_cell(wire::ByteView database, wire::ByteView page, size_t at);

  std::map<int64_t, FoundRow> rows_;
};

}  // namespace joulespool::spool
