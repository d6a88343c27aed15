// Appending, beside the plainest file there is: the same bytes, written behind one another and flushed per transaction.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "agent/spool/disk_files.h"
#include "agent/spool/sqlite_spool.h"
#include "tests/bench/spool_loads.h"

namespace joulespool::bench {
namespace {

constexpr uint64_t mib = 1024 * 1024;
constexpr uint64_t budget_bytes = 1024 * mib;

// How much is there to be read, for the thread that drains.
class Progress {
 public:
  void advance() {
    ++count_;
    count_.notify_all();
  }
  [[nodiscard]] uint64_t count() const { return count_; }
  void wait_beyond(uint64_t seen) const { count_.wait(seen); }

 private:
  std::atomic<uint64_t> count_{0};
};

// Reads the oldest frames like an uplink, and has them acked.
class SpoolDrain {
 public:
  SpoolDrain(const std::string& folder, std::vector<wire::FrameSequence> sequences)
      : reader_(require(spool::open_spool_reader(folder), "drain")), sequences_(std::move(sequences)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  SpoolDrain(const SpoolDrain&) = delete;
  SpoolDrain& operator=(const SpoolDrain&) = delete;
  ~SpoolDrain() {
    thread_.request_stop();
    progress_.advance();
  }
  void note_commit() { progress_.advance(); }
  void take_acks(spool::Commit& commit) {
    const std::lock_guard lock(mutex_);
    std::swap(commit.stored, acks_);
    acks_.clear();
  }
  [[nodiscard]] uint64_t drained_bytes() const { return drained_bytes_; }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const uint64_t seen = progress_.count();
      bool found = false;
      for (const auto& sequence : sequences_) found = read(sequence) || found;
      if (!found) progress_.wait_beyond(seen);
    }
  }
  bool read(const wire::FrameSequence& sequence) {
    auto frames = reader_->read(sequence, after_[sequence], spool::FrameState::queued, 64, mib);
    if (!frames || frames->empty()) return false;
    for (const auto& frame : *frames) drained_bytes_ += frame.bytes.size();
    const wire::SeqRange range{frames->front().info.id.seq, frames->back().info.id.seq};
    after_[sequence] = range.last;
    const std::lock_guard lock(mutex_);
    acks_.push_back({sequence, range});
    return true;
  }

  std::unique_ptr<spool::SpoolReader> reader_;
  const std::vector<wire::FrameSequence> sequences_;
  std::map<wire::FrameSequence, uint64_t> after_;
  Progress progress_;
  std::atomic<uint64_t> drained_bytes_{0};
  std::mutex mutex_;
  std::vector<std::pair<wire::FrameSequence, wire::SeqRange>> acks_;
  std::jthread thread_;
};

// The same for a plain file.
class FileDrain {
 public:
  FileDrain(const std::string& path, size_t bytes_each) : file_(path, O_RDONLY), buffer_(bytes_each) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      for (uint64_t done = 0; !stop.stop_requested();) {
        if (done == progress_.count()) progress_.wait_beyond(done);
        else if (::pread(file_.number(), buffer_.data(), buffer_.size(), static_cast<off_t>(done * buffer_.size())) > 0)
          drained_bytes_ = ++done * buffer_.size();
      }
    });
  }
  FileDrain(const FileDrain&) = delete;
  FileDrain& operator=(const FileDrain&) = delete;
  ~FileDrain() {
    thread_.request_stop();
    progress_.advance();
  }
  void note_commit() { progress_.advance(); }
  [[nodiscard]] uint64_t drained_bytes() const { return drained_bytes_; }

 private:
  spool::Descriptor file_;
  wire::Bytes buffer_;
  Progress progress_;
  std::atomic<uint64_t> drained_bytes_{0};
  std::jthread thread_;
};

nlohmann::json report(const std::vector<double>& times_ms, uint64_t bytes, double cpu_ms, uint64_t drained_bytes) {
  return {{"payload_bytes", bytes},
          {"times_ms", times_ms},
          {"cpu_ms", cpu_ms},
          {"drained_bytes", drained_bytes},
          {"peak_rss_mib", peak_rss_mib()}};
}

nlohmann::json append_to_file(const std::string& folder, const Load& load, uint64_t bytes, bool drained) {
  const std::string path = folder + "/raw";
  const size_t each = load.commit_bytes();
  const spool::Descriptor file(path, O_RDWR | O_CREAT);
  const auto size = static_cast<off_t>((bytes + each - 1) / each * each);
  if (file.number() < 0 || ::fallocate(file.number(), 0, 0, size) != 0 || ::fsync(file.number()) != 0)
    throw std::runtime_error("cannot allocate " + path);
  std::optional<FileDrain> drain;
  if (drained) drain.emplace(path, each);
  std::vector<double> times_ms;
  uint64_t appended = 0;
  const double cpu_ms = process_cpu_ms();
  for (size_t from = 0; appended < bytes; appended += each, from = (from + 4099) % (random_pool().size() - each)) {
    const double before = now_ms();
    if (::pwrite(file.number(), random_pool().data() + from, each, static_cast<off_t>(appended)) != static_cast<ssize_t>(each) ||
        ::fdatasync(file.number()) != 0)
      throw std::runtime_error("cannot write " + path);
    times_ms.push_back(now_ms() - before);
    if (drain) drain->note_commit();
  }
  return report(times_ms, appended, process_cpu_ms() - cpu_ms, drain ? drain->drained_bytes() : 0);
}

nlohmann::json append_to_spool(const std::string& folder, const Load& load, uint64_t bytes, bool drained) {
  const auto writer = open_writer(folder + "/spool", budget_bytes);
  CommitMaker maker(load, "js220-000001");
  std::optional<SpoolDrain> drain;
  if (drained)
    drain.emplace(folder + "/spool",
                  std::vector{maker.sequence(*writer, wire::Lane::stat), maker.sequence(*writer, wire::Lane::wave)});
  std::vector<double> times_ms;
  double cpu_ms = 0;
  uint64_t appended = 0;
  for (; appended < bytes; appended += load.commit_bytes()) {
    spool::Commit commit = maker.next(*writer);
    if (drain) drain->take_acks(commit);
    const double cpu_before = process_cpu_ms(), before = now_ms();
    require(writer->make_room({load.commit_bytes(), 0, {}}), "make room");
    require(writer->commit(commit), "commit");
    times_ms.push_back(now_ms() - before);
    cpu_ms += process_cpu_ms() - cpu_before;
    if (drain) drain->note_commit();
  }
  return report(times_ms, appended, cpu_ms, drain ? drain->drained_bytes() : 0);
}

}  // namespace

nlohmann::json measure_append(const std::string& what, const std::string& folder, const Load& load, uint64_t bytes,
                              bool drained) {
  if (what == "raw") return append_to_file(folder, load, bytes, drained);
  if (what == "spool") return append_to_spool(folder, load, bytes, drained);
  throw std::runtime_error("append to raw or to spool, not " + what);
}

}  // namespace joulespool::bench
