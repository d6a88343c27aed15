#include "agent/spool/segment_log.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "agent/spool/sector_reader.h"
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

// What all pages of a log have in common.
struct LogKey {
  std::array<std::byte, 8> salts{};
  bool big_endian = false;              // the words of the checksum
  std::array<std::byte, 8> checksum{};  // of the log's first bytes: where the chain begins
  bool sound = false;                   // the log's first bytes match it
};

bool has_salts(const std::byte* page, const LogKey& key) {
  return std::memcmp(page + 8, key.salts.data(), key.salts.size()) == 0;
}

// Reads the log in portions of whole pages from its first one on, and calls each(view) until that says false.
template <class Each>
Status for_each_portion(SectorReader& file, const Each& each) {
  std::vector<std::byte> buffer(pages_at_once * log_frame_bytes);
  for (uint64_t offset = log_header_bytes;; offset += buffer.size()) {
    auto got = file.read(offset, buffer.data(), buffer.size());
    if (!got) return got.error();
    if (!each(wire::ByteView(buffer.data(), *got / log_frame_bytes * log_frame_bytes))) return {};
    if (*got < buffer.size()) return {};
  }
}

// Whether the second of two neighbouring pages follows from the first.
bool follows(const std::byte* first, const std::byte* second, bool big) {
  Checksum sum(big);
  sum.start_from(first + 16);
  sum.add(second, 8);
  sum.add(second + page_header_bytes, page_bytes);
  return sum.is(second + 16);
}

// The first bytes of the log are damaged: its pages say the same. A log is begun once and never again, so that the salts of most
// of its pages are its own (Boyer and Moore's vote), and the first two neighbours that match tell the order of bytes.
Status vote(SectorReader& file, LogKey& key) {
  int64_t votes = 0;
  const Status counted = for_each_portion(file, [&](wire::ByteView pages) {
    for (size_t at = 0; at < pages.size(); at += log_frame_bytes) {
      const std::byte* const page = pages.data() + at;
      if (big_endian(page) == 0) continue;  // no page has the number 0
      if (votes == 0) std::memcpy(key.salts.data(), page + 8, key.salts.size());
      votes += has_salts(page, key) ? 1 : -1;
    }
    return true;
  });
  if (!counted) return counted;
  return for_each_portion(file, [&](wire::ByteView pages) {
    for (size_t at = log_frame_bytes; at < pages.size(); at += log_frame_bytes) {
      const std::byte* const second = pages.data() + at;
      const std::byte* const first = second - log_frame_bytes;
      if (!has_salts(first, key) || !has_salts(second, key)) continue;
      for (const bool big : {false, true}) {
        if (!follows(first, second, big)) continue;
        key.big_endian = big;
        return false;
      }
    }
    return true;
  });
}

// nullopt: nothing was written.
Result<std::optional<LogKey>> read_key(SectorReader& file) {
  std::array<std::byte, log_header_bytes> header{};
  auto got = file.read(0, header.data(), header.size());
  if (!got) return got.error();
  if (*got < header.size()) return std::optional<LogKey>{};
  LogKey key;
  key.big_endian = (big_endian(header.data()) & 1) != 0;
  std::memcpy(key.salts.data(), header.data() + 16, key.salts.size());
  std::memcpy(key.checksum.data(), header.data() + 24, key.checksum.size());
  Checksum sum(key.big_endian);
  sum.add(header.data(), 24);
  key.sound = (big_endian(header.data()) & ~1U) == log_magic && sum.is(header.data() + 24);
  if (!key.sound) JOULESPOOL_TRY(vote(file, key), "look for the log's key");
  return std::optional(key);
}

// Calls each(LogPage) for the pages that belong to the log, in order, until it says false; places where there is none (zeros,
// say) have no bytes.
template <class Each>
Status for_each_page(SectorReader& file, const Each& each) {
  if (!file.opened()) return file.opened().error().code == Errc::not_found ? Status{} : file.opened();
  auto key = read_key(file);
  if (!key) return key.error();
  if (!*key) return {};
  bool chained = (*key)->sound;
  std::array<std::byte, 8> before = (*key)->checksum;
  return for_each_portion(file, [&](wire::ByteView pages) {
    for (size_t at = 0; at < pages.size(); at += log_frame_bytes) {
      LogPage page{pages.data() + at};
      if (has_salts(page.bytes, **key)) {
        Checksum sum((*key)->big_endian);
        sum.start_from(before.data());
        sum.add(page.bytes, 8);
        sum.add(page.content(), page_bytes);
        page.matches = sum.is(page.bytes + 16);
      }
      page.chained = chained = chained && page.matches;
      std::memcpy(before.data(), page.bytes + 16, before.size());
      if (!has_salts(page.bytes, **key)) page.bytes = nullptr;
      if (!each(page)) return false;
    }
    return true;
  });
}

// Puts transactions together: pages wait until the page that ends theirs, a whole transaction until the next has its end, too.
class Rebuilder {
 public:
  Rebuilder(wire::Bytes database, LastTransaction last, const PageObserver& observer)
      : image_(std::move(database)), last_(last), observer_(observer) {
    std::vector<uint32_t> numbers(image_.size() / page_bytes);
    std::iota(numbers.begin(), numbers.end(), 1U);
    if (observer_ && !numbers.empty()) observer_(image_, numbers);
  }

