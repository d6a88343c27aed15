#include "agent/device/shared_ring.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>
#include <deque>
#include <random>
#include <thread>
#include <vector>

using namespace joulespool;
using device::FileDescriptor;
using device::SharedRing;

namespace {

using Record = std::vector<std::byte>;

SharedRing ring_of(size_t bytes) {
  auto ring = SharedRing::create(bytes);
  REQUIRE(ring.ok());
  return std::move(*ring);
}

Record record_of(size_t size, std::mt19937& random) {
  Record record(size);
  for (std::byte& byte : record) byte = static_cast<std::byte>(random());
  return record;
}

bool write(SharedRing& ring, const Record& record) {
  std::byte* const to = ring.reserve(record.size());
  if (to == nullptr) return false;
  std::memcpy(to, record.data(), record.size());
  ring.commit(record.size());
  return true;
}

Record read(SharedRing& ring) {
  const auto front = ring.front();
  REQUIRE(front.ok());
  Record record(front->begin(), front->end());
  if (!record.empty()) ring.pop();
  return record;
}

FileDescriptor same(const SharedRing& ring) { return FileDescriptor(::fcntl(ring.descriptor(), F_DUPFD_CLOEXEC, 3)); }

// The first pages as raw words, for a writer that has gone mad. Word 0 is the position `head`.
struct RawMemory {
  explicit RawMemory(const SharedRing& ring)
      : words(static_cast<uint64_t*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, ring.descriptor(), 0))) {
    REQUIRE(words != MAP_FAILED);
  }
  RawMemory(const RawMemory&) = delete;
  RawMemory& operator=(const RawMemory&) = delete;
  ~RawMemory() { ::munmap(words, 8192); }
  uint64_t* words;
};

}  // namespace

TEST_CASE("shared ring: records of any size come out as they went in, across the end of the memory") {
  SharedRing reader = ring_of(16'384);
  auto attached = SharedRing::attach(same(reader));
  REQUIRE(attached.ok());
  SharedRing& writer = *attached;
  CHECK(writer.capacity_bytes() == reader.capacity_bytes());
  std::deque<Record> model;
  std::mt19937 random(7);
  INFO("seed 7");
  size_t filled = 0;
  for (int step = 0; step < 200'000; ++step) {
    if (random() % 2 == 0) {
      const Record record = record_of(1 + random() % (random() % 8 == 0 ? 9000 : 300), random);
      const size_t taken = SharedRing::taken_bytes(record.size());
      CHECK(writer.room_bytes() == writer.capacity_bytes() - filled);
      REQUIRE(write(writer, record) == (filled + taken <= writer.capacity_bytes()));
      if (filled + taken > writer.capacity_bytes()) continue;
      model.push_back(record);
      filled += taken;
    } else {
      const Record got = read(reader);
      REQUIRE(got.empty() == model.empty());
      if (model.empty()) continue;
      REQUIRE(got == model.front());
      filled -= SharedRing::taken_bytes(got.size());
      model.pop_front();
    }
  }
}

TEST_CASE("shared ring: one thread writes while another reads") {
  SharedRing ring = ring_of(4096);
  constexpr uint32_t count = 20'000;
  std::jthread writer([&ring] {
    for (uint32_t n = 0; n < count;) {
      const Record record(4 + n % 700, static_cast<std::byte>(n));
      if (write(ring, record)) ++n;
      else std::this_thread::yield();
    }
  });
  for (uint32_t n = 0; n < count;) {
    const auto front = ring.front();
    if (front.ok() && front->empty()) {
      std::this_thread::yield();
      continue;
    }
    const Record record = read(ring);
    REQUIRE(record == Record(4 + n % 700, static_cast<std::byte>(n)));
    ++n;
  }
}

TEST_CASE("shared ring: a record that was not committed does not exist") {
  SharedRing ring = ring_of(4096);
  std::byte* const to = ring.reserve(100);
  REQUIRE(to != nullptr);
  std::memset(to, 0x55, 100);
  CHECK(read(ring).empty());
}

TEST_CASE("shared ring: no record is larger than the memory") {
  SharedRing ring = ring_of(4096);
  CHECK(ring.reserve(4096) == nullptr);
  CHECK(ring.reserve(SIZE_MAX) == nullptr);
  CHECK(ring.reserve(4088) != nullptr);
}

TEST_CASE("shared ring: what a mad writer says is refused") {
  SharedRing ring = ring_of(4096);
  const RawMemory raw(ring);
  uint64_t& head = raw.words[0];
  uint64_t& first_record = raw.words[::sysconf(_SC_PAGESIZE) / 8];
  SUBCASE("a position beyond the memory") { head = 4104; }
  SUBCASE("a position before the reader's") { head = UINT64_MAX - 7; }
  SUBCASE("a position within a word") { head = 13; }
  SUBCASE("a size beyond what is filled") {
    head = 64;
    first_record = 57;
  }
  SUBCASE("the largest size") {
    head = 4096;
    first_record = UINT32_MAX;
  }
  SUBCASE("no size") { head = 64; }
  SUBCASE("something beside the size") {
    head = 64;
    first_record = 8 | uint64_t{1} << 40;
  }
  const auto front = ring.front();
  REQUIRE(!front.ok());
  CHECK(front.error().code == Errc::damaged);
}

TEST_CASE("shared ring: the memory cannot be cut off under the reader") {
  const SharedRing ring = ring_of(4096);
  CHECK(::ftruncate(ring.descriptor(), 0) != 0);
  CHECK(::ftruncate(ring.descriptor(), 1 << 20) != 0);
}

TEST_CASE("shared ring: a descriptor of something else is refused") {
  CHECK(SharedRing::attach(FileDescriptor(-1)).error().code == Errc::usage);
  CHECK(SharedRing::attach(FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC))).error().code == Errc::usage);
  const FileDescriptor small(::memfd_create("small", MFD_CLOEXEC));
  CHECK(SharedRing::attach(FileDescriptor(::fcntl(small.get(), F_DUPFD_CLOEXEC, 3))).error().code == Errc::usage);
  CHECK(SharedRing::create(0).error().code == Errc::usage);
}

TEST_CASE("shared ring: signs of life are counted beside the records") {
  SharedRing reader = ring_of(4096);
  auto writer = SharedRing::attach(same(reader));
  REQUIRE(writer.ok());
  CHECK(reader.beats() == 0);
  writer->beat();
  writer->beat();
  CHECK(reader.beats() == 2);
  CHECK(read(reader).empty());
}
