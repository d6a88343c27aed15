// Every write and every sync of SQLite fails once: nothing confirmed is lost, nothing half is visible, no seq is used twice.
#include <doctest/doctest.h>

#include <map>

#include "agent/spool/sqlite_spool.h"
#include "tests/support/spool_frames.h"
#include "tests/support/sqlite_fault_vfs.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using test::DiskFault;
using test::FaultVfs;

namespace {

constexpr const char* device = "js220-001122";
constexpr uint64_t budget = 8ULL << 20;  // small segments, so that there are several

// Appends, acks and drops; tries again what failed.
class FaultyRun {
 public:
  // With `followed`, a reader has the segments open, too.
  explicit FaultyRun(bool followed) : followed_(followed) { open(); }

  void run() {
    for (uint64_t round = 0; round < 8; ++round) {
      const uint64_t seq = 3 * round + 1;
      auto commit = test::commit_of(wave(), seq, 3, 40'000);
      commit.frames.push_back(test::new_frame({device, epoch_, wire::Lane::event}, round + 1, 200));
      commit.positions = {test::position_at(device, seq)};
      if (round > 2) commit.stored = {{wave(), {1, seq - 6}}};
      if (round == 5) commit.dropped = {{wave(), 14}};
      store(commit, seq);
    }
    writer_.reset();
    open();
    check(25);
  }

 private:
  [[nodiscard]] wire::FrameSequence wave() const { return {device, epoch_, wire::Lane::wave}; }

  void open() {
    auto writer = spool::open_spool_writer({directory_.path(), test::test_host, budget});
    for (int attempt = 0; !writer && attempt < 5; ++attempt) {
      CAPTURE(writer.error().message);
      CHECK((writer.error().code == Errc::full || writer.error().code == Errc::unreachable));
      FaultVfs::heal();
      writer = spool::open_spool_writer({directory_.path(), test::test_host, budget});
    }
    REQUIRE_MESSAGE(writer.ok(), (writer ? "" : writer.error().message));
    writer_ = std::move(*writer);
    CHECK(writer_->take_notices().empty());
    if (epoch_ != 0) CHECK(writer_->epoch() == epoch_);
    epoch_ = writer_->epoch();
    if (!followed_ || reader_ != nullptr) return;
    auto reader = spool::open_spool_reader(directory_.path());
    REQUIRE(reader.ok());
    reader_ = std::move(*reader);
  }

  void store(const spool::Commit& commit, uint64_t seq) {
    for (int attempt = 0; attempt < 6; ++attempt) {
      const Status done = writer_->commit(commit);
      if (done) return check(seq + 3);
      CAPTURE(done.error().message);
      CHECK((done.error().code == Errc::full || done.error().code == Errc::unreachable));
      if (done.error().code == Errc::full) CHECK(writer_->next_seq(wave()) == seq);
      if (attempt == 4) FaultVfs::heal();
    }
    FAIL("the commit never went through");
  }

  void check(uint64_t next) {
    CHECK(writer_->next_seq(wave()) == next);
    auto reader = spool::open_spool_reader(directory_.path());
    REQUIRE(reader.ok());
    const auto frames = (*reader)->read(wave(), 0, std::nullopt, SIZE_MAX, SIZE_MAX);
    REQUIRE(frames.ok());
    REQUIRE(!frames->empty());
    const auto usage = (*reader)->usage();
    CHECK(test::lane_of(*usage, wave())->queued_frames == frames->size());
    CHECK(test::lane_of(*usage, {device, epoch_, wire::Lane::event})->queued_frames == (next - 1) / 3);
    CHECK(frames->back().info.id.seq == next - 1);
    for (const auto& frame : *frames) CHECK(frame.intact);
    CHECK((*reader)->positions()->front().sample_id_end == next - 3);
  }

  test::TemporaryDirectory directory_{test::Storage::memory};
  bool followed_;
  uint64_t epoch_ = 0;
  std::unique_ptr<spool::SpoolWriter> writer_;
  std::unique_ptr<spool::SpoolReader> reader_;
};

}  // namespace

TEST_CASE("fault: whichever write or sync fails, the spool goes on where it was") {
  FaultVfs::install();
  for (const auto fault : {DiskFault::full, DiskFault::write_error, DiskFault::sync_error})
    for (const int64_t bad : {1, 2, 1000})
      for (const bool followed : {false, true}) {
        int64_t good = 0;
        // In the end the run is over before the fault comes. Writes are many: every 19th of them meets every kind of moment.
        for (bool hit = true; hit; good += fault == DiskFault::sync_error ? 1 : 19) {
          CAPTURE(static_cast<int>(fault));
          CAPTURE(bad);
          CAPTURE(followed);
          CAPTURE(good);
          FaultVfs::fail(fault, good, bad);
          FaultyRun(followed).run();
          hit = FaultVfs::has_failed();
          FaultVfs::heal();
        }
        CHECK(good > 20);
      }
}
