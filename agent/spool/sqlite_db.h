// Thin RAII over SQLite: connection, statement, transaction; its codes as our errors. Knows nothing of frames.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/wire/types.h"

struct sqlite3;
struct sqlite3_file;
struct sqlite3_stmt;

namespace joulespool::spool {

// Every commit writes some seven pages beside those of its frames, and a frame leaves half a page empty: with 2 KiB a frame of 20
// KiB costs 6 % more than its bytes and the default commit 35 %, with 4 KiB 8 % and 56 % (docs/spool.md).
constexpr uint64_t page_bytes = 2048;
// The write-ahead log has this much beside each page.
constexpr uint64_t log_frame_bytes = page_bytes + 24;

// SQLite has signed 64-bit integers only: the same bits.
constexpr int64_t to_sql(uint64_t value) { return static_cast<int64_t>(value); }
constexpr uint64_t from_sql(int64_t value) { return static_cast<uint64_t>(value); }

// full: no space (also when SQLite calls it an I/O error), damaged: the database is not sound or not one, busy: locked,
// unreachable: I/O, permission; internal: our bug. The message has SQLite's text and extended code.
Error sqlite_error(sqlite3* connection, int code, std::string_view where);

// A failure to prepare is reported by run() and next().
class Statement {
 public:
  Statement(sqlite3* connection, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // Runs it to the end with these values for ?1, ?2 ... Views must live until then.
  template <class... Values>
  Status run(const Values&... values) {
    start(values...);
    auto row = next();
    return row ? Status{} : Status{row.error()};
  }
  // Starts anew; then next() until it says false.
  template <class... Values>
  void start(const Values&... values) {
    reset();
    int index = 0;
    (bind(++index, values), ...);
  }
  // True: there is a row, its columns can be read until the next call.
  Result<bool> next();
  // Lets go of the row and of the read lock that comes with it.
  void reset();

  [[nodiscard]] int64_t integer(int column) const;
  [[nodiscard]] uint64_t number(int column) const { return from_sql(integer(column)); }
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] wire::Bytes blob(int column) const;

 private:
  void bind(int index, int64_t value);
  void bind(int index, uint64_t value) { bind(index, to_sql(value)); }
  void bind(int index, uint32_t value) { bind(index, static_cast<int64_t>(value)); }
  void bind(int index, double value);
  void bind(int index, std::string_view value);
  void bind(int index, wire::ByteView value);

  sqlite3* connection_;
  sqlite3_stmt* statement_ = nullptr;
  int code_ = 0;  // of preparing and binding
};

enum class OpenMode {
  write,     // created if missing
  follow,    // beside a writer whose log has its index in -shm: sees what is committed while it is open
  snapshot,  // what is committed now, and never more; takes no lock and writes nothing, not even beside the database
};

// A connection. One thread at a time. The log is never copied into the database: it is the log that keeps what is committed.
class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const std::string& path, OpenMode mode);
  // A new one in memory.
  static Result<std::unique_ptr<Database>> open_in_memory();
  // The bytes of a database file without a log, in memory. `edit`: it can be changed there. No SQL reaches beyond it to a file.
  static Result<std::unique_ptr<Database>> open_image(wire::ByteView image, bool edit = false);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  Status execute(const std::string& sql);  // one or more statements
  [[nodiscard]] Statement prepare(std::string_view sql) { return {connection_, sql}; }
  // The first column of the first row; 0 if there is none.
  Result<int64_t> integer(std::string_view sql);

  // Makes the file durable: where that is not left to a transaction. Errors: full, unreachable.
  Status sync();
  // Allocates the index of a log of that many frames. It is mapped memory: on a full disk, touching a page of it that is not
  // allocated would kill the process (SIGBUS). Errors: full.
  Status allocate_log_index(uint64_t log_frames);
  // Pages in the log after the last commit of this connection.
  [[nodiscard]] uint64_t log_frames() const { return log_frames_; }

 private:
  Database() = default;
  Result<sqlite3_file*> file();
  sqlite3* connection_ = nullptr;
  uint64_t log_frames_ = 0;
  bool index_allocated_ = false;
};

// Rolls back when it goes out of scope without commit().
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  Status begin_write() { return begin("BEGIN IMMEDIATE"); }
  Status begin_read() { return begin("BEGIN"); }
  Status commit();

 private:
  Status begin(const char* sql);
  Database& database_;
  bool open_ = false;
};

}  // namespace joulespool::spool
