#include "tests/bench/spool_loads.h"

#include <fstream>
#include <random>
#include <stdexcept>

#include "agent/spool/sqlite_spool.h"

namespace joulespool::bench {
namespace {

constexpr size_t kib = 1024;
constexpr uint64_t axis = 77;
constexpr uint64_t ticks_per_commit = 500'000;  // 250 ms at 2 MHz
constexpr int64_t ns_per_tick = 500;
constexpr int64_t utc_start_ns = 1'770'000'000'000'000'000;

std::vector<std::pair<wire::Lane, size_t>> repeated(size_t count, size_t bytes) {
  return {count, std::pair{wire::Lane::wave, bytes}};
}

spool::DevicePosition position_of(const std::string& device, uint64_t sample_id_end) {
  spool::DevicePosition position;
  position.device = {device, device.substr(0, 5), device.substr(6)};
  position.axis = {axis, 2'000'000, 1};
  position.sample_id_end = sample_id_end;
  position.utc = {0, utc_start_ns, 2e6, wire::UtcQuality::host};
  position.totals = {sample_id_end, sample_id_end, static_cast<int128>(sample_id_end) << 40,
                     static_cast<int128>(sample_id_end) << 42, 0};
  return position;
}

// With the next seq of its sequence, and these many bytes.
void add(const spool::SpoolWriter& writer, spool::FrameInfo info, size_t bytes, spool::Commit& commit) {
  uint64_t seq = writer.next_seq(info.id.sequence);
  for (const auto& other : commit.frames) seq += other.info.id.sequence == info.id.sequence ? 1U : 0U;
  info.id.seq = seq;
  const wire::Bytes& pool = random_pool();
  const auto from = pool.begin() + static_cast<std::ptrdiff_t>(seq * 4099 % (pool.size() - bytes));
  commit.frames.push_back({std::move(info), {from, from + static_cast<std::ptrdiff_t>(bytes)}});
}

}  // namespace

size_t Load::commit_bytes() const {
  size_t bytes = 0;
  for (const auto& [lane, size] : frames) bytes += size;
  return bytes;
}

const std::vector<Load>& loads() {
  using wire::Lane;
  static const std::vector<Load> all = {
      {"120-kib-x-8", repeated(8, 120 * kib)},
      {"20-kib-x-50", repeated(50, 20 * kib)},
      {"64-kib-x-1", repeated(1, 64 * kib)},
      // What the agent commits by default every 250 ms for one instrument at 2 MS/s.
      {"default", {{Lane::stat, 6 * kib}, {Lane::wave, 100 * kib}}},
      // As much again in one commit, for long spools.
      {"mixed",
       {{Lane::stat, 6 * kib},
        {Lane::wave, 250 * kib},
        {Lane::stat, 6 * kib},
        {Lane::wave, 250 * kib},
        {Lane::stat, 6 * kib},
        {Lane::wave, 250 * kib},
        {Lane::stat, 6 * kib},
        {Lane::wave, 250 * kib}}},
      {"tiny", repeated(1000, 64)},
  };
  return all;
}

const Load& find_load(std::string_view name) {
  for (const Load& load : loads())
    if (load.name == name) return load;
  throw std::runtime_error("no load " + std::string(name));
}

const wire::Bytes& random_pool() {
  static const wire::Bytes pool = [] {
    std::mt19937_64 random(1);
    wire::Bytes bytes(4 * kib * kib);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  }();
  return pool;
}

wire::FrameSequence CommitMaker::sequence(const spool::SpoolWriter& writer, wire::Lane lane) const {
  return {device_, writer.epoch(), lane};
}

void CommitMaker::add_frame(const spool::SpoolWriter& writer, wire::Lane lane, size_t bytes, spool::FrameState state,
                            spool::Commit& commit) {
  spool::FrameInfo info;
  info.id.sequence = sequence(writer, lane);
  info.state = state;
  info.axis = axis;
  info.sample_id_first = ticks_;
  info.sample_id_end = ticks_ + ticks_per_commit;
  info.utc_first_ns = utc_start_ns + static_cast<int64_t>(ticks_) * ns_per_tick;
  info.utc_end_ns = info.utc_first_ns + static_cast<int64_t>(ticks_per_commit) * ns_per_tick;
  info.samples = ticks_per_commit;
  add(writer, std::move(info), bytes, commit);
}

void CommitMaker::add_merged(const spool::SpoolWriter& writer, const std::vector<spool::FrameInfo>& frames, size_t bytes,
                             spool::Commit& commit) {
  spool::FrameInfo info = frames.front();
  info.id.sequence.epoch = writer.epoch();
  ++info.level;
  info.sample_id_end = frames.back().sample_id_end;
  info.utc_end_ns = frames.back().utc_end_ns;
  info.samples = 0;
  for (const auto& frame : frames) info.samples += frame.samples;
  add(writer, std::move(info), bytes, commit);
}

spool::Commit CommitMaker::next(const spool::SpoolWriter& writer) {
  spool::Commit commit;
  commit.frames.reserve(load_.frames.size());
  uint64_t wave = 0;
  for (const auto& [lane, bytes] : load_.frames) {
    const bool queued = lane != wire::Lane::wave || (queued_every_ != 0 && wave++ % queued_every_ == 0);
    add_frame(writer, lane, bytes, queued ? spool::FrameState::queued : spool::FrameState::kept, commit);
  }
  ticks_ += ticks_per_commit;
  commit.positions.push_back(position_of(device_, ticks_));
  return commit;
}

std::unique_ptr<spool::SpoolWriter> open_writer(const std::string& folder, uint64_t budget_bytes) {
  spool::SpoolOptions options;
  options.directory = folder;
  options.host = "bench-1";
  options.budget_bytes = budget_bytes;
  return require(spool::open_spool_writer(options), "open");
}

void require(const Status& status, std::string_view what) {
  if (!status) throw std::runtime_error(std::string(what) + ": " + status.error().message);
}

double clock_ms(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

double peak_rss_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / static_cast<double>(kib);
  return 0;
}

}  // namespace joulespool::bench
