#include "agent/spool/segment_rows.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/spool/row_crc.h"
#include "agent/spool/sqlite_db.h"

namespace joulespool::spool {
namespace {

constexpr std::byte table_leaf{0x0D};
constexpr size_t leaf_header_bytes = 8;
constexpr size_t columns_of_frames = 11;
constexpr size_t size_column = 7, crc_column = 8;  // of FoundRow::columns

// Reads forward; a read beyond the end makes it fail for good.
class Reader {
 public:
  explicit Reader(wire::ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] wire::ByteView rest() const { return bytes_; }

  uint64_t big_endian(size_t size) {
    uint64_t value = 0;
    for (const std::byte byte : take(size)) value = value << 8 | std::to_integer<uint64_t>(byte);
    return value;
  }
  // Seven bits to a byte, most significant first; the ninth has eight.
  uint64_t varint() {
    uint64_t value = 0;
    for (int k = 0; k < 9; ++k) {
      const auto byte = big_endian(1);
      if (k == 8) return value << 8 | byte;
      value = value << 7 | (byte & 0x7F);
      if ((byte & 0x80) == 0) return value;
    }
    return value;
  }
  wire::ByteView take(size_t size) {
    failed_ = failed_ || size > bytes_.size();
    if (failed_) return {};
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

 private:
  wire::ByteView bytes_;
  bool failed_ = false;
};

// A column of serial type 1 to 6, 8 or 9: an integer. The bits above those stored are the sign's.
std::optional<int64_t> integer(Reader& reader, uint64_t type) {
  constexpr size_t sizes[] = {0, 1, 2, 3, 4, 6, 8};
  if (type == 8 || type == 9) return static_cast<int64_t>(type - 8);
  if (type == 0 || type >= std::size(sizes)) return std::nullopt;
  const auto unused_bits = static_cast<int>(64 - 8 * sizes[type]);
  return static_cast<int64_t>(reader.big_endian(sizes[type]) << unused_bits) >> unused_bits;
}

// How much of a payload a leaf keeps on its page; the rest goes on in a chain of pages.
size_t local_bytes(uint64_t payload) {
  constexpr size_t max = page_bytes - 35, min = (page_bytes - 12) * 32 / 255 - 23;
  if (payload <= max) return static_cast<size_t>(payload);
  const size_t fitting = min + static_cast<size_t>((payload - min) % (page_bytes - 4));
  return fitting <= max ? fitting : min;
}

// Appends the chain that begins with page `number` until `bytes` has `size`. False: it ends too early.
bool append_chain(wire::ByteView database, uint64_t number, size_t size, wire::Bytes& bytes) {
  while (bytes.size() < size) {
    if (number < 2 || number > database.size() / page_bytes) return false;
    Reader page(database.subspan((number - 1) * page_bytes, page_bytes));
    number = page.big_endian(4);
    const auto part = page.take(std::min(size - bytes.size(), page_bytes - 4));
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return true;
}

// The integers of a row whose record begins here, and how many bytes its last column has; nullopt: it is no row of `frames`.
std::optional<std::pair<FoundRow, size_t>> read_columns(Reader& reader, uint64_t payload) {
  const size_t at_start = reader.rest().size();
  const uint64_t header_bytes = reader.varint();
  std::array<uint64_t, columns_of_frames> types{};
  for (uint64_t& type : types) type = reader.varint();
  if (reader.failed() || at_start - reader.rest().size() != header_bytes) return std::nullopt;
  if (types.front() != 0 || types.back() < 12 || types.back() % 2 != 0) return std::nullopt;  // the key's place, and a blob
  FoundRow row;
  for (size_t k = 0; k < row.columns.size(); ++k) {
    const auto value = integer(reader, types[k + 1]);
    if (!value) return std::nullopt;
    row.columns[k] = *value;
  }
  const uint64_t blob_bytes = (types.back() - 12) / 2;
  if (reader.failed() || at_start - reader.rest().size() + blob_bytes != payload) return std::nullopt;
  return std::pair(std::move(row), static_cast<size_t>(blob_bytes));
}

bool matches(int64_t key, const FoundRow& row) {
  const auto& c = row.columns;
  return row_crc(key, c[0], c[1], c[2], c[3], c[4], c[5], c[6], wire::ByteView(row.bytes)) == c[crc_column] &&
         c[size_column] == static_cast<int64_t>(row.bytes.size());
}

}  // namespace

void RowCollector::look_at_cell(wire::ByteView database, wire::ByteView page, size_t at) {
  if (at >= page.size()) return;
  Reader cell(page.subspan(at));
  const uint64_t payload = cell.varint();
  const auto key = static_cast<int64_t>(cell.varint());
  if (cell.failed() || payload > database.size() || rows_.contains(key)) return;
  const size_t local = local_bytes(payload);
  Reader record(cell.take(local));
  const uint64_t chain = local < payload ? cell.big_endian(4) : 0;
  if (cell.failed()) return;
  auto columns = read_columns(record, payload);
  if (!columns) return;
  auto& [row, blob_bytes] = *columns;
  const auto first = record.rest();
  row.bytes.reserve(blob_bytes);
  row.bytes.assign(first.begin(), first.end());
  if (append_chain(database, chain, blob_bytes, row.bytes) && matches(key, row)) rows_.emplace(key, std::move(row));
}

void RowCollector::look_at(wire::ByteView database, std::span<const uint32_t> numbers) {
  for (const uint32_t number : numbers) {
    if (number < 2 || uint64_t{number} * page_bytes > database.size()) continue;  // the first has another table
    const auto page = database.subspan((number - 1) * page_bytes, page_bytes);
    if (page.front() != table_leaf) continue;
    Reader header(page.subspan(3));
    const uint64_t cells = header.big_endian(2);
    if (cells > (page_bytes - leaf_header_bytes) / 2) continue;
    Reader pointers(page.subspan(leaf_header_bytes));
    for (uint64_t k = 0; k < cells; ++k) look_at_cell(database, page, pointers.big_endian(2));
  }
}

}  // namespace joulespool::spool
