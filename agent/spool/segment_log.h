// The write-ahead log of a segment as a file: SQLite's format (https://sqlite.org/fileformat2.html, section 4), read without
// SQLite, because its recovery ends in silence at the first page that does not match its checksum, whatever comes behind.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

// What a log holds, by its pages' own headers; what its first 32 bytes say is not needed.
struct LogSummary {
  // False: behind the place where recovery ends there is a page that ends a transaction, so something that was committed is
  // damaged (or, after a power cut only, a transaction that was not confirmed reached the medium in part); or the medium no
  // longer gives some of it. True also without a log.
  bool whole = true;
  uint64_t transactions = 0;  // pages that end one, damaged or not
};
// Errors: unreachable (I/O).
Result<LogSummary> summarize_log(const std::string& database);

// Whether the medium does not give the database's first page, which the log has, too. Only for a database that SQLite could not
// open: to close the file again ends the locks that this process holds on it.
bool first_page_is_lost(const std::string& database);

// What of the last transaction of a log counts.
enum class LastTransaction {
  confirmed,         // all of it that there is, if it has an end
  may_be_torn,       // nothing, unless all of it matches: it may have been under way when the power failed
  may_lack_its_end,  // what there is, also if its end is damaged or missing
};

// Is told which pages of a database (`numbers`, from 1) have just been written: first those of the file, then transaction by
// transaction.
using PageObserver = std::function<void(wire::ByteView database, std::span<const uint32_t> numbers)>;

struct RebuiltDatabase {
  wire::Bytes bytes;  // of a database file without a log
  // Its first page, which says whose database it is, matched its checksum.
  bool first_page_matches = false;
};

// The database with all transactions of its log that have an end. Pages that do not match their checksum are taken as they are,
// where it is certain which pages they are: what is wrong in them shows when rows are read. A last transaction that may be torn
// counts only if all of it matches: it may have moved rows of others. Errors: not_found, unreachable (I/O), damaged (no page of
// it can be told).
Result<RebuiltDatabase> rebuild_from_log(const std::string& database, LastTransaction last, const PageObserver& observer = {});

}  // namespace joulespool::spool
