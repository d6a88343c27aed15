#include "agent/spool/sqlite_db.h"

#include <sqlite3.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace joulespool::spool {
namespace {

constexpr int busy_timeout_ms = 1000;  // readers hold their locks for milliseconds

// The log's index comes in regions of 32 KiB: the first has room for 4062 frames, the others for 4096.
constexpr int index_region_bytes = 32 * 1024;
constexpr uint64_t index_region_frames_min = 4062;

Errc error_code(int code, int system_code) {
  if (system_code == ENOSPC || system_code == EDQUOT) return Errc::full;
  switch (code & 0xFF) {
    case SQLITE_FULL: return Errc::full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // What is written here fits the schema: a row that breaks its rules was damaged before (a flipped bit that makes a text
    // a blob, say).
    case SQLITE_CONSTRAINT: return Errc::damaged;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Errc::busy;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_PROTOCOL: return Errc::unreachable;
    default: return Errc::internal;
  }
}

bool is_io_error(int code) { return (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN; }

// A path as the path of a file: URI.
std::string escape(const std::string& path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("/-_.~").find(c) != std::string_view::npos;
    if (plain) text += c;
    else text += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

std::string uri(const std::string& path, OpenMode mode) {
  // Two leading slashes would name a host.
  const std::string start = path.starts_with("//") ? path.substr(path.find_first_not_of('/') - 1) : path;
  // unix-none takes no locks; the log's index is then kept in memory, if the connection is alone (locking_mode).
  const std::string_view query = mode == OpenMode::write    ? "?mode=rwc"
                                 : mode == OpenMode::follow ? "?mode=ro"
                                                            : "?mode=ro&vfs=unix-none";
  return "file:" + escape(start) + std::string(query);
}

// Of the database, without its folder.
std::string file_name(sqlite3* connection) {
  const char* const path = sqlite3_db_filename(connection, "main");
  const std::string_view all = path == nullptr ? "" : path;
  return std::string(all.substr(all.find_last_of('/') + 1));
}

}  // namespace

Error sqlite_error(sqlite3* connection, int code, std::string_view where) {
  const int system_code = connection != nullptr && is_io_error(code) ? sqlite3_system_errno(connection) : 0;
  std::string message(where);
  message += std::string(": ") + (connection != nullptr ? sqlite3_errmsg(connection) : sqlite3_errstr(code));
  message += " (SQLite " + std::to_string(code);
  if (system_code != 0) message += std::string(", ") + std::strerror(system_code);
  return {error_code(code, system_code), message + ")"};
}

Statement::Statement(sqlite3* connection, std::string_view sql) : connection_(connection) {
  code_ = sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

void Statement::reset() { sqlite3_reset(statement_); }

Result<bool> Statement::next() {
  if (code_ == SQLITE_ERROR)  // a statement of ours that does not fit: a flipped bit made the schema another one
    return Error{Errc::damaged, sqlite_error(connection_, code_, file_name(connection_)).message};
  if (code_ != SQLITE_OK) return sqlite_error(connection_, code_, "prepare");
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = sqlite_error(connection_, code, file_name(connection_));
  reset();
  return error;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string Statement::text(int column) const {
  const auto* text = static_cast<const char*>(static_cast<const void*>(sqlite3_column_text(statement_, column)));
  return text == nullptr ? std::string{} : std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

wire::Bytes Statement::blob(int column) const {
  const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? wire::Bytes{} : wire::Bytes(bytes, bytes + sqlite3_column_bytes(statement_, column));
}

void Statement::bind(int index, int64_t value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_, index, value);
}

void Statement::bind(int index, double value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_double(statement_, index, value);
}

void Statement::bind(int index, std::string_view value) {
  const char* text = value.empty() ? "" : value.data();  // a null pointer would be NULL
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_text64(statement_, index, text, value.size(), nullptr, SQLITE_UTF8);
}

void Statement::bind(int index, wire::ByteView value) {
  const void* bytes = value.empty() ? static_cast<const void*>("") : value.data();
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_blob64(statement_, index, bytes, value.size(), nullptr);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, OpenMode mode) {
  std::unique_ptr<Database> database(new Database());
  const int access = mode == OpenMode::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(uri(path, mode).c_str(), &database->connection_,
                                   access | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) return sqlite_error(database->connection_, code, path);
  sqlite3_busy_timeout(database->connection_, busy_timeout_ms);
  const auto count_frames = [](void* self, sqlite3*, const char*, int frames) {
    static_cast<Database*>(self)->log_frames_ = static_cast<uint64_t>(frames);
    return SQLITE_OK;
  };
  sqlite3_wal_hook(database->connection_, count_frames, database.get());  // also turns SQLite's own checkpoints off
  sqlite3_db_config(database->connection_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (mode == OpenMode::snapshot) JOULESPOOL_TRY(database->execute("PRAGMA locking_mode = EXCLUSIVE"), path);
  return database;
}

Result<std::unique_ptr<Database>> Database::open_in_memory() {
  std::unique_ptr<Database> database(new Database());
  const int code = sqlite3_open_v2(":memory:", &database->connection_,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  if (code != SQLITE_OK) return sqlite_error(database->connection_, code, "a database in memory");
  sqlite3_limit(database->connection_, SQLITE_LIMIT_ATTACHED, 0);
  return database;
}

Result<std::unique_ptr<Database>> Database::open_image(wire::ByteView image, bool edit) {
  auto database = open_in_memory();
  if (!database) return database.error();
  auto* const copy = static_cast<unsigned char*>(sqlite3_malloc64(image.size()));
  if (copy == nullptr) return Error{Errc::internal, "no memory for a segment"};
  std::memcpy(copy, image.data(), image.size());
  const auto size = static_cast<sqlite3_int64>(image.size());
  const unsigned use = edit ? SQLITE_DESERIALIZE_RESIZEABLE : SQLITE_DESERIALIZE_READONLY;
  const int code = sqlite3_deserialize((*database)->connection_, "main", copy, size, size, SQLITE_DESERIALIZE_FREEONCLOSE | use);
  if (code != SQLITE_OK) return sqlite_error((*database)->connection_, code, "a segment in memory");
  return database;
}

// SQLite lets go of the log's index itself if it has opened the log.
Database::~Database() {
  if (index_allocated_ && log_frames_ == 0) {
    auto database = file();
    if (database) (*database)->pMethods->xShmUnmap(*database, 1);
  }
  sqlite3_close_v2(connection_);
}

Status Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return sqlite_error(connection_, code, file_name(connection_));
  return {};
}

Result<int64_t> Database::integer(std::string_view sql) {
  Statement query = prepare(sql);
  query.start();
  auto row = query.next();
  if (!row) return row.error();
  return *row ? query.integer(0) : int64_t{0};
}

Result<sqlite3_file*> Database::file() {
  sqlite3_file* file = nullptr;
  const int found = sqlite3_file_control(connection_, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (found != SQLITE_OK || file == nullptr) return sqlite_error(connection_, found, file_name(connection_));
  return file;
}

Status Database::sync() {
  auto database = file();
  if (!database) return database.error();
  const int code = (*database)->pMethods->xSync(*database, SQLITE_SYNC_NORMAL);
  return code == SQLITE_OK ? Status{} : sqlite_error(nullptr, code, file_name(connection_) + " cannot be flushed");
}

Status Database::allocate_log_index(uint64_t log_frames) {
  auto database = file();
  if (!database) return database.error();
  sqlite3_file* const file = *database;
  index_allocated_ = true;
  for (int region = 0; static_cast<uint64_t>(region) * index_region_frames_min < log_frames; ++region) {
    void volatile* memory = nullptr;
    const int code = file->pMethods->xShmMap(file, region, index_region_bytes, 1, &memory);
    if (code != SQLITE_OK)
      return Error{Errc::full, file_name(connection_) + "-shm cannot grow (SQLite " + std::to_string(code) + ")"};
#ifdef MADV_POPULATE_WRITE
    // Where the blocks of the file system are smaller than a page, SQLite allocates only one of each page. Unknown to
    // kernels before 5.14 (EINVAL).
    if (::madvise(const_cast<void*>(memory), index_region_bytes, MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
      return Error{Errc::full, file_name(connection_) + "-shm: " + std::strerror(errno)};
#endif
  }
  return {};
}

Status Transaction::begin(const char* sql) {
  JOULESPOOL_TRY(database_.execute(sql), "begin");
  open_ = true;
  return {};
}

Status Transaction::commit() {
  JOULESPOOL_TRY(database_.execute("COMMIT"), "commit");
  open_ = false;
  return {};
}

Transaction::~Transaction() {
  // Fails when SQLite has rolled back by itself after an error: that is what is wanted.
  if (open_) static_cast<void>(database_.execute("ROLLBACK"));
}

}  // namespace joulespool::spool
