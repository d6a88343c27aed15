#include "cloud-bridge/ingest/dead_letters.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/support/temporary_directory.h"

using namespace joulespool;
using ingest::DeadLetters;
namespace fs = std::filesystem;

namespace {

constexpr int64_t noon = 1'767'355'445'678'000'000;  // 2026-01-02T12:04:05.678Z

// An empty folder of its own, removed at the end.
class Folder {
 public:
  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(path_)) all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  joulespool::test::TemporaryDirectory directory_;
  fs::path path_ = directory_.path();
};

wire::Bytes bytes_of(size_t size, int mark = 0) {
  wire::Bytes bytes(size);
  if (size > 0) bytes[0] = static_cast<std::byte>(mark);
  return bytes;
}

}  // namespace

TEST_CASE("ingest: a dead letter is a file with the bytes that came, named by time and reason") {
  const Folder folder;
  DeadLetters letters(folder.path() / "made" / "for-it", {});
  REQUIRE(letters.open().ok());
  letters.keep("checksum", bytes_of(3, 'x'), noon);
  const fs::path path = folder.path() / "made" / "for-it" / "20260102T120405.678Z-checksum-000001.frame";
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  CHECK(content == std::string("x\0\0", 3));
  CHECK(letters.counts().kept == 1);
  CHECK(letters.counts().rejected.at("checksum") == 1);
}

TEST_CASE("ingest: the oldest dead letters go when bytes or files exceed their limit") {
  const Folder folder;
  SUBCASE("bytes") {
    DeadLetters letters(folder.path(), {100, 1000});
    REQUIRE(letters.open().ok());
    for (int at = 1; at <= 5; ++at) letters.keep("foreign", bytes_of(40, at), noon + at * 1'000'000'000LL);
    CHECK(letters.bytes() == 80);
  }
  SUBCASE("files") {
    DeadLetters letters(folder.path(), {1'000'000, 2});
    REQUIRE(letters.open().ok());
    for (int at = 1; at <= 5; ++at) letters.keep("foreign", bytes_of(40, at), noon + at * 1'000'000'000LL);
    CHECK(letters.counts().removed == 3);
  }
  const auto names = folder.names();
  REQUIRE(names.size() == 2);
  CHECK(names[0].ends_with("-000004.frame"));
  CHECK(names[1].ends_with("-000005.frame"));
}

TEST_CASE("ingest: dead letters of an earlier run count, files of others do not and stay") {
  const Folder folder;
  std::ofstream(folder.path() / "notes.txt") << std::string(500, 'n');
  std::ofstream(folder.path() / "other.frame") << std::string(500, 'n');
  {
    DeadLetters letters(folder.path(), {100, 1000});
    REQUIRE(letters.open().ok());
    letters.keep("foreign", bytes_of(60, 1), noon);
  }
  DeadLetters letters(folder.path(), {100, 1000});
  REQUIRE(letters.open().ok());
  CHECK(letters.bytes() == 60);
  letters.keep("foreign", bytes_of(60, 2), noon + 1'000'000'000LL);
  CHECK(letters.files() == 1);
  CHECK(folder.names() == std::vector<std::string>{"20260102T120406.678Z-foreign-000002.frame", "notes.txt", "other.frame"});
}

TEST_CASE("ingest: the same bytes again are counted but kept once") {
  const Folder folder;
  DeadLetters letters(folder.path(), {});
  REQUIRE(letters.open().ok());
  for (int at = 0; at < 10; ++at) letters.keep("foreign", bytes_of(10), noon);
  CHECK(letters.counts().rejected.at("foreign") == 10);
  CHECK(letters.counts().kept == 1);
  CHECK(letters.counts().repeated == 9);
}

TEST_CASE("ingest: what cannot be written is counted and nothing fails") {
  const Folder folder;
  SUBCASE("no folder is set") {
    DeadLetters letters({}, {});
    CHECK(letters.open().ok());
    letters.keep("topic", bytes_of(10), noon);
    CHECK(letters.counts().not_written == 1);
  }
  SUBCASE("larger than the limit") {
    DeadLetters letters(folder.path(), {100, 10});
    REQUIRE(letters.open().ok());
    letters.keep("topic", bytes_of(101), noon);
    CHECK(letters.counts().not_written == 1);
    CHECK(folder.names().empty());
  }
  SUBCASE("the folder cannot be made") {
    std::ofstream(folder.path() / "file") << "x";
    DeadLetters letters(folder.path() / "file" / "folder", {});
    CHECK_FALSE(letters.open().ok());
    letters.keep("topic", bytes_of(10), noon);
    letters.keep("topic", bytes_of(10), noon);
    CHECK(letters.counts().not_written == 2);
    CHECK(letters.counts().rejected.at("topic") == 2);
  }
}

TEST_CASE("ingest: a reason never leaves the folder") {
  const Folder folder;
  DeadLetters letters(folder.path(), {});
  REQUIRE(letters.open().ok());
  letters.keep("../../Evil name", bytes_of(10), noon);
  CHECK(folder.names() == std::vector<std::string>{"20260102T120405.678Z-_______vil_name-000001.frame"});
}
