#include "agent/spool/segment_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "agent/spool/disk_files.h"
#include "agent/spool/sqlite_db.h"

namespace joulespool::spool {
namespace {

constexpr size_t log_header_bytes = 32, page_header_bytes = log_frame_bytes - page_bytes;
constexpr size_t pages_at_once = 256;
constexpr uint32_t log_magic = 0x377F0682;  // the lowest bit: the words of the checksum are big-endian

uint32_t big_endian(const std::byte* at) {
  return std::to_integer<uint32_t>(at[0]) << 24 | std::to_integer<uint32_t>(at[1]) << 16 | std::to_integer<uint32_t>(at[2]) << 8 |
         std::to_integer<uint32_t>(at[3]);
}

// The running checksum of section 4.2, over words in the byte order that the log says.
class Checksum {
 public:
  explicit Checksum(bool big) : swap_(big != (std::endian::native == std::endian::big)) {}
  void start_from(const std::byte* stored) {
    first_ = big_endian(stored);
    second_ = big_endian(stored + 4);
  }
  void add(const std::byte* bytes, size_t size) {
    uint32_t first = first_, second = second_;
    for (size_t at = 0; at < size; at += 8) {
      first += word(bytes + at) + second;
      second += word(bytes + at + 4) + first;
    }
    first_ = first;
    second_ = second;
  }
  [[nodiscard]] bool is(const std::byte* stored) const {
    return big_endian(stored) == first_ && big_endian(stored + 4) == second_;
  }

