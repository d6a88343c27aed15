// What the spool commands have in common: times, spools that are none, and those that change a spool.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "agent/spool/sqlite_db.h"
#include "tests/agent/cli/cli_run.h"
#include "tests/support/device_spool.h"
#include "tests/support/mosquitto.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using namespace joulespool::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

CliResult spool_command(const std::string& directory, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "spool");
  arguments.insert(arguments.end(), {"--spool", directory});
  return run_in_process(arguments);
}

json spool_json(const std::string& directory, std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const CliResult result = spool_command(directory, arguments);
  REQUIRE_MESSAGE(!result.out.empty(), result.err);
  return json::parse(result.out);
}

std::map<std::string, uintmax_t> files_in(const std::string& directory) {
  std::map<std::string, uintmax_t> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    files[entry.path()] = entry.is_regular_file() ? entry.file_size() : 0;
  return files;
}

// Ten frames of 10 ms each from the beginning of 2026 on; the agent has gone.
void fill(const std::string& directory) {
  DeviceSpool spool(directory);
  spool.add(spool.factory().started(0));
  for (uint64_t at = 0; at < 10; ++at) spool.add(spool.factory().flat_stat(at * 20'000, (at + 1) * 20'000));
}

// Every verb, with what it needs beside --spool.
std::vector<std::vector<std::string>> verbs(const std::string& into) {
  return {{"list"},
          {"show"},
          {"stat"},
          {"verify"},
          {"export"},
          {"push", "--broker", "tcp://127.0.0.1:1"},
          {"purge", "--all", "--yes"},
          {"repair", "--into", into}};
}

// One bit of every `step`th frame of lane stat, wherever the log has it.
void flip_in_frames(const std::string& log, size_t step) {
  std::ifstream file(log, std::ios::binary);
  std::string data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::set<std::string> parts;
  size_t count = 0;
  for (size_t at = data.find("JSF1"); at != std::string::npos; at = data.find("JSF1", at + 1))
    if (++count % step == 0) parts.insert(data.substr(at, 16));  // with its checksum
  for (const std::string& part : parts)
    for (size_t at = data.find(part); at != std::string::npos; at = data.find(part, at + 1))
      data[at + 12] = static_cast<char>(data[at + 12] ^ 0x10);
  std::ofstream(log, std::ios::binary) << data;
}

void execute(const std::string& path, const std::string& sql) {
  auto database = spool::Database::open(path, spool::OpenMode::write);
  REQUIRE(database.ok());
  REQUIRE((*database)->execute(sql).ok());
}

}  // namespace

TEST_CASE("spool: what is no spool is said so by every verb, with exit code 3, and stays as it is") {
  const TemporaryDirectory directory(Storage::memory);
  const std::string at = directory / "s";
  std::string expected;
  SUBCASE("nothing") { expected = "no spool at " + at; }
  SUBCASE("an empty directory") {
    fs::create_directory(at);
    expected = "no spool at " + at;
  }
  SUBCASE("a file") {
    std::ofstream(at) << "text";
    expected = "no spool at " + at;
  }
  SUBCASE("another program's database under the same name") {
    fs::create_directory(at);
    execute(at + "/segment-00000001.db", "CREATE TABLE theirs (x)");
    expected = "is not a spool: a database of another program";
  }
  SUBCASE("a newer schema") {
    fill(at);
    execute(at + "/segment-00000001.db", "PRAGMA user_version = 99");
    expected = "was made by a newer version (schema 99";
  }
  const auto before = files_in(directory.path());
  for (const auto& verb : verbs(directory / "new")) {
    CAPTURE(verb.front());
    const CliResult result = spool_command(at, verb);
    CHECK(result.exit_code == 3);
    CHECK_MESSAGE(result.err.find(expected) != std::string::npos, result.err);
    CHECK(result.out.empty());
    CHECK(files_in(directory.path()) == before);
  }
}

TEST_CASE("spool: times that are no times are wrong usage, and change nothing") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  const auto before = files_in(directory.path());
  const std::vector<std::vector<std::string>> wrong = {
      {"list", "--since", "soon"},
      {"list", "--since", "10"},
      {"list", "--from", "2026-13-01"},
      {"show", "--from", "yesterday"},
      {"show", "--since", "1h", "--from", "5"},
      {"show", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"},
      {"purge", "--before", "tomorrow", "--yes"},
      {"push", "--timeout", "fast"},
  };
  for (const auto& arguments : wrong) {
    CAPTURE(arguments.at(1));
    const CliResult result = spool_command(directory / "s", arguments);
    CHECK(result.exit_code == 2);
    CHECK(!result.err.empty());
    CHECK(files_in(directory.path()) == before);
  }
}

