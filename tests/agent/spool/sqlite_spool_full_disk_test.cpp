#include <doctest/doctest.h>

#include <filesystem>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/small_disk.h"
#include "tests/support/spool_frames.h"

using namespace joulespool;
using spool::Commit;
using test::SmallDisk;

namespace {

constexpr uint64_t disk_bytes = 24ULL << 20;
constexpr size_t frame_size = 100'000;
constexpr const char* device = "js220-001122";
namespace fs = std::filesystem;

struct FullDiskSpool {
  SmallDisk disk{disk_bytes};
  std::unique_ptr<spool::SpoolWriter> writer;
  std::unique_ptr<spool::SpoolReader> reader;
  wire::FrameSequence wave, event;

  FullDiskSpool() {
    if (disk.mounted()) open();
  }
  void open() {
    auto opened = spool::open_spool_writer({disk / "spool", test::test_host, disk_bytes});
    REQUIRE_MESSAGE(opened.ok(), (opened ? "" : opened.error().message));
    writer = std::move(*opened);
    auto reading = spool::open_spool_reader(disk / "spool");
    REQUIRE_MESSAGE(reading.ok(), (reading ? "" : reading.error().message));
    reader = std::move(*reading);
    wave = {device, writer->epoch(), wire::Lane::wave};
    event = {device, writer->epoch(), wire::Lane::event};
  }
  [[nodiscard]] Errc append(size_t count, size_t size) const {
    const Status done = writer->commit(test::commit_of(wave, writer->next_seq(wave), count, size));
    return done ? Errc::internal : done.error().code;  // internal stands for well here: commit() never says it
  }
  // Commits until the disk is full; the next seq then.
  [[nodiscard]] uint64_t fill_with_frames() const {
    Errc result = Errc::internal;
    while ((result = append(4, frame_size)) == Errc::internal) {
    }
    CHECK(result == Errc::full);
    while (append(1, 20'000) == Errc::internal) {
    }
    return writer->next_seq(wave);
  }
  // All frames [first, next) are there, and nothing else.
  void check_frames(uint64_t first, uint64_t next) const {
    const auto frames = reader->read(wave, 0, spool::FrameState::queued, SIZE_MAX, SIZE_MAX);
    REQUIRE_MESSAGE(frames.ok(), (frames ? "" : frames.error().message));
    REQUIRE(frames->size() == next - first);
    for (const auto& frame : *frames) {
      CHECK(frame.info.id.seq == first++);
      CHECK(frame.intact);
    }
  }
};

bool well(const Status& status) {
  INFO((status ? "" : status.error().message));
  CHECK(status.ok());
  return status.ok();
}

}  // namespace

TEST_CASE("full disk: a commit that does not fit changes nothing, and what is stored stays readable") {
  const FullDiskSpool spool;
  if (!spool.disk.mounted()) return;
  const uint64_t next = spool.fill_with_frames();
  CHECK(next > 100);
  CHECK(spool.append(4, frame_size) == Errc::full);
  CHECK(spool.writer->next_seq(spool.wave) == next);
  spool.check_frames(1, next);
  CHECK(spool.writer->usage()->payload_bytes == spool.reader->usage()->payload_bytes);
}

TEST_CASE("full disk: acks are still applied, and when others leave the disk it goes on") {
  const FullDiskSpool spool;
  if (!spool.disk.mounted()) return;
  const uint64_t next = spool.fill_with_frames();
  for (uint64_t seq = 1; seq <= 100; ++seq) {
    spool.disk.fill();
    if (!well(spool.writer->commit(test::commit_stored(spool.wave, seq, seq)))) return;
  }
  spool.check_frames(101, next);
  spool.disk.empty();
  for (int i = 0; i < 20; ++i) CHECK(spool.append(4, frame_size) == Errc::internal);
  spool.check_frames(101, next + 80);
}

TEST_CASE("full disk: a segment that holds nothing any more gives its space back at once") {
  const FullDiskSpool spool;
  if (!spool.disk.mounted()) return;
  const uint64_t next = spool.fill_with_frames();
  const uint64_t before = spool.disk.free_bytes();
  CHECK(well(spool.writer->commit(test::commit_stored(spool.wave, 1, 100))));
  CHECK(spool.disk.free_bytes() > before + 95 * frame_size);
  for (int i = 0; i < 20; ++i) CHECK(spool.append(4, frame_size) == Errc::internal);
  spool.check_frames(101, next + 80);
}

TEST_CASE("full disk: the reserve lets drops and their gap record through") {
  FullDiskSpool spool;
  if (!spool.disk.mounted()) return;
  for (int i = 0; i < 5; ++i) CHECK(spool.append(4, frame_size) == Errc::internal);
  spool.disk.fill();  // by somebody else, while the spool is small
  CHECK(spool.disk.free_bytes() < 4096);
  CHECK(fs::exists(spool.disk / "spool/reserve"));
  uint64_t stored = 21;
  while (spool.append(4, frame_size) == Errc::internal) stored += 4;  // into the blocks that the log has already
  CHECK(spool.writer->next_seq(spool.wave) == stored);
  Commit gap = test::commit_of(spool.event, 1, 1, 300);
  gap.dropped = {{spool.wave, 1}, {spool.wave, 2}};
  gap.positions = {test::position_at(device, 5)};
  CHECK(well(spool.writer->commit(gap)));
  for (uint64_t seq = 2; seq <= 50; ++seq)
    if (!well(spool.writer->commit(test::commit_of(spool.event, seq, 1, 300)))) return;
  CHECK(spool.reader->list(spool.event, 0, SIZE_MAX)->size() == 50);
  spool.check_frames(3, stored);

  spool.disk.empty();
  CHECK(spool.append(4, frame_size) == Errc::internal);
  CHECK(fs::exists(spool.disk / "spool/reserve"));  // taken again
  spool.check_frames(3, stored + 4);
}

TEST_CASE("full disk: a spool that was killed can be opened again without a free byte") {
  FullDiskSpool spool;
  if (!spool.disk.mounted()) return;
  for (int i = 0; i < 5; ++i) CHECK(spool.append(4, frame_size) == Errc::internal);
  // What a kill leaves: the files of the moment, with the log not copied into the database.
  fs::copy(spool.disk / "spool", spool.disk / "left");
  spool.reader.reset();
  spool.writer.reset();
  fs::remove_all(spool.disk / "spool");
  fs::remove(spool.disk / "left/spool.db-shm");
  fs::rename(spool.disk / "left", spool.disk / "spool");
  spool.disk.fill();
  spool.open();
  CHECK(spool.writer->take_notices().empty());
  spool.check_frames(1, 21);
  CHECK(well(spool.writer->commit(test::commit_stored(spool.wave, 1, 20))));
  spool.check_frames(0, 0);
  CHECK(spool.writer->next_seq(spool.wave) == 21);
}

TEST_CASE("full disk: a damaged frame that cannot be put into quarantine stays") {
  FullDiskSpool spool;
  if (!spool.disk.mounted()) return;
  CHECK(spool.append(1, 6 << 20) == Errc::internal);  // larger than the reserve
  spool.disk.fill();
  Commit aside;
  aside.set_aside = {{spool.wave, 1}};
  const Status refused = spool.writer->commit(aside);
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Errc::full);
  spool.check_frames(1, 2);
  spool.disk.empty();
  CHECK(well(spool.writer->commit(aside)));
  spool.check_frames(0, 0);
  CHECK(spool.writer->usage()->quarantined_frames == 1);
}

TEST_CASE("full disk: a spool that cannot even be made says so") {
  const SmallDisk disk(1 << 20);
  if (!disk.mounted()) return;
  fs::create_directory(disk / "spool");
  disk.fill();
  auto refused = spool::open_spool_writer({disk / "spool", test::test_host});
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Errc::full);
  disk.empty();
  auto opened = spool::open_spool_writer({disk / "spool", test::test_host});
  REQUIRE(opened.ok());
  CHECK((*opened)->take_notices().empty());
}