 private:
  [[nodiscard]] uint32_t word(const std::byte* at) const {
    uint32_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return swap_ ? __builtin_bswap32(value) : value;
  }
  bool swap_;
  uint32_t first_ = 0, second_ = 0;
};

// One page in the log. `bytes` has its header before the page itself.
struct LogPage {
  const std::byte* bytes = nullptr;
  bool chained = false;  // all pages up to this one match their checksums
  bool matches = false;  // this one follows from what the one before says
  [[nodiscard]] uint32_t number() const { return big_endian(bytes); }
  // The database's size in pages if this page ends a transaction, else 0.
  [[nodiscard]] uint32_t end() const { return big_endian(bytes + 4); }
  [[nodiscard]] const std::byte* content() const { return bytes + page_header_bytes; }
};

Result<size_t> read_fully(const Descriptor& file, const std::string& path, std::byte* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    const auto got = ::read(file.number(), to + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

// Calls each(LogPage) for the pages that belong to the log, in order, until it says false. Pages of a log that was there before
// (other salts) end it.
template <class Each>
Status for_each_page(const std::string& database, const Each& each) {
  const std::string path = database + "-wal";
  const Descriptor file(path, O_RDONLY);
  if (file.number() < 0) return errno == ENOENT ? Status{} : Status{system_error(path, errno)};
  std::array<std::byte, log_header_bytes> header{};
  auto got = read_fully(file, path, header.data(), header.size());
  if (!got) return got.error();
  if (*got < header.size()) return {};  // nothing was written
  std::vector<std::byte> buffer(pages_at_once * log_frame_bytes);
  Checksum sum((big_endian(header.data()) & 1) != 0);
  sum.add(header.data(), 24);
  bool chained = (big_endian(header.data()) & ~1U) == log_magic && sum.is(header.data() + 24);
  std::array<std::byte, 8> salts{}, before{};
  std::memcpy(salts.data(), header.data() + 16, salts.size());
  std::memcpy(before.data(), header.data() + 24, before.size());
  for (bool first = true;; first = false) {
    got = read_fully(file, path, buffer.data(), buffer.size());
    if (!got) return got.error();
    // A damaged header of the log: its pages have the salts, too.
    if (first && !chained && *got >= page_header_bytes) std::memcpy(salts.data(), buffer.data() + 8, salts.size());
    for (size_t at = 0; at + log_frame_bytes <= *got; at += log_frame_bytes) {
      LogPage page{buffer.data() + at};
      if (std::memcmp(page.bytes + 8, salts.data(), salts.size()) != 0) {
        chained = false;
        std::memcpy(before.data(), page.bytes + 16, before.size());
        continue;
      }
      sum.start_from(before.data());
      sum.add(page.bytes, 8);
      sum.add(page.content(), page_bytes);
      page.matches = sum.is(page.bytes + 16);
      page.chained = chained = chained && page.matches;
      std::memcpy(before.data(), page.bytes + 16, before.size());
      if (!each(page)) return {};
    }
    if (*got < buffer.size()) return {};
  }
}

// Puts transactions together: pages wait until the page that ends theirs, a whole transaction until the next has its end, too.
class Rebuilder {
 public:
  Rebuilder(wire::Bytes database, LastTransaction last) : image_(std::move(database)), last_(last) {}

  void add(const LogPage& page) {
    if (page.matches || is_plausible(page.number()))
      under_way_.pages.push_back({page.number(), {page.content(), page.content() + page_bytes}});
    under_way_.matches = under_way_.matches && page.matches;
    last_number_ = page.number();
    if (!page.matches || page.end() == 0) return;
    put(ended_);
    ended_ = std::exchange(under_way_, {});
    ended_.database_pages = page.end();
    last_number_ = 0;
  }

  // Without what had no end. Empty: nothing could be told.
  wire::Bytes take() {
    if (last_ == LastTransaction::confirmed || ended_.matches) put(ended_);
    if (image_.size() < page_bytes) return {};
    // Bytes 18 and 19 of the file: it has no log any more (section 1.3.3).
    image_[18] = image_[19] = std::byte{1};
    return std::move(image_);
  }

 private:
  struct Transaction {
    std::vector<std::pair<uint32_t, wire::Bytes>> pages;  // by number
    bool matches = true;                                  // all of them match their checksums
    uint32_t database_pages = 0;                          // the database's size at its end; 0: there is no transaction
  };
  // SQLite writes the pages of a transaction in ascending order; a number that breaks it is not to be trusted.
  [[nodiscard]] bool is_plausible(uint32_t number) const {
    constexpr uint32_t ahead_max = 64;
    const uint64_t there = std::max<uint64_t>({image_.size() / page_bytes, ended_.database_pages, last_number_});
    return number > last_number_ && number <= there + ahead_max;
  }
  void put(const Transaction& transaction) {
    if (transaction.database_pages == 0) return;
    image_.resize(size_t{transaction.database_pages} * page_bytes);
    for (const auto& [number, content] : transaction.pages)
      if (number != 0 && number <= transaction.database_pages)
        std::copy(content.begin(), content.end(), image_.begin() + static_cast<std::ptrdiff_t>(size_t{number - 1} * page_bytes));
  }

  wire::Bytes image_;
  LastTransaction last_;
  Transaction under_way_, ended_;
  uint32_t last_number_ = 0;
};

Result<wire::Bytes> read_file(const std::string& path) {
  const Descriptor file(path, O_RDONLY);
  struct stat info {};
  if (file.number() < 0 && errno == ENOENT) return Error{Errc::not_found, path + ": " + std::strerror(errno)};
  if (file.number() < 0 || ::fstat(file.number(), &info) != 0) return system_error(path, errno);
  wire::Bytes bytes(static_cast<size_t>(info.st_size));
  auto got = read_fully(file, path, bytes.data(), bytes.size());
  if (!got) return got.error();
  bytes.resize(*got / page_bytes * page_bytes);
  return bytes;
}

}  // namespace

Result<bool> log_is_whole(const std::string& database) {
  bool whole = true;
  const Status read = for_each_page(database, [&whole](const LogPage& page) {
    whole = page.chained || page.end() == 0;
    return whole;
  });
  if (!read) return read.error();
  return whole;
}

Result<wire::Bytes> rebuild_from_log(const std::string& database, LastTransaction last) {
  auto bytes = read_file(database);
  if (!bytes) return bytes.error();
  Rebuilder rebuilder(std::move(*bytes), last);
  const Status read = for_each_page(database, [&rebuilder](const LogPage& page) {
    rebuilder.add(page);
    return true;
  });
  if (!read) return read.error();
  wire::Bytes image = rebuilder.take();
  if (image.empty()) return Error{Errc::damaged, database + ": nothing of it can be read"};
  return image;
}

}  // namespace joulespool::spool
