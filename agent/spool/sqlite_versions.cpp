#include "agent/spool/sqlite_versions.h"

#include "agent/spool/row_crc.h"

namespace joulespool::spool {
namespace {

Status apply(Database& database, const VersionStep& step) {
  Transaction transaction(database);
  JOULESPOOL_TRY(transaction.begin_write(), "begin");
  JOULESPOOL_TRY(database.execute(step.sql), "apply");
  JOULESPOOL_TRY(database.execute("PRAGMA user_version = " + std::to_string(step.to)), "number");
  return transaction.commit();
}

}  // namespace

Result<std::unique_ptr<Database>> convert(wire::ByteView image, const std::vector<VersionStep>& steps) {
  auto database = Database::open_image(image, true);
  if (!database) return database.error();
  for (const VersionStep& step : steps) {
    const Status applied = apply(**database, step);
    if (!applied) return Error{Errc::damaged, "to schema " + std::to_string(step.to) + ": " + applied.error().message};
  }
  return database;
}

Result<std::vector<VersionStep>> stored_rollbacks(Database& database, int64_t from, int64_t to) {
  std::vector<VersionStep> steps;
  for (int64_t version = from; version > to; --version) {
    const std::string step = "the way back from schema " + std::to_string(version);
    Statement query = database.prepare("SELECT sql, crc32c FROM rollbacks WHERE version = ?1");
    query.start(version);
    auto row = query.next();
    if (!row || !*row) return Error{Errc::unreachable, step + " is not stored in it"};
    steps.push_back({version - 1, query.text(0)});
    if (row_crc(version, std::string_view(steps.back().sql)) != query.number(1))
      return Error{Errc::unreachable, step + " that is stored in it does not match its checksum"};
  }
  return steps;
}

}  // namespace joulespool::spool
