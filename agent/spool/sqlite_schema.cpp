#include "agent/spool/sqlite_schema.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/spool/disk_files.h"
#include "agent/spool/schema_sql.h"

namespace joulespool::spool {
namespace {

static_assert(std::size(migration_texts) == schema_version);

enum class FileKind { empty, spool };

Error not_a_spool(const std::string& path, const std::string& why) {
  return {Errc::unreachable, path + " is not a spool: " + why};
}

// Error unreachable for a foreign file or one of a newer version, damaged for what SQLite cannot read.
Result<FileKind> identify(Database& database, const std::string& path) {
  auto id = database.integer("PRAGMA application_id");
  if (!id) return id.error().in(path);
  if (*id == application_id) {
    auto version = database.integer("PRAGMA user_version");
    if (!version) return version.error().in(path);
    if (*version > schema_version)
      return Error{Errc::unreachable, path + " was made by a newer version (schema " + std::to_string(*version) +
                                          ", this program knows " + std::to_string(schema_version) + ")"};
    return *version >= 1 ? Result<FileKind>(FileKind::spool)
                         : Result<FileKind>(Error{Errc::damaged, path + ": schema version " + std::to_string(*version)});
  }
  if (*id != 0) return not_a_spool(path, "a database of another program (application id " + std::to_string(*id) + ")");
  auto tables = database.integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error().in(path);
  if (*tables != 0) return not_a_spool(path, "a database of another program (no application id)");
  return FileKind::empty;  // also one whose making was cut short
}

Result<uint64_t> random_epoch() {
  uint64_t epoch = 0;
  while (epoch == 0)
    if (::getrandom(&epoch, sizeof epoch, 0) != static_cast<ssize_t>(sizeof epoch) && errno != EINTR)
      return Error{Errc::internal, std::string("getrandom: ") + std::strerror(errno)};
  return epoch;
}

Status create(Database& database, const std::string& host) {
  auto epoch = random_epoch();
  if (!epoch) return epoch.error();
  Transaction transaction(database);
  JOULESPOOL_TRY(transaction.begin_write(), "make the spool");
  JOULESPOOL_TRY(database.execute(std::string(schema_sql())), "make the spool");
  JOULESPOOL_TRY(database.prepare("INSERT INTO meta (id, host, epoch) VALUES (1, ?1, ?2)").run(std::string_view(host), *epoch),
                 "make the spool");
  JOULESPOOL_TRY(transaction.commit(), "make the spool");
  return {};
}

Status migrate(Database& database) {
  auto version = database.integer("PRAGMA user_version");
  if (!version) return version.error();
  for (auto from = static_cast<size_t>(*version); from < std::size(migration_texts); ++from) {
    Transaction transaction(database);
    JOULESPOOL_TRY(transaction.begin_write(), "migrate");
    JOULESPOOL_TRY(database.execute(std::string(migration_texts[from])), "migrate to schema " + std::to_string(from + 1));
    JOULESPOOL_TRY(transaction.commit(), "migrate");
  }
  return {};
}

Result<SpoolMeta> read_meta(Database& database, const std::string& path) {
  Statement query = database.prepare("SELECT host, epoch FROM meta WHERE id = 1");
  query.start();
  auto row = query.next();
  if (!row) return row.error().in(path);
  if (!*row || query.number(1) == 0) return Error{Errc::damaged, path + ": no host and epoch"};
  return SpoolMeta{query.text(0), query.number(1)};
}

// page_size counts only before the file has pages, journal_mode is kept in the file, the others are of the connection.
// secure_delete is on in Debian's build: it would overwrite every byte of a frame that leaves.
Status configure(Database& database, uint64_t log_bytes_max) {
  JOULESPOOL_TRY(database.execute("PRAGMA page_size = " + std::to_string(page_bytes)), "configure");
  JOULESPOOL_TRY(database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;"
                                  "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;"
                                  "PRAGMA journal_size_limit = " +
                                  std::to_string(log_bytes_max)),
                 "configure");
  Statement mode = database.prepare("PRAGMA journal_mode");
  mode.start();
  auto row = mode.next();
  if (!row) return row.error();
  if (mode.text(0) != "wal") return Error{Errc::unreachable, "write-ahead logging does not work on this file system"};
  return {};
}

Result<std::unique_ptr<Database>> open_read_only(const std::string& path, OpenMode mode) {
  auto database = Database::open(path, mode);
  if (!database) return database.error();
  auto readable = (*database)->integer("SELECT count(*) FROM sqlite_schema");
  if (!readable) return readable.error().in(path);
  return database;
}

bool log_is_empty(const std::string& path) {
  struct stat info {};
  return ::stat((path + "-wal").c_str(), &info) != 0 ? errno == ENOENT : info.st_size == 0;
}

}  // namespace

std::string_view schema_sql() { return schema_text; }
std::span<const std::string_view> migration_sqls() { return migration_texts; }

Result<OpenedSpool> open_for_writing(const std::string& path, const std::string& host, uint64_t log_bytes_max) {
  auto database = Database::open(path, OpenMode::write);
  if (!database) return database.error();
  auto kind = identify(**database, path);
  if (!kind) return kind.error();
  JOULESPOOL_TRY(configure(**database, log_bytes_max), path);
  if (*kind == FileKind::empty) JOULESPOOL_TRY(create(**database, host), path);
  JOULESPOOL_TRY(migrate(**database), path);
  auto meta = read_meta(**database, path);
  if (!meta) return meta.error();
  if (meta->host != host) return Error{Errc::usage, path + " is the spool of host " + meta->host + ", not of " + host};
  return OpenedSpool{std::move(*database), std::move(*meta)};
}

Result<OpenedSpool> open_for_reading(const std::string& path) {
  auto database = open_read_only(path, OpenMode::read);
  // Where -shm cannot be written (read-only mount, full disk), the file alone is the whole truth only if its log is empty.
  if (!database && database.error().code != Errc::damaged && log_is_empty(path))
    database = open_read_only(path, OpenMode::immutable);
  if (!database) return database.error();
  auto kind = identify(**database, path);
  if (!kind) return kind.error();
  if (*kind == FileKind::empty) return Error{Errc::not_found, path + ": the spool is not made yet"};
  auto version = (*database)->integer("PRAGMA user_version");
  if (!version) return version.error();
  if (*version < schema_version)
    return Error{Errc::unreachable, path + " was made by an older version (schema " + std::to_string(*version) +
                                        "): the agent brings it up to date when it starts"};
  auto meta = read_meta(**database, path);
  if (!meta) return meta.error();
  return OpenedSpool{std::move(*database), std::move(*meta)};
}

}  // namespace joulespool::spool