TEST_CASE("spool list and show: only what is of a time") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  const auto lane = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "list");
    const json document = spool_json(directory / "s", arguments);
    for (const json& of : document.at("lanes"))
      if (of.at("lane") == "stat") return of;
    return json();
  };
  CHECK(lane({}).at("queued_frames") == 10);
  const json last = lane({"--since", "25ms"});
  CHECK(last.at("queued_frames") == 3);
  CHECK(last.at("seq_first") == 8);
  CHECK(last.at("utc_end_ns") == lane({}).at("utc_end_ns"));
  CHECK(lane({"--to", "2026-01-01T00:00:00.015Z"}).at("queued_frames") == 2);
  CHECK(lane({"--from", "40000", "--to", "60000"}).at("seq_first") == 3);
  CHECK(lane({"--from", "2027-01-01T00:00:00Z"}).is_null());

  const auto shown = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"show", "--lane", "stat"});
    std::vector<uint64_t> seqs;
    const json document = spool_json(directory / "s", arguments);
    for (const json& frame : document.at("frames")) seqs.push_back(frame.at("seq"));
    return seqs;
  };
  CHECK(shown({"--since", "25ms"}) == std::vector<uint64_t>{8, 9, 10});
  CHECK(shown({"--from", "40000", "--to", "80000"}) == std::vector<uint64_t>{3, 4});
  CHECK(shown({"--to", "2026-01-01T00:00:00.015Z"}) == std::vector<uint64_t>{1, 2});
  CHECK(shown({"--from", "2027-01-01T00:00:00Z"}).empty());
  CHECK(spool_json(directory / "s", {"show", "--lane", "stat", "--since", "25ms", "--frames-max", "2"}).at("more") == true);
}

TEST_CASE("spool stat: rate, card and damage") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  fs::create_directory(directory / "s/damaged-1");
  const json document = spool_json(directory / "s", {"stat"});
  CHECK(document.at("damaged_folders") == 1);
  CHECK(document.at("outage_left_s").is_null());  // the budget is not known
  CHECK(document.at("stat_levels").at(0).at("frames") == 10);
  const json& card = document.at("card");
  CHECK(card.at("appended_bytes").get<uint64_t>() > 0);
  CHECK(card.at("write_amplification").get<double>() > 1);
  CHECK(card.at("endurance_left_bytes").is_null());

  std::ofstream(directory / "a.toml") << "host = \"bench\"\n[spool]\ncard-endurance-bytes = \"1GiB\"\ndirectory = \""
                                      << directory / "s"
                                      << "\"\n";
  const CliResult text = run_in_process({"spool", "stat", "--config", directory / "a.toml"});
  CHECK(text.exit_code == 0);
  CHECK_MESSAGE(text.out.find("times as much\n  card: 102") != std::string::npos, text.out);
  CHECK(text.out.find("damage: 0 frames set aside, 1 damaged-* folders") != std::string::npos);
}

TEST_CASE("spool verify: of one device") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  CHECK(spool_json(directory / "s", {"verify", "--device", "js220-1"}).at("frames") == 11);
  CHECK(spool_command(directory / "s", {"verify", "--device", "js220-2"}).exit_code == 1);
}

TEST_CASE("spool purge: which frames must be said, and that they are meant") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  const auto before = files_in(directory.path());
  const CliResult which = spool_command(directory / "s", {"purge", "--yes"});
  CHECK(which.exit_code == 2);
  CHECK(which.err.find("say which frames") != std::string::npos);
  const CliResult unasked = spool_command(directory / "s", {"purge", "--lane", "stat"});
  CHECK(unasked.exit_code == 2);
  CHECK(unasked.err.find("there is no terminal to ask on: --yes") != std::string::npos);
  CHECK(spool_command(directory / "s", {"purge", "--device", "js220-2", "--yes"}).exit_code == 1);
  CHECK(spool_command(directory / "s", {"purge", "--lane", "waves", "--yes"}).exit_code == 2);
  CHECK(files_in(directory.path()) == before);
}

