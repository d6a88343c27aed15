// The write-ahead log of a segment as a file: SQLite's format (https://sqlite.org/fileformat2.html, section 4), read without
// SQLite, because its recovery ends in silence at the first page that does not match its checksum, whatever comes behind.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/wire/types.h"

namespace joulespool::spool {

// False: behind the place where recovery ends there is a page that ends a transaction, so something that was committed is damaged
// (or, after a power cut only, a transaction that was not confirmed reached the medium in part). True also without a log.
// Errors: unreachable (I/O).
Result<bool> log_is_whole(const std::string& database);

// Whether the last transaction of a log may be one that was under way when the power failed, and reached the medium in part.
enum class LastTransaction { confirmed, may_be_torn };

// The database with all transactions of its log that have an end, as the bytes of a database file without a log. Pages that do
// not match their checksum are taken as they are, where it is certain which pages they are: what is wrong in them shows when rows
// are read. A last transaction that may be torn counts only if all of it matches: it may have moved rows of others. Errors:
// not_found, unreachable (I/O), damaged (no page of it can be told).
Result<wire::Bytes> rebuild_from_log(const std::string& database, LastTransaction last);

}  // namespace joulespool::spool
