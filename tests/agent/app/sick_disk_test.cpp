// The disk under a running writer falls ill and recovers: it says so, counts, tries again, and what was measured meanwhile is in
// a frame or in a gap record. No restart is needed.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/agent/app/writer_run.h"
#include "tests/support/disk_faults.h"
#include "tests/support/loop_disk.h"
#include "tests/support/temporary_directory.h"

using namespace joulespool;
using test::DiskFaults;
using test::Sick;
using test::WriterRun;
namespace fs = std::filesystem;

namespace {

constexpr uint64_t block_ticks = test::block_samples * test::decimation;

// Feeds a writer over an illness. Without room its samples are lost in the ring: so long takes the illness.
class Patient {
 public:
  explicit Patient(const std::string& directory) : directory_(directory), run_(std::make_unique<WriterRun>(directory)) {}

  void feed(int blocks, bool waits = true) {
    for (; blocks > 0; --blocks, tick_ += block_ticks) run_->feed(tick_, waits);
  }
  void wait_until_stored() {
    const uint64_t samples = tick_ / test::decimation;
    run_->wait_for([&](const app::WriterStatus& status) {
      const auto& totals = status.devices.at(0).totals;
      return totals.samples + totals.samples_lost + 5000 > samples;  // the last window may be open
    });
  }
  // The error that the status says. Samples keep coming, and are too many for the ring.
  std::string wait_until_sick() {
    std::string error;
    run_->wait_for([&](const app::WriterStatus& status) {
      feed(1, false);
      error = status.spool_error;
      return !error.empty() && status.commits_failed > 0;
    });
    feed(20, false);
    return error;
  }
  void wait_until_well() {
    run_->wait_for([](const app::WriterStatus& status) { return status.spool_error.empty(); });
  }

  // Ends the run: every sample is in one frame or one gap record, each number stands for one thing.
  std::set<wire::GapReason> settle() {
    run_->thread.request_stop();
    run_->thread.join();
    run_.reset();
    std::map<wire::FrameSequence, uint64_t> last;
    test::Account account;
    for (const auto& frame : test::all_frames(directory_)) {
      REQUIRE(frame.intact);
      CHECK(frame.info.id.seq == ++last[frame.info.id.sequence]);
      test::add_frame(frame.bytes, account);
    }
    CHECK(account.overlaps == 0);
    IntervalSet everything = account.waves;
    uint64_t twice = 0;
    for (const auto& gap : account.gaps.intervals()) twice += everything.insert(gap.first, gap.end);
    CHECK(twice == 0);
    CHECK(everything.missing(0, tick_).empty());
    CHECK(account.lost * test::decimation == account.gaps.size());
    CHECK(account.stat == test::totals_over(account.waves));
    std::set<wire::GapReason> reasons;
    for (const auto& gap : account.gap_list) reasons.insert(gap.reason);
    return reasons;
  }

 private:
  const std::string directory_;
  std::unique_ptr<WriterRun> run_;
  uint64_t tick_ = 0;
};

}  // namespace

TEST_CASE("sick disk: I/O errors, a read-only file system or no space are said and cost exact gaps, and it recovers by itself") {
  for (const auto& [sick, words] :
       {std::pair{Sick::io_error, "error"}, {Sick::read_only, "Read-only"}, {Sick::no_space, "space"}}) {
    CAPTURE(words);
    const test::TemporaryDirectory directory;
    DiskFaults::fail(directory.path(), sick, 0, 0);
    Patient patient(directory / "spool");
    patient.feed(10);
    patient.wait_until_stored();
    for (int time = 0; time < 2; ++time) {
      DiskFaults::fail(directory.path(), sick, 0, INT64_MAX);
      const std::string error = patient.wait_until_sick();
      CAPTURE(error);
      CHECK(!error.empty());
      CHECK(DiskFaults::failed() > 0);
      DiskFaults::heal();
      patient.wait_until_well();
      patient.feed(10);
      patient.wait_until_stored();
    }
    const auto reasons = patient.settle();
    CHECK(!reasons.empty());
    for (const auto reason : reasons) CHECK((reason == wire::GapReason::overrun || reason == wire::GapReason::disk_full));
  }
}

TEST_CASE("sick disk: while it is unmounted nothing is written beside it, and when it is back the spool goes on") {
  test::LoopDisk disk(64 << 20);
  if (!disk.mounted()) return;
  Patient patient(disk / "spool");
  patient.feed(10);
  patient.wait_until_stored();
  disk.unmount();
  SUBCASE("an empty mount point is left") {}
  SUBCASE("a directory of this name is left") { fs::create_directory(disk / "spool"); }
  const std::string error = patient.wait_until_sick();
  CHECK(error.find("unmounted") != std::string::npos);
  if (fs::exists(disk / "spool")) CHECK(fs::is_empty(disk / "spool"));
  REQUIRE(disk.mount());
  patient.wait_until_well();
  patient.feed(10);
  patient.wait_until_stored();
  CHECK(patient.settle() == std::set{wire::GapReason::overrun});
}

TEST_CASE("sick disk: a card that is pulled out and put into the next slot is taken up again") {
  test::LoopDisk disk(64 << 20);
  if (!disk.mounted()) return;
  Patient patient(disk / "spool");
  patient.feed(10);
  patient.wait_until_stored();
  disk.unmount();
  CHECK(!patient.wait_until_sick().empty());
  REQUIRE(disk.mount_copy());
  patient.wait_until_well();
  patient.feed(10);
  patient.wait_until_stored();
  CHECK(patient.settle() == std::set{wire::GapReason::overrun});
}

TEST_CASE("sick disk: a disk that is read-only cannot be opened for writing, and the error says so") {
  test::LoopDisk disk(16 << 20);
  if (!disk.mounted()) return;
  { const auto made = spool::open_spool_writer({disk / "spool", "host-1", 8ULL << 20}); }
  REQUIRE(disk.remount(true));
  const auto refused = spool::open_spool_writer({disk / "spool", "host-1", 8ULL << 20});
  REQUIRE(!refused.ok());
  CHECK(refused.error().code == Errc::unreachable);
  CHECK(refused.error().message.find("Read-only file system") != std::string::npos);
  CHECK(spool::open_spool_reader(disk / "spool").ok());  // reading is no matter of it
  REQUIRE(disk.remount(false));
  CHECK(spool::open_spool_writer({disk / "spool", "host-1", 8ULL << 20}).ok());
}