TEST_CASE("spool purge: frames before a time go, a gap record explains it, a reader beside goes on") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  const auto beside = spool::open_spool_reader(directory / "s");
  REQUIRE(beside.ok());
  const std::string time = "2026-01-01T00:00:00.040Z";
  const json purged = spool_json(directory / "s", {"purge", "--lane", "stat", "--before", time, "--yes"});
  CHECK(purged.at("frames") == 4);
  CHECK(purged.at("unsent_frames") == 4);
  CHECK(purged.at("sequences").at(0).at("utc_end_ns") == 1'767'225'600'040'000'000);
  CHECK(spool_command(directory / "s", {"verify"}).exit_code == 0);
  const json holes = spool_json(directory / "s", {"verify"}).at("holes");
  REQUIRE(holes.size() == 1);
  CHECK(holes.at(0).at("seq_first") == 1);
  CHECK(holes.at(0).at("seq_last") == 4);
  CHECK(holes.at(0).at("cause") == "recorded");
  const CliResult event = spool_command(directory / "s", {"show", "--lane", "event"});
  CHECK(event.exit_code == 0);
  const auto usage = (*beside)->usage();
  REQUIRE(usage.ok());
  const auto frames = (*beside)->read(usage->lanes.at(1).sequence, 0, std::nullopt, 100, 1 << 20);
  REQUIRE(frames.ok());
  REQUIRE(frames->size() == 6);
  CHECK(frames->front().intact);
  const CliResult again = spool_command(directory / "s", {"purge", "--lane", "stat", "--before", time, "--yes"});
  CHECK(again.exit_code == 0);
  CHECK(again.out.find("0 frames dropped") != std::string::npos);
}

TEST_CASE("spool repair: what can be read goes into a new spool, what cannot is said; the old one stays as it is") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  bool is_damaged = false;
  SUBCASE("a spool that is well") {}
  SUBCASE("a damaged one") {
    is_damaged = true;
    flip_in_frames(directory / "s/segment-00000001.db-wal", 3);
  }
  const auto before = files_in(directory / "s");
  const CliResult text = spool_command(directory / "s", {"repair", "--into", directory / "new"});
  CHECK_MESSAGE(text.exit_code == (is_damaged ? 1 : 0), text.out << text.err);
  CHECK((text.out.find("nothing was lost") != std::string::npos) != is_damaged);
  CHECK((text.out.find("js220-1 stat") != std::string::npos) == is_damaged);
  CHECK(files_in(directory / "s") == before);
  const json document = spool_json(directory / "s", {"repair", "--into", directory / "second"});
  CHECK(document.at("host") == "bench");
  CHECK(document.at("frames").get<uint64_t>() + document.at("frames_lost").get<uint64_t>() == 11);
  CHECK((document.at("frames_lost") > 0) == is_damaged);
  CHECK(spool_command(directory / "new", {"verify"}).exit_code == 0);
  const CliResult again = spool_command(directory / "s", {"repair", "--into", directory / "new"});
  CHECK(again.exit_code == 2);
  CHECK(again.err.find("new") != std::string::npos);
  CHECK(spool_command(directory / "s", {"repair"}).exit_code == 2);
}

TEST_CASE("spool purge and push: an agent that has the spool is named, and nothing changes") {
  const TemporaryDirectory directory(Storage::memory);
  DeviceSpool agent(directory / "s");
  agent.add(agent.factory().started(0));
  const auto before = files_in(directory.path());
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"purge", "--all", "--yes"}, {"push", "--broker", "tcp://127.0.0.1:1"}}) {
    const CliResult refused = spool_command(directory / "s", verb);
    CHECK(refused.exit_code == 3);
    CHECK(refused.err.find("is used by process " + std::to_string(::getpid())) != std::string::npos);
  }
  CHECK(files_in(directory.path()) == before);
}

TEST_CASE("spool push: no broker, no bridge and no address") {
  const TemporaryDirectory directory(Storage::memory);
  fill(directory / "s");
  const CliResult address = spool_command(directory / "s", {"push", "--broker", "http://nowhere"});
  CHECK(address.exit_code == 2);
  CHECK_MESSAGE(address.err.find("http://nowhere") != std::string::npos, address.err);
  const std::string nobody = "tcp://127.0.0.1:" + std::to_string(free_port());
  const CliResult away = spool_command(directory / "s", {"push", "--broker", nobody, "--timeout", "200ms"});
  CHECK(away.exit_code == 3);
  CHECK(away.err.find("gave up waiting") != std::string::npos);
  CHECK(away.out.find("0 of 11 frames") != std::string::npos);

  auto broker = Mosquitto::start();
  REQUIRE(broker.ok());
  const json document = spool_json(directory / "s", {"push", "--broker", (*broker)->uri(), "--timeout", "1s", "--keep"});
  CHECK(document.at("end") == "gave_up");
  CHECK(document.at("waited_for") == "no bridge serves this host");
  CHECK(document.at("delivered") == 0);
  CHECK(document.at("removed") == false);
  CHECK(spool_json(directory / "s", {"list"}).at("queued_frames") == 11);
}