  void add(const LogPage& page) {
    if (std::exchange(after_end_, false)) goes_on_ = page.bytes == nullptr || page.matches;
    if (page.bytes == nullptr) return;
    if (page.matches || is_plausible(page.number()))
      under_way_.pages.push_back({page.number(), page.matches, {page.content(), page.content() + page_bytes}});
    under_way_.matches = under_way_.matches && page.matches;
    last_number_ = page.number();
    if (!page.matches || page.end() == 0) return;
    put(ended_);
    ended_ = std::exchange(under_way_, {});
    ended_.database_pages = page.end();
    last_number_ = 0;
    after_end_ = true;
  }

  // Without what had no end, unless that is wanted. Empty: nothing could be told.
  RebuiltDatabase take() {
    if (last_ != LastTransaction::may_be_torn || ended_.matches) put(ended_);
    if (last_ == LastTransaction::may_lack_its_end && goes_on_) put(without_end());
    if (image_.size() < page_bytes) return {};
    // Bytes 18 and 19 of the file: it has no log any more; 28 to 31: its size in pages (section 1.3).
    image_[18] = image_[19] = std::byte{1};
    const size_t pages = image_.size() / page_bytes;
    for (size_t k = 0; k < 4; ++k) image_[28 + k] = static_cast<std::byte>(pages >> (24 - 8 * k));
    return {std::move(image_), first_page_matches_};
  }

 private:
  struct Page {
    uint32_t number = 0;
    bool matches = false;
    wire::Bytes content;
  };
  struct Transaction {
    std::vector<Page> pages;
    bool matches = true;          // all of them match their checksums
    uint32_t database_pages = 0;  // the database's size at its end; 0: there is no transaction
  };
  // SQLite writes the pages of a transaction in ascending order; a number that breaks it is not to be trusted.
  [[nodiscard]] bool is_plausible(uint32_t number) const {
    constexpr uint32_t ahead_max = 64;
    const uint64_t there = std::max<uint64_t>({image_.size() / page_bytes, ended_.database_pages, last_number_});
    return number > last_number_ && number <= there + ahead_max;
  }
  // What followed the last end and had none. Pages that are left over from a transaction that was given up do not go on from
  // there.
  [[nodiscard]] Transaction without_end() {
    Transaction last = std::move(under_way_);
    auto pages = static_cast<uint32_t>(image_.size() / page_bytes);
    for (const Page& page : last.pages) pages = std::max(pages, page.number);
    last.database_pages = last.pages.empty() ? 0 : pages;
    return last;
  }
  void put(const Transaction& transaction) {
    if (transaction.database_pages == 0) return;
    image_.resize(size_t{transaction.database_pages} * page_bytes);
    std::vector<uint32_t> numbers;
    for (const Page& page : transaction.pages) {
      if (page.number == 0 || page.number > transaction.database_pages) continue;
      // The first page changes in its counters only: one that matches stays.
      if (page.number == 1 && first_page_matches_ && !page.matches) continue;
      if (page.number == 1) first_page_matches_ = page.matches;
      std::copy(page.content.begin(), page.content.end(),
                image_.begin() + static_cast<std::ptrdiff_t>(size_t{page.number - 1} * page_bytes));
      numbers.push_back(page.number);
    }
    if (observer_) observer_(image_, numbers);
  }

  wire::Bytes image_;
  LastTransaction last_;
  const PageObserver& observer_;
  Transaction under_way_, ended_;
  uint32_t last_number_ = 0;
  bool first_page_matches_ = false;
  bool after_end_ = false;
  bool goes_on_ = true;  // the pages without an end belong to what is before them
};

// Its first page is in the log, too.
Result<wire::Bytes> read_file(const std::string& path) {
  SectorReader file(path);
  if (!file.opened()) return file.opened().error();
  wire::Bytes bytes(static_cast<size_t>(file.size()));
  auto got = file.read(0, bytes.data(), bytes.size());
  if (!got) return wire::Bytes{};
  bytes.resize(*got / page_bytes * page_bytes);
  return bytes;
}

}  // namespace

Result<LogSummary> summarize_log(const std::string& database) {
  LogSummary summary;
  SectorReader log(database + "-wal");
  const Status read = for_each_page(log, [&summary](const LogPage& page) {
    if (page.bytes == nullptr || page.end() == 0) return true;
    ++summary.transactions;
    summary.whole = summary.whole && page.chained;
    return true;
  });
  if (!read) return read.error();
  summary.whole = summary.whole && !log.lost_something();
  return summary;
}

bool first_page_is_lost(const std::string& database) {
  SectorReader file(database);
  std::array<std::byte, page_bytes> page{};
  return file.opened() && (!file.read(0, page.data(), page.size()) || file.lost_something());
}

Result<RebuiltDatabase> rebuild_from_log(const std::string& database, LastTransaction last, const PageObserver& observer) {
  auto bytes = read_file(database);
  if (!bytes) return bytes.error();
  Rebuilder rebuilder(std::move(*bytes), last, observer);
  SectorReader log(database + "-wal");
  const Status read = for_each_page(log, [&rebuilder](const LogPage& page) {
    rebuilder.add(page);
    return true;
  });
  if (!read) return read.error();
  RebuiltDatabase rebuilt = rebuilder.take();
  if (rebuilt.bytes.empty()) return Error{Errc::damaged, database + ": nothing of it can be read"};
  return rebuilt;
}

}  // namespace joulespool::spool
