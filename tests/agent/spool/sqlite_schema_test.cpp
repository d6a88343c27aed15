#include "agent/spool/sqlite_schema.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using spool::Database;
using spool::OpenMode;

namespace {

std::unique_ptr<Database> open(const std::string& path) {
  auto database = Database::open(path, OpenMode::write);
  REQUIRE(database.ok());
  return std::move(*database);
}

// Everything that a schema is: the statements of all tables and indexes, and the two numbers of the file.
std::vector<std::string> schema_of(Database& database) {
  std::vector<std::string> lines;
  spool::Statement query = database.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name");
  query.start();
  while (*query.next()) lines.push_back(query.text(0) + " " + query.text(1) + " " + query.text(2));
  lines.push_back(std::to_string(*database.integer("PRAGMA application_id")));
  lines.push_back(std::to_string(*database.integer("PRAGMA user_version")));
  return lines;
}

void execute(const std::string& path, const std::string& sql) {
  const Status done = open(path)->execute(sql);
  REQUIRE_MESSAGE(done.ok(), (done ? "" : done.error().message));
}

Error writing_fails(const std::string& directory) {
  auto writer = spool::open_spool_writer({directory, test::test_host});
  REQUIRE(!writer.ok());
  return writer.error();
}

Error reading_fails(const std::string& directory) {
  auto reader = spool::open_spool_reader(directory);
  REQUIRE(!reader.ok());
  return reader.error();
}

}  // namespace

TEST_CASE("schema: all migrations from an empty database lead to schema.sql") {
  const test::TemporaryDirectory directory;
  auto whole = open(directory / "whole.db");
  REQUIRE(whole->execute(std::string(spool::schema_sql())).ok());
  auto migrated = open(directory / "migrated.db");
  int64_t version = 0;
  for (const auto& migration : spool::migration_sqls()) {
    REQUIRE(migrated->execute(std::string(migration)).ok());
    CHECK(*migrated->integer("PRAGMA user_version") == ++version);
  }
  CHECK(schema_of(*migrated) == schema_of(*whole));
  CHECK(*whole->integer("PRAGMA user_version") == spool::schema_version);
  CHECK(*whole->integer("PRAGMA application_id") == spool::application_id);
}

TEST_CASE("schema: a new spool has pages of 8 KiB, a write-ahead log and the application id") {
  const test::TemporaryDirectory directory;
  auto writer = spool::open_spool_writer({directory.path(), test::test_host});
  REQUIRE(writer.ok());
  auto database = open(directory / "spool.db");
  CHECK(*database->integer("PRAGMA page_size") == 8192);
  CHECK(*database->integer("PRAGMA application_id") == spool::application_id);
  spool::Statement mode = database->prepare("PRAGMA journal_mode");
  mode.start();
  REQUIRE(*mode.next());
  CHECK(mode.text(0) == "wal");
}

TEST_CASE("schema: a database of another program is left alone") {
  for (const std::string sql :
       {"PRAGMA application_id = 99", "CREATE TABLE theirs (x)", "PRAGMA application_id = 99; CREATE TABLE x (y)"}) {
    const test::TemporaryDirectory directory;
    execute(directory / "spool.db", sql);
    for (const Error& error : {writing_fails(directory.path()), reading_fails(directory.path())}) {
      CHECK(error.code == Errc::unreachable);
      CHECK(error.message.find("is not a spool: a database of another program") != std::string::npos);
    }
    CHECK(!std::filesystem::exists(directory / "damaged-1"));
  }
}

TEST_CASE("schema: a spool of a newer version is refused with both numbers") {
  const test::TemporaryDirectory directory;
  REQUIRE(spool::open_spool_writer({directory.path(), test::test_host}).ok());
  execute(directory / "spool.db", "PRAGMA user_version = 7");
  for (const Error& error : {writing_fails(directory.path()), reading_fails(directory.path())}) {
    CHECK(error.code == Errc::unreachable);
    CHECK(error.message.find("was made by a newer version (schema 7, this program knows 1)") != std::string::npos);
  }
}

TEST_CASE("schema: a spool whose making was cut short is made again") {
  const test::TemporaryDirectory directory;
  SUBCASE("an empty file") { std::ofstream(directory / "spool.db").close(); }
  SUBCASE("no tables yet") { execute(directory / "spool.db", "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL"); }
  CHECK(reading_fails(directory.path()).code == Errc::not_found);
  auto writer = spool::open_spool_writer({directory.path(), test::test_host});
  REQUIRE(writer.ok());
  CHECK((*writer)->epoch() != 0);
  CHECK((*writer)->take_notices().empty());
  CHECK(spool::open_spool_reader(directory.path()).ok());
}

TEST_CASE("schema: every new spool has its own epoch") {
  const test::TemporaryDirectory one;
  const test::TemporaryDirectory two;
  auto first = spool::open_spool_writer({one.path(), test::test_host});
  auto second = spool::open_spool_writer({two.path(), test::test_host});
  CHECK((*first)->epoch() != (*second)->epoch());
}

TEST_CASE("spool: what is no directory of a spool is told apart") {
  const test::TemporaryDirectory directory;
  CHECK(reading_fails(directory.path()).code == Errc::not_found);
  CHECK(reading_fails(directory / "nowhere").code == Errc::not_found);
  std::ofstream(directory / "file") << "x";
  CHECK(reading_fails(directory / "file").code == Errc::not_found);
  CHECK(writing_fails(directory / "file").code == Errc::unreachable);
  CHECK(spool::open_spool_writer({directory / "made/on/the way?#%41", test::test_host}).ok());
  CHECK(spool::open_spool_reader(directory / "made/on/the way?#%41").ok());
}
