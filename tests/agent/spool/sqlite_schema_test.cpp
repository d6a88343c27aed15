#include "agent/spool/sqlite_schema.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/base/crc32c.h"
#include "agent/base/int128.h"
#include "agent/spool/disk_files.h"
#include "agent/spool/segment_files.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using spool::Database;
using spool::FrameState;
using spool::OpenMode;
namespace fs = std::filesystem;

namespace {

void execute(const std::string& path, const std::string& sql) {
  auto database = Database::open(path, OpenMode::write);
  REQUIRE(database.ok());
  const Status done = (*database)->execute(sql);
  REQUIRE_MESSAGE(done.ok(), (done ? "" : done.error().message));
}

Error writing_fails(const std::string& directory) {
  auto writer = spool::open_spool_writer({directory, test::test_host});
  REQUIRE(!writer.ok());
  return writer.error();
}

Error reading_fails(const std::string& directory) {
  auto reader = spool::open_spool_reader(directory, spool::ReadMode::snapshot);
  REQUIRE(!reader.ok());
  return reader.error();
}

// Of the one segment of a new spool, or of schema 1.
const std::string first_segment = "segment-00000001.db", schema_1 = "spool.db";

std::string hexadecimal(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

TEST_CASE("schema: a segment has pages of 4 KiB, a write-ahead log, the application id and the version") {
  const test::TemporaryDirectory directory;
  auto writer = spool::open_spool_writer({directory.path(), test::test_host});
  REQUIRE(writer.ok());
  auto database = spool::open_segment(directory / first_segment, OpenMode::snapshot);
  REQUIRE(database.ok());
  CHECK(*(*database)->integer("PRAGMA page_size") == spool::page_bytes);
  CHECK(*(*database)->integer("PRAGMA application_id") == spool::application_id);
  CHECK(*(*database)->integer("PRAGMA user_version") == spool::schema_version);
  spool::Statement mode = (*database)->prepare("PRAGMA journal_mode");
  mode.start();
  REQUIRE(*mode.next());
  CHECK(mode.text(0) == "wal");
}

TEST_CASE("schema: a database of another program is left alone") {
  for (const std::string& name : {first_segment, schema_1})
    for (const std::string sql :
         {"PRAGMA application_id = 99", "CREATE TABLE theirs (x)", "PRAGMA application_id = 99; CREATE TABLE x (y)"}) {
      CAPTURE(name);
      CAPTURE(sql);
      const test::TemporaryDirectory directory;
      execute(directory / name, sql + "; CREATE TABLE filler (x)");
      const auto size = fs::file_size(directory / name);
      for (const Error& error : {writing_fails(directory.path()), reading_fails(directory.path())}) {
        CHECK(error.code == Errc::unreachable);
        CHECK(error.message.find("is not a spool: a database of another program") != std::string::npos);
      }
      CHECK(!fs::exists(directory / "damaged-1"));
      CHECK(fs::file_size(directory / name) == size);
    }
}

TEST_CASE("schema: a spool of a newer version is refused with both numbers, and left alone") {
  const test::TemporaryDirectory directory;
  REQUIRE(spool::open_spool_writer({directory.path(), test::test_host}).ok());
  execute(directory / first_segment, "PRAGMA user_version = 7");
  for (const Error& error : {writing_fails(directory.path()), reading_fails(directory.path())}) {
    CHECK(error.code == Errc::unreachable);
    CHECK(error.message.find("was made by a newer version (schema 7, this program knows 2)") != std::string::npos);
  }
  CHECK(fs::exists(directory / first_segment));
}

TEST_CASE("schema: a segment whose making was cut short is passed over") {
  const test::TemporaryDirectory directory;
  const std::string next = spool::segment_path(directory.path(), 2);
  uint64_t epoch = 0;
  {
    auto writer = spool::open_spool_writer({directory.path(), test::test_host});
    REQUIRE(writer.ok());
    epoch = (*writer)->epoch();
    REQUIRE((*writer)->commit(test::commit_of({"js220-001122", epoch, wire::Lane::stat}, 1, 3, 500)).ok());
  }
  SUBCASE("an empty file") { std::ofstream(next).close(); }
  SUBCASE("no tables yet") { execute(next, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL"); }
  SUBCASE("a log without a transaction") {
    execute(next, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL");
    std::ofstream(next + "-wal") << std::string(100, 'x');
  }
  auto reader = spool::open_spool_reader(directory.path(), spool::ReadMode::snapshot);
  REQUIRE(reader.ok());
  CHECK((*reader)->usage()->payload_bytes == 1500);
  auto writer = spool::open_spool_writer({directory.path(), test::test_host});
  REQUIRE(writer.ok());
  CHECK((*writer)->next_seq({"js220-001122", epoch, wire::Lane::stat}) == 4);
  CHECK(!fs::exists(next));
}

TEST_CASE("schema: a spool of schema 1 is read where it is, goes on in segments, and is removed when its frames have left") {
  const fs::path golden = fs::path(JOULESPOOL_TEST_DATA) / "spools/1";
  const auto contents = nlohmann::json::parse(std::ifstream(golden / "contents.json"));
  const test::TemporaryDirectory directory;
  fs::copy_file(golden / "spool.db", directory / "spool.db");
  const auto check = [&](spool::SpoolReader& reader) {
    CHECK(reader.host() == contents.at("host"));
    const auto positions = reader.positions();
    REQUIRE(positions->size() == 1);
    CHECK(positions->front().sample_id_end == contents.at("devices")[0].at("sample_id_end"));
    size_t frames = 0;
    const auto usage = reader.usage();
    for (const auto& lane : usage->lanes) {
      const auto stored = reader.read(lane.sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
      for (const auto& frame : *stored) {
        const auto& twin = contents.at("frames").at(frames++);
        CHECK(frame.intact);
        CHECK(frame.info.id.seq == twin.at("seq"));
        CHECK(wire::to_string(frame.info.id.sequence.lane) == twin.at("lane"));
        CHECK(hexadecimal(frame.info.id.sequence.epoch) == twin.at("epoch"));
        CHECK(hexadecimal(frame.info.axis) == twin.at("axis"));
        CHECK(frame.info.sample_id_first == twin.at("sample_id_first"));
        CHECK(frame.info.sample_id_end == twin.at("sample_id_end"));
        CHECK(frame.info.samples == twin.at("samples"));
        CHECK(frame.bytes.size() == twin.at("size_bytes"));
      }
    }
    CHECK(frames == contents.at("frames").size());
  };
  auto before = spool::open_spool_reader(directory.path(), spool::ReadMode::snapshot);
  REQUIRE_MESSAGE(before.ok(), (before ? "" : before.error().message));
  check(**before);
  auto writer = spool::open_spool_writer({directory.path(), contents.at("host")});
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  auto reader = spool::open_spool_reader(directory.path());
  check(**reader);
  REQUIRE(fs::exists(directory / "spool.db"));
  spool::Commit acks;
  const auto usage = (*writer)->usage();
  for (const auto& lane : usage->lanes) acks.stored.push_back({lane.sequence, {1, lane.seq_next - 1}});
  REQUIRE((*writer)->commit(acks).ok());
  CHECK(!fs::exists(directory / "spool.db"));
  CHECK((*reader)->usage()->payload_bytes == 0);
  CHECK((*reader)->positions()->size() == 1);
}

namespace {

// Every frame, position and count is what the twin says.
void check_contents(spool::SpoolReader& reader, const nlohmann::json& contents) {
  CHECK(reader.host() == contents.at("host"));
  const auto usage = reader.usage();
  const auto positions = reader.positions();
  REQUIRE(usage.ok());
  REQUIRE(positions.ok());
  CHECK(usage->quarantined_frames == contents.at("quarantined_frames"));
  REQUIRE(positions->size() == contents.at("devices").size());
  const auto& device = contents.at("devices")[0];
  const spool::DevicePosition& position = positions->front();
  CHECK(position.device.id == device.at("id"));
  CHECK(hexadecimal(position.axis.life) == device.at("axis"));
  CHECK(position.sample_id_end == device.at("sample_id_end"));
  CHECK(position.totals.samples == device.at("samples"));
  CHECK(position.totals.samples_lost == device.at("samples_lost"));
  CHECK(to_decimal(position.totals.i_sum) == device.at("charge_units"));
  CHECK(to_decimal(position.totals.p_sum) == device.at("energy_units"));
  std::map<wire::FrameId, spool::StoredFrame> frames;
  for (const auto& lane : usage->lanes) {
    const auto stored = reader.read(lane.sequence, 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE(stored.ok());
    for (const auto& frame : *stored) frames.emplace(frame.info.id, frame);
  }
  CHECK(frames.size() == contents.at("frames").size());
  for (const auto& twin : contents.at("frames")) {
    const std::string lane = twin.at("lane");
    CAPTURE(lane);
    const uint64_t epoch = std::stoull(twin.at("epoch").get<std::string>(), nullptr, 16);
    const auto at = std::find_if(frames.begin(), frames.end(), [&](const auto& frame) {
      const wire::FrameId& id = frame.first;
      return id.sequence.device == twin.at("device") && id.sequence.epoch == epoch && wire::to_string(id.sequence.lane) == lane &&
             id.seq == twin.at("seq");
    });
    REQUIRE(at != frames.end());
    const auto& [info, bytes, intact] = at->second;
    CHECK(intact);
    CHECK((info.state == FrameState::queued ? "queued" : "kept") == twin.at("state"));
    CHECK(info.level == twin.at("level"));
    CHECK(hexadecimal(info.axis) == twin.at("axis"));
    CHECK(info.sample_id_first == twin.at("sample_id_first"));
    CHECK(info.sample_id_end == twin.at("sample_id_end"));
    CHECK(info.utc_first_ns == twin.at("utc_first_ns"));
    CHECK(info.utc_end_ns == twin.at("utc_end_ns"));
    CHECK(info.samples == twin.at("samples"));
    CHECK(info.size_bytes == twin.at("size_bytes"));
    CHECK(crc32c(bytes) == twin.at("crc32c"));
  }
}

}  // namespace

TEST_CASE("schema: a spool of schema 2 is read completely, and goes on") {
  const fs::path golden = fs::path(JOULESPOOL_TEST_DATA) / "spools/2";
  const auto contents = nlohmann::json::parse(std::ifstream(golden / "contents.json"));
  const test::TemporaryDirectory directory;
  fs::copy(golden, directory.path(), fs::copy_options::recursive);
  fs::remove(directory / "contents.json");
  auto before = spool::open_spool_reader(directory.path(), spool::ReadMode::snapshot);
  REQUIRE_MESSAGE(before.ok(), (before ? "" : before.error().message));
  check_contents(**before, contents);
  CHECK(hexadecimal((*before)->epoch()) == contents.at("epoch"));
  CHECK((*before)->usage()->wear.appended_bytes == contents.at("wear").at("appended_bytes"));
  CHECK((*before)->usage()->wear.written_bytes == contents.at("wear").at("written_bytes"));
  CHECK((*before)->usage()->wear.since_utc_ns == contents.at("wear").at("since_utc_ns"));

  auto writer = spool::open_spool_writer({directory.path(), contents.at("host")});
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  CHECK((*writer)->take_notices().empty());
  CHECK(hexadecimal((*writer)->epoch()) == contents.at("epoch"));  // it had a proper end
  CHECK((*writer)->usage()->wear.written_bytes > contents.at("wear").at("written_bytes"));
  auto reader = spool::open_spool_reader(directory.path());
  check_contents(**reader, contents);
  const wire::FrameSequence stat{"js220-001122", (*writer)->epoch(), wire::Lane::stat};
  CHECK((*writer)->next_seq(stat) == 6);
  REQUIRE((*writer)->commit(test::commit_of(stat, 6, 3, 500)).ok());
  spool::Commit leave;
  const auto usage = (*writer)->usage();
  for (const auto& lane : usage->lanes) {
    leave.stored.push_back({lane.sequence, {1, lane.seq_next - 1}});
    const auto frames = (*reader)->list(lane.sequence, 0, SIZE_MAX);
    for (const auto& frame : *frames)
      if (frame.state == FrameState::kept) leave.dropped.push_back(frame.id);
  }
  CHECK(leave.dropped.size() == 3);
  REQUIRE((*writer)->commit(leave).ok());
  CHECK((*reader)->usage()->payload_bytes == 0);
  CHECK(!fs::exists(directory / first_segment));
  CHECK((*reader)->positions()->size() == 1);
}

TEST_CASE("schema: a damaged spool of schema 1 is moved aside and a fresh one with a new epoch takes its place") {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "spool.db") << std::string(50'000, 'z');
  auto writer = spool::open_spool_writer({directory.path(), test::test_host});
  REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
  CHECK((*writer)->take_notices().size() == 1);
  CHECK(fs::file_size(directory / "damaged-1/spool.db") == 50'000);
  CHECK((*writer)->commit(test::commit_of({"js220-001122", (*writer)->epoch(), wire::Lane::stat}, 1, 3, 500)).ok());
}

TEST_CASE("schema: every new spool has its own epoch") {
  const test::TemporaryDirectory one;
  const test::TemporaryDirectory two;
  auto first = spool::open_spool_writer({one.path(), test::test_host});
  auto second = spool::open_spool_writer({two.path(), test::test_host});
  CHECK((*first)->epoch() != (*second)->epoch());
}

TEST_CASE("spool: after another boot a spool that was not closed has a new epoch, and one that was keeps its own") {
  for (const bool closed : {false, true}) {
    CAPTURE(closed);
    const test::TemporaryDirectory directory, after;
    spool::SpoolOptions options{directory.path(), test::test_host};
    options.boot = "one";
    auto writer = spool::open_spool_writer(options);
    REQUIRE(writer.ok());
    const wire::FrameSequence stat{"js220-001122", (*writer)->epoch(), wire::Lane::stat};
    REQUIRE((*writer)->commit(test::commit_of(stat, 1, 3, 500)).ok());
    if (closed) writer->reset();
    fs::copy(directory.path(), after / "spool");
    for (const char* boot : {"one", "two"}) {
      const test::TemporaryDirectory copy;
      fs::copy(after / "spool", copy / "spool");
      spool::SpoolOptions later{copy / "spool", test::test_host};
      later.boot = boot;
      auto next = spool::open_spool_writer(later);
      REQUIRE(next.ok());
      const bool kept = closed || options.boot == boot;
      CHECK(((*next)->epoch() == stat.epoch) == kept);
      CHECK((*next)->next_seq({"js220-001122", (*next)->epoch(), wire::Lane::stat}) == (kept ? 4 : 1));
      CHECK((*next)->usage()->payload_bytes == 1500);
    }
  }
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
