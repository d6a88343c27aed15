// Segments of other versions of the schema.
#include <doctest/doctest.h>

#include <filesystem>

#include "agent/spool/row_crc.h"
#include "agent/spool/segment_log.h"
#include "agent/spool/sqlite_rows.h"
#include "agent/spool/sqlite_versions.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wire_spool.h"

using namespace joulespool;
using test::WireSpool;

namespace {

constexpr const char* back_to_2 =
    "ALTER TABLE frames DROP COLUMN codec; ALTER TABLE positions RENAME COLUMN serial_number TO serial; DROP TABLE rollbacks";

// What a program of schema 3 might have made of each segment.
void make_version_3(const std::string& directory, uint32_t crc_change) {
  for (const uint64_t number : spool::list_segments(directory)) {
    auto database = spool::Database::open(spool::segment_path(directory, number), spool::OpenMode::write);
    REQUIRE(database.ok());
    REQUIRE(
        (*database)
            ->execute("CREATE TABLE rollbacks (version INTEGER PRIMARY KEY, sql TEXT NOT NULL, crc32c INTEGER NOT NULL) STRICT;"
                      "ALTER TABLE frames ADD COLUMN codec INTEGER; ALTER TABLE positions RENAME COLUMN serial TO serial_number;"
                      "PRAGMA user_version = 3")
            .ok());
    const uint32_t crc = spool::row_crc(int64_t{3}, std::string_view(back_to_2)) ^ crc_change;
    REQUIRE((*database)->prepare("INSERT INTO rollbacks VALUES (3, ?1, ?2)").run(std::string_view(back_to_2), crc).ok());
  }
}

}  // namespace

TEST_CASE("versions: a spool of a newer schema is read the way that its program left, and goes on in this one") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), 25);
  make_version_3(directory.path(), 0);
  auto writer = WireSpool::open(directory.path());
  CHECK(writer->epoch() == made.epoch);
  CHECK(writer->take_notices().empty());
  CHECK(writer->positions()->front().totals == made.totals);
  auto reader = spool::open_spool_reader(directory.path());
  REQUIRE(reader.ok());
  size_t count = 0;
  for (const auto lane : wire::lanes) {
    const auto frames = (*reader)->read(made.sequence(lane), 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE(frames.ok());
    for (const auto& frame : *frames) {
      CHECK(frame.intact);
      CHECK(frame.bytes == made.frames.at(frame.info.id).bytes);
    }
    count += frames->size();
  }
  CHECK(count == made.frames.size());
  const auto wave = made.sequence(wire::Lane::wave);
  CHECK(writer->commit(test::commit_of(wave, writer->next_seq(wave), 2, 500)).ok());
}

TEST_CASE("versions: where the way back is damaged, the spool is refused with both numbers, and left alone") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), 3);
  make_version_3(directory.path(), 1);
  const auto before = test::read_file(spool::segment_path(directory.path(), 1) + "-wal");
  spool::SpoolOptions options;
  options.directory = directory.path();
  options.host = test::test_host;
  const auto writer = spool::open_spool_writer(options);
  REQUIRE(!writer.ok());
  CHECK(writer.error().code == Errc::unreachable);
  CHECK(writer.error().message.find("made by a newer version (schema 3, this program knows 2)") != std::string::npos);
  CHECK(writer.error().message.find("does not match its checksum") != std::string::npos);
  CHECK(spool::open_spool_reader(directory.path(), spool::ReadMode::snapshot).error().code == Errc::unreachable);
  CHECK(test::read_file(spool::segment_path(directory.path(), 1) + "-wal") == before);
  CHECK(!std::filesystem::exists(directory / "damaged-1"));
}

TEST_CASE("versions: steps are applied in order, all of one or none of it, and reach no other file") {
  const test::TemporaryDirectory directory;
  const WireSpool made(directory.path(), 3);
  const auto image = spool::rebuild_from_log(spool::segment_path(directory.path(), 1), spool::LastTransaction::confirmed);
  REQUIRE(image.ok());
  // Forward: a migration of schema 2 to 3, and one more.
  const auto forward = spool::convert(image->bytes, {{3, "CREATE TABLE notes (text TEXT) STRICT; INSERT INTO notes VALUES ('a')"},
                                                     {4, "INSERT INTO notes VALUES ('b'); ALTER TABLE notes RENAME TO remarks"}});
  REQUIRE_MESSAGE(forward.ok(), (forward ? "" : forward.error().message));
  CHECK(*(*forward)->integer("PRAGMA user_version") == 4);
  CHECK(*(*forward)->integer("SELECT count(*) FROM remarks") == 2);
  CHECK(*(*forward)->integer("SELECT count(*) FROM frames") > 0);
  CHECK(spool::load_meta(**forward).value()->host == test::test_host);
  CHECK(spool::convert(image->bytes, {{3, "CREATE TABLE a (b); nonsense"}}).error().code == Errc::damaged);
  const std::string attach = "ATTACH DATABASE '" + (directory / "other.db") + "' AS other; CREATE TABLE other.x (y)";
  CHECK(!spool::convert(image->bytes, {{3, attach}}).ok());
  CHECK(!std::filesystem::exists(directory / "other.db"));
}
